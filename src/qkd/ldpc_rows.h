// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inner loop of the decoder: one check of 64 lanes is worked on, and the posteriors of its bits follow.
 *
 * Sum-product in Gallager's domain, in octets. A bit's posterior is a log-likelihood ratio in steps of 1/3, of -128 to 127 (negative: an
 * error). A check's message to a bit has the magnitude
 *     phi^-1( sum over the check's other bits of phi(|q|) ),   phi(x) = -ln tanh(x/2)            [Gallager 1963, eq. 4.12]
 * and the sign of the product of theirs and of the syndrome. Of the sum, the bit's own share is left out for the least reliable bit only: of all
 * others it is small [Jones, Valles, Smith, Villasenor, "Approximate-MIN* constraint node updating", Asilomar 2003]. So there are two
 * messages a check, as with min-sum, at the threshold of sum-product. A sum is kept twice, in steps of 1/1000 and of 1/80, each saturating at
 * 255: the first tells large messages apart, the second small ones.
 *
 * The paths give the same octets, whatever the machine has.
 */
#include "ldpc_code.h"
#include <stddef.h>

enum {
	LDPC_POSTERIOR_OCTETS =
		128, /* of a word of 64 bits: twice the same, so that a turned one is a load; but ldpc_posterior_octets() */
	LDPC_STEPS_A_NAT = 3, /* of a log-likelihood ratio */
	LDPC_MESSAGE_MAX = 25,
};

enum ldpc_path { LDPC_PORTABLE, LDPC_AVX2, LDPC_AVX512, LDPC_PATHS };

/* phi(m / 3) in steps of 1/1000 and of 1/80; from m = 32 on both are zero. test_ldpc computes them anew. */
extern const uint8_t ldpc_fine_phi[32], ldpc_coarse_phi[32];

/* A message is at least k when its sum is at most the k-th limit: of the coarse sum for the first, of the fine one for the others. */
enum { LDPC_COARSE_LIMITS = 6, LDPC_FINE_LIMITS = 19 };
extern const uint8_t ldpc_coarse_limits[LDPC_COARSE_LIMITS], ldpc_fine_limits[LDPC_FINE_LIMITS];

/* The same as tables: how many limits a sum keeps. */
enum { LDPC_SUMS_IN_TABLE = 128 };
extern const uint8_t ldpc_coarse_messages[LDPC_SUMS_IN_TABLE],
	ldpc_fine_messages[LDPC_SUMS_IN_TABLE];

/* The fastest path that this processor has. */
enum ldpc_path ldpc_best(void);
bool ldpc_can(enum ldpc_path path);

/* How far the posteriors of a word are from those of the next: the path for AVX-512 turns registers, and keeps them once. */
static inline size_t ldpc_posterior_octets(enum ldpc_path path)
{
	return path == LDPC_AVX512 ? LDPC_LANES : LDPC_POSTERIOR_OCTETS;
}

struct ldpc_state {
	enum ldpc_path path;
	int8_t *posteriors; /* ldpc_posterior_octets() a word; lane l is of bit (l + turned) mod 64 */
	uint8_t *turned;    /* a word */
	int8_t *messages; /* 64 an edge and lift, a check's side by side; all zero when rows are split anew */
	/* Of a check, while it is worked on: 64 an edge, and where its posteriors lie; LDPC_ROW_EDGES_MAX edges. */
	int8_t *ratios;
	uint32_t *at;
};

/*
 * Works on the checks of edges `from` to `end` in lift q. Returns how many of them did not agree with the syndrome beforehand, by the
 * signs of the posteriors.
 */
uint32_t ldpc_check(const struct ldpc_code *code, const struct ldpc_state *s, uint32_t from,
	uint32_t end, uint32_t q, uint64_t syndrome);
