// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/metrics.h"
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static char buffer[1024];

static void test_families_stand_together_with_one_type_line(void **state)
{
	const uint64_t unknown = 3, sessions = 2, refused = 4;
	const double bias = 2.5e-8;
	static struct metrics m;

	(void)state;
	metrics_add(&m, (struct metric){.name = "merlon_auc_errors",
				.help = "Refused.",
				.labels = "cause=\"unknown\"",
				.value = &unknown});
	metrics_add(&m, (struct metric){.name = "merlon_auc_sessions",
				.help = "Open.",
				.type = METRIC_GAUGE,
				.value = &sessions});
	metrics_add(&m, (struct metric){.name = "merlon_auc_errors",
				.help = "Refused.",
				.labels = "cause=\"limit\"",
				.value = &refused});
	metrics_add(&m, (struct metric){.name = "merlon_qkd_bias_amperes",
				.help = "Largest.",
				.type = METRIC_REAL,
				.value = &bias});
	const size_t len = metrics_text(&m, "auc-front", SPAN_MUT_ARRAY(buffer));
	buffer[len] = '\0';
	assert_string_equal(buffer,
		"# TYPE merlon_auc_errors counter\n"
		"# HELP merlon_auc_errors Refused.\n"
		"merlon_auc_errors_total{process=\"auc-front\",cause=\"unknown\"} 3\n"
		"merlon_auc_errors_total{process=\"auc-front\",cause=\"limit\"} 4\n"
		"# TYPE merlon_auc_sessions gauge\n"
		"# HELP merlon_auc_sessions Open.\n"
		"merlon_auc_sessions{process=\"auc-front\"} 2\n"
		"# TYPE merlon_qkd_bias_amperes gauge\n"
		"# HELP merlon_qkd_bias_amperes Largest.\n"
		"merlon_qkd_bias_amperes{process=\"auc-front\"} 2.5e-08\n");
}

static void test_a_full_buffer_keeps_whole_lines(void **state)
{
	const uint64_t one = 1;
	static struct metrics m;

	(void)state;
	metrics_add(&m, (struct metric){.name = "n", .help = "h", .value = &one});
	const size_t len = metrics_text(&m, "p", span_mut_of(buffer, 20));
	assert_int_equal(len, strlen("# TYPE n counter\n"));
}

static void test_json_puts_its_commas_and_escapes(void **state)
{
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	json_open(&j, NULL, '{');
	json_text(&j, "text", "a\"b\\c\n");
	json_text(&j, "none", NULL);
	json_open(&j, "list", '[');
	json_u64(&j, NULL, 1);
	json_i64(&j, NULL, -2);
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_close(&j, ']');
	json_f64(&j, "f", 0.25);
	json_f64(&j, "infinite", HUGE_VAL);
	json_bool(&j, "b", true);
	json_hex(&j, "id", span_str("\x01\xff"));
	json_raw(&j, span_str("\"x\":1"));
	json_raw(&j, span_str(""));
	json_value(&j, "y", span_str("[]"));
	json_close(&j, '}');
	assert_string_equal(buffer,
		"{\"text\":\"a\\\"b\\\\c\\u000a\",\"none\":null,\"list\":[1,-2,{}],\"f\":0.25,"
		"\"infinite\":null,\"b\":true,\"id\":\"01ff\",\"x\":1,\"y\":[]}");
	assert_int_equal(json_done(&j).len, strlen(buffer));
}

static void test_json_that_does_not_fit_is_nothing(void **state)
{
	struct json_writer j = json_writer_of(span_mut_of(buffer, 8));

	(void)state;
	json_text(&j, "a", "bcdefgh");
	assert_true(j.is_full);
	assert_int_equal(json_done(&j).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families_stand_together_with_one_type_line),
		cmocka_unit_test(test_a_full_buffer_keeps_whole_lines),
		cmocka_unit_test(test_json_puts_its_commas_and_escapes),
		cmocka_unit_test(test_json_that_does_not_fit_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
