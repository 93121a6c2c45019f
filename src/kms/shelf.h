// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The shelf: what states a key and a block can be in, and how a block is cut into keys.
 *
 * A block is a run of distilled octets that both sites hold. It is cut into slots of 32 octets; one slot is the
 * quantum share of one key, and no slot ever serves two. Slot 0 never leaves the vaults: it
 * authenticates the exchange that makes the block hybrid (exchange.h). What remains is halved: the
 * low half is issued by the site whose name sorts first, the high half by the other, so the two
 * never claim the same bits [facts: claim race of common pools].
 *
 * A key's id is a UUID [RFC 9562 §5.8, version 8] out of SHA-256 over block id, direction and slot: public,
 * the same at both ends without a word between them.
 *
 * Key states at one end; the issuing end goes the whole way, the other one starts with ACCEPT:
 *
 *   AVAILABLE --RESERVE--> RESERVED --OFFER--> OFFERED --CONFIRM--> CONFIRMED --DELIVER--> DELIVERED --ERASE--> ERASED
 *       \-------------------ACCEPT (the other end offers) ------------^
 *   every state before DELIVERED --CANCEL--> VOID, for ever
 *
 * A pair that the table does not name is refused (ERR_STATE). VOID and ERASED are tombstones: nothing leads out.
 */
#include "codec/kms_msg.h"

enum key_state {
	KEY_AVAILABLE,
	KEY_RESERVED,  /* durable here: will be issued, or never used */
	KEY_OFFERED,   /* the other site has been asked; whether it knows is uncertain */
	KEY_CONFIRMED, /* durable at both sites */
	KEY_DELIVERED, /* durable: handed to its SAE, or lost on the way to it */
	KEY_ERASED,    /* its material is gone */
	KEY_VOID,      /* never handed to anybody here, and never will be */
	KEY_STATES
};

enum key_event {
	KEY_RESERVE,
	KEY_OFFER,
	KEY_CONFIRM,
	KEY_ACCEPT,
	KEY_DELIVER,
	KEY_ERASE,
	KEY_CANCEL,
	KEY_EVENTS
};

MUST_USE struct err key_step(enum key_state *state, enum key_event event);
const char *key_state_word(enum key_state state);

/*
 * Block states: PENDING (the quantum link has not finished it), FINAL (it has), AGREED (the hybrid exchange's
 * secrets are durable here), READY (and at the other site: keys may be issued), SPENT, VOID.
 */
enum block_state {
	BLOCK_PENDING,
	BLOCK_FINAL,
	BLOCK_AGREED,
	BLOCK_READY,
	BLOCK_SPENT,
	BLOCK_VOID,
	BLOCK_STATES
};

enum block_event {
	BLOCK_FINISH,
	BLOCK_AGREE,
	BLOCK_CONFIRM,
	BLOCK_EXHAUST,
	BLOCK_CANCEL,
	BLOCK_EVENTS
};

MUST_USE struct err block_step(enum block_state *state, enum block_event event);
const char *block_state_word(enum block_state state);

enum { SLOT_OCTETS = 32, SLOT_BITS = 256, SEGMENT_SLOTS = 64, BLOCK_SLOTS_LEAST = 3 };

/* Who issues: the site whose name sorts first, or the other one. */
enum direction { DIRECTION_LOW, DIRECTION_HIGH };

struct slot_range {
	uint32_t first, end;
};

enum direction direction_of_site(const struct kms_name *site, const struct kms_name *other);
/* The half that `direction` issues from. An odd slot at the end belongs to nobody. */
struct slot_range slots_of_direction(uint32_t slots, enum direction direction);
/* False where the slot is in neither half. */
bool direction_of_slot(uint32_t slots, uint32_t slot, enum direction *direction);

MUST_USE struct err key_id_derive(
	struct kms_key_id *id, struct span block_id, enum direction direction, uint32_t slot);
