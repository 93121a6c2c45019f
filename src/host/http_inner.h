// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inside of the HTTP server. A connection speaks HTTP/1.1 (http1.c) or HTTP/2 (http2.c), chosen
 * by a table of functions. Both fill a draft of a request, which bounds itself (http_draft.c), and
 * hand it to http.c, which keeps what is unanswered.
 */
#include "host/http.h"
#include "host/octets.h"

struct http_conn;

struct http_draft {
	struct http_server *server;
	char method[16];
	char content_type[128];
	struct octets target, body;
	size_t headers, head_octets;
	unsigned refusal; /* the status to refuse it with; 0: none so far */
};

/* All of them refuse by setting draft->refusal, the first reason counts. */
void http_draft_open(struct http_draft *d, struct http_server *server);
void http_draft_close(struct http_draft *d);
void http_draft_refuse(struct http_draft *d, unsigned status);
void http_draft_method(struct http_draft *d, struct span method);
void http_draft_target(struct http_draft *d, struct span part);
void http_draft_header(struct http_draft *d, struct span name, struct span value);
void http_draft_body(struct http_draft *d, struct span part);
/* Once it is whole: splits the target. False where the target cannot be used (and it is refused).
 */
bool http_draft_split(struct http_draft *d, const char **path, const char **query);

struct http_reply {
	unsigned status;
	const char *content_type;
	struct span body;
};

/* One version of HTTP. */
struct http_speech {
	struct err (*open)(struct http_conn *c);
	void (*bytes)(struct http_conn *c, struct span bytes);
	void (*answer)(struct http_conn *c, int32_t stream_id, const struct http_reply *reply);
	void (*flush)(struct http_conn *c); /* what was put off to the end of the turn */
	void (*idle)(struct http_conn *c);  /* nothing whole came in time, nothing is unanswered */
	void (*drain)(struct http_conn *c);
	void (*close)(struct http_conn *c);
};
extern const struct http_speech http1_speech, http2_speech;

struct http_conn {
	struct http_server *server;
	struct http_conn *next, **link;
	struct stream *stream; /* NULL in fuzz targets: what is sent is dropped */
	const struct http_speech *speech;
	void *state;
	struct loop_timer idle;
	struct flush_item flush;
	bool is_ending;
	size_t exchange_count;
	struct pool_handle exchanges[HTTP_REQUESTS_PER_STREAM_MAX];
};

struct http_server {
	struct loop *loop;
	struct listener *listener;
	http_handler_fn *handler;
	void *ctx;
	void (*turned_away)(void *ctx, const struct peer_identity *peer, const char *cause);
	struct pool exchanges;
	struct http_conn *conns;
	size_t shaking; /* accepted, TLS handshake not done */
	uint32_t idle_ms_max;
	bool is_draining, is_closed;
	size_t draft_octets;
	struct http_counters counters;
	int64_t date_s;
	char date[40];
};

MUST_USE struct err http_server_open_deaf(struct http_server **out, struct loop *l,
	const struct http_settings *settings, http_handler_fn *handler,
	void *ctx); /* no listener */
struct http_conn *http_conn_open(
	struct http_server *server, struct stream *s, const struct http_speech *speech);
void http_conn_gone(struct http_conn *c);
void http_conn_send(struct http_conn *c, struct span bytes);
void http_conn_end(struct http_conn *c); /* sends what waits, then closes */
void http_conn_refused(
	struct http_conn *c, unsigned status); /* counts and tells; 0: no answer was possible */
void http_conn_pause(struct http_conn *c, bool is_paused);
/* Hands a whole draft to the handler, or answers with its refusal. */
void http_dispatch(struct http_conn *c, struct http_draft *draft, int32_t stream_id);
/* "Sun, 06 Nov 1994 08:49:37 GMT" [RFC 9110 §5.6.7] */
const char *http_date(struct http_server *server);
