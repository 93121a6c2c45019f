// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_table.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,bmi2,popcnt")))
#endif

#define INLINE static inline __attribute__((always_inline))

/* Four words at once: AVX2 where the caller is compiled for it, else what the compiler has. */
typedef uint64_t lanes __attribute__((vector_size(32), aligned(8)));
enum { LANES = 4 };

enum cascade_path cascade_best(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
		return CASCADE_AVX2;
#endif
	return CASCADE_PORTABLE;
}

/* Planes to their places. */

/* One segment of a plane, turned up by `shift` columns. */
INLINE void turn(uint64_t *to, const uint64_t *from, uint32_t words, uint32_t shift)
{
	const uint32_t skip = shift / 64, bits = shift % 64;

	for (uint32_t w = 0; w < words; w++) {
		const uint32_t at = w + skip < words ? w + skip : w + skip - words;
		const uint32_t before = w == 0 ? words - 1 : w - 1;
		to[at] = from[w] << bits | from[before] >> 1 >> (63 - bits);
	}
}

INLINE void plane_place(const struct cascade_shape *s, const struct cascade_permutation *p,
	uint32_t pass, uint32_t plane, const uint64_t *from, uint64_t *to)
{
	for (uint32_t g = 0; g < s->segments; g++) {
		const uint32_t first = s->segment_start[g] / 64u;
		const uint32_t words = s->segment_start[g + 1] / 64u - first;
		turn(to + first, from + first, words, p->shift[pass][g][plane]);
	}
}

#if defined(__x86_64__)
/* The same where a segment is four words, as in a whole frame: one permutation of halves of words, one of those before. */
AVX2 static void plane_place_avx2(const struct cascade_permutation *p, uint32_t pass,
	uint32_t plane, const uint64_t *from, uint64_t *to)
{
	static const _Alignas(32) uint32_t turned[5][8] = {{0, 1, 2, 3, 4, 5, 6, 7},
		{6, 7, 0, 1, 2, 3, 4, 5}, {4, 5, 6, 7, 0, 1, 2, 3}, {2, 3, 4, 5, 6, 7, 0, 1},
		{0, 1, 2, 3, 4, 5, 6, 7}};

	for (uint32_t g = 0; g < CASCADE_SEGMENTS; g++) {
		const uint32_t shift = p->shift[pass][g][plane], skip = shift / 64;
		const __m256i x = _mm256_loadu_si256((const __m256i *)(from + LANES * g));
		const __m256i at = _mm256_load_si256((const __m256i *)turned[skip]);
		const __m256i before = _mm256_load_si256((const __m256i *)turned[skip + 1]);
		const __m128i up = _mm_cvtsi32_si128((int)(shift % 64));
		const __m128i down = _mm_cvtsi32_si128((int)(64 - shift % 64)); /* by 64: zero */
		const __m256i high = _mm256_sll_epi64(_mm256_permutevar8x32_epi32(x, at), up);
		const __m256i low = _mm256_srl_epi64(_mm256_permutevar8x32_epi32(x, before), down);
		_mm256_storeu_si256((__m256i *)(to + LANES * g), _mm256_or_si256(high, low));
	}
}
#endif

INLINE void planes_place(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, const uint64_t *bits, uint64_t *leaves)
{
	if (pass == 0) {
		memcpy(leaves, bits, s->frame_bits / 8);
		return;
	}
	for (uint32_t b = 0; b < CASCADE_PLANES; b++) {
		uint64_t *to = leaves + (size_t)p->leaf_of[pass][b] * s->words;
		const uint64_t *from = bits + (size_t)b * s->words;
#if defined(__x86_64__)
		if (path == CASCADE_AVX2 && s->words == CASCADE_WORDS_MAX) {
			plane_place_avx2(p, pass, b, from, to);
			continue;
		}
#endif
		plane_place(s, p, pass, b, from, to);
	}
	(void)path;
}

/* Sums. */

INLINE void row_sum(uint64_t *to, const uint64_t *a, const uint64_t *b, uint32_t words)
{
	uint32_t w = 0;

	for (; w + LANES <= words; w += LANES)
		*(lanes *)(to + w) = *(const lanes *)(a + w) ^ *(const lanes *)(b + w);
	for (; w < words; w++)
		to[w] = a[w] ^ b[w];
}

/* Node h is the sum of its halves. */
INLINE void trees_sum(uint64_t *rows, uint32_t words)
{
	for (size_t h = CASCADE_NODES - 1; h > 0; h--)
		row_sum(rows + h * words, rows + 2 * h * words, rows + (2 * h + 1) * words, words);
	memset(rows, 0, words * 8);
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

static void groups_sum(const struct cascade_shape *s, uint32_t pass, const uint64_t *roots,
	struct cascade_group_rows *groups)
{
	const struct cascade_pass_shape *shape = &s->pass[pass];
	uint64_t *columns = groups->at[shape->log_columns];

	memcpy(columns, roots, s->words * 8);
	memset(columns + s->words, 0, (CASCADE_WORDS_MAX - s->words) * 8);
	for (uint32_t d = shape->log_columns; d > 0; d--)
		fold(groups->at[d - 1], groups->at[d], (uint32_t)shape->blocks << (d - 1));
}

INLINE void build(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, const uint64_t *bits,
	struct cascade_rows *rows, struct cascade_group_rows *groups)
{
	planes_place(path, s, p, pass, bits, rows->at + (size_t)CASCADE_NODES * s->words);
	if (s->words == CASCADE_WORDS_MAX)
		trees_sum(rows->at, CASCADE_WORDS_MAX);
	else
		trees_sum(rows->at, s->words);
	if (s->pass[pass].log_columns > 0)
		groups_sum(s, pass, rows->at + s->words, groups);
}

const uint64_t *cascade_rows_top(const struct cascade_shape *s, uint32_t pass,
	const struct cascade_rows *rows, const struct cascade_group_rows *groups)
{
	const struct cascade_pass_shape *shape = &s->pass[pass];

	return shape->log_columns > 0 ? groups->at[0]
				      : rows->at + ((size_t)s->words << shape->top_level);
}

/* The first search. */

INLINE void choose(const struct cascade_shape *s, const uint64_t *rows, uint32_t top,
	uint32_t level, const uint64_t *trail, uint64_t *out, uint32_t w, uint32_t step)
{
	const uint32_t depth = level - s->pass[0].top_level, words = s->words;
	const uint32_t first = ((1u << s->pass[0].top_level) + top) << depth;
	lanes x[CASCADE_PLANES / 2];

	for (uint32_t i = 0; i < 1u << depth; i++)
		memcpy(&x[i], rows + (size_t)2 * (first + i) * words + w, step * 8);
	for (uint32_t d = depth; d > 0; d--) {
		lanes right;
		memcpy(&right, trail + (size_t)d * words + w, step * 8);
		for (uint32_t i = 0; i < 1u << (d - 1); i++)
			x[i] = x[2 * i] ^ ((x[2 * i] ^ x[2 * i + 1]) & right);
	}
	memcpy(out + w, &x[0], step * 8);
}

INLINE void choose_all(const struct cascade_shape *s, const uint64_t *rows, uint32_t top,
	uint32_t level, const uint64_t *trail, uint64_t *out)
{
	uint32_t w = 0;

	for (; w + LANES <= s->words; w += LANES)
		choose(s, rows, top, level, trail, out, w, LANES);
	for (; w < s->words; w++)
		choose(s, rows, top, level, trail, out, w, 1);
}

/* Rows of one top node: where the search passed, node by node down to the leaves; from that, what it knows and what it found. */
INLINE void settle_below(const struct cascade_shape *s, uint32_t top, const uint64_t *trail,
	uint64_t *passed, uint64_t *known, uint32_t w)
{
	const uint32_t top_level = s->pass[0].top_level, words = s->words;
	const uint32_t root = (1u << top_level) + top;

	passed[root * words + w] = trail[w];
	known[root * words + w] = UINT64_MAX;
	for (uint32_t depth = 0; depth + top_level < CASCADE_LEVELS; depth++) {
		const uint64_t right = trail[(size_t)(depth + 1) * words + w];
		for (uint32_t h = root << depth; h < (root + 1) << depth; h++) {
			const uint64_t here = passed[h * words + w];
			passed[2 * h * words + w] = here & ~right;
			passed[(2 * h + 1) * words + w] = here & right;
			known[2 * h * words + w] = known[(2 * h + 1) * words + w] = here;
		}
	}
}

INLINE void settle(const struct cascade_shape *s, const uint64_t *trails, uint64_t *bits,
	uint64_t *certain, struct cascade_rows *rows, struct cascade_rows *known)
{
	const uint32_t words = s->words, each = cascade_trail_words(s, CASCADE_LEVELS);
	const size_t leaves = (size_t)CASCADE_NODES * words;

	memset(known->at, 0, leaves * 8);
	for (uint32_t top = 0; top < 1u << s->pass[0].top_level; top++)
		for (uint32_t w = 0; w < words; w++)
			settle_below(s, top, trails + (size_t)top * each, rows->at, known->at, w);
	for (size_t i = 0; i < leaves; i++) {
		certain[i] |= known->at[leaves + i];
		bits[i] ^= rows->at[leaves + i];
		rows->at[leaves + i] = bits[i];
	}
	trees_sum(rows->at, words);
}

/* Transposition. */

INLINE void transpose(lanes x[64])
{
	static const uint64_t masks[6] = {0x00000000ffffffffu, 0x0000ffff0000ffffu,
		0x00ff00ff00ff00ffu, 0x0f0f0f0f0f0f0f0fu, 0x3333333333333333u, 0x5555555555555555u};

	/* Four of 64 x 64 bits side by side [Warren, Hacker's Delight §7-3]. */
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

INLINE void tile(const uint64_t *rows, uint32_t words, uint32_t w, uint32_t step, lanes x[64])
{
	for (size_t i = 0; i < 64; i++)
		memcpy(&x[i], rows + i * words + w, step * 8);
	transpose(x);
}

INLINE void to_columns(const struct cascade_shape *s, const uint64_t *rows, const uint64_t *known,
	struct cascade_column *columns)
{
	lanes x[64], k[64];

	memset(k, 0, sizeof k);
	for (uint32_t w = 0; w < s->words;) {
		const uint32_t step = s->words - w < LANES ? 1 : LANES;
		tile(rows, s->words, w, step, x);
		if (known != NULL)
			tile(known, s->words, w, step, k);
		for (uint32_t i = 0; i < step; i++, w++)
			for (size_t c = 0; c < 64; c++)
				columns[w * 64 + c] =
					(struct cascade_column){x[c][i] & ~k[c][i], k[c][i]};
	}
}

INLINE bool masked_parity(const uint64_t *bits, const uint64_t *mask, size_t words)
{
	lanes sum = {0};
	uint64_t rest = 0;
	size_t w = 0;

	for (; w + LANES <= words; w += LANES)
		sum ^= *(const lanes *)(bits + w) & *(const lanes *)(mask + w);
	for (; w < words; w++)
		rest ^= bits[w] & mask[w];
	return __builtin_parityll(sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ rest);
}

/* Which way, at run time. */

#if defined(__x86_64__)
AVX2 static void build_avx2(const struct cascade_shape *s, const struct cascade_permutation *p,
	uint32_t pass, const uint64_t *bits, struct cascade_rows *rows,
	struct cascade_group_rows *groups)
{
	build(CASCADE_AVX2, s, p, pass, bits, rows, groups);
}

AVX2 static void choose_avx2(const struct cascade_shape *s, const uint64_t *rows, uint32_t top,
	uint32_t level, const uint64_t *trail, uint64_t *out)
{
	choose_all(s, rows, top, level, trail, out);
}

AVX2 static void settle_avx2(const struct cascade_shape *s, const uint64_t *trails, uint64_t *bits,
	uint64_t *certain, struct cascade_rows *rows, struct cascade_rows *known)
{
	settle(s, trails, bits, certain, rows, known);
}

AVX2 static void to_columns_avx2(const struct cascade_shape *s, const uint64_t *rows,
	const uint64_t *known, struct cascade_column *columns)
{
	to_columns(s, rows, known, columns);
}

AVX2 static bool masked_parity_avx2(const uint64_t *bits, const uint64_t *mask, size_t words)
{
	return masked_parity(bits, mask, words);
}
#define WAY(path, avx2, portable) ((path) == CASCADE_AVX2 ? avx2 : portable)
#else
#define WAY(path, avx2, portable) ((void)(path), portable)
#endif

void cascade_rows_build(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, const uint64_t *bits,
	struct cascade_rows *rows, struct cascade_group_rows *groups)
{
	WAY(path, build_avx2(s, p, pass, bits, rows, groups),
		build(CASCADE_PORTABLE, s, p, pass, bits, rows, groups));
}

void cascade_rows_choose(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_rows *rows, uint32_t top, uint32_t level, const uint64_t *trail,
	uint64_t *out)
{
	WAY(path, choose_avx2(s, rows->at, top, level, trail, out),
		choose_all(s, rows->at, top, level, trail, out));
}

void cascade_rows_settle(enum cascade_path path, const struct cascade_shape *s,
	const uint64_t *trails, uint64_t *bits, uint64_t *certain, struct cascade_rows *rows,
	struct cascade_rows *known)
{
	WAY(path, settle_avx2(s, trails, bits, certain, rows, known),
		settle(s, trails, bits, certain, rows, known));
}

void cascade_rows_to_columns(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_rows *rows, const struct cascade_rows *known,
	struct cascade_column *columns)
{
	const uint64_t *k = known == NULL ? NULL : known->at;

	WAY(path, to_columns_avx2(s, rows->at, k, columns), to_columns(s, rows->at, k, columns));
}

bool cascade_masked_parity(
	enum cascade_path path, const uint64_t *bits, const uint64_t *mask, size_t words)
{
	return WAY(path, masked_parity_avx2(bits, mask, words), masked_parity(bits, mask, words));
}
