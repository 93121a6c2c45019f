// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/sites.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_missing_privilege_is_the_callers_own_alone(void **state)
{
	const struct control_reply forbidden = {.err = ERR(AUTH), .is_forbidden = true},
				   unreachable = {.err = ERR(ABSENT), .is_unreachable = true},
				   refused = {.err = ERR(AUTH)}, wrong = {.err = ERR(INPUT)};

	(void)state;
	assert_int_equal(exit_code_of(ERR(AUTH)), EXIT_FAILED);
	assert_int_equal(exit_code_of_reply(&refused), EXIT_FAILED);
	assert_int_equal(exit_code_of_reply(&forbidden), EXIT_PRIVILEGE);
	assert_int_equal(exit_code_of_reply(&unreachable), EXIT_UNREACHABLE);
	assert_int_equal(exit_code_of_reply(&wrong), EXIT_CONFIG);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void test_the_import_names_each_column(void **state)
{
	static const char *const columns[] = {"imsi", "k,", "op", "opc", "top", "topc", "algorithm",
		"amf", "sqn", "msisdn", "profile", "res_bits", "iterations"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		assert_non_null(strstr(find("subscriber import")->text, columns[i]));
}

static void test_a_rotation_can_be_asked_for(void **state)
{
	(void)state;
	assert_non_null(find("tunnel rotate"));
	assert_ptr_equal(find("tunnel rotate")->run, tunnel_rotate_command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_privilege_is_the_callers_own_alone),
		cmocka_unit_test(test_the_import_names_each_column),
		cmocka_unit_test(test_a_rotation_can_be_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
