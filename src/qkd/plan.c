// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "plan.h"
#include "efficiency.h"
#include <math.h>
#include <string.h>

const struct plan_set plan_sets[PLAN_SETS] = {
	{"lab", "the lab's simulated link: half of the photons seen, 1.5 million slots/s",
		{.efficiency = 0.5,
			.dark_count = 1e-6,
			.misalignment = 0.01,
			.clock_hz = 1.5e6,
			.correction_f = 1.04},
		QKD_TWO_DECOY, 0.2},
	{"lim-2014", "InGaAs avalanche diodes of Lim et al., PRA 89, 022307 (2014)",
		{.efficiency = 0.1,
			.dark_count = 6e-7,
			.misalignment = 0.005,
			.afterpulse = 0.04,
			.clock_hz = 1e9,
			.correction_f = 1.16},
		QKD_TWO_DECOY, 0.2},
	{"rusca-2018", "superconducting detectors of Rusca et al., APL 112, 171104 (2018)",
		{.efficiency = 0.5,
			.dark_count = 0.5e-8,
			.misalignment = 0.01,
			.clock_hz = 1e9,
			.dead_time_s = 100e-9,
			.correction_f = 1.16},
		QKD_ONE_DECOY, 0.2},
	{"gys-2004", "Gobby, Yuan, Shields, APL 84, 3762 (2004), as used by Ma et al. 2005",
		{.efficiency = 0.045,
			.dark_count = 0.85e-6,
			.misalignment = 0.033,
			.clock_hz = 2e6,
			.correction_f = 1.22},
		QKD_TWO_DECOY, 0.21},
};

const struct plan_set *plan_set_find(const char *name)
{
	for (size_t i = 0; i < PLAN_SETS; i++)
		if (strcmp(plan_sets[i].name, name) == 0)
			return &plan_sets[i];
	return NULL;
}

enum { BASIS, SHARE_1, SHARE_2, MU_1, MU_2, NUMBERS, STEPS_MAX = 4000 };
static const double mu_3 =
	2e-4; /* as good as the vacuum, and what a modulator can still do [Lim §III] */

struct point {
	double at[NUMBERS]; /* SHARE_2: of what SHARE_1 leaves */
};

static void apply(const struct point *x, struct qkd_parameters *p)
{
	const bool is_one = p->protocol == QKD_ONE_DECOY;
	const double rest = 1 - x->at[SHARE_1];

	p->basis_x = x->at[BASIS];
	p->probability[0] = x->at[SHARE_1];
	p->probability[1] = is_one ? rest : rest * x->at[SHARE_2];
	p->probability[2] = is_one ? 0 : rest * (1 - x->at[SHARE_2]);
	p->intensity[0] = x->at[MU_1];
	p->intensity[1] = x->at[MU_2] * x->at[MU_1]; /* as a part of mu1 */
	p->intensity[2] = is_one ? 0 : mu_3;
}

static bool is_allowed(const struct point *x)
{
	for (size_t i = 0; i < NUMBERS; i++)
		if (!(x->at[i] > 1e-3 && x->at[i] < 0.9995))
			return false;
	return x->at[MU_2] * x->at[MU_1] > 2 * mu_3;
}

/*
 * Whether the engine would take such blocks: so many test bits that chance takes them below its limit once in 10^14 blocks. It is the one limit
 * that the best key comes near: long blocks need few test bits. (Errors and length do not get better by keeping away from theirs.)
 */
static bool has_test_bits(const struct rate *r, const struct qkd_parameters *p)
{
	static const double deviations = 8;
	const double *n = r->counts.test, least = p->test_bits_min;

	return n[0] + n[1] + n[2] >= least + deviations * sqrt(least);
}

static double height(const struct rate_channel *channel, double key_bits, const struct point *x,
	struct qkd_parameters *p)
{
	struct rate r;

	if (!is_allowed(x))
		return 0;
	apply(x, p);
	rate_expect(channel, p, key_bits, &r);
	return has_test_bits(&r, p) ? r.bits_per_pulse : 0;
}

/* One number at a time, up and down on the scale of odds, with steps that shrink where none helps. */
static double climb(const struct rate_channel *channel, double key_bits, struct point *x,
	struct qkd_parameters *p)
{
	double best = height(channel, key_bits, x, p), step = 0.5;

	for (uint32_t tries = 0; tries < STEPS_MAX && step > 1e-5;) {
		bool has_risen = false;
		for (size_t i = 0; i < NUMBERS; i++)
			for (int sign = -1; sign <= 1; sign += 2, tries++) {
				struct point y = *x;
				const double odds = x->at[i] / (1 - x->at[i]) * exp(sign * step);
				y.at[i] = odds / (1 + odds);
				const double h = height(channel, key_bits, &y, p);
				if (h <= best)
					continue;
				best = h;
				*x = y;
				has_risen = true;
			}
		step *= has_risen ? 1.2 : 0.5;
	}
	return best;
}

enum { GRID = 7 };

/* The best of a coarse grid: with short blocks there is key on a small part of the land alone. */
static struct point survey(
	const struct rate_channel *channel, double key_bits, struct qkd_parameters *p)
{
	static const double marks[GRID] = {0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.93};
	struct point best = {{0.9, 0.6, 0.7, 0.5, 0.4}};
	double most = 0;
	uint32_t all = 1;

	for (size_t i = 0; i < NUMBERS; i++)
		all *= GRID;
	for (uint32_t n = 0; n < all; n++) {
		struct point x;
		uint32_t digits = n;
		for (size_t i = 0; i < NUMBERS; i++, digits /= GRID)
			x.at[i] = marks[digits % GRID];
		const double h = height(channel, key_bits, &x, p);
		if (h > most) {
			most = h;
			best = x;
		}
	}
	return best;
}

static double millionths(double v)
{
	return round(v * 1e6) / 1e6;
}

/* As CONFIG and the device have them. The last probability is what the others leave: each rounded by itself, they need not sum to 1. */
static void round_off(struct qkd_parameters *p)
{
	const size_t last = p->protocol == QKD_ONE_DECOY ? 1 : 2;
	double rest = 1;

	for (size_t k = 0; k < QKD_INTENSITIES; k++)
		p->intensity[k] = millionths(p->intensity[k]);
	for (size_t k = 0; k < last; k++) {
		p->probability[k] = millionths(p->probability[k]);
		rest -= p->probability[k];
	}
	p->probability[last] = millionths(rest);
	p->basis_x = millionths(p->basis_x);
}

bool plan_optimise(const struct rate_channel *channel, double key_bits, struct qkd_parameters *p,
	struct rate *out)
{
	struct point best = survey(channel, key_bits, p);
	const double most = climb(channel, key_bits, &best, p);

	apply(&best, p);
	round_off(p);
	rate_expect(channel, p, key_bits, out);
	return most > 0;
}

static void correction_settle(struct plan_correction *c, const struct rate_channel *channel,
	double key_bits, const struct rate *r)
{
	const struct reconcile_circumstances now = {
		.key_bits = (uint32_t)fmin(key_bits, UINT32_MAX),
		.qber = r->qber,
		.bits_a_second = key_bits / r->pulses * channel->clock_hz,
		.is_ldpc_fast = true};

	if (c->mode == 0)
		c->mode = reconcile_choose(&now);
	const double f = efficiency_of(c->mode, now.key_bits, now.qber);
	if (c->f == 0 || f == 0)
		c->f = f;
}

bool plan_optimise_corrected(struct rate_channel *channel, double key_bits,
	struct plan_correction *correction, struct qkd_parameters *p, struct rate *out)
{
	/* First as if no more were told than must be: what errors there are hardly depends on it. */
	channel->correction_f = 1;
	channel->is_two_way = false;
	if (!plan_optimise(channel, key_bits, p, out))
		return false;
	correction_settle(correction, channel, key_bits, out);
	channel->correction_f = correction->f;
	channel->is_two_way = correction->mode == RECONCILE_CASCADE;
	return correction->f > 0 && plan_optimise(channel, key_bits, p, out);
}
