// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The headers of one Ethernet frame, down to UDP and TCP ports: what the lab's tap judges by. It
 * reads IPv4 with options and IPv6 without extension headers; what it does not read stays
 * in `protocol` with its payload, for the judge to call foreign.
 */
#include "wire/reader.h"

enum { ETHERTYPE_IPV4_ = 0x0800, ETHERTYPE_ARP_ = 0x0806, ETHERTYPE_IPV6_ = 0x86dd };
enum packet_protocol {
	PACKET_ICMP = 1,
	PACKET_TCP = 6,
	PACKET_UDP = 17,
	PACKET_ESP = 50,
	PACKET_ICMPV6 = 58
};
enum { TCP_FIN_ = 1, TCP_SYN_ = 2, TCP_RST_ = 4, TCP_ACK_ = 16 };

struct packet {
	uint16_t ethertype;
	uint8_t protocol;                    /* IP only */
	uint8_t source[16], destination[16]; /* IPv4: the first four octets */
	bool is_fragment, is_first_fragment;
	uint16_t fragment_id;
	uint16_t source_port, destination_port; /* UDP and TCP, not in later fragments */
	uint32_t tcp_sequence;
	uint8_t tcp_flags;
	struct span payload; /* after the last header that was read */
};

/* ERR_INPUT: the headers lie about lengths. */
MUST_USE struct err packet_decode(
	struct span frame, struct packet *packet, struct wire_fault *fault);

/* "10.90.1.2:500 > 10.90.2.2:500, protocol 17, 132 octets" */
void packet_describe(const struct packet *packet, char *text, size_t text_size);
