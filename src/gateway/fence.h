// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The fence: keeps clear traffic in, whatever happens to charon. It is text here; `merlon run` hands it
 * to `nft -f -` and `ip -batch -` before anything else of the site starts, and nothing takes it down but the
 * end of the site's network namespace or `nft delete table inet merlon_fence`.
 *
 * Two walls that do not need each other:
 *  - nftables: in, out and forward drop by default. Over the backhaul pass IKE (UDP 500 and 4500), ESP and the listed
 *    TLS ports in their direction, to and from the peer alone; and neighbour discovery (ARP is below nftables).
 *    Packets with an inner address of the other site leave and come by the tunnel's device alone. Nothing is forwarded
 *    from or to the backhaul, and the other address family does not pass it.
 *  - routes: the other site's inner prefix is unreachable in the main table. charon's own route (table 220)
 *    comes first while the tunnel's device is there, and goes with it.
 *
 * ICMP does not pass the backhaul: an error message quotes what it answers.
 */
#include "base/err.h"
#include "base/span.h"

enum { GATEWAY_PORTS_MAX = 16, GATEWAY_INTERFACES_MAX = 8, GATEWAY_TEXT_MAX = 4096 };

struct gateway_fence {
	const char *backhaul;      /* interface to the untrusted network, "bh0" */
	const char *tunnel;        /* charon's TUN device, "ipsec0" */
	const char *local_address; /* outer addresses */
	const char *peer_address;
	const char *local_prefix; /* inner prefixes, "10.10.1.1/32" */
	const char *remote_prefix;
	size_t listen_count; /* TLS ports that the peer connects to */
	uint16_t listen_ports[GATEWAY_PORTS_MAX];
	size_t connect_count; /* TLS ports of the peer that we connect to */
	uint16_t connect_ports[GATEWAY_PORTS_MAX];
	size_t inside_count; /* interfaces of the site itself, where all but the peer's prefix passes */
	const char *inside[GATEWAY_INTERFACES_MAX];
};

/* The ruleset for `nft -f -`: replaces its own table, atomically. ERR_INPUT: `c` names the field that is not what it should
 * be; nothing that could break out of its place in the text passes. ERR_LIMIT: `out` is too small. */
MUST_USE struct err gateway_fence_render(
	const struct gateway_fence *fence, struct span_mut out, size_t *len, struct complaint *c);

/* The routes, one command a line, for `ip -batch -`. */
MUST_USE struct err gateway_fence_routes_render(
	const struct gateway_fence *fence, struct span_mut out, size_t *len, struct complaint *c);
