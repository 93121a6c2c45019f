// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ledger_inner.h"
#include "auc/resync.h"
#include <assert.h>
#include <stdlib.h>

struct moment ledger_now(const struct ledger *l)
{
	return clock_now(&l->clock);
}

void ledger_lose(struct ledger *l, const char *why)
{
	if (l->is_lost)
		return;
	l->is_lost = true;
	if (l->lost != NULL)
		l->lost(l->lost_ctx, why);
}

struct err ledger_wait_open(struct ledger *l, void *ctx, struct ledger_wait **wait)
{
	struct pool_handle handle;
	void *item;

	const struct err e = pool_take(&l->waiting, &handle, &item);
	if (failed(e))
		return e;
	*wait = item;
	**wait = (struct ledger_wait){.ledger = l, .handle = handle, .ctx = ctx};
	return OK;
}

void ledger_wait_close(struct ledger_wait *wait)
{
	pool_give(&wait->ledger->waiting, wait->handle);
}

void ledger_submit(struct ledger *l, struct store_batch *b, store_done_fn *done, void *ctx)
{
	const struct err e = store_submit(l->store, b, done, ctx);

	if (failed(e))
		done(ctx, e, NULL);
}

/* ---- the lease ---- */

static struct store_batch *ceiling_batch(const struct ledger *l, uint64_t ceiling)
{
	struct store_batch *b = store_batch_open();
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(ceiling)};

	store_batch_add(b, LEDGER_CEILING_SET, params, ARRAY_LEN(params));
	return b;
}

static void leased(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;
	const uint64_t ceiling = wait->next.last;

	ledger_wait_close(wait);
	l->is_leasing = false;
	if (failed(err)) {
		/* A full disk may have room again; what we hold lasts on. Any other failure is
		 * final. */
		if (err.kind != ERR_LIMIT)
			ledger_lose(l, "the lease of sequence numbers could not be recorded");
		return;
	}
	if (store_result_changes(r, 0) != 1) {
		ledger_lose(l, "another process owns this shard's sequence numbers now");
		return;
	}
	sqn_lease_granted(&l->lease, ceiling);
	l->counts.leases++;
	l->counts.ceiling = l->lease.ceiling;
}

void ledger_tick(struct ledger *l)
{
	struct ledger_wait *wait;
	const uint64_t ceiling = sqn_ceiling_due(&l->lease, ledger_now(l));

	if (ceiling == 0 || l->is_leasing || l->is_lost || failed(ledger_wait_open(l, NULL, &wait)))
		return;
	wait->next.last = ceiling;
	l->is_leasing = true;
	ledger_submit(l, ceiling_batch(l, ceiling), leased, wait);
}

/* ---- taking over ---- */

struct taken_over {
	struct ledger *ledger;
	uint64_t ahead;
	bool is_right;
};

static void took_over(void *ctx, struct err err, const struct store_result *r)
{
	struct taken_over *t = ctx;
	struct ledger *l = t->ledger;

	if (failed(err) || store_result_rows(r, 0) != 1)
		return;
	const struct store_value *lease = store_result_row(r, 0, 0)->columns;
	sqn_lease_start(
		&l->lease, ledger_now(l), (uint64_t)lease[0].i64, (uint64_t)lease[1].i64, t->ahead);
	l->counts.epoch = l->lease.epoch;
	t->is_right = lease[1].i64 >= 0;
	for (size_t i = 0; i < store_result_rows(r, 1) && t->is_right; i++) {
		const struct store_value *ind = store_result_row(r, 1, i)->columns;
		t->is_right = !failed(
			ind_restore(&l->inds, (uint8_t)ind[0].i64, (enum auth_domain)ind[1].i64,
				(const char *)ind[2].bytes.at, (uint64_t)ind[3].i64));
	}
}

/* The epoch first: from here on a former owner leases nothing more, and we know its last ceiling.
 */
static struct err take_over(struct ledger *l, uint64_t ahead)
{
	struct taken_over t = {.ledger = l, .ahead = ahead};
	const struct store_value shard = STORE_I64_VALUE(LEDGER_SHARD);
	struct store_batch *b = store_batch_open();

	store_batch_add(b, LEDGER_EPOCH_NEXT, &shard, 1);
	store_batch_add(b, LEDGER_INDS, &shard, 1);
	store_batch_add(b, LEDGER_IMPORT_CLEAR, &shard, 1);
	const struct err e = store_run(l->store, b, took_over, &t);
	return failed(e) ? e : t.is_right ? OK : ERR(INPUT);
}

struct err ledger_row_keep(struct ledger *l, const struct store_row *row)
{
	const struct store_value *v = row->columns;
	const char *imsi = (const char *)v[0].bytes.at;
	struct subscriber *s;

	if (!imsi_is_valid(imsi) || v[1].bytes.len > sizeof s->sealed ||
		v[4].bytes.len >= sizeof s->msisdn)
		return ERR(INPUT);
	const struct err e = register_add(&l->subscribers, imsi, &s);
	if (failed(e))
		return e;
	s->sealed_len = (uint8_t)v[1].bytes.len;
	memcpy(s->sealed, v[1].bytes.at, v[1].bytes.len);
	s->sqn.dif = v[2].i64;
	s->sqn.generation = (uint64_t)v[3].i64;
	memset(s->msisdn, 0, sizeof s->msisdn);
	memcpy(s->msisdn, v[4].bytes.at, v[4].bytes.len);
	l->counts.subscribers = l->subscribers.count;
	return OK;
}

struct page {
	struct ledger *ledger;
	struct err err;
	size_t rows;
	char last[IMSI_TEXT];
};

static void keep_page(void *ctx, struct err err, const struct store_result *r)
{
	struct page *p = ctx;

	p->err = err;
	p->rows = store_result_rows(r, 0);
	for (size_t i = 0; i < p->rows && !failed(p->err); i++)
		p->err = ledger_row_keep(p->ledger, store_result_row(r, 0, i));
	if (p->rows > 0 && !failed(p->err))
		memcpy(p->last, store_result_row(r, 0, p->rows - 1)->columns[0].bytes.at,
			store_result_row(r, 0, p->rows - 1)->columns[0].bytes.len + 1);
}

static struct err load_all(struct ledger *l)
{
	struct page p = {.ledger = l};

	do {
		const struct store_value params[] = {
			STORE_I64_VALUE(LEDGER_SHARD), STORE_TEXT_VALUE(p.last)};
		struct store_batch *b = store_batch_open();
		store_batch_add(b, LEDGER_SUBSCRIBERS, params, ARRAY_LEN(params));
		const struct err e = store_run(l->store, b, keep_page, &p);
		if (failed(e) || failed(p.err))
			return failed(e) ? e : p.err;
	} while (p.rows == LEDGER_PAGE);
	return OK;
}

struct changes {
	int64_t count;
};

static void count_changes(void *ctx, struct err err, const struct store_result *r)
{
	((struct changes *)ctx)->count = failed(err) ? 0 : store_result_changes(r, 0);
}

static struct err lease_first(struct ledger *l)
{
	const uint64_t ceiling = sqn_ceiling_due(&l->lease, ledger_now(l));
	struct changes changes = {0};

	const struct err e =
		store_run(l->store, ceiling_batch(l, ceiling), count_changes, &changes);
	if (failed(e))
		return e;
	if (changes.count != 1)
		return ERR(STATE);
	sqn_lease_granted(&l->lease, ceiling);
	l->counts.leases++;
	l->counts.ceiling = ceiling;
	return OK;
}

struct err ledger_open(struct ledger **out, struct store *store, struct clock_port clock,
	const struct ledger_settings *settings, struct complaint *c)
{
	struct ledger *l = calloc(1, sizeof *l);

	*out = NULL;
	if (l == NULL)
		return complain(c, ERR(LIMIT), "no memory for the subscribers");
	l->store = store;
	l->clock = clock;
	struct err e = register_open(&l->subscribers, settings->subscribers_max);
	if (!failed(e))
		e = pool_open(&l->waiting, LEDGER_WAITING_MAX, sizeof(struct ledger_wait));
	if (failed(e)) {
		ledger_close(l);
		return complain(c, e, "no memory for %u subscribers", settings->subscribers_max);
	}
	e = take_over(l, settings->ahead);
	if (!failed(e))
		e = load_all(l);
	if (!failed(e))
		e = lease_first(l);
	if (failed(e)) {
		ledger_close(l);
		return complain(c, e, "cannot take over the subscribers: %s", err_word(e));
	}
	*out = l;
	return OK;
}

void ledger_close(struct ledger *l)
{
	pool_close(&l->waiting);
	register_close(&l->subscribers);
	free(l);
}

void ledger_on_lost(struct ledger *l, void (*lost)(void *ctx, const char *why), void *ctx)
{
	l->lost = lost;
	l->lost_ctx = ctx;
}

/* ---- taking numbers ---- */

const struct subscriber *ledger_find(const struct ledger *l, const char *imsi)
{
	return register_find(&l->subscribers, imsi);
}

static void take_now(struct ledger *l, const struct auth_request *q, uint8_t ind,
	ledger_took_fn *took, void *ctx)
{
	struct subscriber *s = register_find(&l->subscribers, q->imsi);
	uint64_t seq;

	if (s == NULL || l->is_lost) {
		took(ctx, s == NULL ? ERR(ABSENT) : ERR(IO), NULL);
		return;
	}
	const struct err e = sqn_take(&l->lease, ledger_now(l), &s->sqn, q->vectors, &seq);
	if (failed(e)) {
		l->counts.exhausted++;
		took(ctx, e, NULL);
		return;
	}
	l->counts.vectors += q->vectors;
	const struct ledger_ticket ticket = {.sealed = span_of(s->sealed, s->sealed_len),
		.sqn_first = sqn_of(seq, ind),
		.count = q->vectors,
		.generation = s->sqn.generation};
	took(ctx, OK, &ticket);
}

static void ind_kept(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;

	if (!failed(err) && store_result_changes(r, 0) != 1)
		ledger_lose(l, "another process owns this shard's IND table now");
	if (failed(err))
		wait->took(wait->ctx, err, NULL);
	else
		take_now(l, &wait->request, wait->ind, wait->took, wait->ctx);
	ledger_wait_close(wait);
}

/* A node that asks for the first time (or for the first time in long): its IND is made durable,
 * then used. */
static void take_for_new_node(
	struct ledger *l, const struct auth_request *q, ledger_took_fn *took, void *ctx)
{
	struct ledger_wait *wait;

	const struct err e = ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		took(ctx, e, NULL);
		return;
	}
	wait->request = *q;
	wait->took = took;
	wait->ind = ind_assign(&l->inds, q->domain, q->node);
	l->counts.inds_evicted = l->inds.evicted;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(wait->ind),
		STORE_I64_VALUE(q->domain), STORE_TEXT_VALUE(wait->request.node),
		STORE_I64_VALUE(l->inds.tick)};
	struct store_batch *b = store_batch_open();
	store_batch_add(b, LEDGER_IND_SET, params, ARRAY_LEN(params));
	ledger_submit(l, b, ind_kept, wait);
}

void ledger_take(struct ledger *l, const struct auth_request *q, ledger_took_fn *took, void *ctx)
{
	ledger_tick(l);
	if (register_find(&l->subscribers, q->imsi) == NULL) {
		l->counts.unknown++;
		took(ctx, ERR(ABSENT), NULL);
		return;
	}
	const uint8_t ind = ind_find(&l->inds, q->domain, q->node);
	if (ind != 0)
		take_now(l, q, ind, took, ctx);
	else
		take_for_new_node(l, q, took, ctx);
}

/* ---- resynchronisation [TS 33.102 §6.3.5] ---- */

static void dif_kept(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx;
	struct ledger *l = wait->ledger;
	struct subscriber *s = register_find(&l->subscribers, wait->request.imsi);

	if (s != NULL)
		s->is_moving = false;
	if (!failed(err) && store_result_changes(r, 0) != 1) {
		ledger_lose(l,
			"a new offset could not be recorded: another process owns this shard now");
		err = ERR(IO);
	}
	if (!failed(err) && s != NULL) {
		/* `last` is left as it is: numbers may have been taken meanwhile. */
		s->sqn.dif = wait->next.dif;
		s->sqn.generation = wait->next.generation;
		l->counts.resyncs_moved++;
	}
	wait->done(wait->ctx, err);
	ledger_wait_close(wait);
}

static struct err move_later(struct ledger *l, const char *imsi, const struct sqn_state *next,
	ledger_done_fn *done, void *ctx)
{
	struct ledger_wait *wait;
	struct store_batch *b;

	const struct err e = ledger_wait_open(l, ctx, &wait);
	if (failed(e))
		return e;
	memcpy(wait->request.imsi, imsi, strlen(imsi) + 1);
	wait->next = *next;
	wait->done = done;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_TEXT_VALUE(wait->request.imsi),
		STORE_I64_VALUE(next->dif), STORE_I64_VALUE(next->generation)};
	b = store_batch_open();
	store_batch_add(b, LEDGER_DIF_SET, params, ARRAY_LEN(params));
	ledger_submit(l, b, dif_kept, wait);
	return OK;
}

void ledger_resync(
	struct ledger *l, const char *imsi, uint64_t sqn_ms, ledger_done_fn *done, void *ctx)
{
	struct subscriber *s = register_find(&l->subscribers, imsi);
	enum resync_outcome outcome;
	struct sqn_state next;

	/* One at a time: a second decision on the state before the first would lower DIF below what
	 * the first has begun to give. */
	if (s == NULL || s->is_moving) {
		done(ctx, s == NULL ? ERR(ABSENT) : ERR(LIMIT));
		return;
	}
	struct err e = resync_decide(&l->lease, ledger_now(l), &s->sqn, sqn_ms, &outcome, &next);
	if (!failed(e) && outcome == RESYNC_KEPT) {
		l->counts.resyncs_kept++;
		done(ctx, OK);
		return;
	}
	/* Before it is submitted: the answer may come at once. */
	s->is_moving = !failed(e);
	if (!failed(e))
		e = move_later(l, imsi, &next, done, ctx);
	if (failed(e)) {
		s->is_moving = false;
		done(ctx, e);
	}
}

struct ledger_counts ledger_counts(const struct ledger *l)
{
	return l->counts;
}

const struct ledger_counts *ledger_counters(const struct ledger *l)
{
	return &l->counts;
}
