// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_timestamps.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file event by event: time never runs backwards, and what decodes encodes to the same but for the card's own bits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct timestamps t = {0};
	uint64_t last = 0;

	for (size_t at = 0; at + TIMESTAMP_OCTETS <= size; at += TIMESTAMP_OCTETS) {
		struct wire_fault fault = {0};
		struct timestamp event;
		uint8_t again[TIMESTAMP_OCTETS];
		struct writer w = writer_of(SPAN_MUT_ARRAY(again));
		if (failed(timestamp_decode(
			    &t, span_of(data + at, TIMESTAMP_OCTETS), &event, &fault)))
			return 0;
		timestamp_encode(&w, event.time_ps, event.pattern);
		if (event.time_ps < last || event.pattern > 15 || again[0] != data[at] ||
			again[3] != data[at + 3] || (again[5] & 0x80) != (data[at + 5] & 0x80) ||
			again[7] != data[at + 7] || (again[4] & 15) != (data[at + 4] & 15))
			abort();
		last = event.time_ps;
	}
	return 0;
}
