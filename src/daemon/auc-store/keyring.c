// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "keyring.h"
#include <stdio.h>

void keyring_open(struct keyring *k, struct ledger *l, const struct keyring_port *port)
{
	*k = (struct keyring){.ledger = l, .port = *port};
}

uint32_t keyring_newest(const struct keyring *k)
{
	const struct ledger_keys *keys = ledger_keys(k->ledger);

	return keys->count == 0 ? 0 : keys->keys[keys->count - 1].id;
}

uint32_t keyring_rows_left(const struct keyring *k)
{
	const uint32_t all = (uint32_t)ledger_counters(k->ledger)->subscribers;

	return all - ledger_rows_under(k->ledger, keyring_newest(k));
}

static void collect(const struct keyring *k, struct auc_wrapped_keys *out)
{
	const struct ledger_keys *keys = ledger_keys(k->ledger);

	out->count = keys->count;
	for (size_t i = 0; i < keys->count; i++)
		out->keys[i] = (struct auc_wrapped_key){.id = keys->keys[i].id,
			.wrapped = span_of(keys->keys[i].wrapped, keys->keys[i].wrapped_len)};
}

void keyring_encode(const struct keyring *k, struct writer *w)
{
	struct auc_wrapped_keys keys;

	collect(k, &keys);
	auc_wrapped_keys_encode(w, &keys);
}

bool keyring_knows(const struct keyring *k, struct span sealed)
{
	const struct ledger_keys *keys = ledger_keys(k->ledger);

	for (size_t i = 0; i < keys->count; i++)
		if (ledger_kek_is(sealed, keys->keys[i].id))
			return true;
	return false;
}

/* ---- one thing at a time ---- */

static void go_on(struct keyring *k);

static void rotation_end(struct keyring *k, struct err err)
{
	ledger_done_fn *done = k->rotated;

	k->is_rotating = false;
	k->rotated = NULL;
	if (done != NULL)
		done(k->rotated_ctx, err);
}

/* What was begun is over; false where the vault has changed meanwhile, so that all begins anew. */
static bool over(struct keyring *k)
{
	k->is_busy = false;
	if (!k->is_stale)
		return true;
	k->is_stale = false;
	go_on(k);
	return false;
}

static void give_up(struct keyring *k, const char *what, struct err err)
{
	char why[128];

	k->failed_ticks = 0;
	rotation_end(k, err);
	if (k->is_ready)
		return; /* the vault goes on with the keys that it has; tried again */
	snprintf(why, sizeof why, "%s: %s", what,
		err.kind == ERR_CRYPTO ? "the root that it has does not open them" : err_word(err));
	k->port.changed(k->port.ctx, false, why);
}

static struct err ask(struct keyring *k, uint16_t type, const struct writer *w, uint32_t timeout_ms,
	channel_answered_fn *answered)
{
	struct span body;

	struct err e = writer_result(w, &body);
	k->is_busy = true;
	if (!failed(e))
		e = k->port.ask(k->port.ctx, type, body, timeout_ms, answered, k);
	if (failed(e))
		k->is_busy = false;
	return e;
}

/* ---- loading ---- */

/* From the first row on, where any is left. */
static void walk(struct keyring *k)
{
	k->is_walking = keyring_rows_left(k) > 0;
	k->cursor = 0;
	k->careful_until = 0;
	k->failed_this_pass = 0;
	if (k->is_walking)
		k->port.wake(k->port.ctx);
}

static void loaded(struct keyring *k)
{
	k->is_ready = true;
	k->is_current = true;
	rotation_end(k, OK);
	k->port.changed(k->port.ctx, true, NULL);
	walk(k);
}

static void on_rewrapped(void *ctx, struct err err)
{
	struct keyring *k = ctx;

	if (!over(k))
		return;
	if (failed(err))
		give_up(k, "its keys, wrapped anew, could not be stored", err);
	else
		loaded(k);
}

static void on_loaded(void *ctx, struct err err, struct span body)
{
	struct keyring *k = ctx;
	struct auc_wrapped_keys again;
	struct wire_fault fault = {0};

	if (!over(k))
		return;
	if (!failed(err))
		err = auc_wrapped_keys_decode(body, &again, &fault);
	if (failed(err)) {
		give_up(k, "the vault did not take the keys", err);
		return;
	}
	if (again.count == 0) {
		loaded(k);
		return;
	}
	k->is_busy = true;
	ledger_keys_wrap(k->ledger, &again, on_rewrapped, k);
}

static void load(struct keyring *k)
{
	uint8_t body[8 + AUC_WRAPPED_KEYS_MAX * (8 + AUC_WRAPPED_MAX)];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	keyring_encode(k, &w);
	k->is_current = false;
	const struct err e = ask(k, AUC_KEYS_LOAD, &w, KEYRING_LOAD_MS_MAX, on_loaded);
	if (failed(e))
		give_up(k, "the vault cannot be asked", e);
}

/* ---- making ---- */

static void on_added(void *ctx, struct err err)
{
	struct keyring *k = ctx;

	if (!over(k))
		return;
	if (failed(err))
		give_up(k, "a new key could not be stored", err);
	else
		load(k);
}

static void on_made(void *ctx, struct err err, struct span body)
{
	struct keyring *k = ctx;
	struct auc_wrapped_keys made;
	struct wire_fault fault = {0};

	if (!over(k))
		return;
	if (!failed(err))
		err = auc_wrapped_keys_decode(body, &made, &fault);
	if (!failed(err) && (made.count != 1 || made.keys[0].id != keyring_newest(k) + 1))
		err = ERR(INPUT);
	if (failed(err)) {
		give_up(k, "the vault made no key", err);
		return;
	}
	k->is_busy = true;
	ledger_key_add(k->ledger, made.keys[0].id, made.keys[0].wrapped, on_added, k);
}

static void make(struct keyring *k)
{
	uint8_t body[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	auc_u64_encode(&w, (uint64_t)keyring_newest(k) + 1);
	const struct err e = ask(k, AUC_KEY_MAKE, &w, KEYRING_MAKE_MS_MAX, on_made);
	if (failed(e))
		give_up(k, "the vault cannot be asked", e);
}

/* ---- dropping ---- */

static void on_dropped(void *ctx, struct err err)
{
	(void)err; /* a row of the database still names it: another time */
	over(ctx);
}

/* The oldest that seals nothing. */
static void drop(struct keyring *k)
{
	const struct ledger_keys *keys = ledger_keys(k->ledger);

	if (ledger_import_is_open(k->ledger) || k->port.is_import_connected(k->port.ctx))
		return;
	for (size_t i = 0; i + 1 < keys->count; i++) {
		if (ledger_rows_under(k->ledger, keys->keys[i].id) > 0)
			continue;
		k->is_busy = true;
		ledger_key_drop(k->ledger, keys->keys[i].id, on_dropped, k);
		return;
	}
}

/* ---- sealing anew ---- */

static void again_later(struct keyring *k)
{
	if (k->is_walking)
		k->port.wake(k->port.ctx);
}

static void on_kept(void *ctx, struct err err, uint32_t changed)
{
	struct keyring *k = ctx;

	k->resealed += changed;
	if (!over(k))
		return;
	if (failed(err)) /* a full disk: the walk begins anew with the next tick */
		k->is_walking = false;
	again_later(k);
}

/* Not one of them was opened. Which one it is that cannot be, one by one shows. */
static void refused(struct keyring *k, struct err err)
{
	if (err.kind == ERR_TIMEOUT || err.kind == ERR_IO) {
		k->is_walking = false;
	} else if (k->rows.count > 1) {
		k->careful_until = k->is_walking ? k->cursor : UINT32_MAX;
		k->cursor = k->batch_start;
		k->is_walking = true;
	} else {
		k->reseal_failed++;
		k->failed_this_pass++;
	}
	again_later(k);
}

static void on_resealed(void *ctx, struct err err, struct span body)
{
	struct keyring *k = ctx;
	struct span sealed[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	size_t count = 0;

	if (!over(k))
		return;
	if (!failed(err))
		err = auc_sealed_decode(body, sealed, &count, &fault);
	if (!failed(err) && count != k->rows.count)
		err = ERR(INPUT);
	for (size_t i = 0; i < count && !failed(err); i++)
		err = ledger_kek_is(sealed[i], k->rows.kek) ? OK : ERR(INPUT);
	if (failed(err)) {
		refused(k, err);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		k->rows.rows[i].new_len = (uint8_t)sealed[i].len;
		memcpy(k->rows.rows[i].new, sealed[i].at, sealed[i].len);
	}
	k->is_busy = true;
	ledger_reseal(k->ledger, &k->rows, on_kept, k);
}

static void reseal(struct keyring *k)
{
	static struct auc_sealed_rows rows;
	struct writer w = writer_of(SPAN_MUT_ARRAY(k->message));

	rows.count = k->rows.count;
	for (size_t i = 0; i < rows.count; i++) {
		memcpy(rows.rows[i].imsi, k->rows.rows[i].imsi, IMSI_TEXT);
		rows.rows[i].sealed = span_of(k->rows.rows[i].old, k->rows.rows[i].old_len);
	}
	auc_sealed_rows_encode(&w, &rows);
	const struct err e = ask(k, AUC_RESEAL, &w, KEYRING_RESEAL_MS_MAX, on_resealed);
	if (failed(e))
		k->is_walking = false;
}

void keyring_step(struct keyring *k)
{
	const size_t max = k->cursor < k->careful_until ? 1 : AUC_ROWS_MAX;

	if (!k->is_current || k->is_busy || !k->is_walking)
		return;
	k->rows.kek = keyring_newest(k);
	k->batch_start = k->cursor;
	k->is_walking = ledger_reseal_find(k->ledger, &k->cursor, &k->rows, max);
	if (k->rows.count > 0)
		reseal(k);
	else
		again_later(k);
}

/* ---- what comes from outside ---- */

static void go_on(struct keyring *k)
{
	if (!k->has_vault || k->is_busy)
		return;
	if (ledger_keys(k->ledger)->count == 0 || k->is_rotating)
		make(k);
	else
		load(k);
}

void keyring_vault(struct keyring *k, bool is_there)
{
	k->has_vault = is_there;
	k->is_ready = false;
	k->is_current = false;
	k->is_walking = false;
	rotation_end(k, ERR(IO));
	if (k->is_busy)
		k->is_stale = true;
	else
		go_on(k);
}

void keyring_tick(struct keyring *k)
{
	k->ticks++;
	if (!k->has_vault || k->is_busy)
		return;
	if (!k->is_current) {
		if (++k->failed_ticks % KEYRING_RETRY_TICKS == 0)
			go_on(k);
		return;
	}
	if (k->is_walking)
		k->port.wake(
			k->port.ctx); /* a step that came while something else ran did nothing */
	else if (k->failed_this_pass == 0 || k->ticks % KEYRING_PASS_TICKS == 0)
		walk(k);
	drop(k);
}

void keyring_rotate(struct keyring *k, ledger_done_fn *done, void *ctx)
{
	if (!k->is_current || k->is_rotating ||
		ledger_keys(k->ledger)->count == AUC_WRAPPED_KEYS_MAX) {
		done(ctx, !k->is_current || k->is_rotating ? ERR(STATE) : ERR(LIMIT));
		return;
	}
	k->is_rotating = true;
	k->rotated = done;
	k->rotated_ctx = ctx;
	if (k->is_busy)
		k->is_stale = true; /* as soon as what runs is over */
	else
		go_on(k);
}
