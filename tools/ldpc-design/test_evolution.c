// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Density evolution against thresholds that others know. */
#include "evolution.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Fine enough to stand for unquantised belief propagation. */
static const struct evolution_model fine = {.steps_a_nat = 6,
	.message_max = 50,
	.posterior_max = 150,
	.sum_steps_a_unit = 100,
	.sum_max = 255};

static bool converges(const struct evolution_model *model, double checks_a_bit,
	const struct evolution_columns *columns, double qber, unsigned iterations)
{
	struct evolution *e = evolution_open(model, checks_a_bit);

	assert_non_null(e);
	const bool does = evolution_converges(e, columns, qber, iterations);
	evolution_close(e);
	return does;
}

/*
 * Regular ensembles on the binary symmetric channel: 0.084, 0.076, 0.167 by Richardson and Urbanke (2001), table II. Columns of degree 2
 * alone obey the condition of stability, exactly: 2 sqrt(p (1 - p)) (row degree - 1) < 1, here p < 0.0286.
 */
static void regular_ensembles_have_their_thresholds(void **state)
{
	static const struct {
		unsigned column, row;
		double below, above;
	} ensembles[] = {
		{3, 6, 0.083, 0.085},
		{4, 8, 0.0755, 0.0775},
		{3, 4, 0.165, 0.168},
		{2, 4, 0.0275, 0.0297},
	};

	(void)state;
	for (size_t i = 0; i < sizeof ensembles / sizeof ensembles[0]; i++) {
		struct evolution_columns columns = {{0}};
		columns.share[ensembles[i].column] = 1;
		const double rate = (double)ensembles[i].column / ensembles[i].row;
		assert_true(converges(&fine, rate, &columns, ensembles[i].below, 400));
		assert_false(converges(&fine, rate, &columns, ensembles[i].above, 400));
	}
}

/* Columns that a search found. A program written apart gives f 1.0668 in 148 iterations and 1.0601 in 1000. */
static void an_irregular_ensemble_has_its_threshold(void **state)
{
	const struct evolution_columns columns = {{[2] = 0.198,
		[3] = 0.458,
		[4] = 0.021,
		[6] = 0.012,
		[8] = 0.176,
		[11] = 0.013,
		[16] = 0.046,
		[22] = 0.054,
		[30] = 0.022}};
	const double rate = 0.155;

	(void)state;
	assert_true(fabs(evolution_mean_degree(&columns) - 6.061) < 1e-9);
	assert_true(converges(
		&evolution_decoder, rate, &columns, evolution_entropy_inverse(rate / 1.069), 148));
	assert_false(converges(
		&evolution_decoder, rate, &columns, evolution_entropy_inverse(rate / 1.065), 148));
	assert_true(converges(
		&evolution_decoder, rate, &columns, evolution_entropy_inverse(rate / 1.062), 1000));
	assert_false(converges(
		&evolution_decoder, rate, &columns, evolution_entropy_inverse(rate / 1.058), 1000));
}

static void thresholds_are_found(void **state)
{
	struct evolution_columns columns = {{[3] = 1}};
	struct evolution *e = evolution_open(&evolution_decoder, 0.5);

	(void)state;
	assert_non_null(e);
	const double qber = evolution_threshold(e, &columns, 200);
	assert_true(qber > 0.083 && qber < 0.085);
	assert_true(evolution_converges(e, &columns, qber, 200));
	assert_false(evolution_converges(e, &columns, qber * 1.0002, 200));
	/* One iteration is never enough. */
	assert_true(evolution_threshold(e, &columns, 1) == 0);
	evolution_close(e);
}

static void entropy_is_inverted(void **state)
{
	(void)state;
	assert_true(fabs(evolution_entropy(0.11) - 0.499916) < 1e-6);
	for (double p = 0.001; p < 0.5; p += 0.007)
		assert_true(fabs(evolution_entropy_inverse(evolution_entropy(p)) - p) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regular_ensembles_have_their_thresholds),
		cmocka_unit_test(an_irregular_ensemble_has_its_threshold),
		cmocka_unit_test(thresholds_are_found),
		cmocka_unit_test(entropy_is_inverted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
