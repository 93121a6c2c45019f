// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-metrics: GET /metrics, the site's metrics as OpenMetrics text, over HTTP on a loopback
 * address. A process of its own, so that the supervisor, which keeps its privileges, reads no HTTP.
 */
#include "codec/proc_msg.h"
#include "host/http.h"
#include "host/process.h"
#include <stdlib.h>

enum { REQUESTS_MAX = 16, IDLE_MS_MAX = 30000 };

struct wanted {
	char address[64];
	uint64_t port;
};

static const struct setting_row rows[] = {
	SETTING_ROW("listen.address", SETTING_TEXT, false, struct wanted, address),
	SETTING_ROW("listen.port", SETTING_U64, false, struct wanted, port),
};

static struct {
	struct process *process;
	struct http_server *server;
} the;

struct pending {
	struct pool_handle request;
};

static void answer(struct pool_handle request, unsigned status, const char *text)
{
	http_answer(the.server, request, status, "text/plain; charset=utf-8", span_str(text));
}

static void on_metrics(void *ctx, struct err err, struct span body)
{
	struct pending *p = ctx;
	struct wire_fault fault = {0};
	struct proc_outcome m = {0};

	if (!failed(err))
		err = proc_outcome_decode(body, &m, &fault);
	if (failed(err) || failed(m.err))
		answer(p->request, 503, "the site does not answer\n");
	else
		http_answer(the.server, p->request, 200,
			"application/openmetrics-text; version=1.0.0; charset=utf-8", m.text);
	free(p);
}

static void on_request(void *ctx, struct http_server *server, const struct http_request *request)
{
	(void)ctx;
	(void)server;
	if (strcmp(request->path, "/metrics") != 0) {
		answer(request->handle, 404, "GET /metrics\n");
		return;
	}
	if (strcmp(request->method, "GET") != 0) {
		answer(request->handle, 405, "GET /metrics\n");
		return;
	}
	struct pending *p = malloc(sizeof *p); /* at most REQUESTS_MAX */
	if (p == NULL) {
		answer(request->handle, 503, "out of memory\n");
		return;
	}
	p->request = request->handle;
	if (failed(process_site_metrics(the.process, on_metrics, p))) {
		answer(request->handle, 503, "the site stops\n");
		free(p);
	}
}

static struct err start(struct process *p, struct complaint *c)
{
	struct wanted wanted;

	the.process = p;
	struct err e = settings_read(&p->settings, rows, ARRAY_LEN(rows), &wanted, c);
	if (failed(e))
		return e;
	/* Clear and without a password: for this machine alone. */
	if (strncmp(wanted.address, "127.", 4) != 0 && strcmp(wanted.address, "::1") != 0)
		return complain(c, ERR(INPUT),
			"metrics are served on a loopback address, not on %s", wanted.address);
	if (wanted.port > UINT16_MAX)
		return complain(c, ERR(INPUT), "listen.port is no port");
	const struct http_settings settings = {
		.listen = {.address = wanted.address,
			.port = (uint16_t)wanted.port,
			.streams_max = REQUESTS_MAX,
			.handshake_ms_max = IDLE_MS_MAX},
		.requests_max = REQUESTS_MAX,
		.idle_ms_max = IDLE_MS_MAX,
	};
	return http_server_open(&the.server, &p->loop, &settings, on_request, NULL, c);
}

static const struct process_kind metrics = {
	.name = "metrics", .sandbox = SANDBOX_FRONT, .start = start};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &metrics);
}
