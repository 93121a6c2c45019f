// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "channel.h"
#include "base/pool.h"
#include "base/secret.h"
#include <assert.h>
#include <stdlib.h>

/* A request in flight. Its pool handle is the request id, so that an answer that comes too late
 * finds nothing. */
struct ask {
	struct channel *channel;
	struct pool_handle handle;
	channel_answered_fn *answered;
	void *ctx;
	struct loop_timer deadline;
};

struct channel {
	struct loop *loop;
	struct stream *stream;
	const struct channel_events *events;
	void *ctx;
	bool is_socketpair, is_closing;
	struct err why; /* what we found wrong, before the stream's own reason */
	struct pool asks;
	uint8_t *partial; /* a frame that has not come whole */
	size_t partial_len, partial_size;
};

enum { PARTIAL_KEPT = 64 << 10 }; /* a longer buffer goes back after its frame */

static void on_bytes(void *ctx, struct stream *s, struct span bytes);
static void on_closed(
	void *ctx, struct stream *s, struct err why, const struct complaint *complaint);
static const struct stream_events stream_events = {.bytes = on_bytes, .closed = on_closed};

/* ---- Open, close ---- */

static struct err channel_new(
	struct channel **out, struct loop *l, const struct channel_events *events, void *ctx)
{
	struct channel *c = calloc(1, sizeof *c);

	*out = NULL;
	if (c == NULL)
		return ERR(LIMIT);
	struct err e = pool_open(&c->asks, CHANNEL_ASKS_MAX, sizeof(struct ask));
	if (failed(e)) {
		free(c);
		return e;
	}
	c->loop = l;
	c->events = events;
	c->ctx = ctx;
	*out = c;
	return OK;
}

static void channel_free(struct channel *c)
{
	if (c->partial != NULL)
		secret_wipe(c->partial, c->partial_size);
	free(c->partial);
	pool_close(&c->asks);
	free(c);
}

struct err channel_open_fd(struct channel **out, struct loop *l, int fd,
	const struct channel_events *events, void *ctx)
{
	struct err e = channel_new(out, l, events, ctx);
	if (failed(e))
		return e;
	(*out)->is_socketpair = true;
	e = stream_adopt(&(*out)->stream, l, fd, &stream_events, *out);
	if (failed(e)) {
		channel_free(*out);
		*out = NULL;
	}
	return e;
}

struct err channel_open_stream(struct channel **out, struct loop *l, struct stream *s,
	const struct channel_events *events, void *ctx)
{
	struct err e = channel_new(out, l, events, ctx);
	if (failed(e))
		return e;
	(*out)->stream = s;
	stream_set_context(s, &stream_events, *out);
	return OK;
}

const struct peer_identity *channel_peer(const struct channel *c)
{
	return c->is_socketpair ? NULL : stream_peer(c->stream);
}

size_t channel_asks(const struct channel *c)
{
	return c->asks.in_use;
}

void channel_close(struct channel *c)
{
	if (c->is_closing)
		return;
	c->is_closing = true;
	stream_close(c->stream);
}

static void channel_abort(struct channel *c, struct err why)
{
	if (c->is_closing)
		return;
	c->is_closing = true;
	c->why = why;
	stream_abort(c->stream);
}

/* ---- Asks: each is answered exactly once, since its slot is given back just before ---- */

static void ask_answer(struct ask *a, struct err err, struct span body)
{
	struct channel *c = a->channel;
	channel_answered_fn *const answered = a->answered;
	void *const ctx = a->ctx;

	loop_timer_stop(&a->deadline);
	pool_give(&c->asks, a->handle);
	answered(ctx, err, body);
}

static void on_deadline(void *ctx)
{
	ask_answer(ctx, ERR(TIMEOUT), span_of(NULL, 0));
}

static void asks_fail(struct channel *c)
{
	for (uint32_t slot = 0; slot < c->asks.limit && c->asks.in_use > 0; slot++) {
		const struct pool_handle handle = {slot, c->asks.generations[slot]};
		struct ask *a = pool_find(&c->asks, handle);
		if (a != NULL)
			ask_answer(a, ERR(IO), span_of(NULL, 0));
	}
}

static void on_closed(
	void *ctx, struct stream *s, struct err why, const struct complaint *complaint)
{
	struct channel *c = ctx;

	(void)s;
	(void)complaint;
	c->is_closing = true; /* the callbacks may ask again: refused */
	asks_fail(c);
	if (c->events->closed != NULL)
		c->events->closed(c->ctx, c, failed(c->why) ? c->why : why);
	channel_free(c);
}

/* ---- Sending: the stream collects what one turn of the loop sends ---- */

static struct err frame_send(struct channel *c, const struct ipc_frame *frame)
{
	uint8_t head[IPC_HEADER];
	struct writer w = writer_of(SPAN_MUT_ARRAY(head));

	if (c->is_closing)
		return ERR(IO);
	if (frame->body.len > IPC_FRAME_MAX - IPC_HEADER ||
		frame->body.len + IPC_HEADER > STREAM_QUEUE_MAX - stream_queued(c->stream))
		return ERR(LIMIT);
	ipc_encode_head(&w, frame);
	struct err e = stream_send(c->stream, writer_span_done(&w));
	if (failed(e) || frame->body.len == 0)
		return e;
	e = stream_send(c->stream, frame->body);
	if (failed(e))
		channel_abort(c, e); /* half a frame is out */
	return e;
}

struct err channel_ask(struct channel *c, uint16_t type, struct span body, uint32_t timeout_ms,
	channel_answered_fn *answered, void *ctx)
{
	struct pool_handle handle;
	void *item;

	assert(timeout_ms > 0);
	if (c->is_closing)
		return ERR(IO);
	struct err e = pool_take(&c->asks, &handle, &item);
	if (failed(e))
		return e;
	e = frame_send(c, &(struct ipc_frame){.kind = IPC_REQUEST,
				  .type = type,
				  .request_id = pool_handle_to_u64(handle),
				  .deadline_ms = timeout_ms,
				  .body = body});
	if (failed(e)) {
		pool_give(&c->asks, handle);
		return e;
	}
	struct ask *a = item;
	*a = (struct ask){.channel = c, .handle = handle, .answered = answered, .ctx = ctx};
	loop_timer_open(c->loop, &a->deadline, on_deadline, a);
	loop_timer_once(&a->deadline, timeout_ms);
	return OK;
}

/* Nobody waits for our error where an answer or a notice cannot leave: the peer must not believe
 * that all is well. */
static void frame_send_or_abort(struct channel *c, const struct ipc_frame *frame)
{
	const struct err e = frame_send(c, frame);

	if (failed(e))
		channel_abort(c, e);
}

void channel_answer(
	struct channel *c, uint64_t request_id, uint16_t type, struct err err, struct span body)
{
	frame_send_or_abort(c, &(struct ipc_frame){.kind = IPC_ANSWER,
				       .type = type,
				       .request_id = request_id,
				       .err = err,
				       .body = failed(err) ? span_of(NULL, 0) : body});
}

void channel_notice(struct channel *c, uint16_t type, struct span body)
{
	frame_send_or_abort(c, &(struct ipc_frame){.kind = IPC_NOTICE, .type = type, .body = body});
}

/* ---- Receiving ---- */

static void frame_handle(struct channel *c, struct span bytes)
{
	struct wire_fault fault = {0};
	struct ipc_frame frame;

	const struct err e = ipc_decode(bytes, &frame, &fault);
	if (failed(e)) {
		channel_abort(c, e);
	} else if (frame.kind != IPC_ANSWER) {
		c->events->frame(c->ctx, c, &frame);
	} else {
		struct ask *a = pool_find(&c->asks, pool_handle_from_u64(frame.request_id));
		if (a != NULL)
			ask_answer(a, frame.err, frame.body);
	}
}

static struct err partial_append(struct channel *c, struct span bytes, size_t room)
{
	if (room < c->partial_len + bytes.len)
		room = c->partial_len + bytes.len;
	if (room > c->partial_size) {
		uint8_t *larger = malloc(room);
		if (larger == NULL)
			return ERR(LIMIT);
		if (c->partial != NULL) {
			memcpy(larger, c->partial, c->partial_len);
			secret_wipe(c->partial, c->partial_size);
		}
		free(c->partial);
		c->partial = larger;
		c->partial_size = room;
	}
	memcpy(c->partial + c->partial_len, bytes.at, bytes.len);
	c->partial_len += bytes.len;
	return OK;
}

static void partial_done(struct channel *c)
{
	secret_wipe(c->partial, c->partial_len);
	c->partial_len = 0;
	if (c->partial_size > PARTIAL_KEPT) {
		free(c->partial);
		c->partial = NULL;
		c->partial_size = 0;
	}
}

/* Takes from `r` what the frame begun in `partial` still lacks; handles it when it is whole. */
static struct err partial_continue(struct channel *c, struct reader *r)
{
	size_t size;
	struct err e = ipc_frame_size(span_of(c->partial, c->partial_len), &size);
	if (failed(e))
		return e;
	const size_t lacks = (size == 0 ? 4 : size) - c->partial_len, left = reader_left(r);
	e = partial_append(c, reader_span(r, lacks < left ? lacks : left, "frame"), size);
	if (failed(e) || size == 0 || c->partial_len < size)
		return e;
	frame_handle(c, span_of(c->partial, c->partial_len));
	partial_done(c);
	return OK;
}

/* A frame that is whole is handled where it lies; the beginning of one is kept. */
static struct err frame_take(struct channel *c, struct reader *r)
{
	struct reader ahead = *r;
	const struct span rest = reader_rest(&ahead);
	size_t size;

	struct err e = ipc_frame_size(rest, &size);
	if (failed(e))
		return e;
	if (size == 0 || size > rest.len)
		return partial_append(c, reader_rest(r), size);
	frame_handle(c, reader_span(r, size, "frame"));
	return OK;
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	struct channel *c = ctx;
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);

	(void)s;
	while (reader_more(&r) && !c->is_closing) {
		const struct err e =
			c->partial_len > 0 ? partial_continue(c, &r) : frame_take(c, &r);
		if (failed(e))
			channel_abort(c, e);
	}
}
