// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade: whole rows at a time. Row h of a pass is one bit a column: the parity of node h of the column's tree; rows 64 … 127 are the
 * planes, moved to their places. So all parities of a pass are 63 sums of rows, and whatever is done alike in all columns (the first search
 * of a pass) is done by a few operations on words.
 */
#include "cascade_shape.h"
#include <stdbool.h>

enum {
	CASCADE_NODES = CASCADE_PLANES, /* of a column's tree, 0 not used */
	CASCADE_ROW_WORDS = 2 * CASCADE_NODES * CASCADE_WORDS_MAX, /* with the leaves */
	CASCADE_TOP_WORDS_MAX = CASCADE_WORDS_MAX << CASCADE_TOP_LEVEL_MAX,
	CASCADE_LEVELS = 6, /* of a column's tree, leaves apart */
	CASCADE_TRAIL_WORDS_MAX = (1 << CASCADE_TOP_LEVEL_MAX) *
				  (1 + CASCADE_LEVELS - CASCADE_TOP_LEVEL_MAX) * CASCADE_WORDS_MAX,
};

/* Row h is words [h * words, (h + 1) * words), `words` that of the shape. Row 0 is zero. */
struct cascade_rows {
	_Alignas(64) uint64_t at[CASCADE_ROW_WORDS];
};

/* Row d holds (blocks << d) bits: the parity of the group of that depth and index; the last row is the columns. */
struct cascade_group_rows {
	uint64_t at[CASCADE_LOG_COLUMNS_MAX + 1][CASCADE_WORDS_MAX];
};

/* What Bob knows of a column's tree, bit h for node h; cascade_frame.h. */
struct cascade_column {
	uint64_t value, known;
};

enum cascade_path { CASCADE_PORTABLE, CASCADE_AVX2 };
enum cascade_path cascade_best(void); /* of this processor */

/* All parities of a pass, from the bits of the frame. `groups` only where the pass has any. */
void cascade_rows_build(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, const uint64_t *bits,
	struct cascade_rows *rows, struct cascade_group_rows *groups);

/* The parities that a pass begins with, in the order of blocks; with a top level, node by node, columns within. */
const uint64_t *cascade_rows_top(const struct cascade_shape *s, uint32_t pass,
	const struct cascade_rows *rows, const struct cascade_group_rows *groups);

/*
 * The first search of the first pass goes down in all columns at once. A trail says where it is: for each node of the top level, a mask of the
 * columns where it is odd, then a mask for each level below, set where the way went right.
 *
 * Writes, for top node `top`, the parity of the left child of the node where each column stands on level `level`.
 */
void cascade_rows_choose(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_rows *rows, uint32_t top, uint32_t level, const uint64_t *trail,
	uint64_t *out);

/*
 * The end of it: turns in `bits` what was found, marks it and its neighbours in `certain`, and sets rows to the parities
 * of what the bits are now, `known` to the nodes that the search has compared.
 */
void cascade_rows_settle(enum cascade_path path, const struct cascade_shape *s,
	const uint64_t *trails, uint64_t *bits, uint64_t *certain, struct cascade_rows *rows,
	struct cascade_rows *known);

/* Brings nodes 0 … 63 of each column together. Values of known nodes become zero. `known` may be NULL: none. */
void cascade_rows_to_columns(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_rows *rows, const struct cascade_rows *known,
	struct cascade_column *columns);

/* Parity of bits & mask. */
bool cascade_masked_parity(
	enum cascade_path path, const uint64_t *bits, const uint64_t *mask, size_t words);

static inline bool cascade_bit(const uint64_t *words, size_t i)
{
	return words[i / 64] >> i % 64 & 1;
}

/* Words of a trail up to `level`, of one top node. */
static inline uint32_t cascade_trail_words(const struct cascade_shape *s, uint32_t level)
{
	return (1 + level - s->pass[0].top_level) * s->words;
}
