// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Toeplitz hashing by transforms, against the definition and against the product word by word; all paths, all shapes of tiles. */
#include "crypt/gf2x.h"
#include "crypt/toeplitz.h"
#include "support/prop.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static unsigned bit(const uint8_t *bytes, size_t i)
{
	return bytes[i / 8] >> i % 8 & 1;
}

/* Bit i of the hash by the definition. */
static unsigned bit_naive(const uint8_t *key, const uint8_t *seed, size_t m, size_t i)
{
	unsigned sum = bit(key, m + i);

	for (size_t j = 0; j < m; j++)
		sum ^= bit(seed, i + m - 1 - j) & bit(key, j);
	return sum;
}

struct texts {
	uint8_t *key, *seed, *out, *expected;
	size_t n, r;
	struct span_mut hash;
};

static struct texts texts_draw(struct prop *p, size_t n, size_t r)
{
	struct texts t = {malloc(n / 8 + 1), malloc(n / 8 + 1), malloc(r / 8 + 1),
		malloc(r / 8 + 1), n, r, {0}};

	assert_true(t.key && t.seed && t.out && t.expected);
	prop_fill(p, span_mut_of(t.key, n / 8 + 1)); /* spare bits too: they must not count */
	prop_fill(p, span_mut_of(t.seed, n / 8 + 1));
	t.hash = span_mut_of(t.out, (r + 7) / 8);
	return t;
}

static void texts_free(struct texts *t)
{
	free(t->key);
	free(t->seed);
	free(t->out);
	free(t->expected);
}

static struct span key_of(const struct texts *t)
{
	return span_of(t->key, (t->n + 7) / 8);
}

static struct span seed_of(const struct texts *t)
{
	return span_of(t->seed, toeplitz_seed_octets(t->n));
}

static void hash_by_words(struct toeplitz *workspace, const struct texts *t)
{
	const struct toeplitz_plan words = {
		.height = t->r, .width = t->n - t->r, .rows = 1, .columns = 1};

	assert_false(failed(toeplitz_hash_planned(workspace, &words,
		span_mut_of(t->expected, (t->r + 7) / 8), t->r, key_of(t), t->n, seed_of(t))));
}

static void assert_plan_is_exact(
	struct toeplitz *workspace, const struct texts *t, struct toeplitz_plan plan)
{
	plan.rows = (t->r + plan.height - 1) / plan.height;
	plan.columns = (t->n - t->r + plan.width - 1) / plan.width;
	for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++) {
		workspace->path = path;
		memset(t->out, 0xee, t->hash.len);
		assert_false(failed(toeplitz_hash_planned(
			workspace, &plan, t->hash, t->r, key_of(t), t->n, seed_of(t))));
		if (memcmp(t->out, t->expected, t->hash.len) != 0)
			fail_msg("n %zu r %zu path %d: 2^%u, tiles %zu x %zu", t->n, t->r, path,
				plan.log_bits, plan.height, plan.width);
	}
}

/* The product word by word is the definition, by every path, all n up to 70 and all r; random ones up to 3000. */
static void test_words_are_the_definition(void **state)
{
	struct prop p = prop_from_environment(50);
	struct toeplitz workspace;

	(void)state;
	assert_false(failed(toeplitz_open(&workspace, 3000)));
	for (size_t i = 0; i < 70 * 70 + 300; i++) {
		const size_t n = i < 70 * 70 ? i / 70 + 1 : 2 + prop_below(&p, 2998);
		const size_t r = i < 70 * 70 ? i % 70 : 1 + prop_below(&p, n - 1);
		if (r == 0 || r >= n)
			continue;
		struct texts t = texts_draw(&p, n, r);
		for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++) {
			workspace.path = path;
			hash_by_words(&workspace, &t);
			for (size_t k = 0; k < 8 * t.hash.len; k++)
				assert_int_equal(bit(t.expected, k),
					k < r ? bit_naive(t.key, t.seed, n - r, k) : 0);
		}
		texts_free(&t);
	}
	toeplitz_close(&workspace);
}

/* Transforms of 2^15: one tile at lengths around the limit; one row, one column and squares of tiles. */
static void test_every_shape_of_tiles_is_exact(void **state)
{
	enum { LOG = GF2X_LOG_MIN, N = 1 << LOG, LONGEST = 9 * N };
	struct prop p = prop_from_environment(51);
	struct toeplitz workspace;

	(void)state;
	assert_false(failed(toeplitz_open(&workspace, LONGEST)));
	for (int i = 0; i < 48; i++) {
		static const size_t edges[] = {N - 1, N, N + 1, N + 2, N / 2, 2 * N, N + 63, 3 * N};
		const size_t n = i < 8 ? edges[i] : 1000 + prop_below(&p, 5 * N);
		const size_t r = i % 3 == 0   ? 1 + prop_below(&p, n - 1)
				 : i % 3 == 1 ? 1 + prop_below(&p, N < n ? N : n - 1)
					      : n - 1 - prop_below(&p, n / 2 < N ? n / 2 : N - 16);
		const size_t m = n - r;
		struct texts t = texts_draw(&p, n, r);
		workspace.path = clmul_best();
		hash_by_words(&workspace, &t);
		assert_plan_is_exact(
			&workspace, &t, (struct toeplitz_plan){LOG, N / 2, N / 2, 0, 0, 0});
		if (n <= N + 1) /* one tile, as narrow as can be and as wide */
			assert_plan_is_exact(
				&workspace, &t, (struct toeplitz_plan){LOG, r, m, 0, 0, 0});
		if (r <= N * 3 / 4)
			assert_plan_is_exact(
				&workspace, &t, (struct toeplitz_plan){LOG, r, N + 1 - r, 0, 0, 0});
		if (m <= N * 3 / 4)
			assert_plan_is_exact(&workspace, &t,
				(struct toeplitz_plan){LOG, (N + 1 - m) / 8 * 8, m, 0, 0, 0});
		texts_free(&t);
	}
	toeplitz_close(&workspace);
}

/* Longer transforms, whose changes of basis take other steps: every length up to 2^21. */
static void test_every_length_of_transform_is_exact(void **state)
{
	struct prop p = prop_from_environment(52);

	(void)state;
	for (unsigned log = GF2X_LOG_MIN; log <= 21; log++) {
		const size_t n = ((size_t)1 << log) - prop_below(&p, 100),
			     r = n / 256 + prop_below(&p, 64);
		struct texts t = texts_draw(&p, n, r);
		struct toeplitz workspace;
		assert_false(failed(toeplitz_open(&workspace, n)));
		workspace.path = clmul_best();
		hash_by_words(&workspace, &t);
		if (log <= 18 || clmul_best() == CLMUL_PORTABLE)
			assert_plan_is_exact(
				&workspace, &t, (struct toeplitz_plan){log, r, n - r, 0, 0, 0});
		for (enum clmul_path path = CLMUL_FAST; path <= gf2x_best(); path++) {
			const struct toeplitz_plan one = {log, r, n - r, 1, 1, 0};
			workspace.path = path;
			assert_false(failed(toeplitz_hash_planned(
				&workspace, &one, t.hash, r, key_of(&t), n, seed_of(&t))));
			assert_memory_equal(t.out, t.expected, t.hash.len);
		}
		toeplitz_close(&workspace);
		texts_free(&t);
	}
}

/* The plan that is really taken, a third out of a million bits: equal to the product word by word. */
static void test_a_million_bits_are_exact(void **state)
{
	enum { N = 1000000, R = 333336 };
	struct prop p = prop_from_environment(53);
	struct texts t = texts_draw(&p, N, R);
	struct toeplitz workspace;

	(void)state;
	assert_false(failed(toeplitz_open(&workspace, N)));
	workspace.path = clmul_best();
	if (clmul_best() == CLMUL_PORTABLE)
		print_message("no PCLMULQDQ: this takes long\n");
	hash_by_words(&workspace, &t);
	for (enum clmul_path path = CLMUL_PORTABLE; path <= gf2x_best(); path++) {
		assert_false(failed(toeplitz_hash_by(path, t.hash, R, key_of(&t), N, seed_of(&t))));
		assert_memory_equal(t.out, t.expected, t.hash.len);
	}
	toeplitz_close(&workspace);
	texts_free(&t);
}

typedef int gf2x_mul_fn(unsigned long *product, const unsigned long *a, unsigned long a_words,
	const unsigned long *b, unsigned long b_words);

static unsigned long *words_from(const uint8_t *octets, size_t bits, size_t *words)
{
	*words = (bits + 63) / 64;
	unsigned long *w = calloc(*words, sizeof *w);

	assert_true(w != NULL);
	for (size_t i = 0; i < bits; i++)
		w[i / 64] |= (unsigned long)bit(octets, i) << i % 64;
	return w;
}

/* The product of seed and x1 by another's program, its bits from m - 1 on, and x0. */
static void hash_by_peer(gf2x_mul_fn *multiply, struct texts *t)
{
	const size_t m = t->n - t->r;
	size_t seed_words, key_words;
	unsigned long *seed = words_from(t->seed, t->n - 1, &seed_words);
	unsigned long *key = words_from(t->key, m, &key_words);
	unsigned long *product = calloc(seed_words + key_words, sizeof *product);

	assert_true(product != NULL);
	multiply(product, seed, seed_words, key, key_words);
	memset(t->expected, 0, t->r / 8 + 1);
	for (size_t i = 0; i < t->r; i++) {
		const unsigned sum =
			bit(t->key, m + i) ^ (product[(m - 1 + i) / 64] >> (m - 1 + i) % 64 & 1);
		t->expected[i / 8] |= (uint8_t)(sum << i % 8);
	}
	free(seed);
	free(key);
	free(product);
}

/* Long, dense keys, the plan that is taken. Debian's gf2x, without carry-less multiplication, sets the length. */
static void test_long_keys_are_those_of_gf2x(void **state)
{
	static const size_t lengths[][2] = {
		{1000003, 333331}, {4300000, 1433333}, {4000001, 2000000}};
	struct prop p = prop_from_environment(57);
	void *library = dlopen("libgf2x.so.3", RTLD_NOW);
	gf2x_mul_fn *multiply;

	(void)state;
	if (library == NULL || sizeof(unsigned long) != 8 || clmul_best() == CLMUL_PORTABLE) {
		print_message("SKIPPED: needs libgf2x3 and PCLMULQDQ\n");
		skip();
	}
	*(void **)(void *)&multiply = dlsym(library, "gf2x_mul");
	assert_true(multiply != NULL);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct texts t = texts_draw(&p, lengths[i][0], lengths[i][1]);
		hash_by_peer(multiply, &t);
		for (enum clmul_path path = CLMUL_FAST; path <= gf2x_best(); path++) {
			assert_false(failed(
				toeplitz_hash_by(path, t.hash, t.r, key_of(&t), t.n, seed_of(&t))));
			assert_memory_equal(t.out, t.expected, t.hash.len);
		}
		texts_free(&t);
	}
	dlclose(library);
}

/* A plan covers the matrix, and fits what toeplitz_open() took, at all lengths. */
static void test_every_plan_covers_and_fits(void **state)
{
	struct prop p = prop_from_environment(54);

	(void)state;
	for (int i = 0; i < 3000; i++) {
		const size_t n = 2 + prop_below(&p, ((uint64_t)1 << (2 + prop_below(&p, 26))) - 1);
		const size_t r = 1 + (i % 4 == 0 ? prop_below(&p, n < 100 ? n - 1 : 99)
						 : prop_below(&p, n - 1));
		const struct toeplitz_plan plan = toeplitz_plan((enum clmul_path)(i % 3), r, n);
		const size_t transform = (size_t)1 << plan.log_bits;
		assert_true(plan.rows * plan.height >= r && plan.columns * plan.width >= n - r);
		if (plan.log_bits > 0) {
			assert_true(plan.height + plan.width <= transform + 1);
			assert_true(plan.rows == 1 || plan.height % 8 == 0);
			assert_true(
				plan.rows == 1 || plan.columns == 1 || plan.height == plan.width);
			assert_true((plan.rows + plan.columns + 2) * transform / 8 +
					    gf2x_octets(plan.log_bits) <=
				    toeplitz_octets(n));
		}
		assert_true(toeplitz_octets(n) <= toeplitz_octets(n + 1));
	}
}

/* Column j of T is a window of the seed, ending one bit earlier for each j. */
static void expect_columns(struct texts *t, const size_t *columns, size_t count)
{
	const size_t m = t->n - t->r;

	memset(t->key, 0, t->n / 8 + 1);
	memset(t->expected, 0, t->r / 8 + 1);
	for (size_t c = 0; c < count; c++)
		t->key[columns[c] / 8] ^= (uint8_t)(1 << columns[c] % 8);
	for (size_t c = 0; c < count; c++)
		for (size_t i = 0; i < t->r; i++)
			t->expected[i / 8] ^=
				(uint8_t)(bit(t->seed, i + m - 1 - columns[c]) << i % 8);
}

/* At the limit: three columns of T, against the seed's bits; one bit more is refused. */
static void test_the_longest_key_is_exact_and_one_bit_more_is_refused(void **state)
{
	const size_t n = TOEPLITZ_BITS_MAX, r = n / 3;
	const size_t columns[] = {0, 12345678, n - r - 1};
	struct prop p = prop_from_environment(55);
	struct texts t = texts_draw(&p, n, r);
	struct toeplitz workspace;

	(void)state;
	assert_int_equal(toeplitz_open(&workspace, n + 1).kind, ERR_INPUT);
	if (clmul_best() == CLMUL_PORTABLE)
		skip();
	expect_columns(&t, columns, 3);
	const struct err e = toeplitz_open(&workspace, n);
	if (e.kind == ERR_LIMIT) {
		print_message("SKIPPED: %zu octets of memory for secrets cannot be had\n",
			toeplitz_octets(n));
		texts_free(&t);
		skip();
	}
	assert_false(failed(e));
	assert_false(failed(toeplitz_hash_in(&workspace, t.hash, r, key_of(&t), n, seed_of(&t))));
	assert_memory_equal(t.out, t.expected, t.hash.len);
	toeplitz_close(&workspace);
	texts_free(&t);
}

/* h(a, s) + h(b, s) = h(a + b, s), and the same in the seed but for x0, with dense keys; the workspace dirty from calls of other lengths. */
static void test_hash_is_linear_in_key_and_seed(void **state)
{
	enum { N = 3000000, R = 1111111 };
	struct prop p = prop_from_environment(56);
	struct texts a = texts_draw(&p, N, R), b = texts_draw(&p, N, R);
	struct toeplitz workspace;

	(void)state;
	if (clmul_best() == CLMUL_PORTABLE)
		skip();
	assert_false(failed(toeplitz_open(&workspace, N + 77)));
	assert_false(failed(toeplitz_hash_in(&workspace, a.hash, R, key_of(&a), N, seed_of(&a))));
	assert_false(failed(toeplitz_hash_in(&workspace, b.hash, R, key_of(&b), N, seed_of(&a))));
	for (size_t i = 0; i < a.hash.len; i++)
		a.expected[i] = a.out[i] ^ b.out[i];
	for (size_t i = 0; i < N / 8 + 1; i++)
		b.key[i] ^= a.key[i];
	assert_false(failed(toeplitz_hash_in(
		&workspace, span_mut_of(b.out, 12500), 100000, key_of(&b), 500000, seed_of(&a))));
	assert_false(failed(toeplitz_hash_in(&workspace, b.hash, R, key_of(&b), N, seed_of(&a))));
	assert_memory_equal(b.out, a.expected, a.hash.len);
	/* T(s) + T(s') = T(s + s'): the x0 of one of them is left over. */
	assert_false(failed(toeplitz_hash_in(&workspace, b.hash, R, key_of(&a), N, seed_of(&b))));
	for (size_t i = 0; i < a.hash.len; i++)
		a.expected[i] = a.out[i] ^ b.out[i];
	for (size_t i = 0; i < N / 8 + 1; i++)
		b.seed[i] ^= a.seed[i];
	assert_false(failed(toeplitz_hash_in(&workspace, b.hash, R, key_of(&a), N, seed_of(&b))));
	for (size_t i = 0; i < R; i++)
		assert_int_equal(bit(b.out, i) ^ bit(a.key, N - R + i), bit(a.expected, i));
	toeplitz_close(&workspace);
	texts_free(&a);
	texts_free(&b);
}

/* 2-universality, by count: each difference of keys is sent to 0 by at most one seed in 2^r. For n = 9, all r, seeds and differences. */
static void test_family_is_two_universal_by_count(void **state)
{
	enum { N = 9, SEEDS = 1 << (N - 1) };
	struct toeplitz workspace;

	(void)state;
	assert_false(failed(toeplitz_open(&workspace, N)));
	for (size_t r = 1; r < N; r++)
		for (unsigned key = 1; key < 1 << N; key++) {
			const uint8_t octets[2] = {(uint8_t)key, (uint8_t)(key >> 8)};
			unsigned zero = 0;
			for (unsigned s = 0; s < SEEDS; s++) {
				const uint8_t seed[1] = {(uint8_t)s};
				uint8_t out[1];
				assert_false(
					failed(toeplitz_hash_in(&workspace, SPAN_MUT_ARRAY(out), r,
						SPAN_ARRAY(octets), N, SPAN_ARRAY(seed))));
				zero += out[0] == 0;
			}
			assert_true(zero <= (unsigned)SEEDS >> r);
		}
	toeplitz_close(&workspace);
}

static void test_bad_lengths_are_refused(void **state)
{
	uint8_t key[128] = {0}, out[64], seed[128] = {0};
	const struct span_mut half = SPAN_MUT_ARRAY(out);
	struct toeplitz t;

	(void)state;
	assert_int_equal(toeplitz_open(&t, 1).kind, ERR_INPUT);
	assert_false(failed(toeplitz_open(&t, 1000)));
	assert_int_equal(
		toeplitz_hash_in(&t, half, 512, SPAN_ARRAY(key), 1001, SPAN_ARRAY(seed)).kind,
		ERR_INPUT);
	assert_false(
		failed(toeplitz_hash_in(&t, half, 512, SPAN_ARRAY(key), 1000, SPAN_ARRAY(seed))));
	assert_int_equal(
		toeplitz_hash_in(&t, half, 512, SPAN_ARRAY(key), 1000, span_of(seed, 124)).kind,
		ERR_INPUT);
	toeplitz_close(&t);
	assert_int_equal(secret_octets_open(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_the_definition),
		cmocka_unit_test(test_every_shape_of_tiles_is_exact),
		cmocka_unit_test(test_every_length_of_transform_is_exact),
		cmocka_unit_test(test_a_million_bits_are_exact),
		cmocka_unit_test(test_long_keys_are_those_of_gf2x),
		cmocka_unit_test(test_every_plan_covers_and_fits),
		cmocka_unit_test(test_the_longest_key_is_exact_and_one_bit_more_is_refused),
		cmocka_unit_test(test_hash_is_linear_in_key_and_seed),
		cmocka_unit_test(test_family_is_two_universal_by_count),
		cmocka_unit_test(test_bad_lengths_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
