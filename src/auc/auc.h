// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The authentication centre: what is decided between a request for vectors and the answer
 * [TS 33.102 §6.3].
 *
 * Vocabulary, as in the standard. A vector is RAND, XRES, CK, IK and AUTN; AUTN = SQN xor AK || AMF
 * || MAC. SQN has 48 bits: SEQ (43 bits, which counts) and IND (5 bits, a place in the card's array
 * SEQ_MS) [TS 33.102 Annex C.1.1.1]. A card takes SEQ > SEQ_MS(IND), and no jump of more than delta
 * over its highest. If it does not, it answers AUTS, which conceals its SQN_MS, and proves it by
 * MAC-S.
 *
 *   sqn.h      which SEQ comes next: a clock with an offset for each subscriber, under a leased
 * ceiling ind.h      which IND a serving node has resync.h   what an AUTS says, whether it is
 * genuine, and whether the home side has to move vector.h   from keys, RAND and SQN to a vector
 *   register.h the subscribers, as the store holds them in memory
 *
 * Two processes use this room: the store decides numbers and never sees a key; the vault computes
 * with keys and decides no number. Who joins them is in daemon/auc-store and daemon/auc-vault.
 */
#include "codec/auth.h"

enum { SQN_IND_BITS = 5, SQN_INDS = 1 << SQN_IND_BITS };
#define SQN_SEQ_MAX ((UINT64_C(1) << 43) - 1)
/* The jump that a card takes at most [TS 33.102 Annex C.2.1, example in C.3.2]. */
#define SQN_DELTA (UINT64_C(1) << 28)

static inline uint64_t sqn_of(uint64_t seq, uint8_t ind)
{
	return seq << SQN_IND_BITS | ind;
}

static inline uint64_t sqn_seq(uint64_t sqn)
{
	return sqn >> SQN_IND_BITS;
}
