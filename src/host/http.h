// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * HTTP/1.1 (llhttp) and HTTP/2 (nghttp2) servers, one handler for both: by ALPN over TLS, HTTP/1.1 on
 * clear and Unix sockets. A whole request (bounded) is handed over with the peer's identity; the
 * answer may come later, by handle; an answer to a request whose stream has gone is dropped.
 */
#include "host/stream.h"
#include "base/pool.h"

enum { HTTP_TARGET_MAX = 8192, HTTP_BODY_MAX = 1 << 20, HTTP_HEADERS_MAX = 64, HTTP_REQUESTS_PER_STREAM_MAX = 128 };

struct http_request {
	const char *method;	   /* "GET" */
	const char *path;	   /* percent-encoded as it came, without the query, NUL-terminated */
	const char *query;	   /* after '?', or "" */
	const char *content_type;  /* or "" */
	struct span body;
	const struct peer_identity *peer;
	struct pool_handle handle; /* to answer by */
};

struct http_server;
struct http_settings {
	struct listener_settings listen; /* its tls profile's alpn decides h2 and http/1.1 */
	uint32_t requests_max;		 /* unanswered, over all streams: more get 503 */
	uint32_t idle_ms_max;
};
typedef void http_handler_fn(void *ctx, struct http_server *server, const struct http_request *request);
MUST_USE struct err http_server_open(struct http_server **out, struct loop *l, const struct http_settings *settings,
	http_handler_fn *handler, void *ctx, struct complaint *c);
/* Answers once. `content_type` NULL with an empty body. */
void http_answer(struct http_server *server, struct pool_handle handle, unsigned status,
	const char *content_type, struct span body);
void http_server_drain(struct http_server *server); /* no new streams or requests; answers the rest */
void http_server_close(struct http_server *server);

/* Percent-decodes one path segment or query value into `out` (NUL-terminated). ERR_INPUT on bad
 * escapes, NUL or too long. */
MUST_USE struct err http_decode(struct span_mut out, struct span encoded);
