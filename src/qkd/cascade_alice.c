// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_alice.h"

void cascade_alice_begin(
	struct cascade_alice *f, const struct cascade_common *c, uint64_t permutation_seed)
{
	f->passes_begun = 0;
	f->parities = 0;
	cascade_permutation_draw(&f->permutation, &c->shape, permutation_seed);
}

static const uint64_t *bits_of(const struct cascade_alice *f, const struct cascade_common *c)
{
	return f->rows[0].at + (size_t)CASCADE_NODES * c->shape.words;
}

static void answer_pass(
	struct cascade_alice *f, const struct cascade_common *c, uint32_t pass, struct writer *w)
{
	const uint32_t count = cascade_top_bits(&c->shape, pass);

	cascade_rows_build(c->path, &c->shape, &f->permutation, pass, bits_of(f, c), &f->rows[pass],
		&f->groups[pass]);
	const uint64_t *top = cascade_rows_top(&c->shape, pass, &f->rows[pass], &f->groups[pass]);
	f->passes_begun++;
	uint8_t *bits = cascade_bits_room(w, count);
	if (bits == NULL)
		return;
	memcpy(bits, top, (count + 7) / 8);
	if (count % 8 != 0)
		bits[count / 8] &= (uint8_t)((1 << count % 8) - 1);
}

/* The trails of a sweep as they came, a copy that may be read as words. */
struct trails {
	uint64_t at[CASCADE_TRAIL_WORDS_MAX];
};

/* Masks of the blocks asked for; 0: there is no such sweep. */
static uint64_t sweep_cost(
	const struct cascade_common *c, const struct cascade_part *part, struct trails *trails)
{
	const struct cascade_pass_shape *pass = &c->shape.pass[0];
	const uint32_t tops = 1u << pass->top_level;
	uint64_t cost = 0;

	if (pass->log_columns > 0 || part->level < pass->top_level || part->level >= CASCADE_LEVELS)
		return 0;
	const uint32_t each = cascade_trail_words(&c->shape, part->level);
	if (part->mask_words != tops * each)
		return 0;
	cascade_words_decode(part->masks, trails->at, part->mask_words);
	for (uint32_t top = 0; top < tops; top++)
		for (uint32_t w = 0; w < c->shape.words; w++)
			cost += (unsigned)__builtin_popcountll(trails->at[top * each + w]);
	return cost;
}

static void answer_sweep(const struct cascade_alice *f, const struct cascade_common *c,
	const struct cascade_part *part, const struct trails *trails, struct writer *w)
{
	const uint32_t words = c->shape.words, each = cascade_trail_words(&c->shape, part->level);
	uint64_t out[CASCADE_WORDS_MAX];

	for (uint32_t top = 0; top < 1u << c->shape.pass[0].top_level; top++) {
		const uint64_t *trail = trails->at + (size_t)top * each;
		cascade_rows_choose(c->path, &c->shape, &f->rows[0], top, part->level, trail, out);
		for (uint32_t i = 0; i < words; i++)
			out[i] &= trail[i];
		cascade_words_encode(w, out, words);
	}
}

/*
 * The answer to one node. A column beyond the frame's reads within the table, and is refused: the top bit of *unfair. No branch in
 * here, for there are thousands of a frame.
 */
static inline unsigned answer_node(
	const uint64_t *rows, uint32_t words, uint32_t item, uint32_t *unfair)
{
	const uint32_t column = item >> 6, node = item & 63;

	*unfair |= (words * 64 - 1 - column) | (node - 1);
	return rows[(size_t)2 * node * words + column / 64] >> column % 64 & 1;
}

static bool answer_nodes(const struct cascade_alice *f, const struct cascade_common *c,
	const struct cascade_part *part, uint8_t *bits)
{
	const uint64_t *rows = f->rows[part->pass].at;
	const uint32_t words = c->shape.words, count = part->node_count;
	const uint8_t *items = part->items.at;
	uint32_t unfair = 0, k = 0;

	for (; k + 8 <= count; k += 8) {
		unsigned eight = 0;
		for (unsigned i = 0; i < 8; i++)
			eight |= answer_node(rows, words, cascade_item_at(items, k + i), &unfair)
				 << i;
		bits[k / 8] = (uint8_t)eight;
	}
	for (; k < count; k++)
		bits[k / 8] |=
			(uint8_t)(answer_node(rows, words, cascade_item_at(items, k), &unfair)
				  << k % 8);
	return unfair >> 31 == 0;
}

static bool answer_search(const struct cascade_alice *f, const struct cascade_common *c,
	const struct cascade_part *part, struct writer *w)
{
	const struct cascade_pass_shape *shape = &c->shape.pass[part->pass];
	const uint32_t count = (uint32_t)part->node_count + part->group_count;
	uint8_t *bits = cascade_bits_room(w, count);

	if (bits == NULL || !answer_nodes(f, c, part, bits))
		return false;
	for (uint32_t k = part->node_count; k < count; k++) {
		const uint32_t item = cascade_item_at(part->items.at, k);
		const uint32_t depth = item >> 12, index = item & 0xfff;
		if (depth >= shape->log_columns || index >= (uint32_t)shape->blocks << depth)
			return false;
		bits[k / 8] |=
			(uint8_t)(cascade_bit(f->groups[part->pass].at[depth + 1], index) << k % 8);
	}
	return true;
}

static bool subset_parity(const struct cascade_alice *f, const struct cascade_common *c,
	uint32_t subset, uint32_t first, uint32_t end)
{
	const uint64_t *mask = c->subsets + (size_t)subset * (c->shape.frame_bits / 64);

	return cascade_masked_parity(c->path, bits_of(f, c) + first, mask + first, end - first);
}

static void answer_subsets(
	const struct cascade_alice *f, const struct cascade_common *c, struct writer *w)
{
	uint8_t *bits = cascade_bits_room(w, CASCADE_SUBSETS_COUNT);

	for (uint32_t t = 0; bits != NULL && t < CASCADE_SUBSETS_COUNT; t++)
		bits[t / 8] |=
			(uint8_t)(subset_parity(f, c, t, 0, c->shape.frame_bits / 64) << t % 8);
}

/* Parities that the part asks for; 0 where it asks for what there is not. */
static uint64_t part_cost(const struct cascade_alice *f, const struct cascade_common *c,
	const struct cascade_part *part, struct trails *trails)
{
	const uint32_t words = c->shape.frame_bits / 64;

	switch (part->kind) {
	case CASCADE_PASS:
		return part->pass == f->passes_begun && part->pass < CASCADE_PASSES
			       ? cascade_top_cost(&c->shape, part->pass)
			       : 0;
	case CASCADE_SWEEP:
		return f->passes_begun > 0 ? sweep_cost(c, part, trails) : 0;
	case CASCADE_SEARCH:
		return part->pass < f->passes_begun ? part->node_count + part->group_count : 0u;
	case CASCADE_SUBSETS:
		return f->passes_begun > 0 ? CASCADE_SUBSETS_COUNT : 0;
	case CASCADE_RANGE:
		return part->subset < CASCADE_SUBSETS_COUNT && part->end <= words;
	case CASCADE_WORD:
		return part->word < words;
	case CASCADE_DONE:
		break;
	}
	return 0;
}

bool cascade_alice_answer(struct cascade_alice *f, const struct cascade_common *c,
	const struct cascade_part *part, struct writer *w)
{
	struct trails trails;
	const uint64_t cost = part_cost(f, c, part, &trails);

	if (cost == 0 || f->parities + cost > cascade_parities_max(&c->shape))
		return false;
	f->parities += cost;
	switch (part->kind) {
	case CASCADE_PASS:
		answer_pass(f, c, part->pass, w);
		return true;
	case CASCADE_SWEEP:
		answer_sweep(f, c, part, &trails, w);
		return true;
	case CASCADE_SEARCH:
		return answer_search(f, c, part, w);
	case CASCADE_SUBSETS:
		answer_subsets(f, c, w);
		return true;
	case CASCADE_RANGE:
		writer_u8(w, subset_parity(f, c, part->subset, part->first, part->end));
		return true;
	case CASCADE_WORD:
		writer_u8(w, __builtin_parityll(bits_of(f, c)[part->word] & part->mask) & 1);
		return true;
	case CASCADE_DONE:
		break;
	}
	return false;
}
