// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Import: rows are kept aside as they come; then one row more closes the import, and with it all of
 * them are subscribers, or none (ledger_schema.h). So an import of any size happens whole or not at
 * all, and an importer that dies leaves nothing that counts. Closed, its rows move page after page, to
 * their table and into memory, and whatever else has to become durable goes between two pages. The
 * importer is answered when all have.
 */
#include "ledger_inner.h"
#include <stdio.h>

/* An import that lacks a row is none: what comes of it from now on is refused, its commit as well. */
static void import_break(struct ledger *l, uint64_t import_id)
{
	l->import_broken = import_id;
	if (l->import_id != import_id)
		return;
	l->import_id = 0;
	l->import_new = 0;
}

static void rows_kept(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;

	(void)r;
	if (failed(err))
		import_break(wait->ledger, wait->import_id);
	wait->done(wait->ctx, err);
	ledger_wait_close(wait);
}

/* The offset with which a subscriber of no history starts just above the number that was used
 * elsewhere. */
static struct err dif_of(const struct ledger *l, const struct auc_import_row *row, int64_t *dif)
{
	const struct sqn_state fresh = {0};
	const uint64_t seq = row->has_sqn ? sqn_seq(row->sqn) + 1 : 1;

	if (seq + l->lease.ahead > SQN_SEQ_MAX)
		return ERR(LIMIT);
	*dif = sqn_dif_for(&l->lease, ledger_now(l), &fresh, seq);
	return OK;
}

static struct err add_row(const struct ledger *l, struct store_batch *b, uint64_t import_id,
	const struct auc_import_row *row)
{
	int64_t dif;

	const struct err e = dif_of(l, row, &dif);
	if (failed(e))
		return e;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(import_id), STORE_TEXT_VALUE(row->imsi),
		STORE_BLOB_VALUE(row->sealed), STORE_I64_VALUE(ledger_kek_of(row->sealed)),
		STORE_I64_VALUE(dif), STORE_TEXT_VALUE(row->msisdn),
		STORE_I64_VALUE(row->algorithm)};
	return store_batch_add(b, LEDGER_IMPORT_ROW, params, ARRAY_LEN(params));
}

static struct err rows_batch(
	struct ledger *l, const struct auc_import *import, struct store_batch *b)
{
	const struct store_value params[] = {
		STORE_I64_VALUE(LEDGER_SHARD), STORE_I64_VALUE(l->lease.epoch)};
	struct err e = OK;

	if (import->id != l->import_id)
		e = store_batch_add(b, LEDGER_IMPORT_CLEAR, params, ARRAY_LEN(params));
	for (size_t i = 0; i < import->count && !failed(e); i++)
		e = add_row(l, b, import->id, &import->rows[i]);
	return e;
}

/* Of the rows so far, those who have no place yet. One who was removed counts as such. */
static uint32_t new_with(const struct ledger *l, const struct auc_import *import)
{
	uint32_t count = import->id == l->import_id ? l->import_new : 0;

	for (size_t i = 0; i < import->count; i++)
		count += register_find(&l->subscribers, import->rows[i].imsi) == NULL;
	return count;
}

static bool is_room_for(const struct ledger *l, uint32_t count)
{
	return count <= l->subscribers.limit - l->subscribers.count;
}

void ledger_import_rows(
	struct ledger *l, const struct auc_import *import, ledger_done_fn *done, void *ctx)
{
	struct store_batch *b = store_batch_open();
	struct ledger_wait *wait;

	const uint32_t count = new_with(l, import);
	struct err e = import->id == 0 || import->id == l->import_broken ? ERR(STATE) : OK;
	if (!failed(e))
		e = is_room_for(l, count) ? rows_batch(l, import, b) : ERR(LIMIT);
	if (!failed(e))
		e = ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		import_break(l, import->id);
		store_batch_discard(b);
		done(ctx, e);
		return;
	}
	wait->import_id = import->id;
	l->import_id = import->id;
	l->import_new = count;
	l->has_aside = true;
	wait->done = done;
	ledger_submit(l, b, rows_kept, wait);
}

bool ledger_import_is_open(const struct ledger *l)
{
	return l->import_id != 0 || l->is_moving;
}

static void aside_cleared(void *ctx, struct err err, const struct store_result *r)
{
	(void)r; /* what stays is cleared by the next import, or at the next start */
	((struct ledger *)ctx)->has_aside |= failed(err);
}

void ledger_import_abandon(struct ledger *l)
{
	const struct store_value params[] = {
		STORE_I64_VALUE(LEDGER_SHARD), STORE_I64_VALUE(l->lease.epoch)};

	if (l->import_id != 0)
		import_break(l, l->import_id);
	if (!l->has_aside)
		return;
	l->has_aside = false;
	ledger_submit_one(l, LEDGER_IMPORT_CLEAR, params, ARRAY_LEN(params), aside_cleared, l);
}

/* ---- closed: rows become subscribers ---- */

static void finish(struct ledger_wait *wait, struct err err)
{
	wait->ledger->is_moving = false;
	wait->imported(wait->ctx, err, &wait->result);
	ledger_wait_close(wait);
}

struct store_batch *ledger_move_batch(const struct ledger *l, uint64_t import_id, const char *last)
{
	const struct store_value shard = STORE_I64_VALUE(LEDGER_SHARD),
				 epoch = STORE_I64_VALUE(l->lease.epoch),
				 import = STORE_I64_VALUE(import_id), upto = STORE_TEXT_VALUE(last);
	const struct store_value fence[] = {shard, epoch};
	const struct store_value move[] = {
		shard, epoch, import, STORE_I64_VALUE(ledger_now_s(l)), upto};
	const struct store_value moved[] = {shard, import, upto};
	const struct store_value next[] = {shard, import, STORE_I64_VALUE(l->page - 1)};
	struct store_batch *b = store_batch_open();

	store_batch_add(b, LEDGER_FENCE, fence, ARRAY_LEN(fence));
	store_batch_add(b, LEDGER_IMPORT_MOVE, move, ARRAY_LEN(move));
	store_batch_add(b, LEDGER_IMPORT_MOVED, moved, ARRAY_LEN(moved));
	if (strcmp(last, LEDGER_REST) == 0)
		store_batch_add(b, LEDGER_IMPORT_END, moved, 2);
	else
		store_batch_add(b, LEDGER_IMPORT_NEXT, next, ARRAY_LEN(next));
	return b;
}

bool ledger_move_next(const struct store_result *r, char last[static IMSI_TEXT])
{
	const bool is_end = strcmp(last, LEDGER_REST) == 0;

	if (store_result_rows(r, LEDGER_MOVE_NEXT) == 0)
		snprintf(last, IMSI_TEXT, "%s", LEDGER_REST);
	else
		snprintf(last, IMSI_TEXT, "%s",
			(const char *)store_result_row(r, LEDGER_MOVE_NEXT, 0)
				->columns[0]
				.bytes.at);
	return !is_end;
}

static void move_page(struct ledger_wait *wait);

/* Into memory, and on. */
static void page_moved(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;
	const size_t rows = failed(err) ? 0 : store_result_rows(r, LEDGER_MOVE_ROWS);
	bool is_new = false;

	if (err.kind == ERR_LIMIT) { /* no room now; it has happened all the same, so it goes on */
		l->move_waiting = wait;
		return;
	}
	for (size_t i = 0; i < rows && !failed(err); i++) {
		err = ledger_row_keep(l, store_result_row(r, LEDGER_MOVE_ROWS, i), &is_new);
		wait->result.added += is_new;
		wait->result.replaced += !is_new;
	}
	l->counts.imported += rows;
	if (failed(err)) /* memory and disk differ: the next owner, or the next start, goes on */
		ledger_lose(l, "imported subscribers could not be taken over");
	if (!failed(err) && ledger_move_next(r, wait->request.imsi))
		move_page(wait);
	else
		finish(wait, err);
}

static void move_page(struct ledger_wait *wait)
{
	ledger_submit(wait->ledger,
		ledger_move_batch(wait->ledger, wait->import_id, wait->request.imsi), page_moved,
		wait);
}

void ledger_move_on(struct ledger *l)
{
	struct ledger_wait *wait = l->move_waiting;

	l->move_waiting = NULL;
	if (wait != NULL)
		move_page(wait);
}

static void closed(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;

	if (!failed(err) && store_result_changes(r, 0) != 1) {
		ledger_lose(wait->ledger, "an import could not be closed: another process owns "
					  "this shard now");
		err = ERR(IO);
	}
	if (failed(err))
		finish(wait, err);
	else
		move_page(wait);
}

void ledger_import_commit(struct ledger *l, uint64_t import_id, ledger_imported_fn *done, void *ctx)
{
	struct ledger_wait *wait;

	struct err e = import_id == 0 || import_id != l->import_id ? ERR(STATE) : OK;
	if (!failed(e) && (l->is_moving || !is_room_for(l, l->import_new)))
		e = ERR(LIMIT);
	if (!failed(e))
		e = ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		done(ctx, e, NULL);
		return;
	}
	l->import_id = 0;
	l->import_new = 0;
	l->is_moving = true;
	wait->imported = done;
	wait->import_id = import_id;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(import_id)};
	ledger_submit_one(l, LEDGER_IMPORT_CLOSE, params, ARRAY_LEN(params), closed, wait);
}
