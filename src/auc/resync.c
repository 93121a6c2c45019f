// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "resync.h"
#include "base/ct.h"
#include "base/secret.h"

struct err resync_open(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], const uint8_t auts[static AUTH_AUTS],
	uint64_t *sqn_ms)
{
	static const uint8_t amf[AMF_OCTETS] = {0}; /* [TS 33.102 §6.3.3] */
	struct milenage_keys milenage;
	struct milenage_output f;
	uint8_t ak_star[SQN_OCTETS], sqn[SQN_OCTETS];

	*sqn_ms = 0;
	if (keys->algorithm != AUC_MILENAGE)
		return ERR(VERSION);
	memcpy(milenage.k, keys->k, sizeof milenage.k);
	memcpy(milenage.opc, keys->opc, sizeof milenage.opc);
	milenage_ak_star(algorithms->engine, &milenage, rand, ak_star);
	for (size_t i = 0; i < SQN_OCTETS; i++)
		sqn[i] = auts[i] ^ ak_star[i];
	milenage_compute(algorithms->engine, &milenage, rand, sqn, amf, &f);
	const bool is_genuine = ct_equal(f.mac_s, auts + SQN_OCTETS, sizeof f.mac_s);
	if (is_genuine) {
		ct_declassify(sqn, sizeof sqn);
		*sqn_ms = sqn_from_octets(sqn);
	}
	secret_wipe(&f, sizeof f);
	secret_wipe(&milenage, sizeof milenage);
	secret_wipe(ak_star, sizeof ak_star);
	secret_wipe(sqn, sizeof sqn);
	return is_genuine ? OK : ERR(AUTH);
}

struct err resync_decide(const struct sqn_lease *l, struct moment now,
	const struct sqn_state *state, uint64_t sqn_ms, enum resync_outcome *outcome,
	struct sqn_state *next)
{
	const int64_t seq_ms = (int64_t)sqn_seq(sqn_ms);
	/* sqn_dif_for(0) is minus the next unit, so this is the SEQ that would come next. */
	const int64_t seq_next = state->dif - sqn_dif_for(l, now, state, 0);

	*next = *state;
	*outcome = RESYNC_KEPT;
	if (seq_next > seq_ms && seq_next - seq_ms <= (int64_t)SQN_DELTA)
		return OK; /* the card takes it as it is [TS 33.102 §6.3.5 step 3] */
	if ((uint64_t)seq_ms + l->ahead > SQN_SEQ_MAX)
		return ERR(LIMIT);
	next->dif = sqn_dif_for(l, now, state, (uint64_t)seq_ms + 1);
	next->generation++;
	*outcome = next->dif > state->dif ? RESYNC_RAISED : RESYNC_LOWERED;
	return OK;
}
