// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * HTTP/1.1 (llhttp) and HTTP/2 (nghttp2) servers, one handler for both: by ALPN over TLS, HTTP/1.1
 * on clear and Unix sockets. A whole request (bounded) is handed over with the peer's identity; the
 * answer may come later, by handle; an answer to a request whose stream has gone is dropped.
 *
 * Everything has a limit, and what passes one is answered without the handler: 400 malformed, 408
 * not whole in time, 413 body, 414 target, 431 headers, 503 too many requests unanswered. Requests
 * of one HTTP/1.1 stream are taken one at a time [RFC 9112 §9.3.2]; of one HTTP/2 stream,
 * HTTP_REQUESTS_PER_STREAM_MAX. The target is in origin form [RFC 9112 §3.2.1] or 400. Answers are
 * never to be stored by anybody on the way.
 */
#include "host/http_decode.h"
#include "host/stream.h"
#include "base/pool.h"

enum {
	HTTP_HEAD_MAX = 32 << 10,
	HTTP_TARGET_MAX = 8192,
	HTTP_BODY_MAX = 1 << 20,
	HTTP_HEADERS_MAX = 64,
	HTTP_REQUESTS_PER_STREAM_MAX = 128
};
/* Bodies of requests that are not whole yet, over all streams. */
enum { HTTP_DRAFTS_MAX = 64 << 20 };

/* Lives during the handler's call. */
struct http_request {
	const char *method; /* "GET" */
	const char *path;   /* percent-encoded as it came, without the query, NUL-terminated */
	const char *query;  /* after '?', or "" */
	const char *content_type; /* or "" */
	struct span body;
	const struct peer_identity *peer;
	struct pool_handle handle; /* to answer by */
};

struct http_server;
struct http_settings {
	struct listener_settings listen; /* its tls profile's alpn decides h2 and http/1.1 */
	uint32_t requests_max;           /* unanswered, over all streams: more get 503 */
	uint32_t idle_ms_max;            /* for a whole request to come after the last answer */
	/* Optional, for the log: who was turned away before the handler, and why. */
	void (*turned_away)(void *ctx, const struct peer_identity *peer, const char *cause);
};
typedef void http_handler_fn(
	void *ctx, struct http_server *server, const struct http_request *request);
MUST_USE struct err http_server_open(struct http_server **out, struct loop *l,
	const struct http_settings *settings, http_handler_fn *handler, void *ctx,
	struct complaint *c);
/* Answers once; each request that was handed over must be. `content_type` NULL with an empty body.
 */
void http_answer(struct http_server *server, struct pool_handle handle, unsigned status,
	const char *content_type, struct span body);
void http_server_drain(
	struct http_server *server); /* no new streams or requests; answers the rest */
bool http_server_is_idle(const struct http_server *server); /* no stream is left */
void http_server_close(
	struct http_server *server); /* drops what is open; the server must not be named again */
uint16_t http_server_port(const struct http_server *server);

/* For metrics: the owner of the server only reads them. */
struct http_counters {
	uint64_t requests, answers, refused; /* refused: answered without the handler */
	uint64_t refused_streams; /* no TLS, a certificate that does not do, broken HTTP/2 */
	uint64_t streams;
};
const struct http_counters *http_server_counters(const struct http_server *server);
uint64_t http_server_refused_streams(const struct http_server *server);
