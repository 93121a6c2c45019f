// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_msg.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static uint8_t buffer[QKD_REQUEST_MAX], state_blob[QKD_STATE_MAX], key[QKD_KEY_MAX];

static struct span encode(uint16_t type, const struct qkd_request *request)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span body;

	qkd_request_encode(&w, type, request);
	assert_false(failed(writer_result(&w, &body)));
	return body;
}

static struct qkd_request example(struct prop *p)
{
	struct qkd_request q = {.link = "radio-core",
		.marks = {prop_u64(p), prop_u64(p)},
		.state = span_of(state_blob, 1 + prop_below(p, sizeof state_blob)),
		.key = span_of(key, 1 + prop_below(p, sizeof key)),
		.report = span_str("{\"qber\":0.01}")};

	prop_fill(p, SPAN_MUT_ARRAY(q.block_id));
	prop_fill(p, SPAN_MUT_ARRAY(state_blob));
	return q;
}

static void test_each_request_reads_as_it_was_written(void **unused)
{
	struct prop p = prop_from_environment(11);

	(void)unused;
	for (uint16_t type = QKD_OPEN; type <= QKD_STATE; type++) {
		const struct qkd_request out = example(&p);
		struct qkd_request in;
		struct wire_fault fault = {0};

		assert_false(failed(qkd_request_decode(type, encode(type, &out), &in, &fault)));
		assert_string_equal(in.link, out.link);
		if (type == QKD_BLOCK_PENDING) {
			assert_true(span_equal(in.key, out.key));
			assert_true(span_equal(in.report, out.report));
		}
		if (type == QKD_STATE || type == QKD_BLOCK_FINAL)
			assert_true(span_equal(in.state, out.state));
		if (type != QKD_OPEN && type != QKD_BLOCK_PENDING && type != QKD_BLOCK_VOID) {
			assert_true(in.marks.send == out.marks.send);
			assert_true(in.marks.accept == out.marks.accept);
		}
		if (type >= QKD_BLOCK_PENDING && type <= QKD_BLOCK_VOID)
			assert_memory_equal(in.block_id, out.block_id, QKD_BLOCK_ID);
	}
}

static void test_each_request_cut_or_lengthened_is_refused(void **unused)
{
	struct prop p = prop_from_environment(12);

	(void)unused;
	for (uint16_t type = QKD_OPEN; type <= QKD_STATE; type++) {
		struct qkd_request out = example(&p), in;
		out.key.len = 40;
		out.state.len = 40;
		const struct span body = encode(type, &out);
		for (size_t len = 0; len < body.len; len++) {
			struct wire_fault fault = {0};
			assert_true(failed(
				qkd_request_decode(type, span_of(body.at, len), &in, &fault)));
		}
		struct wire_fault fault = {0};
		assert_true(failed(
			qkd_request_decode(type, span_of(body.at, body.len + 1), &in, &fault)));
	}
}

static void test_names_types_and_limits_are_checked(void **unused)
{
	struct qkd_request q = {.link = "a/b"}, in;
	struct wire_fault fault = {0};

	(void)unused;
	assert_true(failed(qkd_request_decode(QKD_OPEN, encode(QKD_OPEN, &q), &in, &fault)));
	fault = (struct wire_fault){0};
	q = (struct qkd_request){.link = ""};
	assert_true(failed(qkd_request_decode(QKD_OPEN, encode(QKD_OPEN, &q), &in, &fault)));
	fault = (struct wire_fault){0};
	q = (struct qkd_request){.link = "a"};
	assert_true(failed(qkd_request_decode(0x0999, encode(QKD_OPEN, &q), &in, &fault)));
	fault = (struct wire_fault){0}; /* no key in a pending block */
	assert_true(failed(
		qkd_request_decode(QKD_BLOCK_PENDING, encode(QKD_BLOCK_PENDING, &q), &in, &fault)));
	assert_string_equal(fault.field, "key");
}

static void test_opened_reads_as_it_was_written(void **unused)
{
	struct qkd_opened out = {.marks = {7, 9},
				  .state = span_of(state_blob, 500),
				  .block_count = 64},
			  in;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span body;

	(void)unused;
	for (size_t i = 0; i < 64; i++)
		out.blocks[i] = (struct qkd_block){{(uint8_t)i}, i % 2 ? QKD_FINAL : QKD_PENDING};
	qkd_opened_encode(&w, &out);
	assert_false(failed(writer_result(&w, &body)));
	assert_false(failed(qkd_opened_decode(body, &in, &fault)));
	assert_int_equal(in.block_count, 64);
	assert_int_equal(in.marks.accept, 9);
	assert_true(span_equal(in.state, out.state));
	assert_int_equal(in.blocks[63].id[0], 63);
	assert_int_equal(in.blocks[63].state, QKD_FINAL);
	buffer[body.len - 1] = 3; /* no such state */
	assert_true(failed(qkd_opened_decode(body, &in, &fault)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_request_reads_as_it_was_written),
		cmocka_unit_test(test_each_request_cut_or_lengthened_is_refused),
		cmocka_unit_test(test_names_types_and_limits_are_checked),
		cmocka_unit_test(test_opened_reads_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
