// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ipc.h"

struct err ipc_frame_size(struct span stream, size_t *size)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(stream, &fault);

	*size = 0;
	if (stream.len < 4)
		return OK;
	const uint32_t length = reader_u32(&r, "length");
	if (length < IPC_HEADER - 4 || length > IPC_FRAME_MAX - 4)
		return ERR(INPUT);
	*size = (size_t)length + 4;
	return OK;
}

struct err ipc_decode(struct span bytes, struct ipc_frame *frame, struct wire_fault *fault)
{
	struct reader whole = reader_of(bytes, fault);
	struct reader r = reader_cut(&whole, reader_u32(&whole, "length"), "frame");

	*frame = (struct ipc_frame){0};
	const uint8_t version = reader_u8(&r, "version");
	if (!reader_failed(&r) && (version < IPC_VERSION_LEAST || version > IPC_VERSION))
		reader_refuse(&r, ERR(VERSION), "version", NULL);
	const uint8_t kind = reader_u8(&r, "kind");
	reader_require(&r, kind >= IPC_REQUEST && kind <= IPC_NOTICE, "kind", NULL);
	frame->kind = (enum ipc_kind)kind;
	frame->type = reader_u16(&r, "type");
	frame->request_id = reader_u64(&r, "request_id");
	const uint32_t deadline_or_err = reader_u32(&r, "deadline_ms");
	if (kind == IPC_ANSWER) {
		reader_require(&r, deadline_or_err < ERR_KINDS, "err", NULL);
		frame->err.kind = (enum err_kind)deadline_or_err;
	} else {
		frame->deadline_ms = deadline_or_err;
	}
	frame->body = reader_rest(&r);
	reader_end(&whole, "frame");
	return wire_result(fault);
}

void ipc_encode_head(struct writer *w, const struct ipc_frame *frame)
{
	writer_u32(w, (uint32_t)(IPC_HEADER - 4 + frame->body.len));
	writer_u8(w, IPC_VERSION);
	writer_u8(w, (uint8_t)frame->kind);
	writer_u16(w, frame->type);
	writer_u64(w, frame->request_id);
	writer_u32(w, frame->kind == IPC_ANSWER ? (uint32_t)frame->err.kind : frame->deadline_ms);
}

void ipc_encode(struct writer *w, const struct ipc_frame *frame)
{
	ipc_encode_head(w, frame);
	writer_span(w, frame->body);
}
