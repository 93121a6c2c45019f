// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * TUAK [TS 35.231]: the functions f1, f1*, f2, f3, f4, f5, f5* on the permutation Keccak-f[1600]:
 * the second algorithm set of 3GPP, with K of 128 or 256 bits.
 *
 * TOP is the operator's constant; TOPc, 32 octets, is made of it and of K [TS 35.231 §6.1] and is
 * what one subscriber has. The operator chooses lengths, and how often the permutation is applied
 * each time (`iterations`, usually 1).
 * Nothing here branches on, or looks up by, a secret: test_ct_tuak.c shows it. Lengths are public.
 */
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum { TUAK_TOP = 32, TUAK_RAND = 16, TUAK_SQN = 6, TUAK_AMF = 2, TUAK_AK = 6, TUAK_LONG = 32 };

/* In octets: K 16 or 32; MAC 8, 16, 32; RES 4, 8, 16, 32; CK and IK 16 or 32 [TS 35.231 §5.1]. */
struct tuak_lengths {
	uint8_t k, mac, res, ck, ik;
};

/* One subscriber's; borrows k and topc. */
struct tuak {
	const uint8_t *k, *topc; /* lengths.k and TUAK_TOP octets */
	struct tuak_lengths lengths;
	unsigned iterations; /* from 1 */
};

struct tuak_output {
	uint8_t mac_a[TUAK_LONG], mac_s[TUAK_LONG]; /* f1, f1*: lengths.mac octets of them */
	uint8_t res[TUAK_LONG];                     /* f2 */
	uint8_t ck[TUAK_LONG], ik[TUAK_LONG];       /* f3, f4 */
	uint8_t ak[TUAK_AK], ak_star[TUAK_AK];      /* f5, f5* */
};

/* ERR_INPUT for a length or a count that the standard does not have. */
MUST_USE struct err tuak_check(const struct tuak *t);

/* t->topc is not used. */
void tuak_topc(
	const struct tuak *t, const uint8_t top[static TUAK_TOP], uint8_t topc[static TUAK_TOP]);
/* f1: the MAC of AUTN. */
void tuak_f1(const struct tuak *t, const uint8_t rand[static TUAK_RAND],
	const uint8_t sqn[static TUAK_SQN], const uint8_t amf[static TUAK_AMF],
	struct tuak_output *out);
/* f1*: the MAC of AUTS. */
void tuak_f1_star(const struct tuak *t, const uint8_t rand[static TUAK_RAND],
	const uint8_t sqn[static TUAK_SQN], const uint8_t amf[static TUAK_AMF],
	struct tuak_output *out);
/* f2 to f5, all of one permutation. */
void tuak_f2345(
	const struct tuak *t, const uint8_t rand[static TUAK_RAND], struct tuak_output *out);
/* f5*, which conceals SQN_MS in AUTS. */
void tuak_f5_star(
	const struct tuak *t, const uint8_t rand[static TUAK_RAND], struct tuak_output *out);
