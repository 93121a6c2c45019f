// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "toeplitz.h"
#include "base/secret.h"

/* Polynomials packed in words, for one call; all of it is one secret. */
struct work {
	struct secret memory;
	uint64_t *seed, *key, *product;
	size_t seed_words, key_words, product_words;
};

static size_t words_of(size_t bits)
{
	return (bits + 63) / 64;
}

static void pack(uint64_t *words, struct span bytes, size_t bits)
{
	const size_t octets = (bits + 7) / 8;

	for (size_t i = 0; i < octets; i++)
		words[i / 8] |= (uint64_t)bytes.at[i] << i % 8 * 8;
	if (bits % 64 != 0)
		words[bits / 64] &= ((uint64_t)1 << bits % 64) - 1;
}

static struct err work_open(struct work *w, size_t seed_bits, size_t key_bits)
{
	w->seed_words = words_of(seed_bits);
	w->key_words = words_of(key_bits);
	w->product_words = w->seed_words + w->key_words;
	const size_t words = w->seed_words + w->key_words + w->product_words + 1;
	struct err e = secret_open(&w->memory, words * sizeof(uint64_t));
	if (failed(e))
		return e;
	w->seed = (uint64_t *)(void *)w->memory.bytes;
	w->key = w->seed + w->seed_words;
	w->product = w->key + w->key_words;
	return OK;
}

/* The sum of all seed[a] * key[b] with a + b = `at`. */
static inline struct gf128 diagonal(enum clmul_path path, const struct work *w, size_t at)
{
	const size_t first = at < w->seed_words ? 0 : at - w->seed_words + 1;
	const size_t end = at < w->key_words ? at + 1 : w->key_words;
	struct gf128 sum = {0};

	for (size_t b = first; b < end; b++) {
		const struct gf128 p = clmul(path, w->seed[at - b], w->key[b]);
		sum.lo ^= p.lo;
		sum.hi ^= p.hi;
	}
	return sum;
}

/* Words [first, end) of the product; the others are not needed and not computed. */
static inline void multiply(enum clmul_path path, struct work *w, size_t first, size_t end)
{
	for (size_t at = first > 0 ? first - 1 : 0; at < end; at++) {
		const struct gf128 sum = diagonal(path, w, at);
		w->product[at] ^= sum.lo;
		w->product[at + 1] ^= sum.hi;
	}
}

static uint8_t bit_at(struct span bytes, size_t i)
{
	return bytes.at[i / 8] >> i % 8 & 1;
}

struct err toeplitz_hash_by(enum clmul_path path, struct span_mut out, size_t out_bits,
	struct span key, size_t key_bits, struct span seed)
{
	struct work w = {0};

	if (out_bits == 0 || out_bits >= key_bits || key_bits > TOEPLITZ_BITS_MAX ||
		key.len < (key_bits + 7) / 8 || seed.len < toeplitz_seed_octets(key_bits) ||
		out.len != (out_bits + 7) / 8)
		return ERR(INPUT);
	const size_t m = key_bits - out_bits;
	struct err e = work_open(&w, key_bits - 1, m);
	if (failed(e))
		return e;
	pack(w.seed, seed, key_bits - 1);
	pack(w.key, key, m);
	const size_t first = (m - 1) / 64, end = (m - 1 + out_bits + 63) / 64;
	if (path == CLMUL_FAST)
		multiply(CLMUL_FAST, &w, first, end);
	else
		multiply(CLMUL_PORTABLE, &w, first, end);
	memset(out.at, 0, out.len);
	for (size_t i = 0; i < out_bits; i++) {
		const size_t at = m - 1 + i;
		const unsigned product = w.product[at / 64] >> at % 64 & 1;
		out.at[i / 8] |= (uint8_t)((product ^ bit_at(key, m + i)) << i % 8);
	}
	secret_close(&w.memory);
	return OK;
}

struct err toeplitz_hash(
	struct span_mut out, size_t out_bits, struct span key, size_t key_bits, struct span seed)
{
	return toeplitz_hash_by(clmul_best(), out, out_bits, key, key_bits, seed);
}
