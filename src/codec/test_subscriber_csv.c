// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/subscriber_csv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define OPC "cd63cb71954a9f4e48a5994e37a02baf"

static void a_whole_row_is_read(void **state)
{
	struct csv_shape shape;
	struct csv_fault fault;
	struct csv_row row;

	(void)state;
	assert_false(failed(csv_header_decode(
		span_str("msisdn,imsi,k,op,opc,algorithm,amf,sqn"), &shape, &fault)));
	assert_false(failed(csv_row_decode(
		span_str("49123,001010000000001," K ",," OPC ",milenage,9001,0xff9bb4d0b607"),
		&shape, &row, &fault)));
	assert_string_equal(row.clear.imsi, "001010000000001");
	assert_string_equal(row.msisdn, "49123");
	assert_false(row.clear.is_op);
	assert_int_equal(row.clear.keys.k[0], 0x46);
	assert_int_equal(row.clear.keys.opc[15], 0xaf);
	assert_int_equal(row.clear.keys.amf[0], 0x90);
	assert_true(row.has_sqn && row.sqn == UINT64_C(0xff9bb4d0b607));
}

static void what_is_not_given_has_its_default(void **state)
{
	struct csv_shape shape;
	struct csv_fault fault;
	struct csv_row row;

	(void)state;
	assert_false(failed(csv_header_decode(span_str("imsi,k,op"), &shape, &fault)));
	assert_false(
		failed(csv_row_decode(span_str("00101000001," K "," OPC), &shape, &row, &fault)));
	assert_true(row.clear.is_op);
	assert_false(row.has_sqn);
	assert_int_equal(row.clear.keys.amf[0], 0x80);
	assert_string_equal(row.msisdn, "");
}

static void a_wrong_header_is_refused_at_its_column(void **state)
{
	static const struct {
		const char *line;
		size_t column;
	} rows[] = {{"", 1}, {"imsi", 1}, {"imsi,k", 1}, {"imsi,k,ki", 8}, {"imsi,k,op,k", 11},
		{"imsi,,k", 6}};
	struct csv_shape shape;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct csv_fault fault = {0};
		assert_int_equal(
			csv_header_decode(span_str(rows[i].line), &shape, &fault).kind, ERR_INPUT);
		assert_int_equal(fault.column, rows[i].column);
	}
}

static void a_wrong_row_is_refused_at_its_column(void **state)
{
	static const struct {
		const char *line;
		size_t column;
	} rows[] = {
		{"", 1},                                 /* too few fields */
		{"00101," K ",," OPC ",", 1},            /* IMSI too short */
		{"0010100000000012," K ",," OPC ",", 1}, /* and too long */
		{"00101000000000a," K ",," OPC ",", 1},
		{"001010000000001,465b,," OPC ",", 17}, /* K too short */
		{"001010000000001,z65b5ce8b199b49faa5f0a2ee238a6bc,," OPC ",", 17},
		{"001010000000001," K ",,,", 1},                        /* neither OP nor OPc */
		{"001010000000001," K "," OPC "," OPC ",", 1},          /* both */
		{"001010000000001," K ",," OPC ",281474976710656", 84}, /* SQN of 49 bits */
		{"001010000000001," K ",," OPC ",12x", 84},
		{"001010000000001," K ",," OPC ",1,2", 86}, /* too many */
	};
	struct csv_shape shape;
	struct csv_row row;
	struct csv_fault fault;

	(void)state;
	assert_false(failed(csv_header_decode(span_str("imsi,k,op,opc,sqn"), &shape, &fault)));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fault = (struct csv_fault){0};
		if (!failed(csv_row_decode(span_str(rows[i].line), &shape, &row, &fault)) ||
			fault.column != rows[i].column)
			fail_msg("%s: column %zu, %s", rows[i].line, fault.column, fault.expected);
	}
}

static void lines_end_in_lf_or_crlf_or_with_the_file(void **state)
{
	struct span line;
	size_t len;

	(void)state;
	assert_true(csv_line(span_str("ab\r\ncd"), false, &line, &len));
	assert_int_equal(line.len, 2);
	assert_int_equal(len, 4);
	assert_false(csv_line(span_str("cd"), false, &line, &len));
	assert_true(csv_line(span_str("cd"), true, &line, &len));
	assert_int_equal(len, 2);
	assert_false(csv_line(span_str(""), true, &line, &len));
	assert_true(csv_is_blank(span_str("")) && csv_is_blank(span_str("# x")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_row_is_read),
		cmocka_unit_test(what_is_not_given_has_its_default),
		cmocka_unit_test(a_wrong_header_is_refused_at_its_column),
		cmocka_unit_test(a_wrong_row_is_refused_at_its_column),
		cmocka_unit_test(lines_end_in_lf_or_crlf_or_with_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
