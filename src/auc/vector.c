// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vector.h"
#include "base/secret.h"
#include "aka.h"
#include "derive.h"
#include "crypt/comp128.h"
#include "crypt/tuak.h"

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

bool auc_is_triplet_only(uint8_t algorithm)
{
	return algorithm == AUC_GSM_MILENAGE || algorithm == AUC_COMP128_V2 ||
	       algorithm == AUC_COMP128_V3;
}

static const char *tuak_refusal(const struct auc_keys *keys)
{
	const struct tuak t = {.lengths = {.k = keys->k_len,
				       .mac = AKA_MAC,
				       .res = keys->res_octets,
				       .ck = AUTH_KEY,
				       .ik = AUTH_KEY},
		.iterations = keys->iterations};

	return failed(tuak_check(&t)) || keys->res_octets > AUTH_RES_MAX
		       ? "TUAK: K of 16 or 32 octets, RES of 4, 8 or 16, iterations from 1"
		       : NULL;
}

static const char *milenage_refusal(
	const struct auc_algorithms *algorithms, const struct auc_keys *keys)
{
	if (keys->k_len != MILENAGE_KEY)
		return "MILENAGE: K has 16 octets";
	if (keys->profile == 0)
		return NULL;
	return keys->profile < AUC_PROFILES_MAX && algorithms->profiles[keys->profile] != NULL
		       ? NULL
		       : "there is no profile of MILENAGE constants with this number";
}

const char *auc_keys_refusal(const struct auc_algorithms *algorithms, const struct auc_keys *keys)
{
	switch (keys->algorithm) {
	case AUC_MILENAGE:
	case AUC_GSM_MILENAGE:
		return milenage_refusal(algorithms, keys);
	case AUC_TUAK:
		return tuak_refusal(keys);
	case AUC_XOR:
		if (!algorithms->is_xor_allowed)
			return "XOR is for test cards: it hides no key, and is not allowed here";
		return keys->k_len == XOR_OCTETS ? NULL : "XOR: K has 16 octets";
	case AUC_COMP128_V2:
	case AUC_COMP128_V3:
		return keys->k_len == COMP128_KEY ? NULL : "COMP128: K has 16 octets";
	default:
		return "this algorithm is not known here";
	}
}

const char *auc_algorithm_warning(uint8_t algorithm)
{
	switch (algorithm) {
	case AUC_XOR:
		return "XOR is for test cards alone: whoever hears RAND, CK and IK has K";
	case AUC_COMP128_V2:
		return "COMP128v2 is for migration alone: no mutual authentication, and 10 bits of "
		       "Kc "
		       "are zero; replace the card";
	case AUC_COMP128_V3:
		return "COMP128v3 is for migration alone: no mutual authentication; replace the "
		       "card";
	default:
		return NULL;
	}
}

/* AUTN = SQN xor AK || AMF || MAC-A [TS 33.102 §6.3.2] */
static void autn_of(uint8_t autn[static AUTH_AUTN], const uint8_t *sqn, const uint8_t *amf,
	const struct aka_output *f)
{
	for (size_t i = 0; i < SQN_OCTETS; i++)
		autn[i] = sqn[i] ^ f->ak[i];
	memcpy(autn + SQN_OCTETS, amf, AMF_OCTETS);
	memcpy(autn + SQN_OCTETS + AMF_OCTETS, f->mac_a, sizeof f->mac_a);
}

/* [TS 33.102 §6.8.1.2]; so are SRES#1 and Kc of GSM-MILENAGE [TS 55.205]. */
static void triplet_of(struct auth_vector *v, const struct aka_output *f)
{
	derive_c2(f->res, v->sres);
	derive_c3(f->ck, f->ik, v->kc);
}

struct err auc_keys_derive_opc(const struct auc_algorithms *algorithms, struct auc_keys *keys)
{
	uint8_t opc[AUC_OPC_MAX];
	const struct tuak tuak = {
		.k = keys->k, .lengths = {.k = keys->k_len}, .iterations = keys->iterations};

	if (auc_keys_refusal(algorithms, keys) != NULL)
		return ERR(VERSION);
	if (keys->algorithm == AUC_TUAK)
		tuak_topc(&tuak, keys->opc, opc);
	else if (auc_opc_octets(keys->algorithm) != 0)
		milenage_opc(algorithms->engine, keys->k, keys->opc, opc);
	memcpy(keys->opc, opc, auc_opc_octets(keys->algorithm));
	secret_wipe(opc, sizeof opc);
	return OK;
}

/* SRES and Kc, and zeros for all else that a quintuplet has. */
static void triplet_alone(
	const struct auc_algorithms *algorithms, const struct auc_keys *keys, struct auth_vector *v)
{
	static const uint8_t none[SQN_OCTETS];
	struct aka_output f;

	v->is_triplet = true;
	v->res_len = 0;
	memset(v->autn, 0, sizeof v->autn);
	memset(v->res, 0, sizeof v->res);
	memset(v->ck, 0, sizeof v->ck);
	memset(v->ik, 0, sizeof v->ik);
	if (keys->algorithm == AUC_COMP128_V2) {
		comp128_v2(keys->k, v->rand, v->sres, v->kc);
		return;
	}
	if (keys->algorithm == AUC_COMP128_V3) {
		comp128_v3(keys->k, v->rand, v->sres, v->kc);
		return;
	}
	aka_compute(algorithms, keys, v->rand, none, none, &f);
	triplet_of(v, &f);
	secret_wipe(&f, sizeof f);
}

struct err vector_compute(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	uint64_t sqn, enum auth_radio radio, struct auth_vector *v)
{
	struct aka_output f;
	uint8_t sqn_octets[SQN_OCTETS], amf[AMF_OCTETS];

	if (auc_keys_refusal(algorithms, keys) != NULL)
		return ERR(VERSION);
	if (auc_is_triplet_only(keys->algorithm)) {
		triplet_alone(algorithms, keys, v);
		return OK;
	}
	sqn_to_octets(sqn_octets, sqn);
	amf_for_radio(amf, keys->amf, radio);
	aka_compute(algorithms, keys, v->rand, sqn_octets, amf, &f);
	v->is_triplet = false;
	autn_of(v->autn, sqn_octets, amf, &f);
	memcpy(v->res, f.res, sizeof f.res);
	v->res_len = f.res_len;
	memcpy(v->ck, f.ck, sizeof f.ck);
	memcpy(v->ik, f.ik, sizeof f.ik);
	triplet_of(v, &f);
	secret_wipe(&f, sizeof f);
	return OK;
}
