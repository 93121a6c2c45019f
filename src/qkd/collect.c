// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"
#include "collect.h"

struct err collect_open(struct collect *c, bool is_bob, uint32_t slots_per_block,
	uint32_t detections_max, struct entropy entropy)
{
	const size_t octets = is_bob ? detections_max * sizeof(struct sift_detection)
				     : ((size_t)slots_per_block / 2 + 64) / 64 * 64;

	*c = (struct collect){
		.is_bob = is_bob, .slots_per_block = slots_per_block, .entropy = entropy};
	struct err e = secret_open(&c->memory, octets * COLLECT_BLOCKS);
	if (failed(e))
		return e;
	for (size_t i = 0; i < COLLECT_BLOCKS; i++) {
		uint8_t *at = c->memory.bytes + i * octets;
		if (is_bob)
			c->blocks[i].detections = (struct sift_detections){
				.items = (struct sift_detection *)(void *)at,
				.limit = detections_max};
		else
			c->blocks[i].nibbles = at;
	}
	return OK;
}

void collect_close(struct collect *c)
{
	secret_close(&c->memory);
	*c = (struct collect){0};
}

/* Raw bits of a block that was given up are as secret as those of one that was used. */
static void forget(struct collect_block *b)
{
	if (b->nibbles != NULL)
		secret_wipe(b->nibbles, (b->filled + 1) / 2);
	if (b->detections.items != NULL)
		secret_wipe(
			b->detections.items, b->detections.count * sizeof b->detections.items[0]);
	b->is_used = b->is_partial = false;
	b->filled = 0;
	b->detections.count = 0;
}

void collect_session(struct collect *c, const uint8_t session[static 16])
{
	if (memcmp(c->session, session, sizeof c->session) != 0)
		for (size_t i = 0; i < COLLECT_BLOCKS; i++)
			forget(&c->blocks[i]);
	memcpy(c->session, session, sizeof c->session);
	c->has_position = false;
}

bool collect_is_complete(const struct collect *c, const struct collect_block *b)
{
	return b->is_used && !b->is_partial && b->filled == c->slots_per_block;
}

static struct collect_block *find(struct collect *c, uint64_t index)
{
	for (size_t i = 0; i < COLLECT_BLOCKS; i++)
		if (c->blocks[i].is_used && c->blocks[i].index == index)
			return &c->blocks[i];
	return NULL;
}

static struct collect_block *oldest(struct collect *c, bool is_complete)
{
	struct collect_block *found = NULL;

	for (size_t i = 0; i < COLLECT_BLOCKS; i++) {
		struct collect_block *b = &c->blocks[i];
		if (b->is_used && (!is_complete || collect_is_complete(c, b)) &&
			(found == NULL || b->index < found->index))
			found = b;
	}
	return found;
}

struct collect_block *collect_oldest(struct collect *c)
{
	return oldest(c, true);
}

struct collect_block *collect_find(struct collect *c, uint64_t first_slot)
{
	return first_slot % c->slots_per_block == 0 ? find(c, first_slot / c->slots_per_block)
						    : NULL;
}

void collect_drop(struct collect *c, struct collect_block *b)
{
	const uint64_t index = b->index;

	for (size_t i = 0; i < COLLECT_BLOCKS; i++)
		if (c->blocks[i].is_used && c->blocks[i].index <= index)
			forget(&c->blocks[i]);
}

/* One block is kept free for the records that are already on their way. */
bool collect_is_full(const struct collect *c)
{
	size_t complete = 0;

	for (size_t i = 0; i < COLLECT_BLOCKS; i++)
		complete += collect_is_complete(c, &c->blocks[i]);
	return c->is_bob && complete >= COLLECT_BLOCKS - 2;
}

static struct collect_block *take(struct collect *c, uint64_t index, uint32_t offset)
{
	struct collect_block *b = find(c, index);

	for (size_t i = 0; b == NULL && i < COLLECT_BLOCKS; i++)
		if (!c->blocks[i].is_used)
			b = &c->blocks[i];
	if (b == NULL && c->is_bob)
		return NULL; /* he was told not to read on */
	if (b == NULL) {
		b = oldest(c, false);
		c->blocks_forgotten++;
		forget(b);
	}
	if (!b->is_used) {
		b->is_used = true;
		b->index = index;
		b->filled = 0;
	}
	if (b->filled != offset)
		b->is_partial = true; /* we were away for a part of it */
	return b;
}

static void put_nibble(uint8_t *nibbles, uint32_t at, uint8_t v)
{
	nibbles[at / 2] = at % 2 == 0 ? v : (uint8_t)(nibbles[at / 2] | v << 4);
}

/* Slots [from, from + count) of the record, all of one block, starting at `offset` of it. */
static void fill_alice(struct collect_block *b, const struct driver_record *record, uint32_t from,
	uint32_t count, uint32_t offset)
{
	const bool is_lost = record->type == DRIVER_LOST;

	for (uint32_t i = 0; i < count; i++)
		put_nibble(b->nibbles, offset + i,
			is_lost ? SIFT_LOST : driver_slot_at(record, from + i));
}

/* A double click is a random bit [Lim §II]: dropping it would let an attacker choose when to be seen. */
static struct err bit_of(struct collect *c, uint8_t clicks, uint8_t *bit)
{
	*bit = clicks >> 1;
	if (clicks != 3)
		return OK;
	c->double_clicks++;
	struct err e = entropy_fill(&c->entropy, span_mut_of(bit, 1));
	*bit &= 1;
	return e;
}

static struct err fill_bob(
	struct collect *c, struct collect_block *b, const struct driver_record *record)
{
	const uint64_t first = b->index * c->slots_per_block, end = first + c->slots_per_block;

	for (uint32_t i = 0; i < record->event_count; i++) {
		const struct driver_event event = driver_event_at(record, i);
		const uint8_t basis = event.mask > (DRIVER_X0 | DRIVER_X1);
		uint8_t bit;
		if (event.slot < first || event.slot >= end)
			continue;
		if (b->detections.count == b->detections.limit) {
			b->is_partial = true; /* brighter than any block may be */
			return OK;
		}
		struct err e = bit_of(c, basis ? event.mask >> 2 : event.mask, &bit);
		if (failed(e))
			return e;
		b->detections.items[b->detections.count++] =
			(struct sift_detection){(uint32_t)(event.slot - first), basis, bit};
	}
	return OK;
}

static void finish(struct collect *c, struct collect_block *b)
{
	if (b->filled == c->slots_per_block && b->is_partial)
		forget(b);
}

static struct err spread(struct collect *c, const struct driver_record *record)
{
	for (uint32_t from = 0; from < record->slot_count;) {
		const uint64_t slot = record->first_slot + from;
		const uint32_t offset = (uint32_t)(slot % c->slots_per_block);
		const uint32_t room = c->slots_per_block - offset, left = record->slot_count - from;
		const uint32_t count = left < room ? left : room;
		struct collect_block *b = take(c, slot / c->slots_per_block, offset);
		if (b == NULL)
			return ERR(LIMIT);
		if (!c->is_bob) {
			fill_alice(b, record, from, count, offset);
		} else if (record->type == DRIVER_EVENTS) {
			struct err e = fill_bob(c, b, record);
			if (failed(e))
				return e;
		}
		b->filled = offset + count;
		finish(c, b);
		from += count;
	}
	return OK;
}

struct err collect_record(struct collect *c, const struct driver_record *record)
{
	if (record->type != DRIVER_LOST &&
		record->type != (c->is_bob ? DRIVER_EVENTS : DRIVER_SLOTS))
		return ERR(INPUT);
	if (c->has_position && record->first_slot != c->next_slot)
		return ERR(INPUT);
	/* Blocks that the device skipped (we were away) are not waited for: the next is partial. */
	c->has_position = true;
	c->next_slot = record->first_slot + record->slot_count;
	if (record->type == DRIVER_LOST)
		c->slots_lost += record->slot_count;
	return spread(c, record);
}
