// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The blocking face of channels (host/channel.h), with every octet in locked memory. */
#include "channel.h"
#include "base/secret.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { ANSWER_MAX = CHANNEL_SERVE_FRAME_MAX + IPC_HEADER };

struct served {
	int fd;
	channel_serve_fn *serve;
	void *ctx;
	struct secret in, out; /* `out` has room for two answers: one being made, others waiting */
	size_t in_len, out_len;
};

/* The descriptor may have been made non-blocking by whoever holds it too. */
static bool is_worth_waiting(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return errno == EINTR || (errno == EAGAIN && (poll(&p, 1, -1) >= 0 || errno == EINTR));
}

static struct err write_all(struct served *v)
{
	for (size_t sent = 0; sent < v->out_len;) {
		const ssize_t n = write(v->fd, v->out.bytes + sent, v->out_len - sent);
		if (n > 0)
			sent += (size_t)n;
		else if (!is_worth_waiting(v->fd, POLLOUT))
			return ERR(IO);
	}
	secret_wipe(v->out.bytes, v->out_len);
	v->out_len = 0;
	return OK;
}

static struct err frame_serve(struct served *v, struct span bytes)
{
	struct wire_fault fault = {0};
	struct ipc_frame frame;

	struct err e = ipc_decode(bytes, &frame, &fault);
	if (failed(e))
		return e;
	if (frame.kind == IPC_ANSWER)
		return ERR(INPUT); /* we asked nothing */
	if (v->out.len - v->out_len < ANSWER_MAX) {
		e = write_all(v);
		if (failed(e))
			return e;
	}
	/* The body first, behind the place of its head: the head says how long it became. */
	uint8_t *const head_at = v->out.bytes + v->out_len;
	struct writer body = writer_of(span_mut_of(head_at + IPC_HEADER, CHANNEL_SERVE_FRAME_MAX));
	e = v->serve(v->ctx, frame.type, frame.body, &body);
	if (!failed(e) && body.is_full)
		e = ERR(LIMIT);
	if (failed(e) || frame.kind == IPC_NOTICE) {
		secret_wipe(body.base, body.len);
		body.len = 0;
	}
	if (frame.kind == IPC_NOTICE)
		return OK;
	struct writer head = writer_of(span_mut_of(head_at, IPC_HEADER));
	ipc_encode_head(&head, &(struct ipc_frame){.kind = IPC_ANSWER,
				       .type = frame.type,
				       .request_id = frame.request_id,
				       .err = e,
				       .body = span_of(body.base, body.len)});
	v->out_len += IPC_HEADER + body.len;
	return OK;
}

/* All whole frames of the input; what is left of it moves to the front. */
static struct err frames_serve(struct served *v)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(span_of(v->in.bytes, v->in_len), &fault);
	struct err e = OK;

	while (!failed(e)) {
		struct reader ahead = r;
		size_t size;
		e = ipc_frame_size(reader_rest(&ahead), &size);
		if (failed(e) || size == 0 || size > reader_left(&r))
			break;
		e = frame_serve(v, reader_span(&r, size, "frame"));
	}
	const struct span rest = reader_rest(&r);
	memmove(v->in.bytes, rest.at, rest.len);
	secret_wipe(v->in.bytes + rest.len, v->in_len - rest.len);
	v->in_len = rest.len;
	return !failed(e) && rest.len == v->in.len ? ERR(LIMIT) : e;
}

static struct err rounds(struct served *v)
{
	for (;;) {
		const ssize_t n = read(v->fd, v->in.bytes + v->in_len, v->in.len - v->in_len);
		if (n == 0)
			return OK;
		if (n < 0) {
			if (is_worth_waiting(v->fd, POLLIN))
				continue;
			return errno == ECONNRESET ? OK : ERR(IO);
		}
		v->in_len += (size_t)n;
		struct err e = frames_serve(v);
		if (failed(e))
			return e;
		e = write_all(v);
		if (failed(e))
			return e;
	}
}

struct err channel_serve(int fd, channel_serve_fn *serve, void *ctx)
{
	struct served v = {.fd = fd, .serve = serve, .ctx = ctx};

	struct err e = secret_open(&v.in, CHANNEL_SERVE_FRAME_MAX);
	if (!failed(e))
		e = secret_open(&v.out, 2 * (size_t)ANSWER_MAX);
	if (!failed(e))
		e = rounds(&v);
	secret_close(&v.out);
	secret_close(&v.in);
	return e;
}
