// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The watch over the device: silent where nothing is wrong, as rarely wrong as it says, and not silent under attack. Attacks are those
 * of the simulation; what the watch does not see the estimate must.
 */
#include "qkd/estimate.h"
#include "qkd/optics_model.h"
#include "qkd/watch.h"
#include "support/prop.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct qkd_parameters parameters = {.protocol = QKD_TWO_DECOY,
	.intensity = {0.6, 0.22, 2e-4},
	.probability = {0.2, 0.55, 0.25},
	.basis_x = 0.75,
	.eps_sec = 1e-10,
	.eps_cor = 1e-15,
	.qber_max = 0.08};
/* As the daemon sets them. */
static const struct watch_settings ordinary = {.mode = WATCH_AUTO,
	.alpha_exponent = 6,
	.unequal_max = 0.05,
	.intensity_tolerance = 0.05,
	.gate_centre_least = 0.9,
	.doubles_least = 0.5};
static const struct driver_hello monitored = {
	.is_monitored = true, .bias_na_max = 200, .power_pw_max = 1000};
static struct watch watch;

static void begin(const struct watch_settings *s)
{
	qkd_watch_open(&watch, s, &parameters);
	qkd_watch_session(&watch, &monitored);
}

/* Heads of n fair coins. */
static uint32_t heads(struct prop *p, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n / 64; i++)
		sum += (uint32_t)__builtin_popcountll(prop_u64(p));
	return sum + (uint32_t)__builtin_popcountll(prop_u64(p) >> (63 - n % 64) >> 1);
}

static uint32_t poisson(struct prop *p, double mean)
{
	uint32_t n = 0;

	for (double product = 1, least = exp(-mean); product > least; n++)
		product *= ((double)(prop_u64(p) >> 11) + 1) * 0x1p-53;
	return n - 1;
}

/* A block of a perfect device: what its own tests see of it is chance alone. */
static struct watch_block drawn(struct prop *p, double doubles)
{
	struct watch_block b = {.end_slot = 100000, .detections = 6400};

	b.clicks[0] = heads(p, 3600);
	b.clicks[1] = 3600 - b.clicks[0];
	b.clicks[2] = heads(p, 2800);
	b.clicks[3] = 2800 - b.clicks[2];
	b.double_clicks = poisson(p, doubles);
	return b;
}

static uint32_t alarms(
	struct prop *p, const struct watch_settings *s, uint32_t blocks, double share)
{
	uint32_t found = 0;
	double least, most;

	begin(s);
	watch.is_required = false;
	qkd_watch_doubles(&parameters, 0.064, &least, &most);
	for (uint32_t i = 0; i < blocks; i++) {
		const struct watch_block b = drawn(p, share * 100000 * least);
		found += qkd_watch_judge(&watch, &b) != QKD_GOES_ON;
	}
	return found;
}

static void test_false_alarms_stay_below_the_rate_that_is_stated(void **state)
{
	struct prop p = prop_from_environment(91);
	struct watch_settings strict = {
		.mode = WATCH_AUTO, .alpha_exponent = 1, .doubles_least = 1};

	(void)state;
	/* No tolerance at all, so that chance alone is left: at most alpha, and of that order, or the test could not fail. */
	for (unsigned exponent = 1; exponent <= 2; exponent++) {
		strict.alpha_exponent = exponent;
		const uint32_t blocks = 20000, found = alarms(&p, &strict, blocks, 1);
		const double alpha = pow(10, -(double)exponent) * blocks;
		print_message("alpha 1e-%u: %u of %u blocks (at most %.0f)\n", exponent, found,
			blocks, alpha);
		assert_true(found <= alpha + 4 * sqrt(alpha));
		assert_true(found >= alpha / 5);
	}
	assert_int_equal(alarms(&p, &ordinary, 20000, 1), 0);
}

static void test_double_clicks_that_vanish_are_seen_without_any_instrument(void **state)
{
	struct prop p = prop_from_environment(92);

	(void)state;
	assert_int_equal(alarms(&p, &ordinary, 200, 0.02), 200);
	assert_int_equal(alarms(&p, &ordinary, 200, 1), 0);
}

static struct err say(uint64_t first, uint64_t length, uint32_t bias, uint32_t mu1)
{
	const struct driver_monitor m = {.first = first,
		.length = length,
		.has_detectors = bias > 0,
		.has_intensities = mu1 > 0,
		.detectors = {{bias, 10, 5}, {bias, 10, 5}, {bias, 10, 5}, {bias, 10, 5}},
		.intensity_micro = {mu1, 220000, 900}};

	return qkd_watch_record(&watch, &m);
}

static void record(uint64_t first, uint64_t length, uint32_t bias, uint32_t mu1)
{
	assert_false(failed(say(first, length, bias, mu1)));
}

static enum qkd_abort judge(uint64_t first, uint64_t end)
{
	const struct watch_block b = {.first_slot = first, .end_slot = end};

	return qkd_watch_judge(&watch, &b);
}

static void test_slots_without_monitoring_are_no_key_where_it_is_required(void **state)
{
	const struct driver_hello unmonitored = {.session = {8}};
	struct driver_hello other = monitored;
	struct watch_settings s = ordinary;

	(void)state;
	begin(&ordinary);
	record(1000, 1000, 50, 0);
	record(2000, 1000, 50, 0);
	assert_int_equal(judge(1000, 3000), QKD_GOES_ON);
	assert_int_equal(judge(999, 3000), QKD_MONITOR_SILENT);
	assert_int_equal(judge(1000, 3001), QKD_MONITOR_SILENT);
	qkd_watch_session(&watch, &monitored); /* the device was away for a moment */
	record(3500, 500, 50, 0);
	assert_int_equal(judge(1000, 4000), QKD_MONITOR_SILENT);
	assert_int_equal(judge(3500, 4000), QKD_GOES_ON);
	assert_int_equal(judge(1000, 3000), QKD_GOES_ON);
	other.session[0] = 7; /* another run of the source */
	qkd_watch_session(&watch, &other);
	assert_int_equal(judge(1000, 3000), QKD_MONITOR_SILENT);
	qkd_watch_session(&watch, &unmonitored);
	assert_int_equal(judge(1000, 3000), QKD_GOES_ON);
	s.mode = WATCH_REQUIRED;
	begin(&s);
	qkd_watch_session(&watch, &unmonitored);
	assert_int_equal(judge(1000, 3000), QKD_MONITOR_SILENT);
	s.mode = WATCH_OFF;
	begin(&s);
	record(0, 5000, 5000, 0);
	assert_int_equal(judge(1000, 3000), QKD_GOES_ON);
}

static void test_records_that_do_not_follow_each_other_are_refused(void **state)
{
	(void)state;
	begin(&ordinary);
	record(1000, 1000, 50, 0);
	assert_int_equal(say(2001, 1000, 50, 0).kind, ERR_INPUT);
	assert_int_equal(say(1999, 1000, 50, 0).kind, ERR_INPUT);
	assert_int_equal(watch.figures.records, 1);
	record(2000, 1000, 50, 0);
	assert_int_equal(judge(1000, 3000), QKD_GOES_ON);
}

static void test_instruments_give_the_reason_for_exactly_their_slots(void **state)
{
	(void)state;
	begin(&ordinary);
	record(0, 1000, 50, 610000);
	record(1000, 1000, 201, 610000);
	record(2000, 1000, 50, 610000);
	record(3000, 1000, 50, 640000);
	record(4000, 1000, 50, 560000);
	record(5000, 1000, 50, 600000);
	assert_int_equal(judge(0, 1000), QKD_GOES_ON);
	assert_int_equal(judge(0, 1001), QKD_BLINDED);
	assert_int_equal(judge(1999, 2001), QKD_BLINDED);
	assert_int_equal(judge(2000, 3000), QKD_GOES_ON);
	assert_int_equal(judge(2500, 3500), QKD_INTENSITY_OFF);
	assert_int_equal(judge(4000, 4001), QKD_INTENSITY_OFF);
	assert_int_equal(judge(5000, 6000), QKD_GOES_ON);
}

static void test_what_was_forgotten_counts_as_unmonitored(void **state)
{
	(void)state;
	begin(&ordinary);
	for (uint64_t i = 0; i < WATCH_SPANS + 10; i++)
		record(i * 10, 10, i % 2 == 0 ? 50 : 300, 0); /* no two alike */
	assert_int_equal(watch.figures.forgotten, 10);
	assert_int_equal(judge(0, 5), QKD_MONITOR_SILENT);
	assert_int_equal(judge(100, 105), QKD_GOES_ON);
	assert_int_equal(judge(110, 115), QKD_BLINDED);
	/* An hour of quiet monitoring is one span, or as many as its clicks fill. */
	begin(&ordinary);
	for (uint64_t i = 0; i < 200000; i++)
		record(i * 10, 10, 50, 0);
	assert_true(watch.count < WATCH_SPANS);
	assert_int_equal(judge(1000000, 2000000), QKD_GOES_ON);
}

static void test_figures_tell_what_was_seen_and_what_was_judged(void **state)
{
	const struct watch_block shifted = {.end_slot = 100000,
		.detections = 6400,
		.clicks = {2300, 1300, 1400, 1400},
		.double_clicks = 60};
	const struct watch_figures *f = &watch.figures;

	(void)state;
	begin(&ordinary);
	assert_true(fabs(f->bias_amperes_max - 200e-9) < 1e-15);
	record(0, 100000, 50, 610000);
	assert_true(fabs(f->bias_amperes - 50e-9) < 1e-15);
	assert_true(fabs(f->power_watts - 10e-12) < 1e-18);
	assert_true(fabs(f->intensity[0] - 0.61) < 1e-9);
	assert_int_equal(judge(0, 1000), QKD_GOES_ON);
	assert_int_equal(qkd_watch_judge(&watch, &shifted), QKD_DETECTORS_UNEQUAL);
	record(100000, 1000, 201, 0);
	assert_int_equal(judge(100000, 101000), QKD_BLINDED);
	assert_int_equal(f->records, 2);
	assert_int_equal(f->blocks[QKD_GOES_ON], 1);
	assert_int_equal(f->blocks[QKD_DETECTORS_UNEQUAL], 1);
	assert_int_equal(f->blocks[QKD_BLINDED], 1);
	/* Of the block with clicks; the other two had none. */
	assert_true(fabs(f->unequal[0] - 1000.0 / 3600) < 1e-9 && f->unequal[1] == 0);
	assert_true(f->doubles == 60 && f->doubles_least > 0 && f->doubles_most > f->doubles_least);
	const struct driver_monitor timed = {
		.first = 101000, .length = 1000, .bin_count = 4, .bins = {1, 4, 3, 2}};
	const struct watch_block of_timed = {
		.first_slot = 101000, .end_slot = 102000, .detections = 10};
	assert_false(failed(qkd_watch_record(&watch, &timed)));
	qkd_watch_judge(&watch, &of_timed);
	assert_true(fabs(f->gate_centre - 0.7) < 1e-9);
}

static void test_detections_are_counted_by_detector(void **state)
{
	struct prop p = prop_from_environment(93);
	uint8_t codes[1000];

	(void)state;
	prop_fill(&p, SPAN_MUT_ARRAY(codes));
	for (uint32_t count = 0; count < 4000; count += 37) {
		struct watch_block b = {0};
		uint64_t naive[4] = {0};
		for (uint32_t i = 0; i < count; i++) {
			const unsigned code = codes[i / 4] >> i % 4 * 2 & 3; /* basis, bit << 1 */
			naive[(code & 1) * 2 + (code >> 1)]++;
		}
		qkd_watch_count(&b, codes, count);
		assert_memory_equal(b.clicks, naive, sizeof naive);
		assert_int_equal(b.detections, count);
	}
}

/* A block of simulated light, as both ends come to know it. */
struct seen {
	struct watch_block block;
	struct qkd_counts counts;
	enum qkd_abort watch, estimate;
	double secret; /* fraction that the estimate leaves of the sifted key, error correction at 1.1 h(QBER) taken off */
};

static void see(struct seen *s, const struct driver_event *e, unsigned sent, uint64_t coin)
{
	const bool is_z = e->mask > 3;
	const unsigned clicks = (unsigned)e->mask >> (is_z ? 2 : 0);
	const unsigned bit = clicks == 3 ? coin & 1 : clicks >> 1;
	const size_t k = sent >> 2;

	s->block.detections++;
	s->block.double_clicks += clicks == 3;
	s->block.clicks[is_z * 2 + bit]++;
	if ((sent >> 1 & 1) != is_z)
		return;
	(is_z ? s->counts.test : s->counts.key)[k]++;
	(is_z ? s->counts.test_errors : s->counts.key_errors)[k] += bit != (sent & 1);
}

static struct seen simulate(double km, enum optics_attack attack, double strength, bool has_monitor)
{
	static uint8_t nibbles[OPTICS_SLOTS_MAX / 2];
	static struct driver_event events[OPTICS_SLOTS_MAX];
	static struct optics o;
	struct prop p = prop_from_environment(94);
	struct seen s = {0};
	struct estimate estimate;
	struct optics_settings settings = {.distance_km = km,
		.attenuation_db_km = 0.2,
		.detector_efficiency = 0.5,
		.dark_count = 1e-6,
		.misalignment = 0.01,
		.afterpulse = 0.02,
		.afterpulse_slots = 50,
		.dead_slots = 5,
		.basis_x = parameters.basis_x,
		.attack = attack,
		.strength = strength};

	memcpy(settings.intensity, parameters.intensity, sizeof settings.intensity);
	memcpy(settings.probability, parameters.probability, sizeof settings.probability);
	assert_false(failed(optics_open(&o, &settings, prop_entropy(&p), NULL)));
	begin(&ordinary);
	watch.is_required = has_monitor;
	while (s.block.detections < 400000) {
		const uint64_t first = o.next_slot;
		struct driver_monitor alice, bob;
		uint32_t count;
		assert_false(failed(optics_run(&o, OPTICS_SLOTS_MAX, nibbles, events, &count)));
		optics_monitor_take(&o, &alice, &bob);
		if (has_monitor)
			assert_false(failed(qkd_watch_record(&watch, &bob)));
		for (uint32_t i = 0; i < count; i++) {
			const uint64_t at = events[i].slot - first;
			see(&s, &events[i], nibbles[at / 2] >> at % 2 * 4 & 15, prop_u64(&p));
		}
	}
	s.block.end_slot = o.next_slot;
	s.watch = qkd_watch_judge(&watch, &s.block);
	s.estimate = estimate_block(&s.counts, &parameters, &estimate);
	const double key = qkd_sum(s.counts.key);
	if (s.estimate == QKD_GOES_ON)
		s.secret = estimate_final_bits(&estimate, &parameters,
				   1.1 * key * estimate_entropy(qkd_sum(s.counts.key_errors) / key),
				   64) /
			   key;
	print_message("%3.0f km %-24s %.2f%s: watch %s, estimate %s, secret %.3f\n", km,
		optics_attack_word(attack), strength, has_monitor ? "" : " unmonitored",
		qkd_abort_word(s.watch), qkd_abort_word(s.estimate), s.secret);
	return s;
}

static void test_honest_light_passes_at_every_distance(void **state)
{
	static const double kilometres[] = {0, 10, 50, 100};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kilometres); i++) {
		const struct seen s = simulate(kilometres[i], OPTICS_HONEST, 0, true);
		assert_int_equal(s.watch, QKD_GOES_ON);
		assert_int_equal(s.estimate, QKD_GOES_ON);
		assert_true(s.secret > 0);
	}
}

/*
 * From these strengths on; doc/driver.md states them. Photon-number splitting at 10 km gives the eavesdropper no more than the estimate takes
 * off anyway: Bob's gain is so high that she must let most single photons through.
 */
static void test_each_attack_is_named_from_its_stated_strength_on(void **state)
{
	static const struct {
		double km;
		enum optics_attack attack;
		double strength;
		bool has_monitor;
		enum qkd_abort watch, estimate; /* QKD_ABORTS: of no matter */
	} expected[] = {
		{10, OPTICS_INTERCEPT, 0.6, true, QKD_GOES_ON, QKD_QBER_TOO_HIGH},
		{50, OPTICS_INTERCEPT, 0.6, true, QKD_GOES_ON, QKD_QBER_TOO_HIGH},
		{50, OPTICS_SPLIT, 0.7, true, QKD_GOES_ON, QKD_DECOY_INCONSISTENT},
		{50, OPTICS_SPLIT, 1, true, QKD_DOUBLE_CLICKS, QKD_DECOY_INCONSISTENT},
		{10, OPTICS_BLIND, 0.01, true, QKD_BLINDED, QKD_ABORTS},
		{50, OPTICS_BLIND, 0.01, true, QKD_BLINDED, QKD_ABORTS},
		{10, OPTICS_BLIND, 0.75, false, QKD_BLINDED, QKD_ABORTS},
		{50, OPTICS_BLIND, 0.75, false, QKD_BLINDED, QKD_ABORTS},
		{10, OPTICS_SHIFT, 0.2, true, QKD_DETECTORS_UNEQUAL, QKD_ABORTS},
		{50, OPTICS_SHIFT, 0.2, true, QKD_DETECTORS_UNEQUAL, QKD_ABORTS},
		{10, OPTICS_SHIFT, 0.2, false, QKD_DETECTORS_UNEQUAL, QKD_ABORTS},
		{50, OPTICS_SHIFT, 0.2, false, QKD_DETECTORS_UNEQUAL, QKD_ABORTS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		const struct seen s = simulate(expected[i].km, expected[i].attack,
			expected[i].strength, expected[i].has_monitor);
		assert_int_equal(s.watch, expected[i].watch);
		if (expected[i].estimate != QKD_ABORTS)
			assert_int_equal(s.estimate, expected[i].estimate);
	}
	/* No bit, if not yet an alarm. */
	assert_true(simulate(10, OPTICS_INTERCEPT, 0.3, true).secret < 0);
	assert_true(simulate(50, OPTICS_INTERCEPT, 0.3, true).secret < 0);
	assert_true(simulate(50, OPTICS_SPLIT, 0.4, true).secret < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_false_alarms_stay_below_the_rate_that_is_stated),
		cmocka_unit_test(test_double_clicks_that_vanish_are_seen_without_any_instrument),
		cmocka_unit_test(test_slots_without_monitoring_are_no_key_where_it_is_required),
		cmocka_unit_test(test_records_that_do_not_follow_each_other_are_refused),
		cmocka_unit_test(test_instruments_give_the_reason_for_exactly_their_slots),
		cmocka_unit_test(test_what_was_forgotten_counts_as_unmonitored),
		cmocka_unit_test(test_figures_tell_what_was_seen_and_what_was_judged),
		cmocka_unit_test(test_detections_are_counted_by_detector),
		cmocka_unit_test(test_honest_light_passes_at_every_distance),
		cmocka_unit_test(test_each_attack_is_named_from_its_stated_strength_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
