// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade: Bob's work on one frame. What he knows of a tree is two bits a node: whether the ends' parities have been compared (known), and
 * whether they differ (odd). A bit that he turns over turns the nodes above it in every pass: one masked XOR each. Where a
 * known node becomes odd there is an error below, and the search starts at the deepest such node.
 *
 * The order: the earliest pass that has odd nodes is searched, at most one search a block at a time, all blocks at once; when no
 * pass has any, the next pass begins; after the last, random subsets of the whole frame are compared. A frame is done when these
 * agree. Each step of all this waits for one answer: a round.
 */
#include "cascade_table.h"
#include "codec/qkd_cascade.h"

enum { CASCADE_ROUNDS_MAX = 1 << 14 }; /* of one frame; then it has failed */

struct cascade_column {
	struct cascade_column_parities
		parity; /* of nodes as when the pass began; of leaves as they are */
	/* A known node: whether the ends differ. Another: whether an odd number of bits below was turned since the pass began. */
	uint64_t odd;
	uint64_t known;
};

struct cascade_group_state { /* of the trees of groups; bit (1 << depth) + number within the depth */
	uint64_t odd, known;
};

/* What all frames of a key share. */
struct cascade_common {
	struct cascade_shape shape;
	enum cascade_path path;
	uint64_t path_of[CASCADE_PLANES],
		around[CASCADE_PLANES]; /* nodes above a leaf; and their siblings */
	/* The same of a column in the tree of its group, by pass and number of the column in the group. */
	uint64_t group_path[CASCADE_PASSES][1 << CASCADE_LOG_COLUMNS_MAX];
	uint64_t group_around[CASCADE_PASSES][1 << CASCADE_LOG_COLUMNS_MAX];
	struct cascade_scratch *scratch;
	uint64_t *subsets; /* CASCADE_SUBSETS_COUNT of frame_bits / 64 words */
};

void cascade_common_begin(struct cascade_common *c, uint64_t subset_seed);

enum cascade_stage {
	CASCADE_BEGINS,
	CASCADE_SEARCHES,
	CASCADE_COMPARES,
	CASCADE_HALVES,
	CASCADE_IS_DONE
};

struct cascade_pass_state {
	struct cascade_column columns[CASCADE_COLUMNS_MAX];
	struct cascade_group_state groups[CASCADE_COLUMNS_MAX / 2];
	struct cascade_rows rows;
	uint64_t candidates
		[CASCADE_WORDS_MAX]; /* columns in which, or above which, an odd node may be known */
};

struct cascade_frame {
	enum cascade_stage stage;
	bool has_failed, are_subsets_known;
	uint32_t passes_begun, pass; /* begun so far; being searched */
	uint32_t rounds, corrected;
	uint32_t node_count, group_count; /* searches on their way */
	uint16_t subset_odd;              /* subsets whose parities differ */
	uint16_t range_first, range_end;  /* words of the subset that hold the error */
	uint64_t word_mask, word_asked;
	uint64_t parities;
	uint64_t bits[CASCADE_PLANES * CASCADE_WORDS_MAX];
	uint64_t disclosed
		[CASCADE_COLUMNS_MAX]; /* bits whose leaf was compared, by column: equal for certain */
	uint64_t top[CASCADE_TOP_WORDS_MAX];
	uint64_t busy[CASCADE_TOP_WORDS_MAX];
	struct cascade_pass_state passes[CASCADE_PASSES];
	struct cascade_node nodes[CASCADE_NODES_MAX];
	struct cascade_group searches[CASCADE_GROUPS_MAX];
};

/* A frame whose `bits` are filled. */
void cascade_frame_begin(struct cascade_frame *f);
/* The part of the next question, CASCADE_DONE when there is none. */
void cascade_frame_ask(const struct cascade_frame *f, struct writer *w);
/* Takes the answer to it and works out what to ask next. A fault of the reader: it was none. */
void cascade_frame_learn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, struct reader *answer);

/* Parity of the words [first, end) of subset `subset`. */
bool cascade_subset_parity(const struct cascade_common *c, const uint64_t *bits, uint32_t subset,
	uint32_t first, uint32_t end);
