// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "toeplitz.h"
#include "crypt/gf2x.h"
#include "toeplitz_inner.h"
#include <assert.h>

/* One call's: what is hashed, and how. */
struct job {
	struct toeplitz_plan plan;
	const struct gf2x_kernels *kernels;
	struct span key, seed;
	struct span_mut out;
	size_t key_bits, out_bits, m;
};

/* ---- bits ---- */

static uint8_t octet_at(struct span bytes, int64_t i)
{
	return i >= 0 && i < (int64_t)bytes.len ? bytes.at[i] : 0;
}

/* The 64 bits from `at` on; zero outside. */
static uint64_t bits_at(struct span bytes, int64_t at)
{
	const int64_t first = at >= 0 ? at / 8 : -((7 - at) / 8);
	const unsigned shift = (unsigned)(at - first * 8);
	uint64_t low = 0;

	for (unsigned i = 0; i < 8; i++)
		low |= (uint64_t)octet_at(bytes, first + i) << 8 * i;
	const uint64_t high = octet_at(bytes, first + 8);
	return shift == 0 ? low : low >> shift | high << (64 - shift);
}

static uint64_t word_at(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* Of `count` words, eight octets apart from octet `first` on, those that begin before octet `limit`. */
static size_t words_before(int64_t limit, int64_t first, size_t count)
{
	const size_t words = limit > first ? (size_t)(limit - first + 7) / 8 : 0;

	return words < count ? words : count;
}

/*
 * bits_at() of `from`, from + 64, …. A word lies in nine octets: where all of these are outside it is zero, where all are inside it
 * is read at once.
 */
static void load_bits(uint64_t *words, size_t count, struct span bytes, int64_t from)
{
	const int64_t first = from >= 0 ? from / 8 : -((7 - from) / 8), len = (int64_t)bytes.len;
	const unsigned shift = (unsigned)(from - first * 8);
	const size_t start = words_before(0, first, count), end = words_before(len, first, count);
	const size_t inside = words_before(len - 8, first, count);
	size_t i = words_before(-8, first, count);

	memset(words, 0, i * sizeof *words);
	for (; i < start; i++)
		words[i] = bits_at(bytes, from + 64 * (int64_t)i);
	for (; i < inside; i++) {
		const uint8_t *at = bytes.at + (first + 8 * (int64_t)i);
		words[i] = word_at(at) >> shift | (uint64_t)at[8] << (63 - shift) << 1;
	}
	for (; i < end; i++)
		words[i] = bits_at(bytes, from + 64 * (int64_t)i);
	memset(words + end, 0, (count - end) * sizeof *words);
}

static void clear_bits_from(uint64_t *words, size_t count, size_t bits)
{
	if (bits >= 64 * count)
		return;
	words[bits / 64] &= ((uint64_t)1 << bits % 64) - 1;
	memset(words + bits / 64 + 1, 0, (count - bits / 64 - 1) * sizeof *words);
}

static void put_word(uint8_t *at, uint64_t v, size_t octets)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	memcpy(at, &v, octets < sizeof v ? octets : sizeof v);
}

/*
 * Output bits [first, first + count), first a multiple of 8: those of the product, words from bit `at` on, and x0, which is put over the
 * product's words. The word after the last is never read.
 */
static void put_bits(const struct job *j, size_t first, size_t count, uint64_t *product, size_t at)
{
	const size_t words = (count + 63) / 64, shift = at % 64;
	const size_t last = (at + count - 1) / 64 - at / 64;
	uint64_t *p = product + at / 64;

	for (size_t i = 0; i < words; i++) {
		const uint64_t next = shift > 0 && i < last ? p[i + 1] << (64 - shift) : 0;
		p[i] = p[i] >> shift | next;
	}
	enum { BATCH = 64 };
	uint64_t x0[BATCH];
	for (size_t i = 0; i < words; i += BATCH) {
		const size_t n = words - i < BATCH ? words - i : BATCH;
		load_bits(x0, n, j->key, (int64_t)(j->m + first + 64 * i));
		for (size_t k = 0; k < n; k++) {
			const size_t left = count - 64 * (i + k);
			uint64_t v = p[i + k] ^ x0[k];
			if (left < 64)
				v &= ((uint64_t)1 << left) - 1;
			put_word(j->out.at + first / 8 + 8 * (i + k), v, (left + 7) / 8);
		}
	}
	secret_wipe(x0, sizeof x0);
}

/* ---- word by word ---- */

/* Words [first, end) of the product of seed and x1; the others are not needed. */
static void by_words(const struct job *j, uint64_t *memory)
{
	const size_t seed_words = (j->key_bits + 62) / 64, key_words = (j->m + 63) / 64;
	const size_t first = (j->m - 1) / 64, end = (j->m - 1 + j->out_bits + 63) / 64;
	uint64_t *seed = memory, *key = seed + seed_words, *product = key + key_words;

	load_bits(seed, seed_words, j->seed, 0);
	clear_bits_from(seed, seed_words, j->key_bits - 1);
	load_bits(key, key_words, j->key, 0);
	clear_bits_from(key, key_words, j->m);
	uint64_t carried = 0;
	for (size_t at = first > 0 ? first - 1 : 0; at < end; at++) {
		const size_t low = at < seed_words ? 0 : at - seed_words + 1;
		const size_t high = at < key_words ? at + 1 : key_words;
		const struct gf128 sum = low < high ? j->kernels->diagonal(seed + at + 1 - low,
							      key + low, high - low)
						    : (struct gf128){0};
		if (at >= first)
			product[at - first] = sum.lo ^ carried;
		carried = sum.hi;
	}
	put_bits(j, 0, j->out_bits, product, (j->m - 1) % 64);
}

/* ---- tiles ---- */

struct tiles {
	struct gf2x transform;
	uint64_t *bits;
	struct gf128 *window, *strips, *sums; /* evaluations: one, one a column, one a row */
	size_t words, elements;
};

static struct tiles tiles_open(const struct job *j, enum clmul_path path, uint8_t *memory)
{
	const size_t octets = (size_t)1 << (j->plan.log_bits - 3);
	struct tiles t = {.words = octets / 8, .elements = octets / 16};

	t.bits = (uint64_t *)(void *)memory;
	t.window = (struct gf128 *)(void *)(memory + octets);
	t.strips = t.window + t.elements;
	t.sums = t.strips + j->plan.columns * t.elements;
	gf2x_open(&t.transform, path, j->plan.log_bits, t.sums + j->plan.rows * t.elements);
	return t;
}

static void key_strip(const struct job *j, struct tiles *t, size_t column)
{
	const size_t from = column * j->plan.width, left = j->m - from;

	load_bits(t->bits, t->words, j->key, (int64_t)from);
	clear_bits_from(t->bits, t->words, left < j->plan.width ? left : j->plan.width);
	j->kernels->evaluate(&t->transform, t->strips + column * t->elements, t->bits, false);
}

/*
 * The window of the diagonal row - column = `diagonal`: its last bit meets the tile's last row and first column, and comes last of the N
 * bits. What else is among these meets no bit of the key.
 */
static void seed_window(const struct job *j, struct tiles *t, int64_t diagonal)
{
	const struct toeplitz_plan *p = &j->plan;
	const int64_t step = (int64_t)(p->columns > 1 ? p->width : p->height);
	const int64_t last = diagonal * step + (int64_t)(j->m - 1 + p->height - 1);

	load_bits(t->bits, t->words, j->seed, last + 1 - (int64_t)(64 * t->words));
	j->kernels->evaluate(&t->transform, t->window, t->bits, true);
}

static void output_strip(const struct job *j, struct tiles *t, size_t row)
{
	const size_t first = row * j->plan.height, left = j->out_bits - first;

	j->kernels->interpolate(&t->transform, t->bits, t->sums + row * t->elements);
	put_bits(j, first, left < j->plan.height ? left : j->plan.height, t->bits,
		64 * t->words - j->plan.height);
}

static void by_tiles(const struct job *j, enum clmul_path path, uint8_t *memory)
{
	const int64_t rows = (int64_t)j->plan.rows, columns = (int64_t)j->plan.columns;
	struct tiles t = tiles_open(j, path, memory);

	memset(t.sums, 0, j->plan.rows * t.elements * sizeof *t.sums);
	for (size_t column = 0; column < j->plan.columns; column++)
		key_strip(j, &t, column);
	for (int64_t diagonal = 1 - columns; diagonal < rows; diagonal++) {
		seed_window(j, &t, diagonal);
		for (int64_t row = diagonal > 0 ? diagonal : 0;
			row < rows && row - diagonal < columns; row++)
			j->kernels->multiply_add(t.sums + (size_t)row * t.elements,
				t.strips + (size_t)(row - diagonal) * t.elements, t.window,
				t.elements);
	}
	for (size_t row = 0; row < j->plan.rows; row++)
		output_strip(j, &t, row);
}

/* ---- the face ---- */

struct err toeplitz_open(struct toeplitz *t, size_t key_bits_max)
{
	*t = (struct toeplitz){.key_bits_max = key_bits_max, .path = gf2x_best()};
	if (key_bits_max < 2 || key_bits_max > TOEPLITZ_BITS_MAX)
		return ERR(INPUT);
	return secret_open(&t->memory, toeplitz_octets(key_bits_max));
}

void toeplitz_close(struct toeplitz *t)
{
	secret_close(&t->memory);
}

void toeplitz_wipe(struct toeplitz *t)
{
	secret_wipe(t->memory.bytes, t->memory.len);
}

static bool are_lengths_good(const struct toeplitz *t, struct span_mut out, size_t out_bits,
	struct span key, size_t key_bits, struct span seed)
{
	return out_bits > 0 && out_bits < key_bits && key_bits <= t->key_bits_max &&
	       key.len >= (key_bits + 7) / 8 && seed.len >= toeplitz_seed_octets(key_bits) &&
	       out.len == (out_bits + 7) / 8;
}

struct err toeplitz_hash_planned(struct toeplitz *t, const struct toeplitz_plan *plan,
	struct span_mut out, size_t out_bits, struct span key, size_t key_bits, struct span seed)
{
	if (!are_lengths_good(t, out, out_bits, key, key_bits, seed))
		return ERR(INPUT);
	const struct job j = {.plan = *plan,
		.kernels = gf2x_kernels(t->path),
		.key = key,
		.seed = seed,
		.out = out,
		.key_bits = key_bits,
		.out_bits = out_bits,
		.m = key_bits - out_bits};
	assert(toeplitz_plan_octets(plan, out_bits, key_bits) <= t->memory.len);
	if (plan->log_bits > 0)
		by_tiles(&j, t->path, t->memory.bytes);
	else
		by_words(&j, (uint64_t *)(void *)t->memory.bytes);
	return OK;
}

struct err toeplitz_hash_in(struct toeplitz *t, struct span_mut out, size_t out_bits,
	struct span key, size_t key_bits, struct span seed)
{
	if (!are_lengths_good(t, out, out_bits, key, key_bits, seed))
		return ERR(INPUT);
	const struct toeplitz_plan plan = toeplitz_plan(t->path, out_bits, key_bits);
	return toeplitz_hash_planned(t, &plan, out, out_bits, key, key_bits, seed);
}

struct err toeplitz_hash_by(enum clmul_path path, struct span_mut out, size_t out_bits,
	struct span key, size_t key_bits, struct span seed)
{
	struct toeplitz t;
	struct err e = toeplitz_open(&t, key_bits);
	if (failed(e))
		return e;
	t.path = path;
	e = toeplitz_hash_in(&t, out, out_bits, key, key_bits, seed);
	toeplitz_close(&t);
	return e;
}

struct err toeplitz_hash(
	struct span_mut out, size_t out_bits, struct span key, size_t key_bits, struct span seed)
{
	return toeplitz_hash_by(gf2x_best(), out, out_bits, key, key_bits, seed);
}
