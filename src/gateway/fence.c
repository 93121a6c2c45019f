// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "fence.h"
#include "text.h"
#include <stdio.h>

static struct err field_refuse(
	struct complaint *c, const char *field, const char *text, const char *want)
{
	return complain(c, ERR(INPUT), "fence: %s is \"%s\": %s expected", field,
		text == NULL ? "" : text, want);
}

static struct err interfaces_check(const struct gateway_fence *f, struct complaint *c)
{
	if (!text_is_interface(f->backhaul))
		return field_refuse(c, "backhaul", f->backhaul, "an interface name");
	if (!text_is_interface(f->tunnel) || strcmp(f->tunnel, f->backhaul) == 0)
		return field_refuse(c, "tunnel", f->tunnel, "an interface name of its own");
	if (f->inside_count > GATEWAY_INTERFACES_MAX)
		return complain(c, ERR(LIMIT), "fence: more than %d inside interfaces",
			GATEWAY_INTERFACES_MAX);
	for (size_t i = 0; i < f->inside_count; i++)
		if (!text_is_interface(f->inside[i]) || strcmp(f->inside[i], f->backhaul) == 0 ||
			strcmp(f->inside[i], f->tunnel) == 0)
			return field_refuse(
				c, "inside", f->inside[i], "an interface name of its own");
	return OK;
}

static struct err fence_check(const struct gateway_fence *f, struct complaint *c)
{
	const int outer = text_address_family(f->local_address);
	const int inner = text_prefix_family(f->local_prefix);

	if (outer == 0)
		return field_refuse(c, "local_address", f->local_address, "an IP address");
	if (text_address_family(f->peer_address) != outer)
		return field_refuse(
			c, "peer_address", f->peer_address, "an IP address of the same family");
	if (inner == 0)
		return field_refuse(c, "local_prefix", f->local_prefix, "a prefix");
	if (text_prefix_family(f->remote_prefix) != inner)
		return field_refuse(
			c, "remote_prefix", f->remote_prefix, "a prefix of the same family");
	if (f->listen_count > GATEWAY_PORTS_MAX || f->connect_count > GATEWAY_PORTS_MAX)
		return complain(c, ERR(LIMIT), "fence: more than %d ports", GATEWAY_PORTS_MAX);
	return interfaces_check(f, c);
}

static const char *family_word(const char *address)
{
	return strchr(address, ':') == NULL ? "ip" : "ip6";
}

static void ports_add(struct text *t, const uint16_t *ports, size_t count)
{
	text_add(t, "{ ");
	for (size_t i = 0; i < count; i++)
		text_add(t, "%s%u", i == 0 ? "" : ", ", ports[i]);
	text_add(t, " }");
}

/* `ours` says which end of the connection the ports are on. Only its opener may send what opens it. */
static void tls_add(
	struct text *t, const uint16_t *ports, size_t count, const char *ours, bool may_open)
{
	if (count == 0)
		return;
	text_add(t, "\t\ttcp %s ", ours);
	ports_add(t, ports, count);
	text_add(t, " ct state %s accept\n", may_open ? "new,established" : "established");
}

/* What passes the backhaul in one direction; the chain is reached by packets of the peer's alone. */
static void backhaul_add(struct text *t, const struct gateway_fence *f, bool is_in)
{
	text_add(t, "\tchain backhaul_%s {\n", is_in ? "in" : "out");
	/* `ip saddr != …` says nothing of IPv6, nor the reverse: the family that the sites do not speak goes first. */
	text_add(t, "\t\tmeta nfproto != ipv%d drop\n", text_address_family(f->local_address));
	if (text_address_family(f->local_address) == 6)
		text_add(t, "\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 "
			    "hoplimit 255 accept\n");
	text_add(t, "\t\t%s saddr != %s drop\n", family_word(f->peer_address),
		is_in ? f->peer_address : f->local_address);
	text_add(t, "\t\t%s daddr != %s drop\n", family_word(f->peer_address),
		is_in ? f->local_address : f->peer_address);
	text_add(t, "\t\tudp sport { 500, 4500 } udp dport { 500, 4500 } accept\n");
	text_add(t, "\t\tmeta l4proto esp accept\n");
	tls_add(t, f->listen_ports, f->listen_count, is_in ? "dport" : "sport", is_in);
	tls_add(t, f->connect_ports, f->connect_count, is_in ? "sport" : "dport", !is_in);
	text_add(t, "\t\tdrop\n\t}\n");
}

/* Packets of the other site's inner prefix, on any interface but the tunnel's: whoever sent them, and wherever to. */
static void inner_add(
	struct text *t, const struct gateway_fence *f, const char *interface_word, const char *end)
{
	text_add(t, "\t\t%s %s %s %s != \"%s\" drop\n", family_word(f->remote_prefix), end,
		f->remote_prefix, interface_word, f->tunnel);
}

static void inside_add(struct text *t, const struct gateway_fence *f, const char *interface_word)
{
	text_add(t, "\t\t%s \"lo\" accept\n", interface_word);
	for (size_t i = 0; i < f->inside_count; i++)
		text_add(t, "\t\t%s \"%s\" accept\n", interface_word, f->inside[i]);
}

static void tunnel_add(struct text *t, const struct gateway_fence *f, bool is_in)
{
	text_add(t, "\t\t%s \"%s\" %s saddr %s %s daddr %s accept\n", is_in ? "iifname" : "oifname",
		f->tunnel, family_word(f->local_prefix), is_in ? f->remote_prefix : f->local_prefix,
		family_word(f->local_prefix), is_in ? f->local_prefix : f->remote_prefix);
}

struct err gateway_fence_render(
	const struct gateway_fence *f, struct span_mut out, size_t *len, struct complaint *c)
{
	struct text t = {.at = (char *)out.at, .limit = out.len};
	const struct err e = fence_check(f, c);

	*len = 0;
	if (failed(e))
		return e;
	/* Named twice, so that the first use does not fail for want of a table to delete. */
	text_add(&t, "table inet merlon_fence\ndelete table inet merlon_fence\ntable inet "
		     "merlon_fence {\n");
	backhaul_add(&t, f, true);
	backhaul_add(&t, f, false);
	text_add(&t, "\tchain in {\n\t\ttype filter hook input priority filter; policy drop;\n");
	inner_add(&t, f, "iifname", "saddr");
	text_add(&t, "\t\tiifname \"%s\" goto backhaul_in\n", f->backhaul);
	tunnel_add(&t, f, true);
	inside_add(&t, f, "iifname");
	text_add(&t,
		"\t}\n\tchain out {\n\t\ttype filter hook output priority filter; policy drop;\n");
	inner_add(&t, f, "oifname", "daddr");
	text_add(&t, "\t\toifname \"%s\" goto backhaul_out\n", f->backhaul);
	tunnel_add(&t, f, false);
	inside_add(&t, f, "oifname");
	text_add(&t, "\t}\n\tchain through {\n\t\ttype filter hook forward priority filter; policy "
		     "drop;\n");
	/* Neither out in clear, should the inner prefix be routed there, nor in as if it came from inside. */
	text_add(
		&t, "\t\tiifname \"%s\" drop\n\t\toifname \"%s\" drop\n", f->backhaul, f->backhaul);
	tunnel_add(&t, f, true);
	tunnel_add(&t, f, false);
	text_add(&t, "\t}\n}\n");
	return text_result(&t, len, c);
}

struct err gateway_fence_routes_render(
	const struct gateway_fence *f, struct span_mut out, size_t *len, struct complaint *c)
{
	struct text t = {.at = (char *)out.at, .limit = out.len};
	const struct err e = fence_check(f, c);

	*len = 0;
	if (failed(e))
		return e;
	text_add(&t, "route replace unreachable %s metric 4000000000\n", f->remote_prefix);
	return text_result(&t, len, c);
}
