// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "watch.h"
#include <math.h>

#define INTENSITY_SLACK 1e-3 /* photons: what no monitor tells from darkness */
#define MICRO 1e-6
#define NANO 1e-9
#define PICO 1e-12

enum { POISSON_EXACT_MAX = 2000, HALVINGS = 60 };

/* Tails. */

/* z with erfc(z / sqrt 2) = alpha: beyond it, on either side, lies alpha of a normal distribution. */
static double normal_two_sided(double alpha)
{
	double least = 0, most = 40;

	for (int i = 0; i < HALVINGS; i++) {
		const double middle = (least + most) / 2;
		*(erfc(middle / M_SQRT2) > alpha ? &least : &most) = middle;
	}
	return most;
}

/* Chance of at most n of a Poisson distribution. */
static double poisson_at_most(double mean, double n)
{
	double sum = 0;

	for (double i = n; i >= 0; i--) {
		const double term = exp(i * log(mean) - mean - lgamma(i + 1));
		sum += term;
		if (term < 1e-18 * sum)
			break;
	}
	return sum;
}

static bool is_too_few(const struct watch *w, double mean, double n)
{
	if (mean <= 0 || n >= mean)
		return false;
	return mean > (double)POISSON_EXACT_MAX ? n < mean - w->z * sqrt(mean)
						: poisson_at_most(mean, n) < w->alpha_each;
}

/* For small means the normal tail is too short: the Poisson distribution's square root has a steadier spread. */
static bool is_too_many(const struct watch *w, double mean, double n)
{
	const double root = sqrt(mean) + w->z / 2 + 1;

	return n > root * root;
}

/* Opening. */

void qkd_watch_open(struct watch *w, const struct watch_settings *settings,
	const struct qkd_parameters *parameters)
{
	*w = (struct watch){.settings = *settings, .parameters = *parameters};
	w->alpha_each = pow(10, -(double)settings->alpha_exponent) / (double)WATCH_TESTS;
	w->z = normal_two_sided(w->alpha_each);
	w->is_required = settings->mode == WATCH_REQUIRED;
}

static uint32_t chosen(uint32_t of_settings, uint32_t of_hello)
{
	return of_settings != 0 ? of_settings : of_hello;
}

void qkd_watch_session(struct watch *w, const struct driver_hello *hello)
{
	const struct watch_settings *s = &w->settings;

	if (memcmp(w->session, hello->session, sizeof w->session) != 0)
		w->from = w->count = 0;
	memcpy(w->session, hello->session, sizeof w->session);
	w->has_position = false;
	w->is_required =
		s->mode == WATCH_REQUIRED || (s->mode == WATCH_AUTO && hello->is_monitored);
	w->bias_na_max = chosen(s->bias_na_max, hello->bias_na_max);
	w->power_pw_max = chosen(s->power_pw_max, hello->power_pw_max);
	w->figures.bias_amperes_max = w->bias_na_max * NANO;
	w->figures.power_watts_max = w->power_pw_max * PICO;
}

/* Records of the instruments. */

static bool is_bright(const struct watch *w, const struct driver_monitor *m)
{
	for (size_t d = 0; m->has_detectors && d < DRIVER_DETECTORS; d++)
		if ((w->bias_na_max != 0 && m->detectors[d].bias_na > w->bias_na_max) ||
			(w->power_pw_max != 0 && m->detectors[d].power_pw > w->power_pw_max))
			return true;
	return false;
}

static bool is_intensity_off(const struct watch *w, const struct driver_monitor *m)
{
	for (size_t k = 0; m->has_intensities && k < QKD_INTENSITIES; k++) {
		const double wanted = w->parameters.intensity[k];
		if (w->parameters.probability[k] > 0 &&
			fabs(m->intensity_micro[k] * MICRO - wanted) >
				w->settings.intensity_tolerance * wanted + INTENSITY_SLACK)
			return true;
	}
	return false;
}

static struct watch_span span_of_record(const struct watch *w, const struct driver_monitor *m)
{
	struct watch_span s = {.first = m->first, .end = m->first + m->length};

	s.verdict = is_bright(w, m)          ? QKD_BLINDED
		    : is_intensity_off(w, m) ? QKD_INTENSITY_OFF
					     : QKD_GOES_ON;
	for (size_t d = 0; d < DRIVER_DETECTORS; d++)
		s.clicks += m->detectors[d].clicks;
	for (uint32_t i = 0; i < m->bin_count; i++) {
		s.binned += m->bins[i];
		if (i >= m->bin_count / 4 && i < m->bin_count - m->bin_count / 4)
			s.centre += m->bins[i];
	}
	return s;
}

static void show_record(struct watch_figures *f, const struct driver_monitor *m)
{
	uint32_t bias_na = 0, power_pw = 0;

	f->records++;
	for (size_t d = 0; m->has_detectors && d < DRIVER_DETECTORS; d++) {
		const struct driver_detector *seen = &m->detectors[d];
		bias_na = seen->bias_na > bias_na ? seen->bias_na : bias_na;
		power_pw = seen->power_pw > power_pw ? seen->power_pw : power_pw;
	}
	if (m->has_detectors) {
		f->bias_amperes = bias_na * NANO;
		f->power_watts = power_pw * PICO;
	}
	for (size_t k = 0; m->has_intensities && k < QKD_INTENSITIES; k++)
		f->intensity[k] = m->intensity_micro[k] * MICRO;
}

static bool joins(const struct watch_span *last, const struct watch_span *s)
{
	return last->end == s->first && last->verdict == s->verdict &&
	       last->clicks < WATCH_SPAN_CLICKS;
}

static void span_add(struct watch *w, struct watch_span s)
{
	struct watch_span *last = &w->spans[(w->from + w->count + WATCH_SPANS - 1) % WATCH_SPANS];

	if (w->count > 0 && joins(last, &s)) {
		last->end = s.end;
		last->clicks += s.clicks;
		last->binned += s.binned;
		last->centre += s.centre;
		return;
	}
	if (w->count == WATCH_SPANS) {
		w->from = (w->from + 1) % WATCH_SPANS;
		w->count--;
		w->figures.forgotten++;
	}
	w->spans[(w->from + w->count++) % WATCH_SPANS] = s;
}

struct err qkd_watch_record(struct watch *w, const struct driver_monitor *monitor)
{
	if (w->has_position && monitor->first != w->next_slot)
		return ERR(INPUT);
	w->has_position = true;
	w->next_slot = monitor->first + monitor->length;
	show_record(&w->figures, monitor);
	span_add(w, span_of_record(w, monitor));
	return OK;
}

/* Judging. */

struct overlap {
	enum qkd_abort verdict;
	bool is_covered;
	double binned, centre;
};

static struct overlap overlap_of(const struct watch *w, const struct watch_block *b)
{
	struct overlap out = {.verdict = QKD_GOES_ON};
	uint64_t covered = b->first_slot;

	for (uint32_t i = 0; i < w->count; i++) {
		const struct watch_span *s = &w->spans[(w->from + i) % WATCH_SPANS];
		if (s->end <= b->first_slot || s->first >= b->end_slot)
			continue;
		if (out.verdict == QKD_GOES_ON)
			out.verdict = s->verdict;
		if (s->first <= covered && s->end > covered)
			covered = s->end;
		out.binned += s->binned;
		out.centre += s->centre;
	}
	out.is_covered = covered >= b->end_slot;
	return out;
}

static double gain_of(const struct qkd_parameters *p, double transmission)
{
	double gain = 0;

	for (size_t k = 0; k < QKD_INTENSITIES; k++)
		gain += p->probability[k] * (1 - exp(-transmission * p->intensity[k]));
	return gain;
}

/* Both detectors, of which one has `share` of the light. */
static double both(const struct qkd_parameters *p, double transmission, double share)
{
	double sum = 0;

	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		const double mean = transmission * p->intensity[k];
		sum += p->probability[k] * (1 - exp(-mean * share)) *
		       (1 - exp(-mean * (1 - share)));
	}
	return sum;
}

void qkd_watch_doubles(const struct qkd_parameters *p, double gain, double *least, double *most)
{
	const double differ = 2 * p->basis_x * (1 - p->basis_x);
	double dark = 0, bright = 1;

	while (gain_of(p, bright) < gain && bright < 64)
		bright *= 2;
	for (int i = 0; i < HALVINGS; i++) {
		const double middle = (dark + bright) / 2;
		*(gain_of(p, middle) < gain ? &dark : &bright) = middle;
	}
	*least = differ * both(p, bright, 0.5);
	*most = *least + (1 - differ) * both(p, bright, p->qber_max);
}

static bool are_unequal(const struct watch *w, double zero, double one)
{
	const double n = zero + one;

	return fabs(zero - one) > w->settings.unequal_max * n + w->z * sqrt(n);
}

static double part_of(double whole, double part)
{
	return whole > 0 ? part / whole : 0;
}

static void show_clicks(
	struct watch_figures *f, const struct watch_block *b, const struct overlap *o)
{
	f->doubles = (double)b->double_clicks;
	for (size_t basis = 0; basis < 2; basis++) {
		const double zero = (double)b->clicks[2 * basis],
			     one = (double)b->clicks[2 * basis + 1];
		f->unequal[basis] = part_of(zero + one, fabs(zero - one));
	}
	f->gate_centre = part_of(o->binned, o->centre);
}

/* WATCH_TESTS by chance: two of double clicks, two of balance, one of the gate. */
static enum qkd_abort judge_clicks(
	struct watch *w, const struct watch_block *b, const struct overlap *o)
{
	const double slots = (double)(b->end_slot - b->first_slot) - (double)b->slots_lost;
	struct watch_figures *f = &w->figures;
	double least, most;

	if (b->detections == 0 || slots < 1)
		return QKD_GOES_ON;
	qkd_watch_doubles(&w->parameters, (double)b->detections / slots, &least, &most);
	f->doubles_least = slots * least;
	f->doubles_most = slots * most;
	show_clicks(f, b, o);
	if (is_too_few(w, f->doubles_least * w->settings.doubles_least, f->doubles))
		return QKD_BLINDED;
	if (is_too_many(w, f->doubles_most * (double)WATCH_DOUBLES_MOST, f->doubles))
		return QKD_DOUBLE_CLICKS;
	if (are_unequal(w, (double)b->clicks[0], (double)b->clicks[1]) ||
		are_unequal(w, (double)b->clicks[2], (double)b->clicks[3]))
		return QKD_DETECTORS_UNEQUAL;
	if (o->centre < w->settings.gate_centre_least * o->binned - w->z * sqrt(o->binned) / 2)
		return QKD_DETECTORS_UNEQUAL;
	return QKD_GOES_ON;
}

static enum qkd_abort verdict_of(struct watch *w, const struct watch_block *b)
{
	const struct overlap o = overlap_of(w, b);
	const enum qkd_abort of_clicks = judge_clicks(w, b, &o);

	if (o.verdict != QKD_GOES_ON)
		return o.verdict;
	return w->is_required && !o.is_covered ? QKD_MONITOR_SILENT : of_clicks;
}

enum qkd_abort qkd_watch_judge(struct watch *w, const struct watch_block *b)
{
	if (w->settings.mode == WATCH_OFF)
		return QKD_GOES_ON;
	const enum qkd_abort verdict = verdict_of(w, b);
	w->figures.blocks[verdict]++;
	return verdict;
}

/* Four detections an octet: octets are counted first. */
void qkd_watch_count(struct watch_block *block, const uint8_t *codes, uint32_t count)
{
	uint32_t octets[256] = {0};

	for (uint32_t i = 0; i < count / 4; i++)
		octets[codes[i]]++;
	for (uint32_t v = 0; v < 256; v++)
		for (unsigned at = 0; at < 8; at += 2)
			block->clicks[(v >> at & 1) * 2 + (v >> at >> 1 & 1)] += octets[v];
	for (uint32_t i = count / 4 * 4; i < count; i++) {
		const unsigned code = codes[i / 4] >> i % 4 * 2;
		block->clicks[(code & 1) * 2 + (code >> 1 & 1)]++;
	}
	block->detections += count;
}
