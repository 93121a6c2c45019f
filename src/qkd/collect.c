// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "collect.h"
#include <stdlib.h>

static unsigned code_bits(const struct collect *c)
{
	return c->is_bob ? 2 : 4;
}

static size_t block_octets(const struct collect *c)
{
	return ((size_t)c->detections_per_block * code_bits(c) / 8 + 64) / 64 * 64;
}

static struct err memory_open(struct collect *c)
{
	const size_t block = block_octets(c), ring = c->is_bob ? 0 : c->ring_slots / 2;
	struct err e = secret_open(&c->memory, 2 * block + ring);

	if (failed(e))
		return e;
	c->blocks[0].codes = c->memory.bytes;
	c->blocks[1].codes = c->memory.bytes + block;
	c->ring = c->memory.bytes + 2 * block;
	if (c->is_bob) {
		uint8_t *at = malloc(COLLECT_GAPS_MAX);
		c->gaps = writer_of(span_mut_of(at, at == NULL ? 0 : COLLECT_GAPS_MAX));
		return at == NULL ? ERR(LIMIT) : OK;
	}
	c->ahead = malloc(COLLECT_AHEAD_MAX * sizeof c->ahead[0]);
	return c->ahead == NULL ? ERR(LIMIT) : OK;
}

struct err collect_open(
	struct collect *c, const struct collect_settings *settings, struct entropy entropy)
{
	const bool is_power = settings->ring_slots >= 2 &&
			      (settings->ring_slots & (settings->ring_slots - 1)) == 0;

	*c = (struct collect){.is_bob = settings->is_bob,
		.detections_per_block = settings->detections_per_block,
		.slots_max = settings->slots_max,
		.ring_slots = settings->ring_slots,
		.entropy = entropy};
	if (!settings->is_bob && !is_power)
		return ERR(INPUT);
	return memory_open(c);
}

void collect_close(struct collect *c)
{
	secret_close(&c->memory);
	free(c->gaps.base);
	free(c->ahead);
	*c = (struct collect){0};
}

static void gaps_clear(struct collect *c)
{
	c->gaps = writer_of(span_mut_of(c->gaps.base, c->gaps.limit));
	c->gap_count = 0;
}

void collect_drop(struct collect *c, struct collect_block *b)
{
	secret_wipe(b->codes, ((size_t)b->count * code_bits(c) + 7) / 8);
	b->is_open = false;
	b->count = 0;
}

void collect_reset(struct collect *c)
{
	for (size_t i = 0; i < 2; i++)
		collect_drop(c, &c->blocks[i]);
	gaps_clear(c);
	c->ahead_count = 0;
}

void collect_session(struct collect *c, const uint8_t session[static 16])
{
	if (memcmp(c->session, session, sizeof c->session) != 0) {
		collect_reset(c);
		c->slots_used = 0;
	}
	memcpy(c->session, session, sizeof c->session);
	c->has_position = false;
}

bool collect_is_complete(const struct collect *c)
{
	const struct collect_block *b = &c->blocks[c->at];

	return b->is_open && b->count == c->detections_per_block;
}

bool collect_is_overdue(const struct collect *c)
{
	const struct collect_block *b = &c->blocks[c->at];

	return b->is_open && !collect_is_complete(c) && c->next_slot > b->first_slot &&
	       c->next_slot - b->first_slot > c->slots_max;
}

void collect_begin(struct collect *c, const uint8_t id[static QKD_BLOCK_ID], uint64_t first_slot)
{
	struct collect_block *b = collect_current(c);

	collect_drop(c, b);
	memcpy(b->id, id, QKD_BLOCK_ID);
	b->is_open = true;
	b->first_slot = b->end_slot = first_slot;
	b->double_clicks = b->slots_lost = 0;
	c->gaps_first = c->gaps_last = first_slot;
	gaps_clear(c);
	c->ahead_count = 0;
}

struct collect_block *collect_take(struct collect *c)
{
	struct collect_block *b = collect_current(c);

	if (!collect_is_complete(c) || c->blocks[1 - c->at].is_open)
		return NULL;
	c->at = 1 - c->at;
	return b;
}

bool collect_is_wanted(const struct collect *c)
{
	return !c->is_bob || (c->is_on && !collect_is_complete(c));
}

/* Bob. */

/*
 * By mask of detectors, four bits each: basis, bit, and IS_DOUBLE where both of the basis clicked. A word that is shifted, no
 * table: no address depends on Bob's bit.
 */
#define CODES_BY_MASK                                                                              \
	((uint64_t)2 << 4 * DRIVER_X1 | (uint64_t)1 << 4 * DRIVER_Z0 |                             \
		(uint64_t)3 << 4 * DRIVER_Z1 | (uint64_t)4 << 4 * (DRIVER_X0 | DRIVER_X1) |        \
		(uint64_t)5 << 4 * (DRIVER_Z0 | DRIVER_Z1))
enum { IS_DOUBLE = 4 };

/* A double click is a random bit [Lim §II]: dropping it would let an attacker choose when to be seen. */
static struct err toss(struct collect *c, struct collect_block *b, uint8_t *code)
{
	b->double_clicks++;
	c->double_clicks++;
	if (c->coin_count == 0) {
		struct err e = entropy_fill(
			&c->entropy, span_mut_of((uint8_t *)&c->coins, sizeof c->coins));
		if (failed(e))
			return e;
		c->coin_count = 64;
	}
	*code = (uint8_t)((*code & 1) | (c->coins & 1) << 1);
	c->coins >>= 1;
	c->coin_count--;
	return OK;
}

static uint8_t code_of(uint8_t mask)
{
	return CODES_BY_MASK >> mask % 16 * 4 & 7;
}

/* `n` more, whose codes and gaps are written, the last one at slot `last`. */
static void detected(struct collect *c, struct collect_block *b, uint32_t n, uint64_t last)
{
	b->count += n;
	b->end_slot = last + 1;
	c->gaps_last = last;
	c->gap_count += n;
}

static struct err detect_one(struct collect *c, struct collect_block *b, struct driver_event event)
{
	const uint64_t gap = event.slot - c->gaps_last;
	uint8_t code = code_of(event.mask);

	/* Below zero: before the block. Else no gap can say it. */
	if (gap > UINT32_MAX)
		return OK;
	if (code & IS_DOUBLE) {
		struct err e = toss(c, b, &code);
		if (failed(e))
			return e;
	}
	sift_code_put(b->codes, 2, b->count, code);
	link_gap_put(&c->gaps, (uint32_t)gap);
	detected(c, b, 1, event.slot);
	return OK;
}

#define ALL_OCTETS UINT64_C(0x0101010101010101)

/* code_of() of eight masks, an octet each, packed. False: of some mask no one detector alone is in it. */
static inline bool codes_of_eight(uint64_t masks, uint64_t *codes)
{
	const uint64_t less_one = masks - ALL_OCTETS, none = less_one & ~masks & 0x80 * ALL_OCTETS;
	const uint64_t basis = (masks >> 2 | masks >> 3) & ALL_OCTETS;
	uint64_t packed = basis | ((masks | masks >> 2) & 2 * ALL_OCTETS);

	packed = (packed | packed >> 6) & UINT64_C(0x000f000f000f000f);
	packed = (packed | packed >> 12) & UINT64_C(0x000000ff000000ff);
	*codes = (packed | packed >> 24) & 0xffff;
	return ((masks & less_one) | (masks & 0xf0 * ALL_OCTETS) | none) == 0;
}

/* A word of codes being filled: they are pushed in at its top. */
struct filling {
	const uint8_t *events; /* the next ones */
	uint8_t *gaps;         /* where the next ones go */
	uint64_t last, word;
};

/* Eight events whose gaps have one octet each, each a click of one detector. Answers how many were taken: all or none. */
static inline uint32_t take_eight(struct filling *f)
{
	enum { GAP_LIMIT = 0x80 };
	uint64_t last = f->last, longest = 0, masks = 0, gaps = 0, codes;

#pragma GCC unroll 8
	for (unsigned k = 0; k < 8; k++) {
		const struct driver_event event =
			driver_event_of(f->events + k * DRIVER_EVENT_OCTETS);
		const uint64_t gap = event.slot - last;
		longest |= gap;
		gaps |= gap << 8 * k;
		masks |= (uint64_t)event.mask << 8 * k;
		last = event.slot;
	}
	if (longest >= GAP_LIMIT || !codes_of_eight(masks, &codes))
		return 0;
	memcpy(f->gaps, &gaps, sizeof gaps);
	f->gaps += sizeof gaps;
	f->events += (size_t)8 * DRIVER_EVENT_OCTETS;
	f->last = last;
	f->word = f->word >> 16 | codes << 48;
	return 8;
}

/* Up to `most` events, one by one, as long as they are no double clicks, and a gap can say where they are. */
static inline uint32_t take_plain(struct filling *f, uint32_t most)
{
	uint32_t n = 0;

	for (; n < most; n++) {
		const struct driver_event event = driver_event_of(f->events);
		const uint64_t gap = event.slot - f->last, code = code_of(event.mask);
		if ((gap >> 32 | (code & IS_DOUBLE)) != 0)
			break;
		f->gaps = link_gap_write(f->gaps, (uint32_t)gap);
		f->events += DRIVER_EVENT_OCTETS;
		f->last = event.slot;
		f->word = f->word >> 2 | code << 62;
	}
	return n;
}

/*
 * The same for events from number `i` on, as long as they are plain and one word of codes has room; answers how many. There is place
 * for their gaps: a record has at most DRIVER_RECORD_MAX / DRIVER_EVENT_OCTETS of them and 2^32 slots, so few are long, and what a
 * record before left is below COLLECT_GAPS_EAGER gaps.
 */
static uint32_t detect_plain(
	struct collect *c, struct collect_block *b, const struct driver_record *record, uint32_t i)
{
	enum { WORD = 32 };
	const uint32_t used = b->count % WORD, left = c->detections_per_block - b->count;
	const uint32_t here = record->event_count - i, free = WORD - used;
	const uint32_t count = left < here ? left : here, most = count < free ? count : free;
	struct filling f = {.events = record->items.at + (size_t)i * DRIVER_EVENT_OCTETS,
		.gaps = writer_grow(&c->gaps, (size_t)WORD * LINK_GAP_OCTETS_MAX),
		.last = c->gaps_last,
		.word = sift_word_at(b->codes, 2, b->count) << 1 << (63 - 2 * used)};
	uint32_t n = 0;

	if (f.gaps == NULL)
		return 0;
	for (uint32_t more = 1; more > 0; n += more) {
		const uint32_t room = most - n;
		more = room >= 8 ? take_eight(&f) : 0;
		if (more == 0)
			more = take_plain(&f, room < 8 ? room : 8);
	}
	c->gaps.len = (size_t)(f.gaps - c->gaps.base);
	if (n == 0)
		return 0;
	sift_word_put(b->codes, 2, b->count, f.word >> 2 * (WORD - used - n));
	detected(c, b, n, f.last);
	return n;
}

static struct err take_events(struct collect *c, const struct driver_record *record)
{
	struct collect_block *b = collect_current(c);

	if (!c->is_on || !b->is_open)
		return OK;
	for (uint32_t i = 0; i < record->event_count && b->count < c->detections_per_block;) {
		const uint32_t plain = detect_plain(c, b, record, i);
		i += plain;
		if (plain > 0)
			continue;
		struct err e = detect_one(c, b, driver_event_at(record, i++));
		if (failed(e))
			return e;
	}
	return OK;
}

bool collect_announce(struct collect *c, bool all, struct link_message *m)
{
	if (c->gap_count == 0 || (!all && c->gap_count < COLLECT_GAPS_EAGER))
		return false;
	m->first_slot = c->gaps_first;
	m->count = c->gap_count;
	m->items = writer_span_done(&c->gaps);
	return true;
}

void collect_announced(struct collect *c)
{
	c->gaps_first = c->gaps_last;
	gaps_clear(c);
}

/* Alice. */

static void ring_put(struct collect *c, uint64_t slot, uint8_t nibble)
{
	sift_code_put(c->ring, 4, slot & (c->ring_slots - 1), nibble);
}

static void take_slots(struct collect *c, const struct driver_record *record)
{
	const bool is_lost = record->type == DRIVER_LOST;
	const uint64_t at = record->first_slot & (c->ring_slots - 1);

	if (!is_lost && record->first_slot % 2 == 0 && record->slot_count % 2 == 0 &&
		at + record->slot_count <= c->ring_slots) {
		memcpy(c->ring + at / 2, record->items.at, record->slot_count / 2);
		return;
	}
	/* What a long loss would overwrite is written once. */
	const uint64_t skip =
		record->slot_count > c->ring_slots ? record->slot_count - c->ring_slots : 0;
	for (uint64_t i = skip; i < record->slot_count; i++)
		ring_put(c, record->first_slot + i,
			is_lost ? SIFT_LOST : driver_slot_at(record, (uint32_t)i));
}

/* Looks up a slot that her device has told, or the ring has forgotten. */
static inline void look_up(struct collect *c, struct collect_block *b, uint64_t slot)
{
	const bool is_there = slot >= c->ring_from && c->next_slot - slot <= c->ring_slots;
	const uint8_t nibble =
		is_there ? sift_code_at(c->ring, 4, slot & (c->ring_slots - 1)) : SIFT_LOST;

	b->end_slot = slot + 1;
	c->positions_lost += !is_there;
	sift_code_put(b->codes, 4, b->count++, nibble);
}

static void resolve(struct collect *c)
{
	struct collect_block *b = collect_current(c);

	while (c->ahead_count > 0 && c->ahead[c->ahead_from] < c->next_slot) {
		look_up(c, b, c->ahead[c->ahead_from]);
		c->ahead_from = (c->ahead_from + 1) % COLLECT_AHEAD_MAX;
		c->ahead_count--;
	}
}

/* One more position. */
static enum qkd_abort take_position(struct collect *c, struct collect_block *b, uint64_t slot)
{
	/* A slot named twice would put one bit of hers into the key twice. */
	if (slot < c->slots_used || slot > UINT64_MAX / 2)
		return QKD_PROTOCOL;
	c->slots_used = slot + 1;
	if (c->ahead_count == 0 && slot < c->next_slot)
		look_up(c, b, slot);
	else
		c->ahead[(c->ahead_from + c->ahead_count++) % COLLECT_AHEAD_MAX] = slot;
	return QKD_GOES_ON;
}

/* Slots behind the last one that are in the ring, so that nothing else is to be asked of them; 0 while others wait. */
static uint64_t room_in_ring(const struct collect *c)
{
	const uint64_t kept = c->next_slot > c->ring_slots ? c->next_slot - c->ring_slots : 0;
	const uint64_t oldest = kept > c->ring_from ? kept : c->ring_from;
	const uint64_t end = c->next_slot < UINT64_MAX / 2 ? c->next_slot : UINT64_MAX / 2;

	if (c->ahead_count > 0 || c->slots_used < oldest || c->slots_used > end)
		return 0;
	return end - c->slots_used;
}

/* The codes of eight slots, each so many behind the one before as the octets of `gaps` say; *slot: the one before, then the last. */
static inline uint64_t look_up_eight(const struct collect *c, uint64_t gaps, uint64_t *slot)
{
	const uint64_t mask = c->ring_slots - 1;
	uint64_t codes = 0, at = *slot;

#pragma GCC unroll 8
	for (unsigned k = 0; k < 8; k++) {
		at += gaps >> 8 * k & 0xff;
		codes |= (uint64_t)sift_code_at(c->ring, 4, at & mask) << 4 * k;
	}
	*slot = at;
	return codes;
}

/* The next eight gaps, where each has one octet and none is zero; else zero. */
static inline uint64_t eight_gaps(const struct link_message *m, size_t at)
{
	uint64_t gaps;

	if (m->items.len - at < 8)
		return 0;
	memcpy(&gaps, m->items.at + at, 8);
	const uint64_t less_one = gaps - UINT64_C(0x0101010101010101);
	return ((gaps | less_one) & UINT64_C(0x8080808080808080)) == 0 ? gaps : 0;
}

/*
 * Up to `count` positions that lie in the ring, while one word of codes has room; answers how many. Of a gap from the slot before,
 * gap - 1 < room is all that take_position() and look_up() would ask.
 */
static uint32_t take_near(struct collect *c, struct collect_block *b, const struct link_message *m,
	size_t *at, uint32_t count)
{
	enum { WORD = 16, GAPS_SUM_MAX = 8 * 0x7f };
	const uint32_t used = b->count % WORD, most = count < WORD - used ? count : WORD - used;
	const uint64_t first = c->slots_used - 1, room = room_in_ring(c);
	uint64_t word = sift_word_at(b->codes, 4, b->count), slot = first;
	uint32_t n = 0;

	while (n < most) {
		const uint64_t left = room - (slot - first);
		const uint64_t eight =
			most - n >= 8 && left >= GAPS_SUM_MAX ? eight_gaps(m, *at) : 0;
		if (eight != 0) {
			word |= look_up_eight(c, eight, &slot) << 4 * (used + n);
			*at += 8;
			n += 8;
			continue;
		}
		size_t next = *at;
		const uint64_t gap = link_gap_next(m, &next);
		if (gap - 1 >= left)
			break;
		slot += gap;
		*at = next;
		word |= (uint64_t)sift_code_at(c->ring, 4, slot & (c->ring_slots - 1))
			<< 4 * (used + n++);
	}
	if (n == 0)
		return 0;
	sift_word_put(b->codes, 4, b->count, word);
	b->count += n;
	b->end_slot = c->slots_used = slot + 1;
	return n;
}

enum qkd_abort collect_positions(struct collect *c, const struct link_message *m)
{
	struct collect_block *b = collect_current(c);
	enum qkd_abort reason = QKD_GOES_ON;
	uint64_t slot = m->first_slot;
	size_t at = 0;

	if (m->count > c->detections_per_block - b->count - c->ahead_count)
		return QKD_PROTOCOL;
	if (m->count > COLLECT_AHEAD_MAX - c->ahead_count)
		return QKD_DATA_ABSENT;
	for (uint32_t i = 0; i < m->count && reason == QKD_GOES_ON;) {
		/* The first gap counts from the message's own slot. */
		const uint32_t near = i == 0 ? 0 : take_near(c, b, m, &at, m->count - i);
		i += near;
		if (near > 0) {
			slot = c->slots_used - 1;
			continue;
		}
		slot += link_gap_next(m, &at);
		reason = take_position(c, b, slot);
		i++;
	}
	return reason;
}

/* Both. */

struct err collect_record(struct collect *c, const struct driver_record *record)
{
	struct err e = OK;

	if (record->type != DRIVER_LOST &&
		record->type != (c->is_bob ? DRIVER_EVENTS : DRIVER_SLOTS))
		return ERR(INPUT);
	if (c->has_position && record->first_slot != c->next_slot)
		return ERR(INPUT);
	if (!c->has_position)
		c->ring_from = record->first_slot;
	c->has_position = true;
	if (record->type == DRIVER_LOST) {
		c->slots_lost += record->slot_count;
		collect_current(c)->slots_lost += record->slot_count;
	}
	if (!c->is_bob)
		take_slots(c, record);
	c->next_slot = record->first_slot + record->slot_count;
	if (!c->is_bob)
		resolve(c);
	else if (record->type == DRIVER_EVENTS)
		e = take_events(c, record);
	return e;
}
