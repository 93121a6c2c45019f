// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Frames out of a stream, in pieces: by a channel of the loop, and by the blocking face. The first
 * octet says how long the pieces are. Both faces must hand over the same frames, in the same order.
 */
#include "host/channel.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 << 10, TURNS_MAX = 1000000 };

/* What was handed over: a sum of types and octets, and how many. */
struct heard {
	uint64_t sum, frames;
	bool is_closed;
};

static void hear(struct heard *h, uint16_t type, struct span body)
{
	h->frames++;
	h->sum = h->sum * 31 + type;
	for (size_t i = 0; i < body.len; i++)
		h->sum = h->sum * 31 + body.at[i];
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)c;
	hear(ctx, frame->type, frame->body);
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	(void)c, (void)why;
	((struct heard *)ctx)->is_closed = true;
}

static struct err serve(void *ctx, uint16_t type, struct span body, struct writer *answer)
{
	hear(ctx, type, body);
	writer_u16(answer, type);
	return OK;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct loop *the_loop(void)
{
	static struct loop loop;

	if (loop.scratch == NULL)
		must(!failed(loop_open(&loop)));
	return &loop;
}

static struct heard by_channel(struct span bytes, size_t piece)
{
	static const struct channel_events events = {.frame = on_frame, .closed = on_closed};
	struct loop *l = the_loop();
	struct channel *c;
	struct heard h = {0};
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	must(!failed(channel_open_fd(&c, l, fds[0], &events, &h)));
	for (size_t at = 0; at < bytes.len && !h.is_closed; at += piece) {
		const size_t left = bytes.len - at;
		/* It may have closed already. */
		if (send(fds[1], bytes.at + at, left < piece ? left : piece, MSG_NOSIGNAL) < 0)
			break;
		uv_run(&l->uv, UV_RUN_NOWAIT);
	}
	close(fds[1]);
	for (int i = 0; i < TURNS_MAX && !h.is_closed; i++)
		uv_run(&l->uv, UV_RUN_NOWAIT);
	must(h.is_closed);
	return h;
}

static struct heard by_serve(struct span bytes)
{
	struct heard h = {0};
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	must(bytes.len == 0 || write(fds[1], bytes.at, bytes.len) == (ssize_t)bytes.len);
	shutdown(fds[1], SHUT_WR);
	(void)failed(channel_serve(fds[0], serve, &h));
	close(fds[0]);
	close(fds[1]);
	return h;
}

/* Answers are where the two differ: one pairs them, the other asked nothing. */
static bool has_answer(struct span bytes)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);

	while (reader_more(&r)) {
		struct reader frame = reader_cut(&r, reader_u32(&r, "length"), "frame");
		reader_u8(&frame, "version");
		if (reader_u8(&frame, "kind") == IPC_ANSWER)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_MAX)
		return 0;
	const struct span bytes = span_of(data + 1, size - 1);
	const struct heard a = by_channel(bytes, 1 + (size_t)data[0] * 4), b = by_serve(bytes);
	must(has_answer(bytes) || (a.frames == b.frames && a.sum == b.sum));
	return 0;
}
