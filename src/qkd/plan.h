// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which intensities, probabilities and basis bias give most key over a given channel with blocks of a given size: by a search over rate.h,
 * deterministic: the best point of a coarse grid, then uphill. No derivative, no library: five numbers and a smooth hill.
 */
#include "rate.h"
#include "reconciler.h"

/* Detectors and optics of published experiments, and of the lab: a place to start from. */
struct plan_set {
	const char *name, *text;
	struct rate_channel channel; /* loss_db and is_two_way are the caller's */
	enum qkd_protocol protocol;
	double attenuation_db_km;
};

enum { PLAN_SETS = 4 };
extern const struct plan_set plan_sets[PLAN_SETS];
const struct plan_set *plan_set_find(const char *name); /* NULL: there is none */

/* How errors are corrected, for a plan. */
struct plan_correction {
	enum reconcile_mode mode; /* 0: that which the link takes by itself */
	double f;                 /* 0: what is expected of the mode (efficiency.h) */
};

/*
 * `p`: protocol, eps_sec, eps_cor and test_bits_min in (qkd_limits(); 0: as many as give most key, as published rates have them);
 * intensities, probabilities and basis_x out, in whole millionths. False: no choice gives key.
 */
bool plan_optimise(const struct rate_channel *channel, double key_bits, struct qkd_parameters *p,
	struct rate *out);

/*
 * The same with the account of this engine's error correction, which `correction` and the channel get told. The link takes a mode as
 * reconcile_choose() says, for the block's key and the rate of such keys, with AVX2 at Bob's end and a short line. False as well where the mode does
 * not take such keys; its f is 0 then.
 */
bool plan_optimise_corrected(struct rate_channel *channel, double key_bits,
	struct plan_correction *correction, struct qkd_parameters *p, struct rate *out);
