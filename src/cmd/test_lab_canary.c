// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/canary.h"
#include "support/prop.h"
#include "crypt/openssl.h"
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

enum { HAYSTACK = 1 << 16 };
static uint8_t haystack[HAYSTACK];
static uint8_t value[32];

static struct canary *planted(struct prop *prop)
{
	struct canary *c;

	assert_false(failed(canary_open(&c)));
	prop_fill(prop, SPAN_MUT_ARRAY(value));
	prop_fill(prop, SPAN_MUT_ARRAY(haystack));
	assert_false(failed(canary_plant(c, "K", SPAN_ARRAY(value))));
	return c;
}

static void expect(struct canary *c, uint64_t hits, enum canary_encoding encoding, size_t offset)
{
	struct canary_result r = {0};

	assert_false(failed(canary_search(c, "haystack", SPAN_ARRAY(haystack), &r)));
	assert_int_equal(r.hits, hits);
	assert_int_equal(r.octets, HAYSTACK);
	if (hits == 0)
		return;
	assert_int_equal(r.findings[0].encoding, encoding);
	assert_string_equal(r.findings[0].value, "K");
	if (offset != 0)
		assert_int_equal(r.findings[0].offset, offset);
}

static void test_noise_gives_no_hit(void **state)
{
	struct prop prop = prop_from_environment(1);
	struct canary *c = planted(&prop);

	(void)state;
	expect(c, 0, CANARY_RAW, 0);
	canary_close(c);
}

static void test_raw_leak_is_found_anywhere_and_counted_once(void **state)
{
	struct prop prop = prop_from_environment(2);
	static const size_t places[] = {1, 4095, 30001, HAYSTACK - sizeof value};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct canary *c = planted(&prop);
		memcpy(haystack + places[i], value, sizeof value);
		expect(c, 1, CANARY_RAW, places[i]);
		canary_close(c);
	}
}

static void test_eight_octets_of_the_middle_are_a_leak_seven_are_not(void **state)
{
	struct prop prop = prop_from_environment(3);
	struct canary *c = planted(&prop);

	(void)state;
	memcpy(haystack + 1000, value + 11, 7);
	haystack[999] = (uint8_t)~value[10];
	haystack[1007] = (uint8_t)~value[18];
	expect(c, 0, CANARY_RAW, 0);
	memcpy(haystack + 1000, value + 11, 8);
	expect(c, 1, CANARY_RAW, 1000);
	canary_close(c);
}

static void test_hex_of_either_case_is_found(void **state)
{
	struct prop prop = prop_from_environment(4);

	(void)state;
	for (int is_upper = 0; is_upper < 2; is_upper++) {
		struct canary *c = planted(&prop);
		char text[65];
		for (size_t i = 0; i < sizeof value; i++)
			snprintf(text + 2 * i, 3, is_upper ? "%02X" : "%02x", value[i]);
		memcpy(haystack + 777, text, 64);
		expect(c, 1, is_upper ? CANARY_HEX_UPPER : CANARY_HEX_LOWER, 777);
		canary_close(c);
	}
}

/* OpenSSL's encoder, not ours; the value after 0 to 5 other octets, so in all alignments. */
static void test_base64_in_every_alignment_is_found(void **state)
{
	struct prop prop = prop_from_environment(5);

	(void)state;
	for (size_t before = 0; before < 6; before++) {
		struct canary *c = planted(&prop);
		uint8_t in[64], text[128];
		prop_fill(&prop, SPAN_MUT_ARRAY(in));
		memcpy(in + before, value, sizeof value);
		const int len = EVP_EncodeBlock(text, in, (int)(before + sizeof value));
		memcpy(haystack + 501, text, (size_t)len);
		expect(c, 1, CANARY_BASE64, 0);
		canary_close(c);
	}
}

static void test_files_of_a_folder_are_searched_but_the_excepted(void **state)
{
	struct prop prop = prop_from_environment(6);
	struct canary *c = planted(&prop);
	char folder[] = "/tmp/merlon-canary-XXXXXX", path[128];
	static const char *const except[] = {"kek", NULL};
	struct canary_result r = {0};
	struct complaint why = {0};

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, i == 0 ? "kek" : "log");
		FILE *f = fopen(path, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(value, 1, sizeof value, f), sizeof value);
		fclose(f);
	}
	assert_false(failed(canary_search_folder(c, folder, except, &r, &why)));
	assert_int_equal(r.hits, 1);
	assert_int_equal(r.files, 1);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, i == 0 ? "kek" : "log");
		unlink(path);
	}
	rmdir(folder);
	canary_close(c);
}

static void test_value_too_short_to_tell_from_noise_is_refused(void **state)
{
	struct canary *c;

	(void)state;
	assert_false(failed(canary_open(&c)));
	assert_int_equal(canary_plant(c, "K", span_of("fifteen octets!", 15)).kind, ERR_LIMIT);
	assert_int_equal(canary_planted(c), 0);
	canary_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noise_gives_no_hit),
		cmocka_unit_test(test_raw_leak_is_found_anywhere_and_counted_once),
		cmocka_unit_test(test_eight_octets_of_the_middle_are_a_leak_seven_are_not),
		cmocka_unit_test(test_hex_of_either_case_is_found),
		cmocka_unit_test(test_base64_in_every_alignment_is_found),
		cmocka_unit_test(test_files_of_a_folder_are_searched_but_the_excepted),
		cmocka_unit_test(test_value_too_short_to_tell_from_noise_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
