// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The stages behind collecting, one by one and together, over the simulated optical channel. */
#include "base/secret.h"
#include "qkd/amplify.h"
#include "qkd/optics_model.h"
#include "qkd/sift.h"
#include "support/prop.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

/* Regression points of [Lim]: its channel model, evaluated without an optimiser. */
static const struct qkd_parameters lim = {.intensity = {0.43, 0.21, 2e-4},
	.probability = {0.40, 0.46, 0.14},
	.basis_x = 0.87,
	.eps_sec = 1e-10,
	.eps_cor = 1e-15,
	.qber_max = 0.11};

struct expected {
	double key[3], test[3], errors[3], pulses, qber;
};

/* Expected counts of n_X = 1e7 at a distance [Lim §III: InGaAs detectors]. */
static struct expected lim_counts(double km)
{
	const double eta = pow(10, -0.2 * km / 10) * 0.1, dark = 6e-7, afterpulse = 0.04,
		     misalignment = 0.005;
	const double x = lim.basis_x * lim.basis_x, z = (1 - lim.basis_x) * (1 - lim.basis_x);
	double gain[3], error[3], total = 0, errors = 0;
	struct expected out;

	for (size_t k = 0; k < 3; k++) {
		const double d = 1 - (1 - 2 * dark) * exp(-eta * lim.intensity[k]);
		gain[k] = lim.probability[k] * d * (1 + afterpulse);
		error[k] = lim.probability[k] *
			   (dark + misalignment * (1 - exp(-eta * lim.intensity[k])) +
				   afterpulse * d / 2);
		total += gain[k];
		errors += error[k];
	}
	out.pulses = 1e7 / (x * total);
	out.qber = errors / total;
	for (size_t k = 0; k < 3; k++) {
		out.key[k] = out.pulses * x * gain[k];
		out.test[k] = out.pulses * z * gain[k];
		out.errors[k] = out.pulses * z * error[k];
	}
	return out;
}

static struct qkd_counts whole(const struct expected *x)
{
	struct qkd_counts c = {.key = {0}};

	for (size_t k = 0; k < 3; k++) {
		c.key[k] = (uint32_t)x->key[k];
		c.test[k] = (uint32_t)x->test[k];
		c.test_errors[k] = (uint32_t)x->errors[k];
	}
	return c;
}

/* With f_EC = 1.16, bits a pulse. */
static void test_key_lengths_are_those_of_lim_2014(void **state)
{
	static const double points[][2] = {{0, 5.855818e-3}, {50, 5.609967e-4}, {100, 5.031797e-5}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		const struct expected x = lim_counts(points[i][0]);
		const double parities = 1.16 * estimate_entropy(x.qber) * 1e7;
		struct estimate e;
		struct estimate_counts n = {.key = {0}};
		memcpy(n.key, x.key, sizeof n.key);
		memcpy(n.test, x.test, sizeof n.test);
		memcpy(n.test_errors, x.errors, sizeof n.test_errors);
		estimate_bounds(&n, &lim, &e);
		const double rate =
			estimate_final_bits(&e, &lim, parities, log2(2 / lim.eps_cor)) / x.pulses;
		print_message("%3.0f km: %.6e bit/pulse (expected %.6e)\n", points[i][0], rate,
			points[i][1]);
		assert_true(fabs(rate / points[i][1] - 1) < 1e-6);
	}
}

static const struct qkd_parameters rusca = {.protocol = QKD_ONE_DECOY,
	.intensity = {0.5, 0.2},
	.probability = {0.7, 0.3},
	.basis_x = 0.9,
	.eps_sec = 1e-9,
	.eps_cor = 1e-15,
	.qber_max = 0.11};

/* Of [Rusca]: 1 GHz, 26 dB, half of the photons seen, 100 ns of dead time; 1e7 bits of key basis. Returns pulses. */
static double rusca_counts(struct estimate_counts *n, double *qber)
{
	const double eta = 0.5 * pow(10, -2.6), dark = 1e-8, error = 0.01;
	const double x = rusca.basis_x * rusca.basis_x,
		     z = (1 - rusca.basis_x) * (1 - rusca.basis_x);
	double gain[2], wrong[2], total = 0, errors = 0;

	for (size_t k = 0; k < 2; k++) {
		const double seen = 1 - exp(-rusca.intensity[k] * eta);
		gain[k] = rusca.probability[k] * (seen + dark);
		wrong[k] = rusca.probability[k] * (seen * error + dark / 2);
		total += gain[k];
		errors += wrong[k];
	}
	const double alive = 1 / (1 + 1e9 * total * 100e-9), pulses = 1e7 / (alive * x * total);
	for (size_t k = 0; k < 2; k++) {
		n->key[k] = pulses * alive * x * gain[k];
		n->key_errors[k] = pulses * alive * x * wrong[k];
		n->test[k] = pulses * alive * z * gain[k];
		n->test_errors[k] = pulses * alive * z * wrong[k];
	}
	*qber = errors / total;
	return pulses;
}

/* An independent evaluation of the same formulae gave 1.192093e5 bit/s. */
static void test_key_length_with_one_decoy_is_that_of_rusca_2018(void **state)
{
	struct estimate_counts n = {.key = {0}};
	struct estimate e;
	double qber;
	const double pulses = rusca_counts(&n, &qber);

	(void)state;
	estimate_bounds(&n, &rusca, &e);
	const double bits = estimate_final_bits(
		&e, &rusca, 1.16 * 1e7 * estimate_entropy(qber), log2(2 / rusca.eps_cor));
	print_message("%.6e bit/s\n", bits / pulses * 1e9);
	assert_true(fabs(bits / pulses * 1e9 / 1.192093e5 - 1) < 1e-6);
}

/* Errors of the key basis bound the vacuum: more of them, less key; and the block waits for them. */
static void test_with_one_decoy_errors_of_the_key_count(void **state)
{
	struct estimate_counts n = {.key = {0}};
	struct qkd_counts c = {.key = {0}};
	struct estimate few, many;
	double qber;

	(void)state;
	rusca_counts(&n, &qber);
	for (size_t k = 0; k < 2; k++) {
		c.key[k] = (uint32_t)n.key[k];
		c.key_errors[k] = (uint32_t)n.key_errors[k];
		c.test[k] = (uint32_t)n.test[k];
		c.test_errors[k] = (uint32_t)n.test_errors[k];
	}
	assert_int_equal(estimate_early(&c, &rusca, &few), QKD_GOES_ON);
	assert_int_equal(estimate_block(&c, &rusca, &few), QKD_GOES_ON);
	c.key_errors[0] *= 3;
	c.key_errors[1] *= 3;
	assert_int_equal(estimate_block(&c, &rusca, &many), QKD_GOES_ON);
	assert_true(many.key_single < few.key_single);
	c.key_errors[0] = c.key[0] / 2;
	assert_int_equal(estimate_block(&c, &rusca, &many), QKD_QBER_TOO_HIGH);
}

/* No error among n test bits leaves room for some 2 ln(21 / eps) / n: a spy who takes few bits is seen in none of them. */
static void test_no_error_seen_is_not_no_error(void **state)
{
	const struct expected x = lim_counts(0);
	struct qkd_counts c = whole(&x);
	struct estimate none, one;

	(void)state;
	memset(c.test_errors, 0, sizeof c.test_errors);
	assert_int_equal(estimate_block(&c, &lim, &none), QKD_GOES_ON);
	assert_true(none.phase_error >= 2 * log(21 / lim.eps_sec) / none.test_single);
	c.test_errors[1] = 1;
	assert_int_equal(estimate_block(&c, &lim, &one), QKD_GOES_ON);
	assert_true(one.phase_error >= none.phase_error);
}

static void test_estimate_names_its_reasons(void **state)
{
	const struct expected x = lim_counts(0);
	const struct qkd_counts good = whole(&x);
	struct qkd_parameters p = lim;
	struct qkd_counts c = good;
	struct estimate e;

	(void)state;
	assert_int_equal(estimate_block(&c, &p, &e), QKD_GOES_ON);
	assert_true(e.phase_error < 0.1);
	p.key_bits_min = qkd_sum(c.key) + 1;
	assert_int_equal(estimate_block(&c, &p, &e), QKD_TOO_FEW_COUNTS);
	p = lim;
	p.test_bits_min = qkd_sum(c.test) + 1;
	assert_int_equal(estimate_block(&c, &p, &e), QKD_TOO_FEW_COUNTS);
	p = lim;
	c.test_errors[0] = (uint32_t)(0.12 * qkd_sum(c.test));
	assert_int_equal(estimate_block(&c, &p, &e), QKD_QBER_TOO_HIGH);
	c = good;
	c.key[1] /= 10; /* the weaker decoy is blocked: photon-number splitting */
	assert_int_equal(estimate_block(&c, &p, &e), QKD_DECOY_INCONSISTENT);
	c = (struct qkd_counts){0};
	assert_int_equal(estimate_block(&c, &p, &e), QKD_TOO_FEW_COUNTS);
}

static void test_parameters_that_break_the_formulae_are_refused(void **state)
{
	struct qkd_parameters p = lim;
	struct complaint c = {{0}};

	(void)state;
	assert_false(failed(qkd_parameters_check(&p, &c)));
	p.intensity[1] = 0.5;
	assert_true(failed(qkd_parameters_check(&p, &c)));
	assert_true(strstr(c.text, "mu1 > mu2 + mu3") != NULL);
	p = lim;
	p.probability[0] = 0.5;
	assert_true(failed(qkd_parameters_check(&p, NULL)));
	p = lim;
	p.eps_sec = 0;
	assert_true(failed(qkd_parameters_check(&p, NULL)));
}

enum { DETECTIONS = 1000 };

/* Alice's and Bob's view of the same detections, and what sifting makes of them in parts. */
struct sifting {
	uint8_t alice[DETECTIONS / 2], bob[DETECTIONS / 4], measured[DETECTIONS / 4];
	uint8_t items[DETECTIONS];
	uint64_t words[2][DETECTIONS / 64 + 1], planes[2][DETECTIONS / 64 + 1];
	struct sift_key a, b;
	struct qkd_counts ca, cb;
};

static enum qkd_abort sift_both(
	enum sift_path path, struct sifting *s, uint32_t count, uint32_t part)
{
	enum qkd_abort reason = QKD_GOES_ON;

	s->a = (struct sift_key){.key = {.words = s->words[0]}};
	s->b = (struct sift_key){
		.key = {.words = s->words[1]}, .plane = {s->planes[0], s->planes[1]}};
	sift_begin(&s->a, &s->ca);
	sift_begin(&s->b, &s->cb);
	for (uint32_t from = 0; from < count; from += part) {
		struct link_message m = {.count = count - from < part ? count - from : part};
		sift_measured(s->bob, from, m.count, s->measured + from / 4);
		sift_answer(path, s->alice, s->measured, from, m.count, s->items, &s->a, &s->ca);
		m.items = span_of(s->items, (m.count + 1) / 2);
		reason = sift_finish(path, s->bob, from, &m, &s->b, &s->cb);
	}
	sift_end(&s->a);
	sift_end(&s->b);
	return reason;
}

static void test_lost_slots_and_foreign_bases_are_dropped(void **state)
{
	/* X bit 1 mu1; lost; Z bit 1 mu3; X bit 0 mu2. Bob measures X 1, X 1, Z 0, Z 1. */
	static struct sifting s = {
		.alice = {0x1 | SIFT_LOST << 4, (2 << 2 | 2 | 1) | (1 << 2) << 4},
		.bob = {2 | 2 << 2 | 1 << 4 | 3 << 6}};

	(void)state;
	assert_int_equal(sift_both(SIFT_PORTABLE, &s, 4, 4), QKD_GOES_ON);
	assert_memory_equal(&s.ca, &s.cb, sizeof s.ca);
	assert_int_equal(s.a.key.bits, 1);
	assert_int_equal(s.b.key.bits, 1);
	assert_int_equal(s.words[0][0], 1);
	assert_int_equal(s.words[1][0], 1);
	assert_int_equal(s.ca.key[0], 1);
	assert_int_equal(s.ca.test[2], 1);
	assert_int_equal(s.ca.test_errors[2], 1);
	assert_int_equal(qkd_sum(s.ca.key) + qkd_sum(s.ca.test), 2);
	/* Nothing of Bob's key basis was told. */
	assert_int_equal(s.measured[0], 0 | 0 << 2 | 1 << 4 | 3 << 6);
}

/* Detection by detection, as the header says it; in one part and in many. */
static void test_sifting_is_what_its_definition_says(void **state)
{
	static struct sifting s;
	struct prop p = prop_from_environment(41);

	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		struct qkd_counts counts = {0};
		uint32_t bits = 0, errors[3] = {0};
		prop_fill(&p, SPAN_MUT_ARRAY(s.alice));
		prop_fill(&p, SPAN_MUT_ARRAY(s.bob));
		const uint32_t n = 1 + (uint32_t)prop_below(&p, DETECTIONS);
		/* By both ways, in turn. */
		const enum sift_path path = round % 4 < 2 ? SIFT_PORTABLE : sift_best();
		assert_int_equal(sift_both(path, &s, n, round % 2 ? DETECTIONS : 4 + round / 2 * 4),
			QKD_GOES_ON);
		for (uint32_t i = 0; i < n; i++) {
			const uint8_t a = sift_code_at(s.alice, 4, i),
				      b = sift_code_at(s.bob, 2, i);
			const uint8_t k = a >> 2;
			if (k == 3 || (a >> 1 & 1) != (b & 1))
				continue;
			if (b & 1) {
				counts.test[k]++;
				counts.test_errors[k] += (a & 1) != b >> 1;
				continue;
			}
			counts.key[k]++;
			assert_int_equal(s.words[0][bits / 64] >> bits % 64 & 1, a & 1);
			assert_int_equal(s.words[1][bits / 64] >> bits % 64 & 1, b >> 1);
			errors[k] += (a & 1) != b >> 1;
			bits++;
		}
		assert_int_equal(s.a.key.bits, bits);
		assert_memory_equal(&s.ca, &counts, sizeof counts);
		assert_memory_equal(&s.cb, &counts, sizeof counts);
		uint32_t found[3];
		sift_errors(&s.b, s.words[0], found);
		assert_memory_equal(found, errors, sizeof errors);
	}
}

static void test_an_answer_with_bits_of_the_key_basis_is_refused(void **state)
{
	const uint8_t bob[1] = {0}; /* four detections in the key basis */
	static const uint8_t bad[] = {0x5, 0x4, 0x8, 0xf};
	uint64_t word[1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sift_key k = {.key = {.words = word}};
		struct qkd_counts counts;
		const struct link_message m = {.count = 1, .items = span_of(&bad[i], 1)};
		sift_begin(&k, &counts);
		assert_int_equal(sift_finish(SIFT_PORTABLE, bob, 0, &m, &k, &counts), QKD_PROTOCOL);
	}
}

static void test_an_impossible_answer_among_good_ones_is_seen(void **state)
{
	static struct sifting s;
	struct prop p = prop_from_environment(42);

	(void)state;
	for (uint32_t round = 0; round < 200; round++) {
		const enum sift_path path = round % 2 ? SIFT_PORTABLE : sift_best();
		const uint32_t at = (uint32_t)prop_below(&p, 500);
		struct link_message m = {.count = 500, .items = span_of(s.items, 250)};
		prop_fill(&p, SPAN_MUT_ARRAY(s.alice));
		prop_fill(&p, SPAN_MUT_ARRAY(s.bob));
		assert_int_equal(sift_both(path, &s, 500, DETECTIONS), QKD_GOES_ON);
		/* His basis is the key's: a bit of hers there, or an item that does not exist. */
		sift_code_put(s.bob, 2, at, (uint8_t)(round & 2));
		sift_code_put(s.items, 4, at, round % 3 ? 5 : 9);
		sift_begin(&s.b, &s.cb);
		assert_int_equal(sift_finish(path, s.bob, 0, &m, &s.b, &s.cb), QKD_PROTOCOL);
	}
}

static void test_verification_sees_one_wrong_bit(void **state)
{
	struct prop p = prop_from_environment(43);
	uint64_t words[125];
	uint8_t key[VERIFY_KEY], good[VERIFY_TAG], bad[VERIFY_TAG];

	(void)state;
	for (unsigned i = 0; i < 8000; i += 7) {
		prop_fill(&p, span_mut_of((uint8_t *)words, sizeof words));
		prop_fill(&p, SPAN_MUT_ARRAY(key));
		verify_tag(good, (struct key_words){words, 8000}, key);
		words[i / 64] ^= (uint64_t)1 << i % 64;
		verify_tag(bad, (struct key_words){words, 8000}, key);
		assert_memory_not_equal(good, bad, VERIFY_TAG);
	}
}

static void test_key_length_falls_bit_for_bit_with_the_leak(void **state)
{
	const struct expected x = lim_counts(0);
	const struct qkd_counts c = whole(&x);
	struct qkd_parameters p = lim;
	struct qkd_ledger ledger = {.sifted = 10000000, .parities = 2000000, .tag_bits = 128};
	struct estimate e;
	uint32_t before, after;

	(void)state;
	assert_int_equal(estimate_block(&c, &p, &e), QKD_GOES_ON);
	p.eps_cor = 1e-35; /* 1e7 / 2^128 is more */
	assert_int_equal(amplify_length(&e, &p, &ledger, UINT32_MAX, &before), QKD_NO_SECRET);
	p.eps_cor = 1e-14;
	assert_int_equal(amplify_length(&e, &p, &ledger, UINT32_MAX, &before), QKD_GOES_ON);
	ledger.parities += 5000;
	ledger.answers += 3000;
	assert_int_equal(amplify_length(&e, &p, &ledger, UINT32_MAX, &after), QKD_GOES_ON);
	assert_int_equal(before - after, 8000);
	/* Never more than the store takes. */
	assert_int_equal(amplify_length(&e, &p, &ledger, 8005, &after), QKD_GOES_ON);
	assert_int_equal(after, 8000);
	/* Fixed length: that, or nothing. */
	p.final_bits_fixed = 80000;
	assert_int_equal(amplify_length(&e, &p, &ledger, UINT32_MAX, &after), QKD_GOES_ON);
	assert_int_equal(after, 80000);
	p.final_bits_fixed = before;
	assert_int_equal(amplify_length(&e, &p, &ledger, UINT32_MAX, &after), QKD_NO_SECRET);
	p.final_bits_fixed = 0;
	p.final_bits_min = before + 8;
	assert_int_equal(amplify_length(&e, &p, &ledger, UINT32_MAX, &after), QKD_NO_SECRET);
	assert_int_equal(after, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_lengths_are_those_of_lim_2014),
		cmocka_unit_test(test_key_length_with_one_decoy_is_that_of_rusca_2018),
		cmocka_unit_test(test_with_one_decoy_errors_of_the_key_count),
		cmocka_unit_test(test_no_error_seen_is_not_no_error),
		cmocka_unit_test(test_estimate_names_its_reasons),
		cmocka_unit_test(test_parameters_that_break_the_formulae_are_refused),
		cmocka_unit_test(test_lost_slots_and_foreign_bases_are_dropped),
		cmocka_unit_test(test_sifting_is_what_its_definition_says),
		cmocka_unit_test(test_an_answer_with_bits_of_the_key_basis_is_refused),
		cmocka_unit_test(test_an_impossible_answer_among_good_ones_is_seen),
		cmocka_unit_test(test_verification_sees_one_wrong_bit),
		cmocka_unit_test(test_key_length_falls_bit_for_bit_with_the_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
