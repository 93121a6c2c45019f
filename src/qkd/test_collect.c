// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Collecting at both ends: what is told and kept of each detection, however many come at once. */
#include "qkd/collect.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { BLOCK = 64 };

static void collect_pair(struct collect *alice, struct collect *bob, struct prop *p)
{
	struct collect_settings settings = {
		.detections_per_block = BLOCK, .slots_max = 10000, .ring_slots = 1024};
	const uint8_t id[QKD_BLOCK_ID] = {7};

	assert_false(failed(collect_open(alice, &settings, prop_entropy(p))));
	settings.is_bob = true;
	assert_false(failed(collect_open(bob, &settings, prop_entropy(p))));
	alice->is_on = bob->is_on = true;
	collect_begin(bob, id, 0);
	collect_begin(alice, id, 0);
}

/* One record of 256 slots at each end; every slot's nibble is its number modulo 12, Bob sees every 8th. */
static void shine(struct collect *alice, struct collect *bob, uint64_t first)
{
	uint8_t nibbles[128], bytes[512];
	struct driver_event events[32];
	struct driver_record record;
	struct wire_fault fault = {0};

	for (uint32_t i = 0; i < 256; i++)
		sift_code_put(nibbles, 4, i, (uint8_t)((first + i) % 12));
	for (uint32_t i = 0; i < 32; i++)
		events[i] = (struct driver_event){first + 8 * i + 5, (uint8_t)(1 << i % 4)};
	struct writer w = writer_of(SPAN_MUT_ARRAY(bytes));
	driver_slots_encode(&w, first, 256, SPAN_ARRAY(nibbles));
	assert_false(failed(driver_decode(writer_span_done(&w), &record, &fault)));
	if (alice != NULL)
		assert_false(failed(collect_record(alice, &record)));
	w = writer_of(SPAN_MUT_ARRAY(bytes));
	driver_events_encode(&w, first, 256, events, 32);
	assert_false(failed(driver_decode(writer_span_done(&w), &record, &fault)));
	if (bob != NULL)
		assert_false(failed(collect_record(bob, &record)));
}

static enum qkd_abort announce(struct collect *alice, struct collect *bob)
{
	struct link_message m = {0};
	enum qkd_abort reason = QKD_GOES_ON;

	if (collect_announce(bob, true, &m)) {
		reason = collect_positions(alice, &m);
		collect_announced(bob);
	}
	return reason;
}

static void test_alice_keeps_what_bob_detected(void **state)
{
	struct prop p = prop_seeded(1);
	struct collect alice, bob;

	(void)state;
	collect_pair(&alice, &bob, &p);
	shine(&alice, &bob, 0);
	assert_int_equal(announce(&alice, &bob), QKD_GOES_ON);
	assert_int_equal(collect_current(&alice)->count, 32);
	/* Bob is ahead of her device: his positions wait. */
	shine(NULL, &bob, 256);
	assert_int_equal(announce(&alice, &bob), QKD_GOES_ON);
	assert_true(collect_is_complete(&bob));
	assert_false(collect_is_complete(&alice));
	assert_false(collect_is_wanted(&bob));
	shine(&alice, NULL, 256);
	assert_true(collect_is_complete(&alice));
	for (uint32_t i = 0; i < BLOCK; i++) {
		assert_int_equal(
			sift_code_at(collect_current(&alice)->codes, 4, i), (8 * i + 5) % 12);
		assert_int_equal(sift_code_at(collect_current(&bob)->codes, 2, i),
			(i % 4 / 2) | i % 4 % 2 << 1);
	}
	struct collect_block *taken = collect_take(&bob);
	assert_non_null(taken);
	assert_null(collect_take(&bob));
	collect_drop(&bob, taken);
	for (size_t i = 0; i < BLOCK / 4; i++)
		assert_int_equal(taken->codes[i], 0);
	collect_close(&alice);
	collect_close(&bob);
}

static void test_slots_that_alice_has_no_more_count_as_lost(void **state)
{
	struct prop p = prop_seeded(2);
	struct collect alice, bob;

	(void)state;
	collect_pair(&alice, &bob, &p);
	for (uint64_t first = 0; first < 1280; first += 256)
		shine(&alice, first == 0 ? &bob : NULL, first);
	assert_int_equal(announce(&alice, &bob), QKD_GOES_ON);
	assert_int_equal(alice.positions_lost, 32);
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(sift_code_at(collect_current(&alice)->codes, 4, i), SIFT_LOST);
	collect_close(&alice);
	collect_close(&bob);
}

static void test_positions_that_cannot_be_are_refused(void **state)
{
	static const struct {
		uint64_t first;
		uint32_t gaps[3];
		enum qkd_abort reason;
	} cases[] = {{0, {3, 1, 1}, QKD_GOES_ON}, {0, {3, 0, 1}, QKD_PROTOCOL},
		{UINT64_MAX - 1, {0, 1, 1}, QKD_PROTOCOL},
		{UINT64_MAX / 2, {1, 1, 1}, QKD_PROTOCOL}};
	struct prop p = prop_seeded(3);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct collect alice, bob;
		uint8_t gaps[16];
		struct writer w = writer_of(SPAN_MUT_ARRAY(gaps));
		collect_pair(&alice, &bob, &p);
		for (size_t k = 0; k < 3; k++)
			link_gap_put(&w, cases[i].gaps[k]);
		struct link_message m = {
			.first_slot = cases[i].first, .count = 3, .items = writer_span_done(&w)};
		assert_int_equal(collect_positions(&alice, &m), cases[i].reason);
		m.count = BLOCK + 1;
		assert_int_equal(collect_positions(&alice, &m), QKD_PROTOCOL);
		collect_close(&alice);
		collect_close(&bob);
	}
}

/* Her nibble of a slot, where there are 2^20 slots. */
static uint8_t nibble_of(uint64_t slot)
{
	return (uint8_t)(slot * 2654435761u >> 7) % 12;
}

/* Mostly near ones; one in 64 has more octets, or, if asked for, is none. */
static uint32_t some_gap(struct prop *p, bool zero)
{
	static const uint32_t rare[] = {0x7f, 0x80, 0x81, 0x3fff, 0x4000, 300};

	if (prop_below(p, 64) != 0)
		return 1 + (uint32_t)prop_below(p, 9);
	return zero && prop_below(p, 64) == 0 ? 0 : rare[prop_below(p, ARRAY_LEN(rare))];
}

enum { MANY = 3000, RING = 4096 };

/* What collect_positions() and collect_record() should come to: position by position. */
struct looked_up {
	uint64_t slots[MANY], next_slot, lost;
	uint8_t codes[MANY];
	uint32_t told, known;
};

static void look_up_all(struct looked_up *l)
{
	for (; l->known < l->told && l->slots[l->known] < l->next_slot; l->known++) {
		const uint64_t slot = l->slots[l->known];
		const bool is_there = l->next_slot - slot <= RING;
		l->codes[l->known] = is_there ? nibble_of(slot) : SIFT_LOST;
		l->lost += !is_there;
	}
}

static void alice_device(struct collect *alice, struct looked_up *l, uint32_t slots)
{
	uint8_t nibbles[1024] = {0};
	const struct driver_record record = {.type = DRIVER_SLOTS,
		.first_slot = l->next_slot,
		.slot_count = slots,
		.items = SPAN_ARRAY(nibbles)};

	for (uint32_t i = 0; i < slots; i++)
		sift_code_put(nibbles, 4, i, nibble_of(l->next_slot + i));
	assert_false(failed(collect_record(alice, &record)));
	l->next_slot += slots;
	look_up_all(l);
}

/* False: a slot was named twice, and refused. */
static bool bob_tells(struct collect *alice, struct looked_up *l, struct prop *p, uint32_t count)
{
	uint8_t octets[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(octets));
	uint64_t slot = l->told > 0 ? l->slots[l->told - 1] : 0;
	struct link_message m = {.first_slot = slot, .count = count};
	bool is_good = true;

	for (uint32_t i = 0; i < count; i++) {
		const uint32_t gap = some_gap(p, true);
		link_gap_put(&w, gap);
		slot += gap;
		is_good = is_good && gap > 0;
		if (is_good)
			l->slots[l->told++] = slot;
	}
	m.items = writer_span_done(&w);
	look_up_all(l);
	assert_int_equal(collect_positions(alice, &m), is_good ? QKD_GOES_ON : QKD_PROTOCOL);
	return is_good;
}

/* Until the block has all its detections or one was refused; `far`: her device is ahead, her ring often too short. */
static bool fill_block(struct collect *alice, struct looked_up *l, struct prop *p, bool far)
{
	while (l->told < MANY) {
		const uint64_t last = l->told > 0 ? l->slots[l->told - 1] : 0;
		const uint64_t ahead = prop_below(p, 100) * (far ? RING / 80 : 1);
		const uint32_t left = MANY - l->told, count = 1 + (uint32_t)prop_below(p, 90);
		while (l->next_slot < last + 1 + ahead)
			alice_device(alice, l, 2 + 2 * (uint32_t)prop_below(p, 500));
		if (!bob_tells(alice, l, p, count < left ? count : left))
			return false;
	}
	return true;
}

static void assert_looked_up(struct collect *alice, const struct looked_up *l)
{
	const struct collect_block *b = collect_current(alice);

	assert_int_equal(b->count, l->known);
	assert_int_equal(alice->positions_lost, l->lost);
	assert_int_equal(alice->ahead_count, l->told - l->known);
	assert_int_equal(b->end_slot, l->known > 0 ? l->slots[l->known - 1] + 1 : 0);
	for (uint32_t i = 0; i < l->known; i++)
		assert_int_equal(sift_code_at(b->codes, 4, i), l->codes[i]);
}

static void test_positions_are_looked_up_one_as_many(void **state)
{
	const struct collect_settings settings = {
		.detections_per_block = MANY, .slots_max = 1 << 20, .ring_slots = RING};
	const uint8_t id[QKD_BLOCK_ID] = {7};
	static struct looked_up l;
	struct prop p = prop_from_environment(44);
	uint32_t refused = 0;
	uint64_t lost = 0;

	(void)state;
	for (uint32_t round = 0; round < 300; round++) {
		struct collect alice;
		memset(&l, 0, sizeof l);
		assert_false(failed(collect_open(&alice, &settings, prop_entropy(&p))));
		collect_begin(&alice, id, 0);
		refused += !fill_block(&alice, &l, &p, round % 3 == 0);
		lost += l.lost;
		assert_looked_up(&alice, &l);
		collect_close(&alice);
	}
	assert_in_range(refused, 30, 290);
	assert_in_range(lost, 1000, 300 * MANY);
}

/* What a block of Bob's should come to. */
struct seen {
	uint64_t slots[MANY], next_slot, doubles;
	uint8_t masks[MANY];
	uint32_t count;
};

/* A record of up to 199 events; the block begins at slot `first`. */
static void bob_device(struct collect *bob, struct seen *s, struct prop *p, uint64_t first)
{
	static const uint8_t masks[] = {DRIVER_X0, DRIVER_X1, DRIVER_Z0, DRIVER_Z1,
		DRIVER_X0 | DRIVER_X1, DRIVER_Z0 | DRIVER_Z1};
	uint8_t octets[DRIVER_EVENT_OCTETS * 200];
	struct writer w = writer_of(SPAN_MUT_ARRAY(octets));
	struct driver_record record = {.type = DRIVER_EVENTS,
		.first_slot = s->next_slot,
		.event_count = (uint32_t)prop_below(p, 200)};
	uint64_t slot = s->next_slot;

	for (uint32_t i = 0; i < record.event_count; i++) {
		const uint8_t mask =
			masks[prop_below(p, 64) ? prop_below(p, 4) : 4 + prop_below(p, 2)];
		slot += some_gap(p, false);
		writer_u64(&w, slot);
		writer_u8(&w, mask);
		if (slot < first || s->count == MANY)
			continue;
		s->doubles += mask == masks[4] || mask == masks[5];
		s->masks[s->count] = mask;
		s->slots[s->count++] = slot;
	}
	s->next_slot = slot + 1;
	record.items = writer_span_done(&w);
	record.slot_count = (uint32_t)(s->next_slot - record.first_slot);
	assert_false(failed(collect_record(bob, &record)));
}

static void assert_seen(struct collect *bob, const struct seen *s)
{
	const struct collect_block *b = collect_current(bob);
	struct link_message m = {0};
	size_t at = 0;

	assert_true(collect_is_complete(bob) && collect_announce(bob, true, &m));
	assert_int_equal(m.count, MANY);
	assert_int_equal(b->double_clicks, s->doubles);
	assert_int_equal(b->end_slot, s->slots[MANY - 1] + 1);
	uint64_t slot = m.first_slot;
	for (uint32_t i = 0; i < MANY; i++) {
		const uint8_t code = sift_code_at(b->codes, 2, i), basis = code & 1;
		slot += link_gap_next(&m, &at);
		assert_int_equal(slot, s->slots[i]);
		assert_int_equal(basis, s->masks[i] > (DRIVER_X0 | DRIVER_X1));
		/* A double click may have either bit: both detectors are in the mask. */
		assert_true(s->masks[i] & 1 << (basis * 2 + (code >> 1)));
	}
	assert_int_equal(at, m.items.len);
}

static void test_detections_are_told_and_kept_as_they_were(void **state)
{
	const struct collect_settings settings = {
		.is_bob = true, .detections_per_block = MANY, .slots_max = 1 << 30};
	const uint8_t id[QKD_BLOCK_ID] = {7};
	static struct seen s;
	struct prop p = prop_from_environment(46);

	(void)state;
	for (uint32_t round = 0; round < 200; round++) {
		const uint64_t first = prop_below(&p, 3) * 100;
		struct collect bob;
		memset(&s, 0, sizeof s);
		assert_false(failed(collect_open(&bob, &settings, prop_entropy(&p))));
		bob.is_on = true;
		collect_begin(&bob, id, first);
		while (s.count < MANY)
			bob_device(&bob, &s, &p, first);
		assert_seen(&bob, &s);
		collect_close(&bob);
	}
}

static void test_a_block_in_the_dark_is_overdue(void **state)
{
	struct prop p = prop_seeded(4);
	struct collect alice, bob;

	(void)state;
	collect_pair(&alice, &bob, &p);
	shine(NULL, &bob, 0);
	for (uint64_t first = 256; first < 20000 && !collect_is_overdue(&bob); first += 256) {
		const struct driver_record dark = {
			.type = DRIVER_EVENTS, .first_slot = first, .slot_count = 256};
		assert_false(failed(collect_record(&bob, &dark)));
		assert_true(first < 10240);
	}
	assert_true(collect_is_overdue(&bob));
	collect_close(&alice);
	collect_close(&bob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alice_keeps_what_bob_detected),
		cmocka_unit_test(test_slots_that_alice_has_no_more_count_as_lost),
		cmocka_unit_test(test_positions_that_cannot_be_are_refused),
		cmocka_unit_test(test_positions_are_looked_up_one_as_many),
		cmocka_unit_test(test_detections_are_told_and_kept_as_they_were),
		cmocka_unit_test(test_a_block_in_the_dark_is_overdue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
