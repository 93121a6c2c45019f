// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Error correction by the face of qkd/reconciler.h: both ends in this process, every message written by one and read by the other, so
 * that encoding and decoding count. Keys are random, errors independent; making them is put aside. By the best path of this processor, or
 * ("reconcile-paths") by each that it has: what a lesser one would do.
 */
#include "base/env.h"
#include "cmd/bench/bench.h"
#include "cmd/bench/rate.h"
#include "qkd/cascade.h"
#include "qkd/estimate.h"
#include "qkd/ldpc.h"
#include "qkd/reconciler.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct path {
	const char *word;
	enum cascade_path cascade;
	enum ldpc_path ldpc;
} portable = {"portable", CASCADE_PORTABLE, LDPC_PORTABLE},
  avx2 = {"avx2", CASCADE_AVX2, LDPC_AVX2}, avx512 = {"avx512", CASCADE_AVX2, LDPC_AVX512};

struct row {
	const struct reconciler *mode;
	uint32_t key_bits, frames_in_flight; /* of one turn's key */
	double qber;
	uint32_t turns_min;      /* so that there are 200 frames */
	const struct path *path; /* NULL: the best */
};

static const struct row rows[] = {
	{&reconciler_cascade, 256 * 65536, 64, 0.01, 1, NULL},
	{&reconciler_cascade, 256 * 65536, 64, 0.02, 1, NULL},
	{&reconciler_cascade, 256 * 65536, 64, 0.03, 1, NULL},
	{&reconciler_cascade, 256 * 65536, 64, 0.05, 1, NULL},
	{&reconciler_cascade, 1024 * 65536, 256, 0.02, 1, NULL},
	{&reconciler_cascade, 1000000, 64, 0.01, 13, NULL},
	{&reconciler_cascade, 1000000, 64, 0.02, 13, NULL},
	{&reconciler_cascade, 1000000, 64, 0.03, 13, NULL},
	{&reconciler_cascade, 1000000, 64, 0.05, 13, NULL},
	{&reconciler_cascade, 10000, 1, 0.02, 200, NULL},
	{&reconciler_ldpc, 65536, 1, 0.01, 200, NULL},
	{&reconciler_ldpc, 65536, 1, 0.02, 200, NULL},
	{&reconciler_ldpc, 65536, 1, 0.03, 200, NULL},
	{&reconciler_ldpc, 65536, 1, 0.05, 200, NULL},
	{&reconciler_ldpc, 1 << 20, 1, 0.01, 20, NULL},
	{&reconciler_ldpc, 1 << 20, 1, 0.02, 20, NULL},
	{&reconciler_ldpc, 1 << 20, 1, 0.03, 20, NULL},
	{&reconciler_ldpc, 1 << 20, 1, 0.05, 20, NULL},
};

static const struct row rows_by_path[] = {
	{&reconciler_cascade, 256 * 65536, 64, 0.02, 1, &portable},
	{&reconciler_cascade, 256 * 65536, 64, 0.02, 1, &avx2},
	{&reconciler_ldpc, 65536, 1, 0.02, 20, &portable},
	{&reconciler_ldpc, 65536, 1, 0.02, 200, &avx2},
	{&reconciler_ldpc, 65536, 1, 0.02, 200, &avx512},
	{&reconciler_ldpc, 1 << 20, 1, 0.01, 20, &avx2},
	{&reconciler_ldpc, 1 << 20, 1, 0.01, 20, &avx512},
	{&reconciler_ldpc, 1 << 20, 1, 0.02, 20, &avx2},
	{&reconciler_ldpc, 1 << 20, 1, 0.02, 20, &avx512},
	{&reconciler_ldpc, 1 << 20, 1, 0.03, 20, &avx2},
	{&reconciler_ldpc, 1 << 20, 1, 0.03, 20, &avx512},
	{&reconciler_ldpc, 1 << 20, 1, 0.05, 20, &avx2},
	{&reconciler_ldpc, 1 << 20, 1, 0.05, 20, &avx512},
};

enum { PARITIES, ANSWERS, SHANNON, FRAMES, FAILED, ROUNDS, ALICE_S, BOB_S, DIFFERENT };

struct work {
	const struct row *row;
	const struct reconciler *mode;
	struct reconcile *alice, *bob;
	struct key_words a, b;
	uint64_t state; /* of a generator for test keys */
	uint8_t *queue;
	size_t lengths[RECONCILE_QUESTIONS_MAX];
};

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static double unit(uint64_t *state)
{
	return ((double)(next(state) >> 11) + 0.5) * 0x1p-53;
}

static bool can_do(const struct row *row)
{
	const struct path *p = row->path;

	return p == NULL || (row->mode == &reconciler_cascade ? p->cascade <= cascade_best()
							      : ldpc_can(p->ldpc));
}

static struct err open_end(
	const struct row *row, struct reconcile **out, const struct reconcile_settings *settings)
{
	if (row->path == NULL)
		return row->mode->open(out, settings);
	if (row->mode == &reconciler_cascade)
		return cascade_open_by(row->path->cascade, out, settings);
	return ldpc_open_by(row->path->ldpc, out, settings);
}

/* Opened by the process that uses it: memory for secrets is not inherited. */
static struct err work_open(struct work *w, unsigned worker)
{
	struct reconcile_settings settings = {
		.key_bits_max = w->row->key_bits, .frames_in_flight = w->row->frames_in_flight};
	const size_t octets = ((size_t)settings.key_bits_max + 63) / 64 * 8;

	w->state = (uint64_t)(worker + 1) << 32;
	w->a.bits = w->b.bits = settings.key_bits_max;
	w->a.words = malloc(octets);
	w->b.words = malloc(octets);
	w->queue = malloc((size_t)RECONCILE_QUESTIONS_MAX * RECONCILE_BODY_MAX);
	if (w->a.words == NULL || w->b.words == NULL || w->queue == NULL)
		return ERR(LIMIT);
	struct err e = open_end(w->row, &w->alice, &settings);
	settings.is_bob = true;
	return failed(e) ? e : open_end(w->row, &w->bob, &settings);
}

static void work_close(struct work *w)
{
	if (w->alice != NULL)
		w->mode->close(w->alice);
	if (w->bob != NULL)
		w->mode->close(w->bob);
	free(w->a.words);
	free(w->b.words);
	free(w->queue);
}

static uint64_t keys_draw(struct work *w)
{
	const size_t words = (w->a.bits + 63) / 64;
	const double log_right = log1p(-w->row->qber);
	uint64_t errors = 0;

	for (size_t i = 0; i < words; i++)
		w->a.words[i] = next(&w->state);
	if (w->a.bits % 64 != 0)
		w->a.words[words - 1] &= ((uint64_t)1 << w->a.bits % 64) - 1;
	memcpy(w->b.words, w->a.words, words * 8);
	for (double at = floor(log(unit(&w->state)) / log_right); at < w->a.bits; errors++) {
		const uint64_t i = (uint64_t)at;
		w->b.words[i / 64] ^= (uint64_t)1 << i % 64;
		at += 1 + floor(log(unit(&w->state)) / log_right);
	}
	return errors;
}

/*
 * Time since *from, which becomes now. It only divides the processor time of a turn between the ends: asking for that itself, a system
 * call, three times a round, would cost more than the round.
 */
static double lap(double *from)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	const double now = (double)t.tv_sec + (double)t.tv_nsec * 1e-9, took = now - *from;
	*from = now;
	return took;
}

/* All questions that there are, then all their answers: as over a line where many are on their way. */
static enum qkd_abort talk(struct work *w, struct bench_account *account)
{
	static uint8_t answers[RECONCILE_QUESTIONS_MAX][RECONCILE_BODY_MAX];
	size_t answer_lengths[RECONCILE_QUESTIONS_MAX];
	enum qkd_abort reason = QKD_GOES_ON;
	double from = 0;

	lap(&from);
	while (reason == QKD_GOES_ON && !w->mode->is_done(w->bob)) {
		size_t count = 0;
		for (; count < RECONCILE_QUESTIONS_MAX; count++) {
			struct writer q = writer_of(span_mut_of(
				w->queue + count * RECONCILE_BODY_MAX, RECONCILE_BODY_MAX));
			if (!w->mode->ask(w->bob, &q))
				break;
			w->lengths[count] = writer_span_done(&q).len;
		}
		account->sum[BOB_S] += lap(&from);
		for (size_t i = 0; reason == QKD_GOES_ON && i < count; i++) {
			struct writer a = writer_of(SPAN_MUT_ARRAY(answers[i]));
			reason = w->mode->answer(w->alice,
				span_of(w->queue + i * RECONCILE_BODY_MAX, w->lengths[i]), &a);
			answer_lengths[i] = writer_span_done(&a).len;
		}
		account->sum[ALICE_S] += lap(&from);
		for (size_t i = 0; reason == QKD_GOES_ON && i < count; i++)
			reason = w->mode->learn(w->bob, span_of(answers[i], answer_lengths[i]));
		account->sum[BOB_S] += lap(&from);
		if (count == 0)
			reason = QKD_NOT_CORRECTED;
	}
	return reason;
}

static struct err turn(void *ctx, unsigned worker, struct bench_account *account)
{
	struct work *w = ctx;
	uint8_t seed[RECONCILE_SEED];
	struct err e = OK;

	bench_aside_begin(account);
	if (w->bob == NULL)
		e = work_open(w, worker);
	if (failed(e))
		return e;
	const uint64_t errors = keys_draw(w);
	for (size_t i = 0; i < sizeof seed; i++)
		seed[i] = (uint8_t)next(&w->state);
	bench_aside_end(account);
	double from = 0;
	lap(&from);
	e = w->mode->begin(w->alice, w->a, w->row->qber, seed);
	account->sum[ALICE_S] += lap(&from);
	if (!failed(e))
		e = w->mode->begin(w->bob, w->b, w->row->qber, seed);
	account->sum[BOB_S] += lap(&from);
	if (failed(e))
		return e;
	if (talk(w, account) != QKD_GOES_ON)
		return ERR(BUG);
	bench_aside_begin(account);
	const struct reconcile_account leak = w->mode->account(w->bob);
	account->bits += w->a.bits;
	account->sum[PARITIES] += (double)leak.parities;
	account->sum[ANSWERS] += (double)leak.answers;
	account->sum[SHANNON] += w->a.bits * estimate_entropy((double)errors / w->a.bits);
	account->sum[FRAMES] += leak.frames;
	account->sum[ROUNDS] += (double)leak.rounds;
	/* A difference that the mode has not seen is a failed frame too: verification would stop the key. */
	const bool are_different = memcmp(w->a.words, w->b.words, (w->a.bits + 63) / 64 * 8) != 0;
	account->sum[FAILED] += are_different && leak.frames_failed == 0 ? 1 : leak.frames_failed;
	account->sum[DIFFERENT] += are_different;
	bench_aside_end(account);
	return OK;
}

static void write_row(struct json_writer *j, const struct row *row, const struct bench_rate *rate)
{
	const double *sum = rate->sum, mbits = (double)rate->bits * 1e-6;
	const double alice_s = rate->cpu_s * sum[ALICE_S] / (sum[ALICE_S] + sum[BOB_S]);
	const uint64_t frames = (uint64_t)sum[FRAMES];

	json_open(j, NULL, '{');
	json_text(j, "mode", row->mode->word);
	if (row->path != NULL)
		json_text(j, "path", row->path->word);
	json_u64(j, "frame_bits", frames > 0 ? rate->bits / frames : 0);
	json_u64(j, "key_bits", row->key_bits);
	json_f64(j, "qber", row->qber);
	json_f64(j, "f", sum[PARITIES] / sum[SHANNON]);
	json_f64(j, "f_both_ways", (sum[PARITIES] + sum[ANSWERS]) / sum[SHANNON]);
	bench_rate_write(rate, j);
	json_f64(j, "alice_mbit_per_s", mbits / alice_s);
	json_f64(j, "bob_mbit_per_s", mbits / (rate->cpu_s - alice_s));
	json_f64(j, "frames", sum[FRAMES]);
	json_f64(j, "failed", sum[FAILED]);
	json_f64(j, "keys_different", sum[DIFFERENT]);
	json_u64(j, "frames_in_flight", row->frames_in_flight);
	json_f64(j, "rounds", sum[ROUNDS] / (double)rate->turns);
	json_close(j, '}');
}

static struct err run_row(const struct bench_options *o, const struct row *row,
	struct json_writer *j, struct complaint *c)
{
	struct work w = {.row = row, .mode = row->mode};
	struct bench_rate rate;

	if (!can_do(row)) { /* said, not left out in silence */
		fprintf(stderr, "bench reconcile-paths: SKIPPED: %s by %s: this processor cannot\n",
			row->mode->word, row->path->word);
		return OK;
	}
	const struct err e = bench_rate(o, row->turns_min, turn, &w, &rate);
	work_close(&w);
	if (failed(e))
		return complain(c, e, "%s at %g", row->mode->word, row->qber);
	write_row(j, row, &rate);
	return OK;
}

static struct err run_rows(const struct bench_options *o, const struct row *row, size_t count,
	struct json_writer *j, struct complaint *c)
{
	struct err e = OK;

	for (size_t i = 0; i < count && !failed(e) && !*o->is_over; i++)
		e = run_row(o, &row[i], j, c);
	return e;
}

struct err bench_qkd_reconcile(
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	json_open(j, "reconcile", '[');
	const struct err e = run_rows(o, rows, ARRAY_LEN(rows), j, c);
	json_close(j, ']');
	return e;
}

struct err bench_qkd_reconcile_paths(
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	json_open(j, "reconcile_paths", '[');
	const struct err e = run_rows(o, rows_by_path, ARRAY_LEN(rows_by_path), j, c);
	json_close(j, ']');
	return e;
}
