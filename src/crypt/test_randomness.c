// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "crypt/randomness.h"
#include "support/prop.h"
#include "crypt/openssl.h"
#include <math.h>
#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MILLION = 1000000 };

static struct randomness_scratch scratch;

static void assert_near(double p, double expected, double by)
{
	if (fabs(p - expected) > by)
		fail_msg("%.9f, not %.9f", p, expected);
}

/* '0' and '1', as the standard prints them. */
static struct span bits_of(const char *text, size_t *bits)
{
	static uint8_t octets[64];

	memset(octets, 0, sizeof octets);
	*bits = strlen(text);
	for (size_t i = 0; i < *bits; i++)
		octets[i / 8] |= (uint8_t)((text[i] == '1') << (7 - i % 8));
	return SPAN_ARRAY(octets);
}

/* [SP 800-22 §2.1.4, §2.2.4, §2.3.4, §2.11.4, §2.12.4, §2.13.4]: short sequences, worked by hand. */
static void test_worked_examples(void **state)
{
	size_t n;
	double p[2];

	(void)state;
	struct span s = bits_of("1011010101", &n);
	assert_near(randomness_monobit(s, n), 0.527089, 1e-6);
	s = bits_of("0110011010", &n);
	assert_near(randomness_block_frequency(s, n, 3), 0.801252, 1e-6);
	s = bits_of("1001101011", &n);
	assert_near(randomness_runs(s, n), 0.147232, 1e-6);
	s = bits_of("0011011101", &n);
	randomness_serial(s, n, 3, &scratch, p);
	assert_near(p[0], 0.808792, 1e-6);
	assert_near(p[1], 0.670320, 1e-6);
	s = bits_of("0100110101", &n);
	assert_near(randomness_approximate_entropy(s, n, 3, &scratch), 0.261961, 1e-6);
	s = bits_of("1011010111", &n);
	assert_near(randomness_sums(s, n, false), 0.4116588, 1e-6);
}

/* [SP 800-22 §2.1.8, §2.2.8, §2.3.8, §2.12.8, §2.13.8]: the first hundred bits of pi; [§2.4.8]. */
static void test_examples_of_a_hundred_bits(void **state)
{
	size_t n;
	struct span s = bits_of("11001001000011111101101010100010001000010110100011"
				"00001000110100110001001100011001100010100010111000",
		&n);

	(void)state;
	assert_near(randomness_monobit(s, n), 0.109599, 1e-6);
	assert_near(randomness_block_frequency(s, n, 10), 0.706438, 1e-6);
	assert_near(randomness_runs(s, n), 0.500798, 1e-6);
	assert_near(randomness_sums(s, n, false), 0.219194, 1e-6);
	assert_near(randomness_sums(s, n, true), 0.114866, 1e-6);
	assert_near(randomness_approximate_entropy(s, n, 2, &scratch), 0.235301, 1e-6);
	s = bits_of(
		"11001100000101010110110001001100111000000000001001001101010100010001001111010110"
		"100000001101011111001100111001101101100010110010",
		&n);
	/* The standard has these probabilities to four places. */
	assert_near(randomness_longest_run(s, n), 0.180609, 1e-4);
}

/* ---- a million bits of e [SP 800-22 Appendix B] ---- */

static void bn(int done)
{
	assert_int_equal(done, 1);
}

/* Sum of 1/k! behind k = from up to `to`, times from!: p/q by halves. */
static void halves(unsigned from, unsigned to, BIGNUM *p, BIGNUM *q, BN_CTX *c)
{
	if (to - from == 1) {
		bn(BN_set_word(p, 1));
		bn(BN_set_word(q, to));
		return;
	}
	BIGNUM *p2 = BN_new(), *q2 = BN_new();
	halves(from, (from + to) / 2, p, q, c);
	halves((from + to) / 2, to, p2, q2, c);
	bn(BN_mul(p, p, q2, c));
	bn(BN_add(p, p, p2));
	bn(BN_mul(q, q, q2, c));
	BN_free(p2);
	BN_free(q2);
}

/* Binary digits from the first on: 10.1011…; 84,000 terms are enough for a million. */
static uint8_t *digits_of_e(void)
{
	BN_CTX *c = BN_CTX_new();
	BIGNUM *p = BN_new(), *q = BN_new();
	uint8_t *octets = calloc(1, MILLION / 8);

	assert_non_null(octets);
	halves(0, 84000, p, q, c);
	bn(BN_add(p, p, q)); /* 1/0! */
	bn(BN_lshift(p, p, MILLION - 2));
	bn(BN_div(p, NULL, p, q, c));
	assert_int_equal(BN_num_bits(p), MILLION);
	assert_int_equal(BN_bn2bin(p, octets), MILLION / 8);
	BN_free(p);
	BN_free(q);
	BN_CTX_free(c);
	return octets;
}

static void test_a_million_bits_of_e(void **state)
{
	/* Longest run: 0.718945 with the standard's probabilities for blocks of 10000, which are wrong in the fourth place. */
	static const double expected[RANDOMNESS_TESTS] = {0.953749, 0.211072, 0.561917, 0.718945,
		0.669887, 0.724266, 0.766182, 0.462921, 0.700073};
	uint8_t *e = digits_of_e();
	double p[RANDOMNESS_TESTS];

	(void)state;
	randomness_all(span_of(e, MILLION / 8), MILLION, &scratch, p);
	for (size_t i = 0; i < RANDOMNESS_TESTS; i++) {
		print_message("%s %.6f\n", randomness_test_word((enum randomness_test)i), p[i]);
		assert_near(p[i], expected[i], 2e-6);
	}
	free(e);
}

/* ---- judging many ---- */

static struct randomness_tally judged(uint64_t seed, size_t sequences, size_t octets,
	void (*spoil)(struct prop *, uint8_t *, size_t))
{
	struct prop random = prop_seeded(seed);
	struct randomness_tally t = {0};
	uint8_t *at = malloc(octets);
	double p[RANDOMNESS_TESTS];

	assert_non_null(at);
	for (size_t i = 0; i < sequences; i++) {
		prop_fill(&random, span_mut_of(at, octets));
		if (spoil != NULL)
			spoil(&random, at, octets);
		randomness_all(span_of(at, octets), octets * 8, &scratch, p);
		randomness_add(&t, p);
	}
	free(at);
	return t;
}

static bool all_are_plausible(const struct randomness_tally *t)
{
	bool are = true;

	for (unsigned i = 0; i < RANDOMNESS_TESTS; i++)
		are &= randomness_is_plausible(t, (enum randomness_test)i);
	return are;
}

static void test_good_bits_pass_one_by_one_and_together(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		const struct randomness_tally t = judged(seed, 1, 4096, NULL);
		assert_true(all_are_plausible(&t));
	}
	const struct randomness_tally t = judged(77, 100, 4096, NULL);
	assert_true(all_are_plausible(&t));
}

/* One bit in fifty is set for sure. */
static void biased(struct prop *p, uint8_t *at, size_t octets)
{
	for (size_t i = 0; i < octets * 8; i++)
		if (prop_below(p, 50) == 0)
			at[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* Each bit the one before in 13 of 25 cases: as many ones as zeros. */
static void sticky(struct prop *p, uint8_t *at, size_t octets)
{
	unsigned bit = 0;

	for (size_t i = 0; i < octets * 8; i++) {
		bit ^= prop_below(p, 25) < 12;
		at[i / 8] = (uint8_t)((at[i / 8] & ~(0x80 >> i % 8)) | (bit ? 0x80 >> i % 8 : 0));
	}
}

/* The second half is the first. */
static void repeated(struct prop *p, uint8_t *at, size_t octets)
{
	(void)p;
	memcpy(at + octets / 2, at, octets / 2);
}

static void stuck(struct prop *p, uint8_t *at, size_t octets)
{
	(void)p;
	memset(at, 0xaa, octets);
}

static void test_bad_bits_fail(void **state)
{
	void (*const kinds[])(struct prop *, uint8_t *, size_t) = {biased, sticky, repeated, stuck};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct randomness_tally t = judged(5 + i, 10, 16384, kinds[i]);
		assert_false(all_are_plausible(&t));
	}
}

/* P-values that are all alike are as bad as small ones [SP 800-22 §4.2.2]. */
static void test_p_values_that_crowd_fail(void **state)
{
	struct randomness_tally t = {0};
	double p[RANDOMNESS_TESTS];

	(void)state;
	for (size_t i = 0; i < RANDOMNESS_TESTS; i++)
		p[i] = 0.55;
	for (size_t i = 0; i < 60; i++)
		randomness_add(&t, p);
	assert_true(randomness_proportion(&t, RANDOMNESS_RUNS) > 0.5);
	assert_true(randomness_uniformity(&t, RANDOMNESS_RUNS) < 1e-9);
	assert_false(randomness_is_plausible(&t, RANDOMNESS_RUNS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worked_examples),
		cmocka_unit_test(test_examples_of_a_hundred_bits),
		cmocka_unit_test(test_a_million_bits_of_e),
		cmocka_unit_test(test_good_bits_pass_one_by_one_and_together),
		cmocka_unit_test(test_bad_bits_fail),
		cmocka_unit_test(test_p_values_that_crowd_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
