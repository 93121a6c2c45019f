// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Times into slots: what comes out is what a gated device would have said. */
#include "qkd/gate.h"
#include "support/prop.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

enum { KEPT_MAX = 1 << 17, TIMES_MAX = 1 << 15 };

/* All that was handed over; and that its ranges follow each other. */
static struct {
	struct driver_event events[KEPT_MAX];
	uint32_t count;
	uint64_t first, next, lost, monitored_from, monitored_to;
	bool has_any, has_monitor;
} kept;

static struct err keep(void *ctx, const struct driver_record *r)
{
	(void)ctx;
	if (r->type == DRIVER_MONITOR) {
		assert_true(!kept.has_monitor || r->monitor.first == kept.monitored_to);
		kept.monitored_from = kept.has_monitor ? kept.monitored_from : r->monitor.first;
		kept.monitored_to = r->monitor.first + r->monitor.length;
		kept.has_monitor = true;
		return OK;
	}
	assert_true(r->type == DRIVER_EVENTS || r->type == DRIVER_LOST);
	assert_true(!kept.has_any || r->first_slot == kept.next);
	kept.first = kept.has_any ? kept.first : r->first_slot;
	kept.has_any = true;
	kept.next = r->first_slot + r->slot_count;
	kept.lost += r->type == DRIVER_LOST ? r->slot_count : 0;
	for (uint32_t i = 0; i < r->event_count; i++)
		kept.events[kept.count++] = driver_event_at(r, i);
	return OK;
}

static const struct gate_settings nominal = {.period_ps = 1000,
	.window = 0.5,
	.drift_ppm_max = 100,
	.mask = {DRIVER_X0, DRIVER_X1, DRIVER_Z0, DRIVER_Z1}};
static struct gate gate;
static uint8_t buffer[TIMES_MAX * 10 + 64];

static void begin(const struct gate_settings *s, struct prop *p)
{
	memset(&kept, 0, sizeof kept);
	assert_false(
		failed(gate_open(&gate, s, (struct gate_port){NULL, keep}, prop_entropy(p), NULL)));
}

static struct err say(const struct writer *w)
{
	struct driver_record record;
	struct wire_fault fault = {0};

	assert_false(failed(driver_decode(writer_span_done(w), &record, &fault)));
	return gate_record(&gate, &record);
}

static struct err times(uint64_t first, uint64_t length, const struct driver_time *t, uint32_t n)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	driver_times_encode(&w, first, length, t, n);
	return say(&w);
}

static void test_clicks_become_slots_and_detectors(void **state)
{
	struct prop p = prop_from_environment(71);
	const struct driver_time t[] = {
		{2500, 0, 0},               /* slot 2, in the middle */
		{5100, 1, 0},               /* slot 5, outside of its gate */
		{7300, 2, 0}, {7700, 3, 0}, /* slot 7, twice: both bits */
		{9400, 5, 0},               /* a channel without a detector */
	};

	(void)state;
	begin(&nominal, &p);
	assert_false(failed(times(0, 10500, t, ARRAY_LEN(t))));
	assert_int_equal(kept.count, 2);
	assert_int_equal(kept.events[0].slot, 2);
	assert_int_equal(kept.events[0].mask, DRIVER_X0);
	assert_int_equal(kept.events[1].slot, 7);
	assert_int_equal(kept.events[1].mask, DRIVER_Z0 | DRIVER_Z1);
	assert_int_equal(gate.out_of_gate, 1);
	/* Slot 10 is not over: its click comes with the next record. */
	assert_int_equal(kept.next, 10);
	const struct driver_time more[] = {{10510, 1, 0}};
	assert_false(failed(times(10500, 1000, more, 1)));
	assert_int_equal(kept.next, 11);
	assert_int_equal(kept.events[2].slot, 10);
	/* What does not follow is refused. */
	assert_int_equal(times(99999, 1000, NULL, 0).kind, ERR_INPUT);
}

static void test_a_slot_cut_by_two_records_is_one_event(void **state)
{
	struct prop p = prop_from_environment(72);
	const struct driver_time early[] = {{3450, 0, 0}}, late[] = {{3550, 1, 0}};

	(void)state;
	begin(&nominal, &p);
	assert_false(failed(times(0, 3500, early, 1)));
	assert_int_equal(kept.count, 0);
	assert_false(failed(times(3500, 3500, late, 1)));
	assert_int_equal(kept.count, 1);
	assert_int_equal(kept.events[0].slot, 3);
	assert_int_equal(kept.events[0].mask, DRIVER_X0 | DRIVER_X1);
}

static void test_what_was_lost_is_said(void **state)
{
	struct prop p = prop_from_environment(73);
	const struct driver_time t[] = {{1500, 0, 0}, {4500, 0, DRIVER_OVERFLOW}, {6500, 1, 0}};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	begin(&nominal, &p);
	assert_false(failed(times(0, 8000, t, 3)));
	/* From the click before the overflow to the one that reports it: slots 1 to 4. */
	assert_int_equal(kept.lost, 4);
	assert_int_equal(kept.count, 1);
	assert_int_equal(kept.events[0].slot, 6);
	assert_int_equal(kept.next, 8);
	driver_times_lost_encode(&w, 8000, 2500);
	assert_false(failed(say(&w)));
	assert_int_equal(kept.lost, 7); /* and 8, 9, 10, of which it touched a half */
	assert_int_equal(kept.next, 11);
	const struct driver_time in_lost[] = {{10700, 0, 0}};
	assert_false(failed(times(10500, 2000, in_lost, 1)));
	assert_int_equal(kept.count, 1);
	assert_int_equal(gate.late, 3); /* clicks in slots that are lost */
}

static void test_clicks_of_both_bases_are_decided_by_a_coin(void **state)
{
	struct prop p = prop_from_environment(74);
	uint32_t x = 0;

	(void)state;
	begin(&nominal, &p);
	for (uint64_t i = 0; i < 2000; i++) {
		const struct driver_time t[] = {{i * 1000 + 450, 1, 0}, {i * 1000 + 500, 2, 0}};
		assert_false(failed(times(i * 1000, 1000, t, 2)));
	}
	assert_int_equal(kept.count, 2000);
	assert_int_equal(gate.cross_basis, 2000);
	for (uint32_t i = 0; i < kept.count; i++) {
		assert_true(kept.events[i].mask == DRIVER_X1 || kept.events[i].mask == DRIVER_Z0);
		x += kept.events[i].mask == DRIVER_X1;
	}
	assert_true(x > 880 && x < 1120); /* five standard deviations */
}

/* Were it tossed for each record, the basis that clicks last would come out more often: three times of four. */
static void test_the_coin_falls_once_however_a_slot_is_cut(void **state)
{
	struct prop p = prop_from_environment(80);
	uint32_t x = 0;

	(void)state;
	begin(&nominal, &p);
	for (uint64_t i = 0; i < 2000; i++) {
		const uint64_t from = i * 1000;
		const struct driver_time early[] = {{from + 450, 1, 0}, {from + 460, 2, 0}},
					 late[] = {{from + 550, 3, 0}};
		assert_false(failed(times(from, 500, early, 2)));
		assert_false(failed(times(from + 500, 500, late, 1)));
	}
	assert_int_equal(kept.count, 2000);
	assert_int_equal(gate.cross_basis, 2000);
	for (uint32_t i = 0; i < kept.count; i++) {
		const uint8_t mask = kept.events[i].mask;
		assert_true(mask == DRIVER_X1 || mask == (DRIVER_Z0 | DRIVER_Z1));
		x += mask == DRIVER_X1;
	}
	assert_true(x > 880 && x < 1120); /* five standard deviations */
}

struct run {
	uint64_t wrong, right, seen;
	struct err err;
};

/* A source whose clock differs by `ppm`, which itself swings; jitter of 8 % of a slot; noise anywhere. */
static struct run drifting(struct prop *p, double ppm, double swing, double chance, double noise)
{
	static struct driver_time t[TIMES_MAX];
	static uint64_t truth[KEPT_MAX];
	struct run out = {0};
	uint64_t slot = 0, record_ps = 0;
	uint32_t count = 0, true_count = 0;
	double phase = 0;

	for (uint64_t last = 0; true_count < 60000 && !failed(out.err);) {
		slot += 1 + (uint64_t)(log((double)prop_u64(p) / 0x1p64 + 1e-18) / log1p(-chance));
		phase += (double)(slot - last) * (ppm + swing * sin((double)slot * chance / 8000)) *
			 1e-3;
		last = slot;
		double jitter = -6;
		for (int i = 0; i < 12; i++)
			jitter += (double)prop_u64(p) / 0x1p64;
		uint64_t at = slot * 1000 + (uint64_t)(phase + 500 + 80 * jitter + 1e6);
		const bool is_noise = (double)prop_u64(p) / 0x1p64 < noise;
		if (is_noise)
			at += prop_u64(p) % 1000;
		else
			truth[true_count++] = slot;
		if (count > 0 && at < t[count - 1].time_ps)
			at = t[count - 1].time_ps;
		if (at < record_ps)
			at = record_ps;
		t[count++] = (struct driver_time){at, 0, 0};
		if (count == 1000) {
			out.err = times(record_ps, at + 1 - record_ps, t, count);
			record_ps = at + 1;
			count = 0;
		}
	}
	/* The source's slot 0 is a million picoseconds late: slot n + 1000 here. */
	for (uint32_t i = 0, k = 0; i < kept.count; i++) {
		while (k < true_count && truth[k] + 1000 < kept.events[i].slot)
			k++;
		*(k < true_count && truth[k] + 1000 == kept.events[i].slot ? &out.right
									   : &out.wrong) += 1;
	}
	out.seen = true_count;
	return out;
}

static void test_a_clock_that_drifts_within_the_limits_is_followed(void **state)
{
	static const struct {
		double chance, ppm;
	} limits[] = {{0.1, 90}, {0.01, 45}, {0.001, 4.5}, {0.0001, 0.45}};
	struct prop p = prop_from_environment(75);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		begin(&nominal, &p);
		const struct run r =
			drifting(&p, limits[i].ppm, 0.05 * limits[i].ppm, limits[i].chance, 0.02);
		print_message("once in %.0f slots, %.2f ppm: %d right, %d wrong of %d, says %.2f\n",
			1 / limits[i].chance, limits[i].ppm, (int)r.right, (int)r.wrong,
			(int)r.seen, gate_drift_ppm(&gate));
		assert_false(failed(r.err));
		assert_true((double)r.right > 0.98 * (double)r.seen);
		assert_true((double)r.wrong < 0.02 * (double)r.seen); /* noise in the gate */
		assert_true(fabs(gate_drift_ppm(&gate) - limits[i].ppm) < 0.15 * limits[i].ppm + 1);
	}
}

static void test_beyond_the_limits_the_light_is_lost_and_said_so(void **state)
{
	struct prop p = prop_from_environment(76);

	(void)state;
	begin(&nominal, &p);
	assert_int_equal(drifting(&p, 300, 0, 0.01, 0).err.kind, ERR_INPUT);
	begin(&nominal, &p); /* nothing but noise */
	assert_int_equal(drifting(&p, 0, 0, 0.01, 1).err.kind, ERR_INPUT);
}

static struct err monitor(uint64_t first, uint64_t length)
{
	const struct driver_monitor m = {.first = first, .length = length, .has_detectors = true};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	driver_monitor_encode(&w, &m);
	return say(&w);
}

static void test_monitored_times_become_slots_without_gaps(void **state)
{
	struct prop p = prop_from_environment(77);

	(void)state;
	begin(&nominal, &p);
	for (uint64_t i = 0; i < 50; i++) {
		const struct driver_time t[] = {{i * 1234 + 300, 0, 0}};
		assert_false(failed(monitor(i * 1234, 1234)));
		assert_false(failed(times(i * 1234, 1234, t, 1)));
		assert_true(kept.monitored_to >= kept.next); /* before the events */
	}
	assert_int_equal(kept.monitored_from, 0);
	/* What does not follow is refused. */
	assert_int_equal(monitor(50 * 1234 + 1, 1234).kind, ERR_INPUT);
	assert_int_equal(monitor(50 * 1234 - 1, 1234).kind, ERR_INPUT);
	assert_false(failed(monitor(50 * 1234, 1234)));
}

static void test_many_clicks_in_one_record_are_handed_over_in_parts(void **state)
{
	static struct driver_time t[3 * GATE_EVENTS];
	struct prop p = prop_from_environment(78);

	(void)state;
	begin(&nominal, &p);
	for (uint64_t i = 0; i < ARRAY_LEN(t); i++)
		t[i] = (struct driver_time){i * 1000 + 500, (uint8_t)(i % 2), 0};
	assert_false(failed(times(0, ARRAY_LEN(t) * 1000, t, ARRAY_LEN(t))));
	assert_int_equal(kept.count, ARRAY_LEN(t));
	/* A long silence is more slots than a record can say. */
	assert_false(failed(times(ARRAY_LEN(t) * 1000, 5ull << 42, NULL, 0)));
	assert_true(kept.next > 1ull << 34);
}

static void test_a_silence_too_long_to_tell_slots_apart_is_refused(void **state)
{
	struct prop p = prop_from_environment(81);
	const struct driver_time t[] = {{500, 0, 0}};
	const uint64_t most = 1ull << 52;

	(void)state;
	begin(&nominal, &p);
	assert_false(failed(times(0, 1000, t, 1)));
	assert_false(failed(times(1000, most - 500, NULL, 0))); /* as much after the click */
	assert_int_equal(times(most + 500, 1, NULL, 0).kind, ERR_INPUT);
}

static void test_settings_that_cannot_be_are_refused(void **state)
{
	struct gate_settings s = nominal;
	struct prop p = prop_from_environment(79);
	const struct entropy entropy = prop_entropy(&p);
	const struct gate_port port = {NULL, keep};
	struct driver_record slots = {.type = DRIVER_SLOTS, .slot_count = 1};

	(void)state;
	s.window = 0.7;
	assert_true(failed(gate_open(&gate, &s, port, entropy, NULL)));
	s = nominal;
	s.period_ps = 1;
	assert_true(failed(gate_open(&gate, &s, port, entropy, NULL)));
	assert_false(failed(gate_open(&gate, &nominal, port, entropy, NULL)));
	assert_int_equal(gate_record(&gate, &slots).kind, ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clicks_become_slots_and_detectors),
		cmocka_unit_test(test_a_slot_cut_by_two_records_is_one_event),
		cmocka_unit_test(test_what_was_lost_is_said),
		cmocka_unit_test(test_clicks_of_both_bases_are_decided_by_a_coin),
		cmocka_unit_test(test_the_coin_falls_once_however_a_slot_is_cut),
		cmocka_unit_test(test_a_clock_that_drifts_within_the_limits_is_followed),
		cmocka_unit_test(test_beyond_the_limits_the_light_is_lost_and_said_so),
		cmocka_unit_test(test_monitored_times_become_slots_without_gaps),
		cmocka_unit_test(test_many_clicks_in_one_record_are_handed_over_in_parts),
		cmocka_unit_test(test_a_silence_too_long_to_tell_slots_apart_is_refused),
		cmocka_unit_test(test_settings_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
