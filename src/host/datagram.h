// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * UDP: datagrams on one local address and port, with the peer's address as a value. A datagram is handed over whole or, where it is
 * longer than DATAGRAM_MAX, not at all, and counted. Sending never waits: what the kernel does not take at once is dropped and
 * counted, as the network would have done.
 */
#include "host/loop.h"
#include <sys/socket.h>

enum { DATAGRAM_MAX = 65507 };

struct datagram_peer {
	struct sockaddr_storage address;
};

struct datagram_socket;
typedef void datagram_received_fn(
	void *ctx, struct datagram_socket *s, const struct datagram_peer *from, struct span bytes);

struct datagram_counts {
	uint64_t received, sent, too_long, dropped;
};

/* `address` is an IPv4 or IPv6 literal; port 0 takes any free one. "port 2123/udp is in use on 10.0.0.1". */
MUST_USE struct err datagram_open(struct datagram_socket **out, struct loop *l, const char *address,
	uint16_t port, datagram_received_fn *received, void *ctx, struct complaint *c);
uint16_t datagram_port(const struct datagram_socket *s);
const struct datagram_counts *datagram_counts(const struct datagram_socket *s);
/* ERR_INPUT: not an address. */
MUST_USE struct err datagram_peer_of(
	struct datagram_peer *peer, const char *address, uint16_t port);
/* ERR_LIMIT: longer than DATAGRAM_MAX. ERR_IO: not taken (counted as dropped). */
MUST_USE struct err datagram_send(
	struct datagram_socket *s, const struct datagram_peer *to, struct span bytes);
/* No call of `received` after this; may be called from within it. */
void datagram_close(struct datagram_socket *s);
