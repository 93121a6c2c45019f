// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_timestamps.h"
#include "support/prop.h"
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

/*
 * QKDServer's simulator writes ts = (t << 15) + pattern as (ts >> 32) + ((ts & 0xffffffff) << 32), little-endian
 * [S15qkd/timestampsimulator/timestamp_simulator.py: time_pattern_to_byte_timestamp].
 */
static void by_the_simulator(uint64_t units, uint8_t pattern, uint8_t out[static 8])
{
	const uint64_t ts = (units << 15) + pattern, swapped = ts >> 32 | ts << 32;

	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)(swapped >> (8 * i));
}

static struct err decode(struct timestamps *t, const uint8_t *at, struct timestamp *out)
{
	struct wire_fault fault = {0};

	return timestamp_decode(t, span_of(at, 8), out, &fault);
}

static void test_events_are_those_that_the_simulator_of_qkdserver_writes(void **state)
{
	struct prop p = prop_from_environment(81);
	struct timestamps t = {0};
	struct timestamp event;
	uint8_t bytes[8], ours[8];
	uint64_t units = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(ours));
		const uint8_t pattern = prop_u64(&p) % 16;
		units += prop_u64(&p) % 1000000;
		by_the_simulator(units, pattern, bytes);
		assert_false(failed(decode(&t, bytes, &event)));
		assert_int_equal(event.time_ps, units * 125);
		assert_int_equal(event.pattern, pattern);
		timestamp_encode(&w, event.time_ps, pattern);
		assert_memory_equal(ours, bytes, 8);
	}
}

static void test_the_bits_of_the_card_are_not_read(void **state)
{
	struct timestamps t = {0};
	struct timestamp event;
	uint8_t bytes[8];

	(void)state;
	by_the_simulator(1000, 2, bytes);
	bytes[4] |= 0xf0; /* lsw bits 4 to 14 */
	bytes[5] |= 0x7f;
	assert_false(failed(decode(&t, bytes, &event)));
	assert_int_equal(event.time_ps, 125000);
	assert_int_equal(event.pattern, 2);
}

static void test_time_goes_on_when_the_card_starts_over(void **state)
{
	const uint64_t round = 1ull << 49;
	struct timestamps t = {0};
	struct timestamp event;
	uint8_t bytes[8];

	(void)state;
	by_the_simulator(round - 10, 1, bytes);
	assert_false(failed(decode(&t, bytes, &event)));
	by_the_simulator(5, 1, bytes);
	assert_false(failed(decode(&t, bytes, &event)));
	assert_int_equal(event.time_ps, (round + 5) * 125);
	by_the_simulator(4, 1, bytes); /* a little backwards */
	assert_int_equal(decode(&t, bytes, &event).kind, ERR_INPUT);
	by_the_simulator(6, 1, bytes); /* what was refused has left no trace */
	assert_false(failed(decode(&t, bytes, &event)));
	for (int i = 0; i < 200; i++) { /* for ever: refused, not wrapped */
		by_the_simulator(i % 2 == 0 ? round - 1 : 1, 1, bytes);
		if (failed(decode(&t, bytes, &event)))
			return;
	}
	fail();
}

static void test_a_cut_event_is_refused(void **state)
{
	uint8_t bytes[9] = {0};

	(void)state;
	for (size_t len = 0; len <= 9; len++) {
		struct timestamps t = {0};
		struct timestamp event;
		struct wire_fault fault = {0};
		assert_int_equal(failed(timestamp_decode(&t, span_of(bytes, len), &event, &fault)),
			len != 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_are_those_that_the_simulator_of_qkdserver_writes),
		cmocka_unit_test(test_the_bits_of_the_card_are_not_read),
		cmocka_unit_test(test_time_goes_on_when_the_card_starts_over),
		cmocka_unit_test(test_a_cut_event_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
