// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Universal hashing: GF(2^128), the polynomial hash, Wegman-Carter tags, Toeplitz. */
#include "crypt/toeplitz.h"
#include "crypt/wegman_carter.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static struct gf128 random_element(struct prop *p)
{
	return (struct gf128){prop_u64(p), prop_u64(p)};
}

/* Shift and add, one bit a step: slow and plain. */
static struct gf128 multiply_naive(struct gf128 a, struct gf128 b)
{
	struct gf128 sum = {0};

	for (unsigned i = 0; i < 128; i++) {
		if ((i < 64 ? b.lo >> i : b.hi >> (i - 64)) & 1) {
			sum.lo ^= a.lo;
			sum.hi ^= a.hi;
		}
		const uint64_t top = a.hi >> 63;
		a.hi = a.hi << 1 | a.lo >> 63;
		a.lo = a.lo << 1 ^ top * 0x87;
	}
	return sum;
}

static void test_both_paths_multiply_like_the_definition(void **state)
{
	struct prop p = prop_from_environment(21);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		const struct gf128 a = random_element(&p), b = random_element(&p);
		const struct gf128 expected = multiply_naive(a, b);
		const struct gf128 portable = gf128_multiply(CLMUL_PORTABLE, a, b);
		const struct gf128 best = gf128_multiply(clmul_best(), a, b);
		assert_memory_equal(&portable, &expected, sizeof expected);
		assert_memory_equal(&best, &expected, sizeof expected);
	}
}

static void test_hash_does_not_depend_on_how_the_message_is_cut(void **state)
{
	struct prop p = prop_from_environment(22);
	uint8_t message[300], key[16], whole[16], cut[16];

	(void)state;
	prop_fill(&p, SPAN_MUT_ARRAY(message));
	prop_fill(&p, SPAN_MUT_ARRAY(key));
	for (int i = 0; i < 2000; i++) {
		const size_t len = prop_below(&p, sizeof message + 1);
		struct polyhash a, b;
		polyhash_begin(&a, key);
		polyhash_begin(&b, key);
		b.path = CLMUL_PORTABLE;
		polyhash_add(&a, span_of(message, len));
		for (size_t at = 0, n; at < len; at += n) {
			n = 1 + prop_below(&p, len - at);
			polyhash_add(&b, span_of(message + at, n));
		}
		polyhash_value(&a, whole);
		polyhash_value(&b, cut);
		assert_memory_equal(whole, cut, 16);
	}
}

/* Horner's rule as the header has it, one block after the other, by shift and add. */
static void hash_naive(const uint8_t key[static 16], struct span message, uint8_t out[static 16])
{
	const struct gf128 r = gf128_read(key);
	struct gf128 sum = {0};

	for (size_t at = 0; at < message.len; at += GF128_OCTETS) {
		const size_t left = message.len - at;
		uint8_t block[GF128_OCTETS] = {0};
		memcpy(block, message.at + at, left < GF128_OCTETS ? left : GF128_OCTETS);
		const struct gf128 m = gf128_read(block);
		sum = multiply_naive((struct gf128){sum.lo ^ m.lo, sum.hi ^ m.hi}, r);
	}
	gf128_write(out, multiply_naive((struct gf128){sum.lo ^ message.len, sum.hi}, r));
}

/* Around eight blocks, sixteen, …: where steps of eight begin and end. */
static void test_hash_is_the_serial_definition_at_every_length(void **state)
{
	struct prop p = prop_from_environment(27);
	uint8_t message[520], key[16], expected[16], value[16];

	(void)state;
	for (size_t len = 0; len <= sizeof message; len++) {
		prop_fill(&p, SPAN_MUT_ARRAY(message));
		prop_fill(&p, SPAN_MUT_ARRAY(key));
		hash_naive(key, span_of(message, len), expected);
		for (enum clmul_path path = CLMUL_PORTABLE; path <= clmul_best(); path++) {
			struct polyhash h;
			polyhash_begin(&h, key);
			h.path = path;
			polyhash_add(&h, span_of(message, len));
			polyhash_value(&h, value);
			assert_memory_equal(value, expected, 16);
		}
	}
}

/* By the formula m1 r^2 + m2 r, the second block being the length. */
static void test_hash_is_the_polynomial_of_the_header(void **state)
{
	const uint8_t key[16] = {2}; /* r = x */
	const uint8_t message[3] = {1};
	uint8_t hash[16];
	struct polyhash h;

	(void)state;
	polyhash_begin(&h, key);
	polyhash_add(&h, SPAN_ARRAY(message));
	polyhash_value(&h, hash);
	/* 1 * x^2 + 3 * x = x^2 + x^2 + x = x */
	assert_int_equal(hash[0], 2);
	for (size_t i = 1; i < 16; i++)
		assert_int_equal(hash[i], 0);
}

static void test_messages_that_differ_in_padding_alone_hash_differently(void **state)
{
	struct prop p = prop_from_environment(23);
	const uint8_t zeros[40] = {0};
	uint8_t key[16], hashes[40][16];

	(void)state;
	prop_fill(&p, SPAN_MUT_ARRAY(key));
	for (size_t len = 0; len < 40; len++) {
		struct polyhash h;
		polyhash_begin(&h, key);
		polyhash_add(&h, span_of(zeros, len));
		polyhash_value(&h, hashes[len]);
		for (size_t other = 0; other < len; other++)
			assert_memory_not_equal(hashes[len], hashes[other], 16);
	}
}

static void hash_of(const uint8_t key[static 16], struct span message, uint8_t hash[static 16])
{
	struct polyhash h;

	polyhash_begin(&h, key);
	polyhash_add(&h, message);
	polyhash_value(&h, hash);
}

static void test_one_bit_wrong_in_tag_message_key_or_pad_is_refused(void **state)
{
	struct prop p = prop_from_environment(24);
	uint8_t key[16], pad[16], tag[16], message[100], hash[16];

	(void)state;
	prop_fill(&p, SPAN_MUT_ARRAY(key));
	prop_fill(&p, SPAN_MUT_ARRAY(pad));
	prop_fill(&p, SPAN_MUT_ARRAY(message));
	hash_of(key, SPAN_ARRAY(message), hash);
	wc_tag(tag, hash, pad);
	assert_true(wc_verify(tag, hash, pad));
	for (unsigned bit = 0; bit < 128; bit++) {
		tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(wc_verify(tag, hash, pad));
		tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
		pad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(wc_verify(tag, hash, pad));
		pad[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned bit = 0; bit < 800; bit++) {
		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		hash_of(key, SPAN_ARRAY(message), hash);
		assert_false(wc_verify(tag, hash, pad));
		message[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	key[0] ^= 1;
	hash_of(key, SPAN_ARRAY(message), hash);
	assert_false(wc_verify(tag, hash, pad));
}

static void join(const uint8_t key[static 16], struct span a, struct span b, uint8_t out[static 16])
{
	struct polyhash first, second;

	polyhash_begin(&first, key);
	polyhash_begin(&second, key);
	polyhash_add(&first, a);
	polyhash_add(&second, b);
	polyhash_join(&first, &second, out);
}

/* By the definition: the blocks of a, those of b, one block of both lengths; Horner's rule over all. */
static void test_two_streams_joined_are_one_polynomial(void **state)
{
	struct prop p = prop_from_environment(26);
	uint8_t key[16], text[300], out[16], other[16];

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		const size_t a = (size_t)prop_below(&p, 150), b = (size_t)prop_below(&p, 150);
		struct gf128 sum = {0};
		prop_fill(&p, SPAN_MUT_ARRAY(key));
		prop_fill(&p, SPAN_MUT_ARRAY(text));
		for (size_t part = 0; part < 3; part++) {
			uint8_t padded[160] = {0};
			const size_t len = part == 0 ? a : part == 1 ? b : 16;
			memcpy(padded, text + (part == 1 ? a : 0), part == 2 ? 0 : len);
			if (part == 2)
				gf128_write(
					padded, (struct gf128){.lo = a, .hi = POLYHASH_JOINED | b});
			for (size_t at = 0; at < len; at += 16) {
				const struct gf128 block = gf128_read(padded + at);
				sum.lo ^= block.lo;
				sum.hi ^= block.hi;
				sum = gf128_multiply(clmul_best(), sum, gf128_read(key));
			}
		}
		uint8_t expected[16];
		gf128_write(expected, sum);
		join(key, span_of(text, a), span_of(text + a, b), out);
		assert_memory_equal(out, expected, 16);
		join(key, span_of(text, a), span_of(text, 0), other);
		hash_of(key, span_of(text, a), out);
		assert_memory_not_equal(out, other, 16);
		join(key, span_of(text, a), span_of(text + a, b), out);
		/* The same octets, divided elsewhere: another pair. */
		if (a > 0) {
			join(key, span_of(text, a - 1), span_of(text + a - 1, b + 1), other);
			assert_memory_not_equal(out, other, 16);
		}
	}
}

static unsigned bit(const uint8_t *bytes, size_t i)
{
	return bytes[i / 8] >> i % 8 & 1;
}

/* The definition, bit by bit. */
static void toeplitz_naive(
	uint8_t *out, size_t r, const uint8_t *key, size_t n, const uint8_t *seed)
{
	const size_t m = n - r;

	memset(out, 0, (r + 7) / 8);
	for (size_t i = 0; i < r; i++) {
		unsigned sum = bit(key, m + i);
		for (size_t j = 0; j < m; j++)
			sum ^= bit(seed, i + m - 1 - j) & bit(key, j);
		out[i / 8] |= (uint8_t)(sum << i % 8);
	}
}

static void test_toeplitz_is_bit_exact_by_both_paths(void **state)
{
	struct prop p = prop_from_environment(25);
	uint8_t key[160], seed[160], expected[160], out[160];

	(void)state;
	for (int i = 0; i < 600; i++) {
		const size_t n = 2 + prop_below(&p, 1200), r = 1 + prop_below(&p, n - 1);
		const struct span_mut hash = span_mut_of(out, (r + 7) / 8);
		prop_fill(
			&p, SPAN_MUT_ARRAY(
				    key)); /* bits past n - 1 of the seed are not zero: not used */
		prop_fill(&p, SPAN_MUT_ARRAY(seed));
		toeplitz_naive(expected, r, key, n, seed);
		for (enum clmul_path path = CLMUL_PORTABLE; path <= clmul_best(); path++) {
			assert_false(failed(toeplitz_hash_by(
				path, hash, r, SPAN_ARRAY(key), n, SPAN_ARRAY(seed))));
			assert_memory_equal(out, expected, hash.len);
		}
	}
}

static void test_toeplitz_refuses_short_seeds_and_bad_lengths(void **state)
{
	uint8_t key[128] = {0}, out[64], seed[128] = {0};
	const struct span_mut half = SPAN_MUT_ARRAY(out);

	(void)state;
	assert_false(failed(toeplitz_hash(half, 512, SPAN_ARRAY(key), 1024, SPAN_ARRAY(seed))));
	assert_true(failed(toeplitz_hash(half, 512, SPAN_ARRAY(key), 1024, span_of(seed, 127))));
	assert_true(failed(toeplitz_hash(half, 512, span_of(key, 127), 1024, SPAN_ARRAY(seed))));
	assert_true(failed(toeplitz_hash(half, 512, SPAN_ARRAY(key), 512, SPAN_ARRAY(seed))));
	assert_true(failed(toeplitz_hash(half, 504, SPAN_ARRAY(key), 1024, SPAN_ARRAY(seed))));
	assert_true(failed(toeplitz_hash(half, 0, SPAN_ARRAY(key), 1024, SPAN_ARRAY(seed))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_paths_multiply_like_the_definition),
		cmocka_unit_test(test_hash_does_not_depend_on_how_the_message_is_cut),
		cmocka_unit_test(test_hash_is_the_polynomial_of_the_header),
		cmocka_unit_test(test_hash_is_the_serial_definition_at_every_length),
		cmocka_unit_test(test_messages_that_differ_in_padding_alone_hash_differently),
		cmocka_unit_test(test_one_bit_wrong_in_tag_message_key_or_pad_is_refused),
		cmocka_unit_test(test_two_streams_joined_are_one_polynomial),
		cmocka_unit_test(test_toeplitz_is_bit_exact_by_both_paths),
		cmocka_unit_test(test_toeplitz_refuses_short_seeds_and_bad_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
