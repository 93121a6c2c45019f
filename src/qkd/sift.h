// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * First stage: from slots to X bits.
 *
 * Alice holds a log of 4 bits a slot; a slot her device lost is marked. Bob holds his detections in ascending order.
 * Bob says where he detected, in which basis, and his Z bits; Alice answers which ones count and their
 * intensity, and her Z bits. What both keep is one X bit a position, in the order of slots, and the same counts.
 */
#include "codec/qkd_link.h"
#include "qkd.h"

/* Bits of one end, one an octet, so that no shift depends on anything; in secret memory. */
struct key_bits {
	uint8_t *bits;
	uint32_t count, limit;
};

enum { SIFT_LOST = 0xc }; /* a nibble whose intensity is none */

/* Alice's block: nibbles as in DRIVER_SLOTS, low half first. */
struct sift_log {
	const uint8_t *nibbles;
	uint32_t slot_count;
};

struct sift_detection {
	uint32_t slot; /* within the block */
	uint8_t basis; /* 0 X, 1 Z */
	uint8_t bit;
};

struct sift_detections {
	struct sift_detection *items;
	uint32_t count, limit;
};

/* Bob, before: the items of LINK_DETECTIONS. */
void sift_announce(const struct sift_detections *detections, struct writer *items);
/* Alice: reads LINK_DETECTIONS, writes the items of LINK_SIFTED, keeps her X bits. QKD_PROTOCOL where the
 * announcement cannot be. */
enum qkd_abort sift_answer(const struct sift_log *log, const struct link_message *announced,
	struct writer *items, struct key_bits *key, struct qkd_counts *counts);
/* Bob: reads LINK_SIFTED, keeps his X bits. */
enum qkd_abort sift_finish(const struct sift_detections *detections,
	const struct link_message *answer, struct key_bits *key, struct qkd_counts *counts);
