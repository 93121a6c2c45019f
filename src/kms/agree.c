// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inner.h"
#include "base/ct.h"

/*
 * The exchange of exchange.h, driven: once a block, by the site whose name sorts first.
 *
 *   initiator: FINAL  -> vault opens -> PEER_EXCHANGE -> vault finishes -> AGREED durable
 *              AGREED -> PEER_CONFIRM -> READY durable
 *   responder: PEER_EXCHANGE -> vault answers -> AGREED durable -> answer
 *              PEER_CONFIRM  -> proof compared -> READY durable -> answer
 *
 * An interruption before AGREED starts a new exchange; after it, the confirmation alone is sent again.
 */

static struct err agreement_new(struct kms *k, struct block *b, struct agreement **out)
{
	struct pool_handle handle;
	void *item;

	const struct err e = pool_take(&k->agreements, &handle, &item);
	if (failed(e))
		return e;
	*out = item;
	(*out)->handle = handle;
	(*out)->k = k;
	(*out)->block = b->handle;
	b->is_agreeing = true;
	return OK;
}

static void agreement_end(struct agreement *a, struct err e, struct span body)
{
	struct kms *k = a->k;
	struct block *b = pool_find(&k->blocks, a->block);
	kms_done_fn *answer = a->answer;
	void *ctx = a->answer_ctx;

	if (b != NULL) {
		b->is_agreeing = false;
		b->retry_at_ms = failed(e) ? k->now.mono_ms + k->config.retry_ms : 0;
	}
	if (answer != NULL)
		answer(ctx, e, body);
	pool_give(&k->agreements, a->handle);
}

/* The block, unless it became void meanwhile; then the agreement is over. */
static struct block *agreement_block(struct agreement *a)
{
	struct block *b = pool_find(&a->k->blocks, a->block);

	if (b == NULL || b->state == BLOCK_VOID || segment_of(b, 0) == NULL) {
		agreement_end(a, ERR(STATE), span_of(NULL, 0));
		return NULL;
	}
	return b;
}

static struct kvault_segment first_segment(const struct block *b)
{
	const struct segment *s = segment_of(b, 0);
	struct kvault_segment out = {.slots = b->slots,
		.wrapped = SPAN_ARRAY(s->wrapped),
		.sealed = span_of(s->sealed, s->sealed_len)};

	memcpy(out.block_id, b->id, PEER_ID);
	return out;
}

static struct err block_agree(struct block *b, const uint8_t exchange_id[static PEER_ID],
	const struct kvault_agreed *agreed)
{
	const struct err e = block_step(&b->state, BLOCK_AGREE);

	if (failed(e))
		return e;
	memcpy(b->exchange_id, exchange_id, PEER_ID);
	memcpy(b->transcript, agreed->transcript, PEER_DIGEST);
	memcpy(b->proof, agreed->proof, PEER_DIGEST);
	memcpy(b->secrets, agreed->secrets, sizeof b->secrets);
	b->has_secrets = true;
	return OK;
}

/* Both ends are through: slot 0 has done its work. */
static struct err block_ready(struct kms *k, struct block *b)
{
	const bool is_new = b->state != BLOCK_READY;
	const struct err e = block_step(&b->state, BLOCK_CONFIRM);

	if (failed(e))
		return e;
	k->counters.exchanges += is_new;
	slot_finish(k, b, 0);
	if (b->state == BLOCK_READY)
		change_block_state(k, b);
	return OK;
}

/* --- initiator --- */

static void ready_saved(void *ctx, struct err e, struct span body)
{
	(void)body;
	agreement_end(ctx, e, span_of(NULL, 0));
}

static void confirmed(void *ctx, struct err e, struct span body)
{
	struct agreement *a = ctx;

	(void)body;
	if (failed(e)) {
		/* Refused, not lost: the other site knows another exchange, or no such block. */
		struct block *b = pool_find(&a->k->blocks, a->block);
		if (b != NULL &&
			(e.kind == ERR_ABSENT || e.kind == ERR_STATE || e.kind == ERR_AUTH)) {
			block_void(a->k, b);
			block_settle(a->k, b);
			changes_save(a->k, ignore, NULL);
		}
		agreement_end(a, e, span_of(NULL, 0));
		return;
	}
	struct block *b = agreement_block(a);
	if (b == NULL)
		return;
	e = block_ready(a->k, b);
	if (failed(e))
		agreement_end(a, e, span_of(NULL, 0));
	else
		changes_save(a->k, ready_saved, a);
}

static void confirm_send(struct agreement *a, const struct block *b)
{
	struct peer_confirm m;
	struct writer w = writer_of(SPAN_MUT_ARRAY(a->k->scratch));

	memcpy(m.block_id, b->id, PEER_ID);
	memcpy(m.exchange_id, b->exchange_id, PEER_ID);
	memcpy(m.proof, b->proof, PEER_DIGEST);
	peer_confirm_encode(&w, &m);
	a->k->ports.peer(a->k->ports.ctx, PEER_CONFIRM, writer_span_done(&w), confirmed, a);
}

static void agreed_saved(void *ctx, struct err e, struct span body)
{
	struct agreement *a = ctx;

	(void)body;
	if (failed(e)) {
		agreement_end(a, e, span_of(NULL, 0));
		return;
	}
	const struct block *b = agreement_block(a);
	if (b != NULL)
		confirm_send(a, b);
}

static void finished(void *ctx, struct err e, struct span body)
{
	struct agreement *a = ctx;
	struct kvault_agreed agreed;
	struct wire_fault fault = {0};

	if (!failed(e))
		e = kvault_agreed_decode(&agreed, body, &fault);
	struct block *b = failed(e) ? NULL : agreement_block(a);
	if (!failed(e) && b == NULL)
		return;
	if (!failed(e))
		e = block_agree(b, a->opened.public.exchange_id, &agreed);
	if (failed(e)) {
		agreement_end(a, e, span_of(NULL, 0));
		return;
	}
	change_block_state(a->k, b);
	changes_save(a->k, agreed_saved, a);
}

static void exchanged(void *ctx, struct err e, struct span body)
{
	struct agreement *a = ctx;
	struct kvault_finish m = {.public = a->opened.public};
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(a->k->scratch));

	if (!failed(e))
		e = peer_exchange_answer_decode(&m.answer, body, &fault);
	if (failed(e)) {
		agreement_end(a, e, span_of(NULL, 0));
		return;
	}
	const struct block *b = agreement_block(a);
	if (b == NULL)
		return;
	m.segment = first_segment(b);
	memcpy(m.private, a->opened.private, sizeof m.private);
	kvault_finish_encode(&w, &m);
	a->k->ports.vault(
		a->k->ports.ctx, KVAULT_EXCHANGE_FINISH, writer_span_done(&w), finished, a);
}

static void opened(void *ctx, struct err e, struct span body)
{
	struct agreement *a = ctx;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(a->k->scratch));

	if (!failed(e))
		e = kvault_opened_decode(&a->opened, body, &fault);
	if (failed(e)) {
		agreement_end(a, e, span_of(NULL, 0));
		return;
	}
	peer_exchange_write(&w, &a->opened.public);
	a->k->ports.peer(a->k->ports.ctx, PEER_EXCHANGE, writer_span_done(&w), exchanged, a);
}

void agree_tick(struct kms *k)
{
	if (k->direction != DIRECTION_LOW || !k->is_peer_up)
		return;
	for (uint32_t i = 0; i < k->blocks.limit; i++) {
		struct block *b = pool_item(&k->blocks, i);
		struct agreement *a;
		if (b == NULL || (b->state != BLOCK_FINAL && b->state != BLOCK_AGREED) ||
			b->is_agreeing || k->now.mono_ms < b->retry_at_ms)
			continue;
		if (failed(agreement_new(k, b, &a)))
			return; /* the rest has its turn later */
		if (b->state == BLOCK_AGREED)
			confirm_send(a, b);
		else
			k->ports.vault(
				k->ports.ctx, KVAULT_EXCHANGE_OPEN, SPAN_ARRAY(b->id), opened, a);
	}
}

/* --- responder --- */

static void answer_saved(void *ctx, struct err e, struct span body)
{
	struct agreement *a = ctx;
	uint8_t out[PEER_MESSAGE_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	(void)body;
	peer_exchange_answer_write(&w, &a->reply);
	agreement_end(a, e, failed(e) ? span_of(NULL, 0) : writer_span_done(&w));
}

static void answered(void *ctx, struct err e, struct span body)
{
	struct agreement *a = ctx;
	struct kvault_answered m;
	struct wire_fault fault = {0};

	if (!failed(e))
		e = kvault_answered_decode(&m, body, &fault);
	struct block *b = failed(e) ? NULL : agreement_block(a);
	if (!failed(e) && b == NULL)
		return;
	if (!failed(e))
		e = block_agree(b, a->opened.public.exchange_id, &m.agreed);
	if (failed(e)) {
		agreement_end(a, e, span_of(NULL, 0));
		return;
	}
	a->reply = m.answer;
	change_block_state(a->k, b);
	changes_save(a->k, answer_saved, a);
}

static struct err answer_start(
	struct kms *k, const struct peer_exchange *public, kms_done_fn *answer, void *ctx)
{
	struct block *b = block_find(k, public->block_id);
	struct agreement *a;
	struct writer w = writer_of(SPAN_MUT_ARRAY(k->scratch));

	if (k->direction == DIRECTION_LOW)
		return ERR(STATE); /* we initiate */
	if (b == NULL)
		return ERR(TIMEOUT); /* the link may still bring it */
	if (b->state == BLOCK_PENDING || b->is_agreeing)
		return ERR(TIMEOUT); /* later */
	if (b->state != BLOCK_FINAL && b->state != BLOCK_AGREED)
		return ERR(STATE);
	struct kvault_answer m = {.segment = first_segment(b), .public = *public};
	const struct err e = agreement_new(k, b, &a);
	if (failed(e))
		return e;
	a->answer = answer;
	a->answer_ctx = ctx;
	a->opened.public = *public;
	kvault_answer_encode(&w, &m);
	k->ports.vault(k->ports.ctx, KVAULT_EXCHANGE_ANSWER, writer_span_done(&w), answered, a);
	return OK;
}

void agree_answer(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	struct peer_exchange m;
	struct wire_fault fault = {0};

	struct err e = peer_exchange_decode(&m, body, &fault);
	if (!failed(e))
		e = answer_start(k, &m, answer, ctx);
	if (failed(e))
		answer(ctx, e, span_of(NULL, 0));
}

void agree_confirm(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	struct peer_confirm m;
	struct wire_fault fault = {0};

	struct err e = peer_confirm_decode(&m, body, &fault);
	struct block *b = failed(e) ? NULL : block_find(k, m.block_id);
	if (!failed(e) && b == NULL)
		e = ERR(ABSENT);
	if (!failed(e) && (k->direction == DIRECTION_LOW || !b->has_secrets ||
				  memcmp(b->exchange_id, m.exchange_id, PEER_ID) != 0))
		e = ERR(STATE);
	if (!failed(e) && !ct_equal(b->proof, m.proof, PEER_DIGEST))
		e = ERR(AUTH);
	if (!failed(e))
		e = block_ready(k, b);
	if (failed(e))
		answer(ctx, e, span_of(NULL, 0));
	else
		changes_save(k, answer, ctx);
}
