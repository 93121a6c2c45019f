// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "shelf.h"
#include "crypt/digest.h"
#include "wire/writer.h"

/* A row is a state, a column an event; what is not named leads nowhere. */
#define TO(state) ((uint8_t)((state) + 1))

static const uint8_t key_table[KEY_STATES][KEY_EVENTS] = {
	[KEY_AVAILABLE] = {[KEY_RESERVE] = TO(KEY_RESERVED),
		[KEY_ACCEPT] = TO(KEY_CONFIRMED),
		[KEY_CANCEL] = TO(KEY_VOID)},
	[KEY_RESERVED] = {[KEY_OFFER] = TO(KEY_OFFERED), [KEY_CANCEL] = TO(KEY_VOID)},
	/* An uncertain offer is made again, to the same peer, under the same id. */
	[KEY_OFFERED] = {[KEY_OFFER] = TO(KEY_OFFERED),
		[KEY_CONFIRM] = TO(KEY_CONFIRMED),
		[KEY_CANCEL] = TO(KEY_VOID)},
	[KEY_CONFIRMED] = {[KEY_ACCEPT] = TO(KEY_CONFIRMED),
		[KEY_DELIVER] = TO(KEY_DELIVERED),
		[KEY_CANCEL] = TO(KEY_VOID)},
	[KEY_DELIVERED] = {[KEY_ERASE] = TO(KEY_ERASED)},
	[KEY_VOID] = {[KEY_CANCEL] = TO(KEY_VOID)},
};

static const uint8_t block_table[BLOCK_STATES][BLOCK_EVENTS] = {
	[BLOCK_PENDING] = {[BLOCK_FINISH] = TO(BLOCK_FINAL), [BLOCK_CANCEL] = TO(BLOCK_VOID)},
	[BLOCK_FINAL] = {[BLOCK_FINISH] = TO(BLOCK_FINAL),
		[BLOCK_AGREE] = TO(BLOCK_AGREED),
		[BLOCK_CANCEL] = TO(BLOCK_VOID)},
	/* The initiator may have crashed before it kept its side: then a new exchange replaces this one. */
	[BLOCK_AGREED] = {[BLOCK_FINISH] = TO(BLOCK_AGREED),
		[BLOCK_AGREE] = TO(BLOCK_AGREED),
		[BLOCK_CONFIRM] = TO(BLOCK_READY),
		[BLOCK_CANCEL] = TO(BLOCK_VOID)},
	[BLOCK_READY] = {[BLOCK_FINISH] = TO(BLOCK_READY),
		[BLOCK_CONFIRM] = TO(BLOCK_READY),
		[BLOCK_EXHAUST] = TO(BLOCK_SPENT),
		[BLOCK_CANCEL] = TO(BLOCK_VOID)},
	[BLOCK_SPENT] = {[BLOCK_FINISH] = TO(BLOCK_SPENT)},
	[BLOCK_VOID] = {[BLOCK_CANCEL] = TO(BLOCK_VOID)},
};

static const char *const key_words[KEY_STATES] = {
	[KEY_AVAILABLE] = "available",
	[KEY_RESERVED] = "reserved",
	[KEY_OFFERED] = "offered",
	[KEY_CONFIRMED] = "confirmed",
	[KEY_DELIVERED] = "delivered",
	[KEY_ERASED] = "erased",
	[KEY_VOID] = "void",
};

static const char *const block_words[BLOCK_STATES] = {
	[BLOCK_PENDING] = "pending",
	[BLOCK_FINAL] = "final",
	[BLOCK_AGREED] = "agreed",
	[BLOCK_READY] = "ready",
	[BLOCK_SPENT] = "spent",
	[BLOCK_VOID] = "void",
};

struct err key_step(enum key_state *state, enum key_event event)
{
	const uint8_t to = key_table[*state][event];

	if (to == 0)
		return ERR(STATE);
	*state = (enum key_state)(to - 1);
	return OK;
}

struct err block_step(enum block_state *state, enum block_event event)
{
	const uint8_t to = block_table[*state][event];

	if (to == 0)
		return ERR(STATE);
	*state = (enum block_state)(to - 1);
	return OK;
}

const char *key_state_word(enum key_state state)
{
	return key_words[state];
}

const char *block_state_word(enum block_state state)
{
	return block_words[state];
}

enum direction direction_of_site(const struct kms_name *site, const struct kms_name *other)
{
	return strcmp(site->text, other->text) < 0 ? DIRECTION_LOW : DIRECTION_HIGH;
}

struct slot_range slots_of_direction(uint32_t slots, enum direction direction)
{
	const uint32_t half = slots == 0 ? 0 : (slots - 1) / 2;
	const uint32_t first = direction == DIRECTION_LOW ? 1 : 1 + half;

	return (struct slot_range){.first = first, .end = first + half};
}

bool direction_of_slot(uint32_t slots, uint32_t slot, enum direction *direction)
{
	const struct slot_range low = slots_of_direction(slots, DIRECTION_LOW);
	const struct slot_range high = slots_of_direction(slots, DIRECTION_HIGH);

	*direction = slot < low.end ? DIRECTION_LOW : DIRECTION_HIGH;
	return slot >= low.first && slot < high.end;
}

struct err key_id_derive(
	struct kms_key_id *id, struct span block_id, enum direction direction, uint32_t slot)
{
	uint8_t message[64], digest[SHA256_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(message));

	writer_span(&w, span_str("merlon key id 1"));
	writer_span(&w, block_id);
	writer_u8(&w, direction == DIRECTION_LOW ? 0 : 1);
	writer_u32(&w, slot);
	const struct err e = sha256(writer_span_done(&w), digest);
	if (failed(e))
		return e;
	memcpy(id->octets, digest, sizeof id->octets);
	id->octets[6] = (uint8_t)((id->octets[6] & 0x0f) | 0x80); /* version 8 [RFC 9562 §4.2] */
	id->octets[8] = (uint8_t)((id->octets[8] & 0x3f) | 0x80); /* variant [RFC 9562 §4.1] */
	return OK;
}
