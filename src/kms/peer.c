// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inner.h"

/* What the other site asks, and what both tell each other after an interruption. */

/* --- offers --- */

/* The block can take an offer: both ends have its secrets durably. That the other site offers proves
 * that it is ready there, which the initiator may not have heard yet. */
static bool is_offerable(const struct kms *k, const struct block *b)
{
	return b->state == BLOCK_READY ||
	       (b->state == BLOCK_AGREED && k->direction == DIRECTION_LOW);
}

static bool is_same_offer(const struct key *key, const struct key *like)
{
	return key->state == KEY_CONFIRMED && key->master == like->master &&
	       key->size_bits == like->size_bits && key->slave_count == like->slave_count &&
	       memcmp(key->slaves, like->slaves, like->slave_count) == 0;
}

/* What all keys of the offer have in common. */
static struct err offer_read(struct kms *k, const struct peer_offer *m, struct key *like)
{
	const int master = sae_find(k, SAE_PEER, &m->master, true);

	*like = (struct key){
		.slave_count = (uint8_t)m->slave_count, .size_bits = (uint16_t)m->size_bits};
	if (m->size_bits < KMS_KEY_BITS_LEAST || m->size_bits > SLOT_BITS || m->size_bits % 8 != 0)
		return ERR(INPUT);
	if (master < 0)
		return ERR(AUTH);
	like->master = (uint8_t)master;
	for (size_t i = 0; i < m->slave_count; i++) {
		const int at = sae_find(k, SAE_LOCAL, &m->slaves[i], true);
		if (at < 0)
			return ERR(AUTH);
		like->slaves[i] = (uint8_t)at;
	}
	like->waiting = (uint8_t)((1u << m->slave_count) - 1);
	return OK;
}

/* A new key for a slot that is free; the same key for the same offer again; else refused. */
static struct err key_accept(
	struct kms *k, const struct peer_slot *at, const struct key *like, struct key **out)
{
	struct block *b = block_find(k, at->block_id);
	enum direction direction;
	struct kms_key_id id;

	if (b == NULL)
		return ERR(ABSENT);
	if (!is_offerable(k, b))
		return ERR(STATE);
	if (!direction_of_slot(b->slots, at->slot, &direction) || direction == k->direction)
		return ERR(INPUT);
	struct err e = key_id_derive(&id, SPAN_ARRAY(b->id), direction, at->slot);
	if (failed(e))
		return e;
	*out = key_find(k, &id);
	if (*out != NULL)
		return is_same_offer(*out, like) ? OK : ERR(STATE);
	if (slot_is_taken(b, at->slot))
		return ERR(STATE); /* delivered or void here: never again */
	e = key_new(k, b, at->slot, out);
	if (failed(e))
		return e;
	slot_take(b, at->slot);
	(*out)->master = like->master;
	(*out)->size_bits = like->size_bits;
	(*out)->slave_count = like->slave_count;
	(*out)->waiting = like->waiting;
	memcpy((*out)->slaves, like->slaves, sizeof like->slaves);
	return key_step(&(*out)->state, KEY_ACCEPT);
}

void peer_accept(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	struct peer_offer m;
	struct key like, *key;
	struct wire_fault fault = {0};

	struct err e = peer_offer_decode(&m, body, &fault);
	if (!failed(e))
		e = offer_read(k, &m, &like);
	/* What was accepted before one is refused stays: the other site voids all of them. */
	for (size_t i = 0; i < m.count && !failed(e); i++) {
		e = key_accept(k, &m.keys[i], &like, &key);
		if (!failed(e))
			change_key(k, key);
	}
	if (failed(e)) {
		changes_save(k, ignore, NULL);
		answer(ctx, e, span_of(NULL, 0));
	} else {
		changes_save(k, answer, ctx);
	}
}

/* --- voids --- */

static struct err slot_void(struct kms *k, const struct peer_slot *at)
{
	struct block *b = block_find(k, at->block_id);
	enum direction direction;
	struct kms_key_id id;

	if (b == NULL)
		return OK; /* spent or void: nothing of it can be given any more */
	if (!direction_of_slot(b->slots, at->slot, &direction) || direction == k->direction)
		return ERR(INPUT);
	struct err e = key_id_derive(&id, SPAN_ARRAY(b->id), direction, at->slot);
	if (failed(e))
		return e;
	struct key *key = key_find(k, &id);
	if (key == NULL && slot_is_taken(b, at->slot))
		return OK;
	if (key == NULL) {
		/* The offer may still be on its way: the slot must be shut before it comes. */
		e = key_new(k, b, at->slot, &key);
		if (failed(e))
			return e;
	}
	if (key->uses > 0 || failed(key_step(&key->state, KEY_CANCEL)))
		return OK; /* it is on its way to a slave: as good as delivered */
	change_key(k, key);
	key_finish(k, key);
	return OK;
}

void peer_void(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	struct peer_void m;
	struct wire_fault fault = {0};

	struct err e = peer_void_decode(&m, body, &fault);
	for (size_t i = 0; i < m.count && !failed(e); i++)
		e = slot_void(k, &m.keys[i]);
	if (failed(e)) {
		changes_save(k, ignore, NULL);
		answer(ctx, e, span_of(NULL, 0));
	} else {
		changes_save(k, answer, ctx);
	}
}

/* --- reconciliation --- */

/* One past the highest slot of the other site's half that we have heard of. */
static uint32_t mark_of(const struct kms *k, const struct block *b)
{
	const struct slot_range half = slots_of_direction(
		b->slots, k->direction == DIRECTION_LOW ? DIRECTION_HIGH : DIRECTION_LOW);
	uint32_t mark = half.end;

	while (mark > half.first && !slot_is_taken(b, mark - 1))
		mark--;
	return mark;
}

void peer_reconcile(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	struct peer_reconcile m;
	struct peer_reconciled out;
	struct wire_fault fault = {0};
	uint8_t text[PEER_BLOCKS_MAX * 5 + 1];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));

	struct err e = peer_reconcile_decode(&m, body, &fault);
	if (failed(e)) {
		answer(ctx, e, span_of(NULL, 0));
		return;
	}
	out.count = m.count;
	for (size_t i = 0; i < m.count; i++) {
		struct block *b = block_find(k, m.blocks[i].block_id);
		/* Who initiated has compared the responder's proof before it was AGREED. The responder waits for
		 * PEER_CONFIRM: a transcript is public, and is no proof of slot 0. */
		const bool is_known =
			b != NULL &&
			(b->state == BLOCK_READY ||
				(b->state == BLOCK_AGREED && k->direction == DIRECTION_LOW));
		const bool is_same =
			is_known && memcmp(b->transcript, m.blocks[i].transcript, PEER_DIGEST) == 0;
		out.blocks[i].verdict = is_same    ? PEER_SAME
					: is_known ? PEER_DIFFERENT
						   : PEER_UNKNOWN;
		out.blocks[i].mark = is_same ? mark_of(k, b) : 0;
		/* Ready there, so confirmed: the confirmation itself was lost with our rows. */
		if (is_same && b->state == BLOCK_AGREED &&
			!failed(block_step(&b->state, BLOCK_CONFIRM))) {
			slot_finish(k, b, 0);
			change_block_state(k, b);
		}
	}
	changes_save(k, ignore, NULL);
	peer_reconciled_encode(&w, &out);
	answer(ctx, OK, writer_span_done(&w));
}

/* The other site has nothing left of it: nothing more is issued from it here either. Keys that were issued wait on for
 * their slaves, whose masters have them already. */
static void block_retire(struct kms *k, struct block *b)
{
	for (uint32_t slot = 0; slot < b->slots; slot++)
		if (!slot_is_taken(b, slot))
			slot_finish(k, b, slot);
	b->next = slots_of_direction(b->slots, k->direction).end;
}

/* The other site knows keys that we do not remember: our rows are older than the truth. */
static void block_catch_up(struct kms *k, struct block *b, uint32_t mark)
{
	const struct slot_range half = slots_of_direction(b->slots, k->direction);

	while (b->next < mark && b->next < half.end) {
		if (!slot_is_taken(b, b->next))
			slot_finish(k, b, b->next);
		b->next++;
	}
}

static void block_reconcile(
	struct kms *k, struct block *b, enum peer_verdict verdict, uint32_t mark)
{
	switch (verdict) {
	case PEER_SAME:
		block_catch_up(k, b, mark);
		break;
	case PEER_UNKNOWN: /* spent there, most likely */
		block_retire(k, b);
		break;
	case PEER_DIFFERENT:
		block_void(k, b);
		break;
	}
	block_settle(k, b);
}

/* Ready blocks after k->sync_after, oldest first. */
static size_t blocks_to_ask(struct kms *k, struct block **out)
{
	size_t count = 0;
	uint64_t after = k->sync_after;

	while (count < PEER_BLOCKS_MAX) {
		struct block *next = NULL;
		for (uint32_t i = 0; i < k->blocks.limit; i++) {
			struct block *b = pool_item(&k->blocks, i);
			if (b != NULL && b->state == BLOCK_READY && b->order > after &&
				(next == NULL || b->order < next->order))
				next = b;
		}
		if (next == NULL)
			break;
		out[count++] = next;
		after = next->order;
	}
	return count;
}

static void reconciled(void *ctx, struct err e, struct span body)
{
	struct kms *k = ctx;
	struct peer_reconciled m = {0};
	struct wire_fault fault = {0};

	k->is_synchronising = false;
	/* An answer of before the last interruption says nothing: the next tick asks anew. */
	if (!k->is_peer_up || k->sync_asked != k->sync_generation)
		return;
	if (!failed(e))
		e = peer_reconciled_decode(&m, body, &fault);
	if (failed(e) || m.count != k->sync_count) {
		k->sync_retry_ms = k->now.mono_ms + k->config.retry_ms;
		return;
	}
	for (size_t i = 0; i < m.count; i++) {
		struct block *b = pool_find(&k->blocks, k->sync_blocks[i]);
		if (b == NULL)
			continue;
		k->sync_after = b->order;
		block_reconcile(k, b, m.blocks[i].verdict, m.blocks[i].mark);
		changes_save(k, ignore, NULL);
	}
	peer_synchronise(k);
}

void peer_synchronise(struct kms *k)
{
	struct peer_reconcile m;
	struct block *blocks[PEER_BLOCKS_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(k->scratch));

	if (k->is_synchronising)
		return;
	m.count = blocks_to_ask(k, blocks);
	k->is_synchronised = m.count == 0;
	if (k->is_synchronised)
		return;
	for (size_t i = 0; i < m.count; i++) {
		memcpy(m.blocks[i].block_id, blocks[i]->id, PEER_ID);
		memcpy(m.blocks[i].transcript, blocks[i]->transcript, PEER_DIGEST);
		k->sync_blocks[i] = blocks[i]->handle;
	}
	peer_reconcile_encode(&w, &m);
	k->sync_count = m.count;
	k->sync_asked = k->sync_generation;
	k->is_synchronising = true;
	k->ports.peer(k->ports.ctx, PEER_RECONCILE, writer_span_done(&w), reconciled, k);
}
