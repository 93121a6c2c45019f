// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "derive.h"
#include "base/secret.h"
#include "crypt/digest.h"
#include <assert.h>

/* An NAI, which a SUPI may be, has at most 253 octets [RFC 7542 §2.3]; names of networks fit as well. */
#define TEXT {1, 255}
#define SQN_XOR_AK {6, 6}
#define COUNT {4, 4}

const struct derivation_row derivations[DERIVATIONS] = {
	[DERIVE_KASME] = {"[TS 33.401 §A.2]", 0x10, 2, {{3, 3}, SQN_XOR_AK}, 32},
	[DERIVE_KENB] = {"[TS 33.401 §A.3]", 0x11, 1, {COUNT}, 32},
	[DERIVE_NH] = {"[TS 33.401 §A.4]", 0x12, 1, {{32, 32}}, 32},
	[DERIVE_KENB_STAR] = {"[TS 33.401 §A.5]", 0x13, 2, {{2, 2}, {2, 3}}, 32},
	[DERIVE_EPS_ALGORITHM] = {"[TS 33.401 §A.7]", 0x15, 2, {{1, 1}, {1, 1}}, 16},
	[DERIVE_CK_IK_HANDOVER] = {"[TS 33.401 §A.8]", 0x16, 1, {COUNT}, 32},
	[DERIVE_NAS_TOKEN] = {"[TS 33.401 §A.9]", 0x17, 1, {COUNT}, 32},
	[DERIVE_KASME_HANDOVER] = {"[TS 33.401 §A.10]", 0x18, 1, {{4, 4}}, 32},
	[DERIVE_KASME_IDLE] = {"[TS 33.401 §A.11]", 0x19, 2, {{4, 4}, {4, 4}}, 32},
	[DERIVE_CK_IK_SRVCC] = {"[TS 33.401 §A.12]", 0x1a, 1, {COUNT}, 32},
	[DERIVE_CK_IK_IDLE] = {"[TS 33.401 §A.13]", 0x1b, 1, {COUNT}, 32},
	[DERIVE_CK_IK_PRIME] = {"[TS 33.402 §A.2]", 0x20, 2, {TEXT, SQN_XOR_AK}, 32},
	[DERIVE_5G_ALGORITHM] = {"[TS 33.501 §A.8]", 0x69, 2, {{1, 1}, {1, 1}}, 16},
	[DERIVE_KAUSF] = {"[TS 33.501 §A.2]", 0x6a, 2, {TEXT, SQN_XOR_AK}, 32},
	[DERIVE_RES_STAR] = {"[TS 33.501 §A.4]", 0x6b, 3, {TEXT, {16, 16}, {4, 16}}, 16},
	[DERIVE_KSEAF] = {"[TS 33.501 §A.6]", 0x6c, 1, {TEXT}, 32},
	[DERIVE_KAMF] = {"[TS 33.501 §A.7]", 0x6d, 2, {TEXT, {1, 255}}, 32},
	[DERIVE_KGNB] = {"[TS 33.501 §A.9]", 0x6e, 2, {COUNT, {1, 1}}, 32},
	[DERIVE_5G_NH] = {"[TS 33.501 §A.10]", 0x6f, 1, {{32, 32}}, 32},
	[DERIVE_KNG_RAN_STAR] = {"[TS 33.501 §A.11]", 0x70, 2, {{2, 2}, {3, 3}}, 32},
	[DERIVE_KNG_RAN_STAR_NG] = {"[TS 33.501 §A.12]", 0x71, 2, {{2, 2}, {3, 3}}, 32},
	[DERIVE_KAMF_PRIME] = {"[TS 33.501 §A.13]", 0x72, 2, {{1, 1}, COUNT}, 32},
	[DERIVE_KASME_FROM_KAMF_IDLE] = {"[TS 33.501 §A.14.1]", 0x73, 1, {COUNT}, 32},
	[DERIVE_KASME_FROM_KAMF_HANDOVER] = {"[TS 33.501 §A.14.2]", 0x74, 1, {COUNT}, 32},
	[DERIVE_KAMF_FROM_KASME_IDLE] = {"[TS 33.501 §A.15.1]", 0x75, 1, {COUNT}, 32},
	[DERIVE_KAMF_FROM_KASME_HANDOVER] = {"[TS 33.501 §A.15.2]", 0x76, 1, {{32, 32}}, 32},
	[DERIVE_KSN] = {"[TS 33.501 §A.16]", 0x79, 1, {{2, 2}}, 32},
};

struct err derive(enum derivation which, struct span key, const struct span *parameters,
	uint8_t out[static KDF_OCTETS])
{
	const struct derivation_row *row = &derivations[which];

	assert(which < DERIVATIONS);
	if (key.len != DERIVE_KEY)
		return ERR(INPUT);
	for (size_t i = 0; i < row->parameters; i++)
		if (parameters[i].len < row->sizes[i].min || parameters[i].len > row->sizes[i].max)
			return ERR(INPUT);
	return kdf(key, row->fc, parameters, row->parameters, out);
}

struct err derive_hres_star(const uint8_t rand[static AUTH_RAND],
	const uint8_t res_star[static DERIVE_RES_STAR_OCTETS],
	uint8_t hres_star[static DERIVE_RES_STAR_OCTETS])
{
	uint8_t s[AUTH_RAND + DERIVE_RES_STAR_OCTETS], digest[SHA256_OCTETS];

	memcpy(s, rand, AUTH_RAND);
	memcpy(s + AUTH_RAND, res_star, DERIVE_RES_STAR_OCTETS);
	const struct err e = sha256(SPAN_ARRAY(s), digest);
	if (!failed(e))
		memcpy(hres_star, digest + sizeof digest - DERIVE_RES_STAR_OCTETS,
			DERIVE_RES_STAR_OCTETS);
	secret_wipe(s, sizeof s);
	secret_wipe(digest, sizeof digest);
	return e;
}

static_assert(sizeof(struct eap_aka_prime) == 208, "MK is cut where RFC 9048 cuts it");

struct err derive_eap_aka_prime(const uint8_t ck_prime[static AUTH_KEY],
	const uint8_t ik_prime[static AUTH_KEY], struct span identity, struct eap_aka_prime *keys)
{
	static const char name[] = "EAP-AKA'";
	uint8_t key[2 * AUTH_KEY], seed[sizeof name - 1 + 255];

	if (identity.len > 255)
		return ERR(INPUT);
	memcpy(key, ik_prime, AUTH_KEY);
	memcpy(key + AUTH_KEY, ck_prime, AUTH_KEY);
	memcpy(seed, name, sizeof name - 1);
	if (identity.len > 0)
		memcpy(seed + sizeof name - 1, identity.at, identity.len);
	const struct err e = prf_prime(SPAN_ARRAY(key),
		span_of(seed, sizeof name - 1 + identity.len), span_mut_of(keys, sizeof *keys));
	secret_wipe(key, sizeof key);
	return e;
}

/* SRES: the words of RES, padded with zeros to 128 bits, added [TS 33.102 §6.8.1.2]. */
void derive_c2(const uint8_t res[static AUTH_RES_MAX], uint8_t sres[static AUTH_SRES])
{
	for (size_t i = 0; i < AUTH_SRES; i++)
		sres[i] = res[i] ^ res[i + 4] ^ res[i + 8] ^ res[i + 12];
}

/* Kc: the halves of CK and IK added [TS 33.102 §6.8.1.2]. */
void derive_c3(const uint8_t ck[static AUTH_KEY], const uint8_t ik[static AUTH_KEY],
	uint8_t kc[static AUTH_KC])
{
	for (size_t i = 0; i < AUTH_KC; i++)
		kc[i] = ck[i] ^ ck[i + AUTH_KC] ^ ik[i] ^ ik[i + AUTH_KC];
}

/* CK = Kc || Kc [TS 33.102 §6.8.2.3] */
void derive_c4(const uint8_t kc[static AUTH_KC], uint8_t ck[static AUTH_KEY])
{
	memcpy(ck, kc, AUTH_KC);
	memcpy(ck + AUTH_KC, kc, AUTH_KC);
}

/* IK = Kc1 xor Kc2 || Kc || Kc1 xor Kc2, of Kc = Kc1 || Kc2 [TS 33.102 §6.8.2.3] */
void derive_c5(const uint8_t kc[static AUTH_KC], uint8_t ik[static AUTH_KEY])
{
	enum { HALF = AUTH_KC / 2 };

	for (size_t i = 0; i < HALF; i++)
		ik[i] = ik[i + 3 * HALF] = kc[i] ^ kc[i + HALF];
	memcpy(ik + HALF, kc, AUTH_KC);
}
