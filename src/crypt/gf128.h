// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The field GF(2^128) = GF(2)[x] / (x^128 + x^7 + x^2 + x + 1) and the polynomial hash over it.
 *
 * The hash of a message of blocks m1 … mL (16 octets each, little-endian, the last one filled with
 * zeros, then one block that is the length in octets) under the key r is
 *     m1 r^L + m2 r^(L-1) + … + mL r.
 * Two different messages of at most L blocks differ by any chosen value under at most L of the 2^128 keys: the family is
 * L/2^128-almost XOR-universal; its first t bits are L/2^t-almost XOR-universal [Carter, Wegman
 * 1979; Shoup 1996]. That holds for a key that is random and secret until the message is fixed; it is no MAC by
 * itself: see wegman_carter.h.
 *
 * Two streams a and b under one key can be hashed apart, each as it comes, and joined at the end (polyhash_join):
 *     ((sum of a) r^(blocks of b) + (sum of b) + closing block) r
 * as if the blocks of b followed those of a, each stream filled up to whole blocks; the closing block holds the octets of a, those of b, and a
 * mark in its last bit. It is the same kind of hash, of the pair: where lengths differ the closing blocks do, so the coefficients
 * of r; where they agree so do the numbers of blocks, and different pairs differ in some block. So the difference of two values is a
 * polynomial in r of degree 1 to L, L = blocks of a + blocks of b + 1 of the longer pair, and takes a chosen value for at
 * most L keys. The mark keeps pairs apart from single messages, (a, nothing) from a too: both kinds may be used under one
 * key. (a, b) is not (b, a).
 *
 * Long messages take eight blocks a step with PCLMULQDQ; the value is the same.
 */
#include "base/span.h"
#include "crypt/clmul.h"

enum { GF128_OCTETS = 16, GF128_STRIDE = 8 };
#define POLYHASH_JOINED ((uint64_t)1 << 63)

struct gf128 gf128_read(const uint8_t octets[static GF128_OCTETS]);
void gf128_write(uint8_t octets[static GF128_OCTETS], struct gf128 v);
struct gf128 gf128_multiply(enum clmul_path path, struct gf128 a, struct gf128 b);
/* Steps of GF128_STRIDE blocks, with the powers 1 … GF128_STRIDE of the key. Not on CLMUL_PORTABLE. */
void gf128_horner_native(struct gf128 *value, const struct gf128 powers[static GF128_STRIDE],
	const uint8_t *blocks, size_t steps);

/* A hash on its way; it holds the key, so it lives where secrets live and is wiped. */
struct polyhash {
	struct gf128 key, sum;
	uint64_t octets;
	uint8_t part[GF128_OCTETS]; /* octets % 16 of it are used */
	enum clmul_path path;
	bool has_powers;
	struct gf128 powers[GF128_STRIDE]; /* key^1, key^2, … */
};

void polyhash_begin(struct polyhash *h, const uint8_t key[static GF128_OCTETS]);
void polyhash_add(struct polyhash *h, struct span bytes);
/* The hash of what was added; `h` itself goes on unchanged. */
void polyhash_value(const struct polyhash *h, uint8_t out[static GF128_OCTETS]);

/* Two streams under one key, as said above; degree polyhash_blocks(a) + polyhash_blocks(b) - 1. Both are left as they are. */
void polyhash_join(
	const struct polyhash *a, const struct polyhash *b, uint8_t out[static GF128_OCTETS]);

/* Blocks, the length included, of a message of so many octets: the L of the bound above. */
static inline uint64_t polyhash_blocks(uint64_t octets)
{
	return (octets + GF128_OCTETS - 1) / GF128_OCTETS + 1;
}
