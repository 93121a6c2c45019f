// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade: the shape of a frame, and its permutations.
 *
 * A frame is 64 planes of `columns` bits; plane b is words [b * words, (b + 1) * words) of the frame. Key bits that were neighbours
 * lie in neighbouring columns, from the first on; the last columns of every plane are zeros where a frame has less key than room. A column is 64 bits, one of each plane: a binary tree whose node 1 is the whole column, whose
 * nodes 2h and 2h + 1 are the halves of node h, and whose leaves 64 … 127 are single bits.
 *
 * A pass cuts the frame in blocks: part of a column (`top_level` > 0: the nodes of that level), a column, or a group of
 * 2^log_columns columns: block c holds columns c, c + blocks, c + 2 blocks … . A group is a tree too: at depth d there are blocks << d
 * indices; index x holds the columns that are x modulo (blocks << d).
 *
 * Each pass after the first moves every plane by a shift of its own, within each of up to four segments of columns, and
 * permutes the planes within the tree. So there is no table of positions: where a bit went is one addition. A single shift a plane
 * would keep the distances of whole planes, and two bits could share a block in every pass; segments prevent it.
 */
#include <stddef.h>
#include <stdint.h>

enum {
	CASCADE_PLANES = 64,
	CASCADE_WORDS_MAX = 16, /* of a plane */
	CASCADE_COLUMNS_MAX = 64 * CASCADE_WORDS_MAX,
	CASCADE_FRAME_BITS_MAX = CASCADE_PLANES * CASCADE_COLUMNS_MAX,
	CASCADE_PASSES = 3,
	CASCADE_SEGMENTS = 4,
	CASCADE_LOG_COLUMNS_MAX = 6,
	CASCADE_TOP_LEVEL_MAX = 3,
	/* Random subsets whose parities are compared at the end: some frames in a hundred need them. */
	CASCADE_SUBSETS_COUNT = 20,
};

struct cascade_pass_shape {
	uint8_t log_columns, top_level; /* not both */
	uint16_t blocks;                /* groups or columns; with a top level, columns */
	uint32_t inverse;               /* of blocks, rounded up: for division */
};

struct cascade_shape {
	uint32_t words, columns, frame_bits, frames;
	uint32_t real; /* columns that hold key; the others are zeros that both ends know */
	uint32_t segments;
	uint8_t segment_of[CASCADE_WORDS_MAX];        /* of a word of a plane */
	uint16_t segment_start[CASCADE_SEGMENTS + 1]; /* columns */
	struct cascade_pass_shape pass[CASCADE_PASSES];
};

/* Number of `column` within its group; its group is the remainder. Exact below 2^16 columns. */
static inline uint32_t cascade_number_in_group(const struct cascade_pass_shape *p, uint32_t column)
{
	return (uint32_t)((uint64_t)column * p->inverse >> 32);
}

/* The frames of a key of `key_bits` and the blocks that suit the expected error rate. */
struct cascade_shape cascade_shape_of(uint32_t key_bits, double qber);

/* Bits that the answer to the beginning of a pass has: one a block, but the last of a later pass is implied by the first pass. */
static inline uint32_t cascade_top_bits(const struct cascade_shape *s, uint32_t pass)
{
	const struct cascade_pass_shape *p = &s->pass[pass];

	return pass == 0 ? (uint32_t)p->blocks << p->top_level : p->blocks - 1u;
}

/* What they cost: columns of zeros tell nothing. */
static inline uint32_t cascade_top_cost(const struct cascade_shape *s, uint32_t pass)
{
	const struct cascade_pass_shape *p = &s->pass[pass];

	return pass == 0 && p->log_columns == 0 ? s->real << p->top_level
						: cascade_top_bits(s, pass);
}

/* What a frame may cost before it has failed: no frame with anything secret left in it costs so much. */
static inline uint64_t cascade_parities_max(const struct cascade_shape *s)
{
	return s->frame_bits;
}

/* Where planes go; public. */
struct cascade_permutation {
	uint16_t shift[CASCADE_PASSES][CASCADE_SEGMENTS][CASCADE_PLANES];
	uint8_t leaf_of[CASCADE_PASSES][CASCADE_PLANES]; /* plane -> position in the tree */
	uint8_t plane_of[CASCADE_PASSES][CASCADE_PLANES];
};

void cascade_permutation_draw(
	struct cascade_permutation *p, const struct cascade_shape *s, uint64_t seed);

/* Expands a public seed (xoshiro256**, Blackman, Vigna; splitmix64): not for secrets. */
struct cascade_random {
	uint64_t state[4];
};
struct cascade_random cascade_random_of(uint64_t seed);
uint64_t cascade_random_next(struct cascade_random *r);

struct cascade_place {
	uint32_t plane, column;
};

/* `size` where a subtraction before it went below zero. */
static inline uint32_t cascade_wrap(uint32_t difference, uint32_t size)
{
	return size & -(difference >> 31);
}

/* Column in pass `pass` of the bit that stands in `column` of `plane`. */
static inline uint32_t cascade_column_in(const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, uint32_t plane, uint32_t column)
{
	const uint32_t segment = s->segment_of[column / 64];
	const uint32_t start = s->segment_start[segment], end = s->segment_start[segment + 1];
	const uint32_t moved = column + p->shift[pass][segment][plane];

	return moved - cascade_wrap(end - 1 - moved, end - start);
}

/* The inverse: the bit at leaf `leaf` of column `column` of the pass. */
static inline struct cascade_place cascade_place_of(const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, uint32_t column, uint32_t leaf)
{
	const uint32_t plane = p->plane_of[pass][leaf], segment = s->segment_of[column / 64];
	const uint32_t start = s->segment_start[segment], end = s->segment_start[segment + 1];
	const uint32_t moved = column - start - p->shift[pass][segment][plane];

	return (struct cascade_place){plane, start + moved + cascade_wrap(moved, end - start)};
}
