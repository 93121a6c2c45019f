// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench/rate.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static volatile sig_atomic_t never, always = 1;

struct spin {
	unsigned rounds, fails_at, done;
	volatile unsigned sink;
};

static void spin(struct spin *s, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++)
		s->sink += i;
}

/* Half of its work only makes the input. */
static struct err turn(void *ctx, unsigned worker, struct bench_account *a)
{
	struct spin *s = ctx;

	bench_aside_begin(a);
	spin(s, 10 * s->rounds);
	bench_aside_end(a);
	spin(s, s->rounds);
	a->bits += 1000;
	a->sum[0] += 1;
	a->sum[1] += worker;
	return ++s->done == s->fails_at ? ERR(LIMIT) : OK;
}

static struct bench_options options(unsigned cores)
{
	return (struct bench_options){.seconds = 0, .cores = cores, .is_over = &never};
}

static void test_turns_are_done_and_summed(void **state)
{
	const struct bench_options o = options(1);
	struct spin s = {.rounds = 20000};
	struct bench_rate r;

	(void)state;
	assert_false(failed(bench_rate(&o, 7, turn, &s, &r)));
	assert_int_equal(r.turns, 7);
	assert_int_equal(r.bits, 7000);
	assert_true(r.sum[0] == 7 && r.sum[1] == 0);
	assert_true(r.cpu_s > 0 && r.best_mbit_per_s >= r.median_mbit_per_s);
	assert_true(r.median_mbit_per_s > 0);
}

static void test_what_is_put_aside_does_not_count(void **state)
{
	const struct bench_options o = options(1);
	struct spin s = {.rounds = 200000};
	const double from = bench_clocks().cpu_s;
	struct bench_rate r;

	(void)state;
	assert_false(failed(bench_rate(&o, 5, turn, &s, &r)));
	/* An eleventh is the work: a half would be a clock that did not stop. */
	assert_true(r.cpu_s < (bench_clocks().cpu_s - from) / 2);
}

/* Two children, each with its own account; where there is only one core, that is said. */
static void test_workers_add_up(void **state)
{
	const struct bench_options o = options(2);
	struct spin s = {.rounds = 20000};
	struct bench_rate r;

	(void)state;
	const struct err e = bench_rate(&o, 5, turn, &s, &r);
	if (e.kind == ERR_ABSENT)
		skip();
	assert_false(failed(e));
	assert_int_equal(r.turns, 10);
	assert_int_equal(r.bits, 10000);
	assert_true(r.sum[0] == 10 && r.sum[1] == 5);
	assert_int_equal(s.done, 0); /* the context here is as it was */
	assert_true(r.wall_mbit_per_s > 0);
}

static void test_a_failure_in_any_worker_is_the_rows(void **state)
{
	struct bench_rate r;

	(void)state;
	for (unsigned cores = 1; cores <= 2; cores++) {
		const struct bench_options o = options(cores);
		struct spin s = {.rounds = 10, .fails_at = 3};
		assert_true(failed(bench_rate(&o, 5, turn, &s, &r)));
	}
}

static void test_an_interrupt_ends_it(void **state)
{
	const struct bench_options o = {.seconds = 600, .cores = 1, .is_over = &always};
	struct spin s = {.rounds = 10};
	struct bench_rate r;

	(void)state;
	assert_false(failed(bench_rate(&o, 5, turn, &s, &r)));
	assert_int_equal(r.turns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns_are_done_and_summed),
		cmocka_unit_test(test_what_is_put_aside_does_not_count),
		cmocka_unit_test(test_workers_add_up),
		cmocka_unit_test(test_a_failure_in_any_worker_is_the_rows),
		cmocka_unit_test(test_an_interrupt_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
