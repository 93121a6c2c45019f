// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A SIMULATED optical channel: the physics that merlon-optics and the tests stand on. Nothing here touches a real photon, and
 * nothing that uses it may say otherwise.
 *
 * Source: phase-randomised coherent pulses, photon number Poisson with mean mu_k. Fibre and detectors: each photon
 * arrives with eta = 10^(-attenuation * distance / 10) * efficiency. Bob's device chooses its basis actively; in Alice's basis
 * a photon goes to the wrong detector with the misalignment's probability, in the other to either with one half. So each
 * of the two detectors sees an independent Poisson number, and fires with
 * 1 - (1 - dark) exp(-eta mu share). Both may fire. No afterpulses, dead time or jitter.
 *
 * Attack: intercept-resend of a fraction of pulses. The eavesdropper sits at Alice's door with perfect detectors, measures in
 * a random basis and resends what she saw, with the right intensity: more than a real one could, and
 * still one resent bit in four is wrong in a basis that both ends chose.
 */
#include "base/env.h"
#include "codec/qkd_driver.h"

struct optics_settings {
	double distance_km, attenuation_db_km;
	double detector_efficiency, dark_count, misalignment;
	double intensity[3], probability[3], basis_x;
	double intercepted; /* fraction of pulses, 0 to 1 */
};

struct optics {
	struct optics_settings settings;
	struct entropy choices; /* Alice's and Bob's: bit, bases, intensity */
	uint64_t nature[4];     /* photon statistics: a fast generator, seeded from `choices` */
	uint64_t next_slot;
	/* Derived: click probabilities as thresholds of 64 bits, by intensity and share of the light. */
	uint64_t right[3], wrong[3], other[3];
	uint64_t is_seen[3]; /* at Alice's door: at least one photon */
	uint64_t dark, intercepted, basis_x, intensity_0, intensity_01;
};

enum { OPTICS_SLOTS_MAX = 1 << 16 };

MUST_USE struct err optics_open(struct optics *o, const struct optics_settings *settings,
	struct entropy choices, struct complaint *c);
void optics_intercept(struct optics *o, double fraction);

/*
 * The next `count` <= OPTICS_SLOTS_MAX slots. `nibbles`: (count + 1) / 2 octets as in DRIVER_SLOTS; `events`: at most
 * `count`, as in DRIVER_EVENTS. Slots are numbered from o->next_slot as it was before.
 */
MUST_USE struct err optics_run(struct optics *o, uint32_t count, uint8_t *nibbles,
	struct driver_event *events, uint32_t *event_count);

/* Expected, of the model: chance of a detection in a slot, and of an error in a sifted one. */
double optics_expected_gain(const struct optics *o);
double optics_expected_qber(const struct optics *o);
