// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "efficiency.h"
#include "cascade_shape.h"
#include "estimate.h"
#include "ldpc.h"
#include "ldpc_code.h"
#include <math.h>

/* From keys of 3,000 to 1,000,000 bits with 0.4 to 11 % errors (test_efficiency.c). */
static const double cascade_least = 1.038, cascade_frame_bits = 40;
static const double ldpc_later_errors = 20;

static uint32_t divide_up(uint32_t a, uint32_t b)
{
	return (a - 1) / b + 1;
}

static double cascade_told(uint32_t key_bits, double least)
{
	return cascade_least * least +
	       cascade_frame_bits * divide_up(key_bits, CASCADE_FRAME_BITS_MAX);
}

/* Frames as ldpc.c cuts a key. */
static double ldpc_told(uint32_t key_bits, double qber)
{
	const uint32_t frames = divide_up(key_bits, LDPC_FRAME_BITS_MAX);
	const uint32_t words = divide_up(divide_up(key_bits, 64), frames);
	const uint32_t lifts = divide_up(words, LDPC_COLUMNS_MAX);
	const double checks = ldpc_rows_for(words, lifts, qber) * lifts * LDPC_LANES;
	const double errors = qber * key_bits / frames;

	return frames * checks * (1 + ldpc_later_errors / errors);
}

double efficiency_of(enum reconcile_mode mode, uint32_t key_bits, double qber)
{
	const double least = key_bits * estimate_entropy(fmax(qber, 1.0 / key_bits));

	if (mode == RECONCILE_CASCADE)
		return cascade_told(key_bits, least) / least;
	return ldpc_can_do(key_bits, qber) ? ldpc_told(key_bits, qber) / least : 0;
}
