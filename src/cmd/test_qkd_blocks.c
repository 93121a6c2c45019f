// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/qkd_blocks.h"
#include "base/attr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char final[] =
	"{\"unix_ms\":1700000000123,\"state\":\"ready\",\"link\":\"radio-core\",\"block_id\":"
	"\"00112233445566778899aabbccddeeff\",\"role\":\"bob\",\"optics\":\"simulated\","
	"\"abort\":\"none\",\"qber\":0.01,\"test_qber\":0.011,\"phase_error\":0.03,"
	"\"detections\":200000,\"sifted\":100000,\"revealed\":20000,\"corrected\":1000,"
	"\"parities\":8888,\"answers\":8888,\"tag_bits\":64,\"seed_bits\":99999,"
	"\"final_bits\":25600,\"refill_bits\":1024}";
static const char aborted[] =
	"{\"unix_ms\":1700000001000,\"state\":\"aborted\",\"abort\":\"qber_too_high\",\"qber\":0,"
	"\"sifted\":100000,\"parities\":0}";

static char *printed(void (*print)(FILE *, const char *, yyjson_val *), const char *json)
{
	static char text[4096];
	yyjson_doc *doc = json == NULL ? NULL : yyjson_read(json, strlen(json), 0);
	FILE *out = fmemopen(text, sizeof text, "w");

	assert_non_null(out);
	print(out, "core", yyjson_doc_get_root(doc));
	fclose(out);
	yyjson_doc_free(doc);
	return text;
}

static void test_a_line_of_json_has_every_member(void **state)
{
	static const char *const members[] = {"unix_ms", "time", "site", "link", "block_id", "role",
		"optics", "state", "abort", "qber", "test_qber", "phase_error", "detections",
		"sifted", "revealed", "corrected", "parities", "answers", "tag_bits", "seed_bits",
		"final_bits", "refill_bits", "f", "mode"};
	const char *text = printed(qkd_block_print_json, final);

	(void)state;
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	assert_non_null(doc);
	yyjson_val *block = yyjson_doc_get_root(doc);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		assert_non_null(yyjson_obj_get(block, members[i]));
	assert_string_equal(yyjson_get_str(yyjson_obj_get(block, "time")), "2023-11-14T22:13:20Z");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(block, "site")), "core");
	/* 8888 parities; h(0.01) = 0.0808 of 100000 */
	const double f = yyjson_get_num(yyjson_obj_get(block, "f"));
	assert_true(f > 1.0999 && f < 1.1002);
	yyjson_doc_free(doc);
}

/* Nothing was corrected: no f. */
static void test_an_aborted_block_has_its_reason_and_no_f(void **state)
{
	const char *text = printed(qkd_block_print_json, aborted);

	(void)state;
	assert_non_null(strstr(text, "\"f\":null"));
	text = printed(qkd_block_print_row, aborted);
	assert_non_null(strstr(text, "qber_too_high"));
	assert_non_null(strstr(text, " - -\n"));
}

static void test_rows_stand_below_their_heads(void **state)
{
	char head[1024];
	const char *row;

	(void)state;
	snprintf(head, sizeof head, "%s", printed(qkd_block_print_row, NULL));
	row = printed(qkd_block_print_row, final);
	static const struct {
		const char *name, *value;
	} columns[] = {{"sifted", "100000"}, {"parities", "8888"}, {"final", "25600"},
		{"refill", "1024"}, {"f ", "1.100"}};
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		const char *name = strstr(head, columns[i].name),
			   *value = strstr(row, columns[i].value);
		assert_non_null(name);
		assert_non_null(value);
		const size_t name_len = strcspn(name, " \n");
		assert_int_equal(name - head + (ptrdiff_t)name_len,
			value - row + (ptrdiff_t)strlen(columns[i].value));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_of_json_has_every_member),
		cmocka_unit_test(test_an_aborted_block_has_its_reason_and_no_f),
		cmocka_unit_test(test_rows_stand_below_their_heads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
