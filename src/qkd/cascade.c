// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade.h"
#include "base/secret.h"
#include "cascade_frame.h"
#include <assert.h>

#define NO_BATCH UINT32_MAX
enum { NODES_MAX = CASCADE_PLANES };

struct alice_frame {
	uint32_t passes_begun;
	uint64_t parities;
	bool is_done;
	uint64_t bits[CASCADE_PLANES * CASCADE_WORDS_MAX];
	struct cascade_column_parities columns[CASCADE_PASSES][CASCADE_COLUMNS_MAX];
	struct cascade_rows rows[CASCADE_PASSES];
};

struct bob_frame {
	bool is_told; /* Alice knows that it is done */
	struct cascade_frame search;
};

/* A batch in work. */
struct slot {
	uint32_t batch, frame_count; /* NO_BATCH: none */
	bool is_waiting;             /* Bob: for an answer */
	uint64_t rounds;
	struct cascade_permutation permutation;
};

struct cascade {
	struct secret memory;
	struct reconcile_settings settings;
	uint32_t batch_frames, slot_count;
	struct cascade_common common;
	struct key_words key;
	uint64_t permutation_seed;
	uint32_t batch_count, batches_begun, batches_done;
	struct slot slots[RECONCILE_QUESTIONS_MAX];
	/* Bob: slots whose answers are awaited, oldest first. */
	uint32_t waiting[RECONCILE_QUESTIONS_MAX], waiting_from, waiting_count, next_slot;
	struct reconcile_account account;
	struct alice_frame *alice; /* slot_count * batch_frames of one of these */
	struct bob_frame *bob;
	uint64_t top[CASCADE_TOP_WORDS_MAX]; /* Alice */
};

static struct cascade *of(const struct reconcile *r)
{
	return (struct cascade *)(uintptr_t)r;
}

/* Memory. */

struct parts {
	uint32_t batch_frames, slot_count;
	size_t scratch_at, subsets_at, frames_at, octets;
};

static size_t aligned(size_t at)
{
	return (at + 63) / 64 * 64;
}

/* At least two batches where there are two frames: one is worked on while the other's answers travel. */
static struct parts parts_of(const struct reconcile_settings *settings)
{
	const uint32_t frames = settings->frames_in_flight;
	const size_t one_frame =
		settings->is_bob ? sizeof(struct bob_frame) : sizeof(struct alice_frame);
	struct parts p = {.batch_frames = CASCADE_BATCH_FRAMES};

	if (frames < 2 * CASCADE_BATCH_FRAMES)
		p.batch_frames = (frames + 1) / 2;
	p.slot_count = (frames + p.batch_frames - 1) / p.batch_frames;
	p.scratch_at = aligned(sizeof(struct cascade));
	p.subsets_at = p.scratch_at + sizeof(struct cascade_scratch);
	p.frames_at =
		aligned(p.subsets_at + (size_t)CASCADE_SUBSETS_COUNT * CASCADE_FRAME_BITS_MAX / 8);
	p.octets = p.frames_at + one_frame * p.slot_count * p.batch_frames;
	return p;
}

size_t cascade_octets(const struct reconcile_settings *settings)
{
	return parts_of(settings).octets;
}

static struct err open_mode(struct reconcile **out, const struct reconcile_settings *settings)
{
	struct secret memory;

	if (settings->frames_in_flight < 1 || settings->frames_in_flight > 1024 ||
		settings->key_bits_max < 1 || settings->key_bits_max > RECONCILE_BITS_MAX)
		return ERR(INPUT);
	const struct parts parts = parts_of(settings);
	struct err e = secret_open(&memory, parts.octets);
	if (failed(e))
		return e;
	struct cascade *c = (struct cascade *)(void *)memory.bytes;
	c->memory = memory;
	c->settings = *settings;
	c->batch_frames = parts.batch_frames;
	c->slot_count = parts.slot_count;
	c->common.path = cascade_best();
	c->common.scratch = (struct cascade_scratch *)(void *)(memory.bytes + parts.scratch_at);
	c->common.subsets = (uint64_t *)(void *)(memory.bytes + parts.subsets_at);
	if (settings->is_bob)
		c->bob = (struct bob_frame *)(void *)(memory.bytes + parts.frames_at);
	else
		c->alice = (struct alice_frame *)(void *)(memory.bytes + parts.frames_at);
	*out = (struct reconcile *)(void *)c;
	return OK;
}

static void close_mode(struct reconcile *r)
{
	if (r == NULL)
		return;
	struct secret memory = of(r)->memory;
	secret_close(&memory);
}

/* Frames of the key. */

static struct span_mut frame_words(const struct cascade *c, uint32_t frame, uint64_t **words)
{
	const size_t each = c->common.shape.frame_bits / 64, all = (c->key.bits + 63) / 64;
	const size_t first = frame * each, left = all - first;

	*words = c->key.words + first;
	return span_mut_of((uint8_t *)*words, (left < each ? left : each) * 8);
}

/* The last frame is filled up with zeros, which both ends know. */
static void frame_load(const struct cascade *c, uint32_t frame, uint64_t *bits)
{
	uint64_t *words;
	const struct span_mut part = frame_words(c, frame, &words);

	memcpy(bits, words, part.len);
	memset(bits + part.len / 8, 0, c->common.shape.frame_bits / 8 - part.len);
}

static void frame_save(const struct cascade *c, uint32_t frame, const uint64_t *bits)
{
	uint64_t *words;
	const struct span_mut part = frame_words(c, frame, &words);

	memcpy(words, bits, part.len);
	if (frame + 1 == c->common.shape.frames && c->key.bits % 64 != 0)
		words[part.len / 8 - 1] &= ((uint64_t)1 << c->key.bits % 64) - 1;
}

static uint64_t mixed(uint64_t seed, uint32_t batch)
{
	struct cascade_random r = cascade_random_of(seed ^ batch * UINT64_C(0xd1342543de82ef95));

	return cascade_random_next(&r);
}

static void slot_begin(struct cascade *c, struct slot *slot, uint32_t batch)
{
	const uint32_t first = batch * c->batch_frames, left = c->common.shape.frames - first;

	slot->batch = batch;
	slot->frame_count = left < c->batch_frames ? left : c->batch_frames;
	slot->is_waiting = false;
	cascade_permutation_draw(
		&slot->permutation, &c->common.shape, mixed(c->permutation_seed, batch));
	for (uint32_t i = 0; i < slot->frame_count; i++) {
		const size_t at = (size_t)(slot - c->slots) * c->batch_frames + i;
		if (c->settings.is_bob) {
			c->bob[at].is_told = false;
			frame_load(c, first + i, c->bob[at].search.bits);
			cascade_frame_begin(&c->bob[at].search);
		} else {
			c->alice[at].is_done = false;
			c->alice[at].passes_begun = 0;
			c->alice[at].parities = 0;
			frame_load(c, first + i, c->alice[at].bits);
		}
	}
}

static void slot_next(struct cascade *c, struct slot *slot)
{
	slot->batch = NO_BATCH;
	if (c->batches_begun < c->batch_count)
		slot_begin(c, slot, c->batches_begun++);
}

static struct err begin(struct reconcile *r, struct key_words key, double qber,
	const uint8_t seed[static RECONCILE_SEED])
{
	struct cascade *c = of(r);
	uint64_t halves[2];

	if (key.bits < 1 || key.bits > c->settings.key_bits_max || !(qber >= 0 && qber <= 0.5))
		return ERR(INPUT);
	memcpy(halves, seed, sizeof halves);
	c->key = key;
	c->permutation_seed = halves[0];
	c->common.shape = cascade_shape_of(key.bits, qber);
	cascade_common_begin(&c->common, halves[1]);
	c->batch_count = (c->common.shape.frames + c->batch_frames - 1) / c->batch_frames;
	c->batches_begun = c->batches_done = 0;
	c->waiting_from = c->waiting_count = c->next_slot = 0;
	c->account = (struct reconcile_account){.frames = c->common.shape.frames};
	for (uint32_t i = 0; i < c->slot_count; i++) {
		c->slots[i] = (struct slot){.batch = NO_BATCH};
		if (c->settings.is_bob)
			slot_next(c, &c->slots[i]);
	}
	return OK;
}

/* Bob. */

static void question_write(struct cascade *c, const struct slot *slot, struct writer *w)
{
	struct bob_frame *frames = c->bob + (size_t)(slot - c->slots) * c->batch_frames;

	writer_u32(w, slot->batch);
	for (uint32_t i = 0; i < slot->frame_count; i++) {
		if (frames[i].is_told)
			continue;
		frames[i].is_told = frames[i].search.stage == CASCADE_IS_DONE;
		cascade_frame_ask(&frames[i].search, w);
	}
}

static bool ask(struct reconcile *r, struct writer *question)
{
	struct cascade *c = of(r);

	for (uint32_t i = 0; i < c->slot_count; i++) {
		const uint32_t at = (c->next_slot + i) % c->slot_count;
		struct slot *slot = &c->slots[at];
		if (slot->batch == NO_BATCH || slot->is_waiting)
			continue;
		question_write(c, slot, question);
		slot->is_waiting = true;
		slot->rounds++;
		c->waiting[(c->waiting_from + c->waiting_count++) % RECONCILE_QUESTIONS_MAX] = at;
		c->next_slot = at + 1;
		return true;
	}
	return false;
}

static void batch_finish(struct cascade *c, struct slot *slot)
{
	const struct bob_frame *frames = c->bob + (size_t)(slot - c->slots) * c->batch_frames;

	for (uint32_t i = 0; i < slot->frame_count; i++) {
		const struct cascade_frame *f = &frames[i].search;
		frame_save(c, slot->batch * c->batch_frames + i, f->bits);
		c->account.corrected += f->corrected;
		c->account.frames_failed += f->has_failed;
	}
	if (slot->rounds > c->account.rounds)
		c->account.rounds = slot->rounds;
	c->batches_done++;
	slot_next(c, slot);
}

static enum qkd_abort learn(struct reconcile *r, struct span answer)
{
	struct cascade *c = of(r);
	struct wire_fault fault = {0};
	struct reader reader = cascade_answer_reader(answer, &fault);
	bool are_told = true;

	if (c->waiting_count == 0)
		return QKD_PROTOCOL;
	struct slot *slot = &c->slots[c->waiting[c->waiting_from]];
	struct bob_frame *frames = c->bob + (size_t)(slot - c->slots) * c->batch_frames;
	c->waiting_from = (c->waiting_from + 1) % RECONCILE_QUESTIONS_MAX;
	c->waiting_count--;
	slot->is_waiting = false;
	for (uint32_t i = 0; i < slot->frame_count; i++) {
		struct cascade_frame *f = &frames[i].search;
		const uint64_t before = f->parities;
		if (frames[i].is_told)
			continue;
		are_told = false;
		cascade_frame_learn(f, &c->common, &slot->permutation, &reader);
		c->account.parities += f->parities - before;
		c->account.answers += f->parities - before;
	}
	reader_end(&reader, "answer");
	if (failed(wire_result(&fault)))
		return QKD_PROTOCOL;
	if (are_told)
		batch_finish(c, slot);
	return QKD_GOES_ON;
}

static bool is_done(const struct reconcile *r)
{
	return of(r)->batches_done == of(r)->batch_count;
}

static struct reconcile_account account(const struct reconcile *r)
{
	return of(r)->account;
}

/* Alice. A question that an honest Bob does not ask is answered by nothing, and nothing is wrong with the answer before it. */

static void answer_pass(struct cascade *c, const struct slot *slot, struct alice_frame *f,
	const struct cascade_part *part, struct writer *w)
{
	const uint32_t pass = part->pass, count = cascade_top_count(&c->common.shape, pass);

	cascade_table_build(c->common.path, &c->common.shape, &slot->permutation, pass, f->bits,
		c->common.scratch, f->columns[pass], sizeof f->columns[pass][0], &f->rows[pass],
		c->top);
	f->passes_begun++;
	uint8_t *bits = cascade_bits_room(w, count);
	if (bits == NULL)
		return;
	for (size_t i = 0; i < (count + 7) / 8; i++)
		bits[i] = (uint8_t)(c->top[i / 8] >> i % 8 * 8);
	if (count % 8 != 0)
		bits[count / 8] &= (uint8_t)((1 << count % 8) - 1);
}

static bool answer_search(const struct cascade *c, const struct alice_frame *f,
	const struct cascade_part *part, struct writer *w)
{
	const struct cascade_shape *s = &c->common.shape;
	const struct cascade_pass_shape *pass = &s->pass[part->pass];
	uint8_t *bits = cascade_bits_room(w, part->node_count + part->group_count);
	bool is_fair = bits != NULL;

	for (uint32_t i = 0; is_fair && i < part->node_count; i++) {
		const struct cascade_node at = cascade_node_at(part, i);
		const unsigned left = 2u * at.node;
		is_fair = at.node >= 1 && at.node < NODES_MAX && at.column < s->columns;
		if (is_fair)
			bits[i / 8] |= (uint8_t)((f->columns[part->pass][at.column].at[left / 64] >>
								 left % 64 &
							 1)
						 << i % 8);
	}
	for (uint32_t i = 0; is_fair && i < part->group_count; i++) {
		const struct cascade_group at = cascade_group_at(part, i);
		const uint32_t k = part->node_count + i;
		is_fair = at.depth < pass->log_columns && at.index < (uint32_t)pass->blocks
									     << at.depth;
		if (is_fair)
			bits[k / 8] |= (uint8_t)(cascade_bit(f->rows[part->pass].at[at.depth + 1],
							 at.index)
						 << k % 8);
	}
	return is_fair;
}

static void answer_bit(struct writer *w, bool bit)
{
	writer_u8(w, bit);
}

static void answer_subsets(const struct cascade *c, const struct alice_frame *f, struct writer *w)
{
	uint8_t *bits = cascade_bits_room(w, CASCADE_SUBSETS_COUNT);

	for (uint32_t t = 0; bits != NULL && t < CASCADE_SUBSETS_COUNT; t++)
		bits[t / 8] |= (uint8_t)(cascade_subset_parity(&c->common, f->bits, t, 0,
						 c->common.shape.frame_bits / 64)
					 << t % 8);
}

/* Parities that the part asks for, or none where it asks for what there is not. */
static uint32_t part_cost(
	const struct cascade *c, const struct alice_frame *f, const struct cascade_part *part)
{
	const uint32_t words = c->common.shape.frame_bits / 64;

	switch (part->kind) {
	case CASCADE_PASS:
		return part->pass == f->passes_begun && part->pass < CASCADE_PASSES
			       ? cascade_top_count(&c->common.shape, part->pass)
			       : 0;
	case CASCADE_SEARCH:
		return part->pass < f->passes_begun ? part->node_count + part->group_count : 0u;
	case CASCADE_SUBSETS:
		return CASCADE_SUBSETS_COUNT;
	case CASCADE_RANGE:
		return part->subset < CASCADE_SUBSETS_COUNT && part->end <= words;
	case CASCADE_WORD:
		return part->word < words;
	case CASCADE_DONE:
		break;
	}
	return 0;
}

static bool answer_part(struct cascade *c, const struct slot *slot, struct alice_frame *f,
	const struct cascade_part *part, struct writer *w)
{
	const uint32_t cost = part_cost(c, f, part);

	if (part->kind == CASCADE_DONE) {
		f->is_done = true;
		c->account.frames_failed += part->has_failed;
		return true;
	}
	if (cost == 0 || f->parities + cost > cascade_parities_max(&c->common.shape))
		return false;
	f->parities += cost;
	c->account.parities += cost;
	c->account.answers += cost;
	switch (part->kind) {
	case CASCADE_PASS:
		answer_pass(c, slot, f, part, w);
		return true;
	case CASCADE_SEARCH:
		return answer_search(c, f, part, w);
	case CASCADE_SUBSETS:
		answer_subsets(c, f, w);
		return true;
	case CASCADE_RANGE:
		answer_bit(w, cascade_subset_parity(
				      &c->common, f->bits, part->subset, part->first, part->end));
		return true;
	case CASCADE_WORD:
		answer_bit(w, __builtin_parityll(f->bits[part->word] & part->mask));
		return true;
	case CASCADE_DONE:
		break;
	}
	return false;
}

/* The slot of a batch; one that is new takes the slot of a batch that is done. */
static struct slot *slot_of(struct cascade *c, uint32_t batch)
{
	struct slot *free_slot = NULL;

	for (uint32_t i = 0; i < c->slot_count; i++) {
		if (c->slots[i].batch == batch && batch != NO_BATCH)
			return &c->slots[i];
		if (c->slots[i].batch == NO_BATCH)
			free_slot = &c->slots[i];
	}
	if (batch != c->batches_begun || batch >= c->batch_count || free_slot == NULL)
		return NULL;
	slot_begin(c, free_slot, c->batches_begun++);
	return free_slot;
}

static enum qkd_abort answer(struct reconcile *r, struct span question, struct writer *w)
{
	struct cascade *c = of(r);
	struct wire_fault fault = {0};
	uint32_t batch;
	struct reader reader = cascade_question_reader(question, &batch, &fault);
	struct slot *slot = reader_failed(&reader) ? NULL : slot_of(c, batch);
	const size_t start = w->len;
	bool is_fair = slot != NULL, are_done = true;

	for (uint32_t i = 0; is_fair && i < slot->frame_count; i++) {
		struct alice_frame *f = c->alice + (size_t)(slot - c->slots) * c->batch_frames + i;
		struct cascade_part part;
		if (!f->is_done)
			is_fair = cascade_part_decode(&reader, &part) &&
				  answer_part(c, slot, f, &part, w);
		are_done = are_done && f->is_done;
	}
	reader_end(&reader, "question");
	if (!is_fair || failed(wire_result(&fault)) || w->is_full) {
		w->len = start;
		return QKD_PROTOCOL;
	}
	slot->rounds++;
	if (slot->rounds > c->account.rounds)
		c->account.rounds = slot->rounds;
	if (are_done) {
		slot->batch = NO_BATCH;
		c->batches_done++;
	}
	return QKD_GOES_ON;
}

const struct reconciler reconciler_cascade = {
	.word = "cascade",
	.open = open_mode,
	.close = close_mode,
	.begin = begin,
	.ask = ask,
	.answer = answer,
	.learn = learn,
	.is_done = is_done,
	.account = account,
};
