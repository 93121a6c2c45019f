// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/alarm.h"
#include "base/ct.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/secret.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void test_first_complaint_wins(void **state)
{
	struct complaint c = {0};

	(void)state;
	assert_int_equal(complain(&c, ERR(INPUT), "line %d", 7).kind, ERR_INPUT);
	assert_int_equal(complain(&c, ERR(IO), "later").kind, ERR_IO);
	assert_string_equal(c.text, "line 7");
	assert_string_equal(err_word(ERR(LIMIT)), "limit");
	assert_string_equal(err_word((struct err){(enum err_kind)99}), "bug");
}

static void test_hex_round_trips_and_refuses_what_is_not_hex(void **state)
{
	struct prop p = prop_from_environment(1);
	uint8_t bytes[64], back[64];
	char text[129];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		const size_t len = prop_below(&p, sizeof bytes + 1);
		prop_fill(&p, span_mut_of(bytes, len));
		hex_from_span(text, span_of(bytes, len));
		assert_int_equal(strlen(text), 2 * len);
		assert_true(hex_to_span(span_mut_of(back, len), text));
		assert_memory_equal(bytes, back, len);
	}
	for (int c = 1; c < 256; c++) {
		const char pair[3] = {(char)c, '0', '\0'};
		const bool is_hex = strchr("0123456789abcdefABCDEF", c) != NULL;
		assert_int_equal(hex_to_span(span_mut_of(back, 1), pair), is_hex);
	}
	assert_false(hex_to_span(span_mut_of(back, 1), "0"));
	assert_false(hex_to_span(span_mut_of(back, 1), "000"));
	assert_true(hex_to_span(span_mut_of(back, 1), "Af"));
	assert_int_equal(back[0], 0xaf);
}

static void test_constant_time_words(void **state)
{
	const uint8_t a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 5};
	uint8_t out[4];

	(void)state;
	assert_true(ct_equal(a, a, 4));
	assert_false(ct_equal(a, b, 4));
	assert_true(ct_equal(a, b, 0));
	assert_int_equal(ct_mask(0), 0);
	assert_int_equal(ct_mask(0x80000000u), 0xffffffffu);
	assert_int_equal(ct_mask(1), 0xffffffffu);
	ct_select(out, ct_mask(1), a, b, 4);
	assert_memory_equal(out, a, 4);
	ct_select(out, ct_mask(0), a, b, 4);
	assert_memory_equal(out, b, 4);
}

static void test_closed_secret_is_wiped_and_its_place_used_again(void **state)
{
	struct secret s;
	struct span stale;

	(void)state;
	const size_t before = secret_octets_open();
	assert_false(failed(secret_copy(&s, span_str("known value"))));
	assert_int_equal(secret_octets_open(), before + 11);
	stale = secret_span(&s);
	secret_close(&s);
	for (size_t i = 0; i < stale.len; i++)
		assert_int_equal(stale.at[i], 0);
	assert_int_equal(secret_octets_open(), before);
	secret_close(&s);
	assert_int_equal(secret_open(&s, 0).kind, ERR_LIMIT);
	assert_int_equal(secret_open(&s, SECRET_OCTETS_MAX + 1).kind, ERR_LIMIT);
}

static void test_many_secrets_of_many_sizes_do_not_overlap(void **state)
{
	enum { COUNT = 300 };
	static struct secret secrets[COUNT];
	struct prop p = prop_from_environment(2);

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct secret *s = &secrets[prop_below(&p, COUNT)];
		secret_close(s);
		assert_false(failed(secret_open(s, 1 + prop_below(&p, 3000))));
		memset(s->bytes, (int)(s - secrets), s->len);
	}
	for (int i = 0; i < COUNT; i++) {
		for (size_t at = 0; at < secrets[i].len; at++)
			assert_int_equal(secrets[i].bytes[at], (uint8_t)i);
		secret_close(&secrets[i]);
	}
}

static void test_a_child_does_not_inherit_secrets(void **state)
{
	struct secret s;
	int status;

	(void)state;
	assert_false(failed(secret_copy(&s, span_str("not for children"))));
	const pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(s.bytes[0] == 'n' ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
	secret_close(&s);
}

static void test_pool_refuses_at_its_limit_and_stale_handles_find_nothing(void **state)
{
	struct pool pool;
	struct pool_handle h[3], extra;
	void *item;

	(void)state;
	assert_false(failed(pool_open(&pool, 3, 40)));
	for (int i = 0; i < 3; i++)
		assert_false(failed(pool_take(&pool, &h[i], &item)));
	assert_int_equal(pool_take(&pool, &extra, &item).kind, ERR_LIMIT);
	assert_int_equal(pool.refused, 1);
	assert_non_null(pool_find(&pool, h[1]));
	pool_give(&pool, h[1]);
	pool_give(&pool, h[1]);
	assert_int_equal(pool.in_use, 2);
	assert_null(pool_find(&pool, h[1]));
	assert_false(failed(pool_take(&pool, &extra, &item)));
	assert_null(pool_find(&pool, h[1]));
	assert_ptr_equal(pool_find(&pool, extra), item);
	assert_null(pool_find(&pool, (struct pool_handle){0}));
	assert_null(pool_find(&pool, (struct pool_handle){.slot = 9, .generation = 1}));
	assert_int_equal(extra.slot, 1);
	assert_int_equal(extra.generation, 3);
	extra = pool_handle_from_u64(pool_handle_to_u64(extra));
	assert_non_null(pool_find(&pool, extra));
	pool_close(&pool);
}

static char last_line[LOG_LINE_MAX + 1];

static void keep_line(void *ctx, enum log_level level, struct span line)
{
	(void)ctx, (void)level;
	memcpy(last_line, line.at, line.len);
	last_line[line.len] = '\0';
}

/* [RFC 8259 §7], [GSMA FS.31 data minimisation] */
static void test_log_lines_are_json_and_mask_subscribers(void **state)
{
	struct log log = {.line = keep_line, .process = "auc-front", .least = LOG_INFO};
	struct log_record r;

	(void)state;
	log_begin(&r, &log, LOG_WARN, "auc", "refused");
	log_imsi(&r, "imsi", "001010000000042");
	log_text(&r, "peer", "a\"b\\c\n\xff");
	log_u64(&r, "count", 7);
	log_end(&r);
	assert_string_equal(last_line,
		"{\"process\":\"auc-front\",\"level\":\"warn\",\"room\":\"auc\","
		"\"event\":\"refused\",\"imsi\":\"00101********42\","
		"\"peer\":\"a\\\"b\\\\c\\u000a\\u00ff\",\"count\":7}");
	last_line[0] = '\0';
	log_begin(&r, &log, LOG_DEBUG, "auc", "unwanted");
	log_end(&r);
	assert_string_equal(last_line, "");
}

static void test_a_log_record_too_long_is_cut_at_a_field(void **state)
{
	struct log log = {.line = keep_line};
	struct log_record r;
	char long_text[LOG_TEXT_MAX + 1];

	(void)state;
	memset(long_text, '\x01', LOG_TEXT_MAX);
	long_text[LOG_TEXT_MAX] = '\0';
	log_begin(&r, &log, LOG_WARN, "room", "event");
	for (int i = 0; i < 10; i++)
		log_text(&r, "text", long_text);
	log_end(&r);
	assert_string_equal(last_line,
		"{\"level\":\"warn\",\"room\":\"room\",\"event\":\"event\",\"cut\":true}");
}

static const struct alarm_kind link_down = {"link_down", ALARM_MAJOR, "The link is down."};

/* [ITU-T X.733; RFC 8632] */
static void test_alarm_is_a_state(void **state)
{
	static struct alarm_registry registry;
	const struct moment now = {0};
	char name[16];

	(void)state;
	alarm_raise(&registry, &link_down, "radio-core", now, "first");
	alarm_raise(&registry, &link_down, "radio-core", now, "second");
	assert_int_equal(registry.raised, 1);
	assert_int_equal(registry.standing[0].times, 2);
	assert_string_equal(registry.standing[0].text, "second");
	assert_false(alarm_stands(&registry, &link_down, "other"));
	alarm_clear(&registry, &link_down, "radio-core");
	assert_false(alarm_stands(&registry, &link_down, "radio-core"));
	for (int i = 0; i < ALARMS_MAX + 1; i++) {
		snprintf(name, sizeof name, "link-%d", i);
		alarm_raise(&registry, &link_down, name, now, "x");
	}
	assert_int_equal(registry.lost, 1);
}

/* A core dump of a waiting process once held 8 octets of a hash key in a vector register. */
static void test_no_trace_of_a_secret_stays_in_registers(void **state)
{
	(void)state;
#if defined(__x86_64__)
	static const uint64_t secret[2] = {0x1122334455667788u, 0x99aabbccddeeff00u};
	uint64_t low[2], high[2];

	__asm__ volatile("movdqu %0, %%xmm1; movdqu %0, %%xmm15" : : "m"(secret) : "xmm1", "xmm15");
	secret_wipe_traces();
	__asm__ volatile("movdqu %%xmm1, %0; movdqu %%xmm15, %1" : "=m"(low), "=m"(high));
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(low[i], 0);
		assert_int_equal(high[i], 0);
	}
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_complaint_wins),
		cmocka_unit_test(test_hex_round_trips_and_refuses_what_is_not_hex),
		cmocka_unit_test(test_constant_time_words),
		cmocka_unit_test(test_closed_secret_is_wiped_and_its_place_used_again),
		cmocka_unit_test(test_many_secrets_of_many_sizes_do_not_overlap),
		cmocka_unit_test(test_a_child_does_not_inherit_secrets),
		cmocka_unit_test(test_pool_refuses_at_its_limit_and_stale_handles_find_nothing),
		cmocka_unit_test(test_log_lines_are_json_and_mask_subscribers),
		cmocka_unit_test(test_a_log_record_too_long_is_cut_at_a_field),
		cmocka_unit_test(test_alarm_is_a_state),
		cmocka_unit_test(test_no_trace_of_a_secret_stays_in_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
