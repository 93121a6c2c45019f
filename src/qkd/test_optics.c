// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The simulated link against the formulae of its model, and each attack against what it must leave behind. */
#include "qkd/optics_model.h"
#include "support/prop.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

/* The lab's link: doc in daemon/optics. */
static const struct optics_settings lab = {.distance_km = 10,
	.attenuation_db_km = 0.2,
	.detector_efficiency = 0.5,
	.dark_count = 1e-6,
	.misalignment = 0.01,
	.intensity = {0.6, 0.22, 2e-4},
	.probability = {0.2, 0.55, 0.25},
	.basis_x = 0.75};

struct tally {
	double slots, detections, doubles, sifted_doubles;
	double sent[OPTICS_SENT];
	/* By intensity, where both used one basis: slots, detections, errors (a double click is half of one). */
	double slots_of[3], seen_of[3], errors_of[3];
	double clicks[DRIVER_DETECTORS], sifted, errors;
};

static uint8_t nibbles[OPTICS_SLOTS_MAX / 2];
static struct driver_event events[OPTICS_SLOTS_MAX];

/* Slots by what was sent are counted too, so that each gain stands against its own number of trials. */
static void tally_add(struct tally *t, const struct optics *o, uint64_t first, uint32_t count)
{
	t->slots += (double)(o->next_slot - first);
	for (uint64_t at = 0; at < o->next_slot - first; at++)
		t->sent[nibbles[at / 2] >> at % 2 * 4 & 15]++;
	for (uint32_t n = 0; n < count; n++) {
		const uint64_t at = events[n].slot - first;
		const unsigned sent = nibbles[at / 2] >> at % 2 * 4 & 15;
		const bool is_z = events[n].mask > 3;
		const unsigned clicks = (unsigned)events[n].mask >> (is_z ? 2 : 0);
		t->detections++;
		t->doubles += clicks == 3;
		for (size_t d = 0; d < DRIVER_DETECTORS; d++)
			t->clicks[d] += events[n].mask >> d & 1;
		if ((sent >> 1 & 1) != is_z)
			continue;
		const double error = clicks == 3 ? 0.5 : clicks != 1u + (sent & 1);
		t->sifted++;
		t->errors += error;
		t->seen_of[sent >> 2]++;
		t->errors_of[sent >> 2] += error;
	}
}

static struct tally run(struct optics *o, uint64_t slots)
{
	struct tally t = {0};

	for (const uint64_t end = o->next_slot + slots; o->next_slot < end;) {
		const uint64_t first = o->next_slot;
		uint32_t count;
		assert_false(failed(optics_run(o, OPTICS_SLOTS_MAX, nibbles, events, &count)));
		tally_add(&t, o, first, count);
	}
	/* Bob's basis is Alice's with his own probability of it. */
	for (unsigned n = 0; n < OPTICS_SENT; n++)
		t.slots_of[n >> 2] +=
			t.sent[n] * ((n & 2) == 0 ? o->settings.basis_x : 1 - o->settings.basis_x);
	return t;
}

static struct tally simulate(const struct optics_settings *s, struct optics *o, uint64_t slots)
{
	struct prop p = prop_from_environment(44);

	assert_false(failed(optics_open(o, s, prop_entropy(&p), NULL)));
	return run(o, slots);
}

/* Within five standard deviations of a count that is Poisson at worst, and a relative slack of the formula. */
static void assert_count(const char *what, double seen, double expected, double slack)
{
	print_message("  %-24s %12.1f (%.1f)\n", what, seen, expected);
	assert_true(fabs(seen - expected) <= 5 * sqrt(expected + 1) + slack * expected);
}

/*
 * [Lim §III]: D_k = 1 - (1 - 2 p_dc) exp(-eta k), R_k = D_k (1 + p_ap), e_k = p_dc + e_mis (1 - exp(-eta k)) + p_ap D_k / 2. It leaves out
 * that both detectors may fire (an error more or less in eta k / 2), and afterpulses that meet other clicks.
 */
static void test_gains_and_errors_are_those_of_lim_by_intensity(void **state)
{
	static const double kilometres[] = {10, 50, 100};
	static const double afterpulses[] = {0, 0.04};
	static struct optics o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kilometres); i++)
		for (size_t a = 0; a < ARRAY_LEN(afterpulses); a++) {
			struct optics_settings s = lab;
			s.distance_km = kilometres[i];
			s.dark_count = 1e-5;
			s.afterpulse = afterpulses[a];
			s.afterpulse_slots = 50;
			const struct tally t = simulate(&s, &o, 6000000);
			const double eta = pow(10, -0.02 * kilometres[i]) * 0.5;
			double signal = 0;
			for (size_t k = 0; k < 3; k++)
				signal += s.probability[k] *
					  (1 - (1 - 2e-5) * exp(-eta * s.intensity[k]));
			print_message("%.0f km, afterpulses %.2f\n", kilometres[i], afterpulses[a]);
			for (size_t k = 0; k < 3; k++) {
				const double m = eta * s.intensity[k], d = 1 - (1 - 2e-5) * exp(-m);
				/* An afterpulse comes with any intensity, so with the mean gain. */
				const double after = s.afterpulse * signal;
				const double gain = d + after * (1 - d);
				const double error = 1e-5 + 0.01 * (1 - exp(-m)) + after / 2;
				assert_count(
					"detections", t.seen_of[k], t.slots_of[k] * gain, 0.003);
				assert_count("errors", t.errors_of[k], t.slots_of[k] * error,
					0.01 + m / 2 + after * 2);
			}
		}
}

/* The same of its own table, exactly; under intercept-resend too, where a quarter of all is wrong. */
static void test_the_model_shows_its_expected_gain_and_errors(void **state)
{
	static const double intercepted[] = {0, 0.3, 1};
	static struct optics o;

	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(intercepted); f++) {
		struct optics_settings s = lab;
		s.attack = OPTICS_INTERCEPT;
		s.strength = intercepted[f];
		const struct tally t = simulate(&s, &o, 4000000);
		assert_count("detections", t.detections, t.slots * optics_expected_gain(&o), 0);
		assert_count("errors", t.errors, t.sifted * optics_expected_qber(&o), 0);
		for (size_t k = 0; k < 3; k++) {
			double gain, errors;
			optics_channel_expect(&o.channel, k, &gain, &errors);
			assert_count("detections", t.seen_of[k], t.slots_of[k] * gain, 0);
			assert_count("errors", t.errors_of[k], t.slots_of[k] * errors, 0);
		}
	}
	assert_true(optics_expected_qber(&o) > 0.24);
}

static void test_alice_sends_with_the_probabilities_that_were_set(void **state)
{
	static struct optics o;
	struct optics_settings s = lab;

	(void)state;
	for (int one_decoy = 0; one_decoy < 2; one_decoy++) {
		/* Probabilities that no twelve bits can tell. */
		s.probability[0] = one_decoy ? 0.7123 : 0.2001;
		s.probability[1] = one_decoy ? 0.2877 : 0.5499;
		s.probability[2] = one_decoy ? 0 : 0.25;
		s.basis_x = 0.9005;
		const struct tally t = simulate(&s, &o, 4000000);
		double chi2 = 0;
		for (unsigned n = 0; n < OPTICS_SENT; n++) {
			const double expected = t.slots * s.probability[n >> 2] *
						((n & 2) == 0 ? s.basis_x : 1 - s.basis_x) / 2;
			assert_true(expected > 0 || t.sent[n] == 0);
			if (expected > 0)
				chi2 += (t.sent[n] - expected) * (t.sent[n] - expected) / expected;
		}
		print_message("chi square of %d: %.1f\n", one_decoy ? 7 : 11, chi2);
		assert_true(chi2 < 45); /* 11 degrees of freedom: 1e-5 */
	}
}

static void test_a_detector_that_clicked_is_blind_for_the_dead_time(void **state)
{
	static struct optics o;
	struct optics_settings s = lab;
	uint64_t last[2] = {0, 0};
	double seen = 0;
	uint32_t count;
	struct prop p = prop_from_environment(45);

	(void)state;
	s.dead_slots = 20;
	assert_false(failed(optics_open(&o, &s, prop_entropy(&p), NULL)));
	const double slots = 40 * (double)OPTICS_SLOTS_MAX;
	for (int i = 0; i < 40; i++) {
		assert_false(failed(optics_run(&o, OPTICS_SLOTS_MAX, nibbles, events, &count)));
		for (uint32_t n = 0; n < count; n++) {
			const unsigned clicks = events[n].mask | (unsigned)events[n].mask >> 2;
			for (size_t d = 0; d < 2; d++) {
				if ((clicks >> d & 1) == 0)
					continue;
				seen++;
				assert_true(last[d] == 0 || events[n].slot > last[d] + 20);
				last[d] = events[n].slot;
			}
		}
	}
	/* Each detector: clicks a slot c without dead time, c / (1 + c t) with it. */
	double c = 0;
	for (size_t n = 0; n < OPTICS_SENT; n++)
		for (size_t basis = 0; basis < 2; basis++)
			c += s.probability[n >> 2] * ((n & 2) == 0 ? 0.75 : 0.25) / 2 *
			     (basis == 0 ? 0.75 : 0.25) *
			     (o.channel.of[n][basis][1] + o.channel.of[n][basis][3]);
	assert_count("clicks", seen, 2 * slots * c / (1 + 20 * c), 0.003);
}

static void test_drift_moves_errors_and_light(void **state)
{
	static struct optics o;
	struct optics_settings s = lab;
	struct tally calm, far;

	(void)state;
	s.drift_slots = 64 * (double)OPTICS_SLOTS_MAX;
	s.drift_misalignment = 0.1;
	s.drift_intensity = 0.3;
	calm = simulate(&s, &o, 2 * OPTICS_SLOTS_MAX);
	run(&o, 14 * OPTICS_SLOTS_MAX);
	const struct tally bright = run(&o, 2 * OPTICS_SLOTS_MAX); /* a quarter: most light */
	run(&o, 13 * OPTICS_SLOTS_MAX);
	far = run(&o, 2 * OPTICS_SLOTS_MAX); /* a half: most misalignment */
	print_message("QBER %.4f, then %.4f; detections %.0f, then %.0f\n",
		calm.errors / calm.sifted, far.errors / far.sifted, calm.detections,
		bright.detections);
	assert_true(calm.errors / calm.sifted < 0.03);
	assert_true(far.errors / far.sifted > 0.1);
	assert_true(bright.detections > 1.2 * calm.detections);
}

static void test_photon_number_splitting_starves_the_decoys_and_makes_no_errors(void **state)
{
	static struct optics o;
	struct optics_settings s = lab;

	(void)state;
	s.distance_km = 50;
	const struct tally before = simulate(&s, &o, 6000000);
	s.attack = OPTICS_SPLIT;
	s.strength = 1;
	const struct tally t = simulate(&s, &o, 6000000);
	const double slots = t.slots_of[0] / before.slots_of[0];
	assert_count("detections", t.detections, before.detections, 0.01);
	assert_true(t.errors / t.sifted < 0.02);
	/* Several photons are rarer in the decoy by the square of its intensity. */
	const double of_signal = t.seen_of[0] / before.seen_of[0] / slots,
		     of_decoy = t.seen_of[1] / before.seen_of[1] / slots;
	print_message("signal detected %.2f times as often, decoy %.2f\n", of_signal, of_decoy);
	assert_true(of_signal > 1.3);
	assert_true(of_decoy < 0.7);
}

static void test_blinding_hides_in_counts_and_shows_in_double_clicks_and_instruments(void **state)
{
	static struct optics o;
	struct optics_settings s = lab;
	struct driver_monitor alice, bob;

	(void)state;
	const struct tally before = simulate(&s, &o, 4000000);
	optics_monitor_take(&o, &alice, &bob);
	assert_true(before.doubles > 1000);
	for (size_t d = 0; d < DRIVER_DETECTORS; d++) {
		assert_true(bob.detectors[d].bias_na < OPTICS_BIAS_NA_MAX);
		assert_true(bob.detectors[d].power_pw < OPTICS_POWER_PW_MAX);
	}
	optics_attack(&o, OPTICS_BLIND, 1);
	const struct tally t = run(&o, 4000000);
	optics_monitor_take(&o, &alice, &bob);
	assert_count("detections", t.detections, before.detections, 0.02);
	for (size_t k = 0; k < 2; k++)
		assert_count("detections", t.seen_of[k], before.seen_of[k], 0.05);
	assert_int_equal(t.errors, 0);
	assert_int_equal(t.doubles, 0);
	for (size_t d = 0; d < DRIVER_DETECTORS; d++) {
		assert_true(bob.detectors[d].bias_na > OPTICS_BIAS_NA_MAX);
		assert_true(bob.detectors[d].power_pw > OPTICS_POWER_PW_MAX);
	}
}

static double edge(const struct driver_monitor *m)
{
	double all = 0, outer = 0;

	for (size_t i = 0; i < m->bin_count; i++) {
		all += m->bins[i];
		outer += i < m->bin_count / 4 || i >= m->bin_count - m->bin_count / 4 ? m->bins[i]
										      : 0;
	}
	return outer / all;
}

static void test_a_time_shift_favours_a_detector_and_leaves_the_middle_of_the_gate(void **state)
{
	static struct optics o;
	struct optics_settings s = lab;
	struct driver_monitor alice, bob;

	(void)state;
	const struct tally before = simulate(&s, &o, 2000000);
	optics_monitor_take(&o, &alice, &bob);
	assert_true(edge(&bob) < 0.01);
	assert_true(fabs(before.clicks[0] / before.clicks[1] - 1) < 0.02);
	optics_attack(&o, OPTICS_SHIFT, 0.5);
	const struct tally t = run(&o, 2000000);
	optics_monitor_take(&o, &alice, &bob);
	print_message("clicks %.0f and %.0f, at the edge of the gate %.3f\n", t.clicks[0],
		t.clicks[1], edge(&bob));
	assert_true(t.clicks[1] < 0.75 * t.clicks[0]);
	assert_true(t.clicks[3] < 0.75 * t.clicks[2]);
	assert_true(edge(&bob) > 0.2);
	assert_true(t.errors / t.sifted < 0.03);
}

static void test_instruments_count_what_the_events_say(void **state)
{
	static struct optics o;
	struct driver_monitor alice, bob;
	uint64_t bins = 0;

	(void)state;
	const struct tally t = simulate(&lab, &o, 1000000);
	optics_monitor_take(&o, &alice, &bob);
	assert_int_equal(bob.first, 0);
	assert_int_equal(bob.length, o.next_slot);
	for (size_t d = 0; d < DRIVER_DETECTORS; d++)
		assert_int_equal(bob.detectors[d].clicks, t.clicks[d]);
	assert_int_equal(bob.double_clicks[0] + bob.double_clicks[1], t.doubles);
	for (size_t i = 0; i < bob.bin_count; i++)
		bins += bob.bins[i];
	assert_int_equal(bins, t.detections);
	for (size_t k = 0; k < 3; k++)
		assert_true(fabs(alice.intensity_micro[k] - 1e6 * lab.intensity[k]) <=
			    2e4 * lab.intensity[k] + 1);
	run(&o, 1);
	const uint64_t end = bob.length;
	optics_monitor_take(&o, &alice, &bob);
	assert_int_equal(bob.first, end);
}

static void test_what_no_channel_can_be_is_refused(void **state)
{
	static struct optics o;
	struct prop p = prop_from_environment(46);
	const struct entropy entropy = prop_entropy(&p);
	struct optics_settings s = lab;
	uint32_t count;

	(void)state;
	assert_false(failed(optics_open(&o, &s, entropy, NULL)));
	assert_int_equal(
		optics_run(&o, OPTICS_SLOTS_MAX + 1, nibbles, events, &count).kind, ERR_LIMIT);
	s.strength = 1.5;
	assert_true(failed(optics_open(&o, &s, entropy, NULL)));
	s = lab;
	s.afterpulse = 0.7;
	assert_true(failed(optics_open(&o, &s, entropy, NULL)));
	s = lab;
	s.drift_intensity = 0.1; /* in no time */
	assert_true(failed(optics_open(&o, &s, entropy, NULL)));
	s = lab;
	s.probability[2] = 0.5;
	assert_true(failed(optics_open(&o, &s, entropy, NULL)));
	s = lab;
	s.detector_efficiency = 0;
	s.dark_count = 0; /* utter darkness is a channel too */
	assert_false(failed(optics_open(&o, &s, entropy, NULL)));
	assert_false(failed(optics_run(&o, OPTICS_SLOTS_MAX, nibbles, events, &count)));
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gains_and_errors_are_those_of_lim_by_intensity),
		cmocka_unit_test(test_the_model_shows_its_expected_gain_and_errors),
		cmocka_unit_test(test_alice_sends_with_the_probabilities_that_were_set),
		cmocka_unit_test(test_a_detector_that_clicked_is_blind_for_the_dead_time),
		cmocka_unit_test(test_drift_moves_errors_and_light),
		cmocka_unit_test(
			test_photon_number_splitting_starves_the_decoys_and_makes_no_errors),
		cmocka_unit_test(
			test_blinding_hides_in_counts_and_shows_in_double_clicks_and_instruments),
		cmocka_unit_test(
			test_a_time_shift_favours_a_detector_and_leaves_the_middle_of_the_gate),
		cmocka_unit_test(test_instruments_count_what_the_events_say),
		cmocka_unit_test(test_what_no_channel_can_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
