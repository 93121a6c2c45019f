// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Driver records: what an optical device hands to its end of the link, over a Unix socket. The format is neutral: any
 * gated transmitter or receiver (or a simulation of them) can speak it.
 *
 *   octets 0-3  length of what follows        u32
 *          4    type                          u8
 *          …    content
 *
 *   DRIVER_HELLO  version u8, role u8, flags u8 (1: simulated), session[16], slots per second u32, the settings
 *                 of the source (3 intensities, 3 probabilities, basis: u32 millionths), description (u8 length, text).
 *                 First record of a connection, and no other.
 *   DRIVER_SLOTS  Alice: first slot u64, count u32, then 4 bits a slot, low half first:
 *                 bit 0 her bit, bit 1 her basis (0 X: key, 1 Z: test), bits 2-3 intensity (0 to 2).
 *   DRIVER_EVENTS Bob: first slot u64, slot count u32 (the range these events cover), event count u32, then events
 *                 {slot u64, detector mask u8: 1 X0, 2 X1, 4 Z0, 8 Z1}, ascending, one a slot. The device chooses Bob's
 *                 basis actively; so a mask has detectors of one basis. Both of one basis: a double click.
 *   DRIVER_LOST   first slot u64, count u32: the device cannot tell what happened in these slots.
 *
 * Ranges follow each other without gap or overlap; what is missing is said by DRIVER_LOST, never left
 * out. Slot numbers count from the start of a session; the session names one run of the source.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum driver_type { DRIVER_HELLO = 1, DRIVER_SLOTS = 2, DRIVER_EVENTS = 3, DRIVER_LOST = 4 };
enum { DRIVER_VERSION = 1, DRIVER_SIMULATED = 1 };
enum { DRIVER_ALICE = 1, DRIVER_BOB = 2 };
enum {
	DRIVER_HEADER = 5,
	DRIVER_RECORD_MAX = 1 << 20,
	DRIVER_TEXT_MAX = 120,
	DRIVER_SLOTS_MAX = 1 << 20
};
enum { DRIVER_X0 = 1, DRIVER_X1 = 2, DRIVER_Z0 = 4, DRIVER_Z1 = 8 };

struct driver_hello {
	uint8_t role;
	bool is_simulated;
	uint8_t session[16];
	uint32_t slots_per_second;
	uint32_t intensity_micro[3], probability_micro[3], basis_x_micro;
	char description[DRIVER_TEXT_MAX + 1];
};

struct driver_event {
	uint64_t slot;
	uint8_t mask;
};

struct driver_record {
	enum driver_type type;
	struct driver_hello hello;
	uint64_t first_slot;
	uint32_t slot_count;
	uint32_t event_count;
	struct span items; /* read with the functions below */
};

/* *size = octets of the whole first record, or 0 when too few are there to tell. */
MUST_USE struct err driver_record_size(struct span stream, size_t *size);
/* Exactly one record. */
MUST_USE struct err driver_decode(
	struct span bytes, struct driver_record *record, struct wire_fault *fault);

struct driver_event driver_event_at(const struct driver_record *record, uint32_t i);
static inline uint8_t driver_slot_at(const struct driver_record *record, uint32_t i)
{
	return record->items.at[i / 2] >> i % 2 * 4 & 15;
}

void driver_hello_encode(struct writer *w, const struct driver_hello *hello);
/* `nibbles`: (count + 1) / 2 octets, as on the wire. */
void driver_slots_encode(
	struct writer *w, uint64_t first_slot, uint32_t count, struct span nibbles);
void driver_events_encode(struct writer *w, uint64_t first_slot, uint32_t slot_count,
	const struct driver_event *events, uint32_t event_count);
void driver_lost_encode(struct writer *w, uint64_t first_slot, uint32_t count);
