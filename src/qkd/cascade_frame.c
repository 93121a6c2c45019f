// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_frame.h"

static const uint64_t one = 1;

static unsigned top_bit(uint64_t v)
{
	return 63u - (unsigned)__builtin_clzll(v);
}

/* Nodes above the leaf at `position` of a tree of `leaves`; heap order, the leaf itself left out. */
static uint64_t nodes_above(uint32_t leaves, uint32_t position)
{
	uint64_t nodes = 0;

	for (uint32_t h = (leaves + position) / 2; h > 0; h /= 2)
		nodes |= one << h;
	return nodes;
}

static uint64_t and_siblings(uint64_t nodes)
{
	uint64_t all = nodes;

	for (uint64_t left = nodes & ~(uint64_t)2; left != 0; left &= left - 1)
		all |= one << (top_bit(left & -left) ^ 1);
	return all;
}

/*
 * The tree of a group has its columns as leaves. Column `y` of the group lies below number y mod 2^d of depth d; its sibling there
 * differs in the highest bit of the number.
 */
static void groups_begin(struct cascade_common *c, size_t pass)
{
	const unsigned depths = c->shape.pass[pass].log_columns;

	for (uint32_t y = 0; y < 1u << depths; y++) {
		uint64_t *path = &c->group_path[pass][y], *around = &c->group_around[pass][y];
		*path = *around = 0;
		for (unsigned d = 0; d < depths; d++) {
			const uint32_t number = y & ((1u << d) - 1);
			*path |= one << ((1u << d) + number);
			if (d > 0)
				*around |= one << ((1u << d) + (number ^ 1u << (d - 1)));
		}
		*around |= *path;
	}
}

void cascade_common_begin(struct cascade_common *c, uint64_t subset_seed)
{
	struct cascade_random random = cascade_random_of(subset_seed);
	const size_t words = (size_t)CASCADE_SUBSETS_COUNT * c->shape.frame_bits / 64;

	for (uint32_t q = 0; q < CASCADE_PLANES; q++) {
		c->path_of[q] = nodes_above(CASCADE_PLANES, q);
		c->around[q] = and_siblings(c->path_of[q]);
	}
	for (size_t pass = 0; pass < CASCADE_PASSES; pass++)
		groups_begin(c, pass);
	for (size_t i = 0; i < words; i++)
		c->subsets[i] = cascade_random_next(&random);
	memset(c->scratch, 0, sizeof *c->scratch);
}

void cascade_frame_begin(struct cascade_frame *f)
{
	f->stage = CASCADE_BEGINS;
	f->has_failed = f->are_subsets_known = false;
	f->passes_begun = f->pass = f->rounds = f->corrected = 0;
	f->node_count = f->group_count = 0;
	f->subset_odd = 0;
	f->parities = 0;
	memset(f->disclosed, 0, sizeof f->disclosed);
}

/* Turning a bit. */

static void mark(struct cascade_pass_state *pass, uint32_t column)
{
	pass->candidates[column / 64] |= one << column % 64;
}

/* In a pass that was not being searched: known nodes above the bit become odd, or even again. */
static inline void turn_elsewhere(struct cascade_frame *f, const struct cascade_common *c,
	uint32_t i, uint32_t column, uint32_t leaf)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	struct cascade_pass_state *pass = &f->passes[i];
	struct cascade_column *x = &pass->columns[column];
	uint64_t odd;

	x->parity.at[1] ^= one << leaf;
	x->odd ^= c->path_of[leaf];
	odd = x->odd & x->known;
	if (shape->log_columns > 0) {
		struct cascade_group_state *g = &pass->groups[column % shape->blocks];
		g->odd ^= c->group_path[i][column / shape->blocks];
		odd |= g->odd & g->known;
	}
	if (odd != 0)
		mark(pass, column);
}

/*
 * In the pass whose search found the bit: the nodes that the search went through, and their siblings, are known now, and even; those
 * that were known before turn.
 */
static inline void turn_here(struct cascade_frame *f, const struct cascade_common *c, uint32_t i,
	uint32_t column, uint32_t leaf)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	struct cascade_pass_state *pass = &f->passes[i];
	struct cascade_column *x = &pass->columns[column];
	const uint64_t above_top = (one << (1u << shape->top_level)) - 1;
	const uint64_t around = c->around[leaf] & ~above_top;
	uint64_t odd;

	x->parity.at[1] ^= one << leaf;
	x->odd = (x->odd ^ c->path_of[leaf]) & ~(around & ~x->known);
	x->known |= around;
	odd = x->odd & x->known;
	if (shape->log_columns > 0) {
		struct cascade_group_state *g = &pass->groups[column % shape->blocks];
		const uint32_t y = column / shape->blocks;
		const uint64_t all = c->group_around[i][y];
		const uint32_t half = c->shape.columns / 2;
		struct cascade_column *sibling =
			&pass->columns[column < half ? column + half : column - half];
		g->odd = (g->odd ^ c->group_path[i][y]) & ~(all & ~g->known);
		g->known |= all;
		odd |= g->odd & g->known;
		if ((sibling->known & 2) == 0) {
			sibling->known |= 2;
			sibling->odd &= ~(uint64_t)2;
		}
	}
	if (odd != 0)
		mark(pass, column);
}

static void subsets_turn(
	struct cascade_frame *f, const struct cascade_common *c, struct cascade_place at)
{
	const size_t words = c->shape.frame_bits / 64;
	const size_t word = (size_t)at.plane * c->shape.words + at.column / 64;

	for (unsigned t = 0; t < CASCADE_SUBSETS_COUNT; t++)
		f->subset_odd ^=
			(uint16_t)((c->subsets[t * words + word] >> at.column % 64 & 1) << t);
}

enum { NO_PASS = CASCADE_PASSES }; /* the error was found by a subset */

static void turn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, uint32_t found_in, struct cascade_place at)
{
	f->bits[(size_t)at.plane * c->shape.words + at.column / 64] ^= one << at.column % 64;
	f->corrected++;
	for (uint32_t i = 0; i < f->passes_begun; i++) {
		const uint32_t column = cascade_column_in(&c->shape, p, i, at.plane, at.column);
		const uint32_t leaf = p->leaf_of[i][at.plane];
		if (i == found_in)
			turn_here(f, c, i, column, leaf);
		else
			turn_elsewhere(f, c, i, column, leaf);
	}
	if (f->are_subsets_known)
		subsets_turn(f, c, at);
}

/* A search that has come down to one bit: it and its neighbour in the tree are certain from now on. */
static void found(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, uint32_t column, uint32_t leaf)
{
	const struct cascade_place at = cascade_place_of(&c->shape, p, f->pass, column, leaf);
	const struct cascade_place other =
		cascade_place_of(&c->shape, p, f->pass, column, leaf ^ 1);

	f->disclosed[at.column] |= one << at.plane;
	f->disclosed[other.column] |= one << other.plane;
	turn(f, c, p, f->pass, at);
}

/* Searches. */

static bool is_certain(const struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, uint32_t column, uint32_t leaf)
{
	const struct cascade_place at = cascade_place_of(&c->shape, p, f->pass, column, leaf);

	return f->disclosed[at.column] >> at.plane & 1;
}

/* The next question of a search that has come to `node` of a column; or none, where one of two leaves is certain. */
static inline void descend(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, uint32_t column, uint32_t node)
{
	if (node >= CASCADE_PLANES / 2) {
		const uint32_t leaf = 2 * node - CASCADE_PLANES;
		if (is_certain(f, c, p, column, leaf)) {
			found(f, c, p, column, leaf + 1);
			return;
		}
		if (is_certain(f, c, p, column, leaf + 1)) {
			found(f, c, p, column, leaf);
			return;
		}
	}
	f->nodes[f->node_count++] = (struct cascade_node){(uint16_t)column, (uint8_t)node};
}

static bool take_busy(struct cascade_frame *f, uint32_t block)
{
	const bool was = f->busy[block / 64] >> block % 64 & 1;

	f->busy[block / 64] |= one << block % 64;
	return was;
}

/* Blocks smaller than a column: each top node of it is searched by itself. */
static void start_within(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, uint32_t column, uint32_t top_level, uint64_t odd)
{
	while (odd != 0) {
		const uint32_t node = top_bit(odd);
		const uint32_t level = top_bit(node);
		const uint32_t top = node >> (level - top_level);
		odd &= ~(one << node);
		if (!take_busy(f, (column << top_level) + top - (1u << top_level)))
			descend(f, c, p, column, node);
	}
}

/* The deepest known odd node of the group; straight to a column where its two children are known columns. */
static void start_group(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, uint32_t block, uint64_t odd)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[f->pass];
	const struct cascade_pass_state *pass = &f->passes[f->pass];
	const uint32_t node = top_bit(odd), depth = top_bit(node);
	const uint32_t index = block + shape->blocks * (node - (1u << depth));
	const uint32_t right = index + (uint32_t)(shape->blocks << depth);

	if (depth + 1 < shape->log_columns || (pass->columns[index].known & 2) == 0) {
		f->searches[f->group_count++] =
			(struct cascade_group){(uint8_t)depth, (uint16_t)index};
		return;
	}
	uint64_t mine = pass->columns[index].odd & pass->columns[index].known;
	const uint32_t column = mine != 0 ? index : right;
	mine = pass->columns[column].odd & pass->columns[column].known;
	if (mine != 0)
		descend(f, c, p, column, top_bit(mine));
}

/* True: one search of the block runs already; the column stays a candidate. */
static bool start(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, uint32_t column)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[f->pass];
	const struct cascade_pass_state *pass = &f->passes[f->pass];
	const uint64_t odd = pass->columns[column].odd & pass->columns[column].known;
	const uint32_t block = column % shape->blocks;
	uint64_t group_odd = 0;

	if (shape->top_level > 0) {
		start_within(f, c, p, column, shape->top_level, odd);
		return false;
	}
	if (shape->log_columns > 0)
		group_odd = pass->groups[block].odd & pass->groups[block].known;
	if ((odd | group_odd) == 0)
		return false;
	if (take_busy(f, block))
		return true;
	if (odd != 0)
		descend(f, c, p, column, top_bit(odd));
	else
		start_group(f, c, p, block, group_odd);
	return false;
}

static bool has_candidates(const struct cascade_common *c, const struct cascade_pass_state *pass)
{
	uint64_t any = 0;

	for (uint32_t w = 0; w < c->shape.words; w++)
		any |= pass->candidates[w];
	return any != 0;
}

/* All blocks of pass f->pass that have an odd node: one search each. */
static void start_all(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p)
{
	struct cascade_pass_state *pass = &f->passes[f->pass];

	memset(f->busy, 0, sizeof f->busy);
	for (uint32_t w = 0; w < c->shape.words; w++) {
		uint64_t left = pass->candidates[w];
		pass->candidates[w] = 0;
		for (; left != 0; left &= left - 1) {
			const uint32_t column = w * 64 + (uint32_t)__builtin_ctzll(left);
			if (start(f, c, p, column))
				mark(pass, column);
		}
	}
}

/* What to do when no answer is awaited. */
static void go_on(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p)
{
	uint32_t i = 0;

	while (i < f->passes_begun && f->node_count + f->group_count == 0 &&
		f->corrected <= c->shape.frame_bits) {
		f->pass = i;
		i++;
		if (has_candidates(c, &f->passes[f->pass])) {
			start_all(f, c, p);
			i = 0; /* bits may have been turned without a question */
		}
	}
	if (f->node_count + f->group_count > 0) {
		f->stage = CASCADE_SEARCHES;
	} else if (f->passes_begun < CASCADE_PASSES) {
		f->stage = CASCADE_BEGINS;
	} else if (!f->are_subsets_known) {
		f->stage = CASCADE_COMPARES;
	} else if (f->subset_odd != 0) {
		f->stage = CASCADE_HALVES;
		f->range_first = 0;
		f->range_end = (uint16_t)(c->shape.frame_bits / 64);
		f->word_mask = 0;
	} else {
		f->stage = CASCADE_IS_DONE;
	}
}

/* A pass begins. */

static void pass_learn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, struct reader *answer)
{
	const uint32_t i = f->passes_begun, count = cascade_top_count(&c->shape, i);
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	struct cascade_pass_state *pass = &f->passes[i];
	const struct span bits = cascade_bits_decode(answer, count);
	const uint64_t known = shape->log_columns > 0 ? 0
						      : ((one << (1u << shape->top_level)) - 1)
								<< (1u << shape->top_level);
	uint32_t odd_count = 0;

	if (reader_failed(answer))
		return;
	cascade_table_build(c->path, &c->shape, p, i, f->bits, c->scratch, &pass->columns[0].parity,
		sizeof pass->columns[0], &pass->rows, f->top);
	memset(pass->candidates, 0, sizeof pass->candidates);
	for (uint32_t v = 0; v < c->shape.columns; v++) {
		pass->columns[v].odd = 0;
		pass->columns[v].known = known;
	}
	for (uint32_t b = 0; shape->log_columns > 0 && b < shape->blocks; b++)
		pass->groups[b] = (struct cascade_group_state){0, 2};
	f->parities += count;
	f->passes_begun++;
	/* The frame's parity is known from the first pass, so the last block of a later one is implied. */
	for (uint32_t k = 0; k < count + (i > 0); k++) {
		bool is_odd = odd_count % 2 == 1;
		if (k < count)
			is_odd = (bits.at[k / 8] >> k % 8 & 1) != cascade_bit(f->top, k);
		odd_count += is_odd;
		if (!is_odd)
			continue;
		const uint32_t column = k % c->shape.columns;
		if (shape->log_columns > 0)
			pass->groups[column].odd = 2;
		else
			pass->columns[column].odd |=
				one << ((1u << shape->top_level) + k / c->shape.columns);
		mark(pass, column);
	}
}

/* Answers to searches. */

static void nodes_learn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, struct span bits, uint32_t count)
{
	const struct cascade_pass_state *pass = &f->passes[f->pass];

	for (uint32_t i = 0; i < count; i++) {
		const struct cascade_node at = f->nodes[i];
		const struct cascade_column *x = &pass->columns[at.column];
		const uint32_t left = 2u * at.node;
		unsigned odd = bits.at[i / 8] >> i % 8 & 1;
		odd ^= (unsigned)(x->parity.at[left / 64] >> left % 64 & 1);
		if (left < CASCADE_PLANES) {
			odd ^= (unsigned)(x->odd >> left & 1);
			descend(f, c, p, at.column, left + (odd ^ 1));
		} else {
			found(f, c, p, at.column, left - CASCADE_PLANES + (odd ^ 1));
		}
	}
}

/* The left child of a group's node was answered: does it differ? */
static bool group_is_odd(const struct cascade_frame *f, const struct cascade_common *c,
	struct cascade_group at, unsigned answer)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[f->pass];
	const struct cascade_pass_state *pass = &f->passes[f->pass];
	const uint32_t block = at.index % shape->blocks, y = at.index / shape->blocks;
	unsigned odd = answer ^ cascade_bit(pass->rows.at[at.depth + 1], at.index);

	if (at.depth + 1u < shape->log_columns)
		odd ^= (unsigned)(pass->groups[block].odd >> ((2u << at.depth) + y) & 1);
	else
		odd ^= (unsigned)(pass->columns[at.index].odd >> 1 & 1);
	return odd & 1;
}

static void groups_learn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, struct span bits, uint32_t from, uint32_t count)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[f->pass];

	for (uint32_t i = 0; i < count; i++) {
		struct cascade_group at = f->searches[i];
		const uint32_t k = from + i;
		if (!group_is_odd(f, c, at, bits.at[k / 8] >> k % 8 & 1))
			at.index = (uint16_t)(at.index + (shape->blocks << at.depth));
		at.depth++;
		if (at.depth == shape->log_columns)
			descend(f, c, p, at.index, 1);
		else
			f->searches[f->group_count++] = at;
	}
}

static void search_learn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, struct reader *answer)
{
	const uint32_t nodes = f->node_count, groups = f->group_count;
	const struct span bits = cascade_bits_decode(answer, nodes + groups);

	if (reader_failed(answer))
		return;
	f->parities += nodes + groups;
	f->node_count = f->group_count = 0; /* filled again, never faster than read */
	nodes_learn(f, c, p, bits, nodes);
	groups_learn(f, c, p, bits, nodes, groups);
}

/* Subsets. */

bool cascade_subset_parity(const struct cascade_common *c, const uint64_t *bits, uint32_t subset,
	uint32_t first, uint32_t end)
{
	const uint64_t *mask = c->subsets + (size_t)subset * (c->shape.frame_bits / 64);
	uint64_t sum = 0;

	for (uint32_t i = first; i < end; i++)
		sum ^= bits[i] & mask[i];
	return __builtin_parityll(sum);
}

static void compare_learn(
	struct cascade_frame *f, const struct cascade_common *c, struct reader *answer)
{
	const struct span bits = cascade_bits_decode(answer, CASCADE_SUBSETS_COUNT);

	if (reader_failed(answer))
		return;
	f->are_subsets_known = true;
	f->parities += CASCADE_SUBSETS_COUNT;
	for (uint32_t t = 0; t < CASCADE_SUBSETS_COUNT; t++) {
		const bool mine = cascade_subset_parity(c, f->bits, t, 0, c->shape.frame_bits / 64);
		f->subset_odd |= (uint16_t)((mine != (bits.at[t / 8] >> t % 8 & 1)) << t);
	}
}

static uint32_t subset_asked(const struct cascade_frame *f)
{
	return (uint32_t)__builtin_ctz(f->subset_odd);
}

/* The lower half of the bits that are set. */
static uint64_t lower_half(uint64_t mask)
{
	uint64_t half = 0;

	for (int left = __builtin_popcountll(mask) / 2; left > 0; left--, mask &= mask - 1)
		half |= mask & -mask;
	return half;
}

/* One word, one bit of it: that is the error. */
static void halves_end(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p)
{
	const uint32_t word = f->range_first;

	if (f->range_end - word > 1)
		return;
	if (f->word_mask == 0)
		f->word_mask =
			c->subsets[(size_t)subset_asked(f) * (c->shape.frame_bits / 64) + word];
	if ((f->word_mask & (f->word_mask - 1)) != 0) {
		f->word_asked = lower_half(f->word_mask);
		return;
	}
	/* A mask of no bits cannot differ: the peer's answers contradict each other. */
	if (f->word_mask != 0)
		turn(f, c, p, NO_PASS,
			(struct cascade_place){word / c->shape.words,
				word % c->shape.words * 64 +
					(uint32_t)__builtin_ctzll(f->word_mask)});
	else
		f->has_failed = true;
	f->stage = CASCADE_IS_DONE; /* until go_on() says otherwise */
}

static void halves_learn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, struct reader *answer)
{
	const struct span bits = cascade_bits_decode(answer, 1);
	const uint32_t middle = (f->range_first + f->range_end) / 2u;

	if (reader_failed(answer))
		return;
	f->parities++;
	if (f->range_end - f->range_first > 1) {
		const bool mine =
			cascade_subset_parity(c, f->bits, subset_asked(f), f->range_first, middle);
		if (mine != (bits.at[0] & 1))
			f->range_end = (uint16_t)middle;
		else
			f->range_first = (uint16_t)middle;
	} else {
		const bool mine = __builtin_parityll(f->bits[f->range_first] & f->word_asked);
		f->word_mask =
			mine != (bits.at[0] & 1) ? f->word_asked : f->word_mask & ~f->word_asked;
	}
	halves_end(f, c, p);
}

/* Answers that contradict each other, or a frame with hardly anything in common, must not be worked on for ever. */
static bool is_beyond(const struct cascade_frame *f, const struct cascade_common *c)
{
	return f->has_failed || f->rounds >= CASCADE_ROUNDS_MAX ||
	       f->corrected > c->shape.frame_bits ||
	       f->parities + f->node_count + f->group_count > cascade_parities_max(&c->shape);
}

/* The face. */

void cascade_frame_learn(struct cascade_frame *f, const struct cascade_common *c,
	const struct cascade_permutation *p, struct reader *answer)
{
	switch (f->stage) {
	case CASCADE_BEGINS:
		pass_learn(f, c, p, answer);
		break;
	case CASCADE_SEARCHES:
		search_learn(f, c, p, answer);
		break;
	case CASCADE_COMPARES:
		compare_learn(f, c, answer);
		break;
	case CASCADE_HALVES:
		halves_learn(f, c, p, answer);
		break;
	case CASCADE_IS_DONE:
		return;
	}
	f->rounds++;
	if (!f->has_failed && f->stage != CASCADE_HALVES && !reader_failed(answer) &&
		f->node_count + f->group_count == 0)
		go_on(f, c, p);
	if (is_beyond(f, c)) {
		f->has_failed = true;
		f->stage = CASCADE_IS_DONE;
	}
}

static void ask_search(const struct cascade_frame *f, struct writer *w)
{
	const struct cascade_part part = {.kind = CASCADE_SEARCH,
		.pass = (uint8_t)f->pass,
		.node_count = (uint16_t)f->node_count,
		.group_count = (uint16_t)f->group_count};

	/* Asked is the parity of the left child; the right one follows. */
	cascade_part_encode(w, &part);
	for (uint32_t i = 0; i < f->node_count; i++)
		cascade_node_put(w, f->nodes[i]);
	for (uint32_t i = 0; i < f->group_count; i++)
		cascade_group_put(w, f->searches[i]);
}

static void ask_half(const struct cascade_frame *f, struct writer *w)
{
	struct cascade_part part = {.kind = CASCADE_RANGE,
		.subset = (uint8_t)subset_asked(f),
		.first = f->range_first,
		.end = (uint16_t)((f->range_first + f->range_end) / 2)};

	if (f->range_end - f->range_first == 1)
		part = (struct cascade_part){
			.kind = CASCADE_WORD, .word = f->range_first, .mask = f->word_asked};
	cascade_part_encode(w, &part);
}

void cascade_frame_ask(const struct cascade_frame *f, struct writer *w)
{
	struct cascade_part part = {0};

	switch (f->stage) {
	case CASCADE_BEGINS:
		part.kind = CASCADE_PASS;
		part.pass = (uint8_t)f->passes_begun;
		break;
	case CASCADE_SEARCHES:
		ask_search(f, w);
		return;
	case CASCADE_COMPARES:
		part.kind = CASCADE_SUBSETS;
		break;
	case CASCADE_HALVES:
		ask_half(f, w);
		return;
	case CASCADE_IS_DONE:
		part.kind = CASCADE_DONE;
		part.has_failed = f->has_failed;
		break;
	}
	cascade_part_encode(w, &part);
}
