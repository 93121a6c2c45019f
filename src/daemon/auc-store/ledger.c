// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ledger_inner.h"
#include <assert.h>

struct moment ledger_now(const struct ledger *l)
{
	return clock_now(&l->clock);
}

int64_t ledger_now_s(const struct ledger *l)
{
	return ledger_now(l).unix_ms / 1000;
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

struct err ledger_wait_for(struct ledger *l, const char *imsi, void *ctx, struct ledger_wait **wait)
{
	const struct err e = register_find(&l->subscribers, imsi) == NULL
				     ? ERR(ABSENT)
				     : ledger_wait_open(l, ctx, wait);

	if (!failed(e))
		memcpy((*wait)->request.imsi, imsi, strlen(imsi) + 1);
	return e;
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

void ledger_submit_one(struct ledger *l, enum ledger_statement statement,
	const struct store_value *params, size_t count, store_done_fn *done, void *ctx)
{
	struct store_batch *b = store_batch_open();

	store_batch_add(b, statement, params, count);
	ledger_submit(l, b, done, ctx);
}

void ledger_on_lost(struct ledger *l, void (*lost)(void *ctx, const char *why), void *ctx)
{
	l->lost = lost;
	l->lost_ctx = ctx;
}

void ledger_on_refused(struct ledger *l,
	void (*refused)(void *ctx, enum ledger_refusal why, const struct auth_request *q),
	void *ctx)
{
	l->refused = refused;
	l->refused_ctx = ctx;
}

static void refuse(struct ledger *l, enum ledger_refusal why, const struct auth_request *q)
{
	uint64_t *const counters[] = {[LEDGER_EXHAUSTED] = &l->counts.exhausted,
		[LEDGER_HARVEST] = &l->counts.harvests_refused,
		[LEDGER_RESYNCS] = &l->counts.resyncs_refused};

	++*counters[why];
	if (l->refused != NULL)
		l->refused(l->refused_ctx, why, q);
}

/* ---- the lease ---- */

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

	if (l->move_waiting != NULL && !l->is_lost)
		ledger_move_on(l);
	if (ceiling == 0 || l->is_leasing || l->is_lost || failed(ledger_wait_open(l, NULL, &wait)))
		return;
	wait->next.last = ceiling;
	l->is_leasing = true;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(ceiling)};
	ledger_submit_one(l, LEDGER_CEILING_SET, params, ARRAY_LEN(params), leased, wait);
}

/* ---- taking numbers ---- */

const struct subscriber *ledger_find(const struct ledger *l, const char *imsi)
{
	return register_find(&l->subscribers, imsi);
}

struct span ledger_sealed(const struct ledger *l, const struct subscriber *s)
{
	return register_sealed(&l->subscribers, s);
}

int64_t ledger_seq_next(const struct ledger *l, const struct sqn_state *s)
{
	return sqn_next(&l->lease, ledger_now(l), s);
}

/* ERR_ABSENT, ERR_STATE: none who may be served. */
static struct err find(struct ledger *l, const char *imsi, struct subscriber **s)
{
	*s = register_find(&l->subscribers, imsi);
	l->counts.unknown += *s == NULL;
	if (*s == NULL)
		return ERR(ABSENT);
	l->counts.disabled += (*s)->is_disabled;
	return (*s)->is_disabled ? ERR(STATE) : OK;
}

/* Two limits: what one subscriber may be asked for in the long run, and what the lease holds. */
static struct err numbers_take(
	struct ledger *l, struct subscriber *s, const struct auth_request *q, uint64_t *seq)
{
	const struct moment now = ledger_now(l);
	struct sqn_state state = subscriber_sqn(s);
	uint32_t level = s->vectors_level;

	if (!limit_take(&l->vectors, now.mono_ms, &level, q->vectors)) {
		refuse(l, LEDGER_HARVEST, q);
		return ERR(LIMIT);
	}
	const struct err e = sqn_take(&l->lease, now, &state, q->vectors, seq);
	if (failed(e)) {
		refuse(l, LEDGER_EXHAUSTED, q);
		return e;
	}
	s->last = state.last;
	s->vectors_level = level;
	l->counts.vectors += q->vectors;
	return OK;
}

static void take_now(struct ledger *l, const struct auth_request *q, uint8_t ind,
	ledger_took_fn *took, void *ctx)
{
	struct subscriber *s;
	uint64_t seq = 0;

	struct err e = l->is_lost ? ERR(IO) : find(l, q->imsi, &s);
	if (!failed(e))
		e = numbers_take(l, s, q, &seq);
	if (failed(e)) {
		took(ctx, e, NULL);
		return;
	}
	const struct ledger_ticket ticket = {.sealed = register_sealed(&l->subscribers, s),
		.sqn_first = sqn_of(seq, ind),
		.count = q->vectors,
		.generation = s->generation};
	took(ctx, OK, &ticket);
}

static void ind_is_durable(void *ctx, struct err err, const struct store_result *r)
{
	struct ledger_wait *wait = ctx, *next;
	struct ledger *l = wait->ledger;

	if (!failed(err) && store_result_changes(r, 0) != 1)
		ledger_lose(l, "another process owns this shard's IND table now");
	if (!failed(err))
		ind_kept(&l->inds, wait->ind, wait->request.domain, wait->request.node);
	if (l->ind_writes[wait->ind] == wait)
		l->ind_writes[wait->ind] = NULL;
	for (; wait != NULL; wait = next) {
		next = wait->behind;
		if (failed(err))
			wait->took(wait->ctx, err, NULL);
		else
			take_now(l, &wait->request, wait->ind, wait->took, wait->ctx);
		ledger_wait_close(wait);
	}
}

/* Behind the first who waits for this node's IND; false where there is none. */
static bool wait_behind(struct ledger_wait *wait)
{
	struct ledger_wait *first = wait->ledger->ind_writes[wait->ind];

	if (first == NULL || first->request.domain != wait->request.domain ||
		strcmp(first->request.node, wait->request.node) != 0)
		return false;
	*first->last = wait;
	first->last = &wait->behind;
	return true;
}

/* A node that asks for the first time (or for the first time in long): its IND is made durable,
 * then used. */
static void take_when_durable(struct ledger *l, const struct auth_request *q, uint8_t ind,
	ledger_took_fn *took, void *ctx)
{
	struct ledger_wait *wait;

	const struct err e = ledger_wait_open(l, ctx, &wait);
	if (failed(e)) {
		took(ctx, e, NULL);
		return;
	}
	wait->request = *q;
	wait->took = took;
	wait->ind = ind != 0 ? ind : ind_assign(&l->inds, q->domain, q->node);
	l->counts.inds_evicted = l->inds.evicted;
	if (wait_behind(wait))
		return;
	wait->last = &wait->behind;
	l->ind_writes[wait->ind] = wait;
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(wait->ind),
		STORE_I64_VALUE(q->domain), STORE_TEXT_VALUE(wait->request.node),
		STORE_I64_VALUE(l->inds.tick)};
	ledger_submit_one(l, LEDGER_IND_SET, params, ARRAY_LEN(params), ind_is_durable, wait);
}

void ledger_take(struct ledger *l, const struct auth_request *q, ledger_took_fn *took, void *ctx)
{
	const uint8_t ind = ind_find(&l->inds, q->domain, q->node);
	struct subscriber *s;

	ledger_tick(l);
	if (ind != 0 && ind_is_kept(&l->inds, ind, q->domain, q->node)) {
		take_now(l, q, ind, took, ctx);
		return;
	}
	const struct err e = find(l, q->imsi, &s); /* who gets no vectors makes no node known */
	if (failed(e))
		took(ctx, e, NULL);
	else
		take_when_durable(l, q, ind, took, ctx);
}

/* ---- resynchronisation [TS 33.102 §6.3.5] ---- */

struct err ledger_resync_allow(struct ledger *l, const struct auth_request *q)
{
	struct subscriber *s;

	const struct err e = find(l, q->imsi, &s);
	if (failed(e))
		return e;
	if (limit_take(&l->resyncs, ledger_now(l).mono_ms, &s->resyncs_level, 1))
		return OK;
	refuse(l, LEDGER_RESYNCS, q);
	return ERR(LIMIT);
}

static void resync_note(struct ledger *l, struct subscriber *s, enum resync_outcome outcome)
{
	s->resync = (unsigned)outcome & 7;
	s->resynced_s = (uint32_t)ledger_now_s(l);
}

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
		s->dif = wait->next.dif;
		s->generation = wait->next.generation;
		resync_note(l, s, wait->outcome);
		l->counts.resyncs_moved += wait->outcome != RESYNC_RESET;
	}
	wait->done(wait->ctx, err);
	ledger_wait_close(wait);
}

void ledger_move(struct ledger *l, struct subscriber *s, const struct sqn_state *next,
	enum resync_outcome outcome, struct ledger_wait *wait)
{
	wait->next = *next;
	wait->outcome = outcome;
	s->is_moving = true; /* before it is submitted: the answer may come at once */
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_TEXT_VALUE(wait->request.imsi),
		STORE_I64_VALUE(next->dif), STORE_I64_VALUE(next->generation),
		STORE_I64_VALUE(outcome), STORE_I64_VALUE(ledger_now_s(l))};
	ledger_submit_one(l, LEDGER_DIF_SET, params, ARRAY_LEN(params), dif_kept, wait);
}

void ledger_resync(
	struct ledger *l, const char *imsi, uint64_t sqn_ms, ledger_done_fn *done, void *ctx)
{
	struct subscriber *s = register_find(&l->subscribers, imsi);
	enum resync_outcome outcome;
	struct ledger_wait *wait;
	struct sqn_state next;

	/* One at a time: a second decision on the state before the first would lower DIF below what
	 * the first has begun to give. */
	if (s == NULL || s->is_moving) {
		done(ctx, s == NULL ? ERR(ABSENT) : ERR(LIMIT));
		return;
	}
	const struct sqn_state state = subscriber_sqn(s);
	struct err e = resync_decide(&l->lease, ledger_now(l), &state, sqn_ms, &outcome, &next);
	if (!failed(e) && outcome == RESYNC_KEPT) {
		l->counts.resyncs_kept++;
		resync_note(l, s, outcome);
		done(ctx, OK);
		return;
	}
	if (!failed(e))
		e = ledger_wait_for(l, imsi, ctx, &wait);
	if (failed(e)) {
		done(ctx, e);
		return;
	}
	wait->done = done;
	ledger_move(l, s, &next, outcome, wait);
}

struct ledger_counts ledger_counts(const struct ledger *l)
{
	return l->counts;
}

const struct ledger_counts *ledger_counters(const struct ledger *l)
{
	return &l->counts;
}
