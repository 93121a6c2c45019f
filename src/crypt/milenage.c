// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "milenage.h"
#include "base/secret.h"
#include <string.h>

enum { BLOCK = AES128_BLOCK, OUTS = 5 };

/* r1…r5 and c1…c5 [TS 35.206 §4.1]. All rotations are whole octets, all constants in the last
 * octet. */
static const struct {
	uint8_t rotate_octets, constant;
} round_of[OUTS] = {{8, 0}, {0, 1}, {4, 2}, {8, 4}, {12, 8}};

static void xored(uint8_t *out, const uint8_t *a, const uint8_t *b)
{
	for (size_t i = 0; i < BLOCK; i++)
		out[i] = a[i] ^ b[i];
}

/* out = rot(in xor OPc, r) xor c */
static void prepare(uint8_t *out, const uint8_t *in, const uint8_t *opc, size_t which)
{
	for (size_t i = 0; i < BLOCK; i++) {
		const size_t from = (i + round_of[which].rotate_octets) % BLOCK;
		out[i] = in[from] ^ opc[from];
	}
	out[BLOCK - 1] ^= round_of[which].constant;
}

/* TEMP = E_K(RAND xor OPc) */
static void temp_of(const struct aes128_engine *engine, const struct aes128 *aes,
	const struct milenage_keys *keys, const uint8_t *rand, uint8_t temp[static BLOCK])
{
	xored(temp, rand, keys->opc);
	engine->encrypt(aes, temp, temp, 1);
}

void milenage_opc(const struct aes128_engine *engine, const uint8_t k[static MILENAGE_KEY],
	const uint8_t op[static MILENAGE_KEY], uint8_t opc[static MILENAGE_KEY])
{
	struct aes128 aes;
	uint8_t block[BLOCK];

	engine->expand(&aes, k);
	engine->encrypt(&aes, op, block, 1);
	xored(opc, block, op);
	secret_wipe(&aes, sizeof aes);
	secret_wipe(block, sizeof block);
}

/* OUT1: IN1 = SQN || AMF || SQN || AMF is rotated, and TEMP is added to it; OUT2 to OUT5: TEMP is
 * rotated. */
static void prepare_all(uint8_t blocks[OUTS][BLOCK], const uint8_t *temp, const uint8_t *opc,
	const uint8_t *sqn, const uint8_t *amf)
{
	uint8_t in1[BLOCK];

	for (size_t half = 0; half < BLOCK; half += BLOCK / 2) {
		memcpy(in1 + half, sqn, MILENAGE_SQN);
		memcpy(in1 + half + MILENAGE_SQN, amf, MILENAGE_AMF);
	}
	prepare(blocks[0], in1, opc, 0);
	xored(blocks[0], blocks[0], temp);
	for (size_t i = 1; i < OUTS; i++)
		prepare(blocks[i], temp, opc, i);
	secret_wipe(in1, sizeof in1);
}

static void share_out(struct milenage_output *out, uint8_t blocks[OUTS][BLOCK])
{
	memcpy(out->mac_a, blocks[0], 8);
	memcpy(out->mac_s, blocks[0] + 8, 8);
	memcpy(out->ak, blocks[1], 6);
	memcpy(out->res, blocks[1] + 8, 8);
	memcpy(out->ck, blocks[2], 16);
	memcpy(out->ik, blocks[3], 16);
	memcpy(out->ak_star, blocks[4], 6);
}

void milenage_compute(const struct aes128_engine *engine, const struct milenage_keys *keys,
	const uint8_t rand[static MILENAGE_RAND], const uint8_t sqn[static MILENAGE_SQN],
	const uint8_t amf[static MILENAGE_AMF], struct milenage_output *out)
{
	struct aes128 aes;
	uint8_t temp[BLOCK], blocks[OUTS][BLOCK];

	engine->expand(&aes, keys->k);
	temp_of(engine, &aes, keys, rand, temp);
	prepare_all(blocks, temp, keys->opc, sqn, amf);
	engine->encrypt(&aes, blocks[0], blocks[0], OUTS);
	for (size_t i = 0; i < OUTS; i++)
		xored(blocks[i], blocks[i], keys->opc);
	share_out(out, blocks);
	secret_wipe(&aes, sizeof aes);
	secret_wipe(temp, sizeof temp);
	secret_wipe(blocks, sizeof blocks);
}

void milenage_ak_star(const struct aes128_engine *engine, const struct milenage_keys *keys,
	const uint8_t rand[static MILENAGE_RAND], uint8_t ak_star[static 6])
{
	struct aes128 aes;
	uint8_t temp[BLOCK], block[BLOCK];

	engine->expand(&aes, keys->k);
	temp_of(engine, &aes, keys, rand, temp);
	prepare(block, temp, keys->opc, 4);
	engine->encrypt(&aes, block, block, 1);
	xored(block, block, keys->opc);
	memcpy(ak_star, block, 6);
	secret_wipe(&aes, sizeof aes);
	secret_wipe(temp, sizeof temp);
	secret_wipe(block, sizeof block);
}
