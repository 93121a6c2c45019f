// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/proc_msg.h"
#include "base/log.h"
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static uint8_t buffer[4096];

static void test_setup_round_trips(void **state)
{
	const struct proc_setup in = {.process = "auc-front",
		.site = "core",
		.user = "merlon",
		.log_least = 2,
		.settings = span_str("opaque")};
	struct proc_setup out;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	proc_setup_encode(&w, &in);
	assert_false(failed(proc_setup_decode(writer_span_done(&w), &out, &fault)));
	assert_string_equal(out.process, in.process);
	assert_string_equal(out.site, in.site);
	assert_string_equal(out.user, in.user);
	assert_int_equal(out.log_least, 2);
	assert_true(span_equal(out.settings, in.settings));
}

static void test_reload_round_trips_with_a_level_that_there_is(void **state)
{
	const struct proc_reload in = {.log_least = LOG_ERROR, .settings = span_str("opaque")};
	struct proc_reload out;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	proc_reload_encode(&w, &in);
	assert_false(failed(proc_reload_decode(writer_span_done(&w), &out, &fault)));
	assert_int_equal(out.log_least, LOG_ERROR);
	assert_true(span_equal(out.settings, in.settings));
	assert_int_equal(proc_reload_decode(span_of(buffer, 0), &out, &fault).kind, ERR_INPUT);
	buffer[0] = LOG_LEVELS;
	fault = (struct wire_fault){0};
	assert_int_equal(proc_reload_decode(writer_span_done(&w), &out, &fault).kind, ERR_INPUT);
}

static void test_query_and_alarm_round_trip(void **state)
{
	const struct proc_query query = {.process = "kms-store", .verb = "trace", .argument = "2a"};
	const struct proc_alarm alarm = {.is_raised = true,
		.severity = 3,
		.since_unix_ms = -1,
		.kind = "link_down",
		.resource = "radio",
		.text = "no light",
		.meaning = "look"};
	struct proc_query query_out;
	struct proc_alarm alarm_out;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	proc_query_encode(&w, &query);
	assert_false(failed(proc_query_decode(writer_span_done(&w), &query_out, &fault)));
	assert_memory_equal(&query, &query_out, sizeof query);
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	proc_alarm_encode(&w, &alarm);
	assert_false(failed(proc_alarm_decode(writer_span_done(&w), &alarm_out, &fault)));
	assert_true(alarm_out.is_raised);
	assert_int_equal(alarm_out.since_unix_ms, -1);
	assert_string_equal(alarm_out.meaning, "look");
}

static void test_every_cut_of_a_message_is_refused(void **state)
{
	const struct proc_run_once in = {.process = "auc-import", .argument = "k"};
	struct proc_run_once out;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	proc_run_once_encode(&w, &in);
	for (size_t len = 0; len < w.len; len++) {
		struct wire_fault fault = {0};
		assert_int_equal(
			proc_run_once_decode(span_of(buffer, len), &out, &fault).kind, ERR_INPUT);
	}
	struct wire_fault fault = {0};
	assert_int_equal(
		proc_run_once_decode(span_of(buffer, w.len + 1), &out, &fault).kind, ERR_INPUT);
}

static void test_names_too_long_or_with_nul_are_refused(void **state)
{
	uint8_t body[2 + PROC_NAME_MAX] = {0, PROC_NAME_MAX};
	struct proc_channel out;
	struct wire_fault fault = {0};

	(void)state;
	memset(body + 2, 'x', PROC_NAME_MAX);
	assert_int_equal(proc_channel_decode(SPAN_ARRAY(body), &out, &fault).kind, ERR_INPUT);
	assert_string_equal(fault.field, "peer");
	body[1] = PROC_NAME_MAX - 1;
	fault = (struct wire_fault){0};
	assert_false(failed(proc_channel_decode(span_of(body, sizeof body - 1), &out, &fault)));
	assert_int_equal(strlen(out.peer), PROC_NAME_MAX - 1);
	body[4] = 0;
	assert_int_equal(
		proc_channel_decode(span_of(body, sizeof body - 1), &out, &fault).kind, ERR_INPUT);
}

static void test_outcome_of_an_unknown_kind_is_refused(void **state)
{
	const uint8_t body[] = {ERR_KINDS, 'x'};
	struct proc_outcome out;
	struct wire_fault fault = {0};

	(void)state;
	assert_int_equal(proc_outcome_decode(SPAN_ARRAY(body), &out, &fault).kind, ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup_round_trips),
		cmocka_unit_test(test_reload_round_trips_with_a_level_that_there_is),
		cmocka_unit_test(test_query_and_alarm_round_trip),
		cmocka_unit_test(test_every_cut_of_a_message_is_refused),
		cmocka_unit_test(test_names_too_long_or_with_nul_are_refused),
		cmocka_unit_test(test_outcome_of_an_unknown_kind_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
