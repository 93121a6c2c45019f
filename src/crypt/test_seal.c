// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "crypt/aead.h"
#include "crypt/argon2.h"
#include "crypt/envelope.h"
#include "crypt/hkdf.h"
#include "support/prop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void hex(struct span_mut out, const char *text)
{
	assert_true(hex_to_span(out, text));
}

/* [RFC 5869 A.1]; SHA-512 over the same inputs was computed with Python's hmac module. */
/* [RFC 5869] */
static void hkdf_gives_the_published_values(void **state)
{
	uint8_t ikm[22], salt[13], info[10], out[42], right[42];

	(void)state;
	memset(ikm, 0x0b, sizeof ikm);
	hex(SPAN_MUT_ARRAY(salt), "000102030405060708090a0b0c");
	hex(SPAN_MUT_ARRAY(info), "f0f1f2f3f4f5f6f7f8f9");
	hex(SPAN_MUT_ARRAY(right), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5b"
				   "f34007208d5b887185865");
	assert_false(failed(hkdf_sha256(
		SPAN_ARRAY(ikm), SPAN_ARRAY(salt), SPAN_ARRAY(info), SPAN_MUT_ARRAY(out))));
	assert_memory_equal(out, right, sizeof out);
	hex(SPAN_MUT_ARRAY(right), "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579"
				   "338da362cb8d9f925d7cb");
	assert_false(failed(hkdf_sha512(
		SPAN_ARRAY(ikm), SPAN_ARRAY(salt), SPAN_ARRAY(info), SPAN_MUT_ARRAY(out))));
	assert_memory_equal(out, right, sizeof out);
}

/* [RFC 5869 A.3]: neither salt nor info. */
static void hkdf_takes_empty_salt_and_info(void **state)
{
	uint8_t ikm[22], out[42], right[42];

	(void)state;
	memset(ikm, 0x0b, sizeof ikm);
	hex(SPAN_MUT_ARRAY(right), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2"
				   "d9d201395faa4b61a96c8");
	assert_false(failed(hkdf_sha256(
		SPAN_ARRAY(ikm), span_of(NULL, 0), span_of(NULL, 0), SPAN_MUT_ARRAY(out))));
	assert_memory_equal(out, right, sizeof out);
}

/* Test case 14 of the GCM submission by McGrew and Viega: zero key, nonce and block. */
/* [SP 800-38D §8.3] */
static void aead_gives_the_published_value(void **state)
{
	uint8_t key[AEAD_KEY] = {0}, nonce[AEAD_NONCE] = {0}, plain[16] = {0}, out[32], right[32];

	(void)state;
	hex(SPAN_MUT_ARRAY(right),
		"cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
	assert_false(failed(aead_seal(SPAN_ARRAY(key), SPAN_ARRAY(nonce), span_of(NULL, 0),
		SPAN_ARRAY(plain), SPAN_MUT_ARRAY(out))));
	assert_memory_equal(out, right, sizeof out);
}

struct sealed {
	struct prop prop;
	uint8_t kek[AEAD_KEY], plain[33], out[33 + ENVELOPE_OVERHEAD];
	struct envelope_key key;
};

static struct span owner(void)
{
	return span_str("subscriber/001010000000042");
}

static void seal_one(struct sealed *s)
{
	s->prop = prop_from_environment(7);
	const struct entropy entropy = prop_entropy(&s->prop);
	prop_fill(&s->prop, SPAN_MUT_ARRAY(s->kek));
	prop_fill(&s->prop, SPAN_MUT_ARRAY(s->plain));
	s->key = (struct envelope_key){.id = 0x01020304, .key = SPAN_ARRAY(s->kek)};
	assert_false(failed(envelope_seal(
		&s->key, &entropy, owner(), SPAN_ARRAY(s->plain), SPAN_MUT_ARRAY(s->out))));
}

static enum err_kind open_with(const struct sealed *s, struct span aad, uint8_t plain[static 33])
{
	return envelope_open(&s->key, aad, SPAN_ARRAY(s->out), span_mut_of(plain, 33)).kind;
}

static void an_envelope_opens_for_its_owner_and_key(void **state)
{
	struct sealed s;
	uint8_t plain[33];
	uint32_t id;

	(void)state;
	seal_one(&s);
	assert_int_equal(open_with(&s, owner(), plain), ERR_NONE);
	assert_memory_equal(plain, s.plain, sizeof plain);
	assert_false(failed(envelope_key_id(SPAN_ARRAY(s.out), &id)));
	assert_int_equal(id, 0x01020304);
}

static void an_envelope_in_anothers_place_does_not_open(void **state)
{
	struct sealed s;
	uint8_t plain[33];

	(void)state;
	seal_one(&s);
	assert_int_equal(open_with(&s, span_str("subscriber/001010000000043"), plain), ERR_AUTH);
	for (size_t i = 0; i < sizeof plain; i++)
		assert_int_equal(plain[i], 0);
	s.key.id++;
	assert_int_equal(open_with(&s, owner(), plain), ERR_ABSENT);
}

static void each_bit_of_an_envelope_counts(void **state)
{
	struct sealed s;
	uint8_t plain[33];

	(void)state;
	seal_one(&s);
	for (size_t bit = 0; bit < 8 * sizeof s.out; bit++) {
		s.out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(open_with(&s, owner(), plain), ERR_NONE);
		s.out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(open_with(&s, owner(), plain), ERR_NONE);
}

static void foreign_versions_and_stumps_are_refused(void **state)
{
	struct sealed s;
	uint32_t id;

	(void)state;
	seal_one(&s);
	assert_int_equal(
		envelope_key_id(span_of(s.out, ENVELOPE_OVERHEAD - 1), &id).kind, ERR_INPUT);
	s.out[0] = ENVELOPE_VERSION + 1;
	assert_int_equal(envelope_key_id(SPAN_ARRAY(s.out), &id).kind, ERR_VERSION);
}

static struct err no_randomness(void *ctx, struct span_mut out)
{
	(void)ctx, (void)out;
	return ERR(CRYPTO);
}

static void without_randomness_nothing_is_sealed(void **state)
{
	struct sealed s;
	const struct entropy none = {.fill = no_randomness};

	(void)state;
	seal_one(&s);
	assert_int_equal(
		envelope_seal(&s.key, &none, owner(), SPAN_ARRAY(s.plain), SPAN_MUT_ARRAY(s.out))
			.kind,
		ERR_CRYPTO);
}

static void a_key_set_up_once_seals_and_opens_as_one_given_each_time(void **state)
{
	struct sealed s;
	struct aead_key keyed;
	uint8_t plain[33], again[sizeof s.out];

	(void)state;
	seal_one(&s);
	assert_false(failed(aead_key_open(&keyed, SPAN_ARRAY(s.kek))));
	s.key = (struct envelope_key){.id = 0x01020304, .keyed = &keyed};
	/* A forged one between two good ones leaves nothing behind. */
	for (int round = 0; round < 3; round++) {
		assert_int_equal(open_with(&s, owner(), plain), ERR_NONE);
		assert_memory_equal(plain, s.plain, sizeof plain);
		assert_int_equal(open_with(&s, span_str("x"), plain), ERR_AUTH);
		for (size_t i = 0; i < sizeof plain; i++)
			assert_int_equal(plain[i], 0);
	}
	const struct entropy entropy = prop_entropy(&s.prop);
	for (int round = 0; round < 3; round++) {
		assert_false(failed(envelope_seal(
			&s.key, &entropy, owner(), SPAN_ARRAY(s.plain), SPAN_MUT_ARRAY(again))));
		const struct envelope_key octets = {.id = 0x01020304, .key = SPAN_ARRAY(s.kek)};
		assert_false(failed(
			envelope_open(&octets, owner(), SPAN_ARRAY(again), SPAN_MUT_ARRAY(plain))));
		assert_memory_equal(plain, s.plain, sizeof plain);
	}
	aead_key_close(&keyed);
	aead_key_close(&keyed);
}

/* Computed with the reference implementation: printf passphrase | argon2 0123456789abcdef -id -t 3
 * -k 65536 -p 4 -l 32 -r. */
static void argon2id_gives_the_reference_value(void **state)
{
	uint8_t out[32], right[32];
	struct argon2_cost cost = ARGON2_COST_DEFAULT;

	(void)state;
	hex(SPAN_MUT_ARRAY(right),
		"b9a461ff4f5c6e7e47ef9d52360d51fee2b7fd5a66cc012958bffcd1c8c20a1b");
	assert_false(failed(argon2id(
		span_str("passphrase"), span_str("0123456789abcdef"), &cost, SPAN_MUT_ARRAY(out))));
	assert_memory_equal(out, right, sizeof out);
}

static void a_cost_that_is_too_small_or_too_large_is_refused(void **state)
{
	static const struct argon2_cost costs[] = {
		{ARGON2_MEMORY_KIB_MIN - 1, 3, 4},
		{ARGON2_MEMORY_KIB_MAX + 1, 3, 4},
		{ARGON2_MEMORY_KIB_MIN, ARGON2_PASSES_MIN - 1, 4},
		{ARGON2_MEMORY_KIB_MIN, ARGON2_PASSES_MAX + 1, 4},
		{ARGON2_MEMORY_KIB_MIN, 3, 0},
		{ARGON2_MEMORY_KIB_MIN, 3, ARGON2_LANES_MAX + 1},
	};
	uint8_t out[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(costs); i++)
		assert_int_equal(argon2id(span_str("passphrase"), span_str("0123456789abcdef"),
					 &costs[i], SPAN_MUT_ARRAY(out))
					 .kind,
			ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hkdf_gives_the_published_values),
		cmocka_unit_test(hkdf_takes_empty_salt_and_info),
		cmocka_unit_test(aead_gives_the_published_value),
		cmocka_unit_test(an_envelope_opens_for_its_owner_and_key),
		cmocka_unit_test(an_envelope_in_anothers_place_does_not_open),
		cmocka_unit_test(each_bit_of_an_envelope_counts),
		cmocka_unit_test(foreign_versions_and_stumps_are_refused),
		cmocka_unit_test(without_randomness_nothing_is_sealed),
		cmocka_unit_test(a_key_set_up_once_seals_and_opens_as_one_given_each_time),
		cmocka_unit_test(argon2id_gives_the_reference_value),
		cmocka_unit_test(a_cost_that_is_too_small_or_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
