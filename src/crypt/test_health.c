// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "crypt/health.h"
#include "support/prop.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { CHUNK = 64 };

static const struct health_claim bits = {1, 1.0, 40}, octets = {8, 4.0, 40};

static struct health opened(const struct health_claim *claim)
{
	struct health h;

	assert_false(failed(health_open(&h, claim, NULL)));
	return h;
}

/* ---- cutoffs ---- */

/* [SP 800-90B §4.4.2 Table 2]: alpha = 2^-20. */
static void test_cutoffs_are_those_of_the_standard(void **state)
{
	static const struct {
		uint32_t window;
		double min_entropy;
		uint32_t cutoff;
	} rows[] = {{1024, 0.2, 941}, {1024, 0.4, 840}, {1024, 0.6, 748}, {1024, 0.8, 664},
		{1024, 1.0, 589}, {512, 0.5, 410}, {512, 1, 311}, {512, 2, 177}, {512, 4, 62},
		{512, 8, 13}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(health_proportion_cutoff(rows[i].window, rows[i].min_entropy, 20),
			rows[i].cutoff);
	/* [SP 800-90B §4.4.1]: 1 + ceil(30 / 7.3), and whole quotients. */
	assert_int_equal(health_repetition_cutoff(7.3, 30), 6);
	assert_int_equal(health_repetition_cutoff(1, 20), 21);
	assert_int_equal(health_repetition_cutoff(0.5, 40), 81);
}

/* P(at least k of n), by adding one trial after another: no logarithm, no gamma function. */
static double tail(uint32_t n, double p, uint32_t k)
{
	double *at = calloc(n + 2, sizeof *at), sum = 0;

	assert_non_null(at);
	at[0] = 1;
	for (uint32_t trial = 0; trial < n; trial++)
		for (uint32_t j = trial + 1;; j--) {
			at[j] = at[j] * (1 - p) + (j > 0 ? at[j - 1] * p : 0);
			if (j == 0)
				break;
		}
	for (uint32_t j = n; j >= k; j--)
		sum += at[j];
	free(at);
	return sum;
}

/* The cutoff is the least whose false alarms stay at alpha. */
static void test_cutoffs_hold_alpha_and_waste_none(void **state)
{
	static const double entropies[] = {0.1, 0.3, 0.5, 0.9, 1, 1.7, 3, 4, 6.5, 8};

	(void)state;
	for (unsigned exponent = 20; exponent <= 40; exponent += 10)
		for (size_t i = 0; i < ARRAY_LEN(entropies); i++) {
			const double p = exp2(-entropies[i]), alpha = exp2(-(double)exponent);
			const uint32_t window = entropies[i] <= 1 ? 1024 : 512;
			const uint32_t c = health_proportion_cutoff(window, entropies[i], exponent);
			assert_true(tail(window, p, c) <= alpha);
			assert_true(tail(window, p, c - 1) > alpha);
		}
}

static void test_impossible_claims_are_refused(void **state)
{
	static const struct health_claim claims[] = {{2, 1, 30}, {1, 1.1, 30}, {1, 0, 30},
		{8, 8.1, 30}, {8, -1, 30}, {8, (double)NAN, 30}, {8, 4, 19}, {8, 4, 41},
		/* All 512 alike would still be within the claim. */
		{8, 0.01, 40}};
	struct health h;
	struct complaint c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		c.text[0] = '\0';
		assert_int_equal(health_open(&h, &claims[i], &c).kind, ERR_INPUT);
		assert_true(c.text[0] != '\0');
	}
}

/* ---- good sources ---- */

static void random_octets(struct prop *p, uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)prop_below(p, 256);
}

/* [SP 800-90B §4.3] */
static void test_a_source_is_good_after_its_start_up(void **state)
{
	struct prop p = prop_seeded(1);
	struct health h = opened(&octets), b = opened(&bits);
	uint8_t chunk[CHUNK];

	(void)state;
	for (size_t at = 0; at < HEALTH_START_SAMPLES; at += CHUNK) {
		assert_int_equal(h.state, HEALTH_STARTING);
		random_octets(&p, chunk, CHUNK);
		health_feed(&h, SPAN_ARRAY(chunk));
	}
	assert_int_equal(h.state, HEALTH_GOOD);
	for (size_t i = 0; i < HEALTH_START_SAMPLES / 8 / CHUNK; i++) {
		assert_int_equal(b.state, HEALTH_STARTING);
		random_octets(&p, chunk, CHUNK);
		health_feed(&b, SPAN_ARRAY(chunk));
	}
	assert_int_equal(b.state, HEALTH_GOOD);
}

/* Four million bits that keep the claim exactly, and as many octets of half their bits. */
static void test_good_sources_raise_no_alarm(void **state)
{
	struct prop p = prop_seeded(2);
	struct health h = opened(&octets), b = opened(&bits);
	uint8_t chunk[CHUNK];

	(void)state;
	for (size_t i = 0; i < (1 << 19) / CHUNK; i++) {
		random_octets(&p, chunk, CHUNK);
		health_feed(&b, SPAN_ARRAY(chunk));
		for (size_t k = 0; k < CHUNK; k++)
			chunk[k] &= 0x0f; /* 4 bits of min-entropy: as claimed */
		health_feed(&h, SPAN_ARRAY(chunk));
	}
	assert_int_equal(b.state, HEALTH_GOOD);
	assert_int_equal(h.state, HEALTH_GOOD);
}

/* The same machinery with a cutoff for 2^-6 alarms about so often, in each test: it does count. */
static void test_false_alarms_come_at_the_rate_of_alpha(void **state)
{
	enum { WINDOWS = 20000 };
	struct prop p = prop_seeded(3);
	struct health h = opened(&bits);
	uint8_t window[HEALTH_WINDOW_BINARY / 8];
	unsigned alike = 0, like_before = 0;

	(void)state;
	for (unsigned i = 0; i < WINDOWS; i++) {
		random_octets(&p, window, sizeof window);
		health_feed(&h, SPAN_ARRAY(window));
		const uint32_t cutoff = health_proportion_cutoff(h.window, 1, 6);
		alike += h.alike >= cutoff;
		like_before += h.like_before[4] >= cutoff;
	}
	/* At most 2^-6; discrete, so somewhat less: 313 are the bound, 6 deviations are 105. */
	assert_in_range(alike, 150, 418);
	assert_in_range(like_before, 150, 418);
	assert_int_equal(h.state, HEALTH_GOOD);
}

/* ---- bad sources ---- */

/* Feeds octets of `source` one by one after a good start; answers the samples until the fault. */
static uint64_t samples_until_fault(const struct health_claim *claim,
	uint8_t (*source)(struct prop *p, uint64_t n), uint64_t limit, const char **test)
{
	struct prop p = prop_seeded(4);
	struct health h = opened(claim);
	uint8_t chunk[CHUNK];

	while (h.state == HEALTH_STARTING) {
		random_octets(&p, chunk, CHUNK);
		health_feed(&h, SPAN_ARRAY(chunk));
	}
	assert_int_equal(h.state, HEALTH_GOOD);
	const uint64_t from = h.samples;
	for (uint64_t n = 0; h.state != HEALTH_FAULT && h.samples - from < limit; n++) {
		const uint8_t octet = source(&p, n);
		health_feed(&h, span_of(&octet, 1));
	}
	*test = h.state == HEALTH_FAULT ? h.fault : "none";
	return h.samples - from;
}

static uint8_t stuck(struct prop *p, uint64_t n)
{
	(void)p, (void)n;
	return 0xff;
}

static uint8_t alternating(struct prop *p, uint64_t n)
{
	(void)p, (void)n;
	return 0x55;
}

static uint8_t counting(struct prop *p, uint64_t n)
{
	(void)p;
	return (uint8_t)(n % 13);
}

/* Bits that are one in three of four cases. */
static uint8_t biased(struct prop *p, uint64_t n)
{
	uint8_t octet = 0;

	(void)n;
	for (unsigned i = 0; i < 8; i++)
		octet = (uint8_t)(octet << 1 | (prop_below(p, 4) != 0));
	return octet;
}

/* One octet value in four cases, else any. */
static uint8_t favourite(struct prop *p, uint64_t n)
{
	(void)n;
	return prop_below(p, 4) == 0 ? 0x2a : (uint8_t)prop_below(p, 256);
}

/* The bit before again, in nine of ten cases: as many ones as zeros. */
static uint8_t sticky(struct prop *p, uint64_t n)
{
	static uint8_t bit;
	uint8_t octet = 0;

	(void)n;
	for (unsigned i = 0; i < 8; i++) {
		bit ^= prop_below(p, 10) == 0;
		octet = (uint8_t)(octet << 1 | bit);
	}
	return octet;
}

static void test_bad_sources_are_caught_in_time(void **state)
{
	static const struct {
		const struct health_claim *claim;
		uint8_t (*source)(struct prop *p, uint64_t n);
		uint64_t samples; /* at most */
		const char *test;
	} rows[] = {
		/* The cutoff, to the next whole octet. */
		{&bits, stuck, 48, "repetition"},
		{&octets, stuck, 11, "repetition"},
		/* The rest of this window and the next. */
		{&bits, biased, 2 * 1024, NULL}, /* whichever is first */
		/* Only a window that begins with it counts it: one in four. 48 miss with 1e-6. */
		{&octets, favourite, 48 * 512, "proportion"},
		{&bits, alternating, 2 * 1024, "period"},
		{&octets, counting, 2 * 512, "period"},
		{&bits, sticky, 2 * 1024, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *test;
		const uint64_t n =
			samples_until_fault(rows[i].claim, rows[i].source, 100000, &test);
		assert_true(n <= rows[i].samples);
		if (rows[i].test != NULL)
			assert_string_equal(test, rows[i].test);
	}
}

static void test_a_source_that_starts_badly_never_becomes_good(void **state)
{
	struct prop p = prop_seeded(5);
	struct health h = opened(&octets);
	uint8_t chunk[CHUNK] = {0};

	(void)state;
	health_feed(&h, SPAN_ARRAY(chunk));
	assert_int_equal(h.state, HEALTH_FAULT);
	for (size_t i = 0; i < 1000; i++) {
		random_octets(&p, chunk, CHUNK);
		health_feed(&h, SPAN_ARRAY(chunk));
	}
	assert_int_equal(h.state, HEALTH_FAULT);
	assert_string_equal(h.fault, "repetition"); /* the first */
}

/* Just below each cutoff is no fault. */
static void test_the_cutoff_itself_is_the_first_fault(void **state)
{
	struct health h = opened(&octets);
	const uint8_t a = 7, b = 8;

	(void)state;
	health_feed(&h, span_of(&b, 1));
	for (uint32_t i = 1; i < h.repetition_cutoff; i++)
		health_feed(&h, span_of(&a, 1));
	assert_int_equal(h.state, HEALTH_STARTING);
	health_feed(&h, span_of(&a, 1));
	assert_int_equal(h.state, HEALTH_FAULT);
}

static void test_raw_octets_follow_from_the_claim(void **state)
{
	(void)state;
	assert_int_equal(health_octets_for(&octets, 512), 128);
	assert_int_equal(health_octets_for(&bits, 512), 64);
	assert_int_equal(health_octets_for(&(struct health_claim){1, 0.3, 40}, 512), 214);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cutoffs_are_those_of_the_standard),
		cmocka_unit_test(test_cutoffs_hold_alpha_and_waste_none),
		cmocka_unit_test(test_impossible_claims_are_refused),
		cmocka_unit_test(test_a_source_is_good_after_its_start_up),
		cmocka_unit_test(test_good_sources_raise_no_alarm),
		cmocka_unit_test(test_false_alarms_come_at_the_rate_of_alpha),
		cmocka_unit_test(test_bad_sources_are_caught_in_time),
		cmocka_unit_test(test_a_source_that_starts_badly_never_becomes_good),
		cmocka_unit_test(test_the_cutoff_itself_is_the_first_fault),
		cmocka_unit_test(test_raw_octets_follow_from_the_claim),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
