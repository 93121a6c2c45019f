// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A hostile peer of either end of a mode of error correction: the first octet chooses whom, the rest are messages with lengths of two
 * octets. FUZZ_MODE and FUZZ_KEY_BITS, no multiple of 64, stand before this is included.
 */
#include "qkd/reconciler.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t words[2][(FUZZ_KEY_BITS + 63) / 64];
static uint8_t buffer[RECONCILE_BODY_MAX];
static struct reconcile *ends[2];

static void begin(bool is_bob)
{
	static const uint8_t seed[RECONCILE_SEED] = {1};
	const struct reconcile_settings settings = {
		.is_bob = is_bob, .key_bits_max = FUZZ_KEY_BITS, .frames_in_flight = 4};

	if (ends[is_bob] == NULL && failed(FUZZ_MODE.open(&ends[is_bob], &settings)))
		abort();
	for (size_t i = 0; i < (FUZZ_KEY_BITS + 63) / 64; i++)
		words[is_bob][i] = i * 0x9e3779b97f4a7c15u;
	words[is_bob][FUZZ_KEY_BITS / 64] &= ((uint64_t)1 << FUZZ_KEY_BITS % 64) - 1;
	if (failed(FUZZ_MODE.begin(
		    ends[is_bob], (struct key_words){words[is_bob], FUZZ_KEY_BITS}, 0.03, seed)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const bool is_bob = size > 0 && data[0] % 2 == 1;
	bool goes_on = true;

	begin(is_bob);
	for (size_t at = 1; goes_on && at + 2 <= size;) {
		const size_t len = (size_t)(data[at] << 8 | data[at + 1]);
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		if (at + 2 + len > size)
			break;
		const struct span message = span_of(data + at + 2, len);
		if (is_bob) {
			FUZZ_MODE.ask(ends[1], &w);
			goes_on = FUZZ_MODE.learn(ends[1], message) == QKD_GOES_ON;
		} else {
			goes_on = FUZZ_MODE.answer(ends[0], message, &w) == QKD_GOES_ON;
			if (w.is_full)
				abort();
		}
		at += 2 + len;
	}
	return 0;
}
