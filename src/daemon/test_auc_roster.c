// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/auc-front/line.h"
#include "daemon/auc-front/roster.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- roster ---- */

static struct roster_row row_of(const char *text)
{
	struct complaint c = {0};
	struct roster_row row;

	if (failed(roster_row_read(&row, text, &c)))
		fail_msg("%s: %s", text, c.text);
	return row;
}

static bool is_from(const char *text, const char *address)
{
	const struct roster_row row = row_of(text);
	struct roster_prefix p;

	assert_false(failed(roster_prefix_read(&p, address)));
	return roster_row_is_from(&row, &p);
}

static void a_row_is_read_whole(void **state)
{
	const struct roster_row row =
		row_of("100 200 3 10.9.0.0/24,fd00::7 00101,310260 SGSN of the east");

	(void)state;
	assert_int_equal(row.rate_per_s, 100);
	assert_int_equal(row.burst, 200);
	assert_int_equal(row.vectors_max, 3);
	assert_int_equal(row.address_count, 2);
	assert_int_equal(row.plmn_count, 2);
	assert_string_equal(row.name, "SGSN of the east");
}

static void rows_that_are_not_right_are_refused(void **state)
{
	static const char *const rows[] = {"", "x", "1 2 3 - -", "1 2 3 - - ", "1 2 6 - - a",
		"1000001 0 0 - - a", "0 1000001 0 - - a", "-1 0 0 - - a", "0 0 0 10.0.0 - a",
		"0 0 0 10.0.0.1/33 - a", "0 0 0 10.0.0.1/ - a", "0 0 0 fd00::/129 - a",
		"0 0 0 - 0010 a", "0 0 0 - 0010101 a", "0 0 0 - 00l01 a",
		"0 0 0 1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1 - a",
		"0 0 0 - - 0123456789012345678901234567890123456789012345678901234567890123"};
	struct roster_row row;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct complaint c = {0};
		if (!failed(roster_row_read(&row, rows[i], &c)) || c.text[0] == '\0')
			fail_msg("taken, or without a word: %s", rows[i]);
	}
}

static void an_address_is_compared_by_its_prefix(void **state)
{
	(void)state;
	assert_true(is_from("0 0 0 - - a", "192.0.2.1:5"));
	assert_true(is_from("0 0 0 10.9.0.0/24 - a", "10.9.0.255:40000"));
	assert_false(is_from("0 0 0 10.9.0.0/24 - a", "10.9.1.0:40000"));
	assert_true(is_from("0 0 0 10.9.0.0/23 - a", "10.9.1.7"));
	assert_true(is_from("0 0 0 10.9.0.1 - a", "10.9.0.1:1"));
	assert_false(is_from("0 0 0 10.9.0.1 - a", "10.9.0.2:1"));
	assert_true(is_from("0 0 0 10.9.0.1 - a", "[::ffff:10.9.0.1]:1"));
	assert_true(is_from("0 0 0 fd00::/16 - a", "[fd00:1::2]:4222"));
	assert_false(is_from("0 0 0 fd00::/16 - a", "10.9.0.1:4222"));
	assert_true(is_from("0 0 0 0.0.0.0/0 - a", "10.9.0.1:4222"));
	assert_false(is_from("0 0 0 0.0.0.0/0 - a", "[fd00:1::2]:4222"));
}

static void a_subscriber_is_known_by_mcc_and_mnc(void **state)
{
	const struct roster_row some = row_of("0 0 0 - 00101,310260 a"),
				any = row_of("0 0 0 - - a");

	(void)state;
	assert_true(roster_row_may_ask(&some, "001010000000001"));
	assert_true(roster_row_may_ask(&some, "310260000000001"));
	assert_false(roster_row_may_ask(&some, "310261000000001"));
	assert_false(roster_row_may_ask(&some, "001020000000001"));
	assert_true(roster_row_may_ask(&any, "999990000000001"));
}

static void names_are_exact(void **state)
{
	static struct roster r = {.count = 1};
	struct roster_prefix near, far;

	(void)state;
	r.rows[0] = row_of("0 0 0 10.0.0.0/8 - SGSN-1");
	assert_non_null(roster_find(&r, "SGSN-1"));
	assert_null(roster_find(&r, "SGSN-10"));
	assert_null(roster_find(&r, "sgsn-1"));
	assert_false(failed(roster_prefix_read(&near, "10.1.1.1:1")));
	assert_false(failed(roster_prefix_read(&far, "11.1.1.1:1")));
	assert_true(roster_knows(&r, &near));
	assert_false(roster_knows(&r, &far));
	r.count = 0;
	assert_true(roster_knows(&r, &far));
}

/* ---- the line ---- */

enum { QUEUES = 3, ITEMS = 100 };

struct numbered {
	struct line_item item;
	int queue, number;
};

static struct numbered items[QUEUES][ITEMS];
static struct queue queues[QUEUES];
static struct line line;

static void line_begin(void)
{
	memset(items, 0, sizeof items);
	memset(queues, 0, sizeof queues);
	line = (struct line){.wait_ms_max = 1000};
}

static void put(int queue, int number, uint64_t now_ms)
{
	items[queue][number] = (struct numbered){.queue = queue, .number = number};
	line_put(&line, &queues[queue], &items[queue][number].item, now_ms);
}

static struct numbered *next(uint64_t now_ms)
{
	bool is_stale;

	return (struct numbered *)(void *)line_next(&line, now_ms, &is_stale);
}

static void queues_take_turns(void **state)
{
	(void)state;
	line_begin();
	for (int i = 0; i < ITEMS; i++)
		put(0, i, 1);
	put(1, 0, 1);
	put(2, 0, 1);
	/* One that came with a hundred does not keep the others waiting. */
	assert_int_equal(next(1)->queue, 0);
	assert_int_equal(next(1)->queue, 1);
	assert_int_equal(next(1)->queue, 2);
	for (int i = 1; i < ITEMS; i++) {
		const struct numbered *n = next(1);
		assert_int_equal(n->queue, 0);
		assert_int_equal(n->number, i); /* and within a queue, in order */
	}
	assert_null(next(1));
	assert_int_equal(line.count, 0);
}

static void a_rate_holds_its_queue_alone(void **state)
{
	struct bucket slow;

	(void)state;
	line_begin();
	bucket_set(&slow, 100, 5, 0);
	queues[0].bucket = &slow;
	for (int i = 0; i < 50; i++)
		put(0, i, 0);
	put(1, 0, 0);
	int of_slow = 0, of_other = 0;
	for (struct numbered *n; (n = next(0)) != NULL;)
		*(n->queue == 0 ? &of_slow : &of_other) += 1;
	assert_int_equal(of_slow, 5); /* the burst */
	assert_int_equal(of_other, 1);
	for (uint64_t ms = 10; ms <= 300; ms += 10) {
		line_release(&line);
		while (next(ms) != NULL)
			of_slow++;
	}
	assert_int_equal(of_slow, 5 + 30); /* 100 a second for 300 ms */
}

static void a_bucket_never_holds_more_than_its_burst(void **state)
{
	struct bucket b;
	int taken = 0;

	(void)state;
	bucket_set(&b, 10, 0, 0);
	while (bucket_take(&b, UINT64_C(1) << 50))
		taken++;
	assert_int_equal(taken, 20);
	bucket_set(&b, 10, 0, 1000);
	for (taken = 0; taken < 100 && bucket_take(&b, 1000 - (uint64_t)taken); taken++)
		continue; /* a clock that was read earlier fills nothing */
	assert_int_equal(taken, 20);
	bucket_set(&b, 0, 0, 0);
	for (int i = 0; i < 1000; i++)
		assert_true(bucket_take(&b, 0));
}

static void the_oldest_goes_first(void **state)
{
	(void)state;
	line_begin();
	for (int i = 0; i < 3; i++)
		put(0, i, (uint64_t)i);
	const struct numbered *n = (void *)queue_drop_oldest(&line, &queues[0]);
	assert_int_equal(n->number, 0);
	assert_int_equal(next(9)->number, 1);
	assert_int_equal(next(9)->number, 2);
	assert_null(queue_drop_oldest(&line, &queues[0]));
}

static void count_stale(void *ctx, struct line_item *item)
{
	(void)item;
	++*(int *)ctx;
}

static void who_waited_too_long_is_stale_and_costs_no_token(void **state)
{
	struct bucket slow;
	bool is_stale;
	int reaped = 0;

	(void)state;
	line_begin();
	bucket_set(&slow, 1, 1, 0);
	queues[0].bucket = &slow;
	put(0, 0, 0);
	put(0, 1, 500);
	put(0, 2, 1400);
	assert_ptr_equal(line_next(&line, 1001, &is_stale), &items[0][0].item);
	assert_true(is_stale);
	assert_ptr_equal(line_next(&line, 1001, &is_stale), &items[0][1].item);
	assert_false(is_stale);
	/* The token is gone: the third is held, and reaped when its time has passed. */
	assert_null(line_next(&line, 1400, &is_stale));
	line_reap(&line, 2400, count_stale, &reaped);
	assert_int_equal(reaped, 0);
	line_reap(&line, 2401, count_stale, &reaped);
	assert_int_equal(reaped, 1);
	assert_int_equal(line.count, 0);
	assert_null(line.held.first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_read_whole),
		cmocka_unit_test(rows_that_are_not_right_are_refused),
		cmocka_unit_test(an_address_is_compared_by_its_prefix),
		cmocka_unit_test(a_subscriber_is_known_by_mcc_and_mnc),
		cmocka_unit_test(names_are_exact),
		cmocka_unit_test(queues_take_turns),
		cmocka_unit_test(a_rate_holds_its_queue_alone),
		cmocka_unit_test(a_bucket_never_holds_more_than_its_burst),
		cmocka_unit_test(the_oldest_goes_first),
		cmocka_unit_test(who_waited_too_long_is_stale_and_costs_no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
