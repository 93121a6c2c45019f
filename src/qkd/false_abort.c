// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "false_abort.h"
#include "verify.h"
#include <math.h>
#include <string.h>

enum { KEY_RIGHT, KEY_WRONG, TEST_RIGHT, TEST_WRONG, KINDS };
enum { OTHER_BASES = KINDS * QKD_INTENSITIES, ROUNDS = 30, HALVINGS = 30, STEPS_MAX = 40 };

static const double correction_slack = 0.005; /* of f */
static const double exponent_max = 230;       /* nats: 10^-100 is little enough */

struct slope {
	double count[FALSE_ABORT_CELLS], parities;
};

void false_abort_block(const struct rate_channel *channel, const struct qkd_parameters *p,
	double key_bits, struct false_abort_block *out)
{
	struct rate r;
	double sum = 0;

	rate_expect(channel, p, key_bits, &r);
	*out = (struct false_abort_block){
		.detections = floor(key_bits / (p->basis_x * p->basis_x)) + 1,
		.correction_f = channel->correction_f + correction_slack};
	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		const struct estimate_counts *n = &r.counts;
		const double of_kind[KINDS] = {n->key[k] - n->key_errors[k], n->key_errors[k],
			n->test[k] - n->test_errors[k], n->test_errors[k]};
		for (size_t kind = 0; kind < KINDS; kind++)
			sum += out->share[kind * QKD_INTENSITIES + k] =
				of_kind[kind] / r.detections;
	}
	out->share[OTHER_BASES] = 1 - sum;
}

double false_abort_parities(const struct false_abort_block *b, double key_bits, double qber)
{
	return b->correction_f * key_bits * estimate_entropy(qber);
}

double false_abort_parities_deviation(double key_bits, double qber)
{
	return sqrt(key_bits * qber);
}

/* Margins. */

static double sum(const double n[QKD_INTENSITIES])
{
	return n[0] + n[1] + n[2];
}

static double wrong_of(const struct false_abort_point *x, size_t kind)
{
	return sum(x->count + kind * QKD_INTENSITIES);
}

static struct estimate_counts counts_of(const struct false_abort_point *x)
{
	struct estimate_counts n;

	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		const double *at = x->count + k;
		n.key_errors[k] = at[KEY_WRONG * QKD_INTENSITIES];
		n.key[k] = at[KEY_RIGHT * QKD_INTENSITIES] + n.key_errors[k];
		n.test_errors[k] = at[TEST_WRONG * QKD_INTENSITIES];
		n.test[k] = at[TEST_RIGHT * QKD_INTENSITIES] + n.test_errors[k];
	}
	return n;
}

/* All that is published, as link_block.c and link_final.c count it: parities both ways. */
static double published(
	const struct false_abort_block *b, const struct estimate_counts *n, double parities_off)
{
	const double bits = sum(n->key), qber = sum(n->key_errors) / bits;
	const double parities = false_abort_parities(b, bits, qber) +
				parities_off * false_abort_parities_deviation(bits, qber);
	double numbers = 0;

	for (size_t k = 0; k < QKD_INTENSITIES; k++)
		if (n->key[k] >= 1)
			numbers += 1 + log2(n->key[k]);
	return 2 * parities + numbers;
}

static double length(const struct false_abort_block *b, const struct qkd_parameters *p,
	const struct estimate_counts *n, const struct estimate *e, double parities_off)
{
	const double verify_bits = fmax(VERIFY_TAG_BITS, log2(2 / p->eps_cor));

	return estimate_final_bits(e, p, published(b, n, parities_off), verify_bits);
}

double false_abort_margin(const struct false_abort_block *b, const struct qkd_parameters *p,
	enum false_abort_margin margin, const struct false_abort_point *x)
{
	const struct estimate_counts n = counts_of(x);
	struct estimate e = {0};

	if (margin >= MARGIN_KEY_SINGLE)
		estimate_bounds(&n, p, &e);
	switch (margin) {
	case MARGIN_KEY_BITS:
		return sum(n.key) - p->key_bits_min;
	case MARGIN_TEST_BITS:
		return sum(n.test) - p->test_bits_min;
	case MARGIN_TEST_QBER:
		return p->qber_max * sum(n.test) - wrong_of(x, TEST_WRONG);
	case MARGIN_KEY_QBER:
		return p->qber_max * sum(n.key) - wrong_of(x, KEY_WRONG);
	case MARGIN_KEY_SINGLE:
		return e.key_single;
	case MARGIN_TEST_SINGLE:
		return e.test_single;
	case MARGIN_OTHERS:
		return sum(n.key) - e.key_vacuum - e.key_single;
	case MARGIN_LENGTH:
	case MARGINS:
		break;
	}
	return length(b, p, &n, &e, x->parities) -
	       (p->final_bits_fixed > p->final_bits_min ? p->final_bits_fixed : p->final_bits_min);
}

/* The nearest point that fails. */

static struct false_abort_point expected(const struct false_abort_block *b)
{
	struct false_abort_point x = {.parities = 0};

	for (size_t c = 0; c < FALSE_ABORT_CELLS; c++)
		x.count[c] = b->detections * b->share[c];
	return x;
}

static double slope_along(const struct false_abort_block *b, const struct qkd_parameters *p,
	enum false_abort_margin margin, const struct false_abort_point *x, size_t axis)
{
	struct false_abort_point less = *x, more = *x;
	double *low = axis < FALSE_ABORT_CELLS ? &less.count[axis] : &less.parities;
	double *high = axis < FALSE_ABORT_CELLS ? &more.count[axis] : &more.parities;
	const double step = axis < FALSE_ABORT_CELLS ? 1e-3 * *low + 1e-6 : 1e-3;

	*low -= step;
	*high += step;
	return (false_abort_margin(b, p, margin, &more) - false_abort_margin(b, p, margin, &less)) /
	       (*high - *low);
}

/* Where a margin of this slope is least for its exponent: each share times e^(-s slope), the parities by -s slope. */
static double tilt(const struct false_abort_block *b, const struct slope *g, double s,
	struct false_abort_point *out)
{
	double total = 0, exponent;

	for (size_t c = 0; c < FALSE_ABORT_CELLS; c++)
		total += out->count[c] = b->share[c] * exp(-s * g->count[c]);
	out->parities = -s * g->parities;
	exponent = out->parities * out->parities / 2;
	for (size_t c = 0; c < FALSE_ABORT_CELLS; c++) {
		out->count[c] *= b->detections / total;
		if (out->count[c] > 0)
			exponent +=
				out->count[c] * log(out->count[c] / (b->detections * b->share[c]));
	}
	return exponent;
}

static void tilt_to(const struct false_abort_block *b, const struct slope *g, double exponent,
	struct false_abort_point *out)
{
	double steepest = fabs(g->parities), square = g->parities * g->parities;

	for (size_t c = 0; c < FALSE_ABORT_CELLS; c++) {
		steepest = fmax(steepest, fabs(g->count[c]));
		square += b->detections * b->share[c] * g->count[c] * g->count[c];
	}
	const double most = 300 / fmax(steepest, 1e-300);
	double s = fmin(most, sqrt(2 * exponent / fmax(square, 1e-300)));
	/* The exponent goes about with the square of s. */
	for (int i = 0; i < STEPS_MAX; i++) {
		const double off = exponent / tilt(b, g, s, out);
		if (fabs(off - 1) < 1e-9 || (s >= most && off > 1))
			break;
		s = fmin(most, s * sqrt(off));
	}
}

/*
 * Again and again the least of a margin as steep as it is there; steepness is averaged, so that an edge (a minimum of two
 * bounds) is met and not jumped over.
 */
double false_abort_least(const struct false_abort_block *b, const struct qkd_parameters *p,
	enum false_abort_margin margin, double exponent, struct false_abort_point *at)
{
	struct false_abort_point x = expected(b);
	double best = false_abort_margin(b, p, margin, &x);
	struct slope mean = {.parities = 0};

	*at = x;
	for (int i = 0; i < ROUNDS; i++) {
		const double part = 2.0 / (i + 2);
		for (size_t c = 0; c < FALSE_ABORT_CELLS; c++)
			if (b->share[c] > 0)
				mean.count[c] +=
					part * (slope_along(b, p, margin, &x, c) - mean.count[c]);
		mean.parities +=
			part * (slope_along(b, p, margin, &x, FALSE_ABORT_CELLS) - mean.parities);
		tilt_to(b, &mean, exponent, &x);
		const double here = false_abort_margin(b, p, margin, &x);
		if (here >= best)
			continue;
		best = here;
		*at = x;
	}
	return best;
}

double false_abort_margin_chance(const struct false_abort_block *b, const struct qkd_parameters *p,
	enum false_abort_margin margin)
{
	struct false_abort_point at;
	double least = 0, most = exponent_max;

	if (false_abort_least(b, p, margin, most, &at) > 0)
		return exp(-most);
	for (int i = 0; i < HALVINGS; i++) {
		const double middle = (least + most) / 2;
		*(false_abort_least(b, p, margin, middle, &at) > 0 ? &least : &most) = middle;
	}
	return exp(-least);
}

/* Many deviations beyond the mean of any block that the bounds could be of use for. */
static bool may_tell(const struct false_abort_block *b, const struct qkd_parameters *p)
{
	const struct false_abort_point x = expected(b);
	const struct estimate_counts n = counts_of(&x);

	return estimate_tells(1.1 * sum(n.key), 1.1 * sum(n.test), p);
}

double false_abort_chance(
	const struct false_abort_block *b, const struct qkd_parameters *p, enum qkd_abort reason)
{
	static const enum qkd_abort reasons[MARGINS] = {QKD_TOO_FEW_COUNTS, QKD_TOO_FEW_COUNTS,
		QKD_QBER_TOO_HIGH, QKD_QBER_TOO_HIGH, QKD_DECOY_INCONSISTENT,
		QKD_DECOY_INCONSISTENT, QKD_DECOY_INCONSISTENT, QKD_NO_SECRET};
	double sum_of = 0;

	if (reason == QKD_DECOY_INCONSISTENT && !may_tell(b, p))
		return 0;
	for (size_t m = 0; m < MARGINS; m++)
		if (reasons[m] == reason)
			sum_of += false_abort_margin_chance(b, p, (enum false_abort_margin)m);
	return fmin(1, sum_of);
}

uint32_t false_abort_length(
	const struct false_abort_block *b, const struct qkd_parameters *p, double of)
{
	struct qkd_parameters bare = *p;
	struct false_abort_point at;

	bare.final_bits_min = bare.final_bits_fixed = 0;
	const double bits = false_abort_least(b, &bare, MARGIN_LENGTH, -log(of), &at);
	return bits < fmax(8, p->final_bits_min) ? 0 : (uint32_t)fmin(bits / 8, UINT32_MAX / 8) * 8;
}
