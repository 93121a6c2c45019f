// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Import: rows are kept aside as they come; then one statement makes all of them subscribers. So an
 * import of any size happens whole or not at all, and an importer that dies leaves nothing that
 * counts. The statement takes seconds for a million rows, on the store's thread: vectors are given
 * meanwhile, what has to become durable waits.
 */
#include "ledger_inner.h"

/* An import that lacks a row is none: what comes of it from now on is refused, its commit as well. */
static void import_break(struct ledger *l, uint64_t import_id)
{
	l->import_broken = import_id;
	if (l->import_id != import_id)
		return;
	l->import_id = 0;
	l->import_rows = 0;
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
	const struct store_value shard = STORE_I64_VALUE(LEDGER_SHARD);
	struct err e = OK;

	if (import->id != l->import_id)
		e = store_batch_add(b, LEDGER_IMPORT_CLEAR, &shard, 1);
	for (size_t i = 0; i < import->count && !failed(e); i++)
		e = add_row(l, b, import->id, &import->rows[i]);
	return e;
}

void ledger_import_rows(
	struct ledger *l, const struct auc_import *import, ledger_done_fn *done, void *ctx)
{
	struct store_batch *b = store_batch_open();
	struct ledger_wait *wait;

	const uint32_t before = import->id == l->import_id ? l->import_rows : 0;
	struct err e = import->id == 0 || import->id == l->import_broken ? ERR(STATE) : OK;
	if (!failed(e))
		e = before + import->count > l->subscribers.limit ? ERR(LIMIT)
								  : rows_batch(l, import, b);
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
	l->import_rows = before + (uint32_t)import->count;
	wait->done = done;
	ledger_submit(l, b, rows_kept, wait);
}

bool ledger_import_is_open(const struct ledger *l)
{
	return l->import_id != 0 || l->imports_loading > 0;
}

static void aside_cleared(void *ctx, struct err err, const struct store_result *r)
{
	(void)ctx, (void)err,
		(void)r; /* what stays is cleared by the next import, or at the next start */
}

static void aside_clear(struct ledger *l)
{
	const struct store_value shard = STORE_I64_VALUE(LEDGER_SHARD);

	ledger_submit_one(l, LEDGER_IMPORT_CLEAR, &shard, 1, aside_cleared, l);
}

void ledger_import_abandon(struct ledger *l)
{
	if (l->import_id == 0)
		return;
	import_break(l, l->import_id);
	aside_clear(l);
}

static void finish(struct ledger_wait *wait, struct err err)
{
	wait->ledger->imports_loading--;
	if (wait->ledger->import_id == 0)
		aside_clear(wait->ledger);
	wait->imported(wait->ctx, err, &wait->result);
	ledger_wait_close(wait);
}

static void read_page(struct ledger_wait *wait);

/* What has become durable is taken into memory, page after page, others between; then the import is
 * done. */
static void page_read(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;
	const size_t rows = failed(err) ? 0 : store_result_rows(r, 0);
	bool is_new = false;

	for (size_t i = 0; i < rows && !failed(err); i++) {
		err = ledger_row_keep(l, store_result_row(r, 0, i), &is_new);
		wait->result.added += is_new;
		wait->result.replaced += !is_new;
	}
	if (failed(err)) /* memory and disk differ: only a restart makes them one again */
		ledger_lose(l, "imported subscribers could not be read again");
	if (failed(err) || rows < LEDGER_PAGE) {
		finish(wait, err);
		return;
	}
	const struct span last = store_result_row(r, 0, rows - 1)->columns[COLUMN_IMSI].bytes;
	memcpy(wait->request.imsi, last.at, last.len + 1);
	read_page(wait);
}

static void read_page(struct ledger_wait *wait)
{
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_TEXT_VALUE(wait->request.imsi), STORE_I64_VALUE(LEDGER_PAGE),
		STORE_I64_VALUE(wait->import_id)};

	ledger_submit_one(
		wait->ledger, LEDGER_IMPORTED, params, ARRAY_LEN(params), page_read, wait);
}

static void committed(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;

	if (failed(err)) {
		finish(wait, err);
		return;
	}
	wait->ledger->counts.imported += (uint64_t)store_result_changes(r, 0);
	read_page(wait);
}

void ledger_import_commit(struct ledger *l, uint64_t import_id, ledger_imported_fn *done, void *ctx)
{
	struct ledger_wait *wait;

	/* Cautious: a row that replaces a subscriber is counted as if it were new. */
	const bool is_full = l->subscribers.count + l->import_rows > l->subscribers.limit;
	struct err e = import_id == 0 || import_id != l->import_id ? ERR(STATE) : OK;
	if (!failed(e))
		e = is_full ? ERR(LIMIT) : ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		done(ctx, e, NULL);
		return;
	}
	l->import_id = 0;
	l->import_rows = 0;
	l->imports_loading++;
	wait->imported = done;
	wait->import_id = import_id;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(import_id),
		STORE_I64_VALUE(ledger_now_s(l))};
	ledger_submit_one(l, LEDGER_IMPORT_ALL, params, ARRAY_LEN(params), committed, wait);
}
