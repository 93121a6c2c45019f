// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "optics_model.h"
#include <math.h>

enum { SENT_UNSURE = 0xff, SENT_BITS = 12 };

#define GATE_CENTRE 0.5  /* where in the gate a click comes, as a fraction of it */
#define GATE_SPREAD 0.08 /* jitter of source and detector together */
#define GATE_SHIFT 0.3   /* how far a time-shift attack goes from the centre */

static uint64_t threshold(double probability)
{
	return probability >= 1 ? UINT64_MAX : (uint64_t)(fmax(0, probability) * 0x1p64);
}

/* Chance. */

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

static double draw_unit(struct optics *o) /* (0, 1] */
{
	return ((double)(draw(o->nature) >> 11) + 1) * 0x1p-53;
}

/* Failures before the first success, of which log(1 - chance) is given. */
static uint64_t draw_gap(struct optics *o, double gap_log)
{
	const double gap = log(draw_unit(o)) / gap_log;

	return gap < 0x1p62 ? (uint64_t)gap : 1ull << 62;
}

/* Opening. */

static bool is_fraction(double v)
{
	return v >= 0 && v <= 1;
}

static struct err memory_check(const struct optics_settings *s, struct complaint *c)
{
	if (!(s->afterpulse >= 0 && s->afterpulse <= 0.5) ||
		(s->afterpulse > 0 && !(s->afterpulse_slots >= 1 && s->afterpulse_slots <= 1e9)))
		return complain(c, ERR(INPUT),
			"afterpulses: a chance of 0 to 0.5, 1 to 1e9 slots later in the mean");
	if (!(s->dead_slots >= 0 && s->dead_slots <= 1e9))
		return complain(c, ERR(INPUT), "dead time: 0 to 1e9 slots");
	if (!is_fraction(s->drift_misalignment + s->misalignment) || s->drift_misalignment < 0 ||
		!(s->drift_intensity >= 0 && s->drift_intensity <= 0.5) ||
		((s->drift_misalignment > 0 || s->drift_intensity > 0) && !(s->drift_slots >= 1)))
		return complain(c, ERR(INPUT),
			"drift: its period is 1 slot or more, intensity swings by 0 to 0.5, "
			"misalignment stays a fraction");
	return OK;
}

static struct err check(const struct optics_settings *s, struct complaint *c)
{
	if (!is_fraction(s->detector_efficiency) || !is_fraction(s->dark_count) ||
		!is_fraction(s->misalignment) || !is_fraction(s->strength) ||
		!is_fraction(s->basis_x) || s->attack >= OPTICS_ATTACKS)
		return complain(c, ERR(INPUT),
			"efficiency, dark counts, misalignment, basis and an attack's strength "
			"are fractions from 0 to 1");
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
	return memory_check(s, c);
}

static double sent_chance(const struct optics_settings *s, unsigned nibble)
{
	return s->probability[nibble >> 2] * ((nibble & 2) == 0 ? s->basis_x : 1 - s->basis_x) / 2;
}

static uint8_t sent_find(const struct optics *o, uint64_t u)
{
	uint8_t nibble = 0;

	while (nibble < OPTICS_SENT - 1 && u >= o->sent_until[nibble])
		nibble++;
	return nibble;
}

/* Where all that begins with the same twelve bits means the same, twelve bits are enough. */
static void sent_open(struct optics *o)
{
	double sum = 0;

	for (unsigned n = 0; n < OPTICS_SENT; n++) {
		sum += sent_chance(&o->settings, n);
		o->sent_until[n] = threshold(sum);
	}
	for (uint64_t i = 0; i < ARRAY_LEN(o->sent); i++) {
		const uint64_t first = i << (64 - SENT_BITS),
			       last = first | UINT64_MAX >> SENT_BITS;
		const uint8_t sent = sent_find(o, first);
		o->sent[i] = sent == sent_find(o, last) ? sent : SENT_UNSURE;
	}
}

static double normal_quantile(double p)
{
	double least = -8, most = 8;

	for (int i = 0; i < 50; i++) {
		const double middle = (least + most) / 2;
		*(erfc(-middle / M_SQRT2) / 2 < p ? &least : &most) = middle;
	}
	return most;
}

static uint8_t bin_of(double at)
{
	return (uint8_t)fmin(fmax(0, at * (double)OPTICS_BINS), OPTICS_BINS - 1);
}

static void bins_open(struct optics *o)
{
	for (size_t i = 0; i < OPTICS_QUANTILES; i++) {
		const double at =
			GATE_CENTRE +
			GATE_SPREAD * normal_quantile(((double)i + 0.5) / (double)OPTICS_QUANTILES);
		o->bins[0][i] = bin_of(at);
		o->bins[1][i] = bin_of(at + GATE_SHIFT);
	}
}

/* The channel as it is now, in thresholds; and the next slot to be looked at, which had no memory. */
static void channel_take(struct optics *o, const struct optics_settings *s)
{
	double most = 0;

	optics_channel_compute(&o->channel, s);
	for (size_t n = 0; n < OPTICS_SENT; n++)
		for (size_t basis = 0; basis < 2; basis++)
			if (sent_chance(s, (unsigned)n) > 0)
				most = fmax(most, 1 - o->channel.of[n][basis][0]);
	for (size_t n = 0; n < OPTICS_SENT && most > 0; n++)
		for (size_t basis = 0; basis < 2; basis++) {
			double sum = 0;
			for (size_t c = 1; c < OPTICS_CLICKS; c++) {
				sum += o->channel.of[n][basis][c] / most;
				o->until[n][basis][c - 1] = threshold(sum);
			}
		}
	o->gap_log = log1p(-fmin(most, 1 - 0x1p-53));
	o->candidate = most > 0 ? o->next_slot + draw_gap(o, o->gap_log) : UINT64_MAX;
}

struct err optics_open(struct optics *o, const struct optics_settings *settings,
	struct entropy choices, struct complaint *c)
{
	*o = (struct optics){.settings = *settings, .pending_next = UINT64_MAX};
	struct err e = check(settings, c);
	if (!failed(e))
		e = entropy_fill(&choices, span_mut_of(o->nature, sizeof o->nature));
	if (failed(e))
		return e;
	o->basis_x = threshold(settings->basis_x);
	o->afterpulse = threshold(settings->afterpulse);
	o->afterpulse_log = log1p(-1 / fmax(settings->afterpulse_slots, 1 + 0x1p-40));
	sent_open(o);
	bins_open(o);
	channel_take(o, settings);
	return OK;
}

void optics_attack(struct optics *o, enum optics_attack attack, double strength)
{
	o->settings.attack = strength > 0 ? attack : OPTICS_HONEST;
	o->settings.strength = strength;
	channel_take(o, &o->settings);
}

const char *optics_attack_word(enum optics_attack attack)
{
	static const char *const words[OPTICS_ATTACKS] = {
		"none", "intercept-resend", "photon-number-splitting", "blinding", "time-shift"};

	return words[attack];
}

/* Alice. */

static uint8_t sent_draw(struct optics *o, uint64_t lane)
{
	const uint8_t sent = o->sent[lane >> 4 & 0xfff];

	if (sent != SENT_UNSURE)
		return sent;
	return sent_find(o, (lane >> 4 & 0xfff) << (64 - SENT_BITS) | draw(o->nature) >> SENT_BITS);
}

/* Four slots a draw. */
static void alice_run(struct optics *o, uint32_t count, uint8_t *nibbles)
{
	for (uint32_t i = 0; i < count; i += 4) {
		const uint64_t v = draw(o->nature);
		const uint8_t a = sent_draw(o, v), b = sent_draw(o, v >> 16);
		nibbles[i / 2] = (uint8_t)(a | (i + 1 < count ? b << 4 : 0));
		if (i + 2 >= count)
			continue;
		const uint8_t c = sent_draw(o, v >> 32), d = sent_draw(o, v >> 48);
		nibbles[i / 2 + 1] = (uint8_t)(c | (i + 3 < count ? d << 4 : 0));
	}
}

/* Bob. */

static unsigned clicks_draw(struct optics *o, unsigned sent, unsigned basis)
{
	const uint64_t u = draw(o->nature), *until = o->until[sent][basis];

	return u < until[0] ? 1 : u < until[1] ? 2 : u < until[2] ? 3 : 0;
}

static void pending_settle(struct optics *o)
{
	o->pending_next = UINT64_MAX;
	for (size_t i = 0; i < o->pending_count; i++)
		if (o->pending[i].slot < o->pending_next)
			o->pending_next = o->pending[i].slot;
}

static unsigned pending_take(struct optics *o, uint64_t slot)
{
	unsigned clicks = 0;

	for (size_t i = 0; i < o->pending_count;) {
		if (o->pending[i].slot != slot) {
			i++;
			continue;
		}
		clicks |= 1u << o->pending[i].detector;
		o->pending[i] = o->pending[--o->pending_count];
	}
	pending_settle(o);
	return clicks;
}

static void afterpulse_draw(struct optics *o, uint64_t slot, uint8_t detector)
{
	if (o->afterpulse == 0 || draw(o->nature) >= o->afterpulse)
		return;
	if (o->pending_count == OPTICS_PENDING) {
		o->afterpulses_dropped++;
		return;
	}
	o->pending[o->pending_count].slot =
		slot + 1 + (uint64_t)o->settings.dead_slots + draw_gap(o, o->afterpulse_log);
	o->pending[o->pending_count++].detector = detector;
	pending_settle(o);
}

/* For the instruments. */
static void note(struct optics *o, unsigned basis, unsigned clicks)
{
	struct driver_monitor *m = &o->monitor;
	const bool is_shifted =
		o->settings.attack == OPTICS_SHIFT && draw_unit(o) <= o->settings.strength;

	for (size_t d = 0; d < 2; d++)
		m->detectors[basis * 2 + d].clicks += clicks >> d & 1;
	m->double_clicks[basis] += clicks == 3;
	m->bins[o->bins[is_shifted][draw(o->nature) % OPTICS_QUANTILES]]++;
}

/* What a slot that is looked at comes to: 0, or the detectors' mask. */
static uint8_t bob_run(struct optics *o, uint64_t slot, unsigned sent)
{
	const unsigned basis = draw(o->nature) >= o->basis_x;
	unsigned clicks = 0, light;

	if (slot == o->candidate) {
		clicks = clicks_draw(o, sent, basis);
		o->candidate = slot + 1 + draw_gap(o, o->gap_log);
	}
	light = clicks;
	if (slot == o->pending_next)
		clicks |= pending_take(o, slot);
	for (uint8_t d = 0; d < 2; d++)
		if (slot < o->dead_until[d])
			clicks &= ~(1u << d);
	if (clicks == 0)
		return 0;
	for (uint8_t d = 0; d < 2; d++) {
		if ((clicks >> d & 1) == 0)
			continue;
		o->dead_until[d] = slot + 1 + (uint64_t)o->settings.dead_slots;
		if (light >> d & 1)
			afterpulse_draw(o, slot, d);
	}
	note(o, basis, clicks);
	return (uint8_t)(basis == 0 ? clicks : clicks << 2);
}

static void drift(struct optics *o)
{
	const struct optics_settings *s = &o->settings;
	struct optics_settings now = *s;

	if (s->drift_misalignment == 0 && s->drift_intensity == 0)
		return;
	const double phase = 2 * M_PI * fmod((double)o->next_slot / s->drift_slots, 1);
	now.misalignment += s->drift_misalignment * (1 - cos(phase)) / 2;
	for (size_t k = 0; k < 3; k++)
		now.intensity[k] *= 1 + s->drift_intensity * sin(phase);
	channel_take(o, &now);
}

struct err optics_run(struct optics *o, uint32_t count, uint8_t *nibbles,
	struct driver_event *events, uint32_t *event_count)
{
	const uint64_t first = o->next_slot, end = first + count;

	*event_count = 0;
	if (count > OPTICS_SLOTS_MAX)
		return ERR(LIMIT);
	drift(o);
	alice_run(o, count, nibbles);
	for (;;) {
		const uint64_t slot =
			o->candidate < o->pending_next ? o->candidate : o->pending_next;
		if (slot >= end)
			break;
		const uint64_t at = slot - first;
		const uint8_t mask = bob_run(o, slot, nibbles[at / 2] >> at % 2 * 4 & 15);
		if (mask != 0)
			events[(*event_count)++] = (struct driver_event){slot, mask};
	}
	o->next_slot = end;
	return OK;
}

/* Instruments. */

static uint32_t around(struct optics *o, double value)
{
	return (uint32_t)(value * (0.98 + 0.04 * draw_unit(o)) + 0.5);
}

void optics_monitor_take(struct optics *o, struct driver_monitor *alice, struct driver_monitor *bob)
{
	const struct optics_settings *s = &o->settings;
	const bool is_blind = s->attack == OPTICS_BLIND;
	const uint64_t first = o->monitor.first;

	*bob = o->monitor;
	bob->length = o->next_slot - first;
	bob->has_detectors = true;
	bob->bin_count = OPTICS_BINS;
	for (size_t d = 0; d < DRIVER_DETECTORS; d++) {
		/* Bright light draws a current through a detector that a photon now and then does not. */
		bob->detectors[d].bias_na =
			around(o, is_blind ? 20 * (double)OPTICS_BIAS_NA_MAX : 50);
		bob->detectors[d].power_pw =
			around(o, is_blind ? 1e5 * (double)OPTICS_POWER_PW_MAX : 20);
	}
	*alice = (struct driver_monitor){
		.first = first, .length = bob->length, .has_intensities = true};
	const double phase =
		s->drift_slots > 0 ? 2 * M_PI * fmod((double)first / s->drift_slots, 1) : 0;
	for (size_t k = 0; k < 3; k++)
		alice->intensity_micro[k] =
			around(o, 1e6 * s->intensity[k] * (1 + s->drift_intensity * sin(phase)));
	o->monitor = (struct driver_monitor){.first = o->next_slot};
}

/* What is expected. */

static double afterpulsed(const struct optics *o)
{
	return 1 + o->settings.afterpulse;
}

double optics_expected_gain(const struct optics *o)
{
	double gain = 0;

	for (unsigned n = 0; n < OPTICS_SENT; n++)
		for (unsigned basis = 0; basis < 2; basis++)
			gain += sent_chance(&o->settings, n) * (1 - o->channel.of[n][basis][0]) *
				(basis == 0 ? o->settings.basis_x : 1 - o->settings.basis_x);
	return gain * afterpulsed(o);
}

double optics_expected_qber(const struct optics *o)
{
	double gain = 0, errors = 0;

	for (size_t k = 0; k < 3; k++) {
		double g, e;
		optics_channel_expect(&o->channel, k, &g, &e);
		gain += o->settings.probability[k] * g;
		errors += o->settings.probability[k] * (e + g * o->settings.afterpulse / 2);
	}
	return errors / (gain * afterpulsed(o));
}
