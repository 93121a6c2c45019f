// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/usim.h"
#include "base/ct.h"
#include "base/secret.h"
#include "crypt/openssl.h"
#include <openssl/evp.h>
#include <openssl/sha.h>

enum { SQN_OCTETS = 6, AMF_OCTETS = 2, MAC_OCTETS = 8 };

void usim_test_keys(struct usim *usim, const char *imsi_digits)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	*usim = (struct usim){0};
	SHA256((const uint8_t *)imsi_digits, strlen(imsi_digits), digest);
	memcpy(usim->k, digest, USIM_BLOCK);
	memcpy(usim->opc, digest + USIM_BLOCK, USIM_BLOCK);
	secret_wipe(digest, sizeof digest);
}

static bool aes128(const uint8_t key[static USIM_BLOCK], uint8_t block[static USIM_BLOCK])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0;
	const bool is_done =
		ctx != NULL && EVP_EncryptInit_ex2(ctx, EVP_aes_128_ecb(), key, NULL, NULL) == 1 &&
		EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
		EVP_EncryptUpdate(ctx, block, &len, block, USIM_BLOCK) == 1 && len == USIM_BLOCK;

	EVP_CIPHER_CTX_free(ctx);
	return is_done;
}

/* OUT = E[rot(in ^ OPc, r) ^ xor_in ^ c] ^ OPc: the shape of all of f1 to f5* [TS 35.206 §4.1]. */
static bool milenage(const struct usim *usim, const uint8_t in[static USIM_BLOCK],
	const uint8_t *xor_in, unsigned r_octets, uint8_t c, uint8_t out[static USIM_BLOCK])
{
	for (unsigned i = 0; i < USIM_BLOCK; i++) {
		const unsigned from = (i + r_octets) % USIM_BLOCK;
		out[i] = in[from] ^ usim->opc[from] ^ (xor_in != NULL ? xor_in[i] : 0);
	}
	out[USIM_BLOCK - 1] ^= c;
	const bool is_done = aes128(usim->k, out);
	for (unsigned i = 0; i < USIM_BLOCK; i++)
		out[i] ^= usim->opc[i];
	return is_done;
}

/* TEMP = E[RAND ^ OPc] */
static bool milenage_temp(const struct usim *usim, const uint8_t rand[static USIM_BLOCK],
	uint8_t temp[static USIM_BLOCK])
{
	for (unsigned i = 0; i < USIM_BLOCK; i++)
		temp[i] = rand[i] ^ usim->opc[i];
	return aes128(usim->k, temp);
}

/* f1 in the first half of `out`, f1* in the second. */
static bool milenage_f1(const struct usim *usim, const uint8_t temp[static USIM_BLOCK],
	const uint8_t sqn[static SQN_OCTETS], const uint8_t amf[static AMF_OCTETS],
	uint8_t out[static USIM_BLOCK])
{
	uint8_t in[USIM_BLOCK];

	memcpy(in, sqn, SQN_OCTETS);
	memcpy(in + SQN_OCTETS, amf, AMF_OCTETS);
	memcpy(in + SQN_OCTETS + AMF_OCTETS, in, SQN_OCTETS + AMF_OCTETS);
	return milenage(usim, in, temp, 8, 0, out);
}

static uint64_t sqn_to_u64(const uint8_t sqn[static SQN_OCTETS])
{
	uint64_t v = 0;

	for (int i = 0; i < SQN_OCTETS; i++)
		v = v << 8 | sqn[i];
	return v;
}

/* AUTS = SQN_MS ^ f5*(RAND) || f1*(SQN_MS, RAND, AMF* = 0) [TS 33.102 §6.3.3]. */
static bool auts_compute(const struct usim *usim, const uint8_t temp[static USIM_BLOCK],
	uint8_t auts[static USIM_AUTS])
{
	static const uint8_t amf_resync[AMF_OCTETS] = {0, 0};
	uint8_t sqn_ms[SQN_OCTETS], f1[USIM_BLOCK], f5_star[USIM_BLOCK];

	for (int i = 0; i < SQN_OCTETS; i++)
		sqn_ms[i] = (uint8_t)(usim->sqn_highest >> 8 * (SQN_OCTETS - 1 - i));
	if (!milenage_f1(usim, temp, sqn_ms, amf_resync, f1) ||
		!milenage(usim, temp, NULL, 12, 8, f5_star))
		return false;
	for (int i = 0; i < SQN_OCTETS; i++)
		auts[i] = sqn_ms[i] ^ f5_star[i];
	memcpy(auts + SQN_OCTETS, f1 + MAC_OCTETS, MAC_OCTETS);
	return true;
}

struct err usim_challenge(struct usim *usim, const uint8_t rand[static USIM_BLOCK],
	const uint8_t autn[static USIM_BLOCK], struct usim_answer *answer)
{
	uint8_t temp[USIM_BLOCK], f1[USIM_BLOCK], f25[USIM_BLOCK], sqn[SQN_OCTETS];
	struct err e = ERR(CRYPTO);

	*answer = (struct usim_answer){.verdict = USIM_MAC_FAILURE};
	/* f5 is the first six octets of the block that also gives RES, f2 the last eight. */
	if (!milenage_temp(usim, rand, temp) || !milenage(usim, temp, NULL, 0, 1, f25))
		goto out;
	for (int i = 0; i < SQN_OCTETS; i++)
		sqn[i] = autn[i] ^ f25[i];
	if (!milenage_f1(usim, temp, sqn, autn + SQN_OCTETS, f1))
		goto out;
	e = OK;
	if (!ct_equal(f1, autn + SQN_OCTETS + AMF_OCTETS, MAC_OCTETS))
		goto out;
	answer->sqn = sqn_to_u64(sqn);
	if (answer->sqn <= usim->sqn_highest) {
		answer->verdict = USIM_SYNCH_FAILURE;
		e = auts_compute(usim, temp, answer->auts) ? OK : ERR(CRYPTO);
		goto out;
	}
	if (!milenage(usim, temp, NULL, 4, 2, answer->ck) ||
		!milenage(usim, temp, NULL, 8, 4, answer->ik)) {
		e = ERR(CRYPTO);
		goto out;
	}
	usim->sqn_highest = answer->sqn;
	answer->verdict = USIM_ACCEPTED;
	memcpy(answer->res, f25 + USIM_BLOCK - USIM_RES, USIM_RES);
out:
	secret_wipe(temp, sizeof temp);
	secret_wipe(f1, sizeof f1);
	secret_wipe(f25, sizeof f25);
	return e;
}
