// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Privacy amplification (crypt/toeplitz.h): hashes of random keys under random seeds, the seed transformed anew for each, as a block has
 * one of its own. Rates are of bits that enter. Drawing keys and seeds is put aside.
 */
#include "cmd/bench/bench.h"
#include "cmd/bench/rate.h"
#include "crypt/gf2x.h"
#include "crypt/toeplitz.h"
#include <stdlib.h>

static const struct row {
	uint32_t input_bits, divisor; /* output: input / divisor */
} rows[] = {
	{10000, 3},
	{10000, 2},
	{100000, 3},
	{100000, 2},
	{1000000, 3},
	{1000000, 2},
	{10000000, 3},
	{10000000, 2},
	{100000000, 3},
	{100000000, 2},
	{TOEPLITZ_BITS_MAX, 3},
	{TOEPLITZ_BITS_MAX, 2},
};

/* Of a turn: enough bits for the clock to see. */
enum { TURN_BITS_MIN = 4000000, TURNS_MIN = 3 };

struct work {
	const struct row *row;
	struct toeplitz workspace;
	uint8_t *key, *seed, *out;
	uint64_t state;
};

static size_t octets_of(size_t bits)
{
	return (bits + 7) / 8;
}

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void fill(uint8_t *bytes, size_t len, uint64_t *state)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(next(state) >> 32);
}

/* Opened by the process that uses it: memory for secrets is not inherited. */
static struct err work_open(struct work *w, unsigned worker)
{
	const size_t n = w->row->input_bits;

	w->state = (uint64_t)(worker + 1) << 32;
	w->key = malloc(octets_of(n));
	w->seed = malloc(octets_of(n));
	w->out = malloc(octets_of(n));
	if (w->key == NULL || w->seed == NULL || w->out == NULL)
		return ERR(LIMIT);
	fill(w->key, octets_of(n), &w->state);
	fill(w->seed, octets_of(n), &w->state);
	return toeplitz_open(&w->workspace, n);
}

static void work_close(struct work *w)
{
	toeplitz_close(&w->workspace);
	free(w->key);
	free(w->seed);
	free(w->out);
}

static struct err turn(void *ctx, unsigned worker, struct bench_account *account)
{
	struct work *w = ctx;
	const size_t n = w->row->input_bits, r = n / w->row->divisor;
	struct err e = OK;

	bench_aside_begin(account);
	if (w->key == NULL)
		e = work_open(w, worker);
	bench_aside_end(account);
	for (size_t done = 0; !failed(e) && done < TURN_BITS_MIN; done += n) {
		e = toeplitz_hash_in(&w->workspace, span_mut_of(w->out, octets_of(r)), r,
			span_of(w->key, octets_of(n)), n, span_of(w->seed, octets_of(n)));
		account->bits += n;
		w->key[0] ^= w->out[0];
	}
	return e;
}

static void write_row(struct json_writer *j, const struct row *row, const struct bench_rate *rate)
{
	static const char *const paths[] = {"portable", "pclmulqdq", "vpclmulqdq"};

	json_open(j, NULL, '{');
	json_u64(j, "input_bits", row->input_bits);
	json_u64(j, "output_bits", row->input_bits / row->divisor);
	bench_rate_write(rate, j);
	json_u64(j, "repeats", rate->bits / row->input_bits);
	json_text(j, "path", paths[gf2x_best()]);
	json_u64(j, "memory_octets", toeplitz_octets(row->input_bits));
	json_close(j, '}');
}

struct err bench_qkd_amplify(
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	json_open(j, "amplify", '[');
	for (size_t i = 0; i < ARRAY_LEN(rows) && !*o->is_over; i++) {
		struct work w = {.row = &rows[i]};
		struct bench_rate rate;
		const struct err e = bench_rate(o, TURNS_MIN, turn, &w, &rate);
		work_close(&w);
		if (failed(e))
			return complain(c, e, "%u bits", rows[i].input_bits);
		write_row(j, &rows[i], &rate);
	}
	json_close(j, ']');
	return OK;
}
