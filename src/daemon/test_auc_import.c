// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The parts of an import: the file as it comes, the IMSIs that stood before, the list of mistakes. */
#include "daemon/auc-import/mistakes.h"
#include "daemon/auc-import/seen.h"
#include "daemon/auc-import/source.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define OPC "cd63cb71954a9f4e48a5994e37a02baf"

static struct source_memory memory;

/* A pipe that does not block, and whose writing end stays open where `in` is not NULL; else its last
 * octet is there too. */
static int pipe_with(const char *text, int *in)
{
	const size_t len = strlen(text) + (in == NULL);
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], text, len), (ssize_t)len);
	if (in != NULL)
		*in = ends[1];
	else
		close(ends[1]);
	return ends[0];
}

static void the_first_octet_tells_the_form(void **state)
{
	static const char *const texts[] = {
		"# a comment\n\nimsi,k,opc\n00101001," K "," OPC "\n",
		"{\"imsi\":\"00101001\",\"k\":\"" K "\",\"opc\":\"" OPC "\"}\n",
	};
	static const enum import_format formats[] = {IMPORT_CSV, IMPORT_JSONL};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct subscriber_fault fault = {0};
		struct subscriber_row row;
		struct source s;
		const int fd = pipe_with(texts[i], NULL);
		source_open(&s, fd, true, IMPORT_AUTO, &memory);
		assert_false(failed(source_next(&s, &row, &fault)));
		assert_string_equal(row.clear.imsi, "00101001");
		assert_int_equal(s.format, formats[i]);
		assert_int_equal(source_next(&s, &row, &fault).kind, ERR_ABSENT);
		close(fd);
	}
}

static void a_pipe_is_read_as_it_fills(void **state)
{
	struct subscriber_fault fault = {0};
	struct subscriber_row row;
	struct source s;
	int in;
	const int fd = pipe_with("imsi,k,opc\n001010", &in);

	(void)state;
	source_open(&s, fd, true, IMPORT_AUTO, &memory);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_STATE);
	const char *rest = "01," K "," OPC;
	assert_int_equal(write(in, rest, strlen(rest)), (ssize_t)strlen(rest));
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_STATE);
	assert_int_equal(write(in, "", 1), 1);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_STATE);
	close(in); /* the last line need not end */
	assert_false(failed(source_next(&s, &row, &fault)));
	assert_string_equal(row.clear.imsi, "00101001");
	assert_int_equal(s.line, 2);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_ABSENT);
	close(fd);
}

static void a_pipe_whose_writer_died_is_not_the_whole(void **state)
{
	struct subscriber_fault fault = {0};
	struct subscriber_row row;
	struct source s;
	int in;
	const int fd = pipe_with("imsi,k,opc\n00101001," K "," OPC "\n", &in);

	(void)state;
	source_open(&s, fd, true, IMPORT_AUTO, &memory);
	assert_false(failed(source_next(&s, &row, &fault)));
	close(in);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_TIMEOUT);
	close(fd);
}

static void nul_before_the_end_is_a_mistake(void **state)
{
	struct subscriber_fault fault = {0};
	struct subscriber_row row;
	struct source s;
	int in;
	const int fd = pipe_with("imsi,k,opc\n", &in);

	(void)state;
	assert_int_equal(write(in, "", 1), 1);
	source_open(&s, fd, true, IMPORT_AUTO, &memory);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_STATE);
	assert_int_equal(write(in, "00101001", 8), 8);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_INPUT);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_ABSENT);
	close(in);
	close(fd);
}

static void a_wrong_header_ends_the_reading(void **state)
{
	struct subscriber_fault fault = {0};
	struct subscriber_row row;
	struct source s;
	const int fd = pipe_with("imsi,ki\n001,2\n", NULL);

	(void)state;
	source_open(&s, fd, true, IMPORT_AUTO, &memory);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_INPUT);
	assert_int_equal(fault.column, 6);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_ABSENT);
	close(fd);
}

/* SUBSCRIBER_LINE_MAX: a longer line is one mistake, and the next is read; one without an end in
 * all of the memory ends the reading. */
static void a_line_has_its_limit(void **state)
{
	struct subscriber_fault fault = {0};
	struct subscriber_row row;
	struct source s;
	static char text[SOURCE_TEXT + 8192];
	const char *head = "imsi,k,opc\n", *good = "\n00101001," K "," OPC "\n";

	(void)state;
	memset(text, '1', sizeof text);
	memcpy(text, head, strlen(head));
	memcpy(text + 5000, good, strlen(good) + 1);
	int fd = pipe_with(text, NULL);
	source_open(&s, fd, true, IMPORT_AUTO, &memory);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_INPUT);
	assert_int_equal(s.line, 2);
	assert_int_equal(fault.column, SUBSCRIBER_LINE_MAX + 1);
	assert_false(failed(source_next(&s, &row, &fault)));
	assert_int_equal(s.line, 3);
	close(fd);

	int ends[2];
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
	memset(text, '1', sizeof text);
	assert_int_equal(write(ends[1], text, sizeof text), (ssize_t)sizeof text);
	source_open(&s, ends[0], true, IMPORT_AUTO, &memory);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_INPUT);
	assert_int_equal(source_next(&s, &row, &fault).kind, ERR_ABSENT);
	close(ends[0]);
	close(ends[1]);
}

static void a_hundred_thousand_imsis_are_told_apart(void **state)
{
	struct seen seen = {0};
	char imsi[IMSI_TEXT];
	uint32_t first;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(imsi, sizeof imsi, "%015u", i);
		assert_false(failed(seen_add(&seen, imsi, i + 1, &first)));
		assert_int_equal(first, 0);
	}
	for (unsigned i = 0; i < 100000; i += 997) {
		snprintf(imsi, sizeof imsi, "%015u", i);
		assert_false(failed(seen_add(&seen, imsi, 7, &first)));
		assert_int_equal(first, i + 1);
	}
	/* Leading zeros are digits like others [TS 23.003 §2.2]. */
	assert_false(failed(seen_add(&seen, "000001", 7, &first)));
	assert_int_equal(first, 0);
	assert_int_equal(seen.count, 100001);
	assert_true(seen.limit * 3 >= seen.count * 4);
	seen_close(&seen);
}

static void the_first_mistakes_are_listed_and_all_are_counted(void **state)
{
	struct mistakes m;
	struct span text;

	(void)state;
	assert_false(failed(mistakes_open(&m, "file", 2)));
	for (uint32_t i = 1; i <= 3; i++)
		mistakes_add(&m, i, 9, "thing %u", i);
	text = mistakes_done(&m);
	const char *wanted = "file:1:9: thing 1 is expected\nfile:2:9: thing 2 is expected\n"
			     "3 mistakes (--errors lists more); nothing was stored";
	assert_int_equal(text.len, strlen(wanted));
	assert_memory_equal(text.at, wanted, text.len);
	mistakes_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_octet_tells_the_form),
		cmocka_unit_test(a_pipe_is_read_as_it_fills),
		cmocka_unit_test(a_pipe_whose_writer_died_is_not_the_whole),
		cmocka_unit_test(nul_before_the_end_is_a_mistake),
		cmocka_unit_test(a_wrong_header_ends_the_reading),
		cmocka_unit_test(a_line_has_its_limit),
		cmocka_unit_test(a_hundred_thousand_imsis_are_told_apart),
		cmocka_unit_test(the_first_mistakes_are_listed_and_all_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
