// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gateway/rotate.h"
#include "support/prop.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct rotate_times times = {.period_ms = 60000, .lifetime_ms = 3600000};

static struct moment at(uint64_t ms)
{
	return (struct moment){.mono_ms = ms};
}

/* Steps through `events` and returns the effects of the last. */
static uint32_t walk(struct rotate *r, const enum rotate_event *events, size_t count)
{
	uint32_t effects = 0;

	for (size_t i = 0; i < count; i++)
		effects = rotate_step(r, events[i], at(1000));
	return effects;
}

static void test_initiator_goes_key_offer_load_up_confirm(void **state)
{
	static const enum rotate_event way[] = {ROTATE_ON_START, ROTATE_ON_KEY, ROTATE_ON_ACK,
		ROTATE_ON_LOADED, ROTATE_ON_UP, ROTATE_ON_CONFIRMED};
	static const uint32_t effects[] = {ROTATE_TAKE_KEY, ROTATE_TELL_OFFER, ROTATE_LOAD_PPK,
		ROTATE_INITIATE, ROTATE_LIST, ROTATE_TELL_UP | ROTATE_RETIRE | ROTATE_DONE};
	struct rotate r;

	(void)state;
	rotate_open(&r, ROTATE_INITIATOR, times, at(1000));
	for (size_t i = 0; i < ARRAY_LEN(way); i++)
		assert_int_equal(rotate_step(&r, way[i], at(1000)), effects[i]);
	assert_int_equal(r.state, ROTATE_IDLE);
	assert_int_equal(r.done, 1);
	assert_int_equal(rotate_next_ms(&r), 61000);
	assert_int_equal(rotate_tick(&r, at(60999)), 0);
	assert_int_equal(rotate_tick(&r, at(61000)), ROTATE_TAKE_KEY);
}

static void test_responder_accepts_only_when_charon_holds_the_ppk(void **state)
{
	static const enum rotate_event way[] = {ROTATE_ON_OFFERED, ROTATE_ON_KEY, ROTATE_ON_LOADED,
		ROTATE_ON_ACTIVATED, ROTATE_ON_CONFIRMED};
	static const uint32_t effects[] = {ROTATE_TAKE_KEY, ROTATE_LOAD_PPK, ROTATE_ACCEPT,
		ROTATE_LIST, ROTATE_RETIRE | ROTATE_DONE};
	struct rotate r;

	(void)state;
	rotate_open(&r, ROTATE_RESPONDER, times, at(1000));
	assert_int_equal(rotate_next_ms(&r), UINT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(way); i++)
		assert_int_equal(rotate_step(&r, way[i], at(1000)), effects[i]);
	assert_int_equal(r.state, ROTATE_IDLE);
}

static void test_empty_key_store_raises_no_key_and_pauses_longer_and_longer(void **state)
{
	static const uint64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
	struct rotate r;
	uint64_t now = 1000;

	(void)state;
	rotate_open(&r, ROTATE_INITIATOR, times, at(now));
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		assert_int_equal(rotate_tick(&r, at(now)), ROTATE_TAKE_KEY);
		assert_int_equal(rotate_step(&r, ROTATE_ON_NO_KEY, at(now)),
			ROTATE_ABANDON | ROTATE_NO_KEY | ROTATE_FAILED);
		assert_int_equal(rotate_next_ms(&r), now + pauses[i]);
		now += pauses[i];
	}
	assert_int_equal(r.done, 0);
	rotate_tick(&r, at(now));
	rotate_step(&r, ROTATE_ON_NO_KEY, at(now));
	rotate_hurry(&r, at(now));
	assert_int_equal(rotate_next_ms(&r), now + 1000);
}

/* RFC 8784 mixes the PPK in at IKE_AUTH: a wrong one shows as a failed SA, never as a weaker one. */
static void test_failed_sa_leaves_the_old_and_burns_the_key_on_both_sides(void **state)
{
	static const enum rotate_event way[] = {
		ROTATE_ON_START, ROTATE_ON_KEY, ROTATE_ON_ACK, ROTATE_ON_LOADED, ROTATE_ON_DOWN};
	struct rotate r;

	(void)state;
	rotate_open(&r, ROTATE_INITIATOR, times, at(1000));
	const uint32_t effects = walk(&r, way, ARRAY_LEN(way));
	assert_int_equal(effects, ROTATE_ABANDON | ROTATE_DROP | ROTATE_FAILED);
	assert_false(effects & (ROTATE_RETIRE | ROTATE_EXPIRED));
}

static void test_lost_word_of_success_is_looked_up(void **state)
{
	static const enum rotate_event way[] = {ROTATE_ON_OFFERED, ROTATE_ON_KEY, ROTATE_ON_LOADED};
	struct rotate r;

	(void)state;
	rotate_open(&r, ROTATE_RESPONDER, times, at(1000));
	walk(&r, way, ARRAY_LEN(way));
	assert_int_equal(rotate_tick(&r, at(rotate_next_ms(&r))), ROTATE_LIST);
}

static void test_sa_that_outlives_its_ppk_expires_once(void **state)
{
	static const enum rotate_event way[] = {ROTATE_ON_OFFERED, ROTATE_ON_KEY, ROTATE_ON_LOADED,
		ROTATE_ON_ACTIVATED, ROTATE_ON_CONFIRMED};
	struct rotate r;

	(void)state;
	rotate_open(&r, ROTATE_RESPONDER, times, at(0));
	walk(&r, way, ARRAY_LEN(way));
	assert_int_equal(rotate_next_ms(&r), 1000 + times.lifetime_ms);
	assert_int_equal(rotate_tick(&r, at(1000 + times.lifetime_ms - 1)), 0);
	assert_int_equal(rotate_tick(&r, at(1000 + times.lifetime_ms)), ROTATE_EXPIRED);
	assert_int_equal(rotate_tick(&r, at(1000 + times.lifetime_ms)), 0);
}

/*
 * Whatever comes, in whatever order: a key that was asked for is accounted for exactly once (retired or abandoned),
 * an offer that came gets exactly one answer, and a machine left alone comes to rest.
 */
static void test_any_order_of_events_accounts_for_every_key_and_offer(void **state)
{
	struct prop p = prop_from_environment(0x9a7e);

	(void)state;
	for (enum rotate_role role = 0; role < ROTATE_ROLES; role++) {
		struct rotate r;
		uint64_t now = 0, taken = 0, ended = 0, offers = 0, answers = 0;
		rotate_open(&r, role, times, at(now));
		for (int i = 0; i < 200000; i++) {
			const enum rotate_event event =
				(enum rotate_event)prop_below(&p, ROTATE_EVENTS);
			const enum rotate_state before = r.state;
			uint32_t effects = 0;
			now += prop_below(&p, 3000);
			if (prop_below(&p, 8) == 0)
				effects = rotate_tick(&r, at(now));
			else
				effects = rotate_step(&r, event, at(now));
			taken += !!(effects & ROTATE_TAKE_KEY);
			ended += (effects & (ROTATE_RETIRE | ROTATE_ABANDON)) != 0;
			offers += role == ROTATE_RESPONDER && !!(effects & ROTATE_TAKE_KEY);
			answers += (effects & (ROTATE_ACCEPT | ROTATE_REFUSE)) != 0;
			assert_int_equal(taken - ended, r.state != ROTATE_IDLE);
			if (role == ROTATE_RESPONDER)
				assert_int_equal(offers - answers,
					r.state == ROTATE_KEY || r.state == ROTATE_LOAD);
			assert_true(r.state == before || effects != 0);
			assert_false((effects & ROTATE_DONE) && (effects & ROTATE_FAILED));
			assert_false((effects & ROTATE_RETIRE) && (effects & ROTATE_ABANDON));
			assert_false((effects & ROTATE_ACCEPT) && (effects & ROTATE_REFUSE));
		}
		assert_true(r.done > 0 && r.failed > 0);
		while (r.state != ROTATE_IDLE)
			rotate_tick(&r, at(now += 20000));
	}
}

static void test_held_machine_does_not_start_but_still_expires(void **state)
{
	struct rotate r;

	(void)state;
	rotate_open(&r, ROTATE_INITIATOR, times, at(1000));
	r.is_held = true;
	assert_int_equal(rotate_tick(&r, at(5000)), 0);
	assert_int_equal(rotate_next_ms(&r), UINT64_MAX);
	r.done = 1;
	r.done_ms = 1000;
	assert_int_equal(rotate_tick(&r, at(1000 + times.lifetime_ms)), ROTATE_EXPIRED);
	r.is_held = false;
	assert_int_equal(rotate_tick(&r, at(1000 + times.lifetime_ms)), ROTATE_TAKE_KEY);
}

static void rotate_once(struct rotate *r, uint64_t now_ms, bool is_retimed_meanwhile)
{
	static const enum rotate_event way[] = {
		ROTATE_ON_KEY, ROTATE_ON_ACK, ROTATE_ON_LOADED, ROTATE_ON_UP, ROTATE_ON_CONFIRMED};
	const struct rotate_times longer = {.period_ms = 90000, .lifetime_ms = 7200000};

	assert_int_equal(rotate_tick(r, at(now_ms)), ROTATE_TAKE_KEY);
	if (is_retimed_meanwhile)
		rotate_retime(r, longer, at(now_ms));
	for (size_t i = 0; i < ARRAY_LEN(way); i++)
		rotate_step(r, way[i], at(now_ms));
	assert_int_equal(r->state, ROTATE_IDLE);
}

static void test_other_times_hold_at_once(void **state)
{
	const struct rotate_times sooner = {.period_ms = 20000, .lifetime_ms = times.lifetime_ms};
	const struct rotate_times shorter = {.period_ms = 20000, .lifetime_ms = 600000};
	struct rotate r;

	(void)state;
	rotate_open(&r, ROTATE_INITIATOR, times, at(1000));
	rotate_once(&r, 1000, false);
	assert_int_equal(rotate_next_ms(&r), 61000);
	rotate_retime(&r, sooner, at(5000));
	assert_int_equal(rotate_next_ms(&r), 21000);
	/* charon holds the SA to the old lifetime: a new SA now. */
	rotate_retime(&r, shorter, at(6000));
	assert_int_equal(rotate_next_ms(&r), 6000);
	/* The one under way was begun with the old lifetime: another follows. */
	rotate_once(&r, 6000, true);
	assert_int_equal(rotate_next_ms(&r), 6000);
	rotate_once(&r, 6000, false);
	assert_int_equal(rotate_next_ms(&r), 96000);
}

static void test_names_carry_the_key_id_as_a_uuid(void **state)
{
	const uint8_t id[16] = {
		0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0, 1, 2, 3, 4, 5, 6, 0xff};
	char name[ROTATE_NAME_MAX];

	(void)state;
	rotate_ppk_id(name, id);
	assert_string_equal(name, "12345678-9abc-def0-0001-0203040506ff@merlon");
	rotate_connection(name, id);
	assert_string_equal(name, "merlon-12345678-9abc-def0-0001-0203040506ff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initiator_goes_key_offer_load_up_confirm),
		cmocka_unit_test(test_responder_accepts_only_when_charon_holds_the_ppk),
		cmocka_unit_test(test_empty_key_store_raises_no_key_and_pauses_longer_and_longer),
		cmocka_unit_test(test_failed_sa_leaves_the_old_and_burns_the_key_on_both_sides),
		cmocka_unit_test(test_lost_word_of_success_is_looked_up),
		cmocka_unit_test(test_sa_that_outlives_its_ppk_expires_once),
		cmocka_unit_test(test_any_order_of_events_accounts_for_every_key_and_offer),
		cmocka_unit_test(test_held_machine_does_not_start_but_still_expires),
		cmocka_unit_test(test_other_times_hold_at_once),
		cmocka_unit_test(test_names_carry_the_key_id_as_a_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
