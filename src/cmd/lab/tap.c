// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/tap.h"
#include "codec/packet.h"
#include "codec/pcap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLOWS_MAX = 256, WAITING_MAX = 64, FRAGMENTS_MAX = 64, TLS_HEADER = 5 };
enum { PORT_IKE = 500, PORT_IKE_NAT = 4500, ICMPV6_ND_FIRST = 133, ICMPV6_ND_LAST = 137 };
enum { IKE_HEADER = 28, ESP_LEAST = 8 + 16, ESP_SPI_RESERVED = 255 };

struct segment {
	uint32_t sequence;
	struct span payload;
	struct packet packet; /* to describe it */
};

/* One direction of one TCP connection to or from a listed port. */
struct flow {
	bool is_used, is_spoilt;
	uint8_t addresses[32];
	uint16_t source_port, destination_port;
	bool is_begun; /* its SYN was seen */
	bool has_handshake;
	uint32_t next; /* sequence number of the octet that is due */
	uint8_t header[TLS_HEADER];
	unsigned header_len;
	uint32_t body_left; /* of the record that is open */
	size_t waiting_count;
	struct segment waiting[WAITING_MAX];
};

struct fragment {
	uint8_t addresses[32];
	uint16_t id;
	uint8_t protocol;
	enum tap_class class;
};

struct tap_judge {
	uint16_t ports[TAP_PORTS_MAX];
	size_t port_count;
	struct tap_count count;
	struct flow flows[FLOWS_MAX];
	size_t flow_next; /* the table is a ring: an old flow gives way */
	struct fragment fragments[FRAGMENTS_MAX];
	size_t fragment_next;
};

const char *tap_class_word(enum tap_class class)
{
	static const char *const words[TAP_CLASSES] = {
		"arp", "nd", "ike", "esp", "tls", "cleartext"};

	return words[class];
}

static void count_frame(struct tap_judge *j, enum tap_class class, const struct packet *packet)
{
	j->count.packets[class]++;
	if (class == TAP_CLEARTEXT && j->count.described < TAP_DESCRIBED_MAX)
		packet_describe(
			packet, j->count.descriptions[j->count.described++], TAP_DESCRIPTION_MAX);
}

static void addresses_of(const struct packet *p, uint8_t addresses[static 32])
{
	memcpy(addresses, p->source, 16);
	memcpy(addresses + 16, p->destination, 16);
}

/* IKE and ESP */

static bool looks_like_ike(struct span message)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(message, &fault);

	reader_cut(&r, 17, "spis");
	const uint8_t version = reader_u8(&r, "version");
	reader_cut(&r, 6, "exchange");
	const uint32_t length = reader_u32(&r, "length");
	return !reader_failed(&r) && version == 0x20 && length == message.len;
}

/* Header checksum of a packet inside: a stranger passes once in 65536, of those whose first octet
 * fits. */
static bool holds_ipv4_header(struct span bytes)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);
	uint32_t sum = 0;
	const uint16_t first = reader_u16(&r, "version");

	sum = first;
	for (int i = 1; i < 10; i++)
		sum += reader_u16(&r, "header");
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return !reader_failed(&r) && first >> 8 == 0x45 && sum == 0xffff;
}

static bool looks_like_esp(struct span message)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(message, &fault);
	const uint32_t spi = reader_u32(&r, "spi");

	reader_u32(&r, "sequence");
	return !reader_failed(&r) && spi > ESP_SPI_RESERVED && message.len >= ESP_LEAST &&
	       !holds_ipv4_header(reader_rest(&r));
}

static enum tap_class udp_4500_class(struct span payload)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(payload, &fault);

	if (payload.len == 1 && reader_u8(&r, "keepalive") == 0xff)
		return TAP_IKE;
	if (reader_u32(&r, "marker") == 0 && !reader_failed(&r))
		return looks_like_ike(reader_rest(&r)) ? TAP_IKE : TAP_CLEARTEXT;
	return looks_like_esp(payload) ? TAP_ESP : TAP_CLEARTEXT;
}

static bool has_port(const struct packet *p, uint16_t port)
{
	return p->source_port == port || p->destination_port == port;
}

static enum tap_class udp_class(const struct packet *p)
{
	if (has_port(p, PORT_IKE_NAT))
		return udp_4500_class(p->payload);
	return has_port(p, PORT_IKE) && looks_like_ike(p->payload) ? TAP_IKE : TAP_CLEARTEXT;
}

/* TLS */

static bool tls_header_holds(struct flow *f)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(SPAN_ARRAY(f->header), &fault);
	const uint8_t type = reader_u8(&r, "content_type");
	const uint16_t version = reader_u16(&r, "version");
	const uint16_t length = reader_u16(&r, "length");

	if (!f->has_handshake && type != 22)
		return false;
	f->has_handshake = true;
	f->body_left = length;
	return type >= 20 && type <= 23 && (version == 0x0301 || version == 0x0303) && length > 0 &&
	       length <= 16384 + 256;
}

/* Runs octets that are due through the records; false once they are not TLS. */
static bool tls_octets(struct flow *f, struct span octets)
{
	for (size_t i = 0; i < octets.len;) {
		if (f->body_left > 0) {
			const size_t left = octets.len - i;
			const size_t n = left < f->body_left ? left : f->body_left;
			f->body_left -= (uint32_t)n;
			i += n;
			continue;
		}
		f->header[f->header_len++] = octets.at[i++];
		if (f->header_len < TLS_HEADER)
			continue;
		f->header_len = 0;
		if (!tls_header_holds(f))
			return false;
	}
	return true;
}

static struct flow *flow_of(struct tap_judge *j, const struct packet *p)
{
	uint8_t addresses[32];

	addresses_of(p, addresses);
	for (size_t i = 0; i < FLOWS_MAX; i++) {
		struct flow *f = &j->flows[i];
		if (f->is_used && f->source_port == p->source_port &&
			f->destination_port == p->destination_port &&
			memcmp(f->addresses, addresses, sizeof addresses) == 0)
			return f;
	}
	struct flow *f = &j->flows[j->flow_next++ % FLOWS_MAX];
	for (size_t i = 0; i < f->waiting_count; i++)
		count_frame(j, TAP_CLEARTEXT, &f->waiting[i].packet);
	*f = (struct flow){.is_used = true,
		.source_port = p->source_port,
		.destination_port = p->destination_port};
	memcpy(f->addresses, addresses, sizeof addresses);
	return f;
}

/* A segment whose first octet is due or past: the part that is new. */
static enum tap_class segment_class(struct flow *f, uint32_t sequence, struct span payload)
{
	const uint32_t past = f->next - sequence;

	if (past >= payload.len)
		return TAP_TLS; /* sent again, or a keep-alive probe */
	const struct span fresh = span_of(payload.at + past, payload.len - past);
	f->next += (uint32_t)fresh.len;
	if (!f->is_spoilt && !tls_octets(f, fresh))
		f->is_spoilt = true;
	return f->is_spoilt ? TAP_CLEARTEXT : TAP_TLS;
}

static bool is_ahead(const struct flow *f, uint32_t sequence)
{
	return (int32_t)(sequence - f->next) > 0;
}

/* Those that waited for what has now come. */
static void waiting_judge(struct tap_judge *j, struct flow *f)
{
	for (size_t i = 0; i < f->waiting_count;) {
		const struct segment s = f->waiting[i];
		if (is_ahead(f, s.sequence)) {
			i++;
			continue;
		}
		f->waiting[i] = f->waiting[--f->waiting_count];
		count_frame(j, segment_class(f, s.sequence, s.payload), &s.packet);
		i = 0; /* an earlier one may be due now */
	}
}

static void tcp_judge(struct tap_judge *j, const struct packet *p)
{
	struct flow *f = flow_of(j, p);
	uint32_t sequence = p->tcp_sequence;

	if (p->tcp_flags & TCP_SYN_) {
		sequence++;
		if (!f->is_begun || f->next != sequence) { /* a new connection, old ports */
			f->is_begun = true;
			f->is_spoilt = f->has_handshake = false;
			f->header_len = 0;
			f->body_left = 0;
			f->next = sequence;
		}
	}
	if (p->payload.len == 0) {
		count_frame(j, TAP_TLS, p);
	} else if (!f->is_begun) {
		count_frame(j, TAP_CLEARTEXT, p);
	} else if (!is_ahead(f, sequence)) {
		count_frame(j, segment_class(f, sequence, p->payload), p);
		waiting_judge(j, f);
	} else if (f->waiting_count < WAITING_MAX) {
		f->waiting[f->waiting_count++] = (struct segment){sequence, p->payload, *p};
	} else {
		count_frame(j, TAP_CLEARTEXT, p);
	}
}

static bool is_listed(const struct tap_judge *j, const struct packet *p)
{
	for (size_t i = 0; i < j->port_count; i++)
		if (has_port(p, j->ports[i]))
			return true;
	return false;
}

/* Fragments: all share the first one's fate. */

static enum tap_class fragment_class(const struct tap_judge *j, const struct packet *p)
{
	uint8_t addresses[32];

	addresses_of(p, addresses);
	for (size_t i = 0; i < FRAGMENTS_MAX; i++) {
		const struct fragment *f = &j->fragments[i];
		if (f->id == p->fragment_id && f->protocol == p->protocol &&
			memcmp(f->addresses, addresses, sizeof addresses) == 0)
			return f->class;
	}
	return TAP_CLEARTEXT;
}

/*
 * The first fragment of a datagram: its length field counts more than is here, so an IKE message is
 * known by its version alone. TCP in fragments does not occur on the backhaul: foreign.
 */
static enum tap_class first_fragment_class(const struct packet *p)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(p->payload, &fault);

	if (p->protocol == PACKET_ESP)
		return looks_like_esp(p->payload) ? TAP_ESP : TAP_CLEARTEXT;
	if (p->protocol != PACKET_UDP || !(has_port(p, PORT_IKE) || has_port(p, PORT_IKE_NAT)))
		return TAP_CLEARTEXT;
	if (has_port(p, PORT_IKE_NAT) && reader_u32(&r, "marker") != 0)
		return looks_like_esp(p->payload) ? TAP_ESP : TAP_CLEARTEXT;
	reader_cut(&r, 17, "spis");
	return reader_u8(&r, "version") == 0x20 ? TAP_IKE : TAP_CLEARTEXT;
}

static enum tap_class fragment_judge(struct tap_judge *j, const struct packet *p)
{
	if (!p->is_first_fragment)
		return fragment_class(j, p);
	struct fragment *f = &j->fragments[j->fragment_next++ % FRAGMENTS_MAX];
	*f = (struct fragment){
		.id = p->fragment_id, .protocol = p->protocol, .class = first_fragment_class(p)};
	addresses_of(p, f->addresses);
	return f->class;
}

static enum tap_class icmpv6_class(const struct packet *p)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(p->payload, &fault);
	const uint8_t type = reader_u8(&r, "icmp_type");

	return type >= ICMPV6_ND_FIRST && type <= ICMPV6_ND_LAST ? TAP_ND : TAP_CLEARTEXT;
}

static enum tap_class ip_class(struct tap_judge *j, const struct packet *p)
{
	if (p->is_fragment)
		return fragment_judge(j, p);
	if (p->protocol == PACKET_UDP)
		return udp_class(p);
	if (p->protocol == PACKET_ESP)
		return looks_like_esp(p->payload) ? TAP_ESP : TAP_CLEARTEXT;
	if (p->protocol == PACKET_ICMPV6 && p->ethertype == ETHERTYPE_IPV6_)
		return icmpv6_class(p);
	return TAP_CLEARTEXT;
}

void tap_classify(struct tap_judge *j, struct span frame)
{
	struct wire_fault fault = {0};
	struct packet p;

	if (failed(packet_decode(frame, &p, &fault)))
		count_frame(j, TAP_CLEARTEXT, &p);
	else if (p.ethertype == ETHERTYPE_ARP_)
		count_frame(j, TAP_ARP, &p);
	else if (p.ethertype != ETHERTYPE_IPV4_ && p.ethertype != ETHERTYPE_IPV6_)
		count_frame(j, TAP_CLEARTEXT, &p);
	else if (p.protocol == PACKET_TCP && !p.is_fragment && is_listed(j, &p))
		tcp_judge(j, &p);
	else
		count_frame(j, ip_class(j, &p), &p);
}

struct err tap_judge_open(struct tap_judge **j, const uint16_t *tls_ports, size_t count)
{
	*j = NULL;
	if (count > TAP_PORTS_MAX)
		return ERR(LIMIT);
	*j = calloc(1, sizeof **j);
	if (*j == NULL)
		return ERR(LIMIT);
	memcpy((*j)->ports, tls_ports, count * sizeof *tls_ports);
	(*j)->port_count = count;
	return OK;
}

const struct tap_count *tap_judge_end(struct tap_judge *j)
{
	for (size_t i = 0; i < FLOWS_MAX; i++) {
		struct flow *f = &j->flows[i];
		for (size_t k = 0; k < f->waiting_count; k++)
			count_frame(j, TAP_CLEARTEXT, &f->waiting[k].packet);
		f->waiting_count = 0;
	}
	return &j->count;
}

void tap_judge_close(struct tap_judge *j)
{
	free(j);
}

/* Files */

static void count_add(struct tap_count *sum, const struct tap_count *more)
{
	for (size_t i = 0; i < TAP_CLASSES; i++)
		sum->packets[i] += more->packets[i];
	for (size_t i = 0; i < more->described && sum->described < TAP_DESCRIBED_MAX; i++)
		memcpy(sum->descriptions[sum->described++], more->descriptions[i],
			TAP_DESCRIPTION_MAX);
}

static struct err file_map(const char *path, struct span *file, struct complaint *c)
{
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	*file = (struct span){0};
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			close(fd);
		return complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	}
	void *at = st.st_size == 0 ? MAP_FAILED
				   : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return complain(c, ERR(IO), "%s: empty, or cannot be mapped", path);
	*file = span_of(at, (size_t)st.st_size);
	return OK;
}

struct err tap_judge_file(const char *path, const uint16_t *tls_ports, size_t port_count,
	struct tap_count *count, struct complaint *c)
{
	struct wire_fault fault = {0};
	struct pcap_file file;
	struct pcap_record record;
	struct span bytes;
	struct tap_judge *j;
	struct err e = file_map(path, &bytes, c);

	if (failed(e))
		return e;
	e = tap_judge_open(&j, tls_ports, port_count);
	if (failed(e))
		goto out;
	e = pcap_open(&file, bytes, &fault);
	while (!failed(e) && pcap_next(&file, &record))
		tap_classify(j, record.frame);
	count_add(count, tap_judge_end(j));
	e = wire_result(&fault);
	if (failed(e))
		e = complain(
			c, e, "%s: damaged at octet %zu (%s)", path, fault.offset, fault.field);
out:
	tap_judge_close(j);
	munmap((void *)(uintptr_t)bytes.at, bytes.len);
	return e;
}
