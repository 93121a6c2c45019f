// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "charon.h"

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id);
static void on_bytes(void *ctx, struct stream *s, struct span bytes);
static void on_closed(
	void *ctx, struct stream *s, struct err why, const struct complaint *complaint);
static const struct stream_events stream_events = {
	.opened = on_opened, .bytes = on_bytes, .closed = on_closed};

static void on_retry(void *ctx)
{
	struct charon *c = ctx;

	if (failed(stream_connect_unix(&c->stream, c->loop, c->path, &stream_events, c)))
		loop_timer_once(&c->retry, CHARON_RETRY_MS);
}

/* ---- Asks ---- */

static struct charon_ask *ask_first(struct charon *c)
{
	return &c->asks[c->first];
}

static void ask_send_first(struct charon *c)
{
	if (c->count == 0 || !c->is_connected)
		return;
	loop_timer_once(&c->deadline, CHARON_ANSWER_MS_MAX);
	if (failed(stream_send(c->stream, secret_span(&ask_first(c)->packet))))
		stream_abort(c->stream);
}

/* The first leaves the ring, and the next is sent, before it is answered: its answer may ask again. */
static void ask_answer(struct charon *c, struct err err, struct span message)
{
	struct charon_ask ask = *ask_first(c);

	loop_timer_stop(&c->deadline);
	c->first = (c->first + 1) % CHARON_ASKS_MAX;
	c->count--;
	secret_close(&ask.packet);
	ask_send_first(c);
	if (ask.answer != NULL)
		ask.answer(c->ctx, ask.tag, err, message);
}

static void on_deadline(void *ctx)
{
	struct charon *c = ctx;

	ask_answer(c, ERR(TIMEOUT), span_of(NULL, 0));
	stream_abort(c->stream);
}

struct err charon_draft(
	struct charon_draft *d, enum vici_type type, const char *command, size_t size)
{
	*d = (struct charon_draft){.command = command};
	const struct err e = secret_open(&d->memory, size);
	if (failed(e))
		return e;
	d->w = writer_of(secret_span_mut(&d->memory));
	d->mark = vici_begin(&d->w, type, command);
	return OK;
}

struct err charon_ask(
	struct charon *c, struct charon_draft *d, charon_answer_fn *answer, uint32_t tag)
{
	struct span packet;
	struct err e;

	vici_end(&d->w, d->mark);
	e = writer_result(&d->w, &packet);
	if (!failed(e) && !c->is_connected)
		e = ERR(IO);
	if (!failed(e) && c->count == CHARON_ASKS_MAX)
		e = ERR(LIMIT);
	if (failed(e)) {
		secret_close(&d->memory);
		return e;
	}
	/* The arena's handle says how long the packet is; what lies behind it was never written. */
	struct charon_ask *ask = &c->asks[(c->first + c->count) % CHARON_ASKS_MAX];
	*ask = (struct charon_ask){.command = d->command, .answer = answer, .tag = tag};
	e = secret_copy(&ask->packet, packet);
	secret_close(&d->memory);
	if (failed(e))
		return e;
	if (c->count++ == 0)
		ask_send_first(c);
	return OK;
}

/* ---- Packets ---- */

static struct err answer_judge(struct charon *c, const struct vici_packet *packet)
{
	struct log_record r;
	char reason[LOG_TEXT_MAX];

	if (packet->type == VICI_CMD_UNKNOWN || packet->type == VICI_EVENT_UNKNOWN)
		return ERR(VERSION);
	if (!vici_is(packet->message, "success", "no"))
		return OK;
	vici_text(packet->message, "errmsg", reason, sizeof(reason));
	log_begin(&r, c->log, LOG_INFO, "gateway", "charon_refused");
	log_text(&r, "command", ask_first(c)->command);
	log_text(&r, "reason", reason);
	log_end(&r);
	return ERR(STATE);
}

/* False: the stream is lost. */
static bool packet_take(struct charon *c, struct span bytes)
{
	struct wire_fault fault = {0};
	struct vici_packet packet;

	if (failed(vici_decode(bytes, &packet, &fault)))
		return false;
	if (packet.type == VICI_EVENT) {
		c->events->event(c->ctx, packet.name, packet.message);
		return true;
	}
	if (vici_type_is_named(packet.type) || c->count == 0)
		return false;
	ask_answer(c, answer_judge(c, &packet), packet.message);
	return true;
}

/* Whole packets at the head of what was received; false: the stream is lost. */
static bool packets_take(struct charon *c)
{
	size_t at = 0, size = 0;

	for (;;) {
		const struct span rest = span_of(c->received + at, c->len - at);
		if (failed(vici_packet_size(rest, &size)))
			return false;
		if (size == 0 || size > rest.len)
			break;
		if (!packet_take(c, span_of(rest.at, size)))
			return false;
		at += size;
	}
	memmove(c->received, c->received + at, c->len - at);
	c->len -= at;
	return true;
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	struct charon *c = ctx;

	while (bytes.len > 0) {
		const size_t room = sizeof(c->received) - c->len;
		const size_t len = bytes.len < room ? bytes.len : room;
		memcpy(c->received + c->len, bytes.at, len);
		c->len += len;
		bytes = span_of(bytes.at + len, bytes.len - len);
		if (!packets_take(c)) {
			stream_abort(s);
			return;
		}
	}
}

/* ---- Connection ---- */

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct charon *c = ctx;

	(void)s;
	(void)id;
	c->is_connected = true;
	c->len = 0;
	c->events->connected(c->ctx);
}

static void on_closed(
	void *ctx, struct stream *s, struct err why, const struct complaint *complaint)
{
	struct charon *c = ctx;
	const bool was_connected = c->is_connected;

	(void)s;
	(void)why;
	(void)complaint;
	c->is_connected = false;
	c->stream = NULL;
	while (c->count > 0)
		ask_answer(c, ERR(IO), span_of(NULL, 0));
	if (was_connected)
		c->events->lost(c->ctx);
	loop_timer_once(&c->retry, CHARON_RETRY_MS);
}

void charon_open(struct charon *c, struct loop *l, struct log *log, const char *path,
	const struct charon_events *events, void *ctx)
{
	c->loop = l;
	c->log = log;
	c->path = path;
	c->events = events;
	c->ctx = ctx;
	loop_timer_open(l, &c->retry, on_retry, c);
	loop_timer_open(l, &c->deadline, on_deadline, c);
	loop_timer_once(&c->retry, 0);
}

void charon_close(struct charon *c)
{
	loop_timer_stop(&c->retry);
	loop_timer_stop(&c->deadline);
	if (c->stream != NULL)
		stream_abort(c->stream);
}
