// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/compute.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct compute c;
static struct compute_fault fault;

static struct err decoded(const char *line)
{
	fault = (struct compute_fault){0};
	return compute_decode(&c, span_str(line), &fault);
}

static const char *given(void)
{
	static uint8_t text[COMPUTE_ANSWER_MAX + 1];
	struct writer w = writer_of(span_mut_of(text, COMPUTE_ANSWER_MAX));

	compute_encode_given(&w, &c);
	assert_false(w.is_full);
	text[w.len] = '\0';
	return (const char *)text;
}

static void what_is_given_comes_back(void **state)
{
	(void)state;
	assert_false(failed(decoded("{\"algorithm\": \"kasme\", \"snid\": \"00F110\", \"sqn\": 33, "
				    "\"count\": \"0x10\", \"snn\": \"5G:x\"}")));
	assert_string_equal(given(), "{\"algorithm\":\"kasme\",\"sqn\":\"000000000021\","
				     "\"snid\":\"00f110\",\"snn\":\"5G:x\",\"count\":16}");
	assert_false(failed(decoded("{\"count\":\"00000010\",\"sqn\":\"ffffffffffff\"}")));
	assert_string_equal(given(), "{\"sqn\":\"ffffffffffff\",\"count\":16}");
}

static void names_are_taken_as_people_write_them(void **state)
{
	static const char *const same[] = {"sqn_xor_ak", "sqnXorAk", "SQN-XOR-AK"};
	static const char *const snn[] = {"snn", "servingNetworkName", "serving_network_name"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		assert_int_equal(compute_member_of(span_str(same[i])), COMPUTE_sqn_xor_ak);
		assert_int_equal(compute_member_of(span_str(snn[i])), COMPUTE_snn);
	}
	assert_int_equal(compute_member_of(span_str("ki")), COMPUTE_k);
	assert_int_equal(compute_member_of(span_str("sqn_xor_a")), COMPUTE_NONE);
	assert_int_equal(compute_member_of(span_str("")), COMPUTE_NONE);
	assert_int_equal(compute_member_of(span_str("mac_a")), COMPUTE_NONE);
}

/* Each names the member, and none what stands there. */
static void a_bad_line_is_refused_by_member(void **state)
{
	static const struct {
		const char *line, *field, *said;
	} rows[] = {
		{"", "", "JSON"},
		{"{\"k\":", "", "column"},
		{"[1]", "", "object"},
		{"{\"k\":\"1234\"}", "k", "32 or 64 hex digits"},
		{"{\"k\":\"465b5ce8b199b49faa5f0a2ee238a6bg\"}", "k", "hex digits"},
		{"{\"k\":\"465b5ce8b199b49faa5f0a2ee238a6bc00\"}", "k", "hex digits"},
		{"{\"k\":12}", "k", "a string is expected"},
		{"{\"sqn\":281474976710656}", "sqn", "281474976710655"},
		{"{\"sqn\":\"21\"}", "sqn", "12 hex digits"},
		{"{\"sqn\":-1}", "sqn", "a string or a number"},
		{"{\"direction\":2}", "direction", "up to 1"},
		{"{\"iterations\":\"many\"}", "iterations", "up to 255"},
		{"{\"amf\":\"8000\",\"AMF\":\"8000\"}", "amf", "given twice"},
		{"{\"op\":\"\",\"foo\":1}", "op", "32 hex digits"},
		{"{\"foo\":1}", "foo", "not known"},
		{"{\"mac_a\":\"00\"}", "mac_a", "an answer"},
		{"{\"supi\":\"a\\\"b\"}", "supi", "without quotes"},
		{"{\"supi\":\"\"}", "supi", "text of 1"},
		{"{\"r\":[1,{}]}", "r", "five values"},
		{"{\"rand\":[]}", "rand", "a string"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(decoded(rows[i].line).kind, ERR_INPUT);
		assert_string_equal(fault.field, rows[i].field);
		assert_non_null(strstr(fault.text, rows[i].said));
		assert_null(strstr(fault.text, "465b"));
	}
}

static void a_line_has_a_limit(void **state)
{
	static char line[COMPUTE_LINE_MAX + 2];

	(void)state;
	memset(line, ' ', sizeof line - 1);
	memcpy(line, "{}", 2);
	line[COMPUTE_LINE_MAX] = '\0';
	assert_false(failed(decoded(line)));
	line[COMPUTE_LINE_MAX] = ' ';
	assert_int_equal(decoded(line).kind, ERR_INPUT);
	/* As much JSON as fits the line fits the pool. */
	line[0] = '[';
	for (size_t i = 1; i + 2 < COMPUTE_LINE_MAX; i += 2)
		memcpy(line + i, "1,", 2);
	memcpy(line + COMPUTE_LINE_MAX - 3, "11]", 4);
	assert_int_equal(decoded(line).kind, ERR_INPUT);
	assert_non_null(strstr(fault.text, "object"));
}

static void an_error_comes_with_line_and_id(void **state)
{
	static const struct {
		const char *line, *said;
	} rows[] = {
		{"{\"id\":12,\"name\":\"skipped\",\"k\":\"\"}",
			"{\"id\":12,\"error\":\"32 or 64 hex digits are expected\",\"line\":7,"
			"\"field\":\"k\"}"},
		{"{\"k\":\"\",\"id\":\"12\"}",
			"{\"id\":\"12\",\"error\":\"32 or 64 hex digits are expected\",\"line\":7,"
			"\"field\":\"k\"}"},
		/* Its own id is not one: nor is that of the line before. */
		{"{\"id\":[12]}",
			"{\"error\":\"a string is expected\",\"line\":7,\"field\":\"id\"}"},
		{"{\"k\":\"\"}", "{\"error\":\"32 or 64 hex digits are expected\",\"line\":7,"
				 "\"field\":\"k\"}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t text[400];
		struct writer w = writer_of(SPAN_MUT_ARRAY(text));
		assert_true(failed(decoded(rows[i].line)));
		compute_encode_fault(&w, &c, &fault, 7);
		writer_u8(&w, 0);
		assert_string_equal((const char *)text, rows[i].said);
	}
}

/* A name of 40 octets whose 39th and 40th are one character: cut before it, or it is no UTF-8. */
static void a_name_is_not_cut_within_a_character(void **state)
{
	(void)state;
	assert_true(failed(decoded("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e9\":1}")));
	assert_string_equal(fault.field, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	assert_true(failed(decoded("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e9\":1}")));
	assert_string_equal(fault.field, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e9");
}

static void every_member_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (size_t i = COMPUTE_NONE + 1; i < COMPUTE_MEMBERS_END; i++) {
		assert_true(compute_rows[i].kind == COMPUTE_NUMBER ||
			    compute_rows[i].max <= COMPUTE_OCTETS_MAX);
		if (compute_rows[i].role == COMPUTE_GIVEN)
			assert_int_equal(compute_member_of(span_str(compute_rows[i].word)), i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_comes_back),
		cmocka_unit_test(names_are_taken_as_people_write_them),
		cmocka_unit_test(a_bad_line_is_refused_by_member),
		cmocka_unit_test(a_line_has_a_limit),
		cmocka_unit_test(an_error_comes_with_line_and_id),
		cmocka_unit_test(a_name_is_not_cut_within_a_character),
		cmocka_unit_test(every_member_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
