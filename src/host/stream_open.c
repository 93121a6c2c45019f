// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "stream_inner.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void address_text(char out[static 64], const struct sockaddr_storage *address)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
		snprintf(out, 64, "%s:%u", ip, (unsigned)ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
		inet_ntop(AF_INET6, &in->sin6_addr, ip, sizeof ip);
		snprintf(out, 64, "[%s]:%u", ip, (unsigned)ntohs(in->sin6_port));
	}
}

void stream_address_take(struct stream *s)
{
	struct sockaddr_storage address = {0};
	int len = sizeof address;

	if (s->uv.handle.type != UV_TCP)
		snprintf(s->peer.address, sizeof s->peer.address, "unix");
	else if (uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&address, &len) == 0)
		address_text(s->peer.address, &address);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct stream *s = connect->data;

	if (s->state == STREAM_ENDED)
		return;
	if (status != 0) {
		complain(&s->complaint, ERR(IO), "cannot connect: %s", uv_strerror(status));
		stream_end(s, ERR(IO));
		return;
	}
	stream_connected(s);
}

static int connect_start(struct stream *s, const struct sockaddr *address)
{
	s->connect.data = s;
	uv_tcp_nodelay(&s->uv.tcp, 1);
	return uv_tcp_connect(&s->connect, &s->uv.tcp, address, on_connected);
}

/* After libuv knows the handle, only uv_close() may take it back: quietly, since no event may come.
 */
static struct err give_up(struct stream *s)
{
	s->events = NULL;
	stream_end(s, OK);
	return ERR(IO);
}

struct err stream_connect_tcp(struct stream **out, struct loop *l, const char *address,
	uint16_t port, struct tls_profile *tls, const char *expect_name,
	const struct stream_events *events, void *ctx)
{
	struct sockaddr_storage to = {0};

	if (uv_ip4_addr(address, port, (struct sockaddr_in *)&to) != 0 &&
		uv_ip6_addr(address, port, (struct sockaddr_in6 *)&to) != 0)
		return ERR(INPUT);
	struct stream *s = stream_new(l, events, ctx);
	if (s == NULL)
		return ERR(LIMIT);
	if (tls != NULL) {
		const struct err e = tls_session_open(&s->tls, tls, false, expect_name);
		if (failed(e)) {
			stream_free(s);
			return e;
		}
	}
	uv_tcp_init(&l->uv, &s->uv.tcp);
	s->uv.handle.data = s;
	if (connect_start(s, (const struct sockaddr *)&to) != 0)
		return give_up(s);
	loop_timer_once(&s->deadline, STREAM_CONNECT_MS_MAX);
	*out = s;
	return OK;
}

struct err stream_connect_unix(struct stream **out, struct loop *l, const char *path,
	const struct stream_events *events, void *ctx)
{
	struct stream *s = stream_new(l, events, ctx);

	if (s == NULL)
		return ERR(LIMIT);
	uv_pipe_init(&l->uv, &s->uv.pipe, 0);
	s->uv.handle.data = s;
	s->connect.data = s;
	if (uv_pipe_connect2(&s->connect, &s->uv.pipe, path, strlen(path), UV_PIPE_NO_TRUNCATE,
		    on_connected) != 0)
		return give_up(s);
	loop_timer_once(&s->deadline, STREAM_CONNECT_MS_MAX);
	*out = s;
	return OK;
}

struct err stream_adopt(
	struct stream **out, struct loop *l, int fd, const struct stream_events *events, void *ctx)
{
	struct sockaddr_storage own = {0};
	socklen_t len = sizeof own;
	int status;

	if (getsockname(fd, (struct sockaddr *)&own, &len) != 0)
		return ERR(INPUT);
	struct stream *s = stream_new(l, events, ctx);
	if (s == NULL)
		return ERR(LIMIT);
	if (own.ss_family == AF_UNIX) {
		uv_pipe_init(&l->uv, &s->uv.pipe, 0);
		status = uv_pipe_open(&s->uv.pipe, fd);
	} else {
		uv_tcp_init(&l->uv, &s->uv.tcp);
		status = uv_tcp_open(&s->uv.tcp, fd);
		uv_tcp_nodelay(&s->uv.tcp, 1);
	}
	s->uv.handle.data = s;
	if (status != 0)
		return give_up(s);
	stream_connected(s);
	*out = s;
	return OK;
}
