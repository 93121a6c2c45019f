// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "http_inner.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A request that the handler has and has not answered. */
struct exchange {
	struct http_conn *conn; /* NULL: its stream has gone; the room still works on it, so it
				   still counts */
	int32_t stream_id;
};

const char *http_date(struct http_server *server)
{
	const struct clock_port clock = clock_posix();
	const time_t now = (time_t)(clock_now(&clock).unix_ms / 1000);
	struct tm parts;

	if (server->date_s != now && gmtime_r(&now, &parts) != NULL) {
		strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
		server->date_s = now;
	}
	return server->date;
}

/* ---- Connections ---- */

static void on_flush(void *ctx)
{
	struct http_conn *c = ctx;

	if (!c->is_ending)
		c->speech->flush(c);
}

static void on_idle(void *ctx)
{
	struct http_conn *c = ctx;

	if (!c->is_ending && c->exchange_count == 0)
		c->speech->idle(c);
}

static void idle_restart(struct http_conn *c)
{
	if (c->exchange_count == 0 && !c->is_ending)
		loop_timer_once(&c->idle, c->server->idle_ms_max);
}

struct http_conn *http_conn_open(
	struct http_server *server, struct stream *s, const struct http_speech *speech)
{
	struct http_conn *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->server = server;
	c->stream = s;
	c->speech = speech;
	c->flush = (struct flush_item){.flush = on_flush, .ctx = c};
	loop_timer_open(server->loop, &c->idle, on_idle, c);
	if (failed(speech->open(c))) {
		free(c);
		return NULL;
	}
	c->next = server->conns;
	c->link = &server->conns;
	if (c->next != NULL)
		c->next->link = &c->next;
	server->conns = c;
	server->counters.streams++;
	idle_restart(c);
	return c;
}

static void release(struct http_server *server)
{
	if (!server->is_closed || server->conns != NULL || server->shaking > 0)
		return;
	pool_close(&server->exchanges);
	free(server);
}

void http_conn_gone(struct http_conn *c)
{
	for (size_t i = 0; i < c->exchange_count; i++) {
		struct exchange *e = pool_find(&c->server->exchanges, c->exchanges[i]);
		assert(e != NULL);
		e->conn = NULL;
	}
	loop_timer_stop(&c->idle);
	loop_flush_cancel(c->server->loop, &c->flush);
	c->speech->close(c);
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	release(c->server);
	free(c);
}

static void turned_away(
	struct http_server *server, const struct peer_identity *peer, const char *cause)
{
	if (server->turned_away != NULL)
		server->turned_away(server->ctx, peer, cause);
}

void http_conn_refused(struct http_conn *c, unsigned status)
{
	char cause[64] = "broken HTTP: connection closed";

	if (status != 0) {
		c->server->counters.refused++;
		snprintf(cause, sizeof cause, "request refused with status %u", status);
	} else {
		c->server->counters.refused_streams++;
	}
	if (c->stream != NULL)
		turned_away(c->server, stream_peer(c->stream), cause);
}

void http_conn_send(struct http_conn *c, struct span bytes)
{
	if (c->stream == NULL || c->is_ending)
		return;
	/* A peer that asks and does not read what it is answered is let go. */
	if (failed(stream_send(c->stream, bytes))) {
		c->is_ending = true;
		stream_abort(c->stream);
	}
}

void http_conn_end(struct http_conn *c)
{
	if (c->is_ending)
		return;
	c->is_ending = true;
	loop_timer_stop(&c->idle);
	if (c->stream != NULL)
		stream_close(c->stream);
}

void http_conn_pause(struct http_conn *c, bool is_paused)
{
	if (c->stream != NULL)
		stream_pause(c->stream, is_paused);
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	struct http_conn *c = ctx;

	(void)s;
	if (!c->is_ending)
		c->speech->bytes(c, bytes);
}

static void on_closed(
	void *ctx, struct stream *s, struct err why, const struct complaint *complaint)
{
	(void)s, (void)why, (void)complaint;
	http_conn_gone(ctx);
}

static const struct stream_events conn_events = {.bytes = on_bytes, .closed = on_closed};

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct http_server *server = ctx;
	const struct http_speech *speech =
		strcmp(id->alpn, "h2") == 0 ? &http2_speech : &http1_speech;
	struct http_conn *c =
		server->is_closed || server->is_draining ? NULL : http_conn_open(server, s, speech);

	server->shaking--;
	if (c == NULL) {
		stream_set_context(s, NULL, NULL);
		stream_abort(s);
		release(server);
		return;
	}
	stream_set_context(s, &conn_events, c);
	loop_flush_later(server->loop, &c->flush);
}

static void on_closed_shaking(
	void *ctx, struct stream *s, struct err why, const struct complaint *complaint)
{
	struct http_server *server = ctx;

	if (failed(why)) {
		server->counters.refused_streams++;
		turned_away(server, stream_peer(s), complaint->text);
	}
	server->shaking--;
	release(server);
}

static const struct stream_events shaking_events = {
	.opened = on_opened, .closed = on_closed_shaking};

static void on_accepted(void *ctx, struct stream *s)
{
	struct http_server *server = ctx;

	server->shaking++;
	stream_set_context(s, &shaking_events, server);
}

/* ---- Requests and answers ---- */

static void refuse(struct http_conn *c, int32_t stream_id, unsigned status)
{
	const struct http_reply reply = {.status = status};

	http_conn_refused(c, status);
	c->speech->answer(c, stream_id, &reply);
	idle_restart(c);
}

static bool exchange_open(struct http_conn *c, int32_t stream_id, struct pool_handle *handle)
{
	struct http_server *server = c->server;
	void *item;

	if (server->is_draining || c->exchange_count == ARRAY_LEN(c->exchanges) ||
		failed(pool_take(&server->exchanges, handle, &item)))
		return false;
	*(struct exchange *)item = (struct exchange){.conn = c, .stream_id = stream_id};
	c->exchanges[c->exchange_count++] = *handle;
	loop_timer_stop(&c->idle);
	return true;
}

void http_dispatch(struct http_conn *c, struct http_draft *draft, int32_t stream_id)
{
	static const struct peer_identity nobody = {.address = "nobody"};
	struct http_server *server = c->server;
	struct http_request request = {.method = draft->method,
		.content_type = draft->content_type,
		.body = octets_span(&draft->body),
		.peer = c->stream != NULL ? stream_peer(c->stream) : &nobody};

	if (draft->refusal != 0 || !http_draft_split(draft, &request.path, &request.query))
		refuse(c, stream_id, draft->refusal);
	else if (!exchange_open(c, stream_id, &request.handle))
		refuse(c, stream_id, 503);
	else {
		server->counters.requests++;
		server->handler(server->ctx, server, &request);
	}
}

static void exchange_forget(struct http_conn *c, struct pool_handle handle)
{
	for (size_t i = 0; i < c->exchange_count; i++) {
		if (c->exchanges[i].slot == handle.slot) {
			c->exchanges[i] = c->exchanges[--c->exchange_count];
			return;
		}
	}
}

void http_answer(struct http_server *server, struct pool_handle handle, unsigned status,
	const char *content_type, struct span body)
{
	struct exchange *e = pool_find(&server->exchanges, handle);
	const struct http_reply reply = {
		.status = status, .content_type = content_type, .body = body};

	if (e == NULL)
		return;
	struct http_conn *c = e->conn;
	const int32_t stream_id = e->stream_id;
	pool_give(&server->exchanges, handle);
	server->counters.answers++;
	if (c == NULL)
		return;
	exchange_forget(c, handle);
	if (c->is_ending)
		return;
	c->speech->answer(c, stream_id, &reply);
	idle_restart(c);
}

/* ---- The server ---- */

struct err http_server_open_deaf(struct http_server **out, struct loop *l,
	const struct http_settings *settings, http_handler_fn *handler, void *ctx)
{
	struct http_server *server = calloc(1, sizeof *server);

	if (server == NULL)
		return ERR(LIMIT);
	server->loop = l;
	server->handler = handler;
	server->ctx = ctx;
	server->idle_ms_max = settings->idle_ms_max;
	server->turned_away = settings->turned_away;
	const struct err e =
		pool_open(&server->exchanges, settings->requests_max, sizeof(struct exchange));
	if (failed(e)) {
		free(server);
		return e;
	}
	*out = server;
	return OK;
}

struct err http_server_open(struct http_server **out, struct loop *l,
	const struct http_settings *settings, http_handler_fn *handler, void *ctx,
	struct complaint *c)
{
	struct http_server *server;
	struct err e = http_server_open_deaf(&server, l, settings, handler, ctx);

	if (failed(e))
		return e;
	e = listener_open(&server->listener, l, &settings->listen, on_accepted, server, c);
	if (failed(e)) {
		http_server_close(server);
		return e;
	}
	*out = server;
	return OK;
}

void http_server_drain(struct http_server *server)
{
	server->is_draining = true;
	if (server->listener != NULL)
		listener_close(server->listener);
	server->listener = NULL;
	for (struct http_conn *c = server->conns; c != NULL; c = c->next)
		if (!c->is_ending)
			c->speech->drain(c);
}

bool http_server_is_idle(const struct http_server *server)
{
	return server->conns == NULL;
}

void http_server_close(struct http_server *server)
{
	server->is_closed = true;
	if (server->listener != NULL)
		listener_close(server->listener);
	server->listener = NULL;
	for (struct http_conn *c = server->conns; c != NULL; c = c->next) {
		c->is_ending = true;
		if (c->stream != NULL)
			stream_abort(c->stream);
	}
	release(server);
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->listener != NULL ? listener_port(server->listener) : 0;
}

const struct http_counters *http_server_counters(const struct http_server *server)
{
	return &server->counters;
}

uint64_t http_server_refused_streams(const struct http_server *server)
{
	return server->listener != NULL ? listener_refused(server->listener) : 0;
}
