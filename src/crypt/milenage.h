// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * MILENAGE [TS 35.206]: the functions f1, f1*, f2, f3, f4, f5, f5* on the block cipher AES-128.
 *
 * OPc = E_K(OP) xor OP is the operator's constant as one subscriber has it; OP itself need not be
 * kept. An operator may also choose rotations r1…r5 and constants c1…c5 of his own [TS 35.206 §5.3];
 * they are as his cards have them, and the same for all subscribers of one profile.
 * Nothing here branches on, or looks up by, K, OPc, c or what follows from them: test_ct_milenage.c
 * shows it. Rotations are no secret: what they are could be told from the time.
 */
#include "base/err.h"
#include "crypt/aes128.h"

enum {
	MILENAGE_KEY = 16,
	MILENAGE_RAND = 16,
	MILENAGE_SQN = 6,
	MILENAGE_AMF = 2,
	MILENAGE_OUTS = 5
};

struct milenage_constants {
	uint8_t r[MILENAGE_OUTS]; /* bits, 0 … 127, to the left */
	uint8_t c[MILENAGE_OUTS][AES128_BLOCK];
};

/* Those of the standard [TS 35.206 §4.1]. */
extern const struct milenage_constants milenage_standard;

/* What an operator's own constants need, so that no two functions are one: every r under 128, and
 * no two pairs (c, r) equal [TS 35.206 §5.3]. ERR_INPUT. */
MUST_USE struct err milenage_constants_check(const struct milenage_constants *m);

/* One subscriber's; borrows all of it. */
struct milenage {
	const struct aes128_engine *engine;
	const struct milenage_constants *constants;
	const uint8_t *k, *opc; /* MILENAGE_KEY octets each */
};

struct milenage_output {
	uint8_t mac_a[8], mac_s[8]; /* f1, f1* */
	uint8_t res[8];             /* f2 */
	uint8_t ck[16], ik[16];     /* f3, f4 */
	uint8_t ak[6], ak_star[6];  /* f5, f5* */
};

void milenage_opc(const struct aes128_engine *engine, const uint8_t k[static MILENAGE_KEY],
	const uint8_t op[static MILENAGE_KEY], uint8_t opc[static MILENAGE_KEY]);

/* All functions: one key schedule, six blocks. The caller wipes `out`. */
void milenage_compute(const struct milenage *m, const uint8_t rand[static MILENAGE_RAND],
	const uint8_t sqn[static MILENAGE_SQN], const uint8_t amf[static MILENAGE_AMF],
	struct milenage_output *out);

/* f5* alone, which does not depend on SQN: what conceals SQN_MS in AUTS [TS 33.102 §6.3.3]. */
void milenage_ak_star(const struct milenage *m, const uint8_t rand[static MILENAGE_RAND],
	uint8_t ak_star[static 6]);
