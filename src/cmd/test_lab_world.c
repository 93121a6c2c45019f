// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The lab's world: namespaces, programs in them, certificates, and the tap on a real link. */
#include "cmd/lab/child.h"
#include "cmd/lab/net.h"
#include "cmd/lab/pki.h"
#include "cmd/lab/tap.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/merlon-world-XXXXXX";

static struct err run(
	const char *space, const char *line, char *out, size_t size, struct complaint *c)
{
	const char *const argv[] = {"sh", "-c", line, NULL};

	return child_run(space, NULL, argv, out, size, 10000, c);
}

static void test_program_past_its_deadline_is_killed_and_said(void **state)
{
	const char *const argv[] = {"sleep", "20", NULL};
	char out[16];
	struct complaint c = {0};
	const uint64_t begin = lab_now_ms();

	(void)state;
	assert_int_equal(child_run(NULL, NULL, argv, out, sizeof out, 200, &c).kind, ERR_TIMEOUT);
	assert_string_equal(c.text, "sleep did not end within 200 ms");
	assert_true(lab_now_ms() - begin < 5000);
}

static void test_program_that_fails_tells_its_code_and_words(void **state)
{
	char out[64];
	struct complaint c = {0};

	(void)state;
	assert_int_equal(
		run(NULL, "echo no such thing >&2; exit 3", out, sizeof out, &c).kind, ERR_STATE);
	assert_string_equal(c.text, "sh ended with 3: no such thing");
	c = (struct complaint){0};
	assert_int_equal(run("nowhere", "true", out, sizeof out, &c).kind, ERR_STATE);
	assert_non_null(strstr(c.text, "network namespace nowhere: No such file or directory"));
}

static void test_certificates_verify_and_name_their_owner(void **state)
{
	char path[256], line[1024], out[1024];
	struct complaint c = {0};

	(void)state;
	snprintf(path, sizeof path, "%s/pki", folder);
	snprintf(line, sizeof line, "mkdir -p %s", path);
	assert_false(failed(run(NULL, line, out, sizeof out, &c)));
	if (failed(pki_certificates_write(path, 65534, &c)))
		fail_msg("%s", c.text);
	snprintf(line, sizeof line,
		"cd %s && openssl verify -x509_strict -CAfile ca.crt -verify_hostname "
		"radio.merlon.test "
		"radio.crt && openssl verify -CAfile ca.crt -verify_ip 127.0.0.1 core-kme.crt && "
		"! openssl verify -CAfile ca.crt -verify_hostname core.merlon.test radio-ike.crt "
		"2>&1 && "
		"stat -c %%a:%%u radio.key && ls *.key | wc -l && ! ls ca.key 2>&1",
		path);
	if (failed(run(NULL, line, out, sizeof out, &c)))
		fail_msg("%s", c.text);
	assert_non_null(strstr(out, geteuid() == 0 ? "600:65534\n8\n" : "600:"));
}

static void test_subscriber_file_has_test_keys_anybody_can_check(void **state)
{
	char path[256], line[512], out[256];
	struct complaint c = {0};

	(void)state;
	snprintf(path, sizeof path, "%s/subscribers.csv", folder);
	assert_false(failed(pki_subscribers_write(path, 0, &c)));
	/* The same rule by other hands. */
	snprintf(line, sizeof line,
		"i=001010000000007; h=$(printf %%s $i | sha256sum | cut -c1-64); "
		"grep -c \"^$i,$(echo $h | cut -c1-32),$(echo $h | cut -c33-64),milenage,49\" %s",
		path);
	if (failed(run(NULL, line, out, sizeof out, &c)))
		fail_msg("%s", c.text);
	assert_string_equal(out, "1");
}

/* In the world. Exit codes are places. */
static int record_in_the_middle(struct complaint *c)
{
	static char radio[128], core[128];
	const struct tap_interface interfaces[] = {{NET_TAP_RADIO, radio}, {NET_TAP_CORE, core}};
	int ready[2], stop[2];
	uint64_t dropped = 1;
	char byte;

	snprintf(radio, sizeof radio, "%s/radio.pcap", folder);
	snprintf(core, sizeof core, "%s/core.pcap", folder);
	if (pipe(ready) != 0 || pipe(stop) != 0)
		return 2;
	const pid_t pid = fork();
	if (pid == 0) {
		close(stop[1]);
		if (failed(child_enter_space(NET_BACKHAUL, c)) ||
			failed(tap_record(interfaces, 2, ready[1], stop[0], &dropped, c)))
			fprintf(stderr, "%s\n", c->text);
		_exit(dropped == 0 ? 0 : 3);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return 4;
	char out[512];
	if (failed(net_links_up(c)) ||
		failed(run(NET_RADIO,
			"ping -c 1 -W 2 10.90.2.2 || "
			"python3 -c 'import socket; s=socket.create_connection((\"10.90.2.2\", "
			"22), 2)' 2>&1 | "
			"grep -q refused",
			out, sizeof out, c)))
		return 5;
	close(stop[1]);
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 6;
}

static int inside(void *ctx)
{
	static const uint16_t ports[] = {7010};
	char out[64], path[128];
	struct complaint c = {0};
	struct tap_count count = {0};

	(void)ctx;
	int code = getpid() == 1 ? 0 : 7;
	if (code == 0 && failed(net_build(&c)))
		code = 8;
	if (code == 0)
		code = record_in_the_middle(&c);
	snprintf(path, sizeof path, "%s/core.pcap", folder);
	if (code == 0 && failed(tap_judge_file(path, ports, 1, &count, &c)))
		code = 9;
	if (code == 0 && (count.packets[TAP_CLEARTEXT] != 2 || count.packets[TAP_ARP] == 0))
		code = 10; /* one question, one answer; both in clear, both seen */
	if (code == 0 && failed(run(NULL, "ls /run/netns | wc -l", out, sizeof out, &c)))
		code = 11;
	if (code != 0)
		fprintf(stderr, "world: %d %s; clear %llu %s\n", code, c.text,
			(unsigned long long)count.packets[TAP_CLEARTEXT], count.descriptions[0]);
	return code;
}

static void test_world_is_built_tapped_and_leaves_nothing(void **state)
{
	struct complaint c = {0};
	char out[256], before[256], line[128];
	int code = 0;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_false(failed(
		run(NULL, "ip netns list 2>/dev/null; ip -br link", before, sizeof before, &c)));
	/* A child, because it leaves this process in the new namespaces. */
	const pid_t pid = fork();
	if (pid == 0) {
		const struct err e = net_world_run(folder, inside, NULL, &code, &c);
		if (failed(e))
			fprintf(stderr, "%s\n", c.text);
		_exit(failed(e) ? 99 : code);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(
		failed(run(NULL, "ip netns list 2>/dev/null; ip -br link", out, sizeof out, &c)));
	assert_string_equal(out, before);
	snprintf(line, sizeof line, "ls %s | grep -c pcap", folder);
	assert_true(failed(run(NULL, line, out, sizeof out, &c)));
}

/* In the world: a program that would run for long, and the news that it does. */
static int wait_for_ever(void *ctx)
{
	const char *const argv[] = {"sleep", "314159", NULL};
	struct child child;
	struct complaint c = {0};
	const int *ready = ctx;

	if (failed(net_build(&c)) ||
		failed(child_start(&child, "sleep", NET_CORE, NULL, "/dev/null", argv, &c)) ||
		write(ready[1], "1", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static void test_nothing_is_left_when_the_lab_is_killed(void **state)
{
	struct complaint c = {0};
	char out[64], byte;
	int ready[2], code = 0, status = 0;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ready), 0);
	const pid_t pid = fork();
	if (pid == 0)
		_exit(failed(net_world_run(folder, wait_for_ever, ready, &code, &c)) ? 99 : code);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_false(failed(run(NULL, "pgrep -fc 'sleep 31415[9]'", out, sizeof out, &c)));
	assert_string_equal(out, "1");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	for (int i = 0; i < 50 && read(ready[0], &byte, 1) != 0; i++)
		lab_sleep_ms(20);
	lab_sleep_ms(100);
	assert_true(failed(run(NULL, "pgrep -fc 'sleep 31415[9]'", out, sizeof out, &c)));
	assert_string_equal(out, "0");
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
	char line[128], out[64];
	struct complaint c = {0};

	(void)state;
	snprintf(line, sizeof line, "rm -rf %s", folder);
	return failed(run(NULL, line, out, sizeof out, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program_past_its_deadline_is_killed_and_said),
		cmocka_unit_test(test_program_that_fails_tells_its_code_and_words),
		cmocka_unit_test(test_world_is_built_tapped_and_leaves_nothing),
		cmocka_unit_test(test_nothing_is_left_when_the_lab_is_killed),
		cmocka_unit_test(test_certificates_verify_and_name_their_owner),
		cmocka_unit_test(test_subscriber_file_has_test_keys_anybody_can_check),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
