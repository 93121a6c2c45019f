// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "randomness.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128, TERMS_MAX = 100000 };

static unsigned bit_at(struct span octets, size_t i)
{
	return octets.at[i / 8] >> (7 - i % 8) & 1;
}

/* ---- the upper incomplete gamma function, normalised: Q(a, x) ---- */

/* P(a, x) by its power series; for x < a + 1. */
static double gamma_series(double a, double x)
{
	double term = 1 / a, sum = term;

	for (int n = 1; n < TERMS_MAX && term > sum * 1e-16; n++) {
		term *= x / (a + n);
		sum += term;
	}
	return sum * exp(a * log(x) - x - lgamma(a));
}

/* Q(a, x) by its continued fraction, from the front [DLMF 8.9.2]; for x >= a + 1. */
static double gamma_fraction(double a, double x)
{
	const double tiny = 1e-300;
	double b = x + 1 - a, c = 1 / tiny, d = 1 / b, product = d;

	for (int n = 1; n < TERMS_MAX; n++) {
		const double step = n * (a - n);
		b += 2;
		d = step * d + b;
		c = b + step / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		product *= d * c;
		if (fabs(d * c - 1) < 1e-15)
			break;
	}
	return product * exp(a * log(x) - x - lgamma(a));
}

static double gamma_upper(double a, double x)
{
	if (x <= 0)
		return 1;
	return x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
}

/* ---- counts of ones ---- */

static size_t ones_of(struct span octets, size_t from, size_t bits)
{
	size_t ones = 0;

	for (size_t i = from; i < from + bits; i++)
		ones += bit_at(octets, i);
	return ones;
}

double randomness_monobit(struct span octets, size_t bits)
{
	const double n = (double)bits, sum = 2 * (double)ones_of(octets, 0, bits) - n;

	return erfc(fabs(sum) / sqrt(n) / sqrt(2));
}

double randomness_block_frequency(struct span octets, size_t bits, size_t block)
{
	const size_t blocks = bits / block;
	double sum = 0;

	for (size_t i = 0; i < blocks; i++) {
		const double share = (double)ones_of(octets, i * block, block) / (double)block;
		sum += (share - 0.5) * (share - 0.5);
	}
	return gamma_upper((double)blocks / 2, 4 * (double)block * sum / 2);
}

double randomness_runs(struct span octets, size_t bits)
{
	const double n = (double)bits, share = (double)ones_of(octets, 0, bits) / n;
	size_t runs = 1;

	/* Ones and zeros are too unequal for the number of runs to mean anything [SP 800-22 §2.3.4 (2)]. */
	if (fabs(share - 0.5) >= 2 / sqrt(n))
		return 0;
	for (size_t i = 1; i < bits; i++)
		runs += bit_at(octets, i) != bit_at(octets, i - 1);
	const double spread = 2 * sqrt(2 * n) * share * (1 - share);
	return erfc(fabs((double)runs - 2 * n * share * (1 - share)) / spread);
}

/* ---- the longest run of ones in a block [SP 800-22 §2.4.4, §3.4] ---- */

enum { CLASSES_MAX = 7 };
static const struct run_table {
	size_t bits_min, block;
	unsigned first; /* runs up to this are the first class */
	unsigned classes;
	double probability[CLASSES_MAX];
} run_tables[] = {
	{750000, 10000, 10, 7, {0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727}},
	{6272, 128, 4, 6,
		{0.1174035788, 0.242955959, 0.249363483, 0.17517706, 0.102701071, 0.112398847}},
	{128, 8, 1, 4, {0.21484375, 0.3671875, 0.23046875, 0.1875}},
};

static unsigned longest_of(struct span octets, size_t from, size_t bits)
{
	unsigned longest = 0, run = 0;

	for (size_t i = from; i < from + bits; i++) {
		run = bit_at(octets, i) ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

double randomness_longest_run(struct span octets, size_t bits)
{
	const struct run_table *t = run_tables;
	double counts[CLASSES_MAX] = {0}, sum = 0;

	assert(bits >= 128);
	while (bits < t->bits_min)
		t++;
	const size_t blocks = bits / t->block;
	for (size_t i = 0; i < blocks; i++) {
		const unsigned longest = longest_of(octets, i * t->block, t->block);
		const unsigned above = longest > t->first ? longest - t->first : 0;
		counts[above < t->classes ? above : t->classes - 1]++;
	}
	for (unsigned i = 0; i < t->classes; i++) {
		const double expected = (double)blocks * t->probability[i];
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	}
	return gamma_upper((t->classes - 1) / 2.0, sum / 2);
}

/* ---- how far a walk strays ---- */

static double normal(double x)
{
	return 0.5 * erfc(-x / sqrt(2));
}

/* The sums of [SP 800-22 §2.13.4 (4)]; bounds are cut off towards zero, as the standard's own program has them. */
static double walk_p(double n, double z)
{
	const double root = sqrt(n), ratio = n / z;
	double p = 1;

	for (double k = trunc((-ratio + 1) / 4); k <= trunc((ratio - 1) / 4); k++)
		p -= normal((4 * k + 1) * z / root) - normal((4 * k - 1) * z / root);
	for (double k = trunc((-ratio - 3) / 4); k <= trunc((ratio - 1) / 4); k++)
		p += normal((4 * k + 3) * z / root) - normal((4 * k + 1) * z / root);
	return p < 0 ? 0 : p;
}

double randomness_sums(struct span octets, size_t bits, bool is_backward)
{
	int64_t at = 0, farthest = 0;

	for (size_t i = 0; i < bits; i++) {
		at += bit_at(octets, is_backward ? bits - 1 - i : i) ? 1 : -1;
		if (llabs(at) > farthest)
			farthest = llabs(at);
	}
	return walk_p((double)bits, (double)farthest);
}

/* ---- patterns that overlap, around the end ---- */

static void patterns_count(
	struct span octets, size_t bits, unsigned pattern, struct randomness_scratch *scratch)
{
	const uint32_t mask = ((uint32_t)1 << pattern) - 1;
	uint32_t value = 0;

	memset(scratch->count, 0, sizeof scratch->count);
	for (size_t i = 0; i < bits + pattern - 1; i++) {
		value = (value << 1 | bit_at(octets, i % bits)) & mask;
		if (i + 1 >= pattern)
			scratch->count[value]++;
	}
}

/* psi squared [SP 800-22 §2.11.4 (3)] */
static double psi_squared(
	struct span octets, size_t bits, unsigned pattern, struct randomness_scratch *scratch)
{
	const double n = (double)bits;
	double sum = 0;

	if (pattern == 0)
		return 0;
	patterns_count(octets, bits, pattern, scratch);
	for (uint32_t i = 0; i < (uint32_t)1 << pattern; i++)
		sum += (double)scratch->count[i] * scratch->count[i];
	return sum * exp2(pattern) / n - n;
}

void randomness_serial(struct span octets, size_t bits, unsigned pattern,
	struct randomness_scratch *scratch, double p[static 2])
{
	double psi[3];

	assert(pattern >= 2 && pattern <= RANDOMNESS_PATTERN_MAX);
	for (unsigned i = 0; i < 3; i++)
		psi[i] = psi_squared(octets, bits, pattern - i, scratch);
	p[0] = gamma_upper(exp2(pattern - 2.0), (psi[0] - psi[1]) / 2);
	p[1] = gamma_upper(exp2(pattern - 3.0), (psi[0] - 2 * psi[1] + psi[2]) / 2);
}

/* phi [SP 800-22 §2.12.4 (4)] */
static double phi(
	struct span octets, size_t bits, unsigned pattern, struct randomness_scratch *scratch)
{
	double sum = 0;

	patterns_count(octets, bits, pattern, scratch);
	for (uint32_t i = 0; i < (uint32_t)1 << pattern; i++) {
		const double share = (double)scratch->count[i] / (double)bits;
		sum += share > 0 ? share * log(share) : 0;
	}
	return sum;
}

double randomness_approximate_entropy(
	struct span octets, size_t bits, unsigned pattern, struct randomness_scratch *scratch)
{
	assert(pattern >= 1 && pattern < RANDOMNESS_PATTERN_MAX);
	const double entropy =
		phi(octets, bits, pattern, scratch) - phi(octets, bits, pattern + 1, scratch);

	return gamma_upper(exp2(pattern - 1.0), (double)bits * (log(2) - entropy));
}

/* ---- all ---- */

static unsigned at_most(unsigned value, unsigned most)
{
	return value < most ? value : most;
}

void randomness_all(struct span octets, size_t bits, struct randomness_scratch *scratch,
	double p[static RANDOMNESS_TESTS])
{
	const unsigned log2_bits = (unsigned)log2((double)bits);

	assert(bits >= RANDOMNESS_BITS_MIN && bits <= octets.len * 8);
	p[RANDOMNESS_MONOBIT] = randomness_monobit(octets, bits);
	p[RANDOMNESS_BLOCK_FREQUENCY] = randomness_block_frequency(octets, bits, BLOCK);
	p[RANDOMNESS_RUNS] = randomness_runs(octets, bits);
	p[RANDOMNESS_LONGEST_RUN] = randomness_longest_run(octets, bits);
	p[RANDOMNESS_SUMS_FORWARD] = randomness_sums(octets, bits, false);
	p[RANDOMNESS_SUMS_BACKWARD] = randomness_sums(octets, bits, true);
	/* m < log2 n - 2 [SP 800-22 §2.11.7]; m < log2 n - 5 [§2.12.7] */
	randomness_serial(octets, bits, at_most(log2_bits - 3, RANDOMNESS_PATTERN_MAX), scratch,
		&p[RANDOMNESS_SERIAL_1]);
	p[RANDOMNESS_APPROXIMATE_ENTROPY] =
		randomness_approximate_entropy(octets, bits, at_most(log2_bits - 6, 10), scratch);
}

const char *randomness_test_word(enum randomness_test test)
{
	static const char *const words[RANDOMNESS_TESTS] = {"monobit", "block_frequency", "runs",
		"longest_run", "sums_forward", "sums_backward", "serial_1", "serial_2",
		"approximate_entropy"};

	return (unsigned)test < RANDOMNESS_TESTS ? words[test] : "unknown";
}

/* ---- many sequences ---- */

void randomness_add(struct randomness_tally *t, const double p[static RANDOMNESS_TESTS])
{
	for (size_t i = 0; i < RANDOMNESS_TESTS; i++) {
		const unsigned bin =
			at_most((unsigned)(p[i] * (double)RANDOMNESS_BINS), RANDOMNESS_BINS - 1);
		t->tests[i].below += p[i] < 0.01;
		t->tests[i].bins[bin]++;
		if (t->sequences == 0 || p[i] < t->tests[i].least)
			t->tests[i].least = p[i];
	}
	t->sequences++;
}

double randomness_proportion(const struct randomness_tally *t, enum randomness_test test)
{
	const double n = (double)t->sequences;
	double sum = 0;

	for (double k = (double)t->tests[test].below; k <= n; k++)
		sum += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(0.01) +
			   (n - k) * log(0.99));
	return sum > 1 ? 1 : sum;
}

double randomness_uniformity(const struct randomness_tally *t, enum randomness_test test)
{
	const double expected = (double)t->sequences / (double)RANDOMNESS_BINS;
	double sum = 0;

	if (t->sequences < 55) /* [SP 800-22 §4.2.2] */
		return 1;
	for (size_t i = 0; i < RANDOMNESS_BINS; i++) {
		const double off = (double)t->tests[test].bins[i] - expected;
		sum += off * off / expected;
	}
	return gamma_upper((RANDOMNESS_BINS - 1) / 2.0, sum / 2);
}

bool randomness_is_plausible(const struct randomness_tally *t, enum randomness_test test)
{
	/* Nine tests, three ways to fail: some 1e-4 together. */
	return randomness_proportion(t, test) >= 5e-6 && randomness_uniformity(t, test) >= 5e-6 &&
	       t->tests[test].least * 2e5 >= 1 / (double)t->sequences;
}
