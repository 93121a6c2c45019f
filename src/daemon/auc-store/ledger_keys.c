// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Wrapped key-encryption keys, which rows each of them seals, and rows on their way from one to
 * another. What is in a sealed row or a wrapped key is nobody's business here. */
#include "crypt/envelope.h"
#include "ledger_inner.h"

enum { LOOK_AT_MAX = 8192 }; /* rows of memory, in one turn of the loop */

/* ---- which key seals which row ---- */

uint32_t ledger_kek_of(struct span sealed)
{
	uint32_t id = 0;

	return failed(envelope_key_id(sealed, &id)) ? 0 : id;
}

bool ledger_kek_is(struct span sealed, uint32_t kek)
{
	return kek != 0 && ledger_kek_of(sealed) == kek;
}

void ledger_kek_count(struct ledger *l, struct span sealed, int change)
{
	const uint32_t id = ledger_kek_of(sealed);
	struct ledger_kek *free = NULL, *others = &l->keks[0]; /* id 0 */

	for (size_t i = 1; i < LEDGER_KEKS_MAX; i++) {
		struct ledger_kek *k = &l->keks[i];
		if (k->rows > 0 && k->id == id) {
			k->rows = (uint32_t)((int64_t)k->rows + change);
			return;
		}
		if (k->rows == 0 && free == NULL)
			free = k;
	}
	struct ledger_kek *k = id == 0 || free == NULL || change < 0 ? others : free;
	k->id = k == others ? 0 : id;
	k->rows = (uint32_t)((int64_t)k->rows + change);
}

struct err ledger_seal(struct ledger *l, struct subscriber *s, struct span sealed)
{
	const struct span old = register_sealed(&l->subscribers, s);

	if (old.len > 0)
		ledger_kek_count(l, old, -1);
	const struct err e = register_seal(&l->subscribers, s, sealed);
	if (!failed(e) || old.len > 0)
		ledger_kek_count(l, register_sealed(&l->subscribers, s), 1);
	return e;
}

size_t ledger_keks(const struct ledger *l, struct ledger_kek keks[static LEDGER_KEKS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < LEDGER_KEKS_MAX; i++)
		if (l->keks[i].rows > 0)
			keks[count++] = l->keks[i];
	return count;
}

uint32_t ledger_rows_under(const struct ledger *l, uint32_t kek)
{
	for (size_t i = 0; i < LEDGER_KEKS_MAX; i++)
		if (l->keks[i].rows > 0 && l->keks[i].id == kek)
			return l->keks[i].rows;
	return 0;
}

/* ---- wrapped keys ---- */

const struct ledger_keys *ledger_keys(const struct ledger *l)
{
	return &l->keys;
}

static bool key_read(struct ledger_key *key, const struct store_value *v, uint32_t id_before)
{
	const struct span wrapped = v[1].bytes;

	if (v[0].i64 <= id_before || v[0].i64 > UINT32_MAX || wrapped.len == 0 ||
		wrapped.len > AUC_WRAPPED_MAX)
		return false;
	*key = (struct ledger_key){
		.id = (uint32_t)v[0].i64, .wrapped_len = (uint8_t)wrapped.len, .made_s = v[2].i64};
	memcpy(key->wrapped, wrapped.at, wrapped.len);
	return true;
}

bool ledger_keys_read(struct ledger *l, const struct store_result *r, size_t op)
{
	const size_t rows = store_result_rows(r, op);
	uint32_t id = 0;

	if (rows > AUC_WRAPPED_KEYS_MAX)
		return false;
	for (l->keys.count = 0; l->keys.count < rows; l->keys.count++) {
		struct ledger_key *key = &l->keys.keys[l->keys.count];
		if (!key_read(key, store_result_row(r, op, l->keys.count)->columns, id))
			return false;
		id = key->id;
	}
	return true;
}

static void finish(struct ledger_wait *wait, struct err err)
{
	wait->done(wait->ctx, err);
	ledger_wait_close(wait);
}

static void key_added(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;

	if (!failed(err) && store_result_changes(r, 0) != 1) {
		ledger_lose(l, "another process owns this shard's keys now");
		err = ERR(IO);
	}
	if (!failed(err))
		l->keys.keys[l->keys.count++] = wait->key;
	finish(wait, err);
}

void ledger_key_add(
	struct ledger *l, uint32_t id, struct span wrapped, ledger_done_fn *done, void *ctx)
{
	const uint32_t newest = l->keys.count == 0 ? 0 : l->keys.keys[l->keys.count - 1].id;
	struct ledger_wait *wait;

	struct err e = l->keys.count == AUC_WRAPPED_KEYS_MAX ? ERR(LIMIT) : OK;
	if (!failed(e) && (id <= newest || wrapped.len == 0 || wrapped.len > AUC_WRAPPED_MAX))
		e = ERR(INPUT);
	if (!failed(e))
		e = ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		done(ctx, e);
		return;
	}
	wait->done = done;
	wait->key = (struct ledger_key){
		.id = id, .wrapped_len = (uint8_t)wrapped.len, .made_s = ledger_now_s(l)};
	memcpy(wait->key.wrapped, wrapped.at, wrapped.len);
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(id), STORE_BLOB_VALUE(wrapped),
		STORE_I64_VALUE(wait->key.made_s)};
	ledger_submit_one(l, LEDGER_KEY_ADD, params, ARRAY_LEN(params), key_added, wait);
}

static void keys_read_again(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	size_t last = 0;

	/* The statements before the last are the changes; the last reads what is there now. */
	while (store_result_rows(r, last) == 0 && last < AUC_WRAPPED_KEYS_MAX)
		last++;
	if (!failed(err) && !ledger_keys_read(wait->ledger, r, last))
		err = ERR(INPUT);
	finish(wait, err);
}

void ledger_keys_wrap(
	struct ledger *l, const struct auc_wrapped_keys *wrapped, ledger_done_fn *done, void *ctx)
{
	const struct store_value shard = STORE_I64_VALUE(LEDGER_SHARD);
	struct store_batch *b = store_batch_open();
	struct ledger_wait *wait;

	for (size_t i = 0; i < wrapped->count; i++) {
		const struct store_value params[] = {shard, STORE_I64_VALUE(l->lease.epoch),
			STORE_I64_VALUE(wrapped->keys[i].id),
			STORE_BLOB_VALUE(wrapped->keys[i].wrapped)};
		store_batch_add(b, LEDGER_KEY_WRAP, params, ARRAY_LEN(params));
	}
	store_batch_add(b, LEDGER_KEYS, &shard, 1);
	const struct err e = ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		store_batch_discard(b);
		done(ctx, e);
		return;
	}
	wait->done = done;
	ledger_submit(l, b, keys_read_again, wait);
}

static void key_dropped(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger_keys *keys = &wait->ledger->keys;

	if (!failed(err) && store_result_changes(r, 0) != 1)
		err = ERR(STATE);
	for (size_t i = 0; i < keys->count && !failed(err); i++) {
		if (keys->keys[i].id != wait->key.id)
			continue;
		memmove(&keys->keys[i], &keys->keys[i + 1],
			(keys->count - i - 1) * sizeof keys->keys[0]);
		keys->count--;
		break;
	}
	finish(wait, err);
}

void ledger_key_drop(struct ledger *l, uint32_t id, ledger_done_fn *done, void *ctx)
{
	struct ledger_wait *wait;

	struct err e = ledger_rows_under(l, id) > 0 ? ERR(STATE) : ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		done(ctx, e);
		return;
	}
	wait->done = done;
	wait->key.id = id;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(id)};
	ledger_submit_one(l, LEDGER_KEY_DROP, params, ARRAY_LEN(params), key_dropped, wait);
}

/* ---- from one key to another ---- */

bool ledger_reseal_find(
	const struct ledger *l, uint32_t *cursor, struct ledger_reseal *rows, size_t max)
{
	const struct subscriber_register *r = &l->subscribers;

	rows->count = 0;
	for (size_t looked = 0; looked < LOOK_AT_MAX && rows->count < max; looked++, (*cursor)++) {
		if (*cursor >= r->count) {
			*cursor = 0;
			return false;
		}
		const struct subscriber *s = &r->items[*cursor];
		const struct span sealed = register_sealed(r, s);
		if (s->is_removed || sealed.len == 0 || ledger_kek_of(sealed) == rows->kek)
			continue;
		register_imsi(s, rows->rows[rows->count].imsi);
		rows->rows[rows->count].new_len = 0;
		rows->rows[rows->count].old_len = (uint8_t)sealed.len;
		memcpy(rows->rows[rows->count++].old, sealed.at, sealed.len);
	}
	return true;
}

static void resealed(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;
	const struct ledger_reseal *rows = wait->reseal;
	uint32_t changed = 0;
	size_t op = 0;

	for (size_t i = 0; i < rows->count && !failed(err); i++) {
		const struct span old = span_of(rows->rows[i].old, rows->rows[i].old_len);
		struct subscriber *s = register_find(&l->subscribers, rows->rows[i].imsi);
		if (rows->rows[i].new_len == 0 || store_result_changes(r, op++) != 1 || s == NULL ||
			!span_equal(register_sealed(&l->subscribers, s), old))
			continue;
		err = ledger_seal(l, s, span_of(rows->rows[i].new, rows->rows[i].new_len));
		changed++;
	}
	wait->resealed(wait->ctx, err, changed);
	ledger_wait_close(wait);
}

void ledger_reseal(
	struct ledger *l, const struct ledger_reseal *rows, ledger_resealed_fn *done, void *ctx)
{
	struct store_batch *b = store_batch_open();
	struct ledger_wait *wait;

	for (size_t i = 0; i < rows->count; i++) {
		const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
			STORE_I64_VALUE(l->lease.epoch), STORE_TEXT_VALUE(rows->rows[i].imsi),
			STORE_BLOB_VALUE(span_of(rows->rows[i].old, rows->rows[i].old_len)),
			STORE_BLOB_VALUE(span_of(rows->rows[i].new, rows->rows[i].new_len)),
			STORE_I64_VALUE(rows->kek)};
		if (rows->rows[i].new_len > 0)
			store_batch_add(b, LEDGER_RESEAL, params, ARRAY_LEN(params));
	}
	const struct err e = ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		store_batch_discard(b);
		done(ctx, e, 0);
		return;
	}
	wait->resealed = done;
	wait->reseal = rows;
	ledger_submit(l, b, resealed, wait);
}
