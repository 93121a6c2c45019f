// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Authentication pads: 128 fresh secret bits for each Wegman-Carter tag.
 *
 * Each direction has a pool of its own, so that the ends never take the same pad for two messages. Pads are numbered
 * for ever; the mark of a direction is the next free number. It is made durable (QKD_MARK) before a
 * tag is sent, and before a tag is accepted: after a crash a pad is burnt, never used again. The receiver takes any
 * number from its mark on, since the sender may have burnt some, up to PADS_SKIP_MAX of them.
 *
 * The first pads come from the bootstrap secret, later ones from final blocks: a block's refill becomes part of the pools in the same
 * transaction that makes the block final, so the ends' pools have the same end or the block is not final.
 */
#include "codec/qkd_link.h"
#include "codec/qkd_pads.h"

enum {
	PADS_NEEDED = 2, /* in each direction, to start a block */
	PADS_LOW = 16,   /* alarm below */
	PADS_HIGH = 96,  /* refilled up to here */
	PADS_REFILL_STEP = 8,
	PADS_SKIP_MAX = 128,
};

static inline uint64_t pad_pool_end(const struct pad_pool *pool)
{
	return pool->first + pool->count;
}

/* Pads from the mark on. */
uint64_t pad_pool_left(const struct pad_pool *pool, uint64_t mark);
/* NULL where there is none of that number. */
const uint8_t *pad_pool_at(const struct pad_pool *pool, uint64_t index);

/* How many pads a block should add to each direction, by what its first end has. */
uint16_t pads_refill_wanted(const struct pads *pads, struct qkd_marks marks);
/* Notes `count` pads for each direction from 2 * count * PAD_OCTETS of key: A->B first. */
void pads_refill_note(struct pads *pads, enum link_role role,
	const uint8_t block_id[static QKD_BLOCK_ID], uint16_t count, const uint8_t *octets);
/* The noted block is final: used pads go, noted ones come. ERR_LIMIT when they do not fit. */
MUST_USE struct err pads_refill_apply(struct pads *pads, struct qkd_marks marks);
void pads_refill_forget(struct pads *pads);
