// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Collecting what a device saw into blocks of slots. Block i of a session is slots [i * N, (i + 1) * N): both ends cut alike without
 * a word. A block that began before the device was heard is partial and dropped when it ends.
 *
 * Alice keeps the newest blocks and forgets the oldest; Bob keeps the oldest and, when he is full, wants no more
 * until one is used: his device is then not read, and a simulated source waits.
 */
#include "codec/qkd_driver.h"
#include "sift.h"

enum { COLLECT_BLOCKS = 4 };

struct collect_block {
	bool is_used, is_partial;
	uint64_t index;
	uint32_t filled;                   /* slots, from the block's first */
	uint8_t *nibbles;                  /* Alice */
	struct sift_detections detections; /* Bob */
};

struct collect {
	bool is_bob, has_position;
	uint32_t slots_per_block;
	uint64_t next_slot;
	uint8_t session[16];
	struct entropy entropy; /* the bit of a double click */
	struct secret memory;
	struct collect_block blocks[COLLECT_BLOCKS];
	uint64_t double_clicks, slots_lost, blocks_forgotten;
};

MUST_USE struct err collect_open(struct collect *c, bool is_bob, uint32_t slots_per_block,
	uint32_t detections_max, struct entropy entropy);
void collect_close(struct collect *c);

/* A device is (again) there; what was collected in another session is forgotten. */
void collect_session(struct collect *c, const uint8_t session[static 16]);
/* DRIVER_SLOTS, DRIVER_EVENTS or DRIVER_LOST. ERR_INPUT: not this end's, or not where the last one ended. */
MUST_USE struct err collect_record(struct collect *c, const struct driver_record *record);
bool collect_is_full(const struct collect *c);
struct collect_block *collect_oldest(struct collect *c); /* complete, or NULL */
struct collect_block *collect_find(
	struct collect *c, uint64_t first_slot); /* complete or not, or NULL */
bool collect_is_complete(const struct collect *c, const struct collect_block *b);
/* Forgets it and all older ones. */
void collect_drop(struct collect *c, struct collect_block *b);
