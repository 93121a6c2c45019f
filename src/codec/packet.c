// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/packet.h"
#include <stdio.h>

static void udp_decode(struct reader *r, struct packet *p)
{
	p->source_port = reader_u16(r, "source_port");
	p->destination_port = reader_u16(r, "destination_port");
	const uint16_t length = reader_u16(r, "udp_length");

	reader_u16(r, "udp_checksum");
	/* The first fragment holds less than the datagram's length says. */
	if (!p->is_fragment)
		reader_require(r, length == reader_left(r) + 8, "udp_length", "RFC 768");
	p->payload = reader_rest(r);
}

static void tcp_decode(struct reader *r, struct packet *p)
{
	p->source_port = reader_u16(r, "source_port");
	p->destination_port = reader_u16(r, "destination_port");
	p->tcp_sequence = reader_u32(r, "sequence");
	reader_u32(r, "acknowledgement");
	const unsigned words = reader_u8(r, "data_offset") >> 4;

	p->tcp_flags = reader_u8(r, "flags");
	reader_span(r, 6, "window");
	if (reader_require(r, words >= 5, "data_offset", "RFC 9293 §3.1"))
		reader_cut(r, 4 * (words - 5), "tcp_options");
	p->payload = reader_rest(r);
}

static void transport_decode(struct reader *r, struct packet *p)
{
	const bool has_ports = !p->is_fragment || p->is_first_fragment;

	if (has_ports && p->protocol == PACKET_UDP)
		udp_decode(r, p);
	else if (has_ports && p->protocol == PACKET_TCP)
		tcp_decode(r, p);
	else
		p->payload = reader_rest(r);
}

static void ipv4_decode(struct reader *r, struct packet *p)
{
	const uint8_t version_ihl = reader_u8(r, "ihl");
	const unsigned header = 4u * (version_ihl & 0x0f);

	reader_u8(r, "tos");
	const uint16_t total = reader_u16(r, "total_length");
	p->fragment_id = reader_u16(r, "identification");
	const uint16_t fragment = reader_u16(r, "fragment");
	reader_u8(r, "ttl");
	p->protocol = reader_u8(r, "protocol");
	reader_u16(r, "checksum");
	reader_copy(r, span_mut_of(p->source, 4), "source");
	reader_copy(r, span_mut_of(p->destination, 4), "destination");
	p->is_fragment = (fragment & 0x3fff) != 0; /* more to come, or an offset */
	p->is_first_fragment = p->is_fragment && (fragment & 0x1fff) == 0;
	if (!reader_require(r, version_ihl >> 4 == 4 && header >= 20 && total >= header,
		    "total_length", "RFC 791 §3.1"))
		return;
	reader_cut(r, header - 20, "options");
	/* What follows is Ethernet's padding. */
	struct reader inside = reader_cut(r, total - header, "ip_payload");
	transport_decode(&inside, p);
}

static void ipv6_decode(struct reader *r, struct packet *p)
{
	reader_require(r, reader_u32(r, "version") >> 28 == 6, "version", "RFC 8200 §3");
	const uint16_t length = reader_u16(r, "payload_length");

	p->protocol = reader_u8(r, "next_header");
	reader_u8(r, "hop_limit");
	reader_copy(r, SPAN_MUT_ARRAY(p->source), "source");
	reader_copy(r, SPAN_MUT_ARRAY(p->destination), "destination");
	struct reader inside = reader_cut(r, length, "ip_payload");
	transport_decode(&inside, p);
}

struct err packet_decode(struct span frame, struct packet *packet, struct wire_fault *fault)
{
	struct reader r = reader_of(frame, fault);

	*packet = (struct packet){0};
	reader_cut(&r, 12, "mac_addresses");
	packet->ethertype = reader_u16(&r, "ethertype");
	if (packet->ethertype == ETHERTYPE_IPV4_)
		ipv4_decode(&r, packet);
	else if (packet->ethertype == ETHERTYPE_IPV6_)
		ipv6_decode(&r, packet);
	else
		packet->payload = reader_rest(&r);
	return wire_result(fault);
}

void packet_describe(const struct packet *p, char *text, size_t text_size)
{
	const uint8_t *s = p->source, *d = p->destination;

	if (p->ethertype == ETHERTYPE_IPV4_)
		snprintf(text, text_size,
			"%u.%u.%u.%u:%u > %u.%u.%u.%u:%u, protocol %u, %zu octets%s", s[0], s[1],
			s[2], s[3], p->source_port, d[0], d[1], d[2], d[3], p->destination_port,
			p->protocol, p->payload.len, p->is_fragment ? ", fragment" : "");
	else
		snprintf(text, text_size, "ethertype %04x, protocol %u, port %u > %u, %zu octets",
			p->ethertype, p->protocol, p->source_port, p->destination_port,
			p->payload.len);
}
