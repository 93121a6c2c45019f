// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/watch.h"
#include "codec/ipc.h"
#include "codec/qkd_msg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void test_strace_strings_become_octets_in_order(void **state)
{
	static const char text[] =
		"sendmsg(7, {msg_iov=[{iov_base=\"\\x00\\x1f\", iov_len=2}, "
		"{iov_base=\"\\xff\", iov_len=1}]}, 0) = 3\nwrite(9, \"\\x7e\", 1) = 1\n\\x4";
	static const uint8_t expected[] = {0x00, 0x1f, 0xff, 0x7e};
	uint8_t out[64];

	(void)state;
	const size_t len = watch_octets(SPAN_MUT_ARRAY(out), span_str(text));
	assert_true(span_equal(span_of(out, len), SPAN_ARRAY(expected)));
}

static void test_qkd_block_is_found_among_other_messages(void **state)
{
	static uint8_t body[1024], stream[2048];
	uint8_t key[64];
	struct qkd_request request = {
		.link = "radio-core", .key = SPAN_ARRAY(key), .report = span_str("{}")};
	struct writer b = writer_of(SPAN_MUT_ARRAY(body)), w = writer_of(SPAN_MUT_ARRAY(stream));
	struct watch_value value = {0};

	(void)state;
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(7 * i);
	writer_span(&w, span_str("the end of something else"));
	ipc_encode(&w, &(struct ipc_frame){.kind = IPC_ANSWER, .type = QKD_MARK, .request_id = 3});
	assert_false(watch_find_qkd_block(writer_span_done(&w), &value));
	qkd_request_encode(&b, QKD_BLOCK_PENDING, &request);
	ipc_encode(&w, &(struct ipc_frame){.kind = IPC_REQUEST,
			       .type = QKD_BLOCK_PENDING,
			       .request_id = 4,
			       .body = writer_span_done(&b)});
	const struct span whole = writer_span_done(&w);
	assert_true(whole.len > 0);
	assert_false(watch_find_qkd_block(span_of(whole.at, whole.len - 1), &value));
	assert_true(watch_find_qkd_block(whole, &value));
	assert_true(span_equal(span_of(value.octets, value.len), SPAN_ARRAY(key)));
}

static void test_ppk_is_found_and_a_certificate_is_not(void **state)
{
	uint8_t stream[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(stream));
	struct watch_value value = {0};

	(void)state;
	writer_span(&w, span_of("\3\4data\1\0", 8)); /* load-cert: 256 octets */
	for (int i = 0; i < 256; i++)
		writer_u8(&w, (uint8_t)i);
	assert_false(watch_find_ppk(writer_span_done(&w), &value));
	writer_span(&w, span_of("\3\4type\0\3PPK\3\4data\0\40", 19));
	writer_span(&w, span_str("thirty-two octets of secret key!"));
	writer_span(&w, span_of("\4\6owners", 8));
	assert_true(watch_find_ppk(writer_span_done(&w), &value));
	assert_true(span_equal(
		span_of(value.octets, value.len), span_str("thirty-two octets of secret key!")));
}

/* The real strace: what it writes is what we read. */
static void test_strace_of_a_real_program_is_understood(void **state)
{
	static uint8_t text[65536], out[65536];
	char path[] = "/tmp/merlon-watch-XXXXXX", command[512];

	(void)state;
	if (access("/usr/bin/strace", X_OK) != 0)
		skip();
	const int fd = mkstemp(path);
	snprintf(command, sizeof command,
		"strace -o %s -xx -s 65536 -e trace=write printf '\\003\\004data\\000\\040%%s' "
		"'thirty-two octets of secret key!12345678' >/dev/null 2>&1",
		path);
	const int code = system(command);
	const ssize_t len = read(fd, text, sizeof text);
	close(fd);
	unlink(path);
	if (code != 0)
		skip(); /* ptrace is forbidden here */
	struct watch_value value = {0};
	const size_t octets = watch_octets(SPAN_MUT_ARRAY(out), span_of(text, (size_t)len));
	assert_true(watch_find_ppk(span_of(out, octets), &value));
	assert_true(span_equal(
		span_of(value.octets, value.len), span_str("thirty-two octets of secret key!")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strace_strings_become_octets_in_order),
		cmocka_unit_test(test_qkd_block_is_found_among_other_messages),
		cmocka_unit_test(test_ppk_is_found_and_a_certificate_is_not),
		cmocka_unit_test(test_strace_of_a_real_program_is_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
