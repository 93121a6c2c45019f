// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "milenage.h"
#include "base/secret.h"
#include <assert.h>
#include <string.h>

enum { BLOCK = AES128_BLOCK, OUTS = MILENAGE_OUTS };

/* r1…r5 and c1…c5 [TS 35.206 §4.1]. */
const struct milenage_constants milenage_standard = {
	.r = {64, 0, 32, 64, 96},
	.c = {{0}, {[15] = 1}, {[15] = 2}, {[15] = 4}, {[15] = 8}},
};

struct err milenage_constants_check(const struct milenage_constants *m)
{
	for (size_t i = 0; i < OUTS; i++) {
		if (m->r[i] > 127)
			return ERR(INPUT);
		for (size_t j = 0; j < i; j++)
			if (m->r[i] == m->r[j] && memcmp(m->c[i], m->c[j], BLOCK) == 0)
				return ERR(INPUT);
	}
	return OK;
}

/* A block as two words, the first octet the highest: so a rotation is two shifts. */
struct words {
	uint64_t high, low;
};

static struct words load(const uint8_t *at)
{
	struct words w;

	memcpy(&w, at, sizeof w);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	w.high = __builtin_bswap64(w.high);
	w.low = __builtin_bswap64(w.low);
#endif
	return w;
}

/* In one store: a load of sixteen octets that follows would wait for two. */
static void save(uint8_t *at, struct words w)
{
	typedef uint64_t pair __attribute__((vector_size(BLOCK)));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const pair both = {__builtin_bswap64(w.high), __builtin_bswap64(w.low)};
#else
	const pair both = {w.high, w.low};
#endif
	memcpy(at, &both, sizeof both);
}

static struct words xored(struct words a, struct words b)
{
	return (struct words){a.high ^ b.high, a.low ^ b.low};
}

static struct words rotated(struct words w, unsigned bits)
{
	if (bits >= 64)
		w = (struct words){w.low, w.high};
	bits %= 64;
	if (bits == 0)
		return w;
	return (struct words){
		w.high << bits | w.low >> (64 - bits), w.low << bits | w.high >> (64 - bits)};
}

/* All that is worked with and has to be forgotten, in one place: it is wiped once, at the end. It is
 * not cleared before, which would cost a seventh of the whole: nothing is read that was not written. */
struct work {
	struct aes128 aes;
	uint8_t temp[BLOCK], blocks[OUTS][BLOCK];
	struct words opc, shifted;
};

/* TEMP = E_K(RAND xor OPc), and with it the key schedule. */
static void begin(struct work *w, const struct milenage *m, const uint8_t *rand)
{
	w->opc = load(m->opc);
	save(w->temp, xored(load(rand), w->opc));
	m->engine->expand_encrypt(&w->aes, m->k, w->temp);
	w->shifted = xored(load(w->temp), w->opc);
}

/* IN of OUT2 to OUT5: rot(TEMP xor OPc, r) xor c */
static struct words input_of(const struct work *w, const struct milenage *m, size_t which)
{
	return xored(rotated(w->shifted, m->constants->r[which]), load(m->constants->c[which]));
}

/* OUT1: IN1 = SQN || AMF || SQN || AMF; TEMP xor rot(IN1 xor OPc, r1) xor c1 */
static struct words first_input_of(
	const struct work *w, const struct milenage *m, const uint8_t *sqn, const uint8_t *amf)
{
	uint8_t in1[BLOCK];

	for (size_t half = 0; half < BLOCK; half += BLOCK / 2) {
		memcpy(in1 + half, sqn, MILENAGE_SQN);
		memcpy(in1 + half + MILENAGE_SQN, amf, MILENAGE_AMF);
	}
	const struct words in = rotated(xored(load(in1), w->opc), m->constants->r[0]);
	return xored(xored(load(w->temp), in), load(m->constants->c[0]));
}

static void share_out(struct milenage_output *out, const struct work *w)
{
	uint8_t block[BLOCK];

	save(block, xored(load(w->blocks[0]), w->opc));
	memcpy(out->mac_a, block, 8);
	memcpy(out->mac_s, block + 8, 8);
	save(block, xored(load(w->blocks[1]), w->opc));
	memcpy(out->ak, block, 6);
	memcpy(out->res, block + 8, 8);
	save(out->ck, xored(load(w->blocks[2]), w->opc));
	save(out->ik, xored(load(w->blocks[3]), w->opc));
	save(block, xored(load(w->blocks[4]), w->opc));
	memcpy(out->ak_star, block, 6);
	secret_wipe(block, sizeof block);
}

void milenage_opc(const struct aes128_engine *engine, const uint8_t k[static MILENAGE_KEY],
	const uint8_t op[static MILENAGE_KEY], uint8_t opc[static MILENAGE_KEY])
{
	struct aes128 aes;
	uint8_t block[BLOCK];

	memcpy(block, op, sizeof block);
	engine->expand_encrypt(&aes, k, block);
	save(opc, xored(load(block), load(op)));
	secret_wipe(&aes, sizeof aes);
	secret_wipe(block, sizeof block);
}

void milenage_compute(const struct milenage *m, const uint8_t rand[static MILENAGE_RAND],
	const uint8_t sqn[static MILENAGE_SQN], const uint8_t amf[static MILENAGE_AMF],
	struct milenage_output *out)
{
	struct work w __attribute__((uninitialized));

	begin(&w, m, rand);
	save(w.blocks[0], first_input_of(&w, m, sqn, amf));
	for (size_t i = 1; i < OUTS; i++)
		save(w.blocks[i], input_of(&w, m, i));
	m->engine->encrypt(&w.aes, w.blocks[0], w.blocks[0], OUTS);
	share_out(out, &w);
	secret_wipe(&w, sizeof w);
}

void milenage_ak_star(const struct milenage *m, const uint8_t rand[static MILENAGE_RAND],
	uint8_t ak_star[static 6])
{
	struct work w __attribute__((uninitialized));

	begin(&w, m, rand);
	save(w.blocks[4], input_of(&w, m, 4));
	m->engine->encrypt(&w.aes, w.blocks[4], w.blocks[4], 1);
	save(w.blocks[4], xored(load(w.blocks[4]), w.opc));
	memcpy(ak_star, w.blocks[4], 6);
	secret_wipe(&w, sizeof w);
}
