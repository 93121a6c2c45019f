// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "estimate.h"
#include <math.h>
#include <string.h>

enum { QBER_BITS_MIN = 64 }; /* fewer test bits do not make an alarm */

/* eps_sec is divided into 21 equal terms [Lim (B4)], with one decoy into 19 [Rusca, appendix A]. */
static double terms(const struct qkd_parameters *p)
{
	return p->protocol == QKD_ONE_DECOY ? 19 : 21;
}

static const double gamma_terms = 21; /* of both */

static size_t intensities(const struct qkd_parameters *p)
{
	return p->protocol == QKD_ONE_DECOY ? 2 : 3;
}

double estimate_entropy(double x)
{
	return x <= 0 || x >= 1 ? 0 : -x * log2(x) - (1 - x) * log2(1 - x);
}

/* tau_n: the probability that a pulse holds n photons, n = 0 or 1. */
static double photons(const struct qkd_parameters *p, int n)
{
	double sum = 0;

	for (size_t k = 0; k < intensities(p); k++)
		sum += exp(-p->intensity[k]) * (n == 0 ? 1 : p->intensity[k]) * p->probability[k];
	return sum;
}

/* Hoeffding's deviation of a sum of counts [Lim §II; Rusca (A3)]. */
static double deviation(const struct qkd_parameters *p, const double n[QKD_INTENSITIES])
{
	double sum = 0;

	for (size_t k = 0; k < intensities(p); k++)
		sum += n[k];
	return sqrt(sum / 2 * log(terms(p) / p->eps_sec));
}

/* n^+-_k: the count scaled to its intensity, with that deviation; sign +1 or -1 [Lim §II]. */
static double bound(
	const struct qkd_parameters *p, const double n[QKD_INTENSITIES], size_t k, int sign)
{
	return fmax(0, exp(p->intensity[k]) / p->probability[k] * (n[k] + sign * deviation(p, n)));
}

/* s_0 [Lim (2)] */
static double vacuum(const struct qkd_parameters *p, const double n[QKD_INTENSITIES])
{
	const double mu2 = p->intensity[1], mu3 = p->intensity[2];

	return fmax(0, photons(p, 0) * (mu2 * bound(p, n, 2, -1) - mu3 * bound(p, n, 1, +1)) /
			       (mu2 - mu3));
}

/* s_1 [Lim (3)] */
static double single(const struct qkd_parameters *p, const double n[QKD_INTENSITIES])
{
	const double mu1 = p->intensity[0], mu2 = p->intensity[1], mu3 = p->intensity[2];
	const double squares = mu2 * mu2 - mu3 * mu3;
	const double rest = bound(p, n, 0, +1) - vacuum(p, n) / photons(p, 0);

	return photons(p, 1) * mu1 *
	       (bound(p, n, 1, -1) - bound(p, n, 2, +1) - squares / (mu1 * mu1) * rest) /
	       (mu1 * (mu2 - mu3) - squares);
}

/* s_0 from below [Rusca (A16)]. */
static double vacuum_least(const struct qkd_parameters *p, const double n[QKD_INTENSITIES])
{
	const double mu1 = p->intensity[0], mu2 = p->intensity[1];

	return fmax(0, photons(p, 0) * (mu1 * bound(p, n, 1, -1) - mu2 * bound(p, n, 0, +1)) /
			       (mu1 - mu2));
}

/* s_0 from above: a vacuum event is wrong half of the time, so errors bound it [Rusca (A18)]. */
static double vacuum_most(const struct qkd_parameters *p, const double n[QKD_INTENSITIES],
	const double m[QKD_INTENSITIES])
{
	const double by_signal = bound(p, m, 0, +1), by_decoy = bound(p, m, 1, +1);

	return 2 * (photons(p, 0) * fmin(by_signal, by_decoy) + deviation(p, n));
}

/* s_1 [Rusca (A17)]. */
static double single_of_one_decoy(const struct qkd_parameters *p, const double n[QKD_INTENSITIES],
	const double m[QKD_INTENSITIES])
{
	const double mu1 = p->intensity[0], mu2 = p->intensity[1];
	const double squares = mu2 * mu2 / (mu1 * mu1);

	return photons(p, 1) * mu1 *
	       (bound(p, n, 1, -1) - squares * bound(p, n, 0, +1) -
		       (1 - squares) * vacuum_most(p, n, m) / photons(p, 0)) /
	       (mu2 * (mu1 - mu2));
}

/* v_1 [Lim (4)]; with one decoy between signal and decoy [Rusca (A22)]. */
static double single_errors(const struct qkd_parameters *p, const double m[QKD_INTENSITIES])
{
	const size_t high = p->protocol == QKD_ONE_DECOY ? 0 : 1, low = high + 1;

	return fmax(0, photons(p, 1) * (bound(p, m, high, +1) - bound(p, m, low, -1)) /
			       (p->intensity[high] - p->intensity[low]));
}

/* gamma [Lim, below (5)] */
static double sampling_deviation(double eps_sec, double b, double c, double d)
{
	const double squares = gamma_terms * gamma_terms / (eps_sec * eps_sec);

	return sqrt((c + d) * (1 - b) * b / (c * d * M_LN2) *
		    log2((c + d) / (c * d * (1 - b) * b) * squares));
}

/* phi_X [Lim (5)] */
static double phase_error(const struct qkd_parameters *p, const struct estimate *e)
{
	const double c = e->test_single, d = e->key_single;
	const double ratio = fmax(e->test_single_errors / c, 1e-12);
	/*
	 * gamma is of a normal approximation and vanishes with the errors, as if none in the sample meant none at all. Of K
	 * errors in c + d places none falls among the c with at most exp(-K c / (c + d)): where that is gamma's own
	 * (eps_sec / 21)^2, it is the least that may be said. A bound from above may always be raised.
	 */
	const double least = (c + d) / (c * d) * 2 * log(gamma_terms / p->eps_sec);

	if (ratio >= 0.5)
		return 0.5;
	return fmin(0.5, fmax(least, ratio + sampling_deviation(p->eps_sec, ratio, c, d)));
}

void estimate_bounds(
	const struct estimate_counts *n, const struct qkd_parameters *p, struct estimate *out)
{
	if (p->protocol == QKD_ONE_DECOY) {
		out->key_vacuum = vacuum_least(p, n->key);
		out->key_single = single_of_one_decoy(p, n->key, n->key_errors);
		out->test_single = single_of_one_decoy(p, n->test, n->test_errors);
	} else {
		out->key_vacuum = vacuum(p, n->key);
		out->key_single = single(p, n->key);
		out->test_single = single(p, n->test);
	}
	out->test_single_errors = single_errors(p, n->test_errors);
	out->phase_error = out->key_single > 0 && out->test_single > 0 ? phase_error(p, out) : 0.5;
}

static void bounds_of(
	const struct qkd_counts *counts, const struct qkd_parameters *p, struct estimate *out)
{
	struct estimate_counts n;

	memset(&n, 0, sizeof n);
	for (size_t k = 0; k < intensities(p); k++) {
		n.key[k] = counts->key[k];
		n.test[k] = counts->test[k];
		n.test_errors[k] = counts->test_errors[k];
		n.key_errors[k] = counts->key_errors[k];
	}
	estimate_bounds(&n, p, out);
}

static const double sound_qber = 0.02; /* one decoy takes errors for vacuum events */

bool estimate_tells(double key, double test, const struct qkd_parameters *p)
{
	struct qkd_parameters stricter = *p;
	struct estimate_counts n = {.key = {0}};
	struct estimate e;
	double sum = 0;

	/* Deviations go with the root of log(terms / eps_sec). */
	stricter.eps_sec = terms(p) * pow(p->eps_sec / terms(p), 1.5 * 1.5);
	for (size_t k = 0; k < intensities(p); k++)
		sum += p->probability[k] * p->intensity[k];
	for (size_t k = 0; k < intensities(p); k++) {
		const double part = p->probability[k] * p->intensity[k] / sum;
		n.key[k] = key * part;
		n.test[k] = test * part;
		n.key_errors[k] = sound_qber * n.key[k];
		n.test_errors[k] = sound_qber * n.test[k];
	}
	estimate_bounds(&n, &stricter, &e);
	return e.key_single > 0 && e.test_single > 0;
}

/*
 * Decoys that show no single photons, or more than there are bits: not what our source sent. But where the bounds would show none of
 * a sound source either, for want of counts, it is no sign of an attack.
 */
static enum qkd_abort consistency(
	const struct qkd_counts *counts, const struct qkd_parameters *p, const struct estimate *e)
{
	const double key = qkd_sum(counts->key), test = qkd_sum(counts->test);

	if (e->key_single > 0 && e->test_single > 0 && e->key_vacuum + e->key_single <= key)
		return QKD_GOES_ON;
	return estimate_tells(key, test, p) ? QKD_DECOY_INCONSISTENT : QKD_NO_SECRET;
}

enum qkd_abort estimate_early(
	const struct qkd_counts *counts, const struct qkd_parameters *p, struct estimate *out)
{
	const uint32_t key = qkd_sum(counts->key), test = qkd_sum(counts->test);

	*out = (struct estimate){0};
	/* First: an attack takes counts away too, and it is the attack that the operator must hear of. */
	out->test_qber = test == 0 ? 0 : (double)qkd_sum(counts->test_errors) / test;
	if (test >= QBER_BITS_MIN && out->test_qber > p->qber_max)
		return QKD_QBER_TOO_HIGH;
	if (key < p->key_bits_min || test < p->test_bits_min || key == 0 || test == 0)
		return QKD_TOO_FEW_COUNTS;
	bounds_of(counts, p, out);
	/* With one decoy the key's bound waits for the errors of the key. */
	if (p->protocol == QKD_ONE_DECOY && out->test_single > 0)
		return QKD_GOES_ON;
	return consistency(counts, p, out);
}

enum qkd_abort estimate_block(
	const struct qkd_counts *counts, const struct qkd_parameters *p, struct estimate *out)
{
	const enum qkd_abort reason = estimate_early(counts, p, out);

	if (reason != QKD_GOES_ON)
		return reason;
	out->key_qber = (double)qkd_sum(counts->key_errors) / qkd_sum(counts->key);
	return out->key_qber > p->qber_max ? QKD_QBER_TOO_HIGH : consistency(counts, p, out);
}

double estimate_final_bits(const struct estimate *e, const struct qkd_parameters *p,
	double parities, double verify_bits)
{
	return e->key_vacuum + e->key_single * (1 - estimate_entropy(e->phase_error)) - parities -
	       6 * log2(terms(p) / p->eps_sec) - verify_bits;
}
