// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Driver records: what an optical device hands to its end of the link, over a socket or from a file. The format is neutral: any
 * transmitter or receiver, gated or free-running (or a simulation of them), can speak it. doc/driver.md says how.
 *
 *   octets 0-3  length of what follows        u32
 *          4    type                          u8
 *          …    content
 *
 *   DRIVER_HELLO  version u8, role u8, flags u8 (1 simulated, 2 monitored, 4 free-running), session[16], slots per second u32,
 *                 the settings of the source (3 intensities, 3 probabilities, basis: u32 millionths); from version 2: the largest
 *                 bias current (nA) and input power (pW) of a sound detector, u32 each, 0: not measured, and SHA-256 of
 *                 the transcript of the device's calibration, zero: none; description (u8 length, text).
 *                 First record of a connection, and no other.
 *   DRIVER_SLOTS  Alice: first slot u64, count u32, then 4 bits a slot, low half first:
 *                 bit 0 her bit, bit 1 her basis (0 X: key, 1 Z: test), bits 2-3 intensity (0 to 2).
 *   DRIVER_EVENTS Bob, gated: first slot u64, slot count u32 (the range these events cover), event count u32, then events
 *                 {slot u64, detector mask u8: 1 X0, 2 X1, 4 Z0, 8 Z1}, ascending, one a slot. The device chooses Bob's
 *                 basis actively; so a mask has detectors of one basis. Both of one basis: a double click.
 *   DRIVER_LOST   first slot u64, count u32: the device cannot tell what happened in these slots.
 *   DRIVER_TIMES  Bob, free-running: first time u64, length u64, event count u32, then events {time u64, channel u8, flags u8},
 *                 in order of time. Flags: 1 the device overflowed, 2 its clock was interrupted: from the event before (or
 *                 the range's first instant) to this one, events may be missing. Times are picoseconds.
 *   DRIVER_TIMES_LOST first time u64, length u64.
 *   DRIVER_MONITOR what the device's own instruments say of a range: first u64, length u64 (slots; picoseconds where the device is
 *                 free-running), flags u8 (1 detectors, 2 intensities), histogram bins u8; with 1, of X0, X1, Z0, Z1: the
 *                 largest bias current (nA), the largest input power (pW), clicks; and double clicks in X and in Z; with 2:
 *                 mean photon number of each intensity, millionths; then the bins: clicks by their time within the
 *                 gate. All u32. It comes before the slots or events of its range: nobody makes key of what the
 *                 instruments have not yet spoken of.
 *
 * Ranges (of slots or times, and those of monitoring among themselves) follow each other without gap or overlap; what is missing is
 * said by a record of loss, never left out. Slot numbers count from the start of a session; the session names one
 * run of the source, and both devices call it by the same 16 octets.
 *
 * Versions: a device says its version in HELLO and hears no answer. Version 1 (gated, without monitoring) is still
 * understood; any other is refused as ERR_VERSION, by name, before anything is read.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum driver_type {
	DRIVER_HELLO = 1,
	DRIVER_SLOTS = 2,
	DRIVER_EVENTS = 3,
	DRIVER_LOST = 4,
	DRIVER_TIMES = 5,
	DRIVER_TIMES_LOST = 6,
	DRIVER_MONITOR = 7
};
enum { DRIVER_VERSION = 2, DRIVER_VERSION_LEAST = 1 };
enum { DRIVER_SIMULATED = 1, DRIVER_MONITORED = 2, DRIVER_FREE_RUNNING = 4 };
enum { DRIVER_ALICE = 1, DRIVER_BOB = 2 };
enum {
	DRIVER_HEADER = 5,
	DRIVER_RECORD_MAX = 1 << 20,
	DRIVER_TEXT_MAX = 120,
	DRIVER_SLOTS_MAX = 1 << 20,
	DRIVER_CHANNELS = 8,
	DRIVER_DETECTORS = 4,
	DRIVER_BINS_MAX = 64,
	DRIVER_CALIBRATION = 32
};
enum { DRIVER_X0 = 1, DRIVER_X1 = 2, DRIVER_Z0 = 4, DRIVER_Z1 = 8 };
enum { DRIVER_OVERFLOW = 1, DRIVER_GAP = 2 };                  /* flags of a time */
enum { DRIVER_HAS_DETECTORS = 1, DRIVER_HAS_INTENSITIES = 2 }; /* flags of a monitor's record */

struct driver_hello {
	uint8_t version; /* 0 when encoded: the newest */
	uint8_t role;
	bool is_simulated, is_monitored, is_free_running;
	uint8_t session[16];
	uint32_t slots_per_second;
	uint32_t intensity_micro[3], probability_micro[3], basis_x_micro;
	uint32_t bias_na_max, power_pw_max;
	uint8_t calibration[DRIVER_CALIBRATION];
	char description[DRIVER_TEXT_MAX + 1];
};

struct driver_event {
	uint64_t slot;
	uint8_t mask;
};

struct driver_time {
	uint64_t time_ps;
	uint8_t channel, flags;
};

struct driver_monitor {
	uint64_t first, length;
	bool has_detectors, has_intensities;
	struct driver_detector {
		uint32_t bias_na, power_pw, clicks;
	} detectors[DRIVER_DETECTORS]; /* X0, X1, Z0, Z1 */
	uint32_t double_clicks[2];     /* in X, in Z */
	uint32_t intensity_micro[3];
	uint32_t bin_count, bins[DRIVER_BINS_MAX];
};

struct driver_record {
	enum driver_type type;
	struct driver_hello hello;
	struct driver_monitor monitor;
	uint64_t first_slot;
	uint32_t slot_count;
	uint64_t first_ps, length_ps;
	uint32_t event_count;
	struct span items; /* read with the functions below */
};

/* *size = octets of the whole first record, or 0 when too few are there to tell. */
MUST_USE struct err driver_record_size(struct span stream, size_t *size);
/* Exactly one record. */
MUST_USE struct err driver_decode(
	struct span bytes, struct driver_record *record, struct wire_fault *fault);

enum { DRIVER_EVENT_OCTETS = 9 };
/* Items lie within the record: driver_decode() has seen them all. */
/* An event from its octets. */
static inline struct driver_event driver_event_of(const uint8_t *at)
{
	/* As one expression compilers see one load. */
	const uint64_t slot = (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 |
			      (uint64_t)at[2] << 40 | (uint64_t)at[3] << 32 |
			      (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 | (uint64_t)at[6] << 8 |
			      at[7];

	return (struct driver_event){.slot = slot, .mask = at[8]};
}

static inline struct driver_event driver_event_at(const struct driver_record *record, uint32_t i)
{
	return driver_event_of(record->items.at + (size_t)i * DRIVER_EVENT_OCTETS);
}
struct driver_time driver_time_at(const struct driver_record *record, uint32_t i);
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
void driver_times_encode(struct writer *w, uint64_t first_ps, uint64_t length_ps,
	const struct driver_time *times, uint32_t count);
void driver_times_lost_encode(struct writer *w, uint64_t first_ps, uint64_t length_ps);
void driver_monitor_encode(struct writer *w, const struct driver_monitor *monitor);
