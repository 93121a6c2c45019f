// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/packet.h"
#include "codec/pcap.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every frame of the file goes through the header decoder; what it gives must lie inside the frame.
 */
static void look_inside(struct span frame)
{
	struct wire_fault fault = {0};
	struct packet packet;

	if (failed(packet_decode(frame, &packet, &fault)) || packet.payload.len == 0)
		return;
	if (packet.payload.at < frame.at ||
		packet.payload.at + packet.payload.len > frame.at + frame.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct pcap_file file;
	struct pcap_record record;

	look_inside(span_of(data, size));
	if (failed(pcap_open(&file, span_of(data, size), &fault)))
		return 0;
	while (pcap_next(&file, &record))
		look_inside(record.frame);
	return 0;
}
