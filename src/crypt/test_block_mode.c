// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "crypt/block_mode.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static size_t hex(uint8_t *out, const char *text)
{
	const size_t len = strlen(text) / 2;

	assert_true(hex_to_span(span_mut_of(out, len), text));
	return len;
}

/* [SP 800-38A F.1.1, F.1.5, F.2.1, F.2.5]: the first two blocks; 3DES: [SP 800-20 Table A.1] with three
 * equal keys, which is DES, and the check value of a key of zeros, 8ca64d. */
static void published_values_are_decrypted_and_encrypted(void **state)
{
#define KEY128 "2b7e151628aed2a6abf7158809cf4f3c"
#define KEY256 "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
#define PLAIN "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	static const struct {
		const char *word, *key, *iv, *plain, *cipher;
	} rows[] = {
		{"aes-128-ecb", KEY128, "00000000000000000000000000000000", PLAIN,
			"3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"},
		{"aes-256-ecb", KEY256, "00000000000000000000000000000000", PLAIN,
			"f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"},
		{"aes-128-cbc", KEY128, "000102030405060708090a0b0c0d0e0f", PLAIN,
			"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
		{"aes-256-cbc", KEY256, "000102030405060708090a0b0c0d0e0f", PLAIN,
			"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
		{"3des-ecb", "010101010101010101010101010101010101010101010101", "0000000000000000",
			"8000000000000000", "95f8a5e5dd31d900"},
		{"3des-ecb", "01010101010101010101010101010101", "0000000000000000",
			"8000000000000000", "95f8a5e5dd31d900"},
		{"3des-cbc", "01010101010101010101010101010101", "8000000000000000",
			"0000000000000000", "95f8a5e5dd31d900"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t key[32], iv[16], plain[32], cipher[32], out[32];
		const struct block_mode *m = block_mode_find(rows[i].word);
		assert_non_null(m);
		const struct span k = span_of(key, hex(key, rows[i].key));
		hex(iv, rows[i].iv);
		const size_t len = hex(plain, rows[i].plain);
		hex(cipher, rows[i].cipher);
		assert_false(failed(block_mode_encrypt(m, k, iv, span_of(plain, len), out)));
		assert_memory_equal(out, cipher, len);
		assert_false(failed(block_mode_decrypt(m, k, iv, span_of(cipher, len), out)));
		assert_memory_equal(out, plain, len);
	}
}

static void a_check_value_is_that_of_the_zero_block(void **state)
{
	const uint8_t key[16] = {0};
	uint8_t kcv[BLOCK_MODE_KCV];

	(void)state;
	/* DES and AES-128 of zeros under a key of zeros. */
	assert_false(failed(block_mode_kcv(block_mode_find("3des-cbc"), SPAN_ARRAY(key), kcv)));
	assert_memory_equal(kcv, "\x8c\xa6\x4d", 3);
	assert_false(failed(block_mode_kcv(block_mode_find("aes-128-ecb"), SPAN_ARRAY(key), kcv)));
	assert_memory_equal(kcv, "\x66\xe9\x4b", 3);
}

static void parts_of_blocks_and_unknown_words_are_refused(void **state)
{
	const uint8_t key[16] = {0}, iv[16] = {0}, in[24] = {0};
	uint8_t out[24];

	(void)state;
	assert_null(block_mode_find("aes-128-gcm"));
	assert_null(block_mode_find(""));
	assert_int_equal(block_mode_decrypt(block_mode_find("aes-128-ecb"), SPAN_ARRAY(key), iv,
				 SPAN_ARRAY(in), out)
				 .kind,
		ERR_INPUT);
	assert_int_equal(block_mode_decrypt(block_mode_find("aes-128-ecb"), SPAN_ARRAY(key), iv,
				 span_of(in, 0), out)
				 .kind,
		ERR_INPUT);
	assert_false(failed(block_mode_decrypt(
		block_mode_find("3des-ecb"), SPAN_ARRAY(key), iv, SPAN_ARRAY(in), out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_values_are_decrypted_and_encrypted),
		cmocka_unit_test(a_check_value_is_that_of_the_zero_block),
		cmocka_unit_test(parts_of_blocks_and_unknown_words_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
