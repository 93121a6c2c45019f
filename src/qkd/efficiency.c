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

static double cascade_told(uint32_t key_bits, double least)
{
	return cascade_least * least +
	       cascade_frame_bits * ceil(key_bits / (double)CASCADE_FRAME_BITS_MAX);
}

static double ldpc_told(uint32_t key_bits, double qber)
{
	const struct ldpc_cut cut = ldpc_cut_of(key_bits);
	const double rows = ldpc_rows_for(cut.frame_words, cut.lifts, qber);
	const double checks = rows * cut.lifts * (double)LDPC_LANES,
		     errors = qber * key_bits / cut.frames;

	return cut.frames * checks * (1 + ldpc_later_errors / errors);
}

double efficiency_of(enum reconcile_mode mode, uint32_t key_bits, double qber)
{
	const double least = key_bits * estimate_entropy(fmax(qber, 1.0 / key_bits));

	if (mode == RECONCILE_CASCADE)
		return cascade_told(key_bits, least) / least;
	return ldpc_can_do(key_bits, qber) ? ldpc_told(key_bits, qber) / least : 0;
}
