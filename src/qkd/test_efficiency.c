// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What efficiency.h expects, against what both modes tell of keys that are drawn, corrected and compared. */
#include "qkd/efficiency.h"
#include "qkd/estimate.h"
#include "qkd/ldpc.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "support/reconcile_pair.h"

static const double test_part = 0.12; /* of the key's length */
static const double qber_least = 5e-4;

/* One key after another, each expected as the link does: by the key before, or by a test basis drawn like a key. */
static double f_seen(enum reconcile_mode mode, uint32_t key_bits, double qber, int keys)
{
	struct prop random = prop_from_environment(key_bits);
	const uint32_t test_bits = (uint32_t)(test_part * key_bits);
	struct pair p;
	struct reconcile_errors before = {qber, qber};
	double told = 0;

	pair_open(&p, reconciler_of(mode), key_bits, 4);
	for (int i = 0; i < keys; i++) {
		keys_draw(&p, &random, test_bits, qber);
		const double test = (double)p.errors / test_bits;
		keys_draw(&p, &random, key_bits, qber);
		double expected = fmax(qber_least, reconcile_expect(before, test, test_bits));
		if (efficiency_of(mode, key_bits, expected) == 0)
			expected = qber; /* the link would take Cascade */
		told += (double)pair_correct(&p, &random, expected).parities;
		assert_true(keys_equal(&p));
		before = (struct reconcile_errors){(double)p.errors / key_bits, test};
	}
	pair_close(&p);
	return told / keys / (key_bits * estimate_entropy(qber));
}

struct point {
	uint32_t key_bits;
	double qber;
	int keys;
};

static void assert_expected(enum reconcile_mode mode, const struct point *at, double tolerance)
{
	const double f = efficiency_of(mode, at->key_bits, at->qber);
	const double seen = f_seen(mode, at->key_bits, at->qber, at->keys);

	print_message("  %s, %u bits, %g: f %.3f, expected %.3f\n", reconciler_of(mode)->word,
		at->key_bits, at->qber, seen, f);
	assert_true(fabs(seen / f - 1) <= tolerance);
}

static void cascade_tells_what_is_expected(void **state)
{
	static const struct point points[] = {{3000, 0.02, 600}, {3000, 0.1, 600},
		{10000, 0.01, 300}, {10000, 0.05, 200}, {65536, 0.005, 60}, {120000, 0.01, 60},
		{120000, 0.03, 40}, {120000, 0.11, 20}, {1000000, 0.02, 8}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		assert_expected(RECONCILE_CASCADE, &points[i], 0.03);
}

static void ldpc_tells_what_is_expected(void **state)
{
	static const struct point points[] = {{32768, 0.01, 120}, {32768, 0.05, 60},
		{65536, 0.005, 120}, {65536, 0.02, 80}, {120000, 0.01, 60}, {120000, 0.03, 40},
		{120000, 0.1, 30}, {1 << 20, 0.02, 4}, {1 << 20, 0.1, 2}, {1100000, 0.05, 2}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		assert_expected(RECONCILE_LDPC, &points[i], 0.03);
}

static void keys_that_no_code_fits_have_no_efficiency(void **state)
{
	(void)state;
	assert_true(efficiency_of(RECONCILE_LDPC, LDPC_KEY_BITS_MIN - 1, 0.02) == 0);
	assert_true(efficiency_of(RECONCILE_LDPC, 1000000, 0.13) == 0);
	assert_true(efficiency_of(RECONCILE_CASCADE, LDPC_KEY_BITS_MIN - 1, 0.02) > 1);
	assert_true(isfinite(efficiency_of(RECONCILE_CASCADE, 100000, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cascade_tells_what_is_expected),
		cmocka_unit_test(ldpc_tells_what_is_expected),
		cmocka_unit_test(keys_that_no_code_fits_have_no_efficiency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
