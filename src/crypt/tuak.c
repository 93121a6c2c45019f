// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * All functions are one [TS 35.231 §6]: a state of 200 octets is filled, permuted, and read. Numbers
 * stand in it with the lowest octet first, so each field is written, and each result read, in reverse:
 *
 *     0 TOP or TOPc   32 INSTANCE   33 "TUAK1.0"   40 RAND   56 AMF   58 SQN   64 K   96 padding
 *
 * INSTANCE says which function it is and which lengths are wanted; what a function does not take is 0.
 */
#include "tuak.h"
#include "base/secret.h"
#include "keccak.h"
#include <string.h>

enum {
	AT_INSTANCE = 32,
	AT_NAME = 33,
	AT_RAND = 40,
	AT_AMF = 56,
	AT_SQN = 58,
	AT_K = 64,
	AT_PAD = 96,
	AT_PAD_END = 135
};
enum { OUT_CK = 32, OUT_IK = 64, OUT_AK = 96 };
/* INSTANCE [TS 35.231 §6.1 to §6.5] */
enum {
	IS_F1_STAR = 0x80,
	IS_F2345 = 0x40,
	IS_F5_STAR = 0xc0,
	IS_LONG_CK = 4,
	IS_LONG_IK = 2,
	IS_LONG_K = 1
};

/* What goes in; NULL: zeros. */
struct input {
	const uint8_t *top, *rand, *sqn, *amf;
	uint8_t instance;
};

union state {
	uint8_t octets[KECCAK_OCTETS];
	uint64_t lanes[KECCAK_LANES];
};

static bool is_one_of(unsigned v, unsigned a, unsigned b, unsigned c, unsigned d)
{
	return v == a || v == b || v == c || v == d;
}

struct err tuak_check(const struct tuak *t)
{
	const struct tuak_lengths *l = &t->lengths;

	return is_one_of(l->k, 16, 32, 32, 32) && is_one_of(l->mac, 8, 16, 32, 32) &&
			       is_one_of(l->res, 4, 8, 16, 32) &&
			       is_one_of(l->ck, 16, 32, 32, 32) &&
			       is_one_of(l->ik, 16, 32, 32, 32) && t->iterations >= 1
		       ? OK
		       : ERR(INPUT);
}

static void reversed(uint8_t *to, const uint8_t *from, size_t len)
{
	for (size_t i = 0; from != NULL && i < len; i++)
		to[i] = from[len - 1 - i];
}

/* Lanes are little-endian; where the machine is not, octets of each lane change places. */
static void lanes_turn(union state *s)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	for (size_t i = 0; i < KECCAK_LANES; i++)
		s->lanes[i] = __builtin_bswap64(s->lanes[i]);
#else
	(void)s;
#endif
}

static void run(const struct tuak *t, const struct input *in, union state *s)
{
	static const uint8_t name[] = {'0', '.', '1', 'K', 'A', 'U', 'T'}; /* reversed */

	memset(s, 0, sizeof *s);
	reversed(s->octets, in->top, TUAK_TOP);
	s->octets[AT_INSTANCE] = in->instance | (t->lengths.k == 32 ? IS_LONG_K : 0);
	memcpy(s->octets + AT_NAME, name, sizeof name);
	reversed(s->octets + AT_RAND, in->rand, TUAK_RAND);
	reversed(s->octets + AT_AMF, in->amf, TUAK_AMF);
	reversed(s->octets + AT_SQN, in->sqn, TUAK_SQN);
	reversed(s->octets + AT_K, t->k, t->lengths.k);
	s->octets[AT_PAD] = 0x1f;
	s->octets[AT_PAD_END] = 0x80;
	lanes_turn(s);
	for (unsigned i = 0; i < t->iterations; i++)
		keccak_f1600(s->lanes);
	lanes_turn(s);
}

/* 0x08, 0x10, 0x20 for 8, 16, 32 octets, of MAC as of RES; RES of 4 octets is 0. */
static uint8_t length_code(uint8_t octets)
{
	return octets == 4 ? 0 : octets;
}

void tuak_topc(
	const struct tuak *t, const uint8_t top[static TUAK_TOP], uint8_t topc[static TUAK_TOP])
{
	union state s;

	run(t, &(struct input){.top = top}, &s);
	reversed(topc, s.octets, TUAK_TOP);
	secret_wipe(&s, sizeof s);
}

static void mac(const struct tuak *t, struct input in, uint8_t *out)
{
	union state s;

	in.top = t->topc;
	in.instance |= length_code(t->lengths.mac);
	run(t, &in, &s);
	reversed(out, s.octets, t->lengths.mac);
	secret_wipe(&s, sizeof s);
}

void tuak_f1(const struct tuak *t, const uint8_t rand[static TUAK_RAND],
	const uint8_t sqn[static TUAK_SQN], const uint8_t amf[static TUAK_AMF],
	struct tuak_output *out)
{
	mac(t, (struct input){.rand = rand, .sqn = sqn, .amf = amf}, out->mac_a);
}

void tuak_f1_star(const struct tuak *t, const uint8_t rand[static TUAK_RAND],
	const uint8_t sqn[static TUAK_SQN], const uint8_t amf[static TUAK_AMF],
	struct tuak_output *out)
{
	mac(t, (struct input){.rand = rand, .sqn = sqn, .amf = amf, .instance = IS_F1_STAR},
		out->mac_s);
}

void tuak_f2345(const struct tuak *t, const uint8_t rand[static TUAK_RAND], struct tuak_output *out)
{
	const unsigned instance = IS_F2345 | length_code(t->lengths.res) |
				  (t->lengths.ck == 32 ? IS_LONG_CK : 0) |
				  (t->lengths.ik == 32 ? IS_LONG_IK : 0);
	const struct input in = {.top = t->topc, .rand = rand, .instance = (uint8_t)instance};
	union state s;

	run(t, &in, &s);
	reversed(out->res, s.octets, t->lengths.res);
	reversed(out->ck, s.octets + OUT_CK, t->lengths.ck);
	reversed(out->ik, s.octets + OUT_IK, t->lengths.ik);
	reversed(out->ak, s.octets + OUT_AK, TUAK_AK);
	secret_wipe(&s, sizeof s);
}

void tuak_f5_star(
	const struct tuak *t, const uint8_t rand[static TUAK_RAND], struct tuak_output *out)
{
	const struct input in = {.top = t->topc, .rand = rand, .instance = IS_F5_STAR};
	union state s;

	run(t, &in, &s);
	reversed(out->ak_star, s.octets + OUT_AK, TUAK_AK);
	secret_wipe(&s, sizeof s);
}
