// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_timestamps.h"

enum { TIME_BITS = 49, TIME_SHIFT = 15, ROUNDS_MAX = 64 };

static uint32_t little(uint32_t big)
{
	return big >> 24 | (big >> 8 & 0xff00) | (big << 8 & 0xff0000) | big << 24;
}

struct err timestamp_decode(
	struct timestamps *t, struct span bytes, struct timestamp *out, struct wire_fault *fault)
{
	struct reader r = reader_of(bytes, fault);
	const uint32_t high = little(reader_u32(&r, "msw")), low = little(reader_u32(&r, "lsw"));
	const uint64_t event = (uint64_t)high << 32 | low, units = event >> TIME_SHIFT;
	uint64_t rounds = t->rounds;

	if (t->has_last && units < t->last) {
		reader_require(&r, t->last - units > 1ull << (TIME_BITS - 1), "time", NULL);
		rounds++;
	}
	reader_require(&r, rounds <= ROUNDS_MAX, "time", NULL);
	reader_end(&r, "event");
	if (reader_failed(&r))
		return wire_result(fault);
	*t = (struct timestamps){.has_last = true, .last = units, .rounds = rounds};
	out->time_ps = (units + (rounds << TIME_BITS)) * TIMESTAMP_UNIT_PS;
	out->pattern = event & ((1 << TIMESTAMP_DETECTORS) - 1);
	return OK;
}

void timestamp_encode(struct writer *w, uint64_t time_ps, uint8_t pattern)
{
	const uint64_t event = time_ps / TIMESTAMP_UNIT_PS << TIME_SHIFT | pattern;

	writer_u32(w, little((uint32_t)(event >> 32)));
	writer_u32(w, little((uint32_t)event));
}
