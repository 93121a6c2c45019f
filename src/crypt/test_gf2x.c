// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The additive FFT under Toeplitz hashing: its constants, its definition, its dual, all paths. */
#include "crypt/gf2x.h"
#include "support/prop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct gf128 add(struct gf128 a, struct gf128 b)
{
	return (struct gf128){a.lo ^ b.lo, a.hi ^ b.hi};
}

static bool is_equal(struct gf128 a, struct gf128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* z^2 + z */
static struct gf128 step(struct gf128 z)
{
	return add(gf2x_field_multiply(z, z), z);
}

static struct gf128 multiply_naive(struct gf128 a, struct gf128 b)
{
	struct gf128 sum = {0};

	for (unsigned i = 0; i < 128; i++) {
		if ((i < 64 ? b.lo >> i : b.hi >> (i - 64)) & 1)
			sum = add(sum, a);
		const uint64_t top = a.hi >> 63;
		a.hi = a.hi << 1 | a.lo >> 63;
		a.lo = a.lo << 1 ^ top * GF2X_MODULUS;
	}
	return sum;
}

static void test_field_multiplies_like_the_definition(void **state)
{
	struct prop p = prop_from_environment(40);

	(void)state;
	for (int i = 0; i < 5000; i++) {
		const struct gf128 a = {prop_u64(&p), prop_u64(&p)},
				   b = {prop_u64(&p), prop_u64(&p)};
		assert_true(is_equal(gf2x_field_multiply(a, b), multiply_naive(a, b)));
	}
}

/*
 * x^(2^128) = x: every factor's degree divides 128. x^(2^64) is not x: not all divide 64, so one is 128 and the only one. And s(108)(x)
 * = 0: x is in W(108), so s(l) takes the value x in the field for l <= 20.
 */
static void test_modulus_is_irreducible_and_its_root_lies_low(void **state)
{
	const struct gf128 x = {.lo = 2};
	struct gf128 power = x, s = x;

	(void)state;
	for (unsigned i = 0; i < 128; i++) {
		power = gf2x_field_multiply(power, power);
		if (i == 63)
			assert_false(is_equal(power, x));
	}
	assert_true(is_equal(power, x));
	/* Without a square factor: it divides x^(2^128) - x. */
	for (unsigned i = 0; i < 108; i++)
		s = step(s);
	assert_true(is_equal(s, (struct gf128){0}));
}

static void test_constants_are_a_cantor_basis_and_roots_above_x(void **state)
{
	(void)state;
	assert_true(is_equal(gf2x_basis(0), (struct gf128){.lo = 1}));
	assert_true(is_equal(gf2x_theta(0), (struct gf128){.lo = 2}));
	for (unsigned i = 1; i <= GF2X_LAYERS_MAX; i++) {
		assert_true(is_equal(step(gf2x_basis(i)), gf2x_basis(i - 1)));
		assert_true(is_equal(step(gf2x_theta(i)), gf2x_theta(i - 1)));
	}
}

struct arena {
	struct gf2x g;
	void *tables;
	uint64_t *bits, *copy;
	struct gf128 *values, *others;
	size_t words, elements;
};

static struct arena arena_open(enum clmul_path path, unsigned log_bits)
{
	const size_t octets = (size_t)1 << (log_bits - 3);
	struct arena a = {.words = octets / 8, .elements = octets / 16};

	a.tables = aligned_alloc(GF2X_ALIGNMENT, (gf2x_octets(log_bits) + 63) / 64 * 64);
	a.bits = aligned_alloc(GF2X_ALIGNMENT, octets);
	a.copy = aligned_alloc(GF2X_ALIGNMENT, octets);
	a.values = aligned_alloc(GF2X_ALIGNMENT, octets);
	a.others = aligned_alloc(GF2X_ALIGNMENT, octets);
	assert_true(a.tables && a.bits && a.copy && a.values && a.others);
	gf2x_open(&a.g, path, log_bits, a.tables);
	return a;
}

static void arena_close(struct arena *a)
{
	free(a->tables);
	free(a->bits);
	free(a->copy);
	free(a->values);
	free(a->others);
}

/* Horner's rule over all bits. */
static struct gf128 value_at(const uint64_t *bits, size_t count, struct gf128 point)
{
	struct gf128 sum = {0};

	while (count-- > 0) {
		sum = gf2x_field_multiply(sum, point);
		sum.lo ^= bits[count / 64] >> count % 64 & 1;
	}
	return sum;
}

/* Where value i is taken: theta + the v's of its bits; CLMUL_WIDE leaves the middle two of four exchanged. */
static struct gf128 point_of(const struct gf2x *g, enum clmul_path path, size_t i)
{
	struct gf128 point = gf2x_theta(g->layers);
	const size_t middle = (i & 3) == 1 || (i & 3) == 2;

	if (path == CLMUL_WIDE && middle)
		i ^= 3;
	for (unsigned k = 0; k < g->layers; k++)
		if (i >> k & 1)
			point = add(point, gf2x_basis(k));
	return point;
}

static void test_evaluation_is_the_polynomial_at_its_points(void **state)
{
	struct prop p = prop_from_environment(41);

	(void)state;
	for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++)
		for (unsigned log_bits = GF2X_LOG_MIN; log_bits <= 18; log_bits++) {
			struct arena a = arena_open(path, log_bits);
			prop_fill(&p, span_mut_of((uint8_t *)a.bits, 8 * a.words));
			memcpy(a.copy, a.bits, 8 * a.words);
			a.g.kernels->evaluate(&a.g, a.values, a.bits, false);
			for (int i = 0; i < 4; i++) {
				const size_t at = prop_below(&p, a.elements);
				const struct gf128 point = point_of(&a.g, path, at);
				assert_true(is_equal(
					a.values[at], value_at(a.copy, 64 * a.words, point)));
			}
			arena_close(&a);
		}
}

static void test_dual_interpolation_undoes_dual_evaluation_at_every_length(void **state)
{
	struct prop p = prop_from_environment(42);

	(void)state;
	for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++)
		for (unsigned log_bits = GF2X_LOG_MIN;
			log_bits <= (path == CLMUL_PORTABLE ? 18u : 24u); log_bits++) {
			struct arena a = arena_open(path, log_bits);
			prop_fill(&p, span_mut_of((uint8_t *)a.bits, 8 * a.words));
			memcpy(a.copy, a.bits, 8 * a.words);
			a.g.kernels->evaluate(&a.g, a.values, a.bits, true);
			memset(a.bits, 0x55, 8 * a.words);
			a.g.kernels->interpolate(&a.g, a.bits, a.values);
			assert_memory_equal(a.bits, a.copy, 8 * a.words);
			arena_close(&a);
		}
}

/* A processor's vectors may want more: no path may rely on where its caller put the transform. */
static void test_a_transform_may_lie_at_any_word(void **state)
{
	static _Alignas(64) struct {
		uint64_t before;
		struct gf2x g;
	} at_odd;
	struct prop p = prop_from_environment(44);

	(void)state;
	for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++) {
		struct arena a = arena_open(path, GF2X_LOG_MIN);
		at_odd.g = a.g;
		prop_fill(&p, span_mut_of((uint8_t *)a.bits, a.words * 8));
		memcpy(a.copy, a.bits, a.words * 8);
		a.g.kernels->evaluate(&a.g, a.values, a.bits, false);
		a.g.kernels->evaluate(&at_odd.g, a.others, a.copy, false);
		assert_memory_equal(a.values, a.others, a.elements * sizeof *a.values);
		arena_close(&a);
	}
}

static void test_values_multiply_like_the_field(void **state)
{
	struct prop p = prop_from_environment(43);

	(void)state;
	for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++) {
		struct arena a = arena_open(path, GF2X_LOG_MIN);
		struct gf128 *sum = (struct gf128 *)(void *)a.bits;
		prop_fill(&p, span_mut_of((uint8_t *)a.values, 8 * a.words));
		prop_fill(&p, span_mut_of((uint8_t *)a.others, 8 * a.words));
		prop_fill(&p, span_mut_of((uint8_t *)a.bits, 8 * a.words));
		memcpy(a.copy, a.bits, 8 * a.words);
		a.g.kernels->multiply_add(sum, a.values, a.others, a.elements);
		for (size_t i = 0; i < a.elements; i++) {
			const struct gf128 before = {a.copy[2 * i], a.copy[2 * i + 1]};
			assert_true(is_equal(sum[i],
				add(before, gf2x_field_multiply(a.values[i], a.others[i]))));
		}
		arena_close(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field_multiplies_like_the_definition),
		cmocka_unit_test(test_modulus_is_irreducible_and_its_root_lies_low),
		cmocka_unit_test(test_constants_are_a_cantor_basis_and_roots_above_x),
		cmocka_unit_test(test_evaluation_is_the_polynomial_at_its_points),
		cmocka_unit_test(test_dual_interpolation_undoes_dual_evaluation_at_every_length),
		cmocka_unit_test(test_a_transform_may_lie_at_any_word),
		cmocka_unit_test(test_values_multiply_like_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
