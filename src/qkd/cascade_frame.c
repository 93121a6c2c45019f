// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_frame.h"

static const uint64_t one = 1;

static uint32_t frame_words(const struct cascade_common *c)
{
	return c->shape.frame_bits / 64;
}

/* The tree of a group has its columns as leaves: column `number` lies below number mod 2^d of depth d. */
static void groups_begin(struct cascade_common *c, size_t pass)
{
	const unsigned depths = c->shape.pass[pass].log_columns;

	for (uint32_t y = 0; y < 1u << depths; y++) {
		c->above_column[pass][y] = 0;
		for (unsigned d = 0; d < depths; d++)
			c->above_column[pass][y] |= one << ((1u << d) + (y & ((1u << d) - 1)));
	}
}

static uint64_t and_above(uint32_t node)
{
	uint64_t nodes = 0;

	for (; node > 0; node /= 2)
		nodes |= one << node;
	return nodes;
}

void cascade_common_begin(struct cascade_common *c, uint64_t subset_seed)
{
	struct cascade_random random = cascade_random_of(subset_seed);

	for (uint32_t i = 0; i < CASCADE_PLANES; i++) {
		c->above[i] = and_above((CASCADE_PLANES + i) / 2);
		c->not_above_node[i] = ~and_above(i);
	}
	for (size_t pass = 0; pass < CASCADE_PASSES; pass++)
		groups_begin(c, pass);
	for (size_t i = 0; i < (size_t)CASCADE_SUBSETS_COUNT * frame_words(c); i++)
		c->subsets[i] = cascade_random_next(&random);
}

/* Zeros behind the key bits of each plane. */
static void zeros_make_certain(
	struct cascade_frame *f, const struct cascade_common *c, uint32_t key_bits)
{
	const struct cascade_shape *s = &c->shape;

	for (uint32_t b = 0; b < CASCADE_PLANES; b++) {
		const uint32_t end = (b + 1) * s->real;
		const uint32_t missing = end > key_bits ? end - key_bits : 0;
		const uint32_t from = missing < s->real ? s->real - missing : 0;
		uint64_t *plane = f->certain + (size_t)b * s->words;
		for (uint32_t w = 0; w < s->words; w++)
			plane[w] = from <= w * 64       ? UINT64_MAX
				   : from < w * 64 + 64 ? UINT64_MAX << from % 64
							: 0;
	}
}

void cascade_frame_begin(struct cascade_frame *f, const struct cascade_common *c, uint32_t key_bits,
	uint64_t permutation_seed)
{
	f->stage = CASCADE_BEGINS;
	f->has_failed = f->are_subsets_known = false;
	f->passes_begun = f->level = 0;
	f->rounds = f->corrected = 0;
	f->node_count = f->group_count = 0;
	f->subset_odd = 0;
	f->parities = 0;
	cascade_permutation_draw(&f->permutation, &c->shape, permutation_seed);
	zeros_make_certain(f, c, key_bits);
}

/* What to do when no answer is awaited. */
static void go_on(struct cascade_frame *f, const struct cascade_common *c)
{
	cascade_search_plan(f, c);
	if (f->node_count + f->group_count > 0) {
		f->stage = CASCADE_SEARCHES;
	} else if (f->passes_begun < CASCADE_PASSES) {
		f->stage = CASCADE_BEGINS;
	} else if (!f->are_subsets_known) {
		f->stage = CASCADE_COMPARES;
	} else if (f->subset_odd != 0) {
		f->stage = CASCADE_HALVES;
		f->range_first = 0;
		f->range_end = (uint16_t)frame_words(c);
		f->word_mask = 0;
	} else {
		f->stage = CASCADE_IS_DONE;
	}
}

/* A pass begins. */

/* Blocks of columns or groups whose parities differ. The frame's parity is known from the first pass, so the last block of a later one is implied. */
static void tops_compare(struct cascade_frame *f, const struct cascade_common *c, uint32_t i,
	const uint64_t *mine, struct span bits)
{
	const uint32_t count = cascade_top_bits(&c->shape, i);
	const bool has_groups = c->shape.pass[i].log_columns > 0;
	struct cascade_pass_state *pass = &f->passes[i];
	uint64_t theirs[CASCADE_TOP_WORDS_MAX] = {0};
	unsigned odd_count = 0;

	memcpy(theirs, bits.at, bits.len);
	for (uint32_t k = 0; k < count + (i > 0); k++) {
		uint64_t odd = odd_count % 2;
		if (k < count)
			odd = (theirs[k / 64] ^ mine[k / 64]) >> k % 64 & 1;
		odd_count += (unsigned)odd;
		if (has_groups)
			pass->groups[k] = (struct cascade_group){odd << 1, 2};
		else
			pass->columns[k] = (struct cascade_column){
				(pass->columns[k].value & ~(uint64_t)2) | odd << 1, 2};
		pass->candidates[k / 64] |= odd << k % 64;
		pass->candidate_words |= (uint32_t)odd << k / 64;
	}
}

/* The sweep's first masks: the blocks that differ. */
static bool sweep_begin(struct cascade_frame *f, const struct cascade_common *c,
	const uint64_t *mine, struct span bits)
{
	const struct cascade_shape *s = &c->shape;
	const uint32_t each = cascade_trail_words(s, CASCADE_LEVELS);
	uint64_t theirs[CASCADE_TOP_WORDS_MAX], any = 0;

	memcpy(theirs, bits.at, bits.len);
	for (uint32_t i = 0; i < s->words << s->pass[0].top_level; i++) {
		const uint64_t odd = theirs[i] ^ mine[i];
		f->trails[i / s->words * each + i % s->words] = odd;
		any |= odd;
	}
	f->level = s->pass[0].top_level;
	return any != 0;
}

static void sweep_end(struct cascade_frame *f, const struct cascade_common *c)
{
	const struct cascade_shape *s = &c->shape;
	const uint32_t each = cascade_trail_words(s, CASCADE_LEVELS);

	cascade_rows_settle(c->path, s, f->trails, f->bits, f->certain, c->rows, c->known);
	cascade_rows_to_columns(c->path, s, c->rows, c->known, f->passes[0].columns);
	for (uint32_t top = 0; top < 1u << s->pass[0].top_level; top++)
		for (uint32_t w = 0; w < s->words; w++)
			f->corrected += (unsigned)__builtin_popcountll(f->trails[top * each + w]);
	go_on(f, c);
}

static void pass_learn(
	struct cascade_frame *f, const struct cascade_common *c, struct reader *answer)
{
	const uint32_t i = f->passes_begun;
	struct cascade_pass_state *pass = &f->passes[i];
	const struct span bits = cascade_bits_decode(answer, cascade_top_bits(&c->shape, i));

	if (reader_failed(answer))
		return;
	cascade_rows_build(c->path, &c->shape, &f->permutation, i, f->bits, c->rows, &pass->rows);
	const uint64_t *mine = cascade_rows_top(&c->shape, i, c->rows, &pass->rows);
	memset(pass->candidates, 0, sizeof pass->candidates);
	pass->candidate_words = 0;
	f->parities += cascade_top_cost(&c->shape, i);
	f->passes_begun++;
	if (i == 0 && c->shape.pass[0].log_columns == 0) {
		f->stage = CASCADE_SWEEPS;
		if (!sweep_begin(f, c, mine, bits))
			sweep_end(f, c);
		return;
	}
	cascade_rows_to_columns(c->path, &c->shape, c->rows, NULL, pass->columns);
	tops_compare(f, c, i, mine, bits);
	go_on(f, c);
}

/* One level down in all columns: where the left child does not differ, the way goes right. */
static void sweep_learn(
	struct cascade_frame *f, const struct cascade_common *c, struct reader *answer)
{
	const struct cascade_shape *s = &c->shape;
	const uint32_t words = s->words, each = cascade_trail_words(s, CASCADE_LEVELS);
	const uint32_t tops = 1u << s->pass[0].top_level;
	const struct span bits = cascade_bits_decode(answer, (size_t)tops * words * 64);
	uint64_t theirs[CASCADE_TOP_WORDS_MAX], mine[CASCADE_WORDS_MAX];

	if (reader_failed(answer))
		return;
	memcpy(theirs, bits.at, bits.len);
	cascade_rows_build(c->path, s, &f->permutation, 0, f->bits, c->rows, NULL);
	for (uint32_t top = 0; top < tops; top++) {
		uint64_t *trail = f->trails + (size_t)top * each;
		uint64_t *right = trail + cascade_trail_words(s, f->level);
		cascade_rows_choose(c->path, s, c->rows, top, f->level, trail, mine);
		for (uint32_t w = 0; w < words; w++) {
			right[w] = trail[w] & ~(theirs[top * words + w] ^ mine[w]);
			f->parities += (unsigned)__builtin_popcountll(trail[w]);
		}
	}
	f->level++;
	if (f->level == CASCADE_LEVELS)
		sweep_end(f, c);
}

static void search_learn(
	struct cascade_frame *f, const struct cascade_common *c, struct reader *answer)
{
	const uint32_t count = f->node_count + f->group_count;
	const struct span bits = cascade_bits_decode(answer, count);

	if (reader_failed(answer))
		return;
	f->parities += count;
	cascade_search_learn(f, c, bits.at);
	if (f->node_count + f->group_count == 0)
		go_on(f, c);
}

/* Subsets. */

static const uint64_t *subset(const struct cascade_common *c, uint32_t number)
{
	return c->subsets + (size_t)number * frame_words(c);
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
		const bool mine =
			cascade_masked_parity(c->path, f->bits, subset(c, t), frame_words(c));
		f->subset_odd |= (uint32_t)(mine != (bits.at[t / 8] >> t % 8 & 1)) << t;
	}
	go_on(f, c);
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
static void halves_end(struct cascade_frame *f, const struct cascade_common *c)
{
	const uint32_t word = f->range_first;

	if (f->range_end - word > 1)
		return;
	if (f->word_mask == 0)
		f->word_mask = subset(c, subset_asked(f))[word];
	if (f->word_mask == 0) { /* nothing there can differ: answers contradict each other */
		f->has_failed = true;
		return;
	}
	if ((f->word_mask & (f->word_mask - 1)) != 0) {
		f->word_asked = lower_half(f->word_mask);
		return;
	}
	cascade_turn(f, c,
		(struct cascade_place){word / c->shape.words,
			word % c->shape.words * 64 + (uint32_t)__builtin_ctzll(f->word_mask)});
	go_on(f, c);
}

static void halves_learn(
	struct cascade_frame *f, const struct cascade_common *c, struct reader *answer)
{
	const struct span bits = cascade_bits_decode(answer, 1);
	const uint32_t middle = (f->range_first + f->range_end) / 2u;

	if (reader_failed(answer))
		return;
	f->parities++;
	if (f->range_end - f->range_first > 1) {
		const uint64_t *mask = subset(c, subset_asked(f)) + f->range_first;
		const bool mine = cascade_masked_parity(
			c->path, f->bits + f->range_first, mask, middle - f->range_first);
		if (mine != (bits.at[0] & 1))
			f->range_end = (uint16_t)middle;
		else
			f->range_first = (uint16_t)middle;
	} else {
		const bool mine = __builtin_parityll(f->bits[f->range_first] & f->word_asked);
		f->word_mask =
			mine != (bits.at[0] & 1) ? f->word_asked : f->word_mask & ~f->word_asked;
	}
	halves_end(f, c);
}

static uint64_t sweep_cost(const struct cascade_frame *f, const struct cascade_common *c)
{
	const uint32_t each = cascade_trail_words(&c->shape, CASCADE_LEVELS);
	uint64_t cost = 0;

	for (uint32_t top = 0; top < 1u << c->shape.pass[0].top_level; top++)
		for (uint32_t w = 0; w < c->shape.words; w++)
			cost += (unsigned)__builtin_popcountll(f->trails[top * each + w]);
	return cost;
}

/* Parities that the next question asks for. */
static uint64_t next_cost(const struct cascade_frame *f, const struct cascade_common *c)
{
	switch (f->stage) {
	case CASCADE_BEGINS:
		return cascade_top_cost(&c->shape, f->passes_begun);
	case CASCADE_SWEEPS:
		return sweep_cost(f, c);
	case CASCADE_SEARCHES:
		return f->node_count + f->group_count;
	case CASCADE_COMPARES:
		return CASCADE_SUBSETS_COUNT;
	case CASCADE_HALVES:
		return 1;
	case CASCADE_IS_DONE:
		break;
	}
	return 0;
}

/* Answers that contradict each other, or a frame with hardly anything in common, must not be worked on for ever. */
static bool is_beyond(const struct cascade_frame *f, const struct cascade_common *c)
{
	return f->rounds >= CASCADE_ROUNDS_MAX ||
	       f->parities + next_cost(f, c) > cascade_parities_max(&c->shape);
}

/* The face. */

void cascade_frame_learn(
	struct cascade_frame *f, const struct cascade_common *c, struct reader *answer)
{
	switch (f->stage) {
	case CASCADE_BEGINS:
		pass_learn(f, c, answer);
		break;
	case CASCADE_SWEEPS:
		sweep_learn(f, c, answer);
		break;
	case CASCADE_SEARCHES:
		search_learn(f, c, answer);
		break;
	case CASCADE_COMPARES:
		compare_learn(f, c, answer);
		break;
	case CASCADE_HALVES:
		halves_learn(f, c, answer);
		break;
	case CASCADE_IS_DONE:
		return;
	}
	f->rounds++;
	if (f->stage != CASCADE_IS_DONE && is_beyond(f, c))
		f->has_failed = true;
	if (f->has_failed)
		f->stage = CASCADE_IS_DONE;
}

static void ask_sweep(
	const struct cascade_frame *f, const struct cascade_common *c, struct writer *w)
{
	const uint32_t tops = 1u << c->shape.pass[0].top_level;
	const uint32_t each = cascade_trail_words(&c->shape, CASCADE_LEVELS);
	const uint32_t words = cascade_trail_words(&c->shape, f->level);
	const struct cascade_part part = {
		.kind = CASCADE_SWEEP, .level = f->level, .mask_words = (uint16_t)(tops * words)};

	cascade_part_encode(w, &part);
	for (uint32_t top = 0; top < tops; top++)
		cascade_words_encode(w, f->trails + (size_t)top * each, words);
}

static void ask_search(const struct cascade_frame *f, struct writer *w)
{
	const struct cascade_part part = {.kind = CASCADE_SEARCH,
		.pass = f->pass,
		.node_count = (uint16_t)f->node_count,
		.group_count = (uint16_t)f->group_count};

	/* Asked is the parity of the left child; the right one follows. */
	cascade_part_encode(w, &part);
	cascade_items_encode(w, f->nodes, f->node_count);
	cascade_items_encode(w, f->groups, f->group_count);
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

void cascade_frame_ask(
	const struct cascade_frame *f, const struct cascade_common *c, struct writer *w)
{
	struct cascade_part part = {0};

	switch (f->stage) {
	case CASCADE_BEGINS:
		part.kind = CASCADE_PASS;
		part.pass = f->passes_begun;
		break;
	case CASCADE_SWEEPS:
		ask_sweep(f, c, w);
		return;
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
