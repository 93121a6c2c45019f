// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade.h"
#include "base/secret.h"
#include "cascade_alice.h"
#include <assert.h>

#define NO_FRAME UINT32_MAX

struct seat {
	uint32_t frame; /* NO_FRAME: nobody sits there */
};

/* Frames that share their messages. */
struct lane {
	struct seat seats[CASCADE_LANE_FRAMES];
	uint32_t seated;
	bool is_waiting; /* Bob: for an answer */
	uint64_t rounds;
};

struct cascade {
	struct secret memory;
	struct reconcile_settings settings;
	uint32_t lane_count, lane_seats;
	struct cascade_common common;
	struct key_words key;
	uint64_t permutation_seed;
	uint32_t frames_begun, frames_done;
	struct lane lanes[RECONCILE_QUESTIONS_MAX];
	/* Bob: lanes whose answers are awaited, oldest first. */
	uint32_t waiting[RECONCILE_QUESTIONS_MAX], waiting_from, waiting_count, next_lane;
	struct reconcile_account account;
	struct cascade_alice *alice; /* lane_count * lane_seats of one of these */
	struct cascade_frame *bob;
};

static struct cascade *of(const struct reconcile *r)
{
	return (struct cascade *)(uintptr_t)r;
}

/* Memory. */

struct parts {
	uint32_t lane_seats, lane_count;
	size_t rows_at, known_at, subsets_at, frames_at, octets;
};

static size_t aligned(size_t at)
{
	return (at + 63) / 64 * 64;
}

static size_t frame_octets(const struct reconcile_settings *settings)
{
	return aligned(
		settings->is_bob ? sizeof(struct cascade_frame) : sizeof(struct cascade_alice));
}

/* At least two lanes where there are two frames: one is worked on while the other's answers travel. */
static struct parts parts_of(const struct reconcile_settings *settings)
{
	const uint32_t frames = settings->frames_in_flight;
	struct parts p = {.lane_seats = CASCADE_LANE_FRAMES};

	if (frames < 2 * CASCADE_LANE_FRAMES)
		p.lane_seats = (frames + 1) / 2;
	p.lane_count = (frames + p.lane_seats - 1) / p.lane_seats;
	p.rows_at = aligned(sizeof(struct cascade));
	p.known_at = p.rows_at + sizeof(struct cascade_rows);
	p.subsets_at = p.known_at + sizeof(struct cascade_rows);
	p.frames_at =
		aligned(p.subsets_at + (size_t)CASCADE_SUBSETS_COUNT * CASCADE_FRAME_BITS_MAX / 8);
	p.octets = p.frames_at + frame_octets(settings) * p.lane_count * p.lane_seats;
	return p;
}

size_t cascade_octets(const struct reconcile_settings *settings)
{
	return parts_of(settings).octets;
}

struct err cascade_open_by(
	enum cascade_path path, struct reconcile **out, const struct reconcile_settings *settings)
{
	struct secret memory;

	if (settings->frames_in_flight < 1 || settings->frames_in_flight > RECONCILE_FRAMES_MAX ||
		settings->key_bits_max < 1 || settings->key_bits_max > RECONCILE_BITS_MAX)
		return ERR(INPUT);
	const struct parts parts = parts_of(settings);
	struct err e = secret_open(&memory, parts.octets);
	if (failed(e))
		return e;
	struct cascade *c = (struct cascade *)(void *)memory.bytes;
	c->memory = memory;
	c->settings = *settings;
	c->lane_seats = parts.lane_seats;
	c->lane_count = parts.lane_count;
	c->common.path = path;
	c->common.rows = (struct cascade_rows *)(void *)(memory.bytes + parts.rows_at);
	c->common.known = (struct cascade_rows *)(void *)(memory.bytes + parts.known_at);
	c->common.subsets = (uint64_t *)(void *)(memory.bytes + parts.subsets_at);
	if (settings->is_bob)
		c->bob = (struct cascade_frame *)(void *)(memory.bytes + parts.frames_at);
	else
		c->alice = (struct cascade_alice *)(void *)(memory.bytes + parts.frames_at);
	*out = (struct reconcile *)(void *)c;
	return OK;
}

static struct err open_mode(struct reconcile **out, const struct reconcile_settings *settings)
{
	return cascade_open_by(cascade_best(), out, settings);
}

static void close_mode(struct reconcile *r)
{
	if (r == NULL)
		return;
	struct secret memory = of(r)->memory;
	secret_close(&memory);
}

/* Frames of the key. */

/* Words of the key that a frame has; the last frame may have fewer. */
static uint32_t frame_words(const struct cascade *c, uint32_t frame, uint64_t **words)
{
	const size_t each = c->common.shape.real, all = ((size_t)c->key.bits + 63) / 64;
	const size_t left = all - frame * each;

	*words = c->key.words + frame * each;
	return (uint32_t)(left < each ? left : each);
}

static uint32_t frame_key_bits(const struct cascade *c, uint32_t frame)
{
	const uint32_t each = c->common.shape.real * CASCADE_PLANES;
	const uint32_t left = c->key.bits - frame * each;

	return left < each ? left : each;
}

static uint64_t low_mask(uint32_t bits)
{
	return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

/* Plane b has the frame's key bits from b * real on, and zeros behind them, which both ends know. */
static void frame_load(const struct cascade *c, uint32_t frame, uint64_t *planes)
{
	const struct cascade_shape *s = &c->common.shape;
	uint64_t *words;
	const uint32_t count = frame_words(c, frame, &words);

	for (uint32_t i = 0; i < CASCADE_PLANES * s->words; i++) {
		const uint32_t column = i % s->words * 64;
		const uint32_t from = i / s->words * s->real + column;
		const uint32_t at = from / 64, skip = from % 64;
		uint64_t v = at < count && column < s->real ? words[at] >> skip : 0;
		if (skip > 0 && at + 1 < count && column < s->real)
			v |= words[at + 1] << (64 - skip);
		planes[i] = v & low_mask(column < s->real ? s->real - column : 0);
	}
}

static void frame_save(const struct cascade *c, uint32_t frame, const uint64_t *planes)
{
	const struct cascade_shape *s = &c->common.shape;
	uint64_t *words;
	const uint32_t count = frame_words(c, frame, &words);

	memset(words, 0, count * sizeof *words);
	for (uint32_t i = 0; i < CASCADE_PLANES * s->words; i++) {
		const uint32_t column = i % s->words * 64;
		const uint32_t from = i / s->words * s->real + column;
		const uint32_t at = from / 64, skip = from % 64;
		const uint64_t v = planes[i] & low_mask(column < s->real ? s->real - column : 0);
		if (at < count)
			words[at] |= v << skip;
		if (skip > 0 && at + 1 < count)
			words[at + 1] |= v >> (64 - skip);
	}
	if (frame + 1 == s->frames && c->key.bits % 64 != 0)
		words[count - 1] &= low_mask(c->key.bits % 64);
}

static uint64_t frame_seed(const struct cascade *c, uint32_t frame)
{
	struct cascade_random r =
		cascade_random_of(c->permutation_seed + frame * UINT64_C(0xd1342543de82ef95));

	return cascade_random_next(&r);
}

static size_t place_of(const struct cascade *c, const struct lane *lane, uint32_t seat)
{
	return (size_t)(lane - c->lanes) * c->lane_seats + seat;
}

/* The next frame of the key takes the seat. Both ends come to this in the same order, that of the questions. */
static void seat_take(struct cascade *c, struct lane *lane, uint32_t seat)
{
	const size_t at = place_of(c, lane, seat);

	if (c->frames_begun == c->common.shape.frames) {
		lane->seats[seat] = (struct seat){.frame = NO_FRAME};
		return;
	}
	const uint32_t frame = c->frames_begun++;
	lane->seats[seat] = (struct seat){.frame = frame};
	lane->seated++;
	if (c->settings.is_bob) {
		frame_load(c, frame, c->bob[at].bits);
		cascade_frame_begin(
			&c->bob[at], &c->common, frame_key_bits(c, frame), frame_seed(c, frame));
	} else {
		frame_load(c, frame, cascade_alice_bits(&c->alice[at], &c->common));
		cascade_alice_begin(&c->alice[at], &c->common, frame_seed(c, frame));
	}
}

static void seat_leave(struct cascade *c, struct lane *lane, uint32_t seat, bool has_failed)
{
	c->frames_done++;
	c->account.frames_failed += has_failed;
	lane->seated--;
	seat_take(c, lane, seat);
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
	c->frames_begun = c->frames_done = 0;
	c->waiting_from = c->waiting_count = c->next_lane = 0;
	c->account = (struct reconcile_account){.frames = c->common.shape.frames};
	memset(c->lanes, 0, sizeof c->lanes);
	for (uint32_t seat = 0; seat < c->lane_seats; seat++)
		for (uint32_t i = 0; i < c->lane_count; i++)
			seat_take(c, &c->lanes[i], seat);
	return OK;
}

static void lane_count_round(struct cascade *c, struct lane *lane)
{
	lane->rounds++;
	if (lane->rounds > c->account.rounds)
		c->account.rounds = lane->rounds;
}

/* Of a frame its bits, their parities and where errors were. Seats are taken in the order of begin. */
static void forget(struct reconcile *r)
{
	struct cascade *c = of(r);
	const uint32_t frames = c->common.shape.frames;

	for (uint32_t n = 0; n < c->lane_count * c->lane_seats && n < frames; n++) {
		const size_t at = place_of(c, &c->lanes[n % c->lane_count], n / c->lane_count);
		if (c->settings.is_bob)
			secret_wipe(&c->bob[at], sizeof c->bob[at]);
		else
			secret_wipe(&c->alice[at], sizeof c->alice[at]);
	}
	secret_wipe(c->common.rows, sizeof *c->common.rows);
	secret_wipe(c->common.known, sizeof *c->common.known);
	memset(c->lanes, 0, sizeof c->lanes);
	c->key = (struct key_words){0};
	c->common.shape.frames = c->frames_begun = c->frames_done = c->waiting_count = 0;
}

/* Bob. */

static void question_write(struct cascade *c, struct lane *lane, struct writer *w)
{
	writer_u16(w, (uint16_t)(lane - c->lanes));
	for (uint32_t i = 0; i < c->lane_seats; i++) {
		struct cascade_frame *f = &c->bob[place_of(c, lane, i)];
		if (lane->seats[i].frame == NO_FRAME)
			continue;
		cascade_frame_ask(f, &c->common, w);
		if (f->stage != CASCADE_IS_DONE)
			continue;
		frame_save(c, lane->seats[i].frame, f->bits);
		c->account.corrected += f->corrected;
		seat_leave(c, lane, i, f->has_failed);
		if (lane->seats[i].frame != NO_FRAME)
			cascade_frame_ask(f, &c->common, w);
	}
}

static bool ask(struct reconcile *r, struct writer *question)
{
	struct cascade *c = of(r);

	for (uint32_t i = 0; i < c->lane_count; i++) {
		const uint32_t at = (c->next_lane + i) % c->lane_count;
		struct lane *lane = &c->lanes[at];
		if (lane->seated == 0 || lane->is_waiting)
			continue;
		question_write(c, lane, question);
		lane->is_waiting = true;
		lane_count_round(c, lane);
		c->waiting[(c->waiting_from + c->waiting_count++) % RECONCILE_QUESTIONS_MAX] = at;
		c->next_lane = at + 1;
		return true;
	}
	return false;
}

static enum qkd_abort learn(struct reconcile *r, struct span answer)
{
	struct cascade *c = of(r);
	struct wire_fault fault = {0};
	struct reader reader = cascade_answer_reader(answer, &fault);

	if (c->waiting_count == 0)
		return QKD_PROTOCOL;
	struct lane *lane = &c->lanes[c->waiting[c->waiting_from]];
	c->waiting_from = (c->waiting_from + 1) % RECONCILE_QUESTIONS_MAX;
	c->waiting_count--;
	lane->is_waiting = false;
	for (uint32_t i = 0; i < c->lane_seats; i++) {
		struct cascade_frame *f = &c->bob[place_of(c, lane, i)];
		const uint64_t before = f->parities;
		if (lane->seats[i].frame == NO_FRAME)
			continue;
		cascade_frame_learn(f, &c->common, &reader);
		c->account.parities += f->parities - before;
		c->account.answers += f->parities - before;
	}
	reader_end(&reader, "answer");
	return failed(wire_result(&fault)) ? QKD_PROTOCOL : QKD_GOES_ON;
}

/* The last question says that the last frames are done, and its answer, which is empty, that Alice knows. */
static bool is_done(const struct reconcile *r)
{
	const struct cascade *c = of(r);

	return c->frames_done == c->common.shape.frames && c->waiting_count == 0;
}

static struct reconcile_account account(const struct reconcile *r)
{
	return of(r)->account;
}

/* Alice. A question that an honest Bob does not ask is answered by nothing. */

static bool seat_answer(struct cascade *c, struct lane *lane, uint32_t seat, struct reader *reader,
	struct writer *w)
{
	struct cascade_alice *f = &c->alice[place_of(c, lane, seat)];
	struct cascade_part part;

	if (!cascade_part_decode(reader, &part))
		return false;
	if (part.kind == CASCADE_DONE) {
		seat_leave(c, lane, seat, part.has_failed);
		if (lane->seats[seat].frame == NO_FRAME)
			return true;
		if (!cascade_part_decode(reader, &part))
			return false;
	}
	const uint64_t before = f->parities;
	if (!cascade_alice_answer(f, &c->common, &part, w))
		return false;
	c->account.parities += f->parities - before;
	c->account.answers += f->parities - before;
	return true;
}

static enum qkd_abort answer(struct reconcile *r, struct span question, struct writer *w)
{
	struct cascade *c = of(r);
	struct wire_fault fault = {0};
	uint16_t number;
	struct reader reader = cascade_question_reader(question, &number, &fault);
	const size_t start = w->len;
	bool is_fair =
		!reader_failed(&reader) && number < c->lane_count && c->lanes[number].seated > 0;

	for (uint32_t i = 0; is_fair && i < c->lane_seats; i++)
		if (c->lanes[number].seats[i].frame != NO_FRAME)
			is_fair = seat_answer(c, &c->lanes[number], i, &reader, w);
	reader_end(&reader, "question");
	if (!is_fair || failed(wire_result(&fault)) || w->is_full) {
		w->len = start;
		return QKD_PROTOCOL;
	}
	lane_count_round(c, &c->lanes[number]);
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
	.forget = forget,
};
