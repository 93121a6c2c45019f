// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_frame.h"

#define INLINE static inline __attribute__((always_inline))

static const uint64_t one = 1;

INLINE unsigned top_bit(uint64_t v)
{
	return 63u - (unsigned)__builtin_clzll(v);
}

/* Turning a bit. */

INLINE void mark(struct cascade_pass_state *pass, uint32_t column)
{
	pass->candidates[column / 64] |= one << column % 64;
	pass->candidate_words |= 1u << column / 64;
}

INLINE void turn_in_pass(struct cascade_frame *f, const struct cascade_common *c, uint32_t i,
	uint32_t column, uint32_t leaf)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	struct cascade_pass_state *pass = &f->passes[i];
	struct cascade_column *x = &pass->columns[column];
	uint64_t odd;

	x->value ^= c->above[leaf];
	odd = x->value & x->known;
	if (shape->log_columns > 0) {
		const uint32_t number = cascade_number_in_group(shape, column);
		struct cascade_group *g = &pass->groups[column - number * shape->blocks];
		g->value ^= c->above_column[i][number];
		odd |= g->value & g->known;
	}
	const uint64_t is_odd = (odd | -odd) >> 63;
	pass->candidates[column / 64] |= is_odd << column % 64;
	pass->candidate_words |= (uint32_t)is_odd << column / 64;
}

static void subsets_turn(
	struct cascade_frame *f, const struct cascade_common *c, size_t word, uint32_t column)
{
	const size_t words = c->shape.frame_bits / 64;

	for (unsigned t = 0; t < CASCADE_SUBSETS_COUNT; t++)
		f->subset_odd ^= (uint32_t)(c->subsets[t * words + word] >> column % 64 & 1) << t;
}

INLINE void turn(struct cascade_frame *f, const struct cascade_common *c, struct cascade_place at)
{
	const struct cascade_permutation *p = &f->permutation;
	const size_t word = (size_t)at.plane * c->shape.words + at.column / 64;

	f->bits[word] ^= one << at.column % 64;
	f->corrected++;
	turn_in_pass(f, c, 0, at.column, at.plane);
	for (uint32_t i = 1; i < f->passes_begun; i++)
		turn_in_pass(f, c, i, cascade_column_in(&c->shape, p, i, at.plane, at.column),
			p->leaf_of[i][at.plane]);
	if (f->are_subsets_known)
		subsets_turn(f, c, word, at.column);
}

void cascade_turn(struct cascade_frame *f, const struct cascade_common *c, struct cascade_place at)
{
	turn(f, c, at);
}

/* Leaves. */

INLINE struct cascade_place leaf_place(const struct cascade_frame *f,
	const struct cascade_common *c, uint32_t pass, uint32_t column, uint32_t leaf)
{
	return pass == 0 ? (struct cascade_place){leaf, column}
			 : cascade_place_of(&c->shape, &f->permutation, pass, column, leaf);
}

INLINE size_t word_of(const struct cascade_common *c, struct cascade_place at)
{
	return (size_t)at.plane * c->shape.words + at.column / 64;
}

INLINE unsigned is_certain(
	const struct cascade_frame *f, const struct cascade_common *c, struct cascade_place at)
{
	return f->certain[word_of(c, at)] >> at.column % 64 & 1;
}

INLINE void make_certain(
	struct cascade_frame *f, const struct cascade_common *c, struct cascade_place at)
{
	f->certain[word_of(c, at)] |= one << at.column % 64;
}

INLINE void node_put(struct cascade_frame *f, uint32_t column, uint32_t node)
{
	f->nodes[f->node_count++] = cascade_node_item(column, node);
}

/*
 * A node above two leaves. If one of these is certain, the other is wrong and nothing is asked. Both cannot be, unless the peer's answers
 * contradict each other.
 */
INLINE void pair_ask(struct cascade_frame *f, const struct cascade_common *c, uint32_t pass,
	uint32_t column, uint32_t node)
{
	const uint32_t leaf = 2 * node - CASCADE_PLANES;
	const struct cascade_place left = leaf_place(f, c, pass, column, leaf);
	const struct cascade_place right = leaf_place(f, c, pass, column, leaf + 1);
	const unsigned is_left = is_certain(f, c, left), is_right = is_certain(f, c, right);

	if ((is_left | is_right) == 0) {
		node_put(f, column, node);
		return;
	}
	const struct cascade_place wrong = is_left != 0 ? right : left;
	f->has_failed |= (is_left & is_right) != 0;
	make_certain(f, c, wrong);
	turn(f, c, wrong);
}

/* The question about an odd node of a column. */
INLINE void node_ask(struct cascade_frame *f, const struct cascade_common *c, uint32_t pass,
	uint32_t column, uint32_t node)
{
	if (node < CASCADE_NODES / 2)
		node_put(f, column, node);
	else
		pair_ask(f, c, pass, column, node);
}

/* What to ask. */

/* Every odd node of a column that has no odd node below: each holds an error of its own. */
INLINE void column_plan(struct cascade_frame *f, const struct cascade_common *c, uint32_t pass,
	uint32_t column, uint64_t odd)
{
	while (odd != 0) {
		const unsigned node = top_bit(odd);
		odd &= c->not_above_node[node];
		node_ask(f, c, pass, column, node);
	}
}

/* The deepest known odd node of a group; straight to the columns below it where these are known. */
static void group_plan(struct cascade_frame *f, const struct cascade_common *c, uint32_t i,
	uint32_t block, uint64_t odd)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	const struct cascade_pass_state *pass = &f->passes[i];
	const uint32_t node = top_bit(odd), depth = top_bit(node);
	const uint32_t left = block + shape->blocks * (node - (1u << depth));
	const uint32_t right = left + (uint32_t)(shape->blocks << depth);

	if (depth + 1 < shape->log_columns || (pass->columns[left].known & 2) == 0) {
		f->groups[f->group_count++] = cascade_group_item(depth, left);
		return;
	}
	const uint64_t below = pass->columns[left].value & pass->columns[left].known;
	if (below != 0)
		column_plan(f, c, i, left, below);
	else
		column_plan(
			f, c, i, right, pass->columns[right].value & pass->columns[right].known);
}

struct column_set {
	uint64_t at[CASCADE_WORDS_MAX];
};

/* Candidates in which no column itself has an odd node: one search a group, and none beside one of its columns. */
static void groups_plan(struct cascade_frame *f, const struct cascade_common *c, uint32_t i,
	const struct column_set *left, struct column_set *busy)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	struct cascade_pass_state *pass = &f->passes[i];

	for (uint32_t w = 0; w < c->shape.words; w++)
		for (uint64_t some = left->at[w]; some != 0; some &= some - 1) {
			const uint32_t column = w * 64 + (uint32_t)__builtin_ctzll(some);
			const uint32_t block =
				column - cascade_number_in_group(shape, column) * shape->blocks;
			const uint64_t odd = pass->groups[block].value & pass->groups[block].known;
			if (odd == 0)
				continue;
			if ((busy->at[block / 64] >> block % 64 & 1) != 0) {
				mark(pass, column);
				continue;
			}
			busy->at[block / 64] |= one << block % 64;
			group_plan(f, c, i, block, odd);
		}
}

INLINE void set_block(
	struct column_set *set, const struct cascade_pass_shape *shape, uint32_t column)
{
	const uint32_t block = column - cascade_number_in_group(shape, column) * shape->blocks;

	set->at[block / 64] |= one << block % 64;
}

INLINE void pass_plan(struct cascade_frame *f, const struct cascade_common *c, uint32_t i)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	struct cascade_pass_state *pass = &f->passes[i];
	const bool has_groups = shape->log_columns > 0;
	struct column_set above_only = {0}, busy = {0};
	bool is_any_above = false;
	uint32_t words = pass->candidate_words;

	pass->candidate_words = 0;
	for (; words != 0; words &= words - 1) {
		const uint32_t w = (uint32_t)__builtin_ctz(words);
		uint64_t left = pass->candidates[w];
		pass->candidates[w] = 0;
		for (; left != 0; left &= left - 1) {
			const uint32_t column = w * 64 + (uint32_t)__builtin_ctzll(left);
			const struct cascade_column *x = &pass->columns[column];
			const uint64_t odd = x->value & x->known;
			if (f->node_count + CASCADE_NODES > CASCADE_NODES_MAX) {
				mark(pass, column);
			} else if (odd != 0) {
				if (has_groups)
					set_block(&busy, shape, column);
				column_plan(f, c, i, column, odd);
			} else if (has_groups) {
				above_only.at[w] |= left & -left;
				is_any_above = true;
			}
		}
	}
	if (is_any_above)
		groups_plan(f, c, i, &above_only, &busy);
}

/* The lowest pass that has anything odd; bits may be turned there without a question, and then a lower one has. */
INLINE void plan(struct cascade_frame *f, const struct cascade_common *c)
{
	for (uint32_t i = 0; i < f->passes_begun && !f->has_failed;) {
		if (f->passes[i].candidate_words == 0) {
			i++;
			continue;
		}
		pass_plan(f, c, i);
		f->pass = (uint8_t)i;
		if (f->node_count + f->group_count > 0)
			return;
		i = 0;
	}
}

/* Answers. Searches of one pass hold no node in common, so what one of them finds does not touch another. */

INLINE void leaf_learn(struct cascade_frame *f, const struct cascade_common *c, uint32_t pass,
	uint32_t column, uint32_t node, unsigned answer)
{
	const uint32_t leaf = 2 * node - CASCADE_PLANES;
	const struct cascade_place left = leaf_place(f, c, pass, column, leaf);
	const struct cascade_place right = leaf_place(f, c, pass, column, leaf + 1);
	const uint64_t mine = f->bits[word_of(c, left)] >> left.column % 64 & 1;

	make_certain(f, c, left);
	make_certain(f, c, right);
	turn(f, c, answer != mine ? left : right);
}

INLINE void nodes_learn(struct cascade_frame *f, const struct cascade_common *c,
	const uint8_t *bits, uint32_t count)
{
	const uint32_t i = f->pass;
	struct cascade_pass_state *pass = &f->passes[i];

	for (uint32_t k = 0; k < count; k++) {
		const uint32_t item = f->nodes[k], column = item >> 6, node = item & 63;
		const unsigned answer = bits[k / 8] >> k % 8 & 1;
		struct cascade_column *x = &pass->columns[column];
		if (node >= CASCADE_NODES / 2) {
			leaf_learn(f, c, i, column, node, answer);
			continue;
		}
		/* The node is odd, so one of its children is. */
		const uint32_t right = (answer ^ x->value >> 2 * node ^ 1) & 1;
		const uint64_t both = (uint64_t)3 << 2 * node;
		x->value = (x->value & ~both) | one << (2 * node + right);
		x->known |= both;
		if (node < CASCADE_NODES / 4)
			node_put(f, column, 2 * node + right);
		else
			pair_ask(f, c, i, column, 2 * node + right);
	}
}

static void group_learn(
	struct cascade_frame *f, const struct cascade_common *c, uint32_t item, unsigned answer)
{
	const uint32_t i = f->pass, depth = item >> 12, index = item & 0xfff;
	const struct cascade_pass_shape *shape = &c->shape.pass[i];
	struct cascade_pass_state *pass = &f->passes[i];
	const uint32_t number = cascade_number_in_group(shape, index);
	const uint32_t beside = index + (uint32_t)(shape->blocks << depth);

	if (depth + 1u < shape->log_columns) {
		struct cascade_group *g = &pass->groups[index - number * shape->blocks];
		const uint32_t left = (2u << depth) + number, right = left + (1u << depth);
		const uint64_t both = one << left | one << right;
		const bool is_left =
			(answer ^ cascade_bit(pass->rows.at[depth + 1], index) ^ g->value >> left) &
			1;
		g->value = (g->value & ~both) | one << (is_left ? left : right);
		g->known |= both;
		f->groups[f->group_count++] =
			cascade_group_item(depth + 1, is_left ? index : beside);
		return;
	}
	struct cascade_column *a = &pass->columns[index], *b = &pass->columns[beside];
	const uint64_t is_left = (answer ^ a->value >> 1) & 1;
	a->value = (a->value & ~(uint64_t)2) | is_left << 1;
	b->value = (b->value & ~(uint64_t)2) | (is_left ^ 1) << 1;
	a->known |= 2;
	b->known |= 2;
	node_ask(f, c, i, is_left != 0 ? index : beside, 1);
}

/* Items are written behind those that were read. */
INLINE void learn(struct cascade_frame *f, const struct cascade_common *c, const uint8_t *bits)
{
	const uint32_t nodes = f->node_count, groups = f->group_count;

	f->node_count = f->group_count = 0;
	nodes_learn(f, c, bits, nodes);
	for (uint32_t k = 0; k < groups; k++)
		group_learn(f, c, f->groups[k], bits[(nodes + k) / 8] >> (nodes + k) % 8 & 1);
}

/* Which way, at run time: shifts by variable amounts are cheaper with BMI2. */

#if defined(__x86_64__)
__attribute__((target("bmi,bmi2,lzcnt"))) static void plan_bmi2(
	struct cascade_frame *f, const struct cascade_common *c)
{
	plan(f, c);
}

__attribute__((target("bmi,bmi2,lzcnt"))) static void learn_bmi2(
	struct cascade_frame *f, const struct cascade_common *c, const uint8_t *bits)
{
	learn(f, c, bits);
}
#endif

void cascade_search_plan(struct cascade_frame *f, const struct cascade_common *c)
{
#if defined(__x86_64__)
	if (c->path == CASCADE_AVX2) {
		plan_bmi2(f, c);
		return;
	}
#endif
	plan(f, c);
}

void cascade_search_learn(
	struct cascade_frame *f, const struct cascade_common *c, const uint8_t *bits)
{
#if defined(__x86_64__)
	if (c->path == CASCADE_AVX2) {
		learn_bmi2(f, c, bits);
		return;
	}
#endif
	learn(f, c, bits);
}
