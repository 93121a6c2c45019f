// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "evolution.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	STALLS_MAX = 3, /* iterations in a row without gain: a fixed point */
	BISECTIONS = 13,
};

static const double F_EXPECTED = 1.07, F_MAX = 3;
static const double ERRORS_DONE = 1e-6;
static const double GAIN_MIN = 1e-4; /* of the errors, in an iteration */
/* Probabilities not followed further. */
static const double NEGLIGIBLE_SUM = 1e-25, NEGLIGIBLE_POSTERIOR = 1e-18;
static const double SURE = 1e-14; /* of odds: the largest message */

const struct evolution_model evolution_decoder = {.steps_a_nat = 3,
	.message_max = 25,
	.posterior_max = 127,
	.sum_steps_a_unit = 100,
	.sum_max = 255};

/* Over sums of phi: how likely with sign + or -, their total and their difference. */
struct sums {
	double total[EVOLUTION_SUM_MAX + 1], difference[EVOLUTION_SUM_MAX + 1];
};

enum {
	MESSAGES = 2 * EVOLUTION_MESSAGE_MAX + 1,
	POSTERIORS = 2 * EVOLUTION_POSTERIOR_MAX + 1,
};

struct evolution {
	struct evolution_model model;
	double checks_a_bit;
	unsigned channel;
	unsigned phi[EVOLUTION_MESSAGE_MAX + 1]; /* of a message's size */
	/* Probabilities; a value v is at v + its maximum. */
	double to_columns[MESSAGES], to_checks[POSTERIORS];
	double posterior[POSTERIORS], next[POSTERIORS];
	/* A message to a check; the messages of a row but one; and powers on the way. */
	struct sums one, row, square;
	double product[EVOLUTION_SUM_MAX + 1];
};

double evolution_mean_degree(const struct evolution_columns *columns)
{
	double mean = 0;

	for (unsigned d = 0; d <= EVOLUTION_DEGREE_MAX; d++)
		mean += columns->share[d] * d;
	return mean;
}

double evolution_entropy(double p)
{
	return -(p * log2(p) + (1 - p) * log2(1 - p));
}

double evolution_entropy_inverse(double bits)
{
	double low = 0, high = 0.5;

	for (unsigned i = 0; i < 60; i++) {
		const double p = (low + high) / 2;
		if (evolution_entropy(p) < bits)
			low = p;
		else
			high = p;
	}
	return (low + high) / 2;
}

static double log_likelihood(double qber)
{
	return log((1 - qber) / qber);
}

static double phi(double x)
{
	return -log(tanh(x / 2));
}

static void phi_fill(struct evolution *e)
{
	const struct evolution_model *m = &e->model;

	e->phi[0] = m->sum_max;
	for (unsigned i = 1; i <= m->message_max; i++) {
		const double steps = round(phi((double)i / m->steps_a_nat) * m->sum_steps_a_unit);
		e->phi[i] = steps < m->sum_max ? (unsigned)steps : m->sum_max;
	}
}

struct evolution *evolution_open(const struct evolution_model *model, double checks_a_bit)
{
	struct evolution *e = calloc(1, sizeof *e);

	assert(model->message_max <= EVOLUTION_MESSAGE_MAX &&
		model->posterior_max <= EVOLUTION_POSTERIOR_MAX &&
		model->sum_max <= EVOLUTION_SUM_MAX);
	if (e == NULL)
		return NULL;
	e->model = *model;
	e->checks_a_bit = checks_a_bit;
	const double qber = evolution_entropy_inverse(checks_a_bit / F_EXPECTED);
	e->channel = (unsigned)round(log_likelihood(qber) * model->steps_a_nat);
	assert(e->channel <= model->posterior_max);
	phi_fill(e);
	return e;
}

void evolution_close(struct evolution *e)
{
	free(e);
}

unsigned evolution_channel(const struct evolution *e)
{
	return e->channel;
}

/* Columns. */

static void normalise(double *p, unsigned count)
{
	double sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += p[i];
	for (unsigned i = 0; i < count; i++)
		p[i] /= sum;
}

/* One more message is added to the posterior, which saturates. */
static void posterior_add(struct evolution *e)
{
	const int top = 2 * (int)e->model.posterior_max, reach = (int)e->model.message_max;

	memset(e->next, 0, sizeof e->next);
	for (int from = 0; from <= top; from++) {
		const double p = e->posterior[from];
		for (int v = -reach; p > NEGLIGIBLE_POSTERIOR && v <= reach; v++) {
			const int to = from + v < 0 ? 0 : from + v > top ? top : from + v;
			e->next[to] += p * e->to_columns[v + reach];
		}
	}
	memcpy(e->posterior, e->next, sizeof e->posterior);
}

/* The share of wrong bits; a posterior of 0 is wrong every other time. */
static double posterior_errors(const struct evolution *e)
{
	const unsigned zero = e->model.posterior_max;
	double errors = e->posterior[zero] / 2;

	for (unsigned i = 0; i < zero; i++)
		errors += e->posterior[i];
	return errors;
}

/* Makes to_checks of to_columns, and answers the share of wrong bits. */
static double columns_turn(
	struct evolution *e, const struct evolution_columns *columns, double mean, double qber)
{
	const unsigned zero = e->model.posterior_max;
	double errors = 0;

	memset(e->to_checks, 0, sizeof e->to_checks);
	memset(e->posterior, 0, sizeof e->posterior);
	e->posterior[zero + e->channel] = 1 - qber;
	e->posterior[zero - e->channel] += qber;
	for (unsigned d = 1; d <= EVOLUTION_DEGREE_MAX; d++) {
		const double edges = columns->share[d] * d / mean;
		for (unsigned i = 0; edges > 0 && i <= 2 * zero; i++)
			e->to_checks[i] += edges * e->posterior[i];
		posterior_add(e);
		if (columns->share[d] > 0)
			errors += columns->share[d] * posterior_errors(e);
	}
	normalise(e->to_checks, 2 * zero + 1);
	return errors;
}

/* Checks. */

static unsigned last_of(const double *p, unsigned max)
{
	while (max > 0 && fabs(p[max]) < NEGLIGIBLE_SUM)
		max--;
	return max;
}

/* The distribution of a sum, saturating; at may be one of the two. */
static void convolve(struct evolution *e, double *at, const double *a, const double *b)
{
	const unsigned max = e->model.sum_max, a_last = last_of(a, max), b_last = last_of(b, max);
	double saturated = 0;

	memset(e->product, 0, sizeof e->product);
	for (unsigned i = 0; i <= a_last; i++) {
		const double p = a[i];
		if (fabs(p) < NEGLIGIBLE_SUM)
			continue;
		const unsigned fitting = b_last < max - i ? b_last : max - i;
		for (unsigned k = 0; k <= fitting; k++)
			e->product[i + k] += p * b[k];
		for (unsigned k = fitting + 1; k <= b_last; k++)
			saturated += p * b[k];
	}
	e->product[max] += saturated;
	memcpy(at, e->product, sizeof e->product);
}

static void sums_add(struct evolution *e, struct sums *at, const struct sums *other)
{
	convolve(e, at->total, at->total, other->total);
	convolve(e, at->difference, at->difference, other->difference);
}

/* Makes `one` of to_checks. A message of 0 has either sign: it is not in the difference. */
static void sums_of_message(struct evolution *e)
{
	const unsigned zero = e->model.posterior_max, reach = e->model.message_max;

	e->one = (struct sums){0};
	e->one.total[e->phi[0]] = e->to_checks[zero];
	for (unsigned i = 1; i <= zero; i++) {
		const double plus = e->to_checks[zero + i], minus = e->to_checks[zero - i];
		const unsigned sum = e->phi[i < reach ? i : reach];
		e->one.total[sum] += plus + minus;
		e->one.difference[sum] += plus - minus;
	}
}

/* Makes `row` of so many messages. */
static void sums_of_row(struct evolution *e, unsigned messages)
{
	e->row = (struct sums){.total = {1}, .difference = {1}};
	e->square = e->one;
	for (; messages > 0; messages >>= 1) {
		if (messages & 1)
			sums_add(e, &e->row, &e->square);
		if (messages > 1)
			sums_add(e, &e->square, &e->square);
	}
}

/* The message of a sum: its log-likelihood in steps, of which the channel's value has e->channel. */
static unsigned best_message(
	const struct evolution *e, double plus, double minus, double steps_a_nat)
{
	if (minus < SURE * plus)
		return e->model.message_max;
	const double steps = round(log(plus / minus) * steps_a_nat);
	if (!(steps > 0))
		return 0;
	return steps < e->model.message_max ? (unsigned)steps : e->model.message_max;
}

static void messages_of_row(struct evolution *e, double edges, double steps_a_nat)
{
	const unsigned zero = e->model.message_max;

	for (unsigned i = 0; i <= e->model.sum_max; i++) {
		const double plus = fmax(0, (e->row.total[i] + e->row.difference[i]) / 2);
		const double minus = fmax(0, (e->row.total[i] - e->row.difference[i]) / 2);
		if (plus + minus < NEGLIGIBLE_SUM)
			continue;
		const unsigned message = best_message(e, plus, minus, steps_a_nat);
		e->to_columns[zero + message] += edges * plus;
		e->to_columns[zero - message] += edges * minus;
	}
}

/* Makes to_columns of to_checks: rows of k and of k + 1 columns. */
static void checks_turn(struct evolution *e, double mean, double steps_a_nat)
{
	const double row_mean = mean / e->checks_a_bit, k = floor(row_mean);
	const double longer = row_mean - k; /* share of rows */

	sums_of_message(e);
	memset(e->to_columns, 0, sizeof e->to_columns);
	sums_of_row(e, (unsigned)k - 1);
	messages_of_row(e, (1 - longer) * k / row_mean, steps_a_nat);
	if (longer > 0) {
		sums_add(e, &e->row, &e->one);
		messages_of_row(e, longer * (k + 1) / row_mean, steps_a_nat);
	}
	normalise(e->to_columns, 2 * e->model.message_max + 1);
}

bool evolution_converges(struct evolution *e, const struct evolution_columns *columns, double qber,
	unsigned iterations)
{
	const double mean = evolution_mean_degree(columns);
	const double steps_a_nat = e->channel / log_likelihood(qber);
	double before = 1;
	unsigned stalls = 0;

	memset(e->to_columns, 0, sizeof e->to_columns);
	e->to_columns[e->model.message_max] = 1;
	for (unsigned i = 0; i < iterations; i++) {
		const double errors = columns_turn(e, columns, mean, qber);
		if (errors < ERRORS_DONE)
			return true;
		stalls = errors > before * (1 - GAIN_MIN) ? stalls + 1 : 0;
		if (stalls > STALLS_MAX)
			return false;
		before = errors;
		checks_turn(e, mean, steps_a_nat);
	}
	return false;
}

double evolution_threshold(
	struct evolution *e, const struct evolution_columns *columns, unsigned iterations)
{
	double low = evolution_entropy_inverse(e->checks_a_bit / F_MAX);
	double high = evolution_entropy_inverse(e->checks_a_bit); /* Shannon's limit */

	if (!evolution_converges(e, columns, low, iterations))
		return 0;
	for (unsigned i = 0; i < BISECTIONS; i++) {
		const double qber = (low + high) / 2;
		if (evolution_converges(e, columns, qber, iterations))
			low = qber;
		else
			high = qber;
	}
	return low;
}
