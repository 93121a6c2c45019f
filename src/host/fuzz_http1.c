// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/http_inner.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop loop;
static struct http_server *server;
static struct pool_handle kept[64];
static size_t kept_count;

/* Every second request is answered later. */
static void handler(void *ctx, struct http_server *s, const struct http_request *r)
{
	char out[64];

	(void)ctx;
	if (strlen(r->path) + strlen(r->query) > HTTP_TARGET_MAX || r->body.len > HTTP_BODY_MAX)
		abort();
	if (!failed(http_decode(span_mut_of(out, sizeof out), span_str(r->query))) &&
		strlen(out) >= sizeof out)
		abort();
	if (kept_count < ARRAY_LEN(kept) && strlen(r->path) % 2 == 0)
		kept[kept_count++] = r->handle;
	else
		http_answer(s, r->handle, 200, "text/plain", r->body);
}

static void open_once(void)
{
	const struct http_settings settings = {.requests_max = 64, .idle_ms_max = 60000};

	if (server == NULL &&
		(failed(loop_open(&loop)) ||
			failed(http_server_open_deaf(&server, &loop, &settings, handler, NULL))))
		abort();
}

/* The first octet says in what pieces the rest comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	open_once();
	struct http_conn *c = http_conn_open(server, NULL, &http1_speech);
	const size_t piece = data[0] == 0 ? size : data[0];
	for (size_t at = 1; at < size && !c->is_ending; at += piece)
		c->speech->bytes(c, span_of(data + at, size - at < piece ? size - at : piece));
	for (size_t i = 0; i < kept_count; i++) {
		http_answer(server, kept[i], 404, NULL, (struct span){0});
		if (!c->is_ending)
			c->speech->flush(c);
	}
	http_conn_gone(c);
	while (kept_count > 0)
		http_answer(server, kept[--kept_count], 200, NULL, (struct span){0});
	if (server->draft_octets != 0 || server->exchanges.in_use != 0 || server->conns != NULL)
		abort();
	return 0;
}
