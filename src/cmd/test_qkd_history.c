// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/qkd_blocks.h"
#include "cmd/qkd_history.h"
#include "base/attr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct history h;

static const char good[] =
	"{\"unix_ms\":1700000000000,\"state\":\"ready\",\"link\":\"radio-core\",\"block_id\":"
	"\"00112233445566778899aabbccddeeff\",\"abort\":\"none\",\"qber\":0.01,"
	"\"test_qber\":0.011,\"revealed\":20000,\"final_bits\":25600,\"refill_bits\":1024,"
	"\"time\":\"2023-11-14T22:13:20Z\",\"site\":\"core\",\"f\":null}";

/* `good` with one part of it replaced. */
static const char *with(const char *part, const char *instead)
{
	static char text[2 * HISTORY_LINE_MAX];
	const char *at = strstr(good, part);

	assert_non_null(at);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, instead, at + strlen(part));
	return text;
}

static struct err take(const char *line, struct history_fault *fault)
{
	*fault = (struct history_fault){0};
	return history_take(&h, span_str(line), fault);
}

static void taken(const char *line)
{
	struct history_fault fault;

	assert_false(failed(take(line, &fault)));
}

static int begin(void **state)
{
	(void)state;
	memset(&h, 0, sizeof h);
	return 0;
}

static void test_a_line_is_read(void **state)
{
	(void)state;
	taken(good);
	taken(" \t\r");
	history_end(&h);
	assert_int_equal(h.block_count, 1);
	const struct history_block *b = &h.blocks[0];
	assert_true(b->unix_ms == 1700000000000 && b->id[1] == 0x11 && b->id[15] == 0xff);
	assert_true(b->qber == 0.01 && b->test_qber == 0.011 && b->was_tested);
	assert_int_equal(b->secret_bits, 24576);
	assert_int_equal(b->outcome, HISTORY_KEY);
	assert_string_equal(h.series[b->series].site, "core");
	assert_string_equal(h.series[b->series].link, "radio-core");
}

/* As `qkd blocks -o json` writes it, which adds the site. */
static void test_what_qkd_blocks_prints_is_read(void **state)
{
	const char *told = with(",\"site\":\"core\"", "");
	char line[HISTORY_LINE_MAX] = "";
	yyjson_doc *doc = yyjson_read(told, strlen(told), 0);
	FILE *file = fmemopen(line, sizeof line, "w");

	(void)state;
	assert_true(doc != NULL && file != NULL);
	qkd_block_print_json(file, "core", yyjson_doc_get_root(doc));
	fclose(file);
	yyjson_doc_free(doc);
	line[strcspn(line, "\n")] = '\0';
	taken(line);
	assert_string_equal(h.series[0].site, "core");
	assert_int_equal(h.blocks[0].secret_bits, 24576);
}

static void test_states_say_what_became_of_the_key(void **state)
{
	static const struct {
		const char *word;
		enum history_outcome outcome;
	} states[] = {{"pending", HISTORY_PENDING}, {"final", HISTORY_KEY}, {"agreed", HISTORY_KEY},
		{"ready", HISTORY_KEY}, {"spent", HISTORY_KEY}, {"void", HISTORY_VOID}};
	char word[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		snprintf(word, sizeof word, "\"%s\"", states[i].word);
		taken(with("\"ready\"", word));
		assert_int_equal(h.blocks[i].outcome, states[i].outcome);
	}
	taken(with("\"ready\",\"link\":\"radio-core\",\"block_id\":"
		   "\"00112233445566778899aabbccddeeff\",\"abort\":\"none\"",
		"\"aborted\",\"link\":\"radio-core\",\"block_id\":"
		"\"00000000000000000000000000000000\",\"abort\":\"qber_too_high\""));
	const struct history_block *b = &h.blocks[ARRAY_LEN(states)];
	assert_int_equal(b->outcome, HISTORY_ABORTED);
	assert_int_equal(b->abort, QKD_QBER_TOO_HIGH);
}

/* Each is refused, names the member, and adds nothing. */
static void test_bad_lines_are_refused_by_their_field(void **state)
{
	static const struct {
		const char *part, *instead, *field;
	} bad[] = {
		{"1700000000000", "-1", "unix_ms"},
		{"1700000000000", "1.5e12", "unix_ms"},
		{"1700000000000", "253402300800000", "unix_ms"},
		{"1700000000000", "\"1700000000000\"", "unix_ms"},
		{"\"unix_ms\":1700000000000,", "", "unix_ms"},
		{"\"core\"", "\"\"", "site"},
		{"\"core\"", "\"a\\u0000b\"", "site"},
		{"\"core\"", "\"caf\u00e9\"", "site"},
		{"\"core\"", "null", "site"},
		{",\"site\":\"core\"", "", "site"},
		{"radio-core", "12345678901234567890123456789012345678901234567890123456789012345",
			"link"},
		{"00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeef", "block_id"},
		{"00112233445566778899aabbccddeeff", "0011223344556677889xaabbccddeeff",
			"block_id"},
		{"\"ready\"", "\"lost\"", "state"},
		{"\"ready\"", "true", "state"},
		{"\"ready\"", "\"aborted\"", "abort"}, /* without a reason */
		{"\"none\"", "\"weather\"", "abort"},
		{"0.01,", "1.0001,", "qber"},
		{"0.01,", "-0.01,", "qber"},
		{"0.01,", "\"0.01\",", "qber"},
		{"0.01,", "1e400,", "JSON"},
		{"0.01,", "NaN,", "JSON"},
		{"0.011", "[]", "test_qber"},
		{"20000", "-20000", "revealed"},
		{"25600", "25600.5", "final_bits"},
		{"25600", "9007199254740993", "final_bits"},
		{"1024", "25601", "refill_bits"},
		{"\"f\":null", "\"qber\":0.01", "qber"}, /* twice */
		{"null}", "null", "JSON"},
		{"null}", "null}}", "JSON"},
		{"{", "[{", "JSON"},
	};
	struct history_fault fault;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct err e = take(with(bad[i].part, bad[i].instead), &fault);
		assert_int_equal(e.kind, ERR_INPUT);
		assert_string_equal(fault.field, bad[i].field);
		assert_true(fault.column > 0 && fault.expected != NULL);
	}
	assert_int_equal(take("[]", &fault).kind, ERR_INPUT);
	assert_int_equal(take("7", &fault).kind, ERR_INPUT);
	assert_int_equal(h.block_count, 0);
	assert_int_equal(h.series_count, 0);
}

static void test_a_fault_names_its_column(void **state)
{
	struct history_fault fault;

	(void)state;
	assert_true(failed(take("  {\"link\":\"a\", \"unix_ms\":-1}", &fault)));
	assert_string_equal(fault.field, "unix_ms");
	assert_int_equal(fault.column, 16); /* of its quote */
	assert_false(fault.is_absent);
	assert_true(failed(take("{\"unix_ms\":1}", &fault)));
	assert_string_equal(fault.field, "site");
	assert_true(fault.is_absent && fault.column == 1);
	assert_true(failed(take("{\"unix_ms\":x}", &fault)));
	assert_int_equal(fault.column, 12);
}

static void test_a_line_may_have_so_many_octets(void **state)
{
	char line[HISTORY_LINE_MAX + 2];
	struct history_fault fault;

	(void)state;
	snprintf(line, sizeof line, "%s%*s", good, (int)(HISTORY_LINE_MAX - strlen(good)), "");
	assert_int_equal(strlen(line), HISTORY_LINE_MAX);
	taken(line);
	strcat(line, " ");
	assert_int_equal(take(line, &fault).kind, ERR_LIMIT);
	memset(line, ' ', HISTORY_LINE_MAX + 1);
	assert_int_equal(take(line, &fault).kind, ERR_LIMIT);
}

/* The line that needs most memory: values of two octets each, beside the members; and the deepest. */
static void test_any_line_has_memory_enough(void **state)
{
	char line[HISTORY_LINE_MAX + 1];
	size_t len = strlen(good) - 1; /* without its brace */

	(void)state;
	memcpy(line, good, len);
	len += (size_t)sprintf(line + len, ",\"x\":[0");
	while (len + 4 <= HISTORY_LINE_MAX)
		len += (size_t)sprintf(line + len, ",0");
	sprintf(line + len, "]}");
	taken(line);
	len = strlen(good) - 1 + strlen(",\"x\":");
	const size_t depth = (HISTORY_LINE_MAX - 1 - len) / 2;
	memset(line + len, '[', depth);
	memset(line + len + depth, ']', depth);
	strcpy(line + len + 2 * depth, "}");
	taken(line);
	assert_int_equal(h.block_count, 2);
}

static const char *numbered(unsigned time, unsigned id)
{
	char instead[128];

	snprintf(instead, sizeof instead,
		"%u,\"state\":\"ready\",\"link\":\"radio-core\",\"block_id\":\"%032x\"", time, id);
	return with("1700000000000,\"state\":\"ready\",\"link\":\"radio-core\",\"block_id\":"
		    "\"00112233445566778899aabbccddeeff\"",
		instead);
}

static void test_there_are_at_most_so_many_blocks(void **state)
{
	struct history_fault fault;

	(void)state;
	for (unsigned i = 0; i < HISTORY_BLOCKS_MAX; i++)
		taken(numbered(i, i));
	assert_int_equal(take(good, &fault).kind, ERR_LIMIT);
	assert_string_equal(fault.field, "block");
	assert_string_equal(fault.expected, "one of at most 10000");
	history_end(&h);
	assert_int_equal(h.block_count, HISTORY_BLOCKS_MAX);
	assert_int_equal(h.blocks[HISTORY_BLOCKS_MAX - 1].unix_ms, HISTORY_BLOCKS_MAX - 1);
}

static void test_there_are_at_most_so_many_series(void **state)
{
	struct history_fault fault;
	char name[24];

	(void)state;
	for (unsigned i = 0; i < HISTORY_SERIES_MAX; i++) {
		snprintf(name, sizeof name, "\"%s%u\"", i % 2 == 0 ? "link-" : "site-", i);
		taken(with(i % 2 == 0 ? "\"radio-core\"" : "\"core\"", name));
	}
	assert_int_equal(h.series_count, HISTORY_SERIES_MAX);
	assert_int_equal(take(good, &fault).kind, ERR_LIMIT);
	assert_string_equal(fault.field, "link");
}

static void test_blocks_come_by_time_and_once(void **state)
{
	(void)state;
	taken(numbered(3000, 1));
	taken(numbered(1000, 2));
	taken(numbered(1000, 3)); /* another of the same time */
	taken(numbered(3000, 1)); /* told again */
	taken(with("1700000000000,\"state\":\"ready\",\"link\":\"radio-core\",\"block_id\":"
		   "\"00112233445566778899aabbccddeeff\"",
		"1000,\"state\":\"void\",\"link\":\"radio-core\",\"block_id\":"
		"\"00000000000000000000000000000002\""));
	history_end(&h);
	assert_int_equal(h.block_count, 3);
	assert_true(h.blocks[0].unix_ms == 1000 && h.blocks[0].id[15] == 2);
	assert_int_equal(h.blocks[0].outcome, HISTORY_VOID); /* as it was told last */
	assert_true(h.blocks[1].unix_ms == 1000 && h.blocks[1].id[15] == 3);
	assert_true(h.blocks[2].unix_ms == 3000 && h.blocks[2].id[15] == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_line_is_read, begin),
		cmocka_unit_test_setup(test_what_qkd_blocks_prints_is_read, begin),
		cmocka_unit_test_setup(test_states_say_what_became_of_the_key, begin),
		cmocka_unit_test_setup(test_bad_lines_are_refused_by_their_field, begin),
		cmocka_unit_test_setup(test_a_fault_names_its_column, begin),
		cmocka_unit_test_setup(test_a_line_may_have_so_many_octets, begin),
		cmocka_unit_test_setup(test_any_line_has_memory_enough, begin),
		cmocka_unit_test_setup(test_there_are_at_most_so_many_blocks, begin),
		cmocka_unit_test_setup(test_there_are_at_most_so_many_series, begin),
		cmocka_unit_test_setup(test_blocks_come_by_time_and_once, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
