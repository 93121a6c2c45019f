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
	c->gap_count = 0;
	c->gaps.len = 0;
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
	c->gap_count = 0;
	c->gaps.len = 0;
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

static inline uint8_t clicks_of(uint8_t mask)
{
	return mask > (DRIVER_X0 | DRIVER_X1) ? mask >> 2 : mask;
}

/* A double click is a random bit [Lim §II]: dropping it would let an attacker choose when to be seen. */
static struct err bit_of(struct collect *c, uint8_t clicks, uint8_t *bit)
{
	*bit = clicks >> 1;
	if (clicks != 3)
		return OK;
	c->double_clicks++;
	if (c->coin_count == 0) {
		struct err e = entropy_fill(
			&c->entropy, span_mut_of((uint8_t *)&c->coins, sizeof c->coins));
		if (failed(e))
			return e;
		c->coin_count = 64;
	}
	*bit = c->coins & 1;
	c->coins >>= 1;
	c->coin_count--;
	return OK;
}

static inline struct err detect(
	struct collect *c, struct collect_block *b, struct driver_event event)
{
	const uint8_t basis = event.mask > (DRIVER_X0 | DRIVER_X1);
	uint8_t bit;
	b->double_clicks += clicks_of(event.mask) == 3;
	struct err e = bit_of(c, clicks_of(event.mask), &bit);

	if (failed(e))
		return e;
	sift_code_put(b->codes, 2, b->count++, (uint8_t)(basis | bit << 1));
	/* A record is shorter than COLLECT_GAPS_MAX, and its gaps are shorter than its events. */
	link_gap_put(&c->gaps, (uint32_t)(event.slot - c->gaps_last));
	c->gaps_last = event.slot;
	b->end_slot = event.slot + 1;
	c->gap_count++;
	return OK;
}

static struct err take_events(struct collect *c, const struct driver_record *record)
{
	struct collect_block *b = collect_current(c);

	if (!c->is_on || !b->is_open)
		return OK;
	for (uint32_t i = 0; i < record->event_count && b->count < c->detections_per_block; i++) {
		const struct driver_event event = driver_event_at(record, i);
		if (event.slot < b->first_slot || event.slot - c->gaps_last > UINT32_MAX)
			continue;
		struct err e = detect(c, b, event);
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
	c->gap_count = 0;
	c->gaps.len = 0;
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

/* Looks up what waits and can be looked up by now. */
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

enum qkd_abort collect_positions(struct collect *c, const struct link_message *m)
{
	struct collect_block *b = collect_current(c);
	uint64_t slot = m->first_slot;
	size_t at = 0;

	if (m->count > c->detections_per_block - b->count - c->ahead_count)
		return QKD_PROTOCOL;
	if (m->count > COLLECT_AHEAD_MAX - c->ahead_count)
		return QKD_DATA_ABSENT;
	for (uint32_t i = 0; i < m->count; i++) {
		slot += link_gap_next(m, &at);
		/* A slot named twice would put one bit of hers into the key twice. */
		if (slot < c->slots_used || slot > UINT64_MAX / 2)
			return QKD_PROTOCOL;
		c->slots_used = slot + 1;
		if (c->ahead_count == 0 && slot < c->next_slot)
			look_up(c, b, slot);
		else
			c->ahead[(c->ahead_from + c->ahead_count++) % COLLECT_AHEAD_MAX] = slot;
	}
	return QKD_GOES_ON;
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
