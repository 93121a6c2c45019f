// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * An import from the moment that it is closed: it has happened, and its rows move page after page. Power
 * is lost at every call to the disk on the way, the store's queue is full, others want something durable
 * meanwhile, another owner has come.
 */
#include "daemon/test_auc_life.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { OLD = 4, ROWS = 4 * LIFE_PAGE + 1, SEEDS = 8 };

struct world {
	struct life life;
	struct life_import import;
	struct complaint c;
	struct err err;
	bool is_done;
	uint32_t rows_when_done;
};

static void open_world_seeded(struct world *w, uint64_t seed)
{
	*w = (struct world){
		.life = {.disk = powerloss_open("auc-move", seed),
			.vfs = "auc-move",
			.now = {.mono_ms = 1000, .unix_ms = INT64_C(1000) * LIFE_BASE_S}}};
	powerloss_restart(w->life.disk);
	assert_true(life_open(&w->life, &w->c));
}

static void open_world(struct world *w)
{
	open_world_seeded(w, 3);
}

static void close_world(struct world *w)
{
	life_close(&w->life);
	powerloss_close(w->life.disk);
	numbers_close(&w->life.numbers);
}

static void lose_power(struct world *w)
{
	if (!powerloss_is_off(w->life.disk))
		powerloss_crash(w->life.disk);
	life_close(&w->life);
	powerloss_restart(w->life.disk);
}

static void begin_import(struct world *w, uint64_t id, uint32_t count)
{
	w->import = (struct life_import){.life = &w->life, .rows = {.id = id}};
	for (uint32_t card = 0; card < count; card++)
		life_import_add(&w->import, card, 0);
	life_import(&w->import);
}

static void import_old(struct world *w)
{
	begin_import(w, 1, OLD);
	life_settle(&w->life);
	assert_false(failed(w->import.err));
}

static uint32_t rows_of(const struct world *w, uint64_t id)
{
	uint32_t count = 0;

	for (uint32_t card = 0; card < LIFE_SUBSCRIBERS; card++)
		count += life_keys_of(&w->life, card) == id;
	return count;
}

static void note(void *ctx, struct err err)
{
	struct world *w = ctx;

	w->err = err;
	w->is_done = true;
	w->rows_when_done = rows_of(w, 2);
}

/* ---- power ---- */

struct census {
	uint32_t none, told, untold;
};

static void lose_power_at(struct census *sum, uint64_t seed, uint64_t call)
{
	static struct world w;

	open_world_seeded(&w, seed);
	import_old(&w);
	powerloss_fault(w.life.disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF, call);
	begin_import(&w, 2, ROWS);
	life_settle(&w.life);
	const bool is_told = !failed(w.import.err);
	lose_power(&w);
	/* And once more while that is completed. */
	powerloss_fault(w.life.disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF, 1 + (call + seed) % 37);
	if (life_open(&w.life, &w.c))
		lose_power(&w);
	else
		powerloss_restart(w.life.disk);
	powerloss_fault_clear(w.life.disk);
	assert_true(life_open(&w.life, &w.c));
	const uint32_t rows = rows_of(&w, 2);
	assert_true(rows == ROWS || (rows == 0 && !is_told && rows_of(&w, 1) == OLD));
	sum->none += rows == 0;
	sum->told += is_told;
	sum->untold += rows == ROWS && !is_told;
	for (uint32_t card = 0; card < OLD; card++)
		assert_false(failed(life_vectors(&w.life, card, 0, 1)));
	assert_int_equal(w.life.refused, 0);
	close_world(&w);
}

static void an_import_is_whole_wherever_power_is_lost(void **state)
{
	struct census sum = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		for (uint64_t call = 1; sum.told < seed; call++)
			lose_power_at(&sum, seed, call);
	print_message("power lost at %u calls: %u imports did not happen, %u were completed by the "
		      "next start\n",
		sum.none + sum.untold, sum.none, sum.untold);
	assert_true(sum.none >= SEEDS && sum.untold >= SEEDS);
}

/* ---- what else wants the disk ---- */

static void what_others_want_durable_goes_between_two_pages(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	import_old(&w);
	begin_import(&w, 2, ROWS);
	while (rows_of(&w, 2) == 0)
		assert_true(store_step(w.life.store));
	ledger_disable(w.life.ledger, "001010000000003", true, note, &w);
	life_settle(&w.life);
	assert_false(failed(w.import.err));
	assert_true(w.is_done && !failed(w.err));
	assert_in_range(w.rows_when_done, 1, ROWS - 1);
	assert_int_equal(rows_of(&w, 2), ROWS);
	assert_true(ledger_find(w.life.ledger, "001010000000003")->is_disabled);
	close_world(&w);
}

struct flood {
	struct ledger *ledger;
	uint64_t refused;
	bool is_flood, is_over;
};

/* Asks again and again, one at a time; in the flood until the store's queue refuses. */
static void flood_on(void *ctx, struct err err, const struct store_result *r)
{
	struct flood *f = ctx;
	const uint64_t before = f->refused;

	(void)r;
	f->refused += err.kind == ERR_LIMIT;
	if (failed(err) || f->is_over)
		return;
	do
		ledger_show(f->ledger, "001010000000000", flood_on, f);
	while (f->is_flood && f->refused == before);
}

static void a_page_that_finds_no_room_in_the_queue_is_moved_with_the_next_tick(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	import_old(&w);
	struct flood f = {.ledger = w.life.ledger};
	flood_on(&f, OK, NULL); /* so each time its turn comes before the import's */
	begin_import(&w, 2, ROWS);
	while (rows_of(&w, 2) == 0)
		assert_true(store_step(w.life.store));
	f.is_flood = true;
	for (int i = 0; i < 20; i++)
		assert_true(store_step(w.life.store));
	const uint32_t rows = rows_of(&w, 2);
	assert_in_range(rows, 1, ROWS - 1);
	assert_false(w.life.is_lost);
	f.is_over = true;
	life_settle(&w.life);
	assert_int_equal(rows_of(&w, 2), rows);
	assert_true(ledger_import_is_open(w.life.ledger));
	ledger_tick(w.life.ledger);
	life_settle(&w.life);
	assert_false(failed(w.import.err));
	assert_int_equal(rows_of(&w, 2), ROWS);
	close_world(&w);
}

/* ---- another owner ---- */

static struct ledger *second_owner(struct world *w)
{
	const struct ledger_settings settings = {
		.ahead = LIFE_AHEAD, .subscribers_max = 2 * LIFE_SUBSCRIBERS, .page = LIFE_PAGE};
	struct ledger *second;

	/* By mistake, over the same database. */
	assert_false(failed(ledger_open(&second, w->life.store,
		(struct clock_port){.ctx = &w->life, .now = life_clock}, &settings, &w->c)));
	return second;
}

static void an_owner_who_was_replaced_closes_no_import(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	w.import = (struct life_import){.life = &w.life, .rows = {.id = 2}};
	life_import_add(&w.import, 0, 0);
	ledger_import_rows(w.life.ledger, &w.import.rows, note, &w);
	life_settle(&w.life);
	struct ledger *second = second_owner(&w);
	ledger_import_commit(w.life.ledger, 2, life_imported, &w.import);
	life_settle(&w.life);
	assert_true(failed(w.import.err)); /* never "0 rows, all well" */
	assert_true(w.life.is_lost);
	assert_null(ledger_find(second, "001010000000000"));
	ledger_close(second);
	close_world(&w);
}

static void an_owner_who_is_replaced_while_rows_move_moves_no_more_and_the_next_has_them(
	void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	import_old(&w);
	begin_import(&w, 2, ROWS);
	while (rows_of(&w, 2) == 0)
		assert_true(store_step(w.life.store));
	struct ledger *second = second_owner(&w); /* its turn is after the page on its way */
	const uint32_t rows = rows_of(&w, 2);
	assert_int_equal(ledger_counts(second).subscribers, ROWS);
	life_settle(&w.life);
	assert_true(w.life.is_lost);
	assert_true(failed(w.import.err));
	assert_in_range(rows, 1, ROWS - 1);
	assert_int_equal(rows_of(&w, 2), rows);
	ledger_close(second);
	close_world(&w);
}

static void an_owner_who_was_replaced_clears_nothing_of_the_next(void **state)
{
	static struct auc_import rows;
	struct world w;

	(void)state;
	open_world(&w);
	w.import = (struct life_import){.life = &w.life, .rows = {.id = 2}};
	life_import_add(&w.import, 0, 0);
	ledger_import_rows(w.life.ledger, &w.import.rows, note, &w);
	life_settle(&w.life);
	struct ledger *second = second_owner(&w);
	rows = w.import.rows;
	rows.id = 3;
	ledger_import_rows(second, &rows, note, &w);
	life_settle(&w.life);
	assert_false(failed(w.err));
	ledger_import_abandon(w.life.ledger); /* the old owner's importer goes */
	life_settle(&w.life);
	ledger_import_commit(second, 3, life_imported, &w.import);
	life_settle(&w.life);
	assert_false(failed(w.import.err));
	assert_non_null(ledger_find(second, "001010000000000"));
	ledger_close(second);
	close_world(&w);
}

/* Not "there is no such subscriber". */
static void an_owner_who_was_replaced_says_of_nobody_that_he_is_absent(void **state)
{
	(void)state;
	for (int is_removal = 0; is_removal < 2; is_removal++) {
		struct world w;
		open_world(&w);
		import_old(&w);
		struct ledger *second = second_owner(&w);
		if (is_removal)
			ledger_remove(w.life.ledger, "001010000000000", note, &w);
		else
			ledger_disable(w.life.ledger, "001010000000000", true, note, &w);
		life_settle(&w.life);
		assert_true(w.life.is_lost);
		assert_int_equal(w.err.kind, ERR_IO);
		assert_false(ledger_find(second, "001010000000000")->is_disabled);
		ledger_close(second);
		close_world(&w);
	}
}

/* ---- room, and what is left behind ---- */

static void all_of_a_full_house_can_be_imported_again(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (uint64_t id = 1; id <= 3; id++) {
		w.import = (struct life_import){.life = &w.life, .rows = {.id = id}};
		for (uint32_t card = 0; card < 2 * LIFE_SUBSCRIBERS; card++)
			life_import_add(&w.import, card % LIFE_SUBSCRIBERS, 0);
		for (uint32_t card = 0; card < 2 * LIFE_SUBSCRIBERS; card++)
			life_imsi(card, w.import.rows.rows[card].imsi);
		ledger_import_rows(w.life.ledger, &w.import.rows, note, &w);
		life_settle(&w.life);
		assert_false(failed(w.err));
		ledger_import_commit(w.life.ledger, id, life_imported, &w.import);
		w.import.rows.count = 0;
		life_settle(&w.life);
		assert_false(failed(w.import.err));
	}
	assert_int_equal(ledger_counts(w.life.ledger).subscribers, 2 * LIFE_SUBSCRIBERS);
	w.import.rows = (struct auc_import){.id = 4};
	life_import_add(&w.import, 2 * LIFE_SUBSCRIBERS, 0);
	ledger_import_rows(w.life.ledger, &w.import.rows, note, &w);
	assert_int_equal(w.err.kind, ERR_LIMIT);
	close_world(&w);
}

/* Rows of an import that broke are cleared as well: they name a key that could never be dropped. */
static void what_a_broken_import_left_goes_with_the_importer(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	w.life.kek = (struct life_kek){.id = 1};
	ledger_key_add(w.life.ledger, 1, span_str("wrapped"), note, &w);
	life_settle(&w.life);
	w.import = (struct life_import){.life = &w.life, .rows = {.id = 2}};
	life_import_add(&w.import, 0, 0);
	ledger_import_rows(w.life.ledger, &w.import.rows, note, &w);
	ledger_import_rows(w.life.ledger, &w.import.rows, note, &w); /* the same row again */
	life_settle(&w.life);
	assert_true(failed(w.err));
	ledger_key_drop(w.life.ledger, 1, note, &w);
	life_settle(&w.life);
	assert_int_equal(w.err.kind, ERR_STATE);
	ledger_import_abandon(w.life.ledger);
	ledger_key_drop(w.life.ledger, 1, note, &w);
	life_settle(&w.life);
	assert_false(failed(w.err));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_import_is_whole_wherever_power_is_lost),
		cmocka_unit_test(what_others_want_durable_goes_between_two_pages),
		cmocka_unit_test(
			a_page_that_finds_no_room_in_the_queue_is_moved_with_the_next_tick),
		cmocka_unit_test(an_owner_who_was_replaced_closes_no_import),
		cmocka_unit_test(
			an_owner_who_is_replaced_while_rows_move_moves_no_more_and_the_next_has_them),
		cmocka_unit_test(an_owner_who_was_replaced_clears_nothing_of_the_next),
		cmocka_unit_test(an_owner_who_was_replaced_says_of_nobody_that_he_is_absent),
		cmocka_unit_test(all_of_a_full_house_can_be_imported_again),
		cmocka_unit_test(what_a_broken_import_left_goes_with_the_importer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
