// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Both ends of a mode of error correction in a test, a key each, and messages as octets between them. To be included after cmocka.
 */
#include "qkd/reconciler.h"
#include "support/prop.h"
#include <math.h>
#include <stdlib.h>

struct pair {
	const struct reconciler *mode;
	struct reconcile *alice, *bob;
	struct key_words a, b;
	uint64_t errors;     /* bits in which the keys differed when they were drawn */
	struct writer *said; /* where all that the ends say is put down; NULL: nowhere */
};

static inline void pair_open(struct pair *p, const struct reconciler *mode, uint32_t key_bits_max,
	uint32_t frames_in_flight)
{
	const size_t octets = ((size_t)key_bits_max + 63) / 64 * 8;
	struct reconcile_settings settings = {
		.key_bits_max = key_bits_max, .frames_in_flight = frames_in_flight};

	*p = (struct pair){.mode = mode};
	assert_false(failed(mode->open(&p->alice, &settings)));
	settings.is_bob = true;
	assert_false(failed(mode->open(&p->bob, &settings)));
	p->a.words = calloc(1, octets);
	p->b.words = calloc(1, octets);
	assert_true(p->a.words != NULL && p->b.words != NULL);
}

static inline void pair_close(struct pair *p)
{
	p->mode->close(p->alice);
	p->mode->close(p->bob);
	free(p->a.words);
	free(p->b.words);
}

/* Keys. */

static inline size_t keys_octets(const struct pair *p)
{
	return ((size_t)p->a.bits + 63) / 64 * 8;
}

static inline bool keys_equal(const struct pair *p)
{
	return memcmp(p->a.words, p->b.words, keys_octets(p)) == 0;
}

static inline void key_flip(struct key_words key, uint64_t i)
{
	key.words[i / 64] ^= (uint64_t)1 << i % 64;
}

/* Bob's bits differ with probability qber, in bursts of `burst` neighbouring bits. */
static inline void errors_draw(struct pair *p, struct prop *random, double qber, uint32_t burst)
{
	const double each = qber / burst;

	for (double at = 0; each > 0;) {
		at += 1 + floor(log(1 - prop_unit(random)) / log1p(-each));
		if (at > p->b.bits)
			break;
		for (uint32_t i = 0; i < burst && at - 1 + i < p->b.bits; i++, p->errors++)
			key_flip(p->b, (uint64_t)at - 1 + i);
	}
}

/* Alice's bits random, Bob's the same but for errors. */
static inline void keys_draw(struct pair *p, struct prop *random, uint32_t bits, double qber)
{
	p->a.bits = p->b.bits = bits;
	p->errors = 0;
	prop_fill(random, span_mut_of((uint8_t *)p->a.words, keys_octets(p)));
	if (bits % 64 != 0)
		p->a.words[bits / 64] &= ((uint64_t)1 << bits % 64) - 1;
	memcpy(p->b.words, p->a.words, keys_octets(p));
	errors_draw(p, random, qber, 1);
}

/* Bits that somebody who knows how many errors there are must still be told to know where, on the average: log2 C(n, errors). */
static inline double leak_least(const struct pair *p)
{
	const double n = p->a.bits, k = (double)p->errors;

	return (lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) / log(2);
}

/* Words. */

static inline void pair_begin(
	struct pair *p, double expected, const uint8_t seed[static RECONCILE_SEED])
{
	assert_false(failed(p->mode->begin(p->alice, p->a, expected, seed)));
	assert_false(failed(p->mode->begin(p->bob, p->b, expected, seed)));
}

/* Words of the key that stand in memory of a mode: its handle is where that begins. */
static inline size_t key_remains(struct key_words key, const struct reconcile *mode, size_t octets)
{
	const uint64_t *at = (const uint64_t *)(const void *)mode;
	size_t found = 0;

	for (size_t i = 0; i < octets / 8; i++)
		for (uint32_t k = 0; k < key.bits / 64; k++)
			found += at[i] == key.words[k];
	return found;
}

/* Questions on their way, oldest first. */
struct pair_queue {
	uint8_t octets[RECONCILE_QUESTIONS_MAX][RECONCILE_BODY_MAX];
	struct span waiting[RECONCILE_QUESTIONS_MAX];
	size_t from, count;
};

/* Bob asks what he can. */
static inline void pair_ask(struct pair *p, struct pair_queue *q)
{
	while (q->count < RECONCILE_QUESTIONS_MAX) {
		const size_t at = (q->from + q->count) % RECONCILE_QUESTIONS_MAX;
		struct writer w = writer_of(SPAN_MUT_ARRAY(q->octets[at]));
		if (!p->mode->ask(p->bob, &w))
			break;
		assert_false(w.is_full);
		q->waiting[at] = writer_span_done(&w);
		q->count++;
	}
}

static inline void pair_note(struct pair *p, struct span message)
{
	if (p->said == NULL)
		return;
	writer_span(p->said, message);
	assert_false(p->said->is_full);
}

/* Alice answers the oldest question, and Bob learns it. */
static inline enum qkd_abort pair_answer(struct pair *p, struct pair_queue *q)
{
	static uint8_t reply[RECONCILE_BODY_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(reply));
	enum qkd_abort reason = p->mode->answer(p->alice, q->waiting[q->from], &w);

	assert_false(w.is_full);
	pair_note(p, q->waiting[q->from]);
	pair_note(p, writer_span_done(&w));
	if (reason == QKD_GOES_ON)
		reason = p->mode->learn(p->bob, writer_span_done(&w));
	q->from = (q->from + 1) % RECONCILE_QUESTIONS_MAX;
	q->count--;
	return reason;
}

/* Bob corrects his key, with as many questions on their way as the mode allows. Both ends must say alike what it cost. */
static inline struct reconcile_account pair_correct(
	struct pair *p, struct prop *random, double expected)
{
	static struct pair_queue queue;
	uint8_t seed[RECONCILE_SEED];

	queue.from = queue.count = 0;
	prop_fill(random, SPAN_MUT_ARRAY(seed));
	pair_begin(p, expected, seed);
	while (!p->mode->is_done(p->bob)) {
		pair_ask(p, &queue);
		assert_true(queue.count > 0);
		const enum qkd_abort reason = pair_answer(p, &queue);
		if (reason != QKD_GOES_ON)
			fail_msg("%s, %u bits at %g: %s", p->mode->word, p->a.bits, expected,
				qkd_abort_word(reason));
	}
	const struct reconcile_account a = p->mode->account(p->alice), b = p->mode->account(p->bob);
	assert_int_equal(a.parities, b.parities);
	assert_int_equal(a.answers, b.answers);
	assert_int_equal(a.rounds, b.rounds);
	return b;
}
