// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/audit_log.h"
#include "host/loop.h"
#include "support/inject.h"
#include "support/powerloss.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static struct err add(struct audit_log *log, const char *event)
{
	uint8_t hash[AUDIT_HASH_OCTETS];
	uint64_t seq;

	return audit_log_add(log, 1800000000000, span_str(event), &seq, hash);
}

static void append(struct audit_log *log, int count)
{
	char event[64];

	for (int i = 0; i < count; i++) {
		snprintf(event, sizeof event, "{\"what\":\"test\",\"number\":%d}", i);
		assert_false(failed(add(log, event)));
	}
	assert_false(failed(audit_log_sync(log)));
}

static struct powerloss *with_records(struct disk *disk, int count)
{
	struct powerloss *p = powerloss_open(NULL, 1);
	struct complaint c = {0};
	struct audit_log log;

	*disk = powerloss_disk(p);
	assert_false(failed(audit_log_open(&log, disk, &c)));
	append(&log, count);
	audit_log_close(&log);
	return p;
}

static void test_records_follow_each_other_over_restarts(void **state)
{
	struct disk disk;
	struct powerloss *p = with_records(&disk, 5);
	struct audit_summary summary;
	struct complaint c = {0};
	struct audit_log log;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_false(failed(audit_log_open(&log, &disk, &c)));
		assert_int_equal(log.chain.next_seq, 6 + i);
		append(&log, 1);
		audit_log_close(&log);
	}
	assert_false(failed(audit_log_verify(&disk, &summary, &c)));
	assert_int_equal(summary.records, 8);
	assert_int_equal(summary.torn_octets, 0);
	assert_int_equal(summary.octets, powerloss_content(p, AUDIT_FILE).len);
	powerloss_close(p);
}

static void test_an_empty_log_is_a_log(void **state)
{
	struct powerloss *p = powerloss_open(NULL, 1);
	const struct disk disk = powerloss_disk(p);
	struct audit_summary summary;

	(void)state;
	assert_false(failed(audit_log_verify(&disk, &summary, NULL)));
	assert_int_equal(summary.records, 0);
	powerloss_close(p);
}

static void test_any_changed_octet_is_refused(void **state)
{
	struct disk disk;
	struct powerloss *p = with_records(&disk, 4);
	const struct span_mut file = powerloss_content(p, AUDIT_FILE);
	struct audit_summary summary;
	struct audit_log log;

	(void)state;
	for (size_t i = 0; i < file.len - 1; i++) {
		struct complaint c = {0}, d = {0};
		const uint8_t before = file.at[i];
		file.at[i] ^= 1;
		assert_int_equal(audit_log_verify(&disk, &summary, &c).kind, ERR_STATE);
		assert_non_null(strstr(c.text, "audit.jsonl is broken: the record at octet"));
		assert_int_equal(audit_log_open(&log, &disk, &d).kind, ERR_STATE);
		file.at[i] = before;
	}
	assert_int_equal(powerloss_content(p, AUDIT_FILE).len, file.len);
	powerloss_close(p);
}

static void test_a_record_taken_out_or_moved_is_refused(void **state)
{
	struct disk disk;
	struct powerloss *p = with_records(&disk, 4);
	const struct span_mut file = powerloss_content(p, AUDIT_FILE);
	struct audit_summary summary;
	struct audit_log log;
	struct complaint c = {0}, d = {0};

	(void)state;
	const size_t line = file.len / 4; /* all are equally long */
	uint8_t *copy = malloc(file.len);
	memcpy(copy, file.at, file.len);
	memcpy(file.at + line, copy + 2 * line, line);
	memcpy(file.at + 2 * line, copy + line, line);
	assert_int_equal(audit_log_verify(&disk, &summary, &c).kind, ERR_STATE);
	assert_int_equal(summary.records, 1);
	assert_non_null(strstr(c.text, "does not have the next number"));
	memcpy(file.at, copy + line, line); /* the first is gone */
	memcpy(file.at + line, copy + 2 * line, line);
	assert_int_equal(audit_log_open(&log, &disk, &d).kind, ERR_STATE);
	free(copy);
	powerloss_close(p);
}

static void test_a_torn_end_is_cut_and_reported(void **state)
{
	struct disk disk;
	struct powerloss *p = with_records(&disk, 3);
	const size_t whole = powerloss_content(p, AUDIT_FILE).len;
	const char zeros[600] = {0};
	const struct span torn[] = {span_str("{\"seq\":4,\"unix_ms\":18"), span_str("{"),
		SPAN_ARRAY(zeros), span_of("{\"seq\":4\0\0\0}\n{}\n", 17)};
	struct audit_log log;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
		struct audit_summary summary;
		struct complaint c = {0};
		assert_false(failed(disk.append(disk.ctx, AUDIT_FILE, torn[i])));
		assert_false(failed(audit_log_verify(&disk, &summary, &c)));
		assert_int_equal(summary.torn_octets, torn[i].len);
		assert_false(failed(audit_log_open(&log, &disk, &c)));
		assert_int_equal(log.cut_octets, torn[i].len);
		assert_int_equal(log.chain.next_seq, 4);
		audit_log_close(&log);
		assert_int_equal(powerloss_content(p, AUDIT_FILE).len, whole);
	}
	powerloss_close(p);
}

static void test_more_than_a_crash_leaves_is_not_cut(void **state)
{
	static const char zeros[AUDIT_GROUP_MAX + 1];
	struct disk disk;
	struct powerloss *p = with_records(&disk, 3);
	struct complaint c = {0};
	struct audit_log log;

	(void)state;
	assert_false(failed(disk.append(disk.ctx, AUDIT_FILE, SPAN_ARRAY(zeros))));
	assert_int_equal(audit_log_open(&log, &disk, &c).kind, ERR_STATE);
	assert_non_null(strstr(c.text, "more follows it than a crash leaves"));
	powerloss_close(p);
}

static void test_a_long_log_is_entered_at_its_tail(void **state)
{
	struct disk disk;
	struct powerloss *p = with_records(&disk, 200);
	struct audit_summary summary;
	struct complaint c = {0};
	struct audit_log log;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_false(failed(audit_log_open(&log, &disk, &c)));
		append(&log, 200);
		audit_log_close(&log);
	}
	const struct span_mut file = powerloss_content(p, AUDIT_FILE);
	assert_true(file.len > 2 * (size_t)AUDIT_WINDOW);
	file.at[1000] ^= 1; /* far back: opening does not see it, verify does */
	assert_false(failed(audit_log_open(&log, &disk, &c)));
	assert_int_equal(log.chain.next_seq, 2201);
	audit_log_close(&log);
	assert_int_equal(audit_log_verify(&disk, &summary, &c).kind, ERR_STATE);
	powerloss_close(p);
}

static void test_a_group_is_one_sync_and_bounded(void **state)
{
	struct powerloss *p = powerloss_open(NULL, 1);
	const struct disk disk = powerloss_disk(p);
	struct complaint c = {0};
	struct audit_log log;
	struct err e = OK;
	int added = 0;

	(void)state;
	assert_false(failed(audit_log_open(&log, &disk, &c)));
	assert_int_equal(add(&log, "no event").kind, ERR_INPUT);
	for (; !failed(e); added += !failed(e))
		e = add(&log, "{}");
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_true(added > 200);
	assert_false(failed(audit_log_sync(&log)));
	assert_int_equal(powerloss_counts(p).syncs, 1);
	assert_false(failed(add(&log, "{}")));
	assert_int_equal(log.chain.next_seq, added + 2);
	audit_log_close(&log);
	powerloss_close(p);
}

/* -------- crashes -------- */

/* Appends groups until the power goes; the number of the last record that was durable. */
static uint64_t append_until_the_power_goes(
	struct powerloss *p, struct prop *prop, uint64_t durable)
{
	const struct disk disk = powerloss_disk(p);
	struct complaint c = {0};
	struct audit_log log;
	char event[800];

	const struct err opened = audit_log_open(&log, &disk, &c);
	if (failed(opened) && !powerloss_is_off(p))
		fail_msg("%s", c.text);
	if (failed(opened))
		return durable;
	if (log.chain.next_seq <= durable)
		fail_msg("record %lu was durable, the next is %lu", (unsigned long)durable,
			(unsigned long)log.chain.next_seq);
	for (int group = 0; group < 40; group++) {
		for (uint64_t i = prop_below(prop, 5); i > 0; i--) {
			snprintf(event, sizeof event, "{\"filler\":\"%0*d\"}",
				(int)prop_below(prop, 700) + 1, 7);
			assert_false(failed(add(&log, event)));
		}
		if (failed(audit_log_sync(&log)))
			break;
		durable = log.chain.next_seq - 1;
	}
	assert_true(!log.is_dead || audit_log_sync(&log).kind == ERR_IO);
	audit_log_close(&log);
	return durable;
}

static void test_nothing_answered_is_lost_over_a_thousand_power_losses(void **state)
{
	uint64_t records = 0, crashes = 0, lost = 0;
	const uint64_t seed = prop_from_environment(1).seed;

	(void)state;
	for (uint64_t disk_number = 0; disk_number < 50; disk_number++) {
		struct powerloss *p = powerloss_open(NULL, seed + disk_number);
		struct prop prop = prop_seeded(~seed - disk_number);
		const struct disk disk = powerloss_disk(p);
		struct audit_summary summary;
		struct complaint c = {0};
		uint64_t durable = 0;
		for (int life = 0; life < 25; life++) {
			powerloss_restart(p);
			powerloss_fault(
				p, POWERLOSS_ANY, POWERLOSS_POWER_OFF, 1 + prop_below(&prop, 100));
			durable = append_until_the_power_goes(p, &prop, durable);
			if (!powerloss_is_off(p))
				powerloss_crash(p);
		}
		powerloss_restart(p);
		if (failed(audit_log_verify(&disk, &summary, &c)))
			fail_msg("%s", c.text);
		assert_true(summary.records >= durable);
		records += summary.records;
		crashes += powerloss_counts(p).crashes;
		lost += powerloss_counts(p).lost + powerloss_counts(p).torn;
		powerloss_close(p);
	}
	print_message("%lu power losses, %lu records, %lu writes lost or torn\n",
		(unsigned long)crashes, (unsigned long)records, (unsigned long)lost);
	assert_true(crashes >= 1000 && records > 5000 && lost > 100);
}

static void test_after_a_failed_sync_nothing_is_taken_on(void **state)
{
	struct disk disk;
	struct powerloss *p = with_records(&disk, 1);
	struct complaint c = {0};
	struct audit_log log;

	(void)state;
	assert_false(failed(audit_log_open(&log, &disk, &c)));
	assert_false(failed(add(&log, "{}")));
	powerloss_fault(p, POWERLOSS_SYNC, POWERLOSS_FAIL, 1);
	assert_int_equal(audit_log_sync(&log).kind, ERR_IO);
	const uint64_t writes = powerloss_counts(p).writes;
	assert_int_equal(add(&log, "{}").kind, ERR_IO);
	assert_int_equal(audit_log_sync(&log).kind, ERR_IO);
	assert_int_equal(powerloss_counts(p).writes, writes);
	audit_log_close(&log);
	powerloss_close(p);
}

/* -------- on a real folder -------- */

static void real_scenario(const char *folder, uint64_t *durable)
{
	struct complaint c = {0};
	struct audit_log log;
	struct disk disk;

	if (failed(disk_posix_open(&disk, folder, &c)))
		return;
	if (!failed(audit_log_open(&log, &disk, &c))) {
		for (int i = 0; i < 2; i++)
			if (!failed(add(&log, "{\"real\":true}")) && !failed(audit_log_sync(&log)))
				*durable = log.chain.next_seq - 1;
		audit_log_close(&log);
	}
	disk_posix_close(&disk);
}

static void test_on_a_real_folder_each_call_may_fail(void **state)
{
	char folder[] = "/tmp/merlon-audit-XXXXXX", path[64];
	static const enum inject_call calls[] = {
		INJECT_ALLOC, INJECT_WRITE, INJECT_WRITE_SHORT, INJECT_SYNC};
	struct audit_summary summary;
	struct complaint c = {0};
	struct disk disk;
	uint64_t durable = 0, failures = 0;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		for (uint64_t n = 1;; n++) {
			inject_fail_at(calls[i], n);
			real_scenario(folder, &durable);
			if (!inject_off())
				break;
			failures++;
		}
	assert_true(failures >= 8);
	assert_false(failed(disk_posix_open(&disk, folder, &c)));
	if (failed(audit_log_verify(&disk, &summary, &c)))
		fail_msg("%s", c.text);
	assert_true(summary.records >= durable && durable >= 8);
	disk_posix_close(&disk);
	snprintf(path, sizeof path, "%s/%s", folder, AUDIT_FILE);
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_follow_each_other_over_restarts),
		cmocka_unit_test(test_an_empty_log_is_a_log),
		cmocka_unit_test(test_any_changed_octet_is_refused),
		cmocka_unit_test(test_a_record_taken_out_or_moved_is_refused),
		cmocka_unit_test(test_a_torn_end_is_cut_and_reported),
		cmocka_unit_test(test_more_than_a_crash_leaves_is_not_cut),
		cmocka_unit_test(test_a_long_log_is_entered_at_its_tail),
		cmocka_unit_test(test_a_group_is_one_sync_and_bounded),
		cmocka_unit_test(test_nothing_answered_is_lost_over_a_thousand_power_losses),
		cmocka_unit_test(test_after_a_failed_sync_nothing_is_taken_on),
		cmocka_unit_test(test_on_a_real_folder_each_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
