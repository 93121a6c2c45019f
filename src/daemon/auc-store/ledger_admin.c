// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What an operator does to a subscriber, and asks about him. Each change is durable before it counts. */
#include "ledger_inner.h"

static void finish(struct ledger_wait *wait, struct err err)
{
	wait->done(wait->ctx, err);
	ledger_wait_close(wait);
}

/* No row: he was removed while it waited, or, where memory has him, another owner has come. */
static struct err changed(struct ledger_wait *wait, const struct subscriber *s, struct err err,
	const struct store_result *r)
{
	if (failed(err) || store_result_changes(r, 0) == 1)
		return err;
	if (s == NULL)
		return ERR(ABSENT);
	ledger_lose(wait->ledger,
		"a subscriber could not be changed: another process owns this shard now");
	return ERR(IO);
}

/* ---- disabled, removed ---- */

static void flags_kept(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct subscriber *s = register_find(&wait->ledger->subscribers, wait->request.imsi);

	err = changed(wait, s, err, r);
	if (!failed(err) && s != NULL)
		s->is_disabled = wait->is_disabled;
	finish(wait, err);
}

void ledger_disable(
	struct ledger *l, const char *imsi, bool is_disabled, ledger_done_fn *done, void *ctx)
{
	struct ledger_wait *wait;

	const struct err e = ledger_wait_for(l, imsi, ctx, &wait);
	if (failed(e)) {
		done(ctx, e);
		return;
	}
	wait->done = done;
	wait->is_disabled = is_disabled;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_TEXT_VALUE(wait->request.imsi),
		STORE_I64_VALUE(is_disabled ? LEDGER_DISABLED : 0),
		STORE_I64_VALUE(ledger_now_s(l))};
	ledger_submit_one(l, LEDGER_FLAGS_SET, params, ARRAY_LEN(params), flags_kept, wait);
}

static void removal_kept(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;
	struct subscriber *s = register_find(&l->subscribers, wait->request.imsi);

	err = changed(wait, s, err, r);
	if (!failed(err) && s != NULL) {
		ledger_kek_count(l, register_sealed(&l->subscribers, s), -1);
		register_remove(&l->subscribers, s);
		l->counts.subscribers = register_count(&l->subscribers);
	}
	finish(wait, err);
}

void ledger_remove(struct ledger *l, const char *imsi, ledger_done_fn *done, void *ctx)
{
	struct ledger_wait *wait;

	const struct err e = ledger_wait_for(l, imsi, ctx, &wait);
	if (failed(e)) {
		done(ctx, e);
		return;
	}
	wait->done = done;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_TEXT_VALUE(wait->request.imsi),
		STORE_I64_VALUE(ledger_now_s(l))};
	ledger_submit_one(l, LEDGER_REMOVE, params, ARRAY_LEN(params), removal_kept, wait);
}

/* ---- numbers ---- */

void ledger_reset(
	struct ledger *l, const char *imsi, uint64_t seq_next, ledger_done_fn *done, void *ctx)
{
	struct subscriber *s = register_find(&l->subscribers, imsi);
	enum resync_outcome outcome;
	struct ledger_wait *wait;
	struct sqn_state next;

	/* As with a resynchronisation: one at a time. */
	if (s == NULL || s->is_moving) {
		done(ctx, s == NULL ? ERR(ABSENT) : ERR(LIMIT));
		return;
	}
	const struct sqn_state state = subscriber_sqn(s);
	struct err e = resync_reset(&l->lease, ledger_now(l), &state, seq_next, &outcome, &next);
	if (!failed(e))
		e = ledger_wait_for(l, imsi, ctx, &wait);
	if (failed(e)) {
		done(ctx, e);
		return;
	}
	wait->done = done;
	ledger_move(l, s, &next, RESYNC_RESET, wait);
}

/* ---- to look at ---- */

void ledger_list(struct ledger *l, const char *after, size_t limit, store_done_fn *done, void *ctx)
{
	const struct store_value params[] = {
		STORE_I64_VALUE(LEDGER_SHARD), STORE_TEXT_VALUE(after), STORE_I64_VALUE(limit)};

	ledger_submit_one(l, LEDGER_LIST, params, ARRAY_LEN(params), done, ctx);
}

void ledger_show(struct ledger *l, const char *imsi, store_done_fn *done, void *ctx)
{
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD), STORE_TEXT_VALUE(imsi)};

	ledger_submit_one(l, LEDGER_SHOW, params, ARRAY_LEN(params), done, ctx);
}
