// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Privacy amplification by modified Toeplitz hashing [Krawczyk 1994; Hayashi, Tsurumaki 2016].
 *
 * A key of n bits is x1 (its first m = n - r bits) and x0 (its last r bits); the hash of r bits is x0 + T x1, where T is the r x m
 * Toeplitz matrix T[i][j] = seed[i + m - 1 - j]. The seed has n - 1 bits, all of them random: the
 * family is then 2-universal (two keys collide for at most one seed in 2^r), which the leftover hash lemma asks for. A
 * shorter seed stretched by a generator has no such proof and is not offered.
 *
 * Bit i of a span is bit i % 8, from the least, of octet i / 8.
 *
 * The result is exact, by one of these ways (the cheapest for the lengths):
 *   - word by word, r (n - r) / 4096 products: short keys, and outputs that are very short or nearly all
 *   - T is cut in tiles; each strip of the key is transformed once, each diagonal of tiles has one window of the seed, which is transformed and
 *     multiplied into the sums of the strips of the output it meets; each sum is transformed back once (gf2x.h). A transform of N bits
 *     serves a tile of h rows and w columns where h + w <= N + 1. Either the whole matrix is one tile, or one row of
 *     tiles, or one column, or they are squares: so no length wastes much for not being a power of two, the pieces fit a cache, and memory is
 *     bounded: toeplitz_octets(), about 2 octets for 8 key bits at n = 10^8.
 *
 * The workspace is one secret (base/secret.h): locked where the system allows, never dumped, wiped when closed. Where secrets are
 * exhausted opening fails with ERR_LIMIT; there is no weaker way out.
 */
#include "base/err.h"
#include "base/secret.h"
#include "base/span.h"
#include "crypt/clmul.h"

enum { TOEPLITZ_BITS_MAX = 1 << 27 };

static inline size_t toeplitz_seed_octets(size_t key_bits)
{
	return (key_bits - 1 + 7) / 8;
}

/* A workspace for keys up to a length; one call at a time. */
struct toeplitz {
	struct secret memory;
	size_t key_bits_max;
	enum clmul_path path;
};

/* What a workspace takes. Grows with the length. */
size_t toeplitz_octets(size_t key_bits_max);
/* ERR_INPUT: not 2 … TOEPLITZ_BITS_MAX bits. ERR_LIMIT: memory for secrets is exhausted. */
MUST_USE struct err toeplitz_open(struct toeplitz *t, size_t key_bits_max);
void toeplitz_close(struct toeplitz *t);
/* Between two keys that are far apart in time. */
void toeplitz_wipe(struct toeplitz *t);
/*
 * out.len = ceil(out_bits / 8), spare bits zero. 1 <= out_bits < key_bits <= the workspace's; key and seed at least as long as their
 * bits (ERR_INPUT otherwise). `out` may not overlap key or seed. Nothing is allocated. What is left in the workspace is wiped by
 * toeplitz_wipe() and toeplitz_close().
 */
MUST_USE struct err toeplitz_hash_in(struct toeplitz *t, struct span_mut out, size_t out_bits,
	struct span key, size_t key_bits, struct span seed);

/* The same with a workspace for this call; ERR_LIMIT when memory for secrets is exhausted. */
MUST_USE struct err toeplitz_hash(
	struct span_mut out, size_t out_bits, struct span key, size_t key_bits, struct span seed);

/* The same by a chosen path, for tests. */
MUST_USE struct err toeplitz_hash_by(enum clmul_path path, struct span_mut out, size_t out_bits,
	struct span key, size_t key_bits, struct span seed);

/* How a hash is computed: public, a function of the path and the lengths alone. */
struct toeplitz_plan {
	unsigned log_bits;    /* of a transform; 0: word by word */
	size_t height, width; /* of a tile, in bits */
	size_t rows, columns; /* of tiles */
	double cost;
};

struct toeplitz_plan toeplitz_plan(enum clmul_path path, size_t out_bits, size_t key_bits);
/* The same by a chosen plan, for tests: any that covers the matrix and fits the workspace. */
MUST_USE struct err toeplitz_hash_planned(struct toeplitz *t, const struct toeplitz_plan *plan,
	struct span_mut out, size_t out_bits, struct span key, size_t key_bits, struct span seed);
