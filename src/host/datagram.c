// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "datagram.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct datagram_socket {
	uv_udp_t uv;
	datagram_received_fn *received;
	void *ctx;
	struct datagram_counts counts;
	uint8_t buffer[DATAGRAM_MAX + 1]; /* one more: so that a longer one shows */
};

struct err datagram_peer_of(struct datagram_peer *peer, const char *address, uint16_t port)
{
	*peer = (struct datagram_peer){0};
	if (uv_ip4_addr(address, port, (struct sockaddr_in *)&peer->address) == 0 ||
		uv_ip6_addr(address, port, (struct sockaddr_in6 *)&peer->address) == 0)
		return OK;
	return ERR(INPUT);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct datagram_socket *s = handle->data;

	(void)suggested;
	*buffer = uv_buf_init((char *)s->buffer, sizeof s->buffer);
}

static void on_datagram(uv_udp_t *handle, ssize_t len, const uv_buf_t *buffer,
	const struct sockaddr *from, unsigned flags)
{
	struct datagram_socket *s = handle->data;
	struct datagram_peer peer = {0};

	if (from == NULL || len < 0)
		return; /* nothing there, or an ICMP answer to one of ours: the network's word, not the peer's */
	if ((flags & UV_UDP_PARTIAL) != 0 || (size_t)len > DATAGRAM_MAX) {
		s->counts.too_long++;
		return;
	}
	s->counts.received++;
	memcpy(&peer.address, from,
		from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					    : sizeof(struct sockaddr_in));
	s->received(s->ctx, s, &peer, span_of(buffer->base, (size_t)len));
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void datagram_close(struct datagram_socket *s)
{
	if (!uv_is_closing((uv_handle_t *)&s->uv))
		uv_close((uv_handle_t *)&s->uv, on_closed);
}

static struct err bind_and_listen(
	struct datagram_socket *s, const char *address, uint16_t port, struct complaint *c)
{
	struct datagram_peer local;

	if (failed(datagram_peer_of(&local, address, port)))
		return complain(c, ERR(INPUT), "'%s' is not an IPv4 or IPv6 address", address);
	const int why = uv_udp_bind(&s->uv, (struct sockaddr *)&local.address, 0);
	if (why == UV_EADDRINUSE)
		return complain(c, ERR(IO), "port %u/udp is in use on %s", port, address);
	if (why != 0 || uv_udp_recv_start(&s->uv, give_buffer, on_datagram) != 0)
		return complain(c, ERR(IO), "cannot take port %u/udp on %s: %s", port, address,
			uv_strerror(why));
	return OK;
}

struct err datagram_open(struct datagram_socket **out, struct loop *l, const char *address,
	uint16_t port, datagram_received_fn *received, void *ctx, struct complaint *c)
{
	struct datagram_socket *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s == NULL)
		return ERR(LIMIT);
	s->received = received;
	s->ctx = ctx;
	if (uv_udp_init(&l->uv, &s->uv) != 0) {
		free(s);
		return complain(c, ERR(IO), "no UDP socket to be had");
	}
	s->uv.data = s;
	const struct err e = bind_and_listen(s, address, port, c);
	if (failed(e))
		datagram_close(s);
	else
		*out = s;
	return e;
}

uint16_t datagram_port(const struct datagram_socket *s)
{
	struct sockaddr_storage local = {0};
	int len = sizeof local;

	if (uv_udp_getsockname(&s->uv, (struct sockaddr *)&local, &len) != 0)
		return 0;
	return ntohs(local.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&local)->sin6_port
						 : ((struct sockaddr_in *)&local)->sin_port);
}

const struct datagram_counts *datagram_counts(const struct datagram_socket *s)
{
	return &s->counts;
}

struct err datagram_send(
	struct datagram_socket *s, const struct datagram_peer *to, struct span bytes)
{
	/* libuv does not write to it. */
	const uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes.at, (unsigned)bytes.len);

	if (bytes.len > DATAGRAM_MAX)
		return ERR(LIMIT);
	if (uv_udp_try_send(&s->uv, &buffer, 1, (const struct sockaddr *)&to->address) < 0) {
		s->counts.dropped++;
		return ERR(IO);
	}
	s->counts.sent++;
	return OK;
}
