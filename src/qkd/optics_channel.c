// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "optics_channel.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { PHOTONS_MAX = 40 }; /* of intensity 4 and less: all but 1e-20 */

struct detection {
	double of[OPTICS_CLICKS];
};

struct sent {
	size_t k;
	unsigned bit, basis;
};

static struct sent sent_of(unsigned nibble)
{
	return (struct sent){.k = nibble >> 2, .bit = nibble & 1, .basis = nibble >> 1 & 1};
}

static double fibre(const struct optics_settings *s)
{
	return pow(10, -s->attenuation_db_km * s->distance_km / 10);
}

/* Two detectors that fire independently. */
static struct detection independent(double zero, double one)
{
	return (struct detection){
		{(1 - zero) * (1 - one), zero * (1 - one), (1 - zero) * one, zero * one}};
}

static void mix(struct detection *out, double weight, struct detection add)
{
	for (size_t c = 0; c < OPTICS_CLICKS; c++)
		out->of[c] += weight * add.of[c];
}

/* Detector noise on top of what the light did. */
static struct detection with_dark(struct detection light, double dark)
{
	const struct detection noise = independent(dark, dark);
	struct detection out = {{0}};

	for (size_t a = 0; a < OPTICS_CLICKS; a++)
		for (size_t b = 0; b < OPTICS_CLICKS; b++)
			out.of[a | b] += light.of[a] * noise.of[b];
	return out;
}

static double share_right(const struct optics_settings *s, bool is_matched)
{
	return is_matched ? 1 - s->misalignment : 0.5;
}

/* A coherent pulse with `mean` detectable photons; detector 1 has a share of the other's efficiency. */
static struct detection coherent(const struct optics_settings *s, double mean, unsigned bit,
	bool is_matched, double efficiency_1)
{
	const double right = share_right(s, is_matched);
	const double share[2] = {bit == 0 ? right : 1 - right, bit == 1 ? right : 1 - right};
	const double zero = 1 - (1 - s->dark_count) * exp(-mean * share[0]);
	const double one = 1 - (1 - s->dark_count) * exp(-mean * share[1] * efficiency_1);

	return independent(zero, one);
}

static double detectable(const struct optics_settings *s, size_t k)
{
	return fibre(s) * s->detector_efficiency * s->intensity[k];
}

static struct detection honest(const struct optics_settings *s, struct sent a, unsigned basis)
{
	return coherent(s, detectable(s, a.k), a.bit, a.basis == basis, 1);
}

static struct detection dark(const struct optics_settings *s)
{
	return independent(s->dark_count, s->dark_count);
}

/* Her basis is Alice's or the other, her result then a coin's. */
static struct detection intercepted(const struct optics_settings *s, struct sent a, unsigned basis)
{
	const double seen = 1 - exp(-s->intensity[a.k]);
	struct detection out = {{0}};

	mix(&out, 1 - seen, dark(s));
	mix(&out, seen / 2, honest(s, a, basis));
	for (unsigned bit = 0; bit < 2; bit++)
		mix(&out, seen / 4, honest(s, (struct sent){a.k, bit, a.basis ^ 1}, basis));
	return out;
}

/* n photons at Bob's own door. */
static struct detection photons(
	const struct optics_settings *s, double n, unsigned bit, bool is_matched)
{
	const double eta = s->detector_efficiency, right = share_right(s, is_matched);
	const double none = pow(1 - eta, n), no_right = pow(1 - eta * right, n),
		     no_wrong = pow(1 - eta * (1 - right), n);
	struct detection light = {{none}};

	light.of[1u << bit] = no_wrong - none;
	light.of[2u >> bit] = no_right - none;
	light.of[3] = 1 - no_right - no_wrong + none;
	return with_dark(light, s->dark_count);
}

static double poisson(double mean, double n)
{
	return mean == 0 ? n == 0 : exp(n * log(mean) - mean - lgamma(n + 1));
}

static double honest_gain(const struct optics_settings *s)
{
	double gain = 0;

	for (size_t k = 0; k < 3; k++)
		gain += s->probability[k] * (1 - exp(-detectable(s, k)));
	return gain;
}

/* Which share of single photons and of what is left of several passes, so that Bob detects as often as ever. */
static void split_shares(const struct optics_settings *s, double *single, double *several)
{
	const double wanted = honest_gain(s), eta = s->detector_efficiency;
	double ones = 0, more = 0;

	for (size_t k = 0; k < 3; k++) {
		ones += s->probability[k] * poisson(s->intensity[k], 1) * eta;
		for (int n = 2; n <= PHOTONS_MAX; n++)
			more += s->probability[k] * poisson(s->intensity[k], n) *
				(1 - pow(1 - eta, n - 1));
	}
	*several = more <= wanted ? 1 : wanted / more;
	*single = more >= wanted ? 0 : ones <= wanted - more ? 1 : (wanted - more) / ones;
}

static struct detection split(const struct optics_settings *s, struct sent a, unsigned basis)
{
	const double mean = s->intensity[a.k];
	const bool is_matched = a.basis == basis;
	struct detection out = {{0}};
	double single, several, left = 1;

	split_shares(s, &single, &several);
	const double one = single * poisson(mean, 1);
	mix(&out, one, photons(s, 1, a.bit, is_matched));
	left -= one;
	for (int n = 2; n <= PHOTONS_MAX; n++) {
		const double some = several * poisson(mean, n);
		mix(&out, some, photons(s, n - 1, a.bit, is_matched));
		left -= some;
	}
	mix(&out, left, dark(s));
	return out;
}

/* How well she has to see, at Alice's door, so that Bob, who clicks in one basis of two, detects as often as ever. */
static double blind_efficiency(const struct optics_settings *s)
{
	const double wanted = honest_gain(s);
	double least = 0, most = 1;

	for (int i = 0; i < 60; i++) {
		const double middle = (least + most) / 2;
		double gain = 0;
		for (size_t k = 0; k < 3; k++)
			gain += s->probability[k] * (1 - exp(-middle * s->intensity[k])) / 2;
		*(gain < wanted ? &least : &most) = middle;
	}
	return most;
}

static struct detection blind(const struct optics_settings *s, struct sent a, unsigned basis)
{
	const double seen = 1 - exp(-blind_efficiency(s) * s->intensity[a.k]);
	struct detection out = {{1 - seen / 2}};

	if (a.basis == basis) {
		out.of[1u << a.bit] = seen / 2;
	} else {
		out.of[1] = out.of[2] = seen / 4;
	}
	return out;
}

static struct detection attacked(const struct optics_settings *s, struct sent a, unsigned basis)
{
	switch (s->attack) {
	case OPTICS_INTERCEPT:
		return intercepted(s, a, basis);
	case OPTICS_SPLIT:
		return split(s, a, basis);
	case OPTICS_BLIND:
		return blind(s, a, basis);
	case OPTICS_SHIFT:
		return coherent(
			s, detectable(s, a.k), a.bit, a.basis == basis, OPTICS_SHIFT_EFFICIENCY);
	case OPTICS_HONEST:
	case OPTICS_ATTACKS:
		break;
	}
	return honest(s, a, basis);
}

void optics_channel_compute(struct optics_channel *ch, const struct optics_settings *s)
{
	for (unsigned nibble = 0; nibble < OPTICS_SENT; nibble++)
		for (unsigned basis = 0; basis < 2; basis++) {
			const struct sent a = sent_of(nibble);
			struct detection out = {{0}};
			mix(&out, 1 - s->strength, honest(s, a, basis));
			if (s->strength > 0)
				mix(&out, s->strength, attacked(s, a, basis));
			memcpy(ch->of[nibble][basis], out.of, sizeof out.of);
		}
}

void optics_channel_expect(const struct optics_channel *ch, size_t k, double *gain, double *errors)
{
	*gain = *errors = 0;
	for (unsigned basis = 0; basis < 2; basis++)
		for (unsigned bit = 0; bit < 2; bit++) {
			const double *of = ch->of[k << 2 | basis << 1 | bit][basis];
			*gain += (1 - of[0]) / 4;
			*errors += (of[2u >> bit] + of[3] / 2) / 4;
		}
}
