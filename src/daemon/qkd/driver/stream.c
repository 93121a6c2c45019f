// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Records over a Unix socket, or over TCP. Raw key material in the clear stays on this machine: beyond loopback, TCP is TLS 1.3 with
 * the site's certificate, and the device's must carry the name in driver.name.
 */
#include "driver.h"
#include <stdlib.h>
#include <string.h>

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct driver *d = ctx;

	(void)s, (void)id;
	d->port.opened(d->port.ctx);
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	struct driver *d = ctx;

	if (failed(d->port.bytes(d->port.ctx, bytes)))
		stream_abort(s);
}

static void on_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct driver *d = ctx;

	(void)s, (void)why, (void)c;
	d->stream = NULL;
	d->port.closed(d->port.ctx, false);
}

static const struct stream_events events = {on_opened, on_bytes, on_closed};

void driver_stream_pause(struct driver *d, bool is_paused)
{
	if (d->stream != NULL)
		stream_pause(d->stream, is_paused);
}

struct err driver_socket_connect(struct driver *d)
{
	struct err e = stream_connect_unix(&d->stream, d->loop, d->options->driver, &events, d);

	if (failed(e))
		d->stream = NULL;
	return e;
}

/* "127.0.0.1:7000", "[::1]:7000" */
static bool address_split(const char *text, char host[static 64], uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	char *end;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= 64)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	const unsigned long number = strtoul(colon + 1, &end, 10);
	*port = (uint16_t)number;
	return end != colon + 1 && *end == '\0' && number >= 1 && number <= 65535;
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

struct err driver_tcp_prepare(struct driver *d, struct complaint *c)
{
	char host[64];
	uint16_t port;

	if (!address_split(d->options->driver, host, &port))
		return complain(c, ERR(INPUT), "driver: ADDRESS:PORT is expected: '%s'",
			d->options->driver);
	if (!is_loopback(host) && d->options->driver_name[0] == '\0')
		return complain(c, ERR(INPUT),
			"driver.name: the name in the certificate of the device at %s is needed",
			host);
	return OK;
}

struct err driver_tcp_connect(struct driver *d)
{
	char host[64];
	uint16_t port;

	if (!address_split(d->options->driver, host, &port))
		return ERR(INPUT);
	const bool is_near = is_loopback(host);
	struct err e = stream_connect_tcp(&d->stream, d->loop, host, port, is_near ? NULL : d->tls,
		is_near ? NULL : d->options->driver_name, &events, d);
	if (failed(e))
		d->stream = NULL;
	return e;
}
