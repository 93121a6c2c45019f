// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/random.h"
#include "crypt/hkdf.h"
#include "host/loop.h"
#include "support/inject.h"
#include "support/prop.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { FIFO_OCTETS = 32 << 10 };

static const struct health_claim claim = {8, 4.0, 40};
static char path[64];
static int writer = -1;

/* A device whose samples the test writes. */
static void device_make(void)
{
	snprintf(path, sizeof path, "/tmp/merlon-random-%d", (int)getpid());
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	writer = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(writer >= 0);
}

static void device_remove(void)
{
	if (writer >= 0)
		close(writer);
	writer = -1;
	unlink(path);
}

static void give(const void *at, size_t len)
{
	assert_int_equal(write(writer, at, len), len);
}

static void give_good(struct prop *p, size_t len)
{
	uint8_t octets[FIFO_OCTETS];

	assert_true(len <= sizeof octets);
	for (size_t i = 0; i < len; i++)
		octets[i] = (uint8_t)prop_below(p, 256);
	give(octets, len);
}

static struct err numbered(void *ctx, struct span_mut out)
{
	uint8_t *next = ctx;

	for (size_t i = 0; i < out.len; i++)
		out.at[i] = (*next)++;
	return OK;
}

static void opened(struct random_source *r, struct prop *p, struct entropy system)
{
	device_make();
	give_good(p, HEALTH_START_SAMPLES);
	assert_false(failed(random_open(r, path, &claim, system, NULL)));
}

static void assert_refuses(struct random_source *r, const char *fault)
{
	const struct entropy e = random_entropy(r);
	static const uint8_t zeros[100];
	uint8_t out[100] = {1};

	assert_int_equal(entropy_fill(&e, SPAN_MUT_ARRAY(out)).kind, ERR_CRYPTO);
	assert_memory_equal(out, zeros, sizeof out);
	assert_string_equal(r->fault, fault);
}

/* System octets XOR HKDF(samples): checked from its parts. */
static void test_output_is_the_systems_octets_and_the_samples(void **state)
{
	struct prop p = prop_seeded(1), samples = prop_seeded(2), again = prop_seeded(2);
	uint8_t next = 0, out[100], salt[32], raw[128], expected[100];
	const struct entropy system = {.ctx = &next, .fill = numbered};
	struct random_source r;

	(void)state;
	opened(&r, &p, system);
	give_good(&samples, sizeof raw);
	const struct entropy e = random_entropy(&r);
	assert_false(failed(entropy_fill(&e, SPAN_MUT_ARRAY(out))));
	for (size_t i = 0; i < sizeof raw; i++)
		raw[i] = (uint8_t)prop_below(&again, 256);
	for (size_t i = 0; i < sizeof salt; i++)
		salt[i] = (uint8_t)i;
	assert_false(failed(hkdf_sha256(SPAN_ARRAY(raw), SPAN_ARRAY(salt),
		span_str("merlon random 1"), SPAN_MUT_ARRAY(expected))));
	for (size_t i = 0; i < sizeof out; i++)
		assert_int_equal(out[i], expected[i] ^ (uint8_t)(sizeof salt + i));
	random_close(&r);
	device_remove();
}

static void test_each_piece_takes_fresh_samples(void **state)
{
	struct prop p = prop_seeded(3);
	static uint8_t out[2 * RANDOM_PIECE + 1];
	struct random_source r;

	(void)state;
	opened(&r, &p, entropy_posix());
	give_good(&p, 3 * 128);
	const struct entropy e = random_entropy(&r);
	assert_false(failed(entropy_fill(&e, SPAN_MUT_ARRAY(out))));
	assert_int_equal(r.health.samples, HEALTH_START_SAMPLES + 3 * 128);
	assert_int_equal(r.octets, sizeof out);
	random_close(&r);
	device_remove();
}

/* Small draws share samples, never octets; a fault leaves none of them. */
static void test_small_draws_come_out_of_a_stock_once(void **state)
{
	struct prop p = prop_seeded(8);
	uint8_t next = 0, got[RANDOM_STOCK / 32][32], late[1];
	const struct entropy system = {.ctx = &next, .fill = numbered};
	struct random_source r;

	(void)state;
	opened(&r, &p, system);
	give_good(&p, 2 * 128);
	const struct entropy e = random_entropy(&r);
	for (size_t i = 0; i < RANDOM_STOCK / 32; i++) {
		assert_false(failed(entropy_fill(&e, SPAN_MUT_ARRAY(got[i]))));
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(got[i], got[k], 32);
	}
	assert_int_equal(r.health.samples, HEALTH_START_SAMPLES + 128);
	assert_false(failed(entropy_fill(&e, SPAN_MUT_ARRAY(late))));
	assert_int_equal(r.health.samples, HEALTH_START_SAMPLES + 2 * 128);
	assert_refuses(&r, "it says nothing");
	assert_int_equal(entropy_fill(&e, SPAN_MUT_ARRAY(late)).kind, ERR_CRYPTO);
	for (size_t i = 0; i < RANDOM_STOCK; i++)
		assert_int_equal(r.stock.bytes[i], 0);
	random_close(&r);
	device_remove();
}

/* [SP 800-90B §4.3] */
static void test_a_failed_start_up_gives_nothing_and_stays(void **state)
{
	struct prop p = prop_seeded(4);
	uint8_t stuck[HEALTH_START_SAMPLES] = {0};
	struct random_source r;

	(void)state;
	device_make();
	give(stuck, sizeof stuck);
	assert_false(failed(random_open(&r, path, &claim, entropy_posix(), NULL)));
	assert_refuses(&r, "repetition");
	give_good(&p, 4096); /* it came to its senses: too late */
	assert_refuses(&r, "repetition");
	random_close(&r);
	/* Opened anew it is tested anew; what the stuck one left goes first. */
	device_remove();
	opened(&r, &p, entropy_posix());
	assert_null(r.fault);
	random_close(&r);
	device_remove();
}

static void test_a_source_that_fails_later_gives_nothing_from_then_on(void **state)
{
	struct prop p = prop_seeded(5);
	static uint8_t out[RANDOM_PIECE + 1];
	const uint8_t zeros[RANDOM_PIECE + 1] = {0}, stuck[128] = {9};
	struct random_source r;

	(void)state;
	opened(&r, &p, entropy_posix());
	give_good(&p, 128);
	give(stuck, sizeof stuck); /* in the second piece of one draw */
	const struct entropy e = random_entropy(&r);
	assert_int_equal(entropy_fill(&e, SPAN_MUT_ARRAY(out)).kind, ERR_CRYPTO);
	assert_memory_equal(out, zeros, sizeof out); /* also of the first */
	give_good(&p, 4096);
	assert_refuses(&r, "repetition");
	random_close(&r);
	device_remove();
}

static void test_an_ended_or_silent_source_is_a_fault(void **state)
{
	struct prop p = prop_seeded(6);
	struct random_source r;

	(void)state;
	opened(&r, &p, entropy_posix());
	assert_refuses(&r, "it says nothing");
	random_close(&r);
	device_remove();
	opened(&r, &p, entropy_posix());
	close(writer);
	writer = -1;
	assert_refuses(&r, "it ended");
	random_close(&r);
	device_remove();
}

/* Each failure of the system's generator, at whatever call, is a fault and leaves nothing. */
static void test_failures_of_the_systems_generator_are_faults(void **state)
{
	static uint8_t out[RANDOM_PIECE + 1];
	const uint8_t zeros[RANDOM_PIECE + 1] = {0};
	struct prop p = prop_seeded(7);
	uint64_t n = 1;

	(void)state;
	for (bool has_failed = true; has_failed; n++) {
		struct random_source r;
		opened(&r, &p, entropy_posix());
		give_good(&p, 2 * 128);
		inject_fail_from(INJECT_RANDOM, n);
		const struct entropy e = random_entropy(&r);
		const struct err answer = entropy_fill(&e, SPAN_MUT_ARRAY(out));
		has_failed = inject_off();
		assert_int_equal(answer.kind, has_failed ? ERR_CRYPTO : ERR_NONE);
		if (has_failed) {
			assert_memory_equal(out, zeros, sizeof out);
			assert_refuses(&r, "the system's generator refuses");
		}
		random_close(&r);
		device_remove();
	}
	assert_true(n > 4); /* salt and octets of two pieces */
}

static void test_without_a_device_it_is_the_systems(void **state)
{
	uint8_t next = 0, out[3];
	struct random_source r;

	(void)state;
	assert_false(failed(random_open(
		&r, "", &claim, (struct entropy){.ctx = &next, .fill = numbered}, NULL)));
	const struct entropy e = random_entropy(&r);
	assert_false(failed(entropy_fill(&e, SPAN_MUT_ARRAY(out))));
	assert_true(out[0] == 0 && out[1] == 1 && out[2] == 2);
	random_close(&r);
	assert_refuses(&r, "it is closed");
}

static void test_what_is_no_source_is_refused(void **state)
{
	struct random_source r;
	struct complaint c = {0};
	char file[] = "/tmp/merlon-random-XXXXXX";

	(void)state;
	assert_true(failed(random_open(&r, "/nowhere/hwrng", &claim, entropy_posix(), &c)));
	assert_non_null(strstr(c.text, "/nowhere/hwrng"));
	const int fd = mkstemp(file);
	c = (struct complaint){0};
	assert_true(failed(random_open(&r, file, &claim, entropy_posix(), &c)));
	assert_non_null(strstr(c.text, "no device"));
	close(fd);
	unlink(file);
	const struct health_claim nonsense = {8, 9, 40};
	assert_true(failed(random_open(&r, "/dev/zero", &nonsense, entropy_posix(), NULL)));
	/* A real device that is as bad as can be. */
	assert_false(failed(random_open(&r, "/dev/zero", &claim, entropy_posix(), NULL)));
	assert_refuses(&r, "repetition");
	random_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_is_the_systems_octets_and_the_samples),
		cmocka_unit_test(test_each_piece_takes_fresh_samples),
		cmocka_unit_test(test_small_draws_come_out_of_a_stock_once),
		cmocka_unit_test(test_a_failed_start_up_gives_nothing_and_stays),
		cmocka_unit_test(test_a_source_that_fails_later_gives_nothing_from_then_on),
		cmocka_unit_test(test_an_ended_or_silent_source_is_a_fault),
		cmocka_unit_test(test_failures_of_the_systems_generator_are_faults),
		cmocka_unit_test(test_without_a_device_it_is_the_systems),
		cmocka_unit_test(test_what_is_no_source_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
