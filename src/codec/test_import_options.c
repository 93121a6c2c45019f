// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/import_options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void all_words_are_read(void **state)
{
	struct import_options o;
	const char *word;

	(void)state;
	assert_false(failed(import_options_read(span_str("transport=vendor_2026.b errors=1000 "
							 "dry-run=yes format=jsonl name=a b=c"),
		&o, &word)));
	assert_string_equal(o.transport, "vendor_2026.b");
	assert_int_equal(o.errors, IMPORT_ERRORS_MAX);
	assert_true(o.is_dry_run);
	assert_int_equal(o.format, IMPORT_JSONL);
	assert_string_equal(o.name, "a b=c");
}

static void nothing_said_is_the_default(void **state)
{
	struct import_options o;
	const char *word;

	(void)state;
	assert_false(failed(import_options_read(span_str(""), &o, &word)));
	assert_int_equal(o.errors, IMPORT_ERRORS_DEFAULT);
	assert_int_equal(o.format, IMPORT_AUTO);
	assert_false(o.is_dry_run);
}

static void wrong_words_are_refused_by_name(void **state)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{"errors", "a word that is known"},
		{"colour=red", "a word that is known"},
		{"errors=5 errors=5", "a word that is known"},
		{"errors=0", "errors"},
		{"errors=1001", "errors"},
		{"errors=", "errors"},
		{"errors=99999999999999999999", "errors"},
		{"errors=5  name=a", "a word that is known"},
		{"format=xml", "format"},
		{"dry-run=maybe", "dry-run"},
		{"transport=", "transport"},
		{"transport=a/b", "transport"},
		{"transport=0123456789012345678901234567890x", "transport"},
		{"name=a\nb", "name"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct import_options o;
		const char *word = "";
		assert_int_equal(
			import_options_read(span_str(rows[i].text), &o, &word).kind, ERR_INPUT);
		assert_string_equal(word, rows[i].word);
	}
}

static void what_is_written_reads_as_the_same(void **state)
{
	const struct import_options o = {.format = IMPORT_CSV,
		.errors = 7,
		.is_dry_run = true,
		.transport = "t1",
		.name = "with space = and more"};
	struct import_options again, wrong = o;
	char text[512];
	const char *word;

	(void)state;
	assert_false(failed(import_options_write(&o, text, sizeof text)));
	assert_false(failed(import_options_read(span_str(text), &again, &word)));
	assert_memory_equal(&o, &again, sizeof o);
	assert_int_equal(import_options_write(&o, text, 20).kind, ERR_LIMIT);
	wrong.errors = 0;
	assert_int_equal(import_options_write(&wrong, text, sizeof text).kind, ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_words_are_read),
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(wrong_words_are_refused_by_name),
		cmocka_unit_test(what_is_written_reads_as_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
