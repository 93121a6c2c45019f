// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a link of given optics is expected to give: a channel model, its expected counts, and the key length of estimate.h over them.
 * It plans and it is held against what a link really gives; no key depends on it.
 *
 * Model, per pulse of intensity k: seen with D = 1 - (1 - 2 dark) exp(-eta k), detected with D (1 + afterpulse), wrong with
 * dark + misalignment (1 - exp(-eta k)) + afterpulse D / 2 [Lim §III]. eta is the channel's transmission times the
 * detectors' efficiency; as printed the error has the channel's alone, with which the reach of the paper's own figure is missed. A
 * detector is dead for a while after each click: of the pulses 1 / (1 + clock gain dead) find it alive [Rusca (B3)].
 */
#include "estimate.h"

struct rate_channel {
	double loss_db; /* of the fibre and whatever else lies before the detectors */
	double efficiency, dark_count; /* of a detector; dark counts a gate and detector */
	double misalignment, afterpulse;
	double clock_hz, dead_time_s;
	double correction_f; /* Alice's parities over n h(QBER) */
	bool is_two_way;     /* Bob's answers are leak too: as many bits again (qkd.h) */
};

struct rate {
	struct estimate_counts counts;
	double pulses; /* for one block */
	double qber;
	double detections;
	double final_bits, bits_per_pulse, bits_per_s; /* 0: no key */
	struct estimate estimate;
};

/* A block of `key_bits` sifted key bits. */
void rate_expect(const struct rate_channel *channel, const struct qkd_parameters *p,
	double key_bits, struct rate *out);

/*
 * The GLLP rate of infinite blocks and infinitely many decoys, bits a pulse [Ma, Qi, Zhao, Lo, PRA 72, 012326 (2005), (1)]:
 * the classic yardstick. `yield_0`: Y0, both detectors together. `sifting` is 1/2 without basis bias.
 */
double rate_asymptotic(double eta, double intensity, double yield_0, double misalignment,
	double correction_f, double sifting);
