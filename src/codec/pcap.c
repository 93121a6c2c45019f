// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/pcap.h"

static const uint32_t magic_us = 0xa1b2c3d4, magic_ns = 0xa1b23c4d;
enum { VERSION_MAJOR = 2, VERSION_MINOR = 4, LINK_ETHERNET = 1 };

void pcap_header_encode(struct writer *w)
{
	writer_u32(w, magic_us);
	writer_u16(w, VERSION_MAJOR);
	writer_u16(w, VERSION_MINOR);
	writer_u64(w, 0); /* time zone and accuracy: always zero */
	writer_u32(w, PCAP_FRAME_MAX);
	writer_u32(w, LINK_ETHERNET);
}

void pcap_record_header_encode(
	struct writer *w, uint64_t unix_us, uint32_t captured_octets, uint32_t original_octets)
{
	writer_u32(w, (uint32_t)(unix_us / 1000000));
	writer_u32(w, (uint32_t)(unix_us % 1000000));
	writer_u32(w, captured_octets);
	writer_u32(w, original_octets);
}

static uint32_t field_u32(struct pcap_file *p, const char *field)
{
	const uint32_t v = reader_u32(&p->r, field);

	return p->is_swapped ? __builtin_bswap32(v) : v;
}

static uint16_t field_u16(struct pcap_file *p, const char *field)
{
	const uint16_t v = reader_u16(&p->r, field);

	return p->is_swapped ? __builtin_bswap16(v) : v;
}

struct err pcap_open(struct pcap_file *p, struct span file, struct wire_fault *fault)
{
	*p = (struct pcap_file){.r = reader_of(file, fault)};
	const uint32_t magic = reader_u32(&p->r, "magic");
	const uint32_t swapped = __builtin_bswap32(magic);

	p->is_swapped = swapped == magic_us || swapped == magic_ns;
	p->is_nano = magic == magic_ns || swapped == magic_ns;
	reader_require(
		&p->r, p->is_swapped || magic == magic_us || magic == magic_ns, "magic", NULL);
	reader_require(&p->r, field_u16(p, "version") == VERSION_MAJOR, "version", NULL);
	field_u16(p, "version_minor");
	reader_u64(&p->r, "time_zone");
	field_u32(p, "frame_max");
	reader_require(&p->r, field_u32(p, "link_type") == LINK_ETHERNET, "link_type", NULL);
	return wire_result(fault);
}

bool pcap_next(struct pcap_file *p, struct pcap_record *record)
{
	*record = (struct pcap_record){0};
	if (!reader_more(&p->r))
		return false;
	const uint64_t seconds = field_u32(p, "seconds");
	const uint32_t fraction = field_u32(p, "fraction");
	const uint32_t captured = field_u32(p, "captured_octets");

	record->unix_us = seconds * 1000000 + (p->is_nano ? fraction / 1000 : fraction);
	record->original_octets = field_u32(p, "original_octets");
	reader_require(&p->r, captured <= PCAP_FRAME_MAX, "captured_octets", NULL);
	record->frame = reader_span(&p->r, captured, "frame");
	return !reader_failed(&p->r);
}
