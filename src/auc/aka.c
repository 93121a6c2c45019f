// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "aka.h"
#include "base/secret.h"
#include "crypt/tuak.h"
#include <assert.h>

static_assert((int)TUAK_TOP == (int)AUC_OPC_MAX, "TOPc fits its field");

static struct milenage milenage_of(
	const struct auc_algorithms *algorithms, const struct auc_keys *keys)
{
	const struct milenage_constants *own =
		keys->profile < AUC_PROFILES_MAX ? algorithms->profiles[keys->profile] : NULL;

	return (struct milenage){.engine = algorithms->engine,
		.constants = own != NULL ? own : &milenage_standard,
		.k = keys->k,
		.opc = keys->opc};
}

static struct tuak tuak_of(const struct auc_keys *keys)
{
	return (struct tuak){.k = keys->k,
		.topc = keys->opc,
		.lengths = {.k = keys->k_len,
			.mac = AKA_MAC,
			.res = keys->res_octets,
			.ck = AUTH_KEY,
			.ik = AUTH_KEY},
		.iterations = keys->iterations};
}

static void xor_of(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = a[i] ^ b[i];
}

static void with_milenage(const struct milenage *m, const uint8_t *rand, const uint8_t *sqn,
	const uint8_t *amf, struct aka_output *out)
{
	struct milenage_output f;

	milenage_compute(m, rand, sqn, amf, &f);
	memcpy(out->mac_a, f.mac_a, sizeof f.mac_a);
	memcpy(out->res, f.res, sizeof f.res);
	memset(out->res + sizeof f.res, 0, sizeof out->res - sizeof f.res);
	out->res_len = sizeof f.res;
	memcpy(out->ck, f.ck, sizeof f.ck);
	memcpy(out->ik, f.ik, sizeof f.ik);
	memcpy(out->ak, f.ak, sizeof f.ak);
	secret_wipe(&f, sizeof f);
}

static void with_tuak(const struct tuak *t, const uint8_t *rand, const uint8_t *sqn,
	const uint8_t *amf, struct aka_output *out)
{
	struct tuak_output f;

	tuak_f1(t, rand, sqn, amf, &f);
	tuak_f2345(t, rand, &f);
	memcpy(out->mac_a, f.mac_a, AKA_MAC);
	memset(out->res, 0, sizeof out->res);
	memcpy(out->res, f.res, t->lengths.res);
	out->res_len = t->lengths.res;
	memcpy(out->ck, f.ck, AUTH_KEY);
	memcpy(out->ik, f.ik, AUTH_KEY);
	memcpy(out->ak, f.ak, sizeof f.ak);
	secret_wipe(&f, sizeof f);
}

void xor_compute(const uint8_t k[static XOR_OCTETS], const uint8_t rand[static AUTH_RAND],
	const uint8_t sqn[static SQN_OCTETS], const uint8_t amf[static AMF_OCTETS],
	struct aka_output *out)
{
	uint8_t xdout[XOR_OCTETS];

	xor_of(xdout, k, rand, sizeof xdout);
	xor_of(out->mac_a, xdout, sqn, SQN_OCTETS);
	xor_of(out->mac_a + SQN_OCTETS, xdout + SQN_OCTETS, amf, AMF_OCTETS);
	memset(out->res, 0, sizeof out->res);
	out->res_len = 8;
	memcpy(out->res, xdout, out->res_len);
	for (size_t i = 0; i < XOR_OCTETS; i++) {
		out->ck[i] = xdout[(i + 1) % XOR_OCTETS];
		out->ik[i] = xdout[(i + 2) % XOR_OCTETS];
	}
	memcpy(out->ak, xdout + 3, sizeof out->ak);
	secret_wipe(xdout, sizeof xdout);
}

void xor_2g_compute(const uint8_t k[static XOR_OCTETS], const uint8_t rand[static AUTH_RAND],
	uint8_t sres[static AUTH_SRES], uint8_t kc[static AUTH_KC])
{
	xor_of(sres, k, rand, AUTH_SRES);
	xor_of(kc, k + AUTH_SRES, rand + AUTH_SRES, AUTH_KC);
}

void aka_compute(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], const uint8_t sqn[static SQN_OCTETS],
	const uint8_t amf[static AMF_OCTETS], struct aka_output *out)
{
	const struct milenage milenage = milenage_of(algorithms, keys);
	const struct tuak tuak = tuak_of(keys);

	if (keys->algorithm == AUC_TUAK)
		with_tuak(&tuak, rand, sqn, amf, out);
	else if (keys->algorithm == AUC_XOR)
		xor_compute(keys->k, rand, sqn, amf, out);
	else
		with_milenage(&milenage, rand, sqn, amf, out);
}

/* XOR has no f5* and no f1* of its own: the card uses f5 and f1 [TS 34.108 §8.1.2]. */
void aka_ak_star(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], uint8_t ak_star[static SQN_OCTETS])
{
	const struct milenage milenage = milenage_of(algorithms, keys);
	const struct tuak tuak = tuak_of(keys);
	struct tuak_output f;

	if (keys->algorithm == AUC_TUAK) {
		tuak_f5_star(&tuak, rand, &f);
		memcpy(ak_star, f.ak_star, SQN_OCTETS);
		secret_wipe(&f, sizeof f);
	} else if (keys->algorithm == AUC_XOR) {
		xor_of(ak_star, keys->k + 3, rand + 3, SQN_OCTETS);
	} else {
		milenage_ak_star(&milenage, rand, ak_star);
	}
}

void aka_mac_s(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], const uint8_t sqn[static SQN_OCTETS],
	const uint8_t amf[static AMF_OCTETS], uint8_t mac_s[static AKA_MAC])
{
	const struct milenage milenage = milenage_of(algorithms, keys);
	const struct tuak tuak = tuak_of(keys);
	union {
		struct milenage_output milenage;
		struct tuak_output tuak;
		struct aka_output xor ;
	} f;

	if (keys->algorithm == AUC_TUAK) {
		tuak_f1_star(&tuak, rand, sqn, amf, &f.tuak);
		memcpy(mac_s, f.tuak.mac_s, AKA_MAC);
	} else if (keys->algorithm == AUC_XOR) {
		xor_compute(keys->k, rand, sqn, amf, &f.xor);
		memcpy(mac_s, f.xor.mac_a, AKA_MAC);
	} else {
		milenage_compute(&milenage, rand, sqn, amf, &f.milenage);
		memcpy(mac_s, f.milenage.mac_s, AKA_MAC);
	}
	secret_wipe(&f, sizeof f);
}
