// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * What privacy amplification is made of (crypt/gf2x.h), each part alone: transforms, products of what they give, and sums of products
 * word by word; by each path that the processor has. In nanoseconds an element of 128 bits, or a product of two words: what toeplitz_plan() weighs.
 */
#include "cmd/bench/bench.h"
#include "cmd/bench/rate.h"
#include "crypt/gf2x.h"
#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 23, ELEMENT_BITS = 128 };
enum { TURN_UNITS_MIN = 1 << 18, TURNS_MIN = 3 };

struct work;
typedef void part_fn(struct work *w);

static part_fn transforms, products, words;

/* Units: elements of a transform's length; products of words. */
static const struct row {
	const char *part;
	part_fn *run;
	uint32_t units;
	unsigned times; /* that a run does all of them */
} rows[] = {
	{"transform", transforms, 1 << 8, 2},
	{"transform", transforms, 1 << 9, 2},
	{"transform", transforms, 1 << 10, 2},
	{"transform", transforms, 1 << 11, 2},
	{"transform", transforms, 1 << 12, 2},
	{"transform", transforms, 1 << 13, 2},
	{"transform", transforms, 1 << 14, 2},
	{"transform", transforms, 1 << 15, 2},
	{"transform", transforms, 1 << 16, 2},
	{"product", products, 1 << 8, 1},
	{"product", products, 1 << 12, 1},
	{"product", products, 1 << 16, 1},
	{"words", words, 32, 1},
	{"words", words, 128, 1},
	{"words", words, 512, 1},
};

struct work {
	const struct row *row;
	enum clmul_path path;
	const struct gf2x_kernels *kernels;
	struct gf2x transform;
	uint64_t *bits;
	struct gf128 *values, *sum;
	uint8_t *memory;
};

/* The two kinds that a hash takes. */
static void transforms(struct work *w)
{
	w->kernels->evaluate(&w->transform, w->values, w->bits, true);
	w->kernels->interpolate(&w->transform, w->bits, w->values);
}

static void products(struct work *w)
{
	const struct gf128 *window = (const struct gf128 *)(const void *)w->bits;

	w->kernels->multiply_add(w->sum, w->values, window, w->row->units);
}

static void words(struct work *w)
{
	const uint32_t count = w->row->units;
	const struct gf128 sum = w->kernels->diagonal(w->bits + count, w->bits, count);

	w->bits[0] ^= sum.lo;
}

/* Values, sum and bits, of any contents but zero; then what a transform takes. */
static struct err work_open(struct work *w)
{
	enum { ARRAY = ELEMENT_BITS / 8 << (LOG_MAX - 7) };
	const bool is_transform = w->row->run == transforms;
	const unsigned log_bits =
		is_transform ? 7u + (unsigned)__builtin_ctz(w->row->units) : GF2X_LOG_MIN;

	w->kernels = gf2x_kernels(w->path);
	w->memory = aligned_alloc(
		GF2X_ALIGNMENT, 3 * (size_t)ARRAY + gf2x_octets(LOG_MAX) / 64 * 64 + 64);
	if (w->memory == NULL)
		return ERR(LIMIT);
	memset(w->memory, 0x5a, 3 * (size_t)ARRAY);
	w->values = (struct gf128 *)(void *)w->memory;
	w->sum = (struct gf128 *)(void *)(w->memory + ARRAY);
	w->bits = (uint64_t *)(void *)(w->memory + 2 * (size_t)ARRAY);
	gf2x_open(&w->transform, w->path, log_bits, w->memory + 3 * (size_t)ARRAY);
	return OK;
}

static struct err turn(void *ctx, unsigned worker, struct bench_account *account)
{
	struct work *w = ctx;
	struct err e = OK;

	(void)worker;
	bench_aside_begin(account);
	if (w->memory == NULL)
		e = work_open(w);
	bench_aside_end(account);
	for (uint32_t done = 0; !failed(e) && done < TURN_UNITS_MIN; done += w->row->units) {
		w->row->run(w);
		account->bits += (uint64_t)w->row->units * w->row->times;
	}
	return e;
}

/* The rate counts units, in millions: of the best turn, a thousand over it is nanoseconds. */
static void write_row(struct json_writer *j, const struct work *w, const struct bench_rate *rate)
{
	static const char *const paths[] = {"portable", "pclmulqdq", "vpclmulqdq"};

	json_open(j, NULL, '{');
	json_text(j, "path", paths[w->path]);
	json_text(j, "part", w->row->part);
	json_u64(j, "units", w->row->units);
	json_f64(j, "ns_a_unit", 1e3 / rate->best_mbit_per_s);
	json_f64(j, "median_ns_a_unit", 1e3 / rate->median_mbit_per_s);
	json_u64(j, "turns", rate->turns);
	json_close(j, '}');
}

static struct err row_run(const struct bench_options *o, enum clmul_path path,
	const struct row *row, struct json_writer *j, struct complaint *c)
{
	struct work w = {.row = row, .path = path};
	struct bench_rate rate;
	const struct err e = bench_rate(o, TURNS_MIN, turn, &w, &rate);

	free(w.memory);
	if (failed(e))
		return complain(c, e, "%s of %u", row->part, row->units);
	write_row(j, &w, &rate);
	return OK;
}

struct err bench_qkd_transforms(
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	struct err e = OK;

	json_open(j, "transforms", '[');
	for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++)
		for (size_t i = 0; i < ARRAY_LEN(rows) && !*o->is_over && !failed(e); i++)
			e = row_run(o, path, &rows[i], j, c);
	json_close(j, ']');
	return e;
}
