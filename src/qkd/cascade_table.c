// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_table.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Four words at once: AVX2 where the caller is compiled for it, else what the compiler has. */
typedef uint64_t lanes __attribute__((vector_size(32), aligned(8)));
enum { LANES = 4 };

enum cascade_path cascade_best(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("avx2") ? CASCADE_AVX2 : CASCADE_PORTABLE;
#else
	return CASCADE_PORTABLE;
#endif
}

/* One segment of a plane, turned up by `shift` columns. */
INLINE void turn(
	uint64_t *restrict to, const uint64_t *restrict from, uint32_t words, uint32_t shift)
{
	const uint32_t skip = shift / 64, bits = shift % 64;

	for (uint32_t w = 0; w < words; w++) {
		const uint32_t at = w + skip < words ? w + skip : w + skip - words;
		const uint32_t before = w == 0 ? words - 1 : w - 1;
		const uint64_t spill = bits == 0 ? 0 : from[before] >> (64 - bits);
		to[at] = from[w] << bits | spill;
	}
}

INLINE void planes_place(const struct cascade_shape *s, const struct cascade_permutation *p,
	uint32_t pass, const uint64_t *planes, struct cascade_scratch *scratch)
{
	for (uint32_t b = 0; b < CASCADE_PLANES; b++) {
		uint64_t *to = scratch->rows[CASCADE_PLANES + p->leaf_of[pass][b]];
		const uint64_t *from = planes + (size_t)b * s->words;
		for (uint32_t g = 0; g < s->segments; g++) {
			const uint32_t first = s->segment_start[g] / 64u;
			const uint32_t words = s->segment_start[g + 1] / 64u - first;
			turn(to + first, from + first, words, p->shift[pass][g][b]);
		}
	}
}

/* Node h is the sum of its halves; whole rows at a time. Words beyond the frame's are zero in, zero out. */
INLINE void trees_sum(struct cascade_scratch *scratch)
{
	for (size_t h = CASCADE_PLANES - 1; h > 0; h--)
		for (size_t w = 0; w < CASCADE_WORDS_MAX; w += LANES) {
			const lanes a = *(const lanes *)&scratch->rows[2 * h][w];
			const lanes b = *(const lanes *)&scratch->rows[2 * h + 1][w];
			*(lanes *)&scratch->rows[h][w] = a ^ b;
		}
}

/* Four transpositions of 64 x 64 bits side by side [Warren, Hacker's Delight §7-3]. */
INLINE void transpose(lanes x[64])
{
	static const uint64_t masks[6] = {0x00000000ffffffffu, 0x0000ffff0000ffffu,
		0x00ff00ff00ff00ffu, 0x0f0f0f0f0f0f0f0fu, 0x3333333333333333u, 0x5555555555555555u};

	for (unsigned level = 0; level < 6; level++) {
		const unsigned j = 32u >> level;
		const lanes m = {masks[level], masks[level], masks[level], masks[level]};
		for (unsigned k = 0; k < 64; k = (k + j + 1) & ~j) {
			const lanes t = (x[k] >> j ^ x[k + j]) & m;
			x[k + j] ^= t;
			x[k] ^= t << j;
		}
	}
}

/* Rows 64 * half … + 63 of the scratch become word `half` of each column. */
INLINE void columns_gather(const struct cascade_shape *s, const struct cascade_scratch *scratch,
	size_t half, uint8_t *columns, size_t stride)
{
	for (uint32_t w = 0; w < s->words; w += LANES) {
		lanes x[64];
		const uint32_t words = s->words - w < LANES ? s->words - w : LANES;
		for (size_t i = 0; i < 64; i++)
			x[i] = *(const lanes *)&scratch->rows[64 * half + i][w];
		transpose(x);
		for (uint32_t k = 0; k < words; k++)
			for (size_t c = 0; c < 64; c++) {
				const uint64_t v = x[c][k];
				memcpy(columns + ((w + k) * 64 + c) * stride + 8 * half, &v, 8);
			}
	}
}

/* out[i] = in[i] + in[i + bits], for i < bits. */
static void fold(uint64_t *out, const uint64_t *in, uint32_t bits)
{
	const uint32_t words = (bits + 63) / 64, skip = bits / 64, shift = bits % 64;

	for (uint32_t w = 0; w < words; w++) {
		uint64_t upper = in[w + skip] >> shift;
		if (shift != 0 && w + skip + 1 < CASCADE_WORDS_MAX)
			upper |= in[w + skip + 1] << (64 - shift);
		out[w] = in[w] ^ upper;
	}
	if (shift != 0)
		out[words - 1] &= ((uint64_t)1 << shift) - 1;
	memset(out + words, 0, (CASCADE_WORDS_MAX - words) * sizeof *out);
}

static void groups_sum(const struct cascade_pass_shape *pass, const struct cascade_scratch *scratch,
	struct cascade_rows *rows)
{
	memcpy(rows->at[pass->log_columns], scratch->rows[1], sizeof rows->at[0]);
	for (uint32_t d = pass->log_columns; d > 0; d--)
		fold(rows->at[d - 1], rows->at[d], (uint32_t)pass->blocks << (d - 1));
}

INLINE void build(const struct cascade_shape *s, const struct cascade_permutation *p, uint32_t pass,
	const uint64_t *planes, struct cascade_scratch *scratch, uint8_t *columns, size_t stride,
	struct cascade_rows *rows, uint64_t *top)
{
	const struct cascade_pass_shape *shape = &s->pass[pass];
	const size_t nodes = (size_t)1 << shape->top_level;

	planes_place(s, p, pass, planes, scratch);
	trees_sum(scratch);
	columns_gather(s, scratch, 0, columns, stride);
	columns_gather(s, scratch, 1, columns, stride);
	groups_sum(shape, scratch, rows);
	if (shape->log_columns > 0)
		memcpy(top, rows->at[0], sizeof rows->at[0]);
	else
		for (size_t k = 0; k < nodes; k++)
			memcpy(top + k * s->words, scratch->rows[nodes + k], s->words * 8);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void build_avx2(const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, const uint64_t *planes,
	struct cascade_scratch *scratch, uint8_t *columns, size_t stride, struct cascade_rows *rows,
	uint64_t *top)
{
	build(s, p, pass, planes, scratch, columns, stride, rows, top);
}
#endif

void cascade_table_build(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, const uint64_t *planes,
	struct cascade_scratch *scratch, struct cascade_column_parities *columns, size_t stride,
	struct cascade_rows *rows, uint64_t *top)
{
	uint8_t *at = (uint8_t *)columns;

#if defined(__x86_64__)
	if (path == CASCADE_AVX2) {
		build_avx2(s, p, pass, planes, scratch, at, stride, rows, top);
		return;
	}
#endif
	(void)path;
	build(s, p, pass, planes, scratch, at, stride, rows, top);
}
