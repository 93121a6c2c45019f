// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Collecting what a device saw into blocks. A block is a fixed number of detections, however long they take: where Bob detected is no
 * secret and tells nothing of bases, so he announces positions while light comes in, and Alice keeps of her log only what
 * was detected. Bases and intensities stay untold until the block is complete [Pfister et al., see qkd.h].
 *
 * Bob opens a block, appends, and hands out gaps to be announced; two blocks have room: one is collected while the one before is
 * being processed. While the second is complete too, his device is not read, and a simulated source waits.
 *
 * Alice keeps her newest slots in a ring and looks up what Bob announces. Positions that her device has not reached yet wait in a queue;
 * slots that the ring has forgotten, or her device lost, count as lost, and sifting drops them.
 */
#include "base/secret.h"
#include "codec/qkd_driver.h"
#include "sift.h"

enum {
	COLLECT_AHEAD_MAX = 1 << 20, /* positions that wait for Alice's device */
	COLLECT_GAPS_MAX = 1 << 19,  /* octets of gaps in one message */
	COLLECT_GAPS_EAGER = 8192,   /* gaps that are announced without waiting for a tick */
};

struct collect_block {
	uint8_t id[QKD_BLOCK_ID];
	bool is_open;
	uint32_t count;
	uint64_t first_slot, end_slot; /* end_slot: behind the last detection */
	uint64_t double_clicks, slots_lost;
	uint8_t *codes; /* packed, see sift.h */
};

struct collect {
	bool is_bob, has_position, is_on; /* is_on: detections count; else they are let go */
	uint32_t detections_per_block;
	uint64_t slots_max; /* of one block: a dark line must not keep a block open for ever */
	uint64_t next_slot;
	uint8_t session[16];
	struct entropy entropy; /* the bit of a double click */
	uint64_t coins;         /* drawn ahead of use */
	uint32_t coin_count;
	struct secret memory;
	struct collect_block blocks[2];
	uint32_t at; /* the one being collected */
	uint64_t double_clicks, slots_lost, positions_lost;
	/* Bob: gaps to be announced */
	uint64_t gaps_first, gaps_last;
	uint32_t gap_count;
	struct writer gaps;
	/* Alice */
	uint64_t slots_used; /* slots below were announced before: none makes key twice */
	uint8_t *ring;       /* nibbles */
	uint64_t ring_slots, ring_from; /* the oldest slot that is there */
	uint64_t *ahead;
	uint32_t ahead_from, ahead_count;
};

struct collect_settings {
	bool is_bob;
	uint32_t detections_per_block;
	uint64_t slots_max;
	uint64_t ring_slots; /* Alice: a power of two */
};

MUST_USE struct err collect_open(
	struct collect *c, const struct collect_settings *settings, struct entropy entropy);
void collect_close(struct collect *c);

/* A device is (again) there; what was collected in another session is forgotten. */
void collect_session(struct collect *c, const uint8_t session[static 16]);
/* Nothing collected is of use any more: the peer is gone. */
void collect_reset(struct collect *c);
/* DRIVER_SLOTS, DRIVER_EVENTS or DRIVER_LOST. ERR_INPUT: not this end's, or not where the last one ended. */
MUST_USE struct err collect_record(struct collect *c, const struct driver_record *record);

static inline struct collect_block *collect_current(struct collect *c)
{
	return &c->blocks[c->at];
}

/* The block being collected has all its detections (Alice: and she has looked all of them up). */
bool collect_is_complete(const struct collect *c);
/* It took more slots than it may. */
bool collect_is_overdue(const struct collect *c);
/* Opens the current block; Bob draws the id, Alice has it from him. */
void collect_begin(struct collect *c, const uint8_t id[static QKD_BLOCK_ID], uint64_t first_slot);
/* Closes and wipes a block. */
void collect_drop(struct collect *c, struct collect_block *b);
/* The complete current block is to be processed: the other one becomes current. NULL while the other is still in work. */
struct collect_block *collect_take(struct collect *c);

/* Bob: what is to be announced next, into m (first_slot, count, items); false: nothing, or, without `all`, too little yet. */
bool collect_announce(struct collect *c, bool all, struct link_message *m);
void collect_announced(struct collect *c);
/*
 * Alice: the gaps of LINK_DETECTED. QKD_PROTOCOL: more than a block has, or slots that do not ascend, within the session;
 * QKD_DATA_ABSENT: too far ahead.
 */
enum qkd_abort collect_positions(struct collect *c, const struct link_message *m);

/* Whether the device should be read. */
bool collect_is_wanted(const struct collect *c);
