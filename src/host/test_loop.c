// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/loop.h"
#include "support/prop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { TIMERS = 200 };

struct tick {
	struct loop_timer timer;
	uint64_t due_ms;
	size_t fired;
	bool is_stopped;
};

static uint64_t last_due_ms;

static void on_tick(void *ctx)
{
	struct tick *t = ctx;

	t->fired++;
	assert_in_range(t->due_ms, last_due_ms, UINT64_MAX);
	last_due_ms = t->due_ms;
}

static void test_timers_fire_in_order_once_and_stopped_ones_never(void **state)
{
	struct prop p = prop_from_environment(11);
	static struct tick ticks[TIMERS];
	struct loop loop;

	(void)state;
	assert_false(failed(loop_open(&loop)));
	for (size_t i = 0; i < TIMERS; i++) {
		loop_timer_open(&loop, &ticks[i].timer, on_tick, &ticks[i]);
		loop_timer_once(&ticks[i].timer, prop_below(&p, 1000)); /* set anew below */
	}
	for (size_t i = 0; i < TIMERS; i++) {
		loop_timer_once(&ticks[i].timer, 20 + prop_below(&p, 60));
		ticks[i].due_ms = ticks[i].timer.due_ms;
	}
	for (size_t i = 0; i < TIMERS; i += 3) {
		loop_timer_stop(&ticks[i].timer);
		ticks[i].is_stopped = true;
	}
	loop_run(&loop); /* until nothing is left to wait for */
	for (size_t i = 0; i < TIMERS; i++)
		assert_int_equal(ticks[i].fired, !ticks[i].is_stopped);
	loop_close(&loop);
}

struct periodic {
	struct loop_timer timer;
	size_t fired;
};

static void on_period(void *ctx)
{
	struct periodic *p = ctx;

	if (++p->fired == 3)
		loop_timer_stop(&p->timer);
}

static void test_periodic_timer_may_stop_itself(void **state)
{
	struct periodic p = {.fired = 0};
	struct loop loop;

	(void)state;
	assert_false(failed(loop_open(&loop)));
	loop_timer_open(&loop, &p.timer, on_period, &p);
	loop_timer_every(&p.timer, 2);
	loop_run(&loop);
	assert_int_equal(p.fired, 3);
	loop_timer_stop(&p.timer);
	loop_close(&loop);
}

struct note {
	struct flush_item item;
	struct loop *loop;
	char name;
	bool again;
};

static char notes[16];
static size_t note_count;

static void on_note(void *ctx)
{
	struct note *n = ctx;

	notes[note_count++] = n->name;
	if (n->again) {
		n->again = false;
		loop_flush_later(n->loop, &n->item);
	}
}

static void test_flushes_come_once_in_order_before_sleep(void **state)
{
	struct loop loop;
	struct note n[4];

	(void)state;
	assert_false(failed(loop_open(&loop)));
	for (size_t i = 0; i < 4; i++)
		n[i] = (struct note){.item = {.flush = on_note, .ctx = &n[i]},
			.loop = &loop,
			.name = (char)('a' + i),
			.again = i == 0};
	for (size_t i = 0; i < 4; i++)
		loop_flush_later(&loop, &n[i].item);
	loop_flush_later(&loop, &n[1].item);
	loop_flush_cancel(&loop, &n[3].item);
	loop_flush_cancel(&loop, &n[3].item);
	loop_run(&loop);
	assert_int_equal(note_count, 4);
	assert_memory_equal(notes, "abca", 4);
	loop_close(&loop);
}

static void test_clock_and_entropy_are_alive(void **state)
{
	const struct clock_port clock = clock_posix();
	const struct entropy entropy = entropy_posix();
	uint8_t a[32] = {0}, b[32] = {0};

	(void)state;
	const struct moment before = clock_now(&clock);
	usleep(3000);
	const struct moment after = clock_now(&clock);
	assert_in_range(after.mono_ms - before.mono_ms, 2, 2000);
	assert_true(after.unix_ms > 1700000000000);
	assert_false(failed(entropy_fill(&entropy, SPAN_MUT_ARRAY(a))));
	assert_false(failed(entropy_fill(&entropy, SPAN_MUT_ARRAY(b))));
	assert_memory_not_equal(a, b, sizeof a);
}

/* ---- The disk ---- */

static struct disk disk;
static char folder[] = "/tmp/merlon-disk-XXXXXX";

static int disk_open(void **state)
{
	struct complaint c = {0};

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_false(failed(disk_posix_open(&disk, folder, &c)));
	return 0;
}

static const char *path(const char *name)
{
	static char text[128];

	snprintf(text, sizeof text, "%s/%s", folder, name);
	return text;
}

static int disk_close(void **state)
{
	static const char *const names[] = {"log", "mark", "link"};

	(void)state;
	disk_posix_close(&disk);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlink(path(names[i]));
	rmdir(folder);
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	return 0;
}

static void assert_holds(const char *name, const char *text)
{
	uint8_t bytes[64];
	size_t len;

	assert_false(failed(disk.load(disk.ctx, name, SPAN_MUT_ARRAY(bytes), &len)));
	assert_int_equal(len, strlen(text));
	assert_memory_equal(bytes, text, len);
}

static void test_disk_appends_replaces_and_loads(void **state)
{
	uint8_t bytes[4];
	size_t len;

	(void)state;
	assert_int_equal(disk.load(disk.ctx, "log", SPAN_MUT_ARRAY(bytes), &len).kind, ERR_ABSENT);
	assert_int_equal(disk.sync(disk.ctx, "log").kind, ERR_ABSENT);
	assert_false(failed(disk.append(disk.ctx, "log", span_str("one,"))));
	assert_false(failed(disk.replace(disk.ctx, "mark", span_str("1"))));
	assert_false(failed(disk.append(disk.ctx, "log", span_str("two"))));
	assert_false(failed(disk.sync(disk.ctx, "log")));
	assert_false(failed(disk.replace(disk.ctx, "mark", span_str("22"))));
	assert_false(failed(disk.sync(disk.ctx, "mark")));
	assert_holds("log", "one,two");
	assert_holds("mark", "22");
	assert_int_equal(disk.load(disk.ctx, "log", SPAN_MUT_ARRAY(bytes), &len).kind, ERR_LIMIT);
	/* Replaced while it was the file being appended to: the next append goes to the new one. */
	assert_false(failed(disk.replace(disk.ctx, "log", span_str("new,"))));
	assert_false(failed(disk.append(disk.ctx, "log", span_str("more"))));
	assert_holds("log", "new,more");
	assert_int_equal(access(path("mark.new"), F_OK), -1);
}

static void test_disk_stays_in_its_folder(void **state)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden"};
	uint8_t bytes[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
			disk.load(disk.ctx, bad[i], SPAN_MUT_ARRAY(bytes), &len).kind, ERR_INPUT);
		assert_int_equal(disk.append(disk.ctx, bad[i], span_str("x")).kind, ERR_INPUT);
		assert_int_equal(disk.replace(disk.ctx, bad[i], span_str("x")).kind, ERR_INPUT);
	}
	assert_int_equal(symlink("/etc/hostname", path("link")), 0);
	assert_int_equal(disk.load(disk.ctx, "link", SPAN_MUT_ARRAY(bytes), &len).kind, ERR_IO);
	assert_int_equal(disk.append(disk.ctx, "link", span_str("x")).kind, ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_fire_in_order_once_and_stopped_ones_never),
		cmocka_unit_test(test_periodic_timer_may_stop_itself),
		cmocka_unit_test(test_flushes_come_once_in_order_before_sleep),
		cmocka_unit_test(test_clock_and_entropy_are_alive),
		cmocka_unit_test_setup_teardown(
			test_disk_appends_replaces_and_loads, disk_open, disk_close),
		cmocka_unit_test_setup_teardown(
			test_disk_stays_in_its_folder, disk_open, disk_close),
	};
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
