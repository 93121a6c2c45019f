// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "crypt/digest.h"
#include "crypt/kem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void octets(struct span_mut out, const char *hex)
{
	assert_true(hex_to_span(out, hex));
}

static void assert_hex(const uint8_t *at, size_t len, const char *hex)
{
	char text[2 * 64 + 1];

	hex_from_span(text, span_of(at, len));
	assert_string_equal(text, hex);
}

/* Vector 0 of the official ML-KEM-768 known answers; of the long values both ends. */
/* [FIPS 203 §7.1] */
static void test_mlkem768_known_answer(void **state)
{
	uint8_t seed[MLKEM768_SEED], m[MLKEM768_RANDOM], public[MLKEM768_PUBLIC];
	uint8_t ciphertext[MLKEM768_CIPHERTEXT], secret[MLKEM768_SECRET], again[MLKEM768_SECRET];

	(void)state;
	octets(SPAN_MUT_ARRAY(seed),
		"7c9935a0b07694aa0c6d10e4db6b1add2fd81a25ccb148032dcd739936737f2d"
		"8626ed79d451140800e03b59b956f8210e556067407d13dc90fa9e8b872bfb8f");
	octets(SPAN_MUT_ARRAY(m),
		"147c03f7a5bebba406c8fae1874d7f13c80efe79a3a9a874cc09fe76f6997615");
	assert_false(failed(mlkem768_public(SPAN_ARRAY(seed), SPAN_MUT_ARRAY(public))));
	assert_hex(public, 16, "a8e651a1e685f22478a8954f007bc771");
	assert_hex(public + sizeof public - 16, 16, "c4e8315f2af0d32f0017ae136e19f028");
	assert_false(failed(mlkem768_encaps(SPAN_ARRAY(public), SPAN_ARRAY(m),
		SPAN_MUT_ARRAY(ciphertext), SPAN_MUT_ARRAY(secret))));
	assert_hex(ciphertext, 16, "c8391085b8d3ea9794212541b2914f08");
	assert_hex(ciphertext + sizeof ciphertext - 16, 16, "7852f8e97f50a133532ac3ee1e52d464");
	assert_hex(secret, 32, "e7184a0975ee3470878d2d159ec83129c8aec253d4ee17b4810311d198cd0368");
	assert_false(failed(
		mlkem768_decaps(SPAN_ARRAY(seed), SPAN_ARRAY(ciphertext), SPAN_MUT_ARRAY(again))));
	assert_memory_equal(secret, again, sizeof secret);
}

/* [FIPS 203 §6.2] */
static void test_mlkem768_rejects_implicitly_and_explicitly(void **state)
{
	const uint8_t seed[MLKEM768_SEED] = {1}, m[MLKEM768_RANDOM] = {2};
	uint8_t public[MLKEM768_PUBLIC], ciphertext[MLKEM768_CIPHERTEXT];
	uint8_t secret[MLKEM768_SECRET], other[MLKEM768_SECRET];

	(void)state;
	assert_false(failed(mlkem768_public(SPAN_ARRAY(seed), SPAN_MUT_ARRAY(public))));
	assert_false(failed(mlkem768_encaps(SPAN_ARRAY(public), SPAN_ARRAY(m),
		SPAN_MUT_ARRAY(ciphertext), SPAN_MUT_ARRAY(secret))));
	ciphertext[100] ^= 1;
	assert_false(failed(
		mlkem768_decaps(SPAN_ARRAY(seed), SPAN_ARRAY(ciphertext), SPAN_MUT_ARRAY(other))));
	assert_memory_not_equal(secret, other, sizeof secret);
	/* A coefficient of 4095 is not reduced modulo q = 3329 [FIPS 203 §7.2]. */
	public[0] = 0xff, public[1] |= 0x0f;
	assert_int_equal(mlkem768_encaps(SPAN_ARRAY(public), SPAN_ARRAY(m),
				 SPAN_MUT_ARRAY(ciphertext), SPAN_MUT_ARRAY(secret))
				 .kind,
		ERR_INPUT);
	assert_int_equal(
		mlkem768_decaps(SPAN_ARRAY(seed), span_of(ciphertext, 1087), SPAN_MUT_ARRAY(other))
			.kind,
		ERR_INPUT);
}

/* [RFC 7748 §6.1] */
/* [RFC 7748] */
static void test_x25519_known_answer(void **state)
{
	uint8_t a[32], b[32], public_a[32], public_b[32], secret[32];

	(void)state;
	octets(SPAN_MUT_ARRAY(a),
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	octets(SPAN_MUT_ARRAY(b),
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	assert_false(failed(x25519_public(SPAN_ARRAY(a), SPAN_MUT_ARRAY(public_a))));
	assert_false(failed(x25519_public(SPAN_ARRAY(b), SPAN_MUT_ARRAY(public_b))));
	assert_hex(
		public_a, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	assert_hex(
		public_b, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_false(
		failed(x25519_derive(SPAN_ARRAY(a), SPAN_ARRAY(public_b), SPAN_MUT_ARRAY(secret))));
	assert_hex(secret, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

static void test_x25519_refuses_a_point_of_small_order(void **state)
{
	const uint8_t scalar[32] = {7}, zero[32] = {0}, one[32] = {1};
	uint8_t secret[32];

	(void)state;
	assert_int_equal(
		x25519_derive(SPAN_ARRAY(scalar), SPAN_ARRAY(zero), SPAN_MUT_ARRAY(secret)).kind,
		ERR_INPUT);
	assert_int_equal(
		x25519_derive(SPAN_ARRAY(scalar), SPAN_ARRAY(one), SPAN_MUT_ARRAY(secret)).kind,
		ERR_INPUT);
}

/* [FIPS 180-4], "abc"; [RFC 4231 §4.3] */
/* [RFC 2104] */
static void test_sha256_and_hmac_known_answers(void **state)
{
	uint8_t digest[SHA256_OCTETS];

	(void)state;
	assert_false(failed(sha256(span_str("abc"), digest)));
	assert_hex(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_false(failed(
		hmac_sha256(span_str("Jefe"), span_str("what do ya want for nothing?"), digest)));
	assert_hex(digest, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mlkem768_known_answer),
		cmocka_unit_test(test_mlkem768_rejects_implicitly_and_explicitly),
		cmocka_unit_test(test_x25519_known_answer),
		cmocka_unit_test(test_x25519_refuses_a_point_of_small_order),
		cmocka_unit_test(test_sha256_and_hmac_known_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
