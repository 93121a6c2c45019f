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
 */
#include "base/span.h"
#include "crypt/clmul.h"

enum { GF128_OCTETS = 16 };

struct gf128 gf128_read(const uint8_t octets[static GF128_OCTETS]);
void gf128_write(uint8_t octets[static GF128_OCTETS], struct gf128 v);
struct gf128 gf128_multiply(enum clmul_path path, struct gf128 a, struct gf128 b);

/* A hash on its way; it holds the key, so it lives where secrets live and is wiped. */
struct polyhash {
	struct gf128 key, sum;
	uint64_t octets;
	uint8_t part[GF128_OCTETS]; /* octets % 16 of it are used */
	enum clmul_path path;
};

void polyhash_begin(struct polyhash *h, const uint8_t key[static GF128_OCTETS]);
void polyhash_add(struct polyhash *h, struct span bytes);
/* The hash of what was added; `h` itself goes on unchanged. */
void polyhash_value(const struct polyhash *h, uint8_t out[static GF128_OCTETS]);

/*
 * Two streams under one key, as if `b` followed `a`: each is filled up to whole blocks, and one last block holds both lengths. So
 * different pairs (a, b) are different polynomials, of degree polyhash_blocks(a) + polyhash_blocks(b) - 1 at most, and the bound above holds.
 * For messages of two directions, whose order in time is not the same at both ends. Both are left as they are.
 */
void polyhash_join(
	const struct polyhash *a, const struct polyhash *b, uint8_t out[static GF128_OCTETS]);

/* Blocks, the length included, of a message of so many octets: the L of the bound above. */
static inline uint64_t polyhash_blocks(uint64_t octets)
{
	return (octets + GF128_OCTETS - 1) / GF128_OCTETS + 1;
}
