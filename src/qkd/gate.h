// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * From the time tags of a free-running receiver to slots: DRIVER_TIMES, DRIVER_TIMES_LOST and DRIVER_MONITOR in, DRIVER_EVENTS,
 * DRIVER_LOST and DRIVER_MONITOR in slots out. Pure: no clock but the device's.
 *
 * Slot n covers [offset + n P, offset + (n + 1) P), P the source's period; its gate is the middle part of it, `window` of a period
 * wide. A click in the gate is an event of the slot, by the detector of its channel; outside it is counted and let go, as a gated
 * detector would not have clicked. That is sound since the gate is fixed before anything is known of the click.
 * Two clicks of one basis in a slot: both bits of the mask. Of two bases (a receiver that chooses passively): a coin
 * chooses the basis, once the slot is over, and the clicks of the other are let go; never the first, whom an attacker could choose.
 *
 * The source's clock and the receiver's differ and drift. Each GATE_CLICKS clicks in the gate, their mean distance from the gate's middle
 * corrects the phase, and half of what it says of the period, the period. Let s be the slots that GATE_CLICKS clicks take: a
 * difference of clocks by a fraction d is followed while 1.5 d s stays below window / 2 (clicks once in 100 slots,
 * window one half: 50 ppm; once in 10,000: 0.5 ppm), and never beyond `drift_ppm_max`. Once in GATE_WATCHED clicks
 * it is asked whether more of them are in the gate than chance puts there; if not, the gate has lost the light and says ERR_INPUT:
 * the connection ends, and a new one begins with a new session. The same where 2^52 ps (75 minutes) pass without a click in the gate.
 *
 * What it does not do: find the offset. That slot 0 of the source is at `offset` of the receiver's clock is what the device, or who
 * installs it, must know; the two ends of a link agree on it by a marker of light or a common clock.
 */
#include "base/env.h"
#include "codec/qkd_driver.h"

enum { GATE_CLICKS = 32, GATE_WATCHED = 1024, GATE_EVENTS = 4096 };

struct gate_settings {
	double period_ps, offset_ps;
	double window; /* of a period: up to one half, or noise could not be told from light */
	double drift_ppm_max;
	uint8_t mask[DRIVER_CHANNELS]; /* the detector of each channel; 0: none */
};

struct gate_port {
	void *ctx;
	struct err (*record)(void *ctx, const struct driver_record *record);
};

struct gate {
	struct gate_settings settings;
	struct gate_port port;
	struct entropy entropy; /* the coin */
	bool has_position, has_monitor;
	uint64_t next_ps, last_ps, next_slot;
	uint64_t monitor_ps, monitor_slot; /* where the last monitored range ended */
	/* Where slot anchor_slot begins: anchor_ps + anchor_rest, as far as is known; and how long a slot is. */
	uint64_t anchor_slot, anchor_ps;
	double anchor_rest, period_ps;
	double residual_sum;
	uint64_t residual_from;
	uint32_t residual_count, watched, watched_in;
	struct driver_event events[GATE_EVENTS];
	uint32_t event_count;
	uint64_t in_gate, out_of_gate, cross_basis, slots_lost;
	uint64_t late; /* clicks in slots that were handed over or lost already */
	uint8_t buffer[GATE_EVENTS * 9 + 64];
};

MUST_USE struct err gate_open(struct gate *g, const struct gate_settings *settings,
	struct gate_port port, struct entropy entropy, struct complaint *c);
/* ERR_INPUT: ranges that do not follow, no record of a free-running receiver, or the light is lost. Also what the port said. */
MUST_USE struct err gate_record(struct gate *g, const struct driver_record *record);
double gate_drift_ppm(const struct gate *g);
