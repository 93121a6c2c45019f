// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Which mode corrects a key: the rule of reconciler.h, for processors of both kinds, whatever this one is. */
#include "qkd/ldpc.h"
#include "qkd/reconciler.h"
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

struct row {
	struct reconcile_circumstances now;
	enum reconcile_mode mode;
};

enum { AVX2 = true, NO_AVX2 = false };

static void assert_chosen(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (reconcile_choose(&rows[i].now) != rows[i].mode)
			fail_msg("row %zu", i);
}

static void a_key_that_no_code_fits_is_corrected_by_cascade(void **state)
{
	static const struct row rows[] = {
		{{LDPC_KEY_BITS_MIN, 0.02, 1e3, 0, AVX2}, RECONCILE_LDPC},
		{{LDPC_KEY_BITS_MIN - 1, 0.02, 1e3, 0, AVX2}, RECONCILE_CASCADE},
		{{LDPC_KEY_BITS_MIN - 1, 0.02, 1e3, 0, NO_AVX2}, RECONCILE_CASCADE},
		{{LDPC_KEY_BITS_MIN - 1, 0.02, 5e7, 50, AVX2}, RECONCILE_CASCADE},
		{{1000000, 0.0005, 1e3, 0, AVX2}, RECONCILE_CASCADE}, /* too few rows */
		{{1000000, 0.2, 1e3, 0, AVX2}, RECONCILE_CASCADE},
	};

	(void)state;
	assert_chosen(rows, ARRAY_LEN(rows));
}

static void ldpc_is_chosen_where_the_processor_keeps_up(void **state)
{
	static const struct row rows[] = {
		{{1000000, 0.02, 1e6, 1, AVX2}, RECONCILE_LDPC},
		{{1000000, 0.02, 5e7, 0.2, AVX2}, RECONCILE_CASCADE},
		{{1000000, 0.02, 1e5, 1, NO_AVX2}, RECONCILE_LDPC},
		{{1000000, 0.02, 1e6, 1, NO_AVX2}, RECONCILE_CASCADE},
		/* The first key's rate is not known. */
		{{1000000, 0.02, 0, 0, AVX2}, RECONCILE_LDPC},
		{{1000000, 0.02, 0, 0, NO_AVX2}, RECONCILE_CASCADE},
	};

	(void)state;
	assert_chosen(rows, ARRAY_LEN(rows));
}

static void over_a_long_line_the_rounds_of_cascade_let_through_even_less(void **state)
{
	static const struct row rows[] = {
		{{1000000, 0.02, 5e7, 50, AVX2}, RECONCILE_LDPC},
		{{1000000, 0.02, 1e6, 50, NO_AVX2}, RECONCILE_LDPC},
		{{100000000, 0.02, 5e7, 50, AVX2}, RECONCILE_CASCADE}, /* all frames at once */
	};

	(void)state;
	assert_chosen(rows, ARRAY_LEN(rows));
}

static void assert_expects(struct reconcile_errors before, double test, double expected)
{
	assert_true(fabs(reconcile_expect(before, test, 20000) - expected) < 1e-12);
}

static void errors_are_expected_as_before_unless_the_test_basis_changes_beyond_chance(void **state)
{
	static const struct reconcile_errors none = {0, 0}, alike = {0.01, 0.01},
					     unequal = {0.03, 0.01};

	(void)state;
	assert_expects(alike, 0.013, 0.01);
	assert_expects(alike, 0.014, 0.014);
	assert_expects(alike, 0.006, 0.006);
	assert_expects(unequal, 0.01, 0.03);
	assert_expects(unequal, 0.013, 0.03);
	assert_expects(unequal, 0.05, 0.07);
	/* A change leaves no less than the lesser: nothing says that the key has none. */
	assert_expects((struct reconcile_errors){0.01, 0.03}, 0.01, 0.01);
	assert_expects((struct reconcile_errors){0.03, 0.06}, 0.01, 0.01);
	assert_expects((struct reconcile_errors){0.03, 0.06}, 0.05, 0.03);
	assert_expects((struct reconcile_errors){0.03, 0.04}, 0.02, 0.02);
	assert_expects(none, 0.02, 0.02); /* the first key */
	assert_expects(none, 0.0001, 0.0001);
	assert_expects(none, 0, 0);
}

static void a_mode_is_found_by_its_number(void **state)
{
	(void)state;
	assert_ptr_equal(reconciler_of(RECONCILE_CASCADE), &reconciler_cascade);
	assert_ptr_equal(reconciler_of(RECONCILE_LDPC), &reconciler_ldpc);
	assert_null(reconciler_of(0));
	assert_null(reconciler_of(RECONCILE_MODES));
}

static void a_mode_is_read_as_it_is_written(void **state)
{
	enum reconcile_mode read;

	(void)state;
	for (enum reconcile_mode mode = 0; mode < RECONCILE_MODES; mode++) {
		assert_true(reconcile_mode_read(reconcile_mode_word(mode), &read));
		assert_int_equal(read, mode);
	}
	assert_null(reconcile_mode_word(RECONCILE_MODES));
	assert_false(reconcile_mode_read("Cascade", &read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_that_no_code_fits_is_corrected_by_cascade),
		cmocka_unit_test(ldpc_is_chosen_where_the_processor_keeps_up),
		cmocka_unit_test(over_a_long_line_the_rounds_of_cascade_let_through_even_less),
		cmocka_unit_test(
			errors_are_expected_as_before_unless_the_test_basis_changes_beyond_chance),
		cmocka_unit_test(a_mode_is_found_by_its_number),
		cmocka_unit_test(a_mode_is_read_as_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
