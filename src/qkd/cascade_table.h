// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade: all parities of one end's frame in one pass, made at once: planes are rotated to their places, the tree of every column
 * follows by XORs of whole rows, and transposing brings the 128 bits of a column together. So a parity of any
 * node is one bit test afterwards. The trees of groups are rows again.
 */
#include "cascade_shape.h"
#include <stdbool.h>

/* Bit h of the 128 is the parity of node h of the column's tree; leaves are the bits themselves. Bit 0 is not used. */
struct cascade_column_parities {
	uint64_t at[2];
};

/* Row d holds (blocks << d) bits: the parity of the group of that depth and index; the last row is the columns. */
struct cascade_rows {
	uint64_t at[CASCADE_ROWS_MAX][CASCADE_WORDS_MAX];
};

struct cascade_scratch {
	_Alignas(64) uint64_t rows[2 * CASCADE_PLANES][CASCADE_WORDS_MAX];
};

enum cascade_path { CASCADE_PORTABLE, CASCADE_AVX2 };
enum cascade_path cascade_best(void); /* of this processor */

/*
 * `planes`: the frame. `stride`: octets from the parities of a column to those of the next (they may stand in a larger record).
 * `top`: the parities that the pass begins with, in the order of blocks (with a top level: node by node, columns within);
 * cascade_top_count() of them and, in a later pass, the implied one.
 */
void cascade_table_build(enum cascade_path path, const struct cascade_shape *s,
	const struct cascade_permutation *p, uint32_t pass, const uint64_t *planes,
	struct cascade_scratch *scratch, struct cascade_column_parities *columns, size_t stride,
	struct cascade_rows *rows, uint64_t *top);

enum { CASCADE_TOP_WORDS_MAX = CASCADE_WORDS_MAX << CASCADE_TOP_LEVEL_MAX };

static inline bool cascade_bit(const uint64_t *words, size_t i)
{
	return words[i / 64] >> i % 64 & 1;
}
