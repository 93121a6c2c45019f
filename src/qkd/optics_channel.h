// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The SIMULATED channel as a table: what Bob's two detectors do in a slot, for each thing that Alice may have sent and each basis
 * that Bob may have chosen. All of the physics that has no memory is in it, honest or attacked; what has a memory
 * (dead time, afterpulses, drift) is optics_model.c's.
 *
 * Source: phase-randomised coherent pulses, photon number Poisson with mean mu_k. Fibre and detectors: each photon
 * arrives with eta = 10^(-attenuation * distance / 10) * efficiency. Bob's device chooses its basis actively; in Alice's basis
 * a photon goes to the wrong detector with the misalignment's probability, in the other to either with one half. So each
 * of the two detectors sees an independent Poisson number, and fires with
 * 1 - (1 - dark) exp(-eta mu share). Both may fire.
 *
 * Attacks. `strength` is the fraction of pulses that are attacked.
 *
 *   OPTICS_INTERCEPT  intercept-resend. The eavesdropper sits at Alice's door with perfect detectors, measures in a random basis and
 *                     resends what she saw, with the right intensity: more than a real one could, and still one
 *                     resent bit in four is wrong in a basis that both ends chose.
 *   OPTICS_SPLIT      photon-number splitting [Brassard, Lütkenhaus, Mor, Sanders, PRL 85, 1330 (2000)]. She counts photons, keeps one
 *                     of each pulse that has several, and sends the rest over a channel without loss; of pulses
 *                     with one photon she lets through as many as she needs so that Bob's total gain stays. No errors;
 *                     but weak pulses arrive too rarely, and that is what decoys are for.
 *   OPTICS_BLIND      blinding [Lydersen et al., Nature Photonics 4, 686 (2010)]. Bright light makes Bob's detectors classical: they
 *                     click when his basis is hers, with her result, and never otherwise. No errors, the right gain
 *                     for each intensity; no dark counts, no double clicks; and the bright light is on the
 *                     device's own instruments.
 *   OPTICS_SHIFT      time shift [Qi, Fung, Lo, Ma, QIC 7, 73 (2007)]. She moves pulses to an edge of the gate, where detector 1 has a
 *                     fifth of its efficiency: who clicked is then worth something. No errors; detectors are unequal,
 *                     and clicks sit at the edge of the gate.
 */
#include <stddef.h>
#include <stdint.h>

enum optics_attack {
	OPTICS_HONEST,
	OPTICS_INTERCEPT,
	OPTICS_SPLIT,
	OPTICS_BLIND,
	OPTICS_SHIFT,
	OPTICS_ATTACKS
};

#define OPTICS_SHIFT_EFFICIENCY 0.2

struct optics_settings {
	double distance_km, attenuation_db_km;
	double detector_efficiency, dark_count, misalignment;
	double intensity[3], probability[3], basis_x;
	/* After a click the same detector clicks once more with this chance, after so many slots in the mean. */
	double afterpulse, afterpulse_slots;
	double dead_slots; /* in which a detector that clicked is blind */
	/* Within a period (in slots) the misalignment grows by this much and returns; the intensity swings by this fraction. */
	double drift_slots, drift_misalignment, drift_intensity;
	enum optics_attack attack;
	double strength; /* 0 to 1 */
};

/* What Alice sends, as in DRIVER_SLOTS; which of the detectors click: bit 0, bit 1. */
enum { OPTICS_SENT = 12, OPTICS_CLICKS = 4 };

struct optics_channel {
	double of[OPTICS_SENT][2][OPTICS_CLICKS]; /* [sent][Bob's basis][clicks]; sums to 1 */
};

void optics_channel_compute(struct optics_channel *ch, const struct optics_settings *s);

/* With intensity k in one basis that both chose: chance of a detection, and of an error (a double click is half of one). */
void optics_channel_expect(const struct optics_channel *ch, size_t k, double *gain, double *errors);
