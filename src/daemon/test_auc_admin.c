// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * What the ledger does for an operator, and where it says no: limits of one subscriber, disabled and
 * removed ones, numbers that are reset, imports that lack a row, a database of the schema before. Each
 * over a restart.
 */
#include "daemon/test_auc_life.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *const v1_create[] = {
	"CREATE TABLE auc_lease (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, "
	"ceiling INTEGER NOT NULL)",
	"CREATE TABLE auc_ind (shard INTEGER NOT NULL, ind INTEGER NOT NULL, domain INTEGER NOT "
	"NULL, node TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (shard, ind))",
	"CREATE TABLE auc_subscriber (shard INTEGER NOT NULL, imsi TEXT NOT NULL, epoch INTEGER "
	"NOT NULL, sealed BLOB NOT NULL, dif INTEGER NOT NULL, generation INTEGER NOT NULL, msisdn "
	"TEXT NOT NULL, import INTEGER NOT NULL, PRIMARY KEY (shard, imsi))",
	"CREATE TABLE auc_import_row (shard INTEGER NOT NULL, import INTEGER NOT NULL, imsi TEXT "
	"NOT NULL, sealed BLOB NOT NULL, dif INTEGER NOT NULL, msisdn TEXT NOT NULL, "
	"PRIMARY KEY (shard, import, imsi))",
	"INSERT INTO auc_lease (shard, epoch, ceiling) VALUES (0, 9, 1800004096)",
	"INSERT INTO auc_ind VALUES (0, 7, 1, 'node-0', 5)",
	"INSERT INTO auc_subscriber VALUES (0, '001010000000000', 9, x'5a01020304', -1799990000, "
	"3, '4911', 1)",
	"INSERT INTO auc_subscriber VALUES (0, '001010000000001', 9, x'5a05060708', 12345, 0, '', "
	"1)",
	"INSERT INTO auc_import_row VALUES (0, 2, '001010000000002', x'5a', 1, '')",
	NULL,
};
static const struct store_statement v1_statements[] = {
	{"one", "SELECT epoch FROM auc_lease WHERE shard = $1"}};
static const struct store_schema v1 = {.name = "auc",
	.version = 1,
	.create = v1_create,
	.statements = v1_statements,
	.statement_count = 1};

struct world {
	struct life life;
	struct err err;
	struct auc_import_result result;
	struct complaint c;
	char msisdn[AUC_MSISDN_TEXT];
	size_t rows;
	uint64_t refused[3];
};

static void open_world(struct world *w)
{
	*w = (struct world){
		.life = {.disk = powerloss_open("auc-admin", 3),
			.vfs = "auc-admin",
			.now = {.mono_ms = 1000, .unix_ms = INT64_C(1000) * LIFE_BASE_S}}};
	powerloss_restart(w->life.disk);
}

static void close_world(struct world *w)
{
	life_close(&w->life);
	powerloss_close(w->life.disk);
	free(w->life.numbers.items);
}

static void restart(struct world *w)
{
	life_close(&w->life);
	assert_true(life_open(&w->life, &w->c));
}

static void done(void *ctx, struct err err)
{
	((struct world *)ctx)->err = err;
}

static void done_and_settle(struct world *w)
{
	life_settle(&w->life);
	assert_false(failed(w->err));
}

static const char *imsi_of(uint32_t card)
{
	static char imsi[IMSI_TEXT];

	life_imsi(card, imsi);
	return imsi;
}

static void import(struct world *w, uint64_t id, uint32_t first, uint32_t count, uint64_t seq)
{
	static struct life_import i;

	i = (struct life_import){.life = &w->life, .rows = {.id = id}};
	for (uint32_t card = first; card < first + count; card++)
		life_import_add(&i, card, seq);
	life_import(&i);
	life_settle(&w->life);
	assert_false(failed(i.err));
}

static uint64_t next_seq(struct world *w, uint32_t card)
{
	const size_t before = w->life.numbers.count;

	assert_false(failed(life_vectors(&w->life, card, 0, 1)));
	assert_true(w->life.numbers.count > before);
	return w->life.numbers.items[w->life.numbers.count - 1].seq;
}

static enum err_kind kind_of_vectors(struct world *w, uint32_t card)
{
	return life_vectors(&w->life, card, 0, 1).kind;
}

/* ---- the schema before ---- */

static void shown(void *ctx, struct err err, const struct store_result *r)
{
	struct world *w = ctx;

	w->err = err;
	w->rows = store_result_rows(r, 0);
	if (w->rows == 1)
		snprintf(w->msisdn, sizeof w->msisdn, "%s",
			(const char *)store_result_row(r, 0, 0)->columns[LIST_MSISDN].bytes.at);
}

static void a_database_of_version_1_keeps_every_number(void **state)
{
	static const uint8_t sealed[] = {0x5a, 1, 2, 3, 4};
	const struct store_settings on_disk = {.path = "auc.db", .schema = &v1, .vfs = "auc-admin"};
	struct world w;
	struct store *old;

	(void)state;
	open_world(&w);
	assert_false(failed(store_open(&old, NULL, &on_disk, &w.c)));
	store_close(old);
	for (int start = 0; start < 2; start++) {
		assert_true(life_open(&w.life, &w.c));
		assert_int_equal(ledger_counts(w.life.ledger).subscribers, 2);
		assert_int_equal(ledger_counts(w.life.ledger).epoch, 10 + start);
		const struct subscriber *s = ledger_find(w.life.ledger, imsi_of(0));
		assert_true(s->dif == -1799990000 && s->generation == 3);
		assert_true(span_equal(ledger_sealed(w.life.ledger, s), SPAN_ARRAY(sealed)));
		assert_true(ledger_find(w.life.ledger, imsi_of(1))->dif == 12345);
		ledger_show(w.life.ledger, imsi_of(0), shown, &w);
		life_settle(&w.life);
		assert_string_equal(w.msisdn, "4911");
		/* Above the ceiling that version 1 recorded, and the IND of the node as it was. */
		assert_true((int64_t)next_seq(&w, 0) > INT64_C(1800004096) - 1799990000);
		if (start == 0)
			life_close(&w.life);
	}
	close_world(&w);
}

/* ---- disabled, removed ---- */

static void who_is_disabled_gets_nothing_until_he_is_enabled_and_an_import_leaves_it_so(
	void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	assert_true(life_open(&w.life, &w.c));
	import(&w, 1, 0, 2, 0);
	ledger_disable(w.life.ledger, imsi_of(0), true, done, &w);
	done_and_settle(&w);
	for (int round = 0; round < 3; round++) {
		const struct auth_request q = {.imsi = "001010000000000"};
		assert_int_equal(kind_of_vectors(&w, 0), ERR_STATE);
		assert_int_equal(ledger_resync_allow(w.life.ledger, &q).kind, ERR_STATE);
		assert_int_equal(kind_of_vectors(&w, 1), ERR_NONE);
		if (round == 0)
			restart(&w);
		if (round == 1)
			import(&w, 2, 0, 1, 0);
	}
	ledger_disable(w.life.ledger, imsi_of(0), false, done, &w);
	done_and_settle(&w);
	assert_int_equal(kind_of_vectors(&w, 0), ERR_NONE);
	ledger_disable(w.life.ledger, imsi_of(30), true, done, &w);
	assert_int_equal(w.err.kind, ERR_ABSENT);
	close_world(&w);
}

static void who_was_removed_leaves_no_keys_and_his_numbers_go_on_if_he_comes_again(void **state)
{
	struct world w;

	(void)state;
	for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
		open_world(&w);
		assert_true(life_open(&w.life, &w.c));
		import(&w, 1, 0, 1, 0);
		for (int i = 0; i < 50; i++)
			next_seq(&w, 0);
		const uint64_t before = next_seq(&w, 0);
		ledger_remove(w.life.ledger, imsi_of(0), done, &w);
		done_and_settle(&w);
		w.life.cards[0].promised = 0;
		assert_null(ledger_find(w.life.ledger, imsi_of(0)));
		assert_int_equal(kind_of_vectors(&w, 0), ERR_ABSENT);
		if (is_restarted == 1)
			restart(&w);
		assert_int_equal(ledger_counts(w.life.ledger).subscribers, 0);
		ledger_show(w.life.ledger, imsi_of(0), shown, &w);
		life_settle(&w.life);
		assert_int_equal(w.rows, 0);
		import(&w, 2, 0, 1, 0);
		assert_true(next_seq(&w, 0) > before);
		close_world(&w);
	}
}

/* ---- numbers ---- */

static void a_reset_is_a_new_generation_over_a_restart(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	assert_true(life_open(&w.life, &w.c));
	import(&w, 1, 0, 1, 1000000);
	assert_int_equal(next_seq(&w, 0), 1000001);
	ledger_reset(w.life.ledger, imsi_of(0), 1, done, &w);
	done_and_settle(&w);
	assert_int_equal(ledger_find(w.life.ledger, imsi_of(0))->generation, 1);
	assert_int_equal(ledger_find(w.life.ledger, imsi_of(0))->resync, RESYNC_RESET);
	w.life.cards[0] = (struct life_card){0}; /* another card */
	assert_int_equal(next_seq(&w, 0), 1);
	restart(&w);
	assert_int_equal(ledger_find(w.life.ledger, imsi_of(0))->generation, 1);
	assert_int_equal(ledger_find(w.life.ledger, imsi_of(0))->resync, RESYNC_RESET);
	assert_true(next_seq(&w, 0) > 1);
	ledger_reset(w.life.ledger, imsi_of(0), 0, done, &w);
	assert_int_equal(w.err.kind, ERR_INPUT);
	ledger_reset(w.life.ledger, imsi_of(9), 5, done, &w);
	assert_int_equal(w.err.kind, ERR_ABSENT);
	close_world(&w);
}

/* An offset on its way to the disk when he goes: it comes back to nobody. */
static void one_who_is_removed_while_his_numbers_move_can_be_moved_when_he_comes_again(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	assert_true(life_open(&w.life, &w.c));
	import(&w, 1, 0, 1, 1000000);
	ledger_remove(w.life.ledger, imsi_of(0), done, &w);
	ledger_reset(w.life.ledger, imsi_of(0), 500, done, &w);
	done_and_settle(&w);
	assert_null(ledger_find(w.life.ledger, imsi_of(0)));
	import(&w, 2, 0, 1, 0);
	ledger_reset(w.life.ledger, imsi_of(0), 5000, done, &w);
	done_and_settle(&w);
	assert_int_equal(next_seq(&w, 0), 5000);
	close_world(&w);
}

/* Many ask for a new node at once: one write, and no vector before it. */
static void no_vector_of_a_new_node_comes_before_its_ind_is_durable(void **state)
{
	enum { AT_ONCE = 200 };
	static struct life_ask asks[AT_ONCE];
	struct world w;

	(void)state;
	open_world(&w);
	assert_true(life_open(&w.life, &w.c));
	import(&w, 1, 0, 8, 0);
	const uint64_t batches = store_counts(w.life.store).batches;
	for (uint32_t i = 0; i < AT_ONCE; i++)
		life_ask(&asks[i], &w.life, i % 8, 0, 1, false);
	assert_int_equal(w.life.numbers.count, 0);
	life_settle(&w.life);
	assert_int_equal(store_counts(w.life.store).batches - batches, 1);
	for (uint32_t i = 0; i < AT_ONCE; i++)
		assert_false(failed(asks[i].err));
	assert_int_equal(numbers_repeated(&w.life.numbers), 0);
	/* And the next one need not wait. */
	life_ask(&asks[0], &w.life, 1, 0, 1, false);
	assert_false(failed(asks[0].err));
	close_world(&w);
}

/* ---- limits ---- */

static void refused(void *ctx, enum ledger_refusal why, const struct auth_request *q)
{
	struct world *w = ctx;

	assert_string_equal(q->node, "node-0");
	w->refused[why]++;
}

static void open_limited(struct world *w)
{
	const struct ledger_settings settings = {.ahead = 4096,
		.subscribers_max = 8,
		.vectors = {.burst = 20, .per_hour = 3600},
		.resyncs = {.burst = 3, .per_hour = 60}};
	const struct store_settings on_disk = {
		.path = "auc.db", .schema = &ledger_schema, .vfs = "auc-admin"};
	const struct clock_port clock = {.ctx = &w->life, .now = life_clock};

	open_world(w);
	assert_false(failed(store_open(&w->life.store, NULL, &on_disk, &w->c)));
	assert_false(failed(ledger_open(&w->life.ledger, w->life.store, clock, &settings, &w->c)));
	ledger_on_refused(w->life.ledger, refused, w);
	import(w, 1, 0, 2, 0);
}

static void who_asks_for_too_many_vectors_of_one_is_refused_and_the_others_are_not(void **state)
{
	struct world w;

	(void)state;
	open_limited(&w);
	for (int i = 0; i < 4; i++)
		assert_false(failed(life_vectors(&w.life, 0, 0, 5)));
	const size_t taken = w.life.numbers.count;
	assert_int_equal(kind_of_vectors(&w, 0), ERR_LIMIT);
	assert_int_equal(w.life.numbers.count, taken);
	assert_int_equal(w.refused[LEDGER_HARVEST], 1);
	assert_int_equal(ledger_counts(w.life.ledger).harvests_refused, 1);
	assert_int_equal(kind_of_vectors(&w, 1), ERR_NONE);
	life_pass_ms(&w.life, 4000);
	assert_int_equal(life_vectors(&w.life, 0, 0, 5).kind, ERR_LIMIT);
	assert_false(failed(life_vectors(&w.life, 0, 0, 4)));
	assert_int_equal(w.refused[LEDGER_EXHAUSTED], 0);
	close_world(&w);
}

/* [TS 33.102 §6.3.5] says what a genuine one does; this is about all of them. */
static void resynchronisations_are_counted_before_the_vault_is_asked(void **state)
{
	const struct auth_request q = {.imsi = "001010000000000", .node = "node-0"};
	const struct auth_request other = {.imsi = "001010000000001", .node = "node-0"};
	struct world w;

	(void)state;
	open_limited(&w);
	for (int i = 0; i < 3; i++)
		assert_false(failed(ledger_resync_allow(w.life.ledger, &q)));
	assert_int_equal(ledger_resync_allow(w.life.ledger, &q).kind, ERR_LIMIT);
	assert_int_equal(w.refused[LEDGER_RESYNCS], 1);
	assert_false(failed(ledger_resync_allow(w.life.ledger, &other)));
	life_pass_ms(&w.life, 59999 - w.life.now.mono_ms);
	assert_int_equal(ledger_resync_allow(w.life.ledger, &q).kind, ERR_LIMIT);
	life_pass_ms(&w.life, 1);
	assert_false(failed(ledger_resync_allow(w.life.ledger, &q)));
	assert_int_equal(ledger_counts(w.life.ledger).resyncs_refused, 2);
	close_world(&w);
}

/* ---- import ---- */

static void imported(void *ctx, struct err err, const struct auc_import_result *result)
{
	struct world *w = ctx;

	w->err = err;
	if (!failed(err))
		w->result = *result;
}

static void an_import_tells_how_many_are_new(void **state)
{
	static struct life_import i;
	struct world w;

	(void)state;
	open_world(&w);
	assert_true(life_open(&w.life, &w.c));
	import(&w, 1, 0, 3, 0);
	i = (struct life_import){.life = &w.life, .rows = {.id = 2}};
	for (uint32_t card = 1; card < 8; card++)
		life_import_add(&i, card, 0);
	ledger_import_rows(w.life.ledger, &i.rows, done, &w);
	done_and_settle(&w);
	ledger_import_commit(w.life.ledger, 2, imported, &w);
	done_and_settle(&w);
	assert_int_equal(w.result.added, 5);
	assert_int_equal(w.result.replaced, 2);
	assert_int_equal(ledger_counts(w.life.ledger).subscribers, 8);
	assert_false(ledger_import_is_open(w.life.ledger));
	close_world(&w);
}

/* Several messages are under way at a time: one that fails must not leave an import of the others. */
static void an_import_that_lacks_a_row_cannot_be_committed(void **state)
{
	static struct life_import i;
	struct world w;

	(void)state;
	open_world(&w);
	assert_true(life_open(&w.life, &w.c));
	for (int is_repeated = 0; is_repeated < 2; is_repeated++) {
		i = (struct life_import){
			.life = &w.life, .rows = {.id = 5 + (uint64_t)is_repeated}};
		life_import_add(&i, 0, 0);
		ledger_import_rows(w.life.ledger, &i.rows, done, &w);
		done_and_settle(&w);
		i.rows.count = 0;
		/* The same row again; or a number beyond the last. */
		life_import_add(&i, is_repeated ? 0 : 1, is_repeated ? 0 : SQN_SEQ_MAX);
		ledger_import_rows(w.life.ledger, &i.rows, done, &w);
		life_settle(&w.life);
		assert_true(failed(w.err));
		i.rows.count = 0;
		life_import_add(&i, 2, 0);
		ledger_import_rows(w.life.ledger, &i.rows, done, &w);
		life_settle(&w.life);
		assert_int_equal(w.err.kind, ERR_STATE);
		ledger_import_commit(w.life.ledger, i.rows.id, imported, &w);
		life_settle(&w.life);
		assert_int_equal(w.err.kind, ERR_STATE);
		assert_int_equal(ledger_counts(w.life.ledger).subscribers, 0);
	}
	/* And the next one is not hindered. */
	import(&w, 7, 0, 3, 0);
	close_world(&w);
}

static void an_importer_who_goes_leaves_nothing(void **state)
{
	static struct life_import i;
	struct world w;

	(void)state;
	open_world(&w);
	assert_true(life_open(&w.life, &w.c));
	i = (struct life_import){.life = &w.life, .rows = {.id = 5}};
	life_import_add(&i, 0, 0);
	ledger_import_rows(w.life.ledger, &i.rows, done, &w);
	assert_true(ledger_import_is_open(w.life.ledger));
	ledger_import_abandon(w.life.ledger);
	life_settle(&w.life);
	assert_false(ledger_import_is_open(w.life.ledger));
	ledger_import_commit(w.life.ledger, 5, imported, &w);
	life_settle(&w.life);
	assert_int_equal(w.err.kind, ERR_STATE);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_database_of_version_1_keeps_every_number),
		cmocka_unit_test(
			who_is_disabled_gets_nothing_until_he_is_enabled_and_an_import_leaves_it_so),
		cmocka_unit_test(
			who_was_removed_leaves_no_keys_and_his_numbers_go_on_if_he_comes_again),
		cmocka_unit_test(a_reset_is_a_new_generation_over_a_restart),
		cmocka_unit_test(no_vector_of_a_new_node_comes_before_its_ind_is_durable),
		cmocka_unit_test(
			one_who_is_removed_while_his_numbers_move_can_be_moved_when_he_comes_again),
		cmocka_unit_test(
			who_asks_for_too_many_vectors_of_one_is_refused_and_the_others_are_not),
		cmocka_unit_test(resynchronisations_are_counted_before_the_vault_is_asked),
		cmocka_unit_test(an_import_tells_how_many_are_new),
		cmocka_unit_test(an_import_that_lacks_a_row_cannot_be_committed),
		cmocka_unit_test(an_importer_who_goes_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
