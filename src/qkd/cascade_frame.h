// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade: Bob's work on one frame. Of a node he keeps two bits. Known: the ends' parities have been compared. Value: of a known node, whether
 * they differ (odd); of another, his own parity. A bit that he turns over turns the values of all nodes above it, in every pass: one
 * masked XOR each. An answer about the left child of an odd node makes both children known. So there is no
 * search to be remembered: what to ask next follows from the deepest known odd nodes.
 *
 * Stages: a pass begins (one parity a block); the first pass goes down all its odd blocks at once (the sweep, on whole rows); then
 * searches, until no known node is odd; so for each pass; then random subsets of the frame are compared, and halved where they differ. A frame
 * is done when these agree. Each step waits for one answer: a round.
 *
 * Searches go in waves: in the lowest pass that has odd nodes, for there an error costs least, one for each odd node that has none below it. All
 * of a wave come down to a bit before the next begins: one that waits may find its error corrected, and its parities wasted.
 *
 * A leaf that was compared is certain, as are zeros that fill a frame up. The neighbour of a certain leaf below an odd node is wrong: nothing is asked.
 */
#include "cascade_table.h"
#include "codec/qkd_cascade.h"

enum { CASCADE_ROUNDS_MAX = 1 << 14 }; /* of one frame; then it has failed */

/* What all frames of a key share. */
struct cascade_common {
	struct cascade_shape shape;
	enum cascade_path path;
	uint64_t above[CASCADE_PLANES];         /* nodes above a leaf */
	uint64_t not_above_node[CASCADE_NODES]; /* all but a node and those above it */
	/* Nodes of a group's tree above a column, by pass and number of the column in the group. */
	uint64_t above_column[CASCADE_PASSES][1 << CASCADE_LOG_COLUMNS_MAX];
	struct cascade_rows *rows, *known; /* scratch */
	uint64_t *subsets;                 /* CASCADE_SUBSETS_COUNT of frame_bits / 64 words */
};

void cascade_common_begin(struct cascade_common *c, uint64_t subset_seed);

enum cascade_stage {
	CASCADE_BEGINS,
	CASCADE_SWEEPS,
	CASCADE_SEARCHES,
	CASCADE_COMPARES,
	CASCADE_HALVES,
	CASCADE_IS_DONE
};

/* The tree of a group of columns: node `number` of `depth` is bit (1 << depth) + number. Values of unknown nodes: turned since the pass began. */
struct cascade_group {
	uint64_t value, known;
};

struct cascade_pass_state {
	struct cascade_column columns[CASCADE_COLUMNS_MAX];
	uint64_t candidates
		[CASCADE_WORDS_MAX]; /* columns in which, or above which, a known node may be odd */
	uint32_t candidate_words;    /* those of the above that are not zero, maybe */
	struct cascade_group groups[CASCADE_COLUMNS_MAX / 2];
	struct cascade_group_rows rows; /* of groups, as when the pass began */
};

struct cascade_frame {
	enum cascade_stage stage;
	bool has_failed, are_subsets_known;
	uint8_t passes_begun, pass; /* begun so far; of the wave */
	uint8_t level;              /* of the sweep */
	uint32_t rounds, corrected;
	uint32_t node_count, group_count; /* asked */
	uint32_t subset_odd;              /* subsets whose parities differ */
	uint16_t range_first, range_end;  /* words of the subset that hold the error */
	uint64_t word_mask, word_asked;
	uint64_t parities;
	struct cascade_permutation permutation;
	uint16_t nodes[CASCADE_NODES_MAX], groups[CASCADE_GROUPS_MAX];
	uint64_t bits[CASCADE_PLANES * CASCADE_WORDS_MAX];
	uint64_t certain[CASCADE_PLANES * CASCADE_WORDS_MAX];
	uint64_t trails[CASCADE_TRAIL_WORDS_MAX];
	struct cascade_pass_state passes[CASCADE_PASSES];
};

/* A frame whose `bits` are filled, `key_bits` of them with key. */
void cascade_frame_begin(struct cascade_frame *f, const struct cascade_common *c, uint32_t key_bits,
	uint64_t permutation_seed);
/* The part of the next question, CASCADE_DONE when there is none. */
void cascade_frame_ask(
	const struct cascade_frame *f, const struct cascade_common *c, struct writer *w);
/* Takes the answer to it and works out what to ask next. A fault of the reader: it was none. */
void cascade_frame_learn(
	struct cascade_frame *f, const struct cascade_common *c, struct reader *answer);

/* cascade_search.c: */

/* Turns a bit over, and what follows from it. */
void cascade_turn(struct cascade_frame *f, const struct cascade_common *c, struct cascade_place at);
/* The next wave: f->nodes and f->groups of f->pass; none: nothing known is odd. */
void cascade_search_plan(struct cascade_frame *f, const struct cascade_common *c);
/* The answers to nodes and groups, one bit each; these become what the searches ask next, none at a wave's end. */
void cascade_search_learn(
	struct cascade_frame *f, const struct cascade_common *c, const uint8_t *bits);
