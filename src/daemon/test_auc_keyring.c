// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The keyring against a vault that the test plays (simulated: what it "seals" is an envelope's head and
 * a mark): it comes and goes at every point, refuses, and is asked while an import replaces rows. Over a
 * disk that loses power: whatever happens, each row is sealed under a key that is in the database.
 */
#include "daemon/auc-store/keyring.h"
#include "crypt/envelope.h"
#include "daemon/test_auc_life.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { ASKED_MAX = 4, BAD_MAX = 4 };

struct asked {
	uint16_t type;
	channel_answered_fn *answered;
	void *ctx;
	size_t len;
	uint8_t body[AUC_ROWS_OCTETS];
};

struct world {
	struct life life;
	struct keyring k;
	struct complaint c;
	struct asked asked; /* one at a time: that is a claim of the test as well */
	bool is_asked, has_vault, is_importing, wants_step;
	uint32_t newest_loaded; /* by the vault; 0: none */
	uint32_t bad[BAD_MAX];  /* cards whose rows the vault cannot open */
	size_t bad_count;
	uint32_t rewrap; /* the next LOAD answers this key wrapped anew */
	bool is_ready;
	char why[160];
	struct err rotated;
	uint64_t reseals, largest;
};

static struct world *the;

/* ---- the port ---- */

static struct err on_ask(void *ctx, uint16_t type, struct span body, uint32_t timeout_ms,
	channel_answered_fn *answered, void *answered_ctx)
{
	struct world *w = ctx;

	assert_true(timeout_ms > 0 && !w->is_asked && body.len <= sizeof w->asked.body);
	if (!w->has_vault)
		return ERR(TIMEOUT);
	w->asked = (struct asked){
		.type = type, .answered = answered, .ctx = answered_ctx, .len = body.len};
	memcpy(w->asked.body, body.at, body.len);
	w->is_asked = true;
	return OK;
}

static void on_changed(void *ctx, bool is_ready, const char *why)
{
	struct world *w = ctx;

	w->is_ready = is_ready;
	snprintf(w->why, sizeof w->why, "%s", why == NULL ? "" : why);
}

static void on_wake(void *ctx)
{
	((struct world *)ctx)->wants_step = true;
}

static bool on_import_connected(void *ctx)
{
	return ((struct world *)ctx)->is_importing;
}

/* ---- the vault ---- */

static struct span seal(uint8_t out[48], uint32_t kek, uint32_t card, uint8_t mark)
{
	memset(out, 0, 48);
	out[0] = ENVELOPE_VERSION;
	out[1] = ENVELOPE_AES_256_GCM;
	out[5] = (uint8_t)kek;
	out[20] = (uint8_t)card;
	out[21] = mark;
	return span_of(out, 48);
}

static void answer(struct world *w, struct err err, const struct writer *body)
{
	w->is_asked = false;
	w->asked.answered(
		w->asked.ctx, err, failed(err) ? span_of(NULL, 0) : writer_span_done(body));
}

static void answer_make(struct world *w, struct span body)
{
	uint8_t out[64];
	struct writer writer = writer_of(SPAN_MUT_ARRAY(out));
	struct wire_fault fault = {0};
	uint64_t id;

	assert_false(failed(auc_u64_decode(body, &id, &fault)));
	const struct auc_wrapped_keys made = {
		.count = 1, .keys = {{.id = (uint32_t)id, .wrapped = span_str("wrapped")}}};
	auc_wrapped_keys_encode(&writer, &made);
	answer(w, OK, &writer);
}

static void answer_load(struct world *w, struct span body)
{
	uint8_t out[64];
	struct writer writer = writer_of(SPAN_MUT_ARRAY(out));
	struct auc_wrapped_keys keys, again = {0};
	struct wire_fault fault = {0};

	assert_false(failed(auc_wrapped_keys_decode(body, &keys, &fault)));
	for (size_t i = 0; i < keys.count; i++)
		w->newest_loaded = keys.keys[i].id;
	if (w->rewrap != 0)
		again = (struct auc_wrapped_keys){.count = 1,
			.keys = {{.id = w->rewrap, .wrapped = span_str("wrapped anew")}}};
	w->rewrap = 0;
	auc_wrapped_keys_encode(&writer, &again);
	answer(w, OK, &writer);
}

static void answer_reseal(struct world *w, struct span body)
{
	static uint8_t out[AUC_ROWS_OCTETS], sealed[AUC_ROWS_MAX][48];
	static struct auc_sealed_rows rows;
	struct span spans[AUC_ROWS_MAX];
	struct writer writer = writer_of(SPAN_MUT_ARRAY(out));
	struct wire_fault fault = {0};
	struct err e = OK;

	assert_false(failed(auc_sealed_rows_decode(body, &rows, &fault)));
	assert_in_range(rows.count, 1, AUC_ROWS_MAX);
	w->reseals++;
	w->largest = rows.count > w->largest ? rows.count : w->largest;
	for (size_t i = 0; i < rows.count; i++) {
		const uint8_t *old = rows.rows[i].sealed.at;
		for (size_t k = 0; k < w->bad_count; k++)
			if (w->bad[k] == old[20])
				e = ERR(AUTH);
		spans[i] = seal(sealed[i], w->newest_loaded, old[20], old[21]);
	}
	auc_sealed_encode(&writer, spans, rows.count);
	answer(w, e, &writer);
}

static bool vault_answers(struct world *w)
{
	const struct span body = span_of(w->asked.body, w->asked.len);

	if (!w->is_asked)
		return false;
	if (w->asked.type == AUC_KEY_MAKE)
		answer_make(w, body);
	else if (w->asked.type == AUC_KEYS_LOAD)
		answer_load(w, body);
	else
		answer_reseal(w, body);
	return true;
}

static void vault_comes(struct world *w)
{
	w->has_vault = true;
	w->newest_loaded = 0;
	keyring_vault(&w->k, true);
}

/* As a channel does it: first it is known that it has gone, then what was asked fails. */
static void vault_goes(struct world *w)
{
	w->has_vault = false;
	w->is_ready = false;
	keyring_vault(&w->k, false);
	if (w->is_asked)
		answer(w, ERR(IO), NULL);
}

/* ---- the world ---- */

static bool begin(struct world *w)
{
	const struct keyring_port port = {.ask = on_ask,
		.changed = on_changed,
		.wake = on_wake,
		.is_import_connected = on_import_connected,
		.ctx = w};

	if (!life_open(&w->life, &w->c))
		return false;
	w->is_asked = w->is_ready = w->has_vault = w->wants_step = false;
	keyring_open(&w->k, w->life.ledger, &port);
	return true;
}

static struct world *open_world(void)
{
	the = calloc(1, sizeof *the);
	assert_non_null(the);
	the->life = (struct life){.disk = powerloss_open("auc-keyring", 3),
		.vfs = "auc-keyring",
		.subscribers_more = AUC_ROWS_MAX,
		.now = {.mono_ms = 1000, .unix_ms = INT64_C(1000) * LIFE_BASE_S}};
	powerloss_restart(the->life.disk);
	assert_true(begin(the));
	return the;
}

static void close_world(struct world *w)
{
	vault_goes(w);
	life_close(&w->life);
	powerloss_close(w->life.disk);
	free(w->life.numbers.items);
	free(w);
}

/* One thing that can happen happens; false where none can. */
static bool turn(struct world *w)
{
	if (store_step(w->life.store) || vault_answers(w))
		return true;
	if (!w->wants_step)
		return false;
	w->wants_step = false;
	keyring_step(&w->k);
	return true;
}

static void run(struct world *w)
{
	for (int i = 0; i < 4; i++) {
		while (turn(w))
			;
		keyring_tick(&w->k);
	}
	while (turn(w))
		;
}

static void on_rotated(void *ctx, struct err err)
{
	((struct world *)ctx)->rotated = err;
}

static void imported(void *ctx, struct err err, const struct auc_import_result *result)
{
	(void)result;
	((struct world *)ctx)->rotated = err;
}

static void import_now(
	struct world *w, uint64_t id, uint32_t first, uint32_t count, uint32_t kek, uint8_t mark)
{
	static struct auc_import rows;
	static uint8_t sealed[AUC_ROWS_MAX][48];

	rows = (struct auc_import){.id = id, .count = count};
	for (uint32_t i = 0; i < count; i++) {
		life_imsi(first + i, rows.rows[i].imsi);
		rows.rows[i].algorithm = AUC_MILENAGE;
		rows.rows[i].sealed = seal(sealed[i], kek, first + i, mark);
	}
	ledger_import_rows(w->life.ledger, &rows, on_rotated, w);
	ledger_import_commit(w->life.ledger, id, imported, w);
	life_settle(&w->life);
	assert_false(failed(w->rotated));
}

static const uint8_t *sealed_of(struct world *w, uint32_t card)
{
	char imsi[IMSI_TEXT];

	life_imsi(card, imsi);
	const struct subscriber *s = ledger_find(w->life.ledger, imsi);
	assert_non_null(s);
	return ledger_sealed(w->life.ledger, s).at;
}

static struct err rotate(struct world *w)
{
	w->rotated = ERR(TIMEOUT);
	keyring_rotate(&w->k, on_rotated, w);
	run(w);
	return w->rotated;
}

/* ---- claims ---- */

static void the_first_key_is_made_durable_before_it_is_loaded(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	assert_int_equal(w->asked.type, AUC_KEY_MAKE);
	assert_true(vault_answers(w));
	assert_false(w->is_asked); /* it is not durable yet */
	assert_true(store_step(w->life.store));
	assert_int_equal(w->asked.type, AUC_KEYS_LOAD);
	assert_false(w->is_ready);
	assert_true(vault_answers(w));
	assert_true(w->is_ready);
	assert_int_equal(keyring_newest(&w->k), 1);
	close_world(w);
}

/* Nothing is sealed under the root itself any more. */
static void a_vault_that_makes_no_key_is_asked_for_nothing_and_no_row_is_taken(void **state)
{
	struct world *w = open_world();
	uint8_t sealed[48];

	(void)state;
	vault_comes(w);
	assert_int_equal(w->asked.type, AUC_KEY_MAKE);
	answer(w, ERR(INPUT), NULL);
	assert_false(w->is_ready);
	assert_false(w->k.is_ready);
	assert_non_null(strstr(w->why, "made no key"));
	assert_false(keyring_knows(&w->k, seal(sealed, 0, 0, 1)));
	assert_false(keyring_knows(&w->k, seal(sealed, 1, 0, 1)));
	run(w);
	run(w); /* it is asked again */
	assert_true(w->is_ready);
	assert_true(keyring_knows(&w->k, seal(sealed, 1, 0, 1)));
	assert_false(keyring_knows(&w->k, seal(sealed, 0, 0, 1)));
	assert_false(keyring_knows(&w->k, seal(sealed, 2, 0, 1)));
	close_world(w);
}

static void a_vault_that_does_not_open_the_keys_is_told_with_its_reason_and_tried_again(
	void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	vault_goes(w);
	vault_comes(w);
	assert_int_equal(w->asked.type, AUC_KEYS_LOAD);
	answer(w, ERR(CRYPTO), NULL); /* as vault_root_unwrap() has it, whatever the cause */
	assert_false(w->is_ready);
	assert_non_null(strstr(w->why, "root"));
	for (int i = 0; i < KEYRING_RETRY_TICKS; i++) {
		assert_false(w->is_asked);
		keyring_tick(&w->k);
	}
	run(w);
	assert_true(w->is_ready);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 1);
	close_world(w);
}

static void keys_that_come_back_wrapped_anew_are_durable_before_it_is_ready(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	vault_goes(w);
	w->rewrap = 1;
	vault_comes(w);
	assert_true(vault_answers(w));
	assert_false(w->is_ready);
	run(w);
	assert_true(w->is_ready);
	vault_goes(w);
	life_close(&w->life);
	assert_true(begin(w));
	const struct ledger_key *key = &ledger_keys(w->life.ledger)->keys[0];
	assert_int_equal(ledger_keys(w->life.ledger)->count, 1);
	assert_true(span_equal(span_of(key->wrapped, key->wrapped_len), span_str("wrapped anew")));
	close_world(w);
}

static void a_rotation_seals_every_row_anew_and_drops_the_old_key(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	import_now(w, 1, 0, 30, 1, 0xaa);
	assert_int_equal(ledger_rows_under(w->life.ledger, 1), 30);
	assert_false(failed(rotate(w)));
	assert_int_equal(keyring_newest(&w->k), 2);
	assert_int_equal(keyring_rows_left(&w->k), 0);
	assert_int_equal(ledger_rows_under(w->life.ledger, 2), 30);
	assert_int_equal(w->k.resealed, 30);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 1);
	for (uint32_t card = 0; card < 30; card++)
		assert_true(sealed_of(w, card)[5] == 2 && sealed_of(w, card)[21] == 0xaa);
	/* The disk has the same. */
	vault_goes(w);
	life_close(&w->life);
	assert_true(begin(w));
	assert_int_equal(ledger_rows_under(w->life.ledger, 2), 30);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 1);
	close_world(w);
}

static void what_an_import_put_there_meanwhile_stays(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	import_now(w, 1, 0, 10, 1, 0xaa);
	w->rotated = ERR(TIMEOUT);
	keyring_rotate(&w->k, on_rotated, w);
	while (!(w->is_asked && w->asked.type == AUC_RESEAL))
		assert_true(turn(w));
	/* The vault has the old rows; now others take the place of two of them. */
	import_now(w, 2, 3, 2, 2, 0xbb);
	run(w);
	for (uint32_t card = 0; card < 10; card++) {
		assert_int_equal(sealed_of(w, card)[5], 2);
		assert_int_equal(sealed_of(w, card)[21], card == 3 || card == 4 ? 0xbb : 0xaa);
	}
	assert_int_equal(w->k.resealed, 8);
	close_world(w);
}

static void an_import_under_the_old_key_keeps_it_and_its_rows_follow(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	w->is_importing = true;
	assert_false(failed(rotate(w)));
	assert_int_equal(ledger_keys(w->life.ledger)->count, 2);
	import_now(w, 1, 0, 5, 1, 0xcc);
	run(w);
	assert_int_equal(ledger_rows_under(w->life.ledger, 2), 5);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 2);
	w->is_importing = false;
	run(w);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 1);
	close_world(w);
}

static void a_row_that_cannot_be_opened_is_left_alone_and_keeps_its_key(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	import_now(w, 1, 0, 32, 1, 0xaa);
	w->bad[0] = 7;
	w->bad[1] = 31;
	w->bad_count = 2;
	assert_false(failed(rotate(w)));
	assert_int_equal(ledger_rows_under(w->life.ledger, 2), 30);
	assert_int_equal(keyring_rows_left(&w->k), 2);
	assert_int_equal(w->k.reseal_failed, 2);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 2);
	w->bad_count = 0;
	for (int i = 0; i < KEYRING_PASS_TICKS; i++)
		keyring_tick(&w->k);
	run(w);
	assert_int_equal(keyring_rows_left(&w->k), 0);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 1);
	close_world(w);
}

static void a_bad_row_holds_up_none_of_its_batch_nor_the_next(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	import_now(w, 1, 0, AUC_ROWS_MAX, 1, 0xaa);
	import_now(w, 2, AUC_ROWS_MAX, 44, 1, 0xaa);
	w->bad[0] = 200;
	w->bad_count = 1;
	assert_false(failed(rotate(w)));
	assert_int_equal(ledger_rows_under(w->life.ledger, 2), AUC_ROWS_MAX + 44 - 1);
	assert_int_equal(keyring_rows_left(&w->k), 1);
	/* A batch that failed, its rows one by one, and the next at once. */
	assert_int_equal(w->reseals, 1 + AUC_ROWS_MAX + 1);
	assert_int_equal(sealed_of(w, 200)[5], 1);
	close_world(w);
}

static void there_are_at_most_so_many_keys(void **state)
{
	struct world *w = open_world();

	(void)state;
	vault_comes(w);
	run(w);
	w->is_importing = true; /* so that none is dropped */
	for (int i = 1; i < AUC_WRAPPED_KEYS_MAX; i++)
		assert_false(failed(rotate(w)));
	assert_int_equal(ledger_keys(w->life.ledger)->count, AUC_WRAPPED_KEYS_MAX);
	assert_int_equal(rotate(w).kind, ERR_LIMIT);
	close_world(w);
}

static void a_rotation_that_the_vault_refuses_changes_nothing(void **state)
{
	struct world *w = open_world();

	(void)state;
	keyring_rotate(&w->k, on_rotated, w);
	assert_int_equal(w->rotated.kind, ERR_STATE); /* no vault */
	vault_comes(w);
	run(w);
	keyring_rotate(&w->k, on_rotated, w);
	assert_int_equal(w->asked.type, AUC_KEY_MAKE);
	keyring_rotate(&w->k, on_rotated, w);
	assert_int_equal(w->rotated.kind, ERR_STATE); /* one at a time */
	answer(w, ERR(CRYPTO), NULL);
	assert_int_equal(w->rotated.kind, ERR_CRYPTO);
	assert_true(w->is_ready);
	assert_int_equal(keyring_newest(&w->k), 1);
	assert_false(failed(rotate(w)));
	close_world(w);
}

/* The vault goes and comes, rotations are asked for, power is lost, at random. */
static void whatever_happens_each_row_can_be_opened(void **state)
{
	const struct prop seed = prop_from_environment(77);
	struct prop prop = seed;
	struct world *w = open_world();
	uint64_t crashes = 0;

	(void)state;
	vault_comes(w);
	run(w);
	import_now(w, 1, 0, 32, 1, 0xaa);
	for (int i = 0; i < 6000; i++) {
		const uint64_t dice = prop_below(&prop, 100);
		if (dice < 2 && w->has_vault)
			vault_goes(w);
		else if (dice < 10 && !w->has_vault)
			vault_comes(w);
		else if (dice < 12 && prop_below(&prop, 4) == 0)
			keyring_rotate(&w->k, on_rotated, w);
		else if (dice < 20)
			keyring_tick(&w->k);
		else
			turn(w);
		if (prop_below(&prop, 100) > 0)
			continue;
		crashes++;
		powerloss_crash(w->life.disk);
		life_close(&w->life);
		powerloss_restart(w->life.disk);
		assert_true(begin(w));
		const struct ledger_keys *keys = ledger_keys(w->life.ledger);
		uint32_t rows = 0;
		for (size_t k = 0; k < keys->count; k++)
			rows += ledger_rows_under(w->life.ledger, keys->keys[k].id);
		assert_int_equal(rows, 32);
	}
	if (!w->has_vault)
		vault_comes(w);
	run(w);
	run(w);
	assert_int_equal(keyring_rows_left(&w->k), 0);
	assert_int_equal(ledger_keys(w->life.ledger)->count, 1);
	for (uint32_t card = 0; card < 32; card++)
		assert_int_equal(sealed_of(w, card)[21], 0xaa);
	print_message("seed %llu: %llu power losses, key %u at the end\n",
		(unsigned long long)seed.seed, (unsigned long long)crashes, keyring_newest(&w->k));
	assert_true(crashes > 20 && keyring_newest(&w->k) > 3);
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_key_is_made_durable_before_it_is_loaded),
		cmocka_unit_test(
			a_vault_that_makes_no_key_is_asked_for_nothing_and_no_row_is_taken),
		cmocka_unit_test(
			a_vault_that_does_not_open_the_keys_is_told_with_its_reason_and_tried_again),
		cmocka_unit_test(keys_that_come_back_wrapped_anew_are_durable_before_it_is_ready),
		cmocka_unit_test(a_rotation_seals_every_row_anew_and_drops_the_old_key),
		cmocka_unit_test(what_an_import_put_there_meanwhile_stays),
		cmocka_unit_test(an_import_under_the_old_key_keeps_it_and_its_rows_follow),
		cmocka_unit_test(a_row_that_cannot_be_opened_is_left_alone_and_keeps_its_key),
		cmocka_unit_test(a_bad_row_holds_up_none_of_its_batch_nor_the_next),
		cmocka_unit_test(there_are_at_most_so_many_keys),
		cmocka_unit_test(a_rotation_that_the_vault_refuses_changes_nothing),
		cmocka_unit_test(whatever_happens_each_row_can_be_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
