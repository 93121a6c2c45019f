// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ldpc.h"
#include "base/secret.h"
#include "codec/qkd_ldpc.h"
#include "ldpc_decode.h"
#include <string.h>

enum {
	FRAMES_MAX = RECONCILE_BITS_MAX / LDPC_FRAME_BITS_MAX,
	/* A later question asks for so many parts of the rows, more after a dozen. */
	STEP_PARTS_SHORT = 40,
	STEP_PARTS_LONG = 80,
	STEPS_EVEN = 12,
	STEP_DOUBLINGS_MAX = 3,
	CODES_KEPT = 8,
	COLUMNS_STEP = 8,
};

#define NO_FRAME UINT32_MAX

/* Bob: a frame in work. */
struct slot {
	uint32_t frame; /* NO_FRAME: free */
	uint32_t told, questions;
	bool is_waiting;
	struct ldpc_frame decoder;
};

struct ldpc {
	struct secret memory;
	struct reconcile_settings settings;
	struct key_words key;
	double qber;
	uint32_t frames, frame_words, frames_begun, frames_done;
	uint32_t slot_count;
	struct slot slots[LDPC_SLOTS];
	/* Bob: slots whose answers are awaited, oldest first. */
	uint32_t waiting[LDPC_SLOTS], waiting_from, waiting_count;
	/* Alice: units told and questions answered, of each frame. */
	uint16_t told[FRAMES_MAX], questions[FRAMES_MAX];
	struct reconcile_account account;
	uint64_t *scratch; /* words of a frame, zeros behind the key's end */
	/* Making a code takes as long as decoding a frame, and expected error rates come again: the newest codes are kept. */
	struct ldpc_code codes[CODES_KEPT];
	uint32_t code_next;
	struct ldpc_growth *growth;
	const struct ldpc_code *code; /* of this key */
};

static struct ldpc *of(const struct reconcile *r)
{
	return (struct ldpc *)(uintptr_t)r;
}

struct ldpc_cut ldpc_cut_of(uint32_t bits)
{
	const uint32_t words = (bits + 63) / 64;
	struct ldpc_cut c = {.frames = (bits + LDPC_FRAME_BITS_MAX - 1) / LDPC_FRAME_BITS_MAX};

	c.frame_words = (words + c.frames - 1) / c.frames;
	c.lifts = (c.frame_words + LDPC_COLUMNS_MAX - 1) / LDPC_COLUMNS_MAX;
	/* A few columns of zeros at the end: keys of nearly one length share a code. */
	c.columns = (c.frame_words + c.lifts - 1) / c.lifts;
	c.columns = (c.columns + COLUMNS_STEP - 1) / COLUMNS_STEP * COLUMNS_STEP;
	return c;
}

bool ldpc_can_do(uint32_t key_bits, double qber)
{
	if (key_bits < LDPC_KEY_BITS_MIN || key_bits > RECONCILE_BITS_MAX ||
		!(qber >= 0 && qber <= 0.5))
		return false;
	const struct ldpc_cut cut = ldpc_cut_of(key_bits);
	return ldpc_rows_for(cut.frame_words, cut.lifts, qber) > 0;
}

bool ldpc_is_fast(void)
{
	return ldpc_best() != LDPC_PORTABLE;
}

/* Memory. No key up to the longest needs more than its longest frame does. */

struct parts {
	size_t growth_at, scratch_at, slots_at, slot_octets, octets;
	uint32_t slots, columns, lifts;
};

static struct parts parts_of(const struct reconcile_settings *settings)
{
	const uint32_t bits = settings->key_bits_max < LDPC_FRAME_BITS_MAX ? settings->key_bits_max
									   : LDPC_FRAME_BITS_MAX;
	const struct ldpc_cut cut = ldpc_cut_of(bits);
	struct parts p = {.columns = LDPC_COLUMNS_MAX, .lifts = cut.lifts};

	p.slots = settings->frames_in_flight < LDPC_SLOTS ? settings->frames_in_flight : LDPC_SLOTS;
	if (p.slots > (settings->key_bits_max + bits - 1) / bits)
		p.slots = (settings->key_bits_max + bits - 1) / bits;
	p.growth_at = (sizeof(struct ldpc) + 63) / 64 * 64;
	p.scratch_at = p.growth_at + ldpc_growth_octets();
	p.slots_at = p.scratch_at + (size_t)p.columns * p.lifts * sizeof(uint64_t);
	p.slot_octets = settings->is_bob ? ldpc_frame_octets(p.columns, p.lifts) : 0;
	p.octets = p.slots_at + p.slots * p.slot_octets;
	return p;
}

size_t ldpc_octets(const struct reconcile_settings *settings)
{
	return parts_of(settings).octets;
}

struct err ldpc_open_by(
	enum ldpc_path path, struct reconcile **out, const struct reconcile_settings *settings)
{
	struct secret memory;

	if (settings->frames_in_flight < 1 || settings->frames_in_flight > RECONCILE_FRAMES_MAX ||
		settings->key_bits_max < 1 || settings->key_bits_max > RECONCILE_BITS_MAX)
		return ERR(INPUT);
	const struct parts parts = parts_of(settings);
	struct err e = secret_open(&memory, parts.octets);
	if (failed(e))
		return e;
	struct ldpc *l = (struct ldpc *)(void *)memory.bytes;
	l->memory = memory;
	l->settings = *settings;
	l->scratch = (uint64_t *)(void *)(memory.bytes + parts.scratch_at);
	l->slot_count = parts.slots;
	l->code = &l->codes[0];
	l->growth = (struct ldpc_growth *)(void *)(memory.bytes + parts.growth_at);
	for (uint32_t i = 0; settings->is_bob && i < parts.slots; i++)
		ldpc_frame_place(&l->slots[i].decoder,
			memory.bytes + parts.slots_at + i * parts.slot_octets, parts.columns,
			parts.lifts, path);
	*out = (struct reconcile *)(void *)l;
	return OK;
}

static struct err open_mode(struct reconcile **out, const struct reconcile_settings *settings)
{
	return ldpc_open_by(ldpc_best(), out, settings);
}

static void close_mode(struct reconcile *r)
{
	if (r == NULL)
		return;
	struct secret memory = of(r)->memory;
	secret_close(&memory);
}

/* Frames of the key. */

static uint64_t *frame_words(const struct ldpc *l, uint32_t frame, uint32_t *count)
{
	const uint32_t all = (l->key.bits + 63) / 64, from = frame * l->frame_words;
	const uint32_t left = from < all ? all - from : 0;

	*count = left < l->frame_words ? left : l->frame_words;
	return l->key.words + from;
}

static uint32_t frame_bits(const struct ldpc *l, uint32_t frame)
{
	const uint32_t from = frame * l->frame_words * 64, each = l->frame_words * 64;
	const uint32_t left = from < l->key.bits ? l->key.bits - from : 0;

	return left < each ? left : each;
}

static void scratch_load(struct ldpc *l, uint32_t frame)
{
	uint32_t words;
	const uint64_t *from = frame_words(l, frame, &words);

	memset(l->scratch, 0, (size_t)l->code->columns * l->code->lifts * sizeof *l->scratch);
	memcpy(l->scratch, from, words * sizeof *from);
}

/* The sums of a unit of the frame in the scratch: `lifts` words. */
static void unit_sum(const struct ldpc *l, uint32_t unit, uint64_t *sums)
{
	const bool is_half = unit >= l->code->rows;

	ldpc_row_sums(l->code, is_half ? unit - l->code->rows : unit, is_half, l->scratch, sums);
}

static void scratch_wipe(struct ldpc *l)
{
	secret_wipe(l->scratch, (size_t)l->code->columns * l->code->lifts * sizeof *l->scratch);
}

static void slot_take(struct ldpc *l, struct slot *s)
{
	s->is_waiting = false;
	s->told = s->questions = 0;
	s->frame = NO_FRAME;
	if (l->frames_begun == l->frames)
		return;
	s->frame = l->frames_begun++;
	ldpc_frame_begin(&s->decoder, l->code, frame_bits(l, s->frame), l->qber);
}

/* What a key that was given up left behind, under its code. */
static void slots_wipe(struct ldpc *l)
{
	for (uint32_t i = 0; l->settings.is_bob && i < l->slot_count; i++)
		if (l->slots[i].frame != NO_FRAME)
			ldpc_frame_wipe(&l->slots[i].decoder, l->code);
}

static const struct ldpc_code *code_for(struct ldpc *l, const struct ldpc_cut *cut, uint32_t rows)
{
	for (uint32_t i = 0; i < CODES_KEPT; i++) {
		const struct ldpc_code *c = &l->codes[i];
		if (c->columns == cut->columns && c->lifts == cut->lifts && c->rows == rows)
			return c;
	}
	struct ldpc_code *made = &l->codes[l->code_next++ % CODES_KEPT];
	ldpc_code_make(made, l->growth, cut->columns, cut->lifts, rows);
	return made;
}

static struct err begin(struct reconcile *r, struct key_words key, double qber,
	const uint8_t seed[static RECONCILE_SEED])
{
	struct ldpc *l = of(r);

	/* Nothing is permuted: who plants errors where a code is weak stops a block, as who plants many does, and verification sees it. */
	(void)seed;
	if (key.bits > l->settings.key_bits_max || !ldpc_can_do(key.bits, qber))
		return ERR(INPUT);
	const struct ldpc_cut cut = ldpc_cut_of(key.bits);
	const uint32_t rows = ldpc_rows_for(cut.frame_words, cut.lifts, qber);
	slots_wipe(l);
	l->code = code_for(l, &cut, rows);
	l->key = key;
	l->qber = qber;
	l->frames = cut.frames;
	l->frame_words = cut.frame_words;
	l->frames_begun = l->frames_done = 0;
	l->waiting_from = l->waiting_count = 0;
	l->account = (struct reconcile_account){.frames = cut.frames};
	memset(l->told, 0, sizeof l->told);
	memset(l->questions, 0, sizeof l->questions);
	for (uint32_t i = 0; l->settings.is_bob && i < l->slot_count; i++)
		slot_take(l, &l->slots[i]);
	return OK;
}

static void questions_count(struct ldpc *l, uint32_t questions, uint32_t units)
{
	l->account.parities += (uint64_t)units * l->code->lifts * LDPC_LANES;
	l->account.answers++;
	if (questions > l->account.rounds)
		l->account.rounds = questions;
}

/* Bob. */

/* How many units to ask for: the whole rows at first, then few, then more. */
static uint32_t units_wanted(const struct ldpc *l, const struct slot *s)
{
	const uint32_t rows = l->code->rows, left = 2 * rows - s->told;
	const uint32_t parts =
		l->code->lifts < LDPC_LIFTS_MAX / 2 ? STEP_PARTS_SHORT : STEP_PARTS_LONG;

	if (s->told == 0)
		return rows;
	uint32_t doublings = s->questions > STEPS_EVEN ? s->questions - STEPS_EVEN : 0;
	if (doublings > STEP_DOUBLINGS_MAX)
		doublings = STEP_DOUBLINGS_MAX;
	const uint32_t step = ((rows + parts - 1) / parts) << doublings;
	return step < left ? step : left;
}

static bool ask(struct reconcile *r, struct writer *question)
{
	struct ldpc *l = of(r);

	for (uint32_t i = 0; i < l->slot_count; i++) {
		struct slot *s = &l->slots[i];
		if (s->frame == NO_FRAME || s->is_waiting)
			continue;
		const struct ldpc_question q = {.frame = (uint16_t)s->frame,
			.first = (uint16_t)s->told,
			.count = (uint16_t)units_wanted(l, s)};
		ldpc_question_encode(question, &q);
		s->is_waiting = true;
		l->waiting[(l->waiting_from + l->waiting_count++) % LDPC_SLOTS] = i;
		return true;
	}
	return false;
}

/* Alice's syndrome and Bob's own make that of the errors. */
static struct err syndrome_take(struct ldpc *l, struct slot *s, uint32_t units, struct span answer)
{
	uint64_t *to = s->decoder.syndrome + (size_t)s->told * l->code->lifts;
	uint64_t sums[LDPC_LIFTS_MAX];
	struct wire_fault fault = {0};
	struct err e = ldpc_words_decode(answer, to, (size_t)units * l->code->lifts, &fault);

	scratch_load(l, s->frame);
	for (uint32_t i = 0; !failed(e) && i < units; i++) {
		unit_sum(l, s->told + i, sums);
		for (uint32_t q = 0; q < l->code->lifts; q++)
			to[(size_t)i * l->code->lifts + q] ^= sums[q];
	}
	secret_wipe(sums, sizeof sums);
	scratch_wipe(l);
	return e;
}

static void errors_turn(struct ldpc *l, const struct slot *s)
{
	uint32_t words;
	uint64_t *key = frame_words(l, s->frame, &words);

	for (uint32_t i = 0; i < words; i++) {
		key[i] ^= s->decoder.words[i];
		l->account.corrected += (uint64_t)__builtin_popcountll(s->decoder.words[i]);
	}
}

static enum qkd_abort learn(struct reconcile *r, struct span answer)
{
	struct ldpc *l = of(r);

	if (l->waiting_count == 0)
		return QKD_PROTOCOL;
	struct slot *s = &l->slots[l->waiting[l->waiting_from]];
	const uint32_t units = units_wanted(l, s);
	l->waiting_from = (l->waiting_from + 1) % LDPC_SLOTS;
	l->waiting_count--;
	s->is_waiting = false;
	if (failed(syndrome_take(l, s, units, answer)))
		return QKD_PROTOCOL;
	s->told += units;
	questions_count(l, ++s->questions, units);
	s->decoder.split = s->told - l->code->rows;
	const bool is_right = ldpc_frame_run(&s->decoder, l->code);
	if (is_right)
		errors_turn(l, s);
	if (is_right || s->told == 2 * l->code->rows) {
		l->frames_done++;
		l->account.frames_failed += !is_right;
		ldpc_frame_wipe(&s->decoder, l->code);
		slot_take(l, s);
	}
	return QKD_GOES_ON;
}

static bool is_done(const struct reconcile *r)
{
	const struct ldpc *l = of(r);

	return l->frames_done == l->frames;
}

static struct reconcile_account account(const struct reconcile *r)
{
	return of(r)->account;
}

/* Of a frame that is done nothing is left anyway. */
static void forget(struct reconcile *r)
{
	struct ldpc *l = of(r);

	slots_wipe(l);
	for (uint32_t i = 0; i < l->slot_count; i++)
		l->slots[i].frame = NO_FRAME;
	l->key = (struct key_words){0};
	l->frames = l->frames_begun = l->frames_done = l->waiting_count = 0;
}

/* Alice. Whole rows are asked for at once, and each unit once, in order: nothing else is answered. */
static bool is_fair(const struct ldpc *l, const struct ldpc_question *q)
{
	const uint32_t rows = l->code->rows;

	if (q->frame >= l->frames || q->first != l->told[q->frame])
		return false;
	return q->first == 0 ? q->count == rows : q->first + q->count <= 2 * rows;
}

static enum qkd_abort answer(struct reconcile *r, struct span question, struct writer *w)
{
	struct ldpc *l = of(r);
	struct wire_fault fault = {0};
	struct ldpc_question q;
	uint64_t sums[LDPC_LIFTS_MAX];
	const size_t start = w->len;

	if (failed(ldpc_question_decode(question, &q, &fault)) || !is_fair(l, &q))
		return QKD_PROTOCOL;
	scratch_load(l, q.frame);
	for (uint32_t i = 0; i < q.count; i++) {
		unit_sum(l, q.first + i, sums);
		ldpc_words_encode(w, sums, l->code->lifts);
	}
	scratch_wipe(l);
	if (w->is_full) {
		w->len = start;
		return QKD_PROTOCOL;
	}
	l->told[q.frame] = (uint16_t)(q.first + q.count);
	questions_count(l, ++l->questions[q.frame], q.count);
	return QKD_GOES_ON;
}

const struct reconciler reconciler_ldpc = {
	.word = "ldpc",
	.open = open_mode,
	.close = close_mode,
	.begin = begin,
	.ask = ask,
	.answer = answer,
	.learn = learn,
	.is_done = is_done,
	.account = account,
	.forget = forget,
};
