// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Resynchronisation [TS 33.102 §6.3.5]. The vault opens AUTS and verifies it, before anything else
 * is believed; the store then decides whether the home side moves at all. It moves only where the
 * card would not take the next number as it is: who can replay an old AUTS moves nothing.
 */
#include "auc/sqn.h"
#include "auc/vector.h"

/* AUTS = SQN_MS xor AK* || MAC-S, with AMF = 0 in MAC-S [TS 33.102 §6.3.3]. ERR_AUTH where MAC-S,
 * compared in constant time, is wrong; *sqn_ms is then 0. ERR_STATE for a subscriber of triplets
 * alone, who has no sequence number to resynchronise. ERR_VERSION as vector_compute(). */
MUST_USE struct err resync_open(const struct auc_algorithms *algorithms,
	const struct auc_keys *keys, const uint8_t rand[static AUTH_RAND],
	const uint8_t auts[static AUTH_AUTS], uint64_t *sqn_ms);

/* Of the last one that a subscriber had. RESET is not a card's: the operator gave the number. */
enum resync_outcome { RESYNC_NEVER, RESYNC_KEPT, RESYNC_RAISED, RESYNC_LOWERED, RESYNC_RESET };

/*
 * What a genuine SQN_MS does to the home side. `next` is the state to make durable and then to go
 * on with (a copy of `now` for RESYNC_KEPT). ERR_LIMIT where SEQ_MS leaves no number above it, or there
 * have been 2^32 generations.
 */
MUST_USE struct err resync_decide(const struct sqn_lease *l, struct moment now,
	const struct sqn_state *state, uint64_t sqn_ms, enum resync_outcome *outcome,
	struct sqn_state *next);

/* The operator's: the next SEQ becomes `seq_next`, in a new generation. *outcome says which way it
 * went. ERR_INPUT for a number that cannot be. */
MUST_USE struct err resync_reset(const struct sqn_lease *l, struct moment now,
	const struct sqn_state *state, uint64_t seq_next, enum resync_outcome *outcome,
	struct sqn_state *next);
