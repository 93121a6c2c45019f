// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct endpoint {
	char *address;
	uint16_t port;
};
struct top {
	char *site, *mnc;
	struct endpoint *gsup;
};
static const cyaml_schema_field_t endpoint_fields[] = {
	CYAML_FIELD_STRING_PTR("address", CYAML_FLAG_POINTER, struct endpoint, address, 1, 64),
	CYAML_FIELD_UINT("port", CYAML_FLAG_DEFAULT, struct endpoint, port),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_STRING_PTR("site", CYAML_FLAG_POINTER, struct top, site, 1, 8),
	CYAML_FIELD_STRING_PTR(
		"mnc", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct top, mnc, 2, 3),
	CYAML_FIELD_MAPPING_PTR("gsup", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct top, gsup,
		endpoint_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct top, top_fields)};

static struct top *load(const char *text, struct complaint *c)
{
	char path[] = "/tmp/merlon-conf-XXXXXX";
	void *top;
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	*c = (struct complaint){0};
	const struct err e = conf_load(path, &schema, &top, c);
	unlink(path);
	assert_int_equal(failed(e), top == NULL);
	/* The file's name is random: what follows it is what the test compares. */
	if (failed(e))
		memmove(c->text, c->text + strlen(path), strlen(c->text + strlen(path)) + 1);
	return top;
}

static void test_values_arrive_and_mnc_stays_text(void **state)
{
	struct complaint c;
	struct top *top =
		load("site: core\nmnc: 01\ngsup:\n  address: 10.0.0.1\n  port: 4222\n", &c);

	(void)state;
	assert_non_null(top);
	assert_string_equal(top->mnc, "01");
	assert_int_equal(top->gsup->port, 4222);
	conf_free(&schema, top);
}

static void test_each_mistake_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text, *complaint;
	} rows[] = {
		{"site: core\ngsup:\n  adress: x\n  port: 3\n",
			":3:3: unknown key 'adress' (did you mean 'address'?)"},
		{"site: core\nzzzzzz: 1\n", ":2:1: unknown key 'zzzzzz'"},
		{"site: core\ngsup:\n  address: x\n  port: 70000\n",
			":4:9: Invalid UINT value: '70000'"},
		{"gsup:\n  address: x\n  port: 1\n", ":2:3: Missing required mapping field: site"},
		{"site: toolongname\n", ":1:7: STRING length > 8: toolongname"},
		{"", ":1:1: nothing is configured here"},
		{"# a comment alone\n", ":1:1: nothing is configured here"},
		{"site: a\nsite: b\n", ":1:7: Mapping field already seen: site"},
	};
	struct complaint c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_null(load(rows[i].text, &c));
		assert_string_equal(c.text, rows[i].complaint);
	}
}

static void test_a_missing_file_is_said_so(void **state)
{
	struct complaint c = {0};
	void *top;

	(void)state;
	assert_int_equal(conf_load("/nonexistent.yaml", &schema, &top, &c).kind, ERR_IO);
	assert_string_equal(c.text, "/nonexistent.yaml: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_arrive_and_mnc_stays_text),
		cmocka_unit_test(test_each_mistake_is_told_with_its_place),
		cmocka_unit_test(test_a_missing_file_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
