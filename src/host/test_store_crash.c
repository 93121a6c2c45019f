// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * What the store promises when the power goes or calls fail: nothing that was answered OK is lost. The counter is what
 * SQN ceilings and pad indices are: raised durably, then used; used twice is the worst that can happen.
 */
#include "host/store.h"
#include "support/inject.h"
#include "support/powerloss.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { RAISE, FILL };

static const char *const create[] = {
	"CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)",
	"CREATE TABLE filler (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
	"INSERT INTO counter (id, value) VALUES (1, 0)",
	NULL,
};

static const struct store_statement statements[] = {
	[RAISE] = {"raise", "UPDATE counter SET value = value + $1 WHERE id = 1 RETURNING value"},
	[FILL] = {"fill", "INSERT INTO filler (id, body) VALUES ($1, $2) "
			  "ON CONFLICT (id) DO UPDATE SET body = excluded.body"},
};

static const struct store_schema schema = {
	.name = "crash",
	.version = 1,
	.create = create,
	.statements = statements,
	.statement_count = ARRAY_LEN(statements),
};

static const struct store_settings on_disk = {
	.path = "a.db", .vfs = "crash", .schema = &schema, .checkpoint_pages = 12};

struct user {
	int64_t highest;   /* value ever answered OK */
	uint64_t used;     /* how many were */
	uint64_t repeated; /* must stay 0 */
	uint64_t unsure, refused;
};

static void use(void *ctx, struct err err, const struct store_result *r)
{
	struct user *u = ctx;

	if (failed(err)) {
		assert_int_equal(store_result_rows(r, 0), 0);
		u->unsure += err.kind == ERR_IO;
		u->refused += err.kind != ERR_IO;
		return;
	}
	if (store_result_rows(r, 0) == 0) { /* the counter itself is gone */
		u->repeated++;
		return;
	}
	const int64_t value = store_result_row(r, 0, 0)->columns[0].i64;
	u->repeated += value <= u->highest;
	u->highest = value > u->highest ? value : u->highest;
	u->used++;
}

static struct store_batch *raise_by(int64_t by)
{
	struct store_batch *b = store_batch_open();

	store_batch_add(b, RAISE, &STORE_I64_VALUE(by), 1);
	return b;
}

/* Enough pages that a few of these make a checkpoint, and the file grows by more than a page at once. */
static struct store_batch *fill(struct prop *p)
{
	static uint8_t body[20000];
	struct store_batch *b = store_batch_open();

	prop_fill(p, span_mut_of(body, 64));
	store_batch_add(b, RAISE, &STORE_I64_VALUE(1), 1);
	store_batch_add(b, FILL,
		(struct store_value[]){
			STORE_I64_VALUE(prop_below(p, 3)), STORE_BLOB_VALUE(SPAN_ARRAY(body))},
		2);
	return b;
}

/* -------- power loss -------- */

static void raise_until_the_power_goes(
	struct store *s, struct powerloss *disk, struct prop *p, struct user *u)
{
	struct err e = OK;

	for (int round = 0; round < 30 && !failed(e) && !powerloss_is_off(disk); round++) {
		const bool is_large = prop_below(p, 8) == 0;
		for (uint64_t i = prop_below(p, 3) + 1; i > 0 && !failed(e); i--)
			e = store_submit(s, is_large ? fill(p) : raise_by(1), use, u);
		store_step(s);
	}
	if (!powerloss_is_off(disk))
		powerloss_crash(disk);
}

struct census {
	uint64_t crashes, used, repeated, unreadable, checkpoints, lost, torn;
};

/* One life: open, raise, lose power at some call. The next opens what is left. */
static bool live(struct powerloss *disk, const struct store_settings *settings, struct prop *p,
	struct user *u, struct census *census)
{
	struct complaint c = {0};
	struct store *s;

	powerloss_restart(disk);
	const uint64_t longest = prop_below(p, 4) == 0 ? 400 : 60;
	powerloss_fault(disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF, 1 + prop_below(p, longest));
	const struct err e = store_open(&s, NULL, settings, &c);
	if (failed(e) && !powerloss_is_off(disk)) {
		census->unreadable++;
		return false;
	}
	if (failed(e))
		return true;
	raise_until_the_power_goes(s, disk, p, u);
	census->checkpoints += store_counts(s).checkpoints;
	store_close(s);
	return true;
}

static struct census crash_many(
	uint64_t first_seed, const struct store_settings *settings, bool disk_lies)
{
	enum { DISKS = 60, LIVES = 20 };
	struct census census = {0};

	for (uint64_t seed = first_seed; seed < first_seed + DISKS; seed++) {
		struct powerloss *disk = powerloss_open("crash", seed);
		struct prop p = prop_seeded(~seed);
		struct user u = {0};
		powerloss_sync_lies(disk, disk_lies);
		for (int life = 0; life < LIVES && live(disk, settings, &p, &u, &census); life++)
			;
		const struct powerloss_counts counts = powerloss_counts(disk);
		census.crashes += counts.crashes;
		census.lost += counts.lost;
		census.torn += counts.torn;
		census.used += u.used;
		census.repeated += u.repeated;
		powerloss_close(disk);
	}
	return census;
}

static void census_print(const char *what, const struct census *c)
{
	print_message("%s: %lu power losses, %lu values used, %lu repeated, %lu unreadable "
		      "(%lu checkpoints, %lu changes lost, %lu torn)\n",
		what, (unsigned long)c->crashes, (unsigned long)c->used, (unsigned long)c->repeated,
		(unsigned long)c->unreadable, (unsigned long)c->checkpoints, (unsigned long)c->lost,
		(unsigned long)c->torn);
}

static uint64_t seed_base(void)
{
	return prop_from_environment(1).seed;
}

static void test_a_counter_never_repeats_over_a_thousand_power_losses(void **state)
{
	const struct census c = crash_many(seed_base(), &on_disk, false);

	(void)state;
	census_print("synchronous=EXTRA", &c);
	assert_int_equal(c.repeated, 0);
	assert_int_equal(c.unreadable, 0);
	assert_true(c.crashes >= 1000);
	/* The test is one only if there was something to lose. */
	assert_true(c.used > 1000 && c.lost > 500 && c.torn > 100 && c.checkpoints > 100);
}

static void test_without_sync_the_same_test_sees_repeats(void **state)
{
	struct store_settings settings = on_disk;

	(void)state;
	settings.unsafe_no_sync = true;
	const struct census off = crash_many(seed_base(), &settings, false);
	census_print("synchronous=OFF", &off);
	assert_true(off.repeated > 0);
	const struct census lying = crash_many(seed_base(), &on_disk, true);
	census_print("a disk that lies", &lying);
	assert_true(lying.repeated > 0);
}

/* -------- failing calls -------- */

/* Seven raises in seven commits, four of them with a large row; checkpoints in between. */
static void scenario(struct user *u, char *why, size_t octets)
{
	struct complaint c = {0};
	struct prop p = prop_seeded(1);
	struct store *s;

	if (failed(store_open(&s, NULL, &on_disk, &c)))
		return;
	for (int i = 0; i < 3; i++) {
		const struct err e = store_run(s, raise_by(1), use, u);
		if (e.kind == ERR_IO) /* it stays refused */
			assert_int_equal(store_run(s, raise_by(1), use, u).kind, ERR_IO);
	}
	for (int i = 0; i < 4; i++)
		(void)!failed(store_run(s, fill(&p), use, u));
	snprintf(why, octets, "%s", store_why(s));
	store_close(s);
}

/* After the power loss that follows: what was answered OK is there, and no more than what was asked. */
static void check_aftermath(struct powerloss *disk, const struct user *u)
{
	struct complaint c = {0};
	struct user after = {0};
	struct store *s;

	powerloss_crash(disk);
	powerloss_restart(disk);
	powerloss_space(disk, UINT64_MAX);
	if (failed(store_open(&s, NULL, &on_disk, &c)))
		fail_msg("%s", c.text);
	assert_false(failed(store_run(s, raise_by(0), use, &after)));
	assert_in_range(after.highest, u->highest, u->highest + (int64_t)u->unsure);
	assert_int_equal(u->repeated, 0);
	store_close(s);
}

static void fail_each(unsigned calls, enum powerloss_kind kind, const char *what)
{
	uint64_t n = 1, unsure = 0, refused = 0;

	for (bool has_fired = true; has_fired; n++) {
		struct powerloss *disk = powerloss_open("crash", n);
		struct user u = {0};
		char why[480] = "";
		powerloss_fault(disk, calls, kind, n);
		scenario(&u, why, sizeof why);
		has_fired = powerloss_fault_fired(disk);
		assert_true(u.unsure == 0 || why[0] != '\0');
		if (!has_fired)
			assert_int_equal(u.used, 7);
		unsure += u.unsure;
		refused += u.refused;
		check_aftermath(disk, &u);
		powerloss_close(disk);
		assert_true(n < 20000);
	}
	print_message("%s: %lu calls failed one by one: %lu batches unsure, %lu refused\n", what,
		(unsigned long)n - 2, (unsigned long)unsure, (unsigned long)refused);
	assert_true(n > 2);
}

static void test_each_call_of_the_disk_fails_once_and_no_ok_is_false(void **state)
{
	(void)state;
	fail_each(POWERLOSS_OPEN | POWERLOSS_REOPEN, POWERLOSS_FAIL, "open");
	fail_each(POWERLOSS_READ, POWERLOSS_FAIL, "read");
	fail_each(POWERLOSS_WRITE, POWERLOSS_FAIL, "write");
	fail_each(POWERLOSS_WRITE, POWERLOSS_SHORT, "short write");
	fail_each(POWERLOSS_WRITE, POWERLOSS_FULL, "disk full");
	fail_each(POWERLOSS_SYNC, POWERLOSS_FAIL, "sync");
	fail_each(POWERLOSS_ANY, POWERLOSS_POWER_OFF, "power");
}

static void test_allocation_fails_at_each_call_and_no_ok_is_false(void **state)
{
	uint64_t n = 1;

	(void)state;
	for (bool has_fired = true; has_fired; n += 1 + n / 50) {
		struct powerloss *disk = powerloss_open("crash", n);
		struct user u = {0};
		char why[480];
		inject_fail_at(INJECT_ALLOC, n);
		scenario(&u, why, sizeof why);
		has_fired = inject_off();
		if (!has_fired)
			assert_int_equal(u.used, 7);
		check_aftermath(disk, &u);
		powerloss_close(disk);
	}
	print_message("allocation: failed at up to call %lu\n", (unsigned long)n);
	assert_true(n > 100);
}

static void test_after_a_failed_sync_the_store_refuses_all_and_touches_nothing(void **state)
{
	struct powerloss *disk = powerloss_open("crash", 1);
	struct complaint c = {0};
	struct user u = {0};
	struct store *s;

	(void)state;
	assert_false(failed(store_open(&s, NULL, &on_disk, &c)));
	assert_false(failed(store_run(s, raise_by(1), use, &u)));
	assert_string_equal(store_why(s), "");
	powerloss_fault(disk, POWERLOSS_SYNC, POWERLOSS_FAIL, 1);
	assert_false(failed(store_submit(s, raise_by(1), use, &u)));
	assert_false(failed(store_submit(s, raise_by(1), use, &u)));
	store_step(s);
	assert_int_equal(u.unsure, 2);
	assert_non_null(strstr(store_why(s), "commit failed"));
	const struct powerloss_counts then = powerloss_counts(disk);
	assert_int_equal(store_submit(s, raise_by(1), use, &u).kind, ERR_IO);
	assert_int_equal(store_run(s, raise_by(1), use, &u).kind, ERR_IO);
	store_close(s);
	const struct powerloss_counts now = powerloss_counts(disk);
	assert_int_equal(now.writes, then.writes);
	assert_int_equal(now.syncs, then.syncs);
	assert_int_equal(u.used, 1);
	powerloss_close(disk);
}

static void test_a_full_disk_is_never_a_false_ok_and_space_helps(void **state)
{
	(void)state;
	for (uint64_t space = 0; space < 120000; space += 1021) {
		struct powerloss *disk = powerloss_open("crash", space);
		struct user u = {0};
		char why[480];
		powerloss_space(disk, space);
		scenario(&u, why, sizeof why);
		assert_true(u.used < 7);
		check_aftermath(disk, &u);
		powerloss_close(disk);
	}
}

/* -------- settings that do not hold -------- */

static void test_a_setting_that_does_not_hold_is_refused_by_name(void **state)
{
	const char *const names[] = {"locking_mode", "journal_mode", "synchronous", "foreign_keys",
		"trusted_schema", "cell_size_check", "temp_store", "secure_delete", "mmap_size",
		"journal_size_limit"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct powerloss *disk = powerloss_open("crash", i);
		struct complaint c = {0};
		struct store *s;
		powerloss_swallow_pragma(disk, names[i]);
		assert_int_equal(store_open(&s, NULL, &on_disk, &c).kind, ERR_STATE);
		assert_non_null(strstr(c.text, "does not hold"));
		assert_non_null(strstr(c.text, names[i]));
		powerloss_close(disk);
	}
}

static int setup_sqlite(void **state)
{
	(void)state;
	inject_sqlite();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_counter_never_repeats_over_a_thousand_power_losses),
		cmocka_unit_test(test_without_sync_the_same_test_sees_repeats),
		cmocka_unit_test(test_each_call_of_the_disk_fails_once_and_no_ok_is_false),
		cmocka_unit_test(test_allocation_fails_at_each_call_and_no_ok_is_false),
		cmocka_unit_test(
			test_after_a_failed_sync_the_store_refuses_all_and_touches_nothing),
		cmocka_unit_test(test_a_full_disk_is_never_a_false_ok_and_space_helps),
		cmocka_unit_test(test_a_setting_that_does_not_hold_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, setup_sqlite, NULL);
}
