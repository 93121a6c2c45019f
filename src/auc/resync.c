// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "resync.h"
#include "aka.h"
#include "base/ct.h"
#include "base/secret.h"

struct err resync_open(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], const uint8_t auts[static AUTH_AUTS],
	uint64_t *sqn_ms)
{
	static const uint8_t amf[AMF_OCTETS] = {0}; /* [TS 33.102 §6.3.3] */
	uint8_t sqn[SQN_OCTETS], mac_s[AKA_MAC];

	*sqn_ms = 0;
	if (auc_keys_refusal(algorithms, keys) != NULL)
		return ERR(VERSION);
	if (auc_is_triplet_only(keys->algorithm))
		return ERR(STATE);
	aka_ak_star(algorithms, keys, rand, sqn);
	for (size_t i = 0; i < SQN_OCTETS; i++)
		sqn[i] ^= auts[i];
	aka_mac_s(algorithms, keys, rand, sqn, amf, mac_s);
	const bool is_genuine = ct_equal(mac_s, auts + SQN_OCTETS, sizeof mac_s);
	if (is_genuine) {
		ct_declassify(sqn, sizeof sqn);
		*sqn_ms = sqn_from_octets(sqn);
	}
	secret_wipe(mac_s, sizeof mac_s);
	secret_wipe(sqn, sizeof sqn);
	return is_genuine ? OK : ERR(AUTH);
}

/* A new offset, in a generation of its own: numbers of an earlier one may come again. */
static struct err move(const struct sqn_lease *l, struct moment now, const struct sqn_state *state,
	uint64_t seq, enum resync_outcome *outcome, struct sqn_state *next)
{
	if (seq - 1 + l->ahead > SQN_SEQ_MAX || state->generation == UINT32_MAX)
		return ERR(LIMIT);
	next->dif = sqn_dif_for(l, now, state, seq);
	next->generation++;
	*outcome = next->dif > state->dif ? RESYNC_RAISED : RESYNC_LOWERED;
	return OK;
}

struct err resync_decide(const struct sqn_lease *l, struct moment now,
	const struct sqn_state *state, uint64_t sqn_ms, enum resync_outcome *outcome,
	struct sqn_state *next)
{
	const int64_t seq_ms = (int64_t)sqn_seq(sqn_ms);
	const int64_t seq_next = sqn_next(l, now, state);

	*next = *state;
	*outcome = RESYNC_KEPT;
	if (seq_next > seq_ms && seq_next - seq_ms <= (int64_t)SQN_DELTA)
		return OK; /* the card takes it as it is [TS 33.102 §6.3.5 step 3] */
	return move(l, now, state, (uint64_t)seq_ms + 1, outcome, next);
}

struct err resync_reset(const struct sqn_lease *l, struct moment now, const struct sqn_state *state,
	uint64_t seq_next, enum resync_outcome *outcome, struct sqn_state *next)
{
	*next = *state;
	*outcome = RESYNC_KEPT;
	if (seq_next == 0 || seq_next > SQN_SEQ_MAX)
		return ERR(INPUT);
	return move(l, now, state, seq_next, outcome, next);
}
