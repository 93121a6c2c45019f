// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Capture files of the classic kind [draft-ietf-opsawg-pcap]: a header of 24 octets, then frames
 * with 16 octets each in front. Written in network order (which every reader knows how to swap),
 * read in either; link type Ethernet.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum { PCAP_HEADER = 24, PCAP_RECORD_HEADER = 16, PCAP_FRAME_MAX = 262144 };

struct pcap_record {
	uint64_t unix_us;
	uint32_t original_octets; /* on the wire; more than frame.len where it was cut */
	struct span frame;
};

void pcap_header_encode(struct writer *w);
/* The 16 octets in front of a frame of `captured` octets, which the caller appends. */
void pcap_record_header_encode(
	struct writer *w, uint64_t unix_us, uint32_t captured_octets, uint32_t original_octets);

struct pcap_file {
	struct reader r;
	bool is_swapped, is_nano;
};

/* `file` is borrowed by the records. Faults are in `fault`. */
MUST_USE struct err pcap_open(struct pcap_file *p, struct span file, struct wire_fault *fault);
/* False at the end and after a fault; a file cut in the middle of a record is a fault. */
bool pcap_next(struct pcap_file *p, struct pcap_record *record);
