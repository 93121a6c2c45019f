// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Monte Carlo: blocks whose photon numbers are known to the test alone, against what the estimate says of them from counts. With eps_sec
 * large enough to be tested, a bound may fail in at most that part of the blocks; and with the deviations taken out it fails
 * about as often as not, or this test would prove nothing.
 */
#include "qkd/estimate.h"
#include "support/prop.h"
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static const double block_count = 1500;
enum { PHOTONS = 4 }; /* 0, 1, 2, and 3 or more */
enum { VACUUM, SINGLE, ERRORS, PHASE, BOUNDS };

static const double yields[PHOTONS] = {0.004, 0.1, 0.19, 0.28};
static const double error_rates[PHOTONS] = {0.5, 0.03, 0.03, 0.03};

/* What nobody but the test knows. */
struct truth {
	double key_vacuum, key_single, test_single_errors, phase_error;
};

static double photons(const struct qkd_parameters *p, size_t k, size_t n)
{
	const double mu = p->intensity[k], none = exp(-mu);

	if (n == 0)
		return none;
	if (n == 1)
		return mu * none;
	return n == 2 ? mu * mu / 2 * none : 1 - none * (1 + mu + mu * mu / 2);
}

static size_t intensities(const struct qkd_parameters *p)
{
	return p->protocol == QKD_ONE_DECOY ? 2 : 3;
}

/* Of `pulses` in one basis: detections of n photons are Poisson, and each was of intensity k with its share. */
static void basis_draw(struct prop *random, const struct qkd_parameters *p, double pulses,
	double counts[QKD_INTENSITIES], double wrong[QKD_INTENSITIES], double of[PHOTONS],
	double wrong_of[PHOTONS])
{
	for (size_t n = 0; n < PHOTONS; n++) {
		double part[QKD_INTENSITIES] = {0}, all = 0;
		for (size_t k = 0; k < intensities(p); k++)
			all += part[k] = p->probability[k] * photons(p, k, n);
		const double mean = pulses * all * yields[n];
		/* Exponential gaps: exact, and these numbers are small. */
		for (double t = -log(1 - prop_unit(random)); t < mean;
			t -= log(1 - prop_unit(random))) {
			double u = prop_unit(random) * all;
			size_t k = 0;
			while (k + 1 < intensities(p) && u >= part[k])
				u -= part[k++];
			const bool is_wrong = prop_unit(random) < error_rates[n];
			counts[k]++;
			wrong[k] += is_wrong;
			of[n]++;
			wrong_of[n] += is_wrong;
		}
	}
}

static struct truth block_draw(
	struct prop *random, const struct qkd_parameters *p, struct estimate_counts *n)
{
	double key_of[PHOTONS] = {0}, key_wrong[PHOTONS] = {0}, test_of[PHOTONS] = {0},
	       test_wrong[PHOTONS] = {0};

	*n = (struct estimate_counts){.key = {0}};
	basis_draw(random, p, 150000, n->key, n->key_errors, key_of, key_wrong);
	basis_draw(random, p, 60000, n->test, n->test_errors, test_of, test_wrong);
	/* The phase error of a single photon in the key basis: what it would have shown in the other. */
	double phase = 0;
	for (double i = 0; i < key_of[1]; i++)
		phase += prop_unit(random) < error_rates[1];
	return (struct truth){key_of[0], key_of[1], test_wrong[1], phase / key_of[1]};
}

static void violations(const struct qkd_parameters *p, uint64_t seed, double failed_of[BOUNDS + 1])
{
	struct prop random = prop_seeded(seed);

	for (double i = 0; i < block_count; i++) {
		struct estimate_counts n;
		struct estimate e;
		const struct truth t = block_draw(&random, p, &n);
		estimate_bounds(&n, p, &e);
		const bool is_wrong[BOUNDS] = {e.key_vacuum > t.key_vacuum,
			e.key_single > t.key_single, e.test_single_errors < t.test_single_errors,
			e.phase_error < t.phase_error};
		bool any = false;
		for (size_t b = 0; b < BOUNDS; b++) {
			failed_of[b] += (double)is_wrong[b] / block_count;
			any |= is_wrong[b];
		}
		failed_of[BOUNDS] += (double)any / block_count;
	}
}

static const struct qkd_parameters two = {.protocol = QKD_TWO_DECOY,
	.intensity = {0.6, 0.22, 0.002},
	.probability = {0.3, 0.4, 0.3},
	.basis_x = 0.7,
	.eps_cor = 1e-10};
static const struct qkd_parameters one = {.protocol = QKD_ONE_DECOY,
	.intensity = {0.5, 0.15},
	.probability = {0.6, 0.4},
	.basis_x = 0.7,
	.eps_cor = 1e-10};

static void bounds_hold_at(const struct qkd_parameters *of, double eps_sec, uint64_t seed)
{
	struct qkd_parameters p = *of;
	double failed_of[BOUNDS + 1] = {0};

	p.eps_sec = eps_sec;
	violations(&p, seed, failed_of);
	print_message("eps_sec %.3g: vacuum %.4f, single %.4f, errors %.4f, phase %.4f, any %.4f\n",
		eps_sec, failed_of[VACUUM], failed_of[SINGLE], failed_of[ERRORS], failed_of[PHASE],
		failed_of[BOUNDS]);
	/* Four sigma of the counting itself. */
	assert_true(failed_of[BOUNDS] <= eps_sec + 4 * sqrt(eps_sec * (1 - eps_sec) / block_count));
}

static void bounds_of_two_decoys_hold_at_their_epsilon(void **state)
{
	static const double epsilons[] = {0.5, 0.21, 0.05};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(epsilons); i++)
		bounds_hold_at(&two, epsilons[i], 100 + i);
}

static void bounds_of_one_decoy_hold_at_their_epsilon(void **state)
{
	static const double epsilons[] = {0.5, 0.19, 0.05};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(epsilons); i++)
		bounds_hold_at(&one, epsilons[i], 200 + i);
}

/* eps_sec at its number of terms makes every deviation zero: no epsilon, no bound. */
static void without_deviations_the_bounds_fail(void **state)
{
	struct qkd_parameters p = two;
	double failed_of[BOUNDS + 1] = {0};

	(void)state;
	p.eps_sec = 20.99;
	violations(&p, 300, failed_of);
	print_message("no deviations: vacuum %.2f, single %.2f, errors %.2f, any %.2f\n",
		failed_of[VACUUM], failed_of[SINGLE], failed_of[ERRORS], failed_of[BOUNDS]);
	assert_true(failed_of[BOUNDS] > 0.5);
	assert_true(failed_of[VACUUM] + failed_of[SINGLE] + failed_of[ERRORS] > 0.3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_of_two_decoys_hold_at_their_epsilon),
		cmocka_unit_test(bounds_of_one_decoy_hold_at_their_epsilon),
		cmocka_unit_test(without_deviations_the_bounds_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
