// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "optics_model.h"
#include <math.h>

enum { CHOICE_OCTETS = 12, CHOICES = 512 };

static uint64_t threshold(double probability)
{
	return probability >= 1 ? UINT64_MAX : (uint64_t)(fmax(0, probability) * 0x1p64);
}

static double transmission(const struct optics_settings *s)
{
	return pow(10, -s->attenuation_db_km * s->distance_km / 10) * s->detector_efficiency;
}

/* A detector that gets `share` of the light. */
static double click(const struct optics_settings *s, size_t k, double share)
{
	return 1 - (1 - s->dark_count) * exp(-transmission(s) * s->intensity[k] * share);
}

static bool is_fraction(double v)
{
	return v >= 0 && v <= 1;
}

static struct err check(const struct optics_settings *s, struct complaint *c)
{
	if (!is_fraction(s->detector_efficiency) || !is_fraction(s->dark_count) ||
		!is_fraction(s->misalignment) || !is_fraction(s->intercepted) ||
		!is_fraction(s->basis_x))
		return complain(c, ERR(INPUT),
			"efficiency, dark counts, misalignment, basis and interception are "
			"fractions from 0 to 1");
	if (!(s->distance_km >= 0 && s->distance_km <= 1000 && s->attenuation_db_km >= 0 &&
		    s->attenuation_db_km <= 10))
		return complain(
			c, ERR(INPUT), "distance is 0 to 1000 km, attenuation 0 to 10 dB/km");
	for (size_t k = 0; k < 3; k++)
		if (!(s->intensity[k] >= 0 && s->intensity[k] <= 4) ||
			!is_fraction(s->probability[k]))
			return complain(c, ERR(INPUT),
				"intensities are 0 to 4 photons, their probabilities 0 to 1");
	if (fabs(s->probability[0] + s->probability[1] + s->probability[2] - 1) > 1e-6)
		return complain(c, ERR(INPUT), "probabilities of the intensities must sum to 1");
	return OK;
}

struct err optics_open(struct optics *o, const struct optics_settings *settings,
	struct entropy choices, struct complaint *c)
{
	*o = (struct optics){.settings = *settings, .choices = choices};
	struct err e = check(settings, c);
	if (failed(e))
		return e;
	for (size_t k = 0; k < 3; k++) {
		o->right[k] = threshold(click(settings, k, 1 - settings->misalignment));
		o->wrong[k] = threshold(click(settings, k, settings->misalignment));
		o->other[k] = threshold(click(settings, k, 0.5));
		o->is_seen[k] = threshold(1 - exp(-settings->intensity[k]));
	}
	o->dark = threshold(settings->dark_count);
	o->basis_x = threshold(settings->basis_x);
	o->intensity_0 = threshold(settings->probability[0]);
	o->intensity_01 = threshold(settings->probability[0] + settings->probability[1]);
	optics_intercept(o, settings->intercepted);
	return entropy_fill(&choices, span_mut_of(o->nature, sizeof o->nature));
}

void optics_intercept(struct optics *o, double fraction)
{
	o->settings.intercepted = fraction;
	o->intercepted = threshold(fraction);
}

static uint64_t rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

/* xoshiro256++ (public domain, Blackman and Vigna). */
static uint64_t draw(uint64_t s[4])
{
	const uint64_t result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

struct pulse {
	uint8_t bit, basis, intensity;
	bool is_dark; /* vacuum: the eavesdropper saw nothing and sent nothing */
};

/* What leaves the eavesdropper's hands. */
static struct pulse intercept(struct optics *o, struct pulse p)
{
	if (draw(o->nature) >= o->is_seen[p.intensity]) {
		p.is_dark = true;
		return p;
	}
	const uint64_t coins = draw(o->nature);
	const uint8_t basis = coins & 1;
	if (basis != p.basis)
		p.bit = coins >> 1 & 1;
	p.basis = basis;
	return p;
}

static uint8_t detect(struct optics *o, struct pulse p, uint8_t basis)
{
	uint64_t at[2];

	at[p.bit] = p.is_dark          ? o->dark
		    : p.basis == basis ? o->right[p.intensity]
				       : o->other[p.intensity];
	at[p.bit ^ 1] = p.is_dark          ? o->dark
			: p.basis == basis ? o->wrong[p.intensity]
					   : o->other[p.intensity];
	const unsigned clicks = (draw(o->nature) < at[0]) | (unsigned)(draw(o->nature) < at[1])
								    << 1;
	return (uint8_t)(basis == 0 ? clicks : clicks << 2);
}

static uint64_t choice_word(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return (uint64_t)v << 32;
}

/* One slot from twelve octets of choice: Alice's intensity, her basis and bit, Bob's basis. */
static uint8_t slot_run(struct optics *o, const uint8_t *choice, uint8_t *mask)
{
	const uint64_t intensity = choice_word(choice), basis = choice_word(choice + 4);
	struct pulse p = {
		.bit = choice[8] & 1,
		.basis = basis >= o->basis_x,
		.intensity =
			(uint8_t)((intensity >= o->intensity_0) + (intensity >= o->intensity_01)),
	};
	const uint8_t sent = (uint8_t)(p.bit | p.basis << 1 | p.intensity << 2);
	/* The lowest octet went to the bit; 24 bits are fine enough for Bob's basis. */
	const uint8_t bob = (choice_word(choice + 8) & 0xffffff0000000000u) >= o->basis_x;

	if (o->intercepted > 0 && draw(o->nature) <= o->intercepted)
		p = intercept(o, p);
	*mask = detect(o, p, bob);
	return sent;
}

struct err optics_run(struct optics *o, uint32_t count, uint8_t *nibbles,
	struct driver_event *events, uint32_t *event_count)
{
	uint8_t choices[CHOICES * CHOICE_OCTETS];

	memset(nibbles, 0, (count + 1) / 2);
	*event_count = 0;
	for (uint32_t i = 0; i < count; i++, o->next_slot++) {
		uint8_t mask;
		if (i % CHOICES == 0) {
			struct err e = entropy_fill(&o->choices, SPAN_MUT_ARRAY(choices));
			if (failed(e))
				return e;
		}
		const uint8_t sent = slot_run(o, choices + i % CHOICES * CHOICE_OCTETS, &mask);
		nibbles[i / 2] |= (uint8_t)(sent << i % 2 * 4);
		if (mask != 0)
			events[(*event_count)++] = (struct driver_event){o->next_slot, mask};
	}
	return OK;
}

/* Expected detections a pulse of intensity k, and errors among them, with `share` of the light going astray. */
static void expect(
	const struct optics_settings *s, size_t k, double share, double *gain, double *errors)
{
	const double right = click(s, k, 1 - share), wrong = click(s, k, share);

	*gain = 1 - (1 - right) * (1 - wrong);
	*errors = wrong * (1 - right) + wrong * right / 2;
}

static void expect_all(const struct optics_settings *s, double *gain, double *errors)
{
	*gain = *errors = 0;
	for (size_t k = 0; k < 3; k++) {
		const double seen = 1 - exp(-s->intensity[k]), dark = 1 - pow(1 - s->dark_count, 2);
		double g, e, g_other, e_other;
		expect(s, k, s->misalignment, &g, &e);
		expect(s, k, 0.5, &g_other, &e_other);
		/* Intercepted: half in the right basis, half in the other; nothing seen, nothing sent. */
		const double g_resent = seen * (g + g_other) / 2 + (1 - seen) * dark;
		const double e_resent = seen * (e + e_other) / 2 + (1 - seen) * dark / 2;
		*gain += s->probability[k] * ((1 - s->intercepted) * g + s->intercepted * g_resent);
		*errors +=
			s->probability[k] * ((1 - s->intercepted) * e + s->intercepted * e_resent);
	}
}

double optics_expected_gain(const struct optics *o)
{
	double gain, errors;

	expect_all(&o->settings, &gain, &errors);
	return gain;
}

double optics_expected_qber(const struct optics *o)
{
	double gain, errors;

	expect_all(&o->settings, &gain, &errors);
	return errors / gain;
}
