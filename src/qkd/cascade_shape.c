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

/* Uniform enough: what follows from it is public, and nobody chooses the seed. */
static uint32_t below(struct cascade_random *r, uint32_t bound)
{
	return (uint32_t)((cascade_random_next(r) >> 32) * bound >> 32);
}

enum { BLOCKS_MIN = 8 }; /* of any pass */

/*
 * Block sizes, as powers of two. First about 1/QBER [Martinez-Mateo et al. arXiv:1407.3257 §3: the first block size decides the
 * efficiency]; the second four or eight times that, the third large, for the few errors that are left. By experiment:
 * doc/measurements.md.
 */
static void block_logs(double qber, uint32_t columns, int logs[CASCADE_PASSES])
{
	const int fit = 31 - __builtin_clz(columns / BLOCKS_MIN);
	const int most = fit < CASCADE_LOG_COLUMNS_MAX ? fit : CASCADE_LOG_COLUMNS_MAX;
	const double first = log2(1.05 / fmin(fmax(qber, 1e-4), 0.12));

	logs[0] = (int)lround(first);
	logs[1] = logs[0] + (logs[0] < 6 ? 3 : 2);
	logs[2] = logs[0] + 6;
	if (logs[0] < 6 - CASCADE_TOP_LEVEL_MAX)
		logs[0] = 6 - CASCADE_TOP_LEVEL_MAX;
	for (int i = 0; i < CASCADE_PASSES; i++)
		logs[i] = logs[i] > 6 + most ? 6 + most : logs[i];
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
	s.words = (each + CASCADE_PLANES * 64 - 1) / (CASCADE_PLANES * 64);
	s.columns = s.words * 64;
	s.frame_bits = s.columns * CASCADE_PLANES;
	/* Rounding up to whole columns may leave the last frame empty. */
	s.frames = (key_bits + s.frame_bits - 1) / s.frame_bits;
	segments_cut(&s);
	block_logs(qber, s.columns, logs);
	for (size_t i = 0; i < CASCADE_PASSES; i++) {
		struct cascade_pass_shape *p = &s.pass[i];
		p->log_columns = (uint8_t)(logs[i] > 6 ? logs[i] - 6 : 0);
		p->top_level = (uint8_t)(logs[i] < 6 ? 6 - logs[i] : 0);
		p->blocks = (uint16_t)(s.columns >> p->log_columns);
	}
	return s;
}

static void planes_shuffle(struct cascade_permutation *p, size_t pass, struct cascade_random *r)
{
	uint8_t *leaf_of = p->leaf_of[pass];

	for (uint32_t b = 0; b < CASCADE_PLANES; b++)
		leaf_of[b] = (uint8_t)b;
	for (uint32_t b = CASCADE_PLANES - 1; pass > 0 && b > 0; b--) {
		const uint32_t k = below(r, b + 1);
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
	struct cascade_random r = cascade_random_of(seed);

	for (size_t pass = 0; pass < CASCADE_PASSES; pass++) {
		planes_shuffle(p, pass, &r);
		for (uint32_t g = 0; g < s->segments; g++) {
			const uint32_t size = s->segment_start[g + 1] - s->segment_start[g];
			for (size_t b = 0; b < CASCADE_PLANES; b++)
				p->shift[pass][g][b] = pass == 0 ? 0 : (uint16_t)below(&r, size);
		}
	}
}
