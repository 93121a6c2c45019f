// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Who owns the numbers, and when: a database that is restored from a backup, calendars that are set
 * back and forward, two instances on one database by mistake. And the limits that doc/auc.md names:
 * each is shown by a test that sees numbers come again where it says so. The recorder is the same
 * throughout, so these also show that it can see repeats at all.
 */
#include "test_auc_life.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { HOUR_S = 3600, DAY_S = 86400, YEAR_S = 31536000, IMAGE_MAX = 1 << 20 };
enum { BACKUPS_DEFAULT = 300, CLOCK_LIVES_DEFAULT = 300 };
enum { USED_SEQ = 1000000 };

/* ---- a world with eight subscribers ---- */

enum { EIGHT = 8 };

static void world_open(struct life *life, uint64_t seed)
{
	*life = (struct life){.vfs = "auc-owners", .disk = powerloss_open("auc-owners", seed)};
	life->now = (struct moment){.mono_ms = 5000, .unix_ms = INT64_C(1000) * LIFE_BASE_S};
}

static void begin(struct life *life)
{
	struct complaint c = {0};

	if (!life_open(life, &c))
		fail_msg("%s", c.text);
}

/* The machine dies; what was synced stays. */
static void die(struct life *life)
{
	powerloss_crash(life->disk);
	life_close(life);
	powerloss_restart(life->disk);
}

static void import_eight(struct life *life)
{
	static struct life_import i;

	i = (struct life_import){.life = life, .rows = {.id = 1}};
	for (uint32_t card = 0; card < EIGHT; card++)
		life_import_add(&i, card, 0);
	life_import(&i);
	life_settle(life);
	assert_false(failed(i.err));
}

static void world_close(struct life *life)
{
	powerloss_close(life->disk);
	numbers_close(&life->numbers);
}

/* Each of them asks at most once a second, so nobody runs ahead of the clock. */
static void go_on_s(struct life *life, struct prop *prop, uint64_t seconds)
{
	for (uint64_t s = 0; s < seconds; s++) {
		life_pass_ms(life, 1000);
		ledger_tick(life->ledger);
		life_settle(life);
		if (prop_below(prop, 2) == 0)
			(void)!failed(life_vectors(life, (uint32_t)prop_below(prop, EIGHT),
				(uint32_t)prop_below(prop, 3), 1));
	}
}

/* One card, once a second. */
static void ask_often(struct life *life, uint64_t seconds)
{
	for (uint64_t s = 0; s < seconds; s++) {
		life_pass_ms(life, 1000);
		ledger_tick(life->ledger);
		life_settle(life);
		(void)!failed(life_vectors(life, 0, 0, 1));
	}
}

/* As many vectors as the ceiling allows. */
static void burst(struct life *life, uint32_t card)
{
	for (int i = 0; i < 2 * LIFE_AHEAD && !failed(life_vectors(life, card, 0, 1)); i++)
		;
}

/* ---- a copy of the database, and its return ---- */

struct backup {
	uint8_t bytes[2][IMAGE_MAX];
	size_t len[2];
	bool exists[2];
};
static const char *const files[2] = {"auc.db", "auc.db-wal"};

static void backup_take(struct backup *b, struct life *life)
{
	const struct disk disk = powerloss_disk(life->disk);

	for (size_t i = 0; i < 2; i++)
		b->exists[i] = !failed(
			disk.load(disk.ctx, files[i], SPAN_MUT_ARRAY(b->bytes[i]), &b->len[i]));
	assert_true(b->exists[0]);
}

static void backup_restore(const struct backup *b, struct life *life)
{
	const struct disk disk = powerloss_disk(life->disk);

	for (size_t i = 0; i < 2; i++) {
		const size_t len = b->exists[i] ? b->len[i] : 0; /* an empty log is none */
		assert_false(failed(disk.replace(disk.ctx, files[i], span_of(b->bytes[i], len))));
		assert_false(failed(disk.sync(disk.ctx, files[i])));
	}
}

static struct backup backup;

static uint64_t wanted(uint64_t fallback)
{
	const char *text = getenv("MERLON_CRASHES");
	const uint64_t number = text == NULL ? 0 : strtoull(text, NULL, 10);

	return number == 0 ? fallback : number;
}

/* A backup of a random moment, used again after a random time, with the right clock. */
static void restore_once(struct prop *prop, uint64_t seed, struct life *life)
{
	const uint64_t rounds = 1 + prop_below(prop, 3);

	world_open(life, seed);
	begin(life);
	import_eight(life);
	go_on_s(life, prop, prop_below(prop, 2 * LIFE_AHEAD));
	for (uint64_t i = 0; i < rounds; i++) {
		backup_take(&backup, life);
		go_on_s(life, prop, 1 + prop_below(prop, 3 * LIFE_AHEAD));
		if (prop_below(prop, 2) == 0)
			burst(life, (uint32_t)prop_below(prop, EIGHT));
		die(life);
		backup_restore(&backup, life);
		life_pass_ms(life, 1000 * prop_below(prop, LIFE_AHEAD));
		begin(life);
		/* Long enough for its calendar to catch up with its floor: what comes before that is
		 * the second case of doc/auc.md, shown below. */
		go_on_s(life, prop, 4 * LIFE_AHEAD);
	}
	die(life);
}

static void a_restored_backup_repeats_no_number_while_the_clock_is_right(void **state)
{
	struct prop prop = prop_from_environment(30);
	const uint64_t count = wanted(BACKUPS_DEFAULT);
	uint64_t repeated = 0, numbers = 0, refused = 0;
	static struct life life;

	(void)state;
	for (uint64_t i = 0; i < count; i++) {
		restore_once(&prop, prop.seed + i, &life);
		numbers += life.numbers.count;
		refused += life.refused;
		repeated += numbers_repeated(&life.numbers);
		world_close(&life);
	}
	print_message(
		"seed %llu: %llu databases restored, %llu numbers, %llu repeated, %llu refused\n",
		(unsigned long long)prop.seed, (unsigned long long)count,
		(unsigned long long)numbers, (unsigned long long)repeated,
		(unsigned long long)refused);
	assert_int_equal(repeated, 0);
	assert_int_equal(refused, 0);
}

/* ---- what a restored backup does not cover (doc/auc.md, "Not covered") ---- */

static void not_covered_a_backup_from_before_dif_was_raised_with_a_wrong_clock(void **state)
{
	static struct life life;
	struct prop prop = prop_seeded(2);

	(void)state;
	world_open(&life, 2);
	begin(&life);
	import_eight(&life);
	go_on_s(&life, &prop, 10);
	backup_take(&backup, &life);
	/* The card was used elsewhere: DIF goes up, and numbers with it. */
	for (size_t ind = 0; ind < SQN_INDS; ind++)
		life.cards[0].usim.seq_ms[ind] = USED_SEQ;
	life.cards[0].may_refuse = true;
	ask_often(&life, HOUR_S);
	const size_t before = life.numbers.count;
	die(&life);
	backup_restore(&backup, &life);
	/* The right clock gives numbers below: the card asks for a resynchronisation, as it should … */
	begin(&life);
	life.cards[0].may_refuse = true;
	assert_false(failed(life_vectors(&life, 0, 0, 1)));
	assert_int_equal(ledger_counts(life.ledger).resyncs_moved, 1);
	assert_int_equal(life.refused, 0);
	die(&life);
	assert_int_equal(numbers_repeated(&life.numbers), 0);
	assert_true(life.numbers.count > before);
	/* … and a clock that is wrong by just as much gives the card's numbers again. */
	backup_restore(&backup, &life);
	life.now.unix_ms += INT64_C(1000) * (USED_SEQ - HOUR_S - LIFE_AHEAD);
	begin(&life);
	ask_often(&life, HOUR_S);
	/* In another generation, as the ledger counts: to the card they are the same. */
	for (size_t i = 0; i < life.numbers.count; i++)
		life.numbers.items[i].generation = 0;
	assert_true(numbers_repeated(&life.numbers) > 0);
	life_close(&life);
	world_close(&life);
}

static void not_covered_a_burst_above_a_floor_above_the_calendar(void **state)
{
	static struct life life;
	struct prop prop = prop_seeded(3);

	(void)state;
	world_open(&life, 3);
	begin(&life);
	import_eight(&life);
	go_on_s(&life, &prop, 10);
	backup_take(&backup, &life);
	die(&life);
	begin(&life); /* starts above its calendar: above the ceiling of the life before */
	burst(&life, 0);
	die(&life);
	backup_restore(&backup, &life);
	begin(&life);
	burst(&life, 0);
	assert_true(numbers_repeated(&life.numbers) > 0);
	/* Once the clock has passed them they do not. */
	life.numbers.count = 0;
	go_on_s(&life, &prop, 4 * LIFE_AHEAD);
	assert_int_equal(numbers_repeated(&life.numbers), 0);
	life_close(&life);
	world_close(&life);
}

/* Each crash lifts the floor by a lease; a backup from before many of them knows nothing of it. */
static void not_covered_many_crashes_in_a_short_time_after_the_backup(void **state)
{
	static struct life life;
	struct prop prop = prop_seeded(4);

	(void)state;
	world_open(&life, 4);
	begin(&life);
	import_eight(&life);
	go_on_s(&life, &prop, 10);
	backup_take(&backup, &life);
	for (int crash = 0; crash < 10; crash++) {
		die(&life);
		begin(&life);
	}
	ask_often(&life, 100); /* no burst */
	die(&life);
	backup_restore(&backup, &life);
	begin(&life);
	/* Nobody asks for him until the clock reaches what was lost. Who asks before gets a number that
	 * his card refuses, and the resynchronisation lifts him over it. */
	for (int i = 0; i < 600; i++) {
		life_pass_ms(&life, 1000);
		ledger_tick(life.ledger);
		life_settle(&life);
	}
	ask_often(&life, 1);
	assert_true(numbers_repeated(&life.numbers) > 0);
	life_close(&life);
	world_close(&life);
}

/* ---- calendars ---- */

/* At restarts and while it runs, by up to years, forward and back. */
static void a_calendar_that_is_set_repeats_no_number(void **state)
{
	struct prop prop = prop_from_environment(40);
	const uint64_t count = wanted(CLOCK_LIVES_DEFAULT);
	uint64_t repeated = 0, numbers = 0, refused = 0, sets = 0;
	static struct life life;

	(void)state;
	for (uint64_t done = 0, seed = prop.seed; done < count; seed++) {
		world_open(&life, seed);
		begin(&life);
		import_eight(&life);
		for (int i = 0; i < 20; i++, done++) {
			static const uint64_t spans[] = {60, HOUR_S, DAY_S, YEAR_S};
			const int64_t span = (int64_t)spans[prop_below(&prop, ARRAY_LEN(spans))];
			const int64_t by_s = (int64_t)prop_below(&prop, 2 * (uint64_t)span) - span;
			/* In a life only the monotonic clock counts. */
			life.now.unix_ms += 1000 * by_s;
			go_on_s(&life, &prop, 20);
			if (prop_below(&prop, 3) == 0)
				burst(&life, (uint32_t)prop_below(&prop, EIGHT));
			die(&life);
			life.now.unix_ms += 1000 * by_s;
			life.now.mono_ms = prop_below(&prop, 1000000);
			begin(&life);
			/* Everybody is asked: a card that sleeps through several forward jumps is
			 * beyond delta, and resynchronises with right. */
			for (uint32_t card = 0; card < EIGHT; card++)
				(void)!failed(life_vectors(&life, card, 0, 1));
			sets += 2;
		}
		life_close(&life);
		numbers += life.numbers.count;
		refused += life.refused;
		repeated += numbers_repeated(&life.numbers);
		world_close(&life);
	}
	print_message(
		"seed %llu: calendars set %llu times by up to a year, %llu numbers, %llu repeated, "
		"%llu refused\n",
		(unsigned long long)prop.seed, (unsigned long long)sets,
		(unsigned long long)numbers, (unsigned long long)repeated,
		(unsigned long long)refused);
	assert_int_equal(repeated, 0);
	assert_int_equal(refused, 0);
}

/* A jump of more than delta forward: one resynchronisation, and all is well [TS 33.102 Annex C.2.1]. */
static void a_calendar_ten_years_ahead_costs_one_resynchronisation(void **state)
{
	static struct life life;

	(void)state;
	world_open(&life, 5);
	begin(&life);
	import_eight(&life);
	assert_false(failed(life_vectors(&life, 0, 0, 1)));
	die(&life);
	life.now.unix_ms += INT64_C(10000) * YEAR_S;
	begin(&life);
	life.cards[0].may_refuse = true;
	assert_false(failed(life_vectors(&life, 0, 0, 1)));
	assert_int_equal(ledger_counts(life.ledger).resyncs_moved, 1);
	die(&life);
	life.now.unix_ms -= INT64_C(10000) * YEAR_S; /* and back: the ceiling overrules it */
	begin(&life);
	assert_false(failed(life_vectors(&life, 0, 0, 1)));
	assert_int_equal(ledger_counts(life.ledger).resyncs_moved, 0);
	assert_int_equal(numbers_repeated(&life.numbers), 0);
	assert_int_equal(life.refused, 0);
	life_close(&life);
	world_close(&life);
}

/* ---- two instances on one database, by mistake ---- */

static void locks_keep_a_second_instance_out(void **state)
{
	static struct life first, second;
	struct complaint c = {0};

	(void)state;
	world_open(&first, 6);
	begin(&first);
	import_eight(&first);
	second = (struct life){.vfs = first.vfs, .disk = first.disk, .now = first.now};
	assert_false(life_open(&second, &c));
	assert_non_null(strstr(c.text, "in use by another process"));
	assert_false(failed(life_vectors(&first, 0, 0, 1)));
	life_close(&first);
	world_close(&first);
}

/* Where locks do not hold, as on some network file systems: both work on, interleaved. */
static void without_locks_two(struct prop *prop, uint64_t seed, struct life *first, uint64_t *lost)
{
	static struct life second;
	struct complaint c = {0};

	world_open(first, seed);
	powerloss_no_locks(first->disk, true);
	begin(first);
	import_eight(first);
	go_on_s(first, prop, prop_below(prop, 3 * LIFE_AHEAD));
	second = (struct life){.vfs = first->vfs, .disk = first->disk, .now = first->now};
	if (!life_open(&second, &c))
		fail_msg("%s", c.text);
	for (int i = 0; i < 4 * LIFE_AHEAD; i++) {
		life_pass_ms(first, 1000);
		life_pass_ms(&second, 1000);
		const uint32_t card = (uint32_t)prop_below(prop, EIGHT);
		struct life *who = prop_below(prop, 2) == 0 ? first : &second;
		if (!first->is_lost) {
			ledger_tick(first->ledger);
			life_settle(first);
		}
		ledger_tick(second.ledger);
		life_settle(&second);
		if (!who->is_lost)
			(void)!failed(life_vectors(who, card, (uint32_t)prop_below(prop, 5),
				(uint8_t)(1 + prop_below(prop, 5))));
	}
	*lost += first->is_lost;
	for (size_t i = 0; i < second.numbers.count; i++)
		numbers_add(&first->numbers, second.numbers.items[i].who,
			second.numbers.items[i].generation, second.numbers.items[i].seq);
	life_close(&second);
	life_close(first);
	numbers_close(&second.numbers);
}

static void without_locks_the_older_instance_stops(void **state)
{
	struct prop prop = prop_from_environment(50);
	uint64_t repeated = 0, numbers = 0, lost = 0;
	static struct life first;

	(void)state;
	for (uint64_t i = 0; i < 50; i++) {
		without_locks_two(&prop, prop.seed + i, &first, &lost);
		numbers += first.numbers.count;
		repeated += numbers_repeated(&first.numbers);
		world_close(&first);
	}
	print_message(
		"seed %llu: 50 times two, %llu numbers, %llu older ones stopped, %llu repeated\n",
		(unsigned long long)prop.seed, (unsigned long long)numbers,
		(unsigned long long)lost, (unsigned long long)repeated);
	assert_int_equal(lost, 50);
	assert_int_equal(repeated, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restored_backup_repeats_no_number_while_the_clock_is_right),
		cmocka_unit_test(
			not_covered_a_backup_from_before_dif_was_raised_with_a_wrong_clock),
		cmocka_unit_test(not_covered_a_burst_above_a_floor_above_the_calendar),
		cmocka_unit_test(not_covered_many_crashes_in_a_short_time_after_the_backup),
		cmocka_unit_test(a_calendar_that_is_set_repeats_no_number),
		cmocka_unit_test(a_calendar_ten_years_ahead_costs_one_resynchronisation),
		cmocka_unit_test(locks_keep_a_second_instance_out),
		cmocka_unit_test(without_locks_the_older_instance_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
