// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The five stages one by one and together, over the simulated optical channel. */
#include "base/secret.h"
#include "qkd/amplify.h"
#include "qkd/collect.h"
#include "qkd/optics_model.h"
#include "qkd/reconcile.h"
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
	struct qkd_counts c;

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
		estimate_bounds(x.key, x.test, x.errors, &lim, &e);
		const double rate =
			estimate_final_bits(&e, &lim, parities, log2(2 / lim.eps_cor)) / x.pulses;
		print_message("%3.0f km: %.6e bit/pulse (expected %.6e)\n", points[i][0], rate,
			points[i][1]);
		assert_true(fabs(rate / points[i][1] - 1) < 1e-6);
	}
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

enum { KEY_LIMIT = 1 << 17 };

static uint8_t alice_bits[KEY_LIMIT], bob_bits[KEY_LIMIT], items[3 << 19], answer_items[1 << 19];
static struct reconcile alice, bob;

struct outcome {
	enum qkd_abort reason;
	bool is_equal;
	uint32_t rounds, errors;
	double entropy; /* log2 C(n, errors) */
};

static double log2_choose(double n, double k)
{
	return (lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) / M_LN2;
}

/* One whole Cascade between the two ends, by messages as on the wire. */
static struct outcome cascade(struct prop *p, struct key_bits *a, struct key_bits *b, double qber)
{
	struct outcome out = {0};

	reconcile_begin(&alice, a, 0);
	reconcile_begin(&bob, b, qber);
	for (;; out.rounds++) {
		struct link_message asked = {0}, answer = {0};
		struct writer w = writer_of(SPAN_MUT_ARRAY(items));
		uint16_t type;
		reconcile_ask(&bob, prop_u64(p), &type, &asked, &w);
		if (type == LINK_CORRECTED)
			break;
		assert_false(w.is_full);
		out.reason = reconcile_answer(
			&alice, type, &asked, SPAN_MUT_ARRAY(answer_items), &answer.count);
		if (out.reason != QKD_GOES_ON)
			return out;
		answer.items = span_of(answer_items, (answer.count + 7) / 8);
		out.reason = reconcile_learn(&bob, &answer);
		if (out.reason != QKD_GOES_ON)
			return out;
	}
	out.is_equal = memcmp(a->bits, b->bits, a->count) == 0;
	out.errors = bob.corrected;
	return out;
}

static struct outcome cascade_random(struct prop *p, uint32_t n, double qber, double expected)
{
	struct key_bits a = {alice_bits, n, KEY_LIMIT}, b = {bob_bits, n, KEY_LIMIT};
	uint32_t errors = 0;

	for (uint32_t i = 0; i < n; i++) {
		alice_bits[i] = prop_u64(p) >> 40 & 1;
		const uint8_t is_wrong = prop_unit(p) < qber;
		bob_bits[i] = alice_bits[i] ^ is_wrong;
		errors += is_wrong;
	}
	struct outcome out = cascade(p, &a, &b, expected);
	out.entropy = log2_choose(n, errors);
	return out;
}

static void test_cascade_corrects_and_never_leaks_less_than_shannon(void **state)
{
	static const double qbers[] = {0.005, 0.01, 0.02, 0.05, 0.10};
	struct prop p = prop_from_environment(41);

	(void)state;
	for (size_t q = 0; q < ARRAY_LEN(qbers); q++) {
		double leak = 0, entropy = 0, rounds = 0;
		int wrong = 0;
		enum { BLOCKS = 40, N = 20000 };
		for (int i = 0; i < BLOCKS; i++) {
			const struct outcome out = cascade_random(&p, N, qbers[q], qbers[q]);
			assert_int_equal(out.reason, QKD_GOES_ON);
			assert_true(alice.parities == bob.parities);
			wrong += !out.is_equal;
			leak += (double)alice.parities;
			entropy += out.entropy;
			rounds += out.rounds;
		}
		print_message("QBER %.3f: leak / log2 C(n, errors) = %.3f, %.0f rounds, %d of %d "
			      "blocks left unequal\n",
			qbers[q], leak / entropy, rounds / (double)BLOCKS, wrong, BLOCKS);
		/* Parities name the error pattern, so on average they carry at least its entropy. */
		assert_true(leak >= entropy);
		assert_true(leak <= 1.35 * entropy);
		assert_true(wrong <= 1);
	}
}

static void test_cascade_stands_any_length_and_a_wrong_expectation(void **state)
{
	struct prop p = prop_from_environment(42);

	(void)state;
	for (int i = 0; i < 200; i++) {
		const uint32_t n = 200 + (uint32_t)prop_below(&p, 3000);
		const struct outcome out = cascade_random(&p, n, 0.02, prop_unit(&p) * 0.11);
		assert_true(out.reason == QKD_GOES_ON || out.reason == QKD_NOT_CORRECTED);
	}
	const struct outcome hopeless = cascade_random(&p, 20000, 0.5, 0.01);
	assert_int_equal(hopeless.reason, QKD_NOT_CORRECTED);
}

static void test_alice_refuses_questions_that_cannot_be(void **state)
{
	struct key_bits a = {alice_bits, 1000, KEY_LIMIT};
	struct link_message pass = {.pass = 1, .pass_block_bits = 64}, ranges = {.count = 1};
	static const struct link_range bad[] = {
		{0, 990, 11}, {0, 1000, 1}, {0, 0, 0}, {1, 0, 5}, {0, 5, 0xffffff}};
	uint8_t bits[200], range[7];
	uint32_t count;

	(void)state;
	reconcile_begin(&alice, &a, 0);
	assert_int_equal(reconcile_answer(&alice, LINK_PASS, &pass, SPAN_MUT_ARRAY(bits), &count),
		QKD_PROTOCOL);
	pass.pass = 0;
	pass.pass_block_bits = 1; /* would hand over the key bit by bit */
	assert_int_equal(reconcile_answer(&alice, LINK_PASS, &pass, SPAN_MUT_ARRAY(bits), &count),
		QKD_PROTOCOL);
	pass.pass_block_bits = 64;
	assert_int_equal(reconcile_answer(&alice, LINK_PASS, &pass, SPAN_MUT_ARRAY(bits), &count),
		QKD_GOES_ON);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(range));
		link_range_put(&w, bad[i]);
		ranges.items = writer_span_done(&w);
		assert_int_equal(reconcile_answer(&alice, LINK_RANGES, &ranges,
					 SPAN_MUT_ARRAY(bits), &count),
			QKD_PROTOCOL);
	}
}

static void test_a_slot_announced_twice_or_out_of_the_block_is_refused(void **state)
{
	const uint8_t nibbles[8] = {0};
	const struct sift_log log = {nibbles, 16};
	struct key_bits key = {alice_bits, 0, KEY_LIMIT};
	struct qkd_counts counts;
	static const uint32_t gaps[][2] = {{3, 0}, {3, 13}, {16, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(items)),
			      answer = writer_of(SPAN_MUT_ARRAY(answer_items));
		for (size_t d = 0; d < 2; d++)
			link_detection_put(&w, (struct link_detection){.gap = gaps[i][d]});
		const struct link_message m = {.count = 2, .items = writer_span_done(&w)};
		assert_int_equal(sift_answer(&log, &m, &answer, &key, &counts), QKD_PROTOCOL);
	}
}

static void test_lost_slots_and_foreign_bases_are_dropped(void **state)
{
	/* Slots 0 to 3: X bit 1 mu1; lost; Z bit 1 mu3; X bit 0 mu2. Bob measures X, X, Z, Z. */
	const uint8_t nibbles[2] = {0x1 | SIFT_LOST << 4, (2 << 2 | 2 | 1) | (1 << 2) << 4};
	const struct sift_log log = {nibbles, 4};
	struct sift_detection detected[] = {{0, 0, 1}, {1, 0, 1}, {2, 1, 0}, {3, 1, 1}};
	const struct sift_detections detections = {detected, 4, 4};
	struct key_bits a = {alice_bits, 0, KEY_LIMIT}, b = {bob_bits, 0, KEY_LIMIT};
	struct qkd_counts ca, cb;
	struct writer w = writer_of(SPAN_MUT_ARRAY(items)),
		      answer = writer_of(SPAN_MUT_ARRAY(answer_items));

	(void)state;
	sift_announce(&detections, &w);
	struct link_message m = {.count = 4, .items = writer_span_done(&w)};
	assert_int_equal(sift_answer(&log, &m, &answer, &a, &ca), QKD_GOES_ON);
	m.items = writer_span_done(&answer);
	assert_int_equal(sift_finish(&detections, &m, &b, &cb), QKD_GOES_ON);
	assert_memory_equal(&ca, &cb, sizeof ca);
	assert_int_equal(a.count, 1);
	assert_int_equal(b.count, 1);
	assert_int_equal(ca.key[0], 1);
	assert_int_equal(ca.test[2], 1);
	assert_int_equal(ca.test_errors[2], 1);
	assert_int_equal(alice_bits[0], 1);
	assert_int_equal(qkd_sum(ca.key) + qkd_sum(ca.test), 2);
}

static void test_raw_bits_of_a_dropped_block_are_wiped(void **state)
{
	struct prop prop = prop_seeded(1);
	struct collect sender, receiver;

	(void)state;
	assert_false(failed(collect_open(&sender, false, 64, 8, prop_entropy(&prop))));
	assert_false(failed(collect_open(&receiver, true, 64, 8, prop_entropy(&prop))));
	struct collect_block *a = &sender.blocks[0], *b = &receiver.blocks[0];
	*a = (struct collect_block){.is_used = true, .filled = 63, .nibbles = a->nibbles};
	memset(a->nibbles, 0x55, 32);
	b->is_used = true;
	b->filled = 64;
	b->detections.items[0] = (struct sift_detection){.slot = 3, .bit = 1};
	b->detections.count = 1;
	collect_drop(&sender, a);
	collect_drop(&receiver, b);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(a->nibbles[i], 0);
	assert_int_equal(b->detections.items[0].bit, 0);
	collect_close(&sender);
	collect_close(&receiver);
}

static void test_verification_sees_one_wrong_bit(void **state)
{
	struct prop p = prop_from_environment(43);
	uint8_t packed[1000], key[VERIFY_KEY], good[VERIFY_TAG], bad[VERIFY_TAG];

	(void)state;
	for (unsigned i = 0; i < 8000; i += 7) {
		prop_fill(&p, SPAN_MUT_ARRAY(packed));
		prop_fill(&p, SPAN_MUT_ARRAY(key));
		verify_tag(good, SPAN_ARRAY(packed), key);
		packed[i / 8] ^= (uint8_t)(1 << i % 8);
		verify_tag(bad, SPAN_ARRAY(packed), key);
		assert_memory_not_equal(good, bad, VERIFY_TAG);
	}
}

static void test_key_length_falls_bit_for_bit_with_the_leak(void **state)
{
	const struct expected x = lim_counts(0);
	const struct qkd_counts c = whole(&x);
	struct qkd_parameters p = lim;
	struct qkd_ledger ledger = {.sifted = 10000000, .parities = 2000000, .tag_bits = 64};
	struct estimate e;
	uint32_t before, after;

	(void)state;
	assert_int_equal(estimate_block(&c, &p, &e), QKD_GOES_ON);
	assert_int_equal(
		amplify_length(&e, &p, &ledger, &before), QKD_NO_SECRET); /* 1e7 / 2^64 > eps_cor */
	p.eps_cor = 1e-14;
	assert_int_equal(amplify_length(&e, &p, &ledger, &before), QKD_GOES_ON);
	ledger.parities += 5000;
	ledger.answers += 3000;
	assert_int_equal(amplify_length(&e, &p, &ledger, &after), QKD_GOES_ON);
	assert_int_equal(before - after, 8000);
	p.final_bits_min = after + 8;
	assert_int_equal(amplify_length(&e, &p, &ledger, &after), QKD_NO_SECRET);
	assert_int_equal(after, 0);
}

/* The lab's link: doc in daemon/optics. */
static const struct optics_settings lab = {.distance_km = 10,
	.attenuation_db_km = 0.2,
	.detector_efficiency = 0.5,
	.dark_count = 1e-6,
	.misalignment = 0.01,
	.intensity = {0.6, 0.22, 2e-4},
	.probability = {0.2, 0.55, 0.25},
	.basis_x = 0.75};

static void test_the_model_shows_its_expected_gain_and_errors(void **state)
{
	static uint8_t nibbles[OPTICS_SLOTS_MAX / 2];
	static struct driver_event events[OPTICS_SLOTS_MAX];
	static const double intercepted[] = {0, 0.3, 1};
	struct prop p = prop_from_environment(44);
	struct optics o;

	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(intercepted); f++) {
		struct optics_settings s = lab;
		double detections = 0, sifted = 0, errors = 0;
		uint32_t count;
		s.intercepted = intercepted[f];
		assert_false(failed(optics_open(&o, &s, prop_entropy(&p), NULL)));
		for (int i = 0; i < 10; i++) {
			const uint64_t first = o.next_slot;
			assert_false(
				failed(optics_run(&o, OPTICS_SLOTS_MAX, nibbles, events, &count)));
			detections += count;
			for (uint32_t n = 0; n < count; n++) {
				const uint64_t at = events[n].slot - first;
				const unsigned sent = nibbles[at / 2] >> at % 2 * 4 & 15;
				const bool is_z = events[n].mask > 3;
				const unsigned clicks = (unsigned)events[n].mask >> (is_z ? 2 : 0);
				if ((sent >> 1 & 1) != is_z)
					continue;
				sifted++;
				errors += clicks == 3 ? 0.5 : clicks != 1u + (sent & 1);
			}
		}
		const double gain = detections / (10.0 * (double)OPTICS_SLOTS_MAX),
			     qber = errors / sifted;
		print_message("intercepted %.1f: gain %.4f (%.4f), QBER %.4f (%.4f)\n",
			intercepted[f], gain, optics_expected_gain(&o), qber,
			optics_expected_qber(&o));
		assert_true(fabs(gain / optics_expected_gain(&o) - 1) < 0.02);
		assert_true(fabs(qber - optics_expected_qber(&o)) < 4 * sqrt(qber / sifted) + 1e-4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_lengths_are_those_of_lim_2014),
		cmocka_unit_test(test_no_error_seen_is_not_no_error),
		cmocka_unit_test(test_estimate_names_its_reasons),
		cmocka_unit_test(test_parameters_that_break_the_formulae_are_refused),
		cmocka_unit_test(test_cascade_corrects_and_never_leaks_less_than_shannon),
		cmocka_unit_test(test_cascade_stands_any_length_and_a_wrong_expectation),
		cmocka_unit_test(test_alice_refuses_questions_that_cannot_be),
		cmocka_unit_test(test_a_slot_announced_twice_or_out_of_the_block_is_refused),
		cmocka_unit_test(test_lost_slots_and_foreign_bases_are_dropped),
		cmocka_unit_test(test_raw_bits_of_a_dropped_block_are_wiped),
		cmocka_unit_test(test_verification_sees_one_wrong_bit),
		cmocka_unit_test(test_key_length_falls_bit_for_bit_with_the_leak),
		cmocka_unit_test(test_the_model_shows_its_expected_gain_and_errors),
	};

	if (failed(reconcile_open(&alice, KEY_LIMIT, false)) ||
		failed(reconcile_open(&bob, KEY_LIMIT, true)))
		return 1;
	const int result = cmocka_run_group_tests(tests, NULL, NULL);
	reconcile_close(&alice);
	reconcile_close(&bob);
	return result;
}
