// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A SIMULATED optical link: source, channel (optics_channel.h), detectors and their instruments, for merlon-optics and the tests.
 * Nothing here touches a real photon, and nothing that uses it may say otherwise.
 *
 * Fast, since nearly nothing happens in nearly every slot. Alice's four bits of a slot come from a table; which slots are looked at
 * is drawn by geometric gaps of the likeliest kind of slot, and of these each is kept with its own chance: every slot has
 * exactly the chances of the channel's table, and the time goes with the detections.
 *
 * Detectors have a memory. After a click a detector is blind for the dead time; and with the afterpulse's chance it clicks once more, after
 * a delay (geometric, counted from the end of the dead time). An afterpulse makes none: so the gain grows by the
 * factor 1 + p_ap as in [Lim §III]. A channel that drifts is computed anew for each run of slots.
 *
 * Instruments: bias current and input power of each detector, clicks, double clicks, where in the gate they came; and at Alice the mean
 * photon number of each intensity. Honest ones scatter by a few per cent.
 */
#include "base/env.h"
#include "codec/qkd_driver.h"
#include "qkd/optics_channel.h"

enum { OPTICS_SLOTS_MAX = 1 << 16, OPTICS_PENDING = 64, OPTICS_BINS = 16, OPTICS_QUANTILES = 256 };
enum {
	OPTICS_BIAS_NA_MAX = 200,
	OPTICS_POWER_PW_MAX = 1000
}; /* of a sound detector, as HELLO says */

struct optics {
	struct optics_settings settings;
	uint64_t nature[4]; /* a fast generator, seeded from the entropy */
	uint64_t next_slot, candidate;
	struct optics_channel channel;
	/* Of `candidate`, in 2^-64: [sent][Bob's basis], up to clicks 1, 2, 3; and the chance of a candidate. */
	uint64_t until[OPTICS_SENT][2][3];
	double gap_log; /* log(1 - chance) */
	uint64_t sent_until[OPTICS_SENT];
	uint8_t sent[1 << 12]; /* by twelve random bits; or SENT_UNSURE */
	uint64_t basis_x, afterpulse;
	double afterpulse_log;
	uint64_t dead_until[2];
	struct {
		uint64_t slot;
		uint8_t detector;
	} pending[OPTICS_PENDING];
	size_t pending_count;
	uint64_t pending_next, afterpulses_dropped;
	uint8_t bins[2][OPTICS_QUANTILES]; /* of the gate, honest and shifted */
	struct driver_monitor monitor;     /* since it was last taken */
};

MUST_USE struct err optics_open(struct optics *o, const struct optics_settings *settings,
	struct entropy choices, struct complaint *c);
/* From the next slot on. Strength 0: honest again. */
void optics_attack(struct optics *o, enum optics_attack attack, double strength);
const char *optics_attack_word(enum optics_attack attack);

/*
 * The next `count` <= OPTICS_SLOTS_MAX slots. `nibbles`: (count + 1) / 2 octets as in DRIVER_SLOTS; `events`: at most
 * `count`, as in DRIVER_EVENTS. Slots are numbered from o->next_slot as it was before. ERR_LIMIT: too many.
 */
MUST_USE struct err optics_run(struct optics *o, uint32_t count, uint8_t *nibbles,
	struct driver_event *events, uint32_t *event_count);

/* What the instruments at both ends say of the slots since this was last asked; at least one. */
void optics_monitor_take(
	struct optics *o, struct driver_monitor *alice, struct driver_monitor *bob);

/* Expected, of the model: chance of a detection in a slot, and of an error in a sifted one. Without dead time and drift. */
double optics_expected_gain(const struct optics *o);
double optics_expected_qber(const struct optics *o);
