// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd014.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <cmocka.h>

#define UUID "01234567-89ab-8def-8123-456789abcdef"

static struct qkd014_fault fault;
static struct qkd014_enc_request enc;
static struct qkd014_dec_request dec;

/* [ETSI GS QKD 014 §5.1], [RFC 3986 §2.1] */
static void test_paths(void **state)
{
	struct qkd014_path path;

	(void)state;
	assert_false(failed(qkd014_path_decode(&path, "/api/v1/keys/sae-1/status")));
	assert_int_equal(path.call, QKD014_STATUS);
	assert_string_equal(path.sae.text, "sae-1");
	assert_false(failed(qkd014_path_decode(&path, "/api/v1/keys/urn%3Asae%2F7/enc_keys")));
	assert_string_equal(path.sae.text, "urn:sae/7");
	assert_false(failed(qkd014_path_decode(&path, "/api/v1/keys/x/dec_keys")));
	assert_int_equal(path.call, QKD014_DEC_KEYS);
	const struct {
		const char *text;
		enum err_kind kind;
	} rows[] = {{"/api/v1/keys/%20/status", ERR_INPUT}, {"/api/v1/keys//status", ERR_INPUT},
		{"/api/v1/keys/a%0/status", ERR_INPUT}, {"/api/v1/keys/a%/status", ERR_INPUT},
		{"/api/v1/keys/a%00b/status", ERR_INPUT}, {"/api/v1/keys/a/stat", ERR_ABSENT},
		{"/api/v1/keys/a/b/status", ERR_ABSENT}, {"/api/v2/keys/a/status", ERR_ABSENT},
		{"/", ERR_ABSENT}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(qkd014_path_decode(&path, rows[i].text).kind, rows[i].kind);
}

static struct err enc_query(const char *query)
{
	return qkd014_enc_query_decode(&enc, query, &fault);
}

static struct err enc_body(const char *body)
{
	return qkd014_enc_body_decode(&enc, span_str(body), &fault);
}

static void test_enc_requests(void **state)
{
	(void)state;
	assert_false(failed(enc_query("")));
	assert_int_equal(enc.number, 1);
	assert_int_equal(enc.size_bits, 0);
	assert_false(failed(enc_query("number=3&size=1024")));
	assert_int_equal(enc.number, 3);
	assert_int_equal(enc.size_bits, 1024);
	assert_false(failed(enc_body("")));
	assert_false(failed(
		enc_body("{\"number\":2,\"size\":64,\"vendor_thing\":[1,{}],"
			 "\"additional_slave_SAE_IDs\":[\"a\",\"b\"],"
			 "\"extension_optional\":[{\"abc_x\":1}],\"extension_mandatory\":[]}")));
	assert_int_equal(enc.number, 2);
	assert_int_equal(enc.size_bits, 64);
	assert_int_equal(enc.additional_count, 2);
	assert_string_equal(enc.additional[1].text, "b");
}

/* [ETSI GS QKD 014 Tables 4, 6, 8] */
static void test_enc_requests_that_are_refused(void **state)
{
	const char *const queries[] = {"size=0", "size=-8", "size=abc01", "number=0", "number=-8",
		"number=abc01", "number=", "number", "number=1&number=2", "number=129", "size=8 ",
		"number=99999999999", "extension_mandatory=1", "=&="};
	const char *const bodies[] = {"[]", "1", "{", "{\"size\":0}", "{\"size\":-8}",
		"{\"size\":\"abc01\"}", "{\"number\":0}", "{\"number\":-8}", "{\"number\":1.5}",
		"{\"number\":\"1\"}", "{\"number\":129}", "{\"size\":1032}",
		"{\"additional_slave_SAE_IDs\":[]}", "{\"additional_slave_SAE_IDs\":[\"a\",\"a\"]}",
		"{\"additional_slave_SAE_IDs\":[\" \"]}", "{\"additional_slave_SAE_IDs\":[7]}",
		"{\"additional_slave_SAE_IDs\":\"a\"}",
		"{\"additional_slave_SAE_IDs\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(queries); i++)
		assert_int_equal(enc_query(queries[i]).kind, ERR_INPUT);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(enc_body(bodies[i]).kind, ERR_INPUT);
}

/* [ETSI GS QKD 014 §6.2, §6.5] */
static void test_texts_of_the_standard(void **state)
{
	uint8_t out[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));
	const char *expected =
		"{\"message\":\"not all extension_mandatory parameters are supported\","
		"\"details\":[{\"extension_mandatory_unsupported\":"
		"\"abc_route_type is not supported\"}]}";

	(void)state;
	assert_int_equal(enc_query("size=12").kind, ERR_INPUT);
	assert_string_equal(fault.message, "size shall be a multiple of 8");
	assert_int_equal(
		enc_body("{\"extension_mandatory\":[{\"abc_route_type\":\"direct\"}]}").kind,
		ERR_INPUT);
	qkd014_fault_encode(&w, &fault);
	assert_true(span_equal(writer_span_done(&w), span_str(expected)));
	assert_string_equal(
		QKD014_KEYS_NOT_FOUND, "one or more keys specified are not found on KME");
}

/* [ETSI GS QKD 014 Table 7] */
static void test_dec_requests(void **state)
{
	const char *const queries[] = {"", "key_ID=", "key_ID=123", ("key_ID=" UUID "0"),
		("key_ID=" UUID "&key_ID=" UUID), ("id=" UUID),
		"key_ID=01234567+89ab-8def-8123-456789abcdef"};
	const char *const bodies[] = {"", "{}", "{\"key_IDs\":[]}",
		("{\"key_IDs\":[\"" UUID "\"]}"), "{\"key_IDs\":[{\"key_ID\":\"x\"}]}",
		("{\"key_IDs\":{\"key_ID\":\"" UUID "\"}}")};

	(void)state;
	assert_false(failed(qkd014_dec_query_decode(&dec, "key_ID=" UUID, &fault)));
	assert_int_equal(dec.ids[0].octets[1], 0x23);
	assert_int_equal(dec.ids[0].octets[15], 0xef);
	/* A whole container comes back from some clients, keys and all. */
	const char *body =
		"{\"key_IDs\":[{\"key_ID\":\"" UUID "\",\"key\":\"AAAA\"},"
		"{\"key_ID\":\"01234567-89AB-8DEF-8123-456789ABCDE0\",\"key_ID_extension\":{}}],"
		"\"key_IDs_extension\":{}}";
	assert_false(failed(qkd014_dec_body_decode(&dec, span_str(body), &fault)));
	assert_int_equal(dec.count, 2);
	assert_int_equal(dec.ids[1].octets[15], 0xe0);
	for (size_t i = 0; i < ARRAY_LEN(queries); i++)
		assert_int_equal(qkd014_dec_query_decode(&dec, queries[i], &fault).kind, ERR_INPUT);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(
			qkd014_dec_body_decode(&dec, span_str(bodies[i]), &fault).kind, ERR_INPUT);
}

/* [RFC 4648 §10] and every digit. */
static void test_keys_are_base64(void **state)
{
	const struct {
		const char *plain, *text;
	} rows[] = {{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"},
		{"\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96"
		 "\x9b\x71"
		 "\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7"
		 "\xe3\x9e"
		 "\xbb\xf3\xdf\xbf",
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"}};
	uint8_t out[512];
	char expected[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(out));
		struct kms_keys keys = {.count = 1};
		const size_t len = i == ARRAY_LEN(rows) - 1 ? 48 : strlen(rows[i].plain);
		keys.items[0].key = span_of(rows[i].plain, len);
		assert_true(qkd014_uuid_read(&keys.items[0].id, UUID));
		qkd014_keys_encode(&w, &keys);
		snprintf(expected, sizeof expected,
			"{\"keys\":[{\"key_ID\":\"" UUID "\",\"key\":\"%s\"}]}", rows[i].text);
		assert_true(span_equal(writer_span_done(&w), span_str(expected)));
	}
}

/* [ETSI GS QKD 014 §6.1] */
static void test_the_greatest_answer_fits(void **state)
{
	static uint8_t out[QKD014_ANSWER_MAX];
	static const uint8_t key[KMS_KEY_OCTETS_MAX];
	static struct kms_keys keys = {.count = KMS_KEYS_MAX};
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	(void)state;
	for (size_t i = 0; i < keys.count; i++)
		keys.items[i].key = SPAN_ARRAY(key);
	qkd014_keys_encode(&w, &keys);
	assert_false(w.is_full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_enc_requests),
		cmocka_unit_test(test_enc_requests_that_are_refused),
		cmocka_unit_test(test_texts_of_the_standard),
		cmocka_unit_test(test_dec_requests),
		cmocka_unit_test(test_keys_are_base64),
		cmocka_unit_test(test_the_greatest_answer_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
