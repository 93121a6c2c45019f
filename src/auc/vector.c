// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vector.h"
#include "base/secret.h"

void sqn_to_octets(uint8_t out[static SQN_OCTETS], uint64_t sqn)
{
	for (size_t i = 0; i < SQN_OCTETS; i++)
		out[i] = (uint8_t)(sqn >> 8 * (SQN_OCTETS - 1 - i));
}

uint64_t sqn_from_octets(const uint8_t in[static SQN_OCTETS])
{
	uint64_t sqn = 0;

	for (size_t i = 0; i < SQN_OCTETS; i++)
		sqn = sqn << 8 | in[i];
	return sqn;
}

void amf_for_radio(
	uint8_t out[static AMF_OCTETS], const uint8_t amf[static AMF_OCTETS], enum auth_radio radio)
{
	out[0] = (uint8_t)((amf[0] & 0x7f) | (radio == AUTH_EPS ? 0x80 : 0));
	out[1] = amf[1];
}

/* AUTN = SQN xor AK || AMF || MAC-A [TS 33.102 §6.3.2] */
static void autn_of(uint8_t autn[static AUTH_AUTN], const uint8_t *sqn, const uint8_t *amf,
	const struct milenage_output *f)
{
	for (size_t i = 0; i < SQN_OCTETS; i++)
		autn[i] = sqn[i] ^ f->ak[i];
	memcpy(autn + SQN_OCTETS, amf, AMF_OCTETS);
	memcpy(autn + SQN_OCTETS + AMF_OCTETS, f->mac_a, sizeof f->mac_a);
}

/* c2: SRES, the words of RES added; c3: Kc, the halves of CK and IK added [TS 33.102 §6.8.1.2]. */
static void triplet_of(struct auth_vector *v)
{
	for (size_t i = 0; i < AUTH_SRES; i++)
		v->sres[i] = v->res[i] ^ v->res[i + 4] ^ v->res[i + 8] ^ v->res[i + 12];
	for (size_t i = 0; i < AUTH_KC; i++)
		v->kc[i] = v->ck[i] ^ v->ck[i + 8] ^ v->ik[i] ^ v->ik[i + 8];
}

struct err auc_keys_derive_opc(const struct auc_algorithms *algorithms, struct auc_keys *keys)
{
	uint8_t opc[MILENAGE_KEY];

	if (keys->algorithm != AUC_MILENAGE)
		return ERR(VERSION);
	milenage_opc(algorithms->engine, keys->k, keys->opc, opc);
	memcpy(keys->opc, opc, sizeof opc);
	secret_wipe(opc, sizeof opc);
	return OK;
}

struct err vector_compute(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	uint64_t sqn, enum auth_radio radio, struct auth_vector *v)
{
	struct milenage_keys milenage;
	struct milenage_output f;
	uint8_t sqn_octets[SQN_OCTETS], amf[AMF_OCTETS];

	if (keys->algorithm != AUC_MILENAGE)
		return ERR(VERSION);
	memcpy(milenage.k, keys->k, sizeof milenage.k);
	memcpy(milenage.opc, keys->opc, sizeof milenage.opc);
	sqn_to_octets(sqn_octets, sqn);
	amf_for_radio(amf, keys->amf, radio);
	milenage_compute(algorithms->engine, &milenage, v->rand, sqn_octets, amf, &f);
	autn_of(v->autn, sqn_octets, amf, &f);
	memset(v->res, 0, sizeof v->res); /* c2 takes RES padded with zeros to 128 bits */
	memcpy(v->res, f.res, sizeof f.res);
	v->res_len = sizeof f.res;
	memcpy(v->ck, f.ck, sizeof f.ck);
	memcpy(v->ik, f.ik, sizeof f.ik);
	triplet_of(v);
	secret_wipe(&f, sizeof f);
	secret_wipe(&milenage, sizeof milenage);
	return OK;
}
