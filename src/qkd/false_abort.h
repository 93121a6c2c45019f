// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * False aborts: how often estimation refuses a block of a link that nobody touches, and which length such a link reaches but for a stated
 * chance. It plans and it is tested; no key depends on it.
 *
 * An honest block. A block is a fixed number of detections. By the model of rate.h each falls, independently of the others, into one of a
 * few cells: key or test basis, intensity, right or wrong; or both ends chose different bases. So its counts are multinomial.
 * Error correction adds chance of its own: at n bits and an error rate q Cascade's parities have a mean of at most (f + 0.005) n h(q) and
 * a deviation of at most sqrt(n q) bits, from 100,000 bits on (measured: test_false_abort.c).
 *
 * A margin is what a block has beyond one condition of estimate.c or amplify.c; below zero it is aborted. The chance of that is at most
 * exp(-E), E the least relative entropy (in nats, of the whole block) of a point at which the margin is zero: Chernoff's bound. For counts
 * and error rates, which are linear, it is a bound at any size. Single photons and the length are not linear; there it is a bound where
 * the points that fail are a convex set [Csiszár, Ann. Probab. 12, 768 (1984)], which was not shown: test_false_abort.c holds it against
 * drawn blocks, down to 10^-6 by importance sampling.
 *
 * Not in it: afterpulses that come in groups, drift, a device that is not what the parameters say. The watch has its own rate (watch.h).
 */
#include "rate.h"

enum { FALSE_ABORT_CELLS = 4 * QKD_INTENSITIES + 1 };

/* Cells: key right, key wrong, test right, test wrong, each by intensity; then what was measured in different bases. */
struct false_abort_point {
	double count[FALSE_ABORT_CELLS];
	double parities; /* beyond their mean, in deviations */
};

struct false_abort_block {
	double detections, share[FALSE_ABORT_CELLS]; /* sums to 1 */
	double correction_f;
};

enum false_abort_margin {
	MARGIN_KEY_BITS,
	MARGIN_TEST_BITS,
	MARGIN_TEST_QBER,
	MARGIN_KEY_QBER,
	MARGIN_KEY_SINGLE,
	MARGIN_TEST_SINGLE,
	MARGIN_OTHERS, /* bits that are neither vacuum nor single photons */
	MARGIN_LENGTH,
	MARGINS
};

/* As the link cuts it: as many detections as give `key_bits` key bits in the mean. */
void false_abort_block(const struct rate_channel *channel, const struct qkd_parameters *p,
	double key_bits, struct false_abort_block *out);

/* The mean of the parities, and their deviation. */
double false_abort_parities(const struct false_abort_block *b, double key_bits, double qber);
double false_abort_parities_deviation(double key_bits, double qber);

double false_abort_margin(const struct false_abort_block *b, const struct qkd_parameters *p,
	enum false_abort_margin margin, const struct false_abort_point *x);

/* The least margin of all points up to E = `exponent`, and where it is. */
double false_abort_least(const struct false_abort_block *b, const struct qkd_parameters *p,
	enum false_abort_margin margin, double exponent, struct false_abort_point *at);

/* At most so many of all blocks have a margin below zero; 10^-100 at least. */
double false_abort_margin_chance(const struct false_abort_block *b, const struct qkd_parameters *p,
	enum false_abort_margin margin);

/* At most so many of all blocks are aborted for this reason, of the first four: the others have no chance in them. */
double false_abort_chance(
	const struct false_abort_block *b, const struct qkd_parameters *p, enum qkd_abort reason);

/* The length, in whole octets, that all but `chance` of the blocks reach: for `final_bits_fixed`. 0: none. */
uint32_t false_abort_length(
	const struct false_abort_block *b, const struct qkd_parameters *p, double chance);
