// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A model of the card's side of SQN [TS 33.102 Annex C.2]: it takes SEQ > SEQ_MS(IND), and no jump
 * of more than delta over the highest SEQ of the array. Numbers alone: MAC and AUTS are up to the
 * test.
 */
#include "auc/auc.h"

struct usim {
	uint64_t seq_ms[SQN_INDS];
};

static inline uint64_t usim_highest_seq(const struct usim *u)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < SQN_INDS; i++)
		highest = u->seq_ms[i] > highest ? u->seq_ms[i] : highest;
	return highest;
}

/* SQN_MS as AUTS carries it: the highest SEQ that was taken [TS 33.102 Annex C.2.2]. */
static inline uint64_t usim_sqn_ms(const struct usim *u)
{
	return sqn_of(usim_highest_seq(u), 0);
}

static inline bool usim_takes(struct usim *u, uint64_t sqn)
{
	const uint64_t seq = sqn_seq(sqn), highest = usim_highest_seq(u);
	uint64_t *mine = &u->seq_ms[sqn & (SQN_INDS - 1)];

	if (seq <= *mine || (seq > highest && seq - highest > SQN_DELTA))
		return false;
	*mine = seq;
	return true;
}
