// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * What `merlon qkd plan` says of chance is what qkd/false_abort.h computes for the parameters that it prints; and it counts with the error
 * correction that the link would take.
 */
#include "cmd/command.h"
#include "qkd/efficiency.h"
#include "qkd/false_abort.h"
#include "qkd/plan.h"
#include <math.h>
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
	struct plan_correction correction = {RECONCILE_CASCADE, 1.05};
	struct false_abort_block block;
	struct rate r;
	int code;

	(void)state;
	channel.loss_db = 10;
	assert_true(plan_optimise_corrected(&channel, 1e5, &correction, &p, &r));
	p.qber_max = qkd_qber_max;
	qkd_limits(&p, 100000);
	false_abort_block(&channel, &p, 1e5, &block);
	const char *text = output_of(
		"merlon qkd plan --distance-km 50 --block 1e5 --abort-exponent 3 --output json "
		"--error-correction cascade --correction-f 1.05",
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

static yyjson_doc *plan_of(const char *options)
{
	char line[256];
	int code;

	snprintf(line, sizeof line, "merlon qkd plan -o json %s", options);
	const char *text = output_of(line, &code);
	assert_int_equal(code, EXIT_OK);
	return yyjson_read(text, strlen(text), 0);
}

/* Long blocks need so few test bits that the best key would be of blocks which the engine refuses. */
static void test_a_plan_has_as_many_test_bits_as_the_engine_asks_for(void **state)
{
	static const char *const options[] = {"--set rusca-2018 --loss-db 10 --block 1e7",
		"--set rusca-2018 --loss-db 0 --block 1e8", "--set lab --loss-db 10 --block 1e8",
		"--set lim-2014 --loss-db 0 --block 1e8",
		"--set lab --loss-db 10 --block 1e8 --error-correction cascade"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		yyjson_doc *doc = plan_of(options[i]);
		yyjson_val *plan = yyjson_doc_get_root(doc);
		const double limit = number(plan, "sifted_bits") / 100;
		/* No more of them than that needs, either. */
		assert_true(number(plan, "test_bits") > limit);
		assert_true(number(plan, "test_bits") < 1.1 * limit);
		assert_true(number(yyjson_obj_get(plan, "false_aborts"), "too_few_counts") < 1e-12);
		yyjson_doc_free(doc);
	}
	/* A published rate is what it is, and says so. */
	yyjson_doc *doc = plan_of("--set rusca-2018 --loss-db 10 --block 1e7 --one-way");
	yyjson_val *plan = yyjson_doc_get_root(doc);
	assert_true(number(yyjson_obj_get(plan, "false_aborts"), "too_few_counts") == 1);
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

static const char *word(yyjson_val *of, const char *name)
{
	return yyjson_get_str(yyjson_obj_get(of, name));
}

/* The rule of the link, with what the plan itself says of keys and errors. */
static void assert_counts_as_the_link_would(yyjson_val *plan)
{
	const double bits = number(plan, "sifted_bits"), qber = number(plan, "qber");
	const struct reconcile_circumstances now = {.key_bits = (uint32_t)bits,
		.qber = qber,
		.bits_a_second = bits / number(plan, "block_seconds"),
		.is_ldpc_fast = true};
	const enum reconcile_mode mode = reconcile_choose(&now);
	const double f = efficiency_of(mode, now.key_bits, qber);

	assert_string_equal(word(plan, "error_correction"), reconcile_mode_word(mode));
	assert_true(fabs(number(plan, "correction_f") / f - 1) < 0.01);
	assert_int_equal(
		yyjson_get_bool(yyjson_obj_get(plan, "two_way_leak")), mode == RECONCILE_CASCADE);
	assert_null(word(yyjson_obj_get(plan, "config"), "error_correction"));
}

static void test_a_plan_counts_with_the_mode_that_the_link_would_take(void **state)
{
	static const struct {
		const char *options, *mode;
	} rows[] = {
		{"--distance-km 50 --block 1e5", "ldpc"}, {"--distance-km 10 --block 1e6", "ldpc"},
		{"--distance-km 50 --block 1e7 --set lim-2014", "ldpc"},
		{"--distance-km 10 --block 3e4", "cascade"},
		{"--loss-db 2 --block 1e5 --misalignment 0.001", "cascade"}, /* too few errors */
		{"--loss-db 2 --block 1e6 --rate 1e10", "cascade"},          /* too fast */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		yyjson_doc *doc = plan_of(rows[i].options);
		assert_counts_as_the_link_would(yyjson_doc_get_root(doc));
		assert_string_equal(
			word(yyjson_doc_get_root(doc), "error_correction"), rows[i].mode);
		yyjson_doc_free(doc);
	}
}

static void test_the_mode_and_its_efficiency_may_be_stated(void **state)
{
	static const struct {
		const char *options, *mode, *in_config;
		double f;
	} rows[] = {
		{"--error-correction cascade --correction-f 1.2", "cascade", "cascade", 1.2},
		{"--error-correction ldpc --correction-f 1.2", "ldpc", "ldpc", 1.2},
		{"--error-correction auto --correction-f 1.2", "ldpc", NULL, 1.2},
		{"--one-way --correction-f 1.2", "published", NULL, 1.2},
		{"--one-way", "published", NULL, 1.04},
	};
	double before = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char options[128];
		snprintf(options, sizeof options, "--loss-db 10 --block 1e5 %s", rows[i].options);
		yyjson_doc *doc = plan_of(options);
		yyjson_val *plan = yyjson_doc_get_root(doc);
		const char *in_config = word(yyjson_obj_get(plan, "config"), "error_correction");
		assert_string_equal(word(plan, "error_correction"), rows[i].mode);
		assert_true(number(plan, "correction_f") == rows[i].f);
		assert_int_equal(in_config != NULL, rows[i].in_config != NULL);
		assert_true(in_config == NULL || strcmp(in_config, rows[i].in_config) == 0);
		assert_true(number(plan, "final_bits") >= before); /* less and less is told */
		before = number(plan, "final_bits");
		yyjson_doc_free(doc);
	}
}

static void test_the_text_names_the_mode(void **state)
{
	int code;
	const char *text = output_of("merlon qkd plan --loss-db 10 --block 1e5", &code);

	(void)state;
	assert_non_null(strstr(text, "# error correction: ldpc, f 1.1"));
	assert_null(strstr(text, "error_correction"));
	text = output_of("merlon qkd plan --loss-db 10 --error-correction cascade", &code);
	assert_non_null(strstr(text, "# error correction: cascade, f 1.0"));
	assert_non_null(strstr(text, "\n  error_correction: cascade\n"));
}

static void test_a_block_that_config_does_not_take_is_not_printed_for_it(void **state)
{
	int code;

	(void)state;
	assert_non_null(strstr(output_of("merlon qkd plan --loss-db 5 --block 4000000", &code),
		"\n  block_bits: 4000000\n"));
	const char *text = output_of("merlon qkd plan --loss-db 5 --block 4000001", &code);
	assert_non_null(strstr(text, "# not for CONFIG: it takes 4000 to 4000000 block_bits\n"));
	assert_null(strstr(text, "\nqkd:\n"));
}

/* CONFIG and the device's HELLO have millionths: what the link makes of these must satisfy it, and be what was planned. */
static void assert_the_link_takes(yyjson_val *plan)
{
	static const char *const mu[] = {"mu1", "mu2", "mu3"}, *const share[] = {"p1", "p2", "p3"};
	yyjson_val *said = yyjson_obj_get(yyjson_obj_get(plan, "config"), "protocol");
	struct qkd_parameters p = {.eps_sec = 1e-10, .eps_cor = 1e-15, .qber_max = qkd_qber_max};
	struct complaint c = {0};

	assert_true(qkd_protocol_read(word(said, "kind"), &p.protocol));
	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		p.intensity[k] = round(number(said, mu[k]) * 1e6) * 1e-6;
		p.probability[k] = round(number(said, share[k]) * 1e6) * 1e-6;
		assert_true(fabs(p.intensity[k] - number(said, mu[k])) < 1e-9);
		assert_true(fabs(p.probability[k] - number(said, share[k])) < 1e-9);
	}
	p.basis_x = number(said, "basis_x");
	if (failed(qkd_parameters_check(&p, &c)))
		fail_msg("%s", c.text);
}

static void test_the_link_takes_what_is_printed_for_config(void **state)
{
	static const char *const lines[] = {"--loss-db 10 --block 1e6", "--loss-db 7 --block 1e6",
		"--loss-db 12 --block 1e6", "--loss-db 15 --block 1e6", "--loss-db 15 --block 1e5",
		"--loss-db 10 --block 1e5 --protocol one-decoy"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		yyjson_doc *doc = plan_of(lines[i]);
		assert_the_link_takes(yyjson_doc_get_root(doc));
		yyjson_doc_free(doc);
	}
}

/* A plan for another epsilon is none for the link that has the default. */
static void test_epsilons_that_are_not_the_defaults_are_printed_too(void **state)
{
	int code;
	const char *text = output_of(
		"merlon qkd plan --loss-db 10 --eps-sec-exponent 12 --eps-cor-exponent 9", &code);

	(void)state;
	assert_int_equal(code, EXIT_OK);
	assert_non_null(strstr(text, "\n    eps_sec_exponent: 12\n    eps_cor_exponent: 9\n"));
	text = output_of("merlon qkd plan --loss-db 10", &code);
	assert_null(strstr(text, "eps_"));
	yyjson_doc *doc = plan_of("--loss-db 10 --eps-sec-exponent 12");
	yyjson_val *config = yyjson_obj_get(yyjson_doc_get_root(doc), "config");
	assert_true(number(yyjson_obj_get(config, "protocol"), "eps_sec_exponent") == 12);
	yyjson_doc_free(doc);
}

static void test_what_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *command;
		int code;
	} wishes[] = {
		{"merlon qkd plan --loss-db 2 --block 1e4 --error-correction ldpc", EXIT_FAILED},
		{"merlon qkd plan --loss-db 2 --error-correction winnow", EXIT_USAGE},
		{"merlon qkd plan --loss-db 2 --error-correction ldpc --one-way", EXIT_USAGE},
		{"merlon qkd plan --loss-db 2 --distance-km 50", EXIT_USAGE},
		{"merlon qkd plan --loss-db 2 --attenuation 0.3", EXIT_USAGE},
		{"merlon qkd plan --loss-db 2 --eps-sec-exponent 9.5", EXIT_USAGE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		int code;
		output_of(wishes[i].command, &code);
		assert_int_equal(code, wishes[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_has_its_false_aborts),
		cmocka_unit_test(test_a_plan_has_as_many_test_bits_as_the_engine_asks_for),
		cmocka_unit_test(test_a_plan_without_hope_says_so),
		cmocka_unit_test(test_a_plan_counts_with_the_mode_that_the_link_would_take),
		cmocka_unit_test(test_the_mode_and_its_efficiency_may_be_stated),
		cmocka_unit_test(test_the_text_names_the_mode),
		cmocka_unit_test(test_a_block_that_config_does_not_take_is_not_printed_for_it),
		cmocka_unit_test(test_the_link_takes_what_is_printed_for_config),
		cmocka_unit_test(test_epsilons_that_are_not_the_defaults_are_printed_too),
		cmocka_unit_test(test_what_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
