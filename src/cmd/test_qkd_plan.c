// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What `merlon qkd plan` says of chance is what qkd/false_abort.h computes for the parameters that it prints. */
#include "cmd/command.h"
#include "qkd/false_abort.h"
#include "qkd/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>
#include <cmocka.h>

/* Standard output of a whole command line, and its exit code. */
static char *output_of(const char *line, int *code)
{
	static char text[8192], words[256];
	char *argv[32], *rest = words;
	int argc = 0;
	char path[] = "/tmp/merlon-plan-XXXXXX";
	const int file = mkstemp(path), out = dup(STDOUT_FILENO);

	assert_true(file >= 0 && out >= 0);
	snprintf(words, sizeof words, "%s", line);
	for (char *word; (word = strsep(&rest, " ")) != NULL && argc < 31;)
		argv[argc++] = word;
	argv[argc] = NULL;
	unlink(path);
	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	*code = command_dispatch(argc, argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	const ssize_t n = pread(file, text, sizeof text - 1, 0);
	close(file);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static double number(yyjson_val *of, const char *name)
{
	yyjson_val *v = yyjson_obj_get(of, name);

	assert_true(yyjson_is_num(v));
	return yyjson_get_num(v);
}

static void test_a_plan_has_its_false_aborts(void **state)
{
	struct rate_channel channel = plan_set_find("lab")->channel;
	struct qkd_parameters p = {.protocol = QKD_TWO_DECOY, .eps_sec = 1e-10, .eps_cor = 1e-15};
	struct false_abort_block block;
	struct rate r;
	int code;

	(void)state;
	channel.loss_db = 10;
	channel.is_two_way = true;
	assert_true(plan_optimise(&channel, 1e5, &p, &r));
	p.qber_max = qkd_qber_max;
	qkd_limits(&p, 100000);
	false_abort_block(&channel, &p, 1e5, &block);
	const char *text = output_of(
		"merlon qkd plan --distance-km 50 --block 1e5 --abort-exponent 3 --output json",
		&code);
	assert_int_equal(code, EXIT_OK);
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *aborts = yyjson_obj_get(root, "false_aborts");
	const uint32_t bits = false_abort_length(&block, &p, 1e-3);
	assert_true(number(root, "abort_exponent") == 3);
	assert_true(number(root, "final_bits_fixed") == bits);
	assert_true(bits > 0 && bits % 8 == 0 && bits < number(root, "final_bits"));
	assert_true(bits > false_abort_length(&block, &p, 1e-6));
	assert_true(number(aborts, "too_few_counts") <= 1e-99);
	assert_true(number(aborts, "qber_too_high") <= 1e-99);
	assert_true(number(aborts, "decoy_inconsistent") <= 1e-99);
	assert_true(number(aborts, "no_secret_bits") < 1e-60);
	yyjson_doc_free(doc);
}

/* Blocks so small that the link would never make key of them: the plan says so. */
static void test_a_plan_without_hope_says_so(void **state)
{
	int code;
	const char *text = output_of("merlon qkd plan --distance-km 100 --block 2e4", &code);

	(void)state;
	assert_int_equal(code, EXIT_OK);
	assert_non_null(strstr(text, "no_secret_bits 1\n"));
	assert_non_null(strstr(text, "no one length of key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_has_its_false_aborts),
		cmocka_unit_test(test_a_plan_without_hope_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
