// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_shape.h"
#include <math.h>

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

struct cascade_random cascade_random_of(uint64_t seed)
{
	struct cascade_random r;

	for (size_t i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		r.state[i] = z ^ z >> 31;
	}
	return r;
}

uint64_t cascade_random_next(struct cascade_random *r)
{
	uint64_t *s = r->state;
	const uint64_t out = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return out;
}

enum { BLOCKS_MIN = 8 }; /* of any pass */

/*
 * Block sizes, as powers of two nearest to these multiples of 1/QBER [Martinez-Mateo et al. arXiv:1407.3257 §3: the first
 * block size decides the efficiency]; the last pass has few large blocks for the few errors that are left. By experiment, where f is
 * below 1.04: a larger second block lowers f by half a per cent and doubles the rounds; doc/qkd.md.
 */
static const double first_errors = 0.8, second_errors = 4.9;

static void block_logs(double qber, const struct cascade_shape *s, int logs[CASCADE_PASSES])
{
	const int fit = 31 - __builtin_clz(s->columns / BLOCKS_MIN);
	const int most = 6 + (fit < CASCADE_LOG_COLUMNS_MAX ? fit : CASCADE_LOG_COLUMNS_MAX);
	const double expected = fmin(fmax(qber, 1e-4), 0.12);
	const double spread = expected * s->real / s->columns; /* zeros are everywhere later */

	logs[0] = (int)lround(log2(first_errors / expected));
	logs[1] = (int)lround(log2(second_errors / spread));
	logs[2] = most;
	if (logs[0] < 6 - CASCADE_TOP_LEVEL_MAX)
		logs[0] = 6 - CASCADE_TOP_LEVEL_MAX;
	for (int i = 0; i < CASCADE_PASSES; i++)
		logs[i] = logs[i] > most ? most : logs[i];
	for (int i = 1; i < CASCADE_PASSES; i++)
		logs[i] = logs[i] < 6 ? 6 : logs[i];
}

static void segments_cut(struct cascade_shape *s)
{
	s->segments = s->words < CASCADE_SEGMENTS ? s->words : CASCADE_SEGMENTS;
	for (uint32_t g = 0; g <= s->segments; g++)
		s->segment_start[g] = (uint16_t)(s->words * g / s->segments * 64);
	for (uint32_t w = 0, g = 0; w < s->words; w++) {
		g += w * 64 >= s->segment_start[g + 1];
		s->segment_of[w] = (uint8_t)g;
	}
}

struct cascade_shape cascade_shape_of(uint32_t key_bits, double qber)
{
	struct cascade_shape s = {0};
	int logs[CASCADE_PASSES];

	s.frames = (key_bits + CASCADE_FRAME_BITS_MAX - 1) / CASCADE_FRAME_BITS_MAX;
	const uint32_t each = (key_bits + s.frames - 1) / s.frames;
	s.real = (each + CASCADE_PLANES - 1) / CASCADE_PLANES;
	s.words = (s.real + 63) / 64;
	s.columns = s.words * 64;
	s.frame_bits = s.columns * CASCADE_PLANES;
	/* Rounding up to whole columns may leave the last frame empty. */
	s.frames = (key_bits + s.real * CASCADE_PLANES - 1) / (s.real * CASCADE_PLANES);
	segments_cut(&s);
	block_logs(qber, &s, logs);
	for (size_t i = 0; i < CASCADE_PASSES; i++) {
		struct cascade_pass_shape *p = &s.pass[i];
		p->log_columns = (uint8_t)(logs[i] > 6 ? logs[i] - 6 : 0);
		p->top_level = (uint8_t)(logs[i] < 6 ? 6 - logs[i] : 0);
		p->blocks = (uint16_t)(s.columns >> p->log_columns);
		p->inverse = (uint32_t)((UINT64_C(1) << 32) / p->blocks + 1);
	}
	return s;
}

/* Sixteen bits each, four of a number. */
struct draws {
	struct cascade_random random;
	uint64_t left;
	unsigned count;
};

/* Below `bound`, uniform enough: what follows from it is public, and nobody chooses the seed. */
static uint32_t below(struct draws *d, uint32_t bound)
{
	if (d->count == 0) {
		d->left = cascade_random_next(&d->random);
		d->count = 4;
	}
	const uint32_t out = (uint32_t)((d->left & 0xffff) * bound >> 16);
	d->left >>= 16;
	d->count--;
	return out;
}

static void planes_shuffle(struct cascade_permutation *p, size_t pass, struct draws *d)
{
	uint8_t *leaf_of = p->leaf_of[pass];

	for (uint32_t b = 0; b < CASCADE_PLANES; b++)
		leaf_of[b] = (uint8_t)b;
	for (uint32_t b = CASCADE_PLANES - 1; pass > 0 && b > 0; b--) {
		const uint32_t k = below(d, b + 1);
		const uint8_t t = leaf_of[b];
		leaf_of[b] = leaf_of[k];
		leaf_of[k] = t;
	}
	for (uint32_t b = 0; b < CASCADE_PLANES; b++)
		p->plane_of[pass][leaf_of[b]] = (uint8_t)b;
}

void cascade_permutation_draw(
	struct cascade_permutation *p, const struct cascade_shape *s, uint64_t seed)
{
	struct draws d = {.random = cascade_random_of(seed)};

	for (size_t pass = 0; pass < CASCADE_PASSES; pass++) {
		planes_shuffle(p, pass, &d);
		for (uint32_t g = 0; g < s->segments; g++) {
			const uint32_t size = s->segment_start[g + 1] - s->segment_start[g];
			for (size_t b = 0; b < CASCADE_PLANES; b++)
				p->shift[pass][g][b] = pass == 0 ? 0 : (uint16_t)below(&d, size);
		}
	}
}
