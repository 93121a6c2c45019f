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
 * Bit i of a span is bit i % 8, from the least, of octet i / 8. The product costs r (n - r) / 4096 word products:
 * fractions of a second up to n = 2^20. A sub-quadratic one can stand behind the same face.
 */
#include "base/err.h"
#include "base/span.h"
#include "crypt/clmul.h"

enum { TOEPLITZ_BITS_MAX = 1 << 24 };

static inline size_t toeplitz_seed_octets(size_t key_bits)
{
	return (key_bits - 1 + 7) / 8;
}

/*
 * out.len = ceil(out_bits / 8), spare bits zero. 1 <= out_bits < key_bits; key and seed at least as long as their bits
 * (ERR_INPUT otherwise). ERR_LIMIT when memory for secrets is exhausted.
 */
MUST_USE struct err toeplitz_hash(
	struct span_mut out, size_t out_bits, struct span key, size_t key_bits, struct span seed);

/* The same by a chosen path, for tests. */
MUST_USE struct err toeplitz_hash_by(enum clmul_path path, struct span_mut out, size_t out_bits,
	struct span key, size_t key_bits, struct span seed);
