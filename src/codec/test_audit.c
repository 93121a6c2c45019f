// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/audit_msg.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static bool is_event(const char *text)
{
	struct wire_fault fault = {0};

	return !failed(audit_event_check(span_str(text), &fault));
}

static void test_events_are_json_objects_on_one_line(void **state)
{
	const char *const right[] = {"{}", "{ }", "{\"a\":1}", "{\"a\" : [ ] , \"b\":[1, 2,{}]}",
		"{\"a\":-0.5e+10,\"b\":0,\"c\":1E5,\"d\":10.25}",
		"{\"a\":true,\"b\":false,\"c\":null}", "{\"a\\\"\\u00fF\\n\":\"\\\\\"}",
		"{\"a\":{\"b\":{\"c\":[[[]]]}}}"};
	const char *const wrong[] = {"", "[]", "1", " {}", "{} ", "{}{}", "{", "}", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\":1 2}", "{\"a\":[1,]}", "{\"a\":[}]",
		"{\"a\":01}", "{\"a\":-}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "{\"a\":+1}",
		"{\"a\":tru}", "{\"a\":truee}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}",
		"{\"a\":\"}", "{a:1}", "{\"a\":1]", "{\"a\":\"\n\"}", "{\"a\":\"\x7f\"}",
		"{\"a\":\"\xc3\xa9\"}", "{\"a\":NaN}", "{\"a\"::1}",
		"{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		if (!is_event(right[i]))
			fail_msg("refused: %s", right[i]);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (is_event(wrong[i]))
			fail_msg("taken: %s", wrong[i]);
}

static void test_an_event_is_bounded(void **state)
{
	static char text[AUDIT_EVENT_MAX + 2];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + AUDIT_EVENT_MAX - 2, "\"}", 3);
	assert_true(is_event(text));
	memcpy(text + AUDIT_EVENT_MAX - 2, "x\"}", 4);
	assert_false(is_event(text));
}

static struct span record_line(struct audit_record *record, uint8_t *out, size_t octets)
{
	struct writer w = writer_of(span_mut_of(out, octets));
	struct span line;

	audit_record_begin(&w, record);
	audit_record_finish(&w, record);
	assert_false(failed(writer_result(&w, &line)));
	return line;
}

static void test_a_record_comes_back_and_any_changed_octet_is_seen(void **state)
{
	struct audit_record record = {
		.seq = 7, .unix_ms = 1800000000000, .event = span_str("{\"what\":\"key\"}")};
	struct audit_record back;
	struct span hashed, line;
	uint8_t bytes[512];
	struct prop p = prop_from_environment(1);

	(void)state;
	prop_fill(&p, SPAN_MUT_ARRAY(record.prev));
	prop_fill(&p, SPAN_MUT_ARRAY(record.hash));
	const struct span whole = record_line(&record, bytes, sizeof bytes);
	struct wire_fault fault = {0};
	struct reader r = reader_of(whole, &fault);
	assert_true(audit_line_take(&r, &line));
	assert_int_equal(reader_left(&r), 0);
	assert_false(failed(audit_record_decode(line, &back, &hashed, &fault)));
	assert_int_equal(back.seq, 7);
	assert_int_equal(back.unix_ms, 1800000000000);
	assert_true(span_equal(back.event, record.event));
	assert_memory_equal(back.prev, record.prev, AUDIT_HASH_OCTETS);
	assert_memory_equal(back.hash, record.hash, AUDIT_HASH_OCTETS);
	/* Outside of the hashed part and the hash itself, each octet has one right value. */
	for (size_t i = hashed.len; i < line.len; i++) {
		const uint8_t before = bytes[i];
		bytes[i] ^= 0x20;
		struct wire_fault broken = {0};
		struct span ignored;
		assert_true(failed(audit_record_decode(line, &back, &ignored, &broken)) ||
			    memcmp(back.hash, record.hash, AUDIT_HASH_OCTETS) != 0);
		bytes[i] = before;
	}
	for (size_t len = 0; len < line.len; len++) {
		struct wire_fault broken = {0};
		assert_true(failed(
			audit_record_decode(span_of(line.at, len), &back, &hashed, &broken)));
	}
}

static void test_numbers_have_one_spelling(void **state)
{
	const struct {
		const char *from, *to;
	} rows[] = {{"\"seq\":7,", "\"seq\":07,"}, {"\"seq\":7,", "\"seq\":,"},
		{"\"seq\":7,", "\"seq\":-7,"}, {"\"seq\":7,", "\"seq\":99999999999999999999,"},
		{"\"seq\":7,", "\"seq\": 7,"}};
	struct audit_record record = {.seq = 7, .unix_ms = 1, .event = span_str("{}")}, back;
	uint8_t bytes[512];
	char altered[600];

	(void)state;
	const struct span line = record_line(&record, bytes, sizeof bytes);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_fault fault = {0};
		struct span hashed;
		const size_t skip = 1 + strlen(rows[i].from);
		altered[0] = '{';
		strcpy(altered + 1, rows[i].to);
		const size_t at = 1 + strlen(rows[i].to), rest = line.len - 1 - skip;
		memcpy(altered + at, line.at + skip, rest);
		assert_true(failed(
			audit_record_decode(span_of(altered, at + rest), &back, &hashed, &fault)));
	}
}

static void test_the_chain_sees_what_does_not_follow(void **state)
{
	struct audit_chain chain = {.next_seq = 1};
	struct audit_record record = {.seq = 1, .hash = {1}};
	const uint8_t right[AUDIT_HASH_OCTETS] = {1}, wrong[AUDIT_HASH_OCTETS] = {2};

	(void)state;
	assert_string_equal(audit_chain_step(&chain, &record, wrong),
		"has a hash that is not that of its content");
	assert_null(audit_chain_step(&chain, &record, right));
	assert_string_equal(
		audit_chain_step(&chain, &record, right), "does not have the next number");
	record.seq = 2;
	assert_string_equal(
		audit_chain_step(&chain, &record, right), "does not name the record before it");
	record.prev[0] = 1;
	assert_null(audit_chain_step(&chain, &record, right));
	struct audit_chain within = {0};
	record.prev[0] = 9;
	record.seq = 77;
	assert_null(audit_chain_step(&within, &record, right));
	assert_int_equal(within.next_seq, 78);
}

static void test_messages_come_back(void **state)
{
	const struct audit_append append = {.event = span_str("{\"a\":1}")};
	const struct audit_appended appended = {.seq = 5, .hash = {1, 2, 3}};
	struct audit_append append_back;
	struct audit_appended appended_back;
	struct wire_fault fault = {0};
	uint8_t bytes[64];
	struct span body;

	(void)state;
	struct writer w = writer_of(SPAN_MUT_ARRAY(bytes));
	audit_append_encode(&w, &append);
	assert_false(failed(writer_result(&w, &body)));
	assert_false(failed(audit_append_decode(body, &append_back, &fault)));
	assert_true(span_equal(append_back.event, append.event));
	struct wire_fault cut = {0};
	assert_true(
		failed(audit_append_decode(span_of(body.at, body.len - 1), &append_back, &cut)));
	bytes[2] = '[';
	struct wire_fault event = {0};
	assert_true(failed(audit_append_decode(body, &append_back, &event)));
	w = writer_of(SPAN_MUT_ARRAY(bytes));
	audit_appended_encode(&w, &appended);
	assert_false(failed(writer_result(&w, &body)));
	assert_false(failed(audit_appended_decode(body, &appended_back, &fault)));
	assert_int_equal(appended_back.seq, 5);
	assert_memory_equal(appended_back.hash, appended.hash, AUDIT_HASH_OCTETS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_are_json_objects_on_one_line),
		cmocka_unit_test(test_an_event_is_bounded),
		cmocka_unit_test(test_a_record_comes_back_and_any_changed_octet_is_seen),
		cmocka_unit_test(test_numbers_have_one_spelling),
		cmocka_unit_test(test_the_chain_sees_what_does_not_follow),
		cmocka_unit_test(test_messages_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
