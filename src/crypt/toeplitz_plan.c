// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "crypt/gf2x.h"
#include "toeplitz_inner.h"

/* Longer ones leave the second cache, and tiles do without them. */
enum { LOG_BITS_MAX = 23 };

static size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

static size_t words_of(size_t bits)
{
	return ceil_div(bits, 64);
}

/* The longest transform that is of use for n bits. */
static unsigned log_bits_for(size_t key_bits)
{
	unsigned log = GF2X_LOG_MIN;

	while (log < LOG_BITS_MAX && (size_t)1 << log < key_bits)
		log++;
	return log;
}

/* Key strips, sums, a window and its evaluation, each N bits. */
static size_t transforms_octets(const struct toeplitz_plan *p)
{
	return (p->rows + p->columns + 2) * ((size_t)1 << p->log_bits) / 8 +
	       gf2x_octets(p->log_bits);
}

static size_t products_octets(size_t key_bits, size_t out_bits)
{
	return (words_of(key_bits) + words_of(key_bits - out_bits) + words_of(out_bits) + 8) * 8;
}

size_t toeplitz_plan_octets(const struct toeplitz_plan *p, size_t out_bits, size_t key_bits)
{
	return p->log_bits > 0 ? transforms_octets(p) : products_octets(key_bits, out_bits);
}

/* Enough for squares of half the longest transform: 2 n + 4 N bits; for one tile: 4 N; and word by word: 2 n. */
size_t toeplitz_octets(size_t key_bits_max)
{
	const unsigned log = log_bits_for(key_bits_max);
	const size_t transform = ((size_t)1 << log) / 8;

	return key_bits_max / 4 + 4 * transform + gf2x_octets(log) + 256;
}

/*
 * What `merlon bench qkd --stage transforms` shows of each path, rounded, in nanoseconds; only ratios matter. How a transform grows with its
 * length is not smooth: changes of basis take other steps. What a hash does beside (moving bits) is nearly alike in all plans.
 */
static const struct costs {
	double transform[LOG_BITS_MAX - GF2X_LOG_MIN + 1]; /* an element, of 2^15 bits and more */
	double product;                                    /* of transforms, an element */
	double word_product;
	double row_words; /* what a row costs beside, in products of words */
} costs[] = {
	[CLMUL_PORTABLE] = {{1320, 1430, 1550, 1700, 1930, 2150, 2300, 2550, 2450}, 375, 64, 1},
	[CLMUL_FAST] = {{18.8, 22.8, 23.3, 27, 29.8, 33.5, 35.3, 39.5, 39.5}, 2.4, 0.33, 25},
	[CLMUL_WIDE] = {{14.4, 16.8, 16.8, 18.8, 20, 22.1, 23.2, 26, 23.4}, 1.2, 0.33, 25},
};

static double words_cost(const struct costs *c, size_t out_bits, size_t m)
{
	return (double)words_of(out_bits) * ((double)words_of(m) + c->row_words) * c->word_product;
}

static double tiles_cost(const struct costs *c, const struct toeplitz_plan *p)
{
	const double tiles = (double)p->rows * (double)p->columns;
	const double transforms = 2 * (double)(p->rows + p->columns) - 1;

	return (double)((size_t)1 << (p->log_bits - 7)) *
	       (transforms * c->transform[p->log_bits - GF2X_LOG_MIN] + tiles * c->product);
}

static void consider(const struct costs *c, struct toeplitz_plan *best, struct toeplitz_plan p,
	size_t out_bits, size_t key_bits)
{
	p.rows = ceil_div(out_bits, p.height);
	p.columns = ceil_div(key_bits - out_bits, p.width);
	p.cost = tiles_cost(c, &p);
	if (p.cost < best->cost && transforms_octets(&p) <= toeplitz_octets(key_bits))
		*best = p;
}

struct toeplitz_plan toeplitz_plan(enum clmul_path path, size_t out_bits, size_t key_bits)
{
	const struct costs *c = &costs[path];
	const size_t m = key_bits - out_bits;
	struct toeplitz_plan best = {.height = out_bits,
		.width = m,
		.rows = 1,
		.columns = 1,
		.cost = words_cost(c, out_bits, m)};

	for (unsigned log = GF2X_LOG_MIN; log <= log_bits_for(key_bits); log++) {
		const size_t n = (size_t)1 << log;
		const struct toeplitz_plan squares = {log, n / 2, n / 2, 0, 0, 0};
		consider(c, &best, squares, out_bits, key_bits);
		if (out_bits < n)
			consider(c, &best,
				(struct toeplitz_plan){log, out_bits, n + 1 - out_bits, 0, 0, 0},
				out_bits, key_bits);
		if (m < n && n + 1 - m >= 8) /* rows of whole octets */
			consider(c, &best,
				(struct toeplitz_plan){log, (n + 1 - m) / 8 * 8, m, 0, 0, 0},
				out_bits, key_bits);
	}
	return best;
}
