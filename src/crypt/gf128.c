// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gf128.h"
#include "base/secret.h"

static uint64_t word_read(const uint8_t *at)
{
	uint64_t v = 0;

	for (unsigned i = 8; i > 0; i--)
		v = v << 8 | at[i - 1];
	return v;
}

static void word_write(uint8_t *at, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++, v >>= 8)
		at[i] = (uint8_t)v;
}

struct gf128 gf128_read(const uint8_t octets[static GF128_OCTETS])
{
	return (struct gf128){.lo = word_read(octets), .hi = word_read(octets + 8)};
}

void gf128_write(uint8_t octets[static GF128_OCTETS], struct gf128 v)
{
	word_write(octets, v.lo);
	word_write(octets + 8, v.hi);
}

/* v * (x^7 + x^2 + x + 1): what stays in the word, and what leaves it at the top. */
static inline uint64_t fold_low(uint64_t v)
{
	return v ^ v << 1 ^ v << 2 ^ v << 7;
}

static inline uint64_t fold_high(uint64_t v)
{
	return v >> 63 ^ v >> 62 ^ v >> 57;
}

static inline struct gf128 multiply(enum clmul_path path, struct gf128 a, struct gf128 b)
{
	const struct gf128 low = clmul(path, a.lo, b.lo), high = clmul(path, a.hi, b.hi);
	struct gf128 middle = clmul(path, a.lo ^ a.hi, b.lo ^ b.hi); /* Karatsuba */

	middle.lo ^= low.lo ^ high.lo;
	middle.hi ^= low.hi ^ high.hi;
	const uint64_t c1 = low.hi ^ middle.lo;
	const uint64_t c2 = high.lo ^ middle.hi ^ fold_high(high.hi);
	return (struct gf128){
		.lo = low.lo ^ fold_low(c2), .hi = c1 ^ fold_low(high.hi) ^ fold_high(c2)};
}

struct gf128 gf128_multiply(enum clmul_path path, struct gf128 a, struct gf128 b)
{
	return path == CLMUL_FAST ? multiply(CLMUL_FAST, a, b) : multiply(CLMUL_PORTABLE, a, b);
}

static inline void absorb_by(
	enum clmul_path path, struct polyhash *h, const uint8_t *blocks, size_t count)
{
	struct gf128 sum = h->sum;

	for (size_t i = 0; i < count; i++) {
		const struct gf128 block = gf128_read(blocks + i * GF128_OCTETS);
		sum.lo ^= block.lo;
		sum.hi ^= block.hi;
		sum = multiply(path, sum, h->key);
	}
	h->sum = sum;
}

/* Powers of the key are made when a message is first long enough to be worth it. */
static size_t absorb_steps(struct polyhash *h, const uint8_t *blocks, size_t count)
{
	const size_t steps = count / GF128_STRIDE;

	if (steps == 0)
		return 0;
	if (!h->has_powers) {
		h->powers[0] = h->key;
		for (size_t i = 1; i < GF128_STRIDE; i++)
			h->powers[i] = multiply(CLMUL_FAST, h->powers[i - 1], h->key);
		h->has_powers = true;
	}
	gf128_horner_native(&h->sum, h->powers, blocks, steps);
	return steps * GF128_STRIDE;
}

static void absorb(struct polyhash *h, const uint8_t *blocks, size_t count)
{
	if (h->path == CLMUL_FAST) {
		const size_t done = absorb_steps(h, blocks, count);
		absorb_by(CLMUL_FAST, h, blocks + done * GF128_OCTETS, count - done);
	} else {
		absorb_by(CLMUL_PORTABLE, h, blocks, count);
	}
}

void polyhash_begin(struct polyhash *h, const uint8_t key[static GF128_OCTETS])
{
	/* In place: a literal of this size is built on the stack, and the key would stay there. */
	memset(h, 0, sizeof *h);
	h->key = gf128_read(key);
	h->path = clmul_best();
}

void polyhash_add(struct polyhash *h, struct span bytes)
{
	const size_t used = h->octets % GF128_OCTETS;

	if (bytes.len == 0)
		return;
	h->octets += bytes.len;
	if (used > 0) {
		const size_t room = GF128_OCTETS - used, take = bytes.len < room ? bytes.len : room;
		memcpy(h->part + used, bytes.at, take);
		if (used + take < GF128_OCTETS)
			return;
		absorb(h, h->part, 1);
		bytes = span_of(bytes.at + take, bytes.len - take);
	}
	const size_t whole = bytes.len / GF128_OCTETS;
	absorb(h, bytes.at, whole);
	memcpy(h->part, bytes.at + whole * GF128_OCTETS, bytes.len % GF128_OCTETS);
}

/* Fills up the last block. */
static void fill_up(struct polyhash *h)
{
	const size_t used = h->octets % GF128_OCTETS;

	if (used == 0)
		return;
	memset(h->part + used, 0, GF128_OCTETS - used);
	absorb(h, h->part, 1);
}

void polyhash_value(const struct polyhash *h, uint8_t out[static GF128_OCTETS])
{
	struct polyhash last = *h;
	uint8_t length[GF128_OCTETS];

	fill_up(&last);
	gf128_write(length, (struct gf128){.lo = h->octets});
	absorb(&last, length, 1);
	gf128_write(out, last.sum);
	secret_wipe(&last, sizeof last);
}

static struct gf128 power(enum clmul_path path, struct gf128 base, uint64_t exponent)
{
	struct gf128 product = {.lo = 1};

	for (; exponent > 0; exponent >>= 1) {
		if (exponent & 1)
			product = gf128_multiply(path, product, base);
		base = gf128_multiply(path, base, base);
	}
	return product;
}

void polyhash_join(
	const struct polyhash *a, const struct polyhash *b, uint8_t out[static GF128_OCTETS])
{
	struct polyhash first = *a, second = *b;
	uint8_t lengths[GF128_OCTETS];

	fill_up(&first);
	fill_up(&second);
	struct gf128 shift = power(a->path, a->key, (b->octets + GF128_OCTETS - 1) / GF128_OCTETS);
	first.sum = gf128_multiply(a->path, first.sum, shift);
	second.sum.lo ^= first.sum.lo;
	second.sum.hi ^= first.sum.hi;
	gf128_write(lengths, (struct gf128){.lo = a->octets, .hi = POLYHASH_JOINED | b->octets});
	absorb(&second, lengths, 1);
	gf128_write(out, second.sum);
	secret_wipe(&first, sizeof first);
	secret_wipe(&second, sizeof second);
	secret_wipe(&shift, sizeof shift);
}
