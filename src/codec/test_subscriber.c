// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Subscribers as CSV and as JSON lines: the same fields, the same rules. */
#include "codec/subscriber_csv.h"
#include "codec/subscriber_json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define OPC "cd63cb71954a9f4e48a5994e37a02baf"

static struct err csv(const char *header, const char *line, struct subscriber_row *row,
	struct subscriber_fault *fault)
{
	struct csv_shape shape;

	*fault = (struct subscriber_fault){0};
	assert_false(failed(csv_header_decode(span_str(header), &shape, fault)));
	subscriber_row_begin(row);
	return csv_row_decode(span_str(line), &shape, row, fault);
}

static struct err json(const char *line, struct subscriber_row *row, struct subscriber_fault *fault)
{
	static _Alignas(16) uint8_t scratch[SUBSCRIBER_JSON_SCRATCH];

	*fault = (struct subscriber_fault){0};
	subscriber_row_begin(row);
	return subscriber_json_decode(span_str(line), scratch, row, fault);
}

static void expect_whole(const struct subscriber_row *row)
{
	assert_string_equal(row->clear.imsi, "001010000000001");
	assert_string_equal(row->msisdn, "49123");
	assert_false(row->clear.is_op);
	assert_int_equal(row->clear.keys.algorithm, AUC_MILENAGE);
	assert_int_equal(row->clear.keys.k[0], 0x46);
	assert_int_equal(row->clear.keys.opc[15], 0xaf);
	assert_int_equal(row->clear.keys.amf[0], 0x90);
	assert_int_equal(row->clear.keys.profile, 3);
	assert_true(row->has_sqn && row->sqn == UINT64_C(0xff9bb4d0b607));
}

static void a_whole_row_is_read_in_both_forms(void **state)
{
	struct subscriber_fault fault;
	struct subscriber_row row;

	(void)state;
	assert_false(failed(csv("msisdn,imsi,k,op,opc,algorithm,amf,sqn,profile",
		"49123,001010000000001," K ",," OPC ",milenage,9001,0xff9bb4d0b607,3", &row,
		&fault)));
	expect_whole(&row);
	assert_false(failed(json("{\"msisdn\":\"49123\",\"imsi\":\"001010000000001\",\"k\":\"" K
				 "\",\"opc\":\"" OPC "\", \"algorithm\":\"milenage\","
				 "\"amf\":\"9001\",\"sqn\":281044218590727,\"profile\":3}",
		&row, &fault)));
	expect_whole(&row);
}

static void what_is_not_given_has_its_default(void **state)
{
	struct subscriber_fault fault;
	struct subscriber_row row;

	(void)state;
	assert_false(failed(csv("imsi,k,op", "00101000001," K "," OPC, &row, &fault)));
	assert_true(row.clear.is_op);
	assert_false(row.has_sqn);
	assert_int_equal(row.clear.keys.amf[0], 0x80);
	assert_int_equal(row.clear.keys.profile, 0);
	assert_string_equal(row.msisdn, "");
	assert_false(failed(
		csv("imsi,k,topc,algorithm", "00101000001," K "," OPC OPC ",tuak", &row, &fault)));
	assert_int_equal(row.clear.keys.k_len, 16);
	assert_int_equal(row.clear.keys.res_octets, 8);
	assert_int_equal(row.clear.keys.iterations, 1);
}

static void each_algorithm_wants_its_own(void **state)
{
	static const struct {
		const char *line;
		uint8_t algorithm, k_len, opc_len;
	} rows[] = {
		{K ",," OPC ",,,milenage", AUC_MILENAGE, 16, 16},
		{K "," OPC ",,,,gsm-milenage", AUC_GSM_MILENAGE, 16, 16},
		{K K ",,,," OPC OPC ",tuak", AUC_TUAK, 32, 32},
		{K ",,," OPC OPC ",,tuak", AUC_TUAK, 16, 32},
		{K ",,,,,xor", AUC_XOR, 16, 0},
		{K ",,,,,comp128v2", AUC_COMP128_V2, 16, 0},
		{K ",,,,,comp128v3", AUC_COMP128_V3, 16, 0},
	};
	struct subscriber_fault fault;
	struct subscriber_row row;
	char line[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(line, sizeof line, "001010000000001,%s", rows[i].line);
		if (failed(csv("imsi,k,op,opc,top,topc,algorithm", line, &row, &fault)))
			fail_msg("%zu: %s", i, fault.expected);
		assert_int_equal(row.clear.keys.algorithm, rows[i].algorithm);
		assert_int_equal(row.clear.keys.k_len, rows[i].k_len);
		assert_int_equal(row.clear.keys.opc_len, rows[i].opc_len);
	}
}

static void comp128v1_is_refused_with_its_reason(void **state)
{
	struct subscriber_fault fault;
	struct subscriber_row row;

	(void)state;
	assert_int_equal(
		csv("imsi,k,algorithm", "001010000000001," K ",comp128v1", &row, &fault).kind,
		ERR_INPUT);
	assert_int_equal(fault.column, 50);
	assert_non_null(strstr(fault.expected, "can be computed"));
}

static void a_wrong_header_is_refused_at_its_column(void **state)
{
	static const struct {
		const char *line;
		size_t column;
	} rows[] = {{"", 1}, {"imsi", 1}, {"imsi,k,ki", 8}, {"imsi,k,op,k", 11}, {"imsi,,k", 6},
		{"\xef\xbb\xbfimsi,k", 1}};
	struct csv_shape shape;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct subscriber_fault fault = {0};
		assert_int_equal(
			csv_header_decode(span_str(rows[i].line), &shape, &fault).kind, ERR_INPUT);
		assert_int_equal(fault.column, rows[i].column);
	}
}

/* What office programs put before a text: nobody sees it, so it is named. */
static void a_byte_order_mark_is_named(void **state)
{
	struct subscriber_fault fault = {0};
	struct csv_shape shape;

	(void)state;
	assert_int_equal(csv_header_decode(span_str("\xef\xbb\xbfimsi,k,opc"), &shape, &fault).kind,
		ERR_INPUT);
	assert_non_null(strstr(fault.expected, "byte order mark"));
}

static void a_wrong_row_is_refused_at_its_column(void **state)
{
	static const struct {
		const char *line;
		size_t column;
	} rows[] = {
		{"", 1},                                   /* too few fields */
		{"00101," K ",," OPC ",,,", 1},            /* IMSI too short */
		{"0010100000000012," K ",," OPC ",,,", 1}, /* and too long */
		{"00101000000000a," K ",," OPC ",,,", 1},  /* [TS 23.003 §2.2] digits */
		{"001010000000001,465b,," OPC ",,,", 17},  /* K too short */
		{"001010000000001,z65b5ce8b199b49faa5f0a2ee238a6bc,," OPC ",,,", 17},
		{"001010000000001," K K ",," OPC ",,,", 17},              /* long K without tuak */
		{"001010000000001," K ",,,,,", 1},                        /* neither OP nor OPc */
		{"001010000000001," K "," OPC "," OPC ",,,", 1},          /* both */
		{"001010000000001," K ",," OPC ",281474976710656,,", 84}, /* SQN of 49 bits */
		{"001010000000001," K ",," OPC ",12x,,", 84},
		{"001010000000001," K ",," OPC ",0x,,", 84},
		{"001010000000001," K ",," OPC ",,tuak,", 51}, /* OPc, not TOPc */
		{"001010000000001," K ",," OPC ",,xor,", 51},  /* which has none */
		{"001010000000001," K ",," OPC ",,foo,", 85},
		{"001010000000001," K ",," OPC ",,,64", 86}, /* res_bits of milenage */
		{"001010000000001," K ",," OPC ",1,,,", 88}, /* too many */
	};
	struct subscriber_row row;
	struct subscriber_fault fault;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!failed(csv(
			    "imsi,k,op,opc,sqn,algorithm,res_bits", rows[i].line, &row, &fault)) ||
			fault.column != rows[i].column)
			fail_msg("%s: column %zu, %s", rows[i].line, fault.column, fault.expected);
}

static void wrong_json_is_refused_at_its_column(void **state)
{
	static const struct {
		const char *line;
		size_t column;
	} rows[] = {
		{"", 1}, {"[]", 1}, {"7", 1},
		{"{\"imsi\":\"001010000000001\"", 26},             /* not closed */
		{"{\"imsi\":\"001010000000001\"} x", 28},          /* something behind */
		{"{\"imsi\":\"001010000000001\",}", 26},           /* no strict JSON */
		{"{\"imsi\":1010000000001}", 2},                   /* a number */
		{"{\"imsi\":null}", 2}, {"{\"ki\":\"" K "\"}", 2}, /* unknown */
		{"{\"k\":\"" K "\",\"k\":\"" K "\"}", 41},         /* twice */
		{"{\"k\":\"" K "\",\"sqn\":-1}", 41}, {"{\"k\":\"" K "\",\"sqn\":1.0}", 41},
		{"{\"k\":\"" K "\",\"sqn\":281474976710656}", 41},
		{"{\"k\":\"" K "\",\"amf\":\"80\"}", 41}, {"{\"k\":\"" K "\"}", 1}, /* no IMSI */
	};
	struct subscriber_row row;
	struct subscriber_fault fault;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!failed(json(rows[i].line, &row, &fault)) || fault.column != rows[i].column)
			fail_msg("%s: column %zu, %s", rows[i].line, fault.column, fault.expected);
}

static void a_line_has_its_limit(void **state)
{
	char line[SUBSCRIBER_LINE_MAX + 2];
	struct subscriber_row row;
	struct subscriber_fault fault;

	(void)state;
	memset(line, ' ', sizeof line);
	line[sizeof line - 1] = '\0';
	assert_int_equal(json(line, &row, &fault).kind, ERR_INPUT);
	const char *object = "{\"imsi\":\"00101001\",\"k\":\"" K "\",\"opc\":\"" OPC "\"}";
	memcpy(line + SUBSCRIBER_LINE_MAX - strlen(object), object, strlen(object) + 1);
	assert_false(failed(json(line, &row, &fault)));
	/* Deeper and longer than memory for values: refused, and no more. */
	memset(line, '[', SUBSCRIBER_LINE_MAX);
	assert_int_equal(json(line, &row, &fault).kind, ERR_INPUT);
}

static void what_is_written_reads_as_the_same(void **state)
{
	uint8_t text[SUBSCRIBER_JSON_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));
	struct subscriber_row row, again;
	struct subscriber_fault fault;

	(void)state;
	assert_false(failed(csv("imsi,k,top,algorithm,res_bits,iterations,sqn,msisdn,amf",
		"001010000000001," K K "," OPC OPC ",tuak,128,3,77,49123,ffff", &row, &fault)));
	subscriber_json_encode(&w, &row);
	writer_u8(&w, 0);
	text[w.len - 2] = '\0'; /* without the line's end */
	assert_false(failed(json((const char *)text, &again, &fault)));
	assert_memory_equal(&row.clear.keys, &again.clear.keys, sizeof row.clear.keys);
	assert_true(again.clear.is_op && again.sqn == 77);
	assert_string_equal(again.msisdn, "49123");
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
		cmocka_unit_test(a_whole_row_is_read_in_both_forms),
		cmocka_unit_test(what_is_not_given_has_its_default),
		cmocka_unit_test(each_algorithm_wants_its_own),
		cmocka_unit_test(comp128v1_is_refused_with_its_reason),
		cmocka_unit_test(a_wrong_header_is_refused_at_its_column),
		cmocka_unit_test(a_byte_order_mark_is_named),
		cmocka_unit_test(a_wrong_row_is_refused_at_its_column),
		cmocka_unit_test(wrong_json_is_refused_at_its_column),
		cmocka_unit_test(a_line_has_its_limit),
		cmocka_unit_test(what_is_written_reads_as_the_same),
		cmocka_unit_test(lines_end_in_lf_or_crlf_or_with_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
