// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "support/prop.h"
#include "wire/reader.h"
#include "wire/tlv.h"
#include "wire/writer.h"
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static void test_first_fault_sticks_with_its_offset_and_field(void **state)
{
	const uint8_t bytes[] = {1, 2, 3};
	struct wire_fault fault = {0};
	struct reader r = reader_of(SPAN_ARRAY(bytes), &fault);

	(void)state;
	assert_int_equal(reader_u8(&r, "a"), 1);
	assert_int_equal(reader_u32(&r, "b"), 0);
	assert_int_equal(reader_u8(&r, "c"), 0);
	assert_int_equal(fault.err.kind, ERR_INPUT);
	assert_int_equal(fault.offset, 1);
	assert_string_equal(fault.field, "b");
	assert_false(reader_more(&r));
	assert_int_equal(reader_rest(&r).len, 0);
}

static void test_child_cannot_read_past_its_cut(void **state)
{
	const uint8_t bytes[] = {2, 0xaa, 0xbb, 0xcc};
	struct wire_fault fault = {0};
	struct reader r = reader_of(SPAN_ARRAY(bytes), &fault);
	struct reader child = reader_cut(&r, reader_u8(&r, "length"), "child");

	(void)state;
	assert_int_equal(reader_u16(&child, "two"), 0xaabb);
	assert_int_equal(reader_u8(&r, "after"), 0xcc);
	reader_end(&r, "message");
	assert_false(failed(wire_result(&fault)));
	assert_int_equal(reader_u8(&child, "past"), 0);
	assert_string_equal(fault.field, "past");
	assert_int_equal(fault.offset, 3);
}

static void test_octets_left_over_are_a_fault(void **state)
{
	const uint8_t bytes[] = {1, 2};
	struct wire_fault fault = {0};
	struct reader r = reader_of(SPAN_ARRAY(bytes), &fault);

	(void)state;
	reader_u8(&r, "a");
	reader_end(&r, "message");
	assert_int_equal(wire_result(&fault).kind, ERR_INPUT);
	assert_int_equal(fault.offset, 1);
}

static void test_empty_message_reads_as_nothing(void **state)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(span_of(NULL, 0), &fault);
	uint8_t out[2] = {7, 7};

	(void)state;
	assert_false(reader_more(&r));
	reader_copy(&r, SPAN_MUT_ARRAY(out), "x");
	assert_int_equal(out[0], 0);
	assert_true(failed(wire_result(&fault)));
}

static void test_written_is_read_again(void **state)
{
	struct prop p = prop_from_environment(3);

	(void)state;
	for (int i = 0; i < 5000; i++) {
		uint8_t buffer[64], payload[32];
		const size_t len = prop_below(&p, sizeof payload + 1);
		const uint64_t v = prop_u64(&p);
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		struct span message;
		struct wire_fault fault = {0};

		prop_fill(&p, span_mut_of(payload, len));
		const size_t mark = writer_mark(&w, 2);
		writer_u8(&w, (uint8_t)v);
		writer_u24(&w, (uint32_t)v & 0xffffff);
		writer_u64(&w, v);
		writer_span(&w, span_of(payload, len));
		writer_close(&w, mark, 2);
		assert_false(failed(writer_result(&w, &message)));

		struct reader outer = reader_of(message, &fault);
		struct reader r = reader_cut(&outer, reader_u16(&outer, "length"), "body");
		assert_int_equal(reader_u8(&r, "a"), (uint8_t)v);
		assert_int_equal(reader_u24(&r, "b"), v & 0xffffff);
		assert_true(reader_u64(&r, "c") == v);
		assert_true(span_equal(reader_rest(&r), span_of(payload, len)));
		reader_end(&outer, "message");
		assert_false(failed(wire_result(&fault)));
	}
}

static void test_full_writer_sticks_and_gives_nothing(void **state)
{
	uint8_t buffer[3];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span message;

	(void)state;
	writer_u16(&w, 1);
	writer_u16(&w, 2);
	writer_u8(&w, 3);
	assert_int_equal(writer_result(&w, &message).kind, ERR_LIMIT);
	assert_int_equal(message.len, 0);
}

static void test_length_too_long_for_its_mark_is_full(void **state)
{
	static uint8_t buffer[300], content[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span message;

	(void)state;
	const size_t mark = writer_mark(&w, 1);
	writer_span(&w, span_of(content, 255));
	writer_close(&w, mark, 1);
	assert_false(failed(writer_result(&w, &message)));
	assert_int_equal(buffer[0], 255);
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	writer_close(
		&w, (writer_mark(&w, 1), writer_span(&w, span_of(content, 256)), (size_t)0), 1);
	assert_true(failed(writer_result(&w, &message)));
}

struct pair {
	uint8_t a, b;
};

static void take_a(struct reader *value, void *out)
{
	((struct pair *)out)->a = reader_u8(value, "a");
}

static void take_b(struct reader *value, void *out)
{
	((struct pair *)out)->b = reader_u8(value, "b");
}

static const struct tlv_rule pair_rules[] = {
	{.type = 1,
		.presence = TLV_MANDATORY,
		.min = 1,
		.max = 1,
		.repeat_max = 1,
		.name = "a",
		.take = take_a},
	{.type = 2,
		.presence = TLV_OPTIONAL,
		.min = 1,
		.max = 2,
		.repeat_max = 2,
		.name = "b",
		.take = take_b},
};

static struct wire_fault walk(const uint8_t *bytes, size_t len, struct pair *out, bool strict)
{
	const struct tlv_shape shape = {.type_octets = 1,
		.length_octets = 1,
		.first_is_first = true,
		.refuse_unknown = strict,
		.rules = pair_rules,
		.rule_count = ARRAY_LEN(pair_rules)};
	struct wire_fault fault = {0};
	struct reader r = reader_of(span_of(bytes, len), &fault);

	tlv_walk(&r, &shape, out, NULL);
	return fault;
}

#define WALK(out, strict, ...)                                                                     \
	walk((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (out),        \
		(strict))

static void test_tlv_rules_decide(void **state)
{
	struct pair out = {0};

	(void)state;
	assert_false(failed(WALK(&out, true, 1, 1, 7, 2, 1, 8, 2, 1, 9).err));
	assert_int_equal(out.a, 7);
	assert_int_equal(out.b, 9);
	assert_string_equal(WALK(&out, false, 2, 1, 8, 1, 1, 7).field, "b");    /* not first */
	assert_string_equal(WALK(&out, false, 1, 1, 7, 1, 1, 7).field, "a");    /* twice */
	assert_string_equal(WALK(&out, false, 1, 2, 7, 7).field, "a");          /* too long */
	assert_string_equal(WALK(&out, false, 1, 1, 7, 2, 2, 8, 8).field, "b"); /* left over */
	assert_string_equal(WALK(&out, false, 1, 1).field, "a");                /* cut off */
	assert_string_equal(WALK(&out, true, 1, 1, 7, 9, 0).field, "unknown element");
	assert_false(failed(WALK(&out, false, 1, 1, 7, 9, 0).err));
	assert_string_equal(WALK(&out, false, 9, 0).field, "a"); /* missing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_fault_sticks_with_its_offset_and_field),
		cmocka_unit_test(test_child_cannot_read_past_its_cut),
		cmocka_unit_test(test_octets_left_over_are_a_fault),
		cmocka_unit_test(test_empty_message_reads_as_nothing),
		cmocka_unit_test(test_written_is_read_again),
		cmocka_unit_test(test_full_writer_sticks_and_gives_nothing),
		cmocka_unit_test(test_length_too_long_for_its_mark_is_full),
		cmocka_unit_test(test_tlv_rules_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
