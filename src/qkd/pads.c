// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "pads.h"
#include "base/secret.h"

uint64_t pad_pool_left(const struct pad_pool *pool, uint64_t mark)
{
	const uint64_t from = mark > pool->first ? mark : pool->first;

	return from < pad_pool_end(pool) ? pad_pool_end(pool) - from : 0;
}

const uint8_t *pad_pool_at(const struct pad_pool *pool, uint64_t index)
{
	return index >= pool->first && index < pad_pool_end(pool) ? pool->pads[index - pool->first]
								  : NULL;
}

uint16_t pads_refill_wanted(const struct pads *pads, struct qkd_marks marks)
{
	const uint64_t send = pad_pool_left(&pads->send, marks.send);
	const uint64_t accept = pad_pool_left(&pads->accept, marks.accept);
	const uint64_t least = send < accept ? send : accept, most = send < accept ? accept : send;

	/* Both pools grow alike, so the fuller one must have room as well. */
	if (least >= PADS_HIGH || most + PADS_REFILL_STEP > PADS_MAX)
		return 0;
	return PADS_HIGH - least < PADS_REFILL_STEP ? (uint16_t)(PADS_HIGH - least)
						    : PADS_REFILL_STEP;
}

void pads_refill_note(struct pads *pads, enum link_role role,
	const uint8_t block_id[static QKD_BLOCK_ID], uint16_t count, const uint8_t *octets)
{
	const size_t half = (size_t)count * PAD_OCTETS;
	const bool is_alice = role == LINK_ALICE;

	pads->refill = count;
	memcpy(pads->refill_block, block_id, QKD_BLOCK_ID);
	memcpy(is_alice ? pads->refill_send : pads->refill_accept, octets, half);
	memcpy(is_alice ? pads->refill_accept : pads->refill_send, octets + half, half);
}

static void pool_trim(struct pad_pool *pool, uint64_t mark)
{
	const uint64_t left = pad_pool_left(pool, mark), gone = pool->count - left;

	memmove(pool->pads, pool->pads + gone, left * PAD_OCTETS);
	secret_wipe(pool->pads + left, gone * PAD_OCTETS);
	pool->first += gone;
	pool->count = (uint16_t)left;
}

static void pool_append(struct pad_pool *pool, uint8_t pads[][PAD_OCTETS], uint16_t count)
{
	memcpy(pool->pads + pool->count, pads, (size_t)count * PAD_OCTETS);
	pool->count = (uint16_t)(pool->count + count);
}

struct err pads_refill_apply(struct pads *pads, struct qkd_marks marks)
{
	pool_trim(&pads->send, marks.send);
	pool_trim(&pads->accept, marks.accept);
	if (pads->send.count + pads->refill > PADS_MAX ||
		pads->accept.count + pads->refill > PADS_MAX)
		return ERR(LIMIT);
	pool_append(&pads->send, pads->refill_send, pads->refill);
	pool_append(&pads->accept, pads->refill_accept, pads->refill);
	pads_refill_forget(pads);
	return OK;
}

void pads_refill_forget(struct pads *pads)
{
	pads->refill = 0;
	secret_wipe(pads->refill_send, sizeof pads->refill_send);
	secret_wipe(pads->refill_accept, sizeof pads->refill_accept);
}
