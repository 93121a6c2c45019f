// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The control socket against those who may open it and mean no good. */
#include "host/control.h"
#include "host/fdpass.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct loop loop;
static struct control_server *server;
static char path[64];
static size_t requests;

static size_t descriptors_open(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* Two descriptors in one message, as no call of ours would send them. */
static void two_send(int socket)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)"x", .iov_len = 1};
	const struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(2 * sizeof(int))};
	const int both[2] = {STDIN_FILENO, STDERR_FILENO};

	control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof both)};
	memcpy(CMSG_DATA(&control.head), both, sizeof both);
	assert_int_equal(sendmsg(socket, &m, 0), 1);
}

static void test_of_two_descriptors_in_a_message_none_is_left_open(void **state)
{
	uint8_t octet[1];
	size_t len;
	int pair[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	const size_t before = descriptors_open();
	two_send(pair[0]);
	assert_false(failed(fdpass_recv(pair[1], SPAN_MUT_ARRAY(octet), &len, &fd)));
	assert_true(fd >= 0);
	assert_int_equal(descriptors_open(), before + 1);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

static void on_request(
	void *ctx, struct control_client *client, uint16_t type, struct span body, int fd)
{
	(void)ctx, (void)type, (void)body;
	requests++;
	if (fd >= 0)
		close(fd);
	control_answer(client, OK, span_str("\"yes\""));
}

static void turn(void)
{
	for (int i = 0; i < 20; i++) {
		uv_run(&loop.uv, UV_RUN_NOWAIT);
		usleep(1000);
	}
}

static int client_open(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	turn();
	return fd;
}

static void serve(int uid_refused)
{
	const struct control_access access = {.group = -1, .uid_refused = uid_refused};
	struct complaint c = {0};

	snprintf(path, sizeof path, "/tmp/merlon-control-%d.sock", (int)getpid());
	assert_false(failed(loop_open(&loop)));
	assert_false(
		failed(control_server_open(&server, &loop, path, access, on_request, NULL, &c)));
}

/* What the asker lacks is not what the site refuses: the commands' exit codes stand on it. */
static void test_who_may_not_open_the_socket_is_told_so(void **state)
{
	(void)state;
	struct control_reply reply =
		control_ask("/tmp/merlon-no-such.sock", PROC_STATUS, span_of(NULL, 0), -1, 100);
	assert_true(reply.is_unreachable && !reply.is_forbidden);
	control_reply_free(&reply);
	assert_int_equal(chmod(path, 0), 0);
	const pid_t child = fork();
	if (child == 0) {
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(2);
		reply = control_ask(path, PROC_STATUS, span_of(NULL, 0), -1, 100);
		_exit(reply.is_forbidden && !reply.is_unreachable && reply.err.kind == ERR_AUTH
				? 0
				: 1);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	control_server_close(server);
}

static int set_up(void **state)
{
	(void)state;
	serve(-1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	turn();
	loop_close(&loop);
	return 0;
}

static void test_half_a_request_when_the_server_closes_is_nobodys(void **state)
{
	static const uint8_t head[] = {0, 0, 0, 16, 1, 1};
	static const uint8_t rest[] = {0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};

	(void)state;
	const int client = client_open();
	assert_int_equal(write(client, head, sizeof head), sizeof head);
	turn();
	control_server_close(server);
	turn();
	assert_int_equal(write(client, rest, sizeof rest), sizeof rest);
	turn();
	assert_int_equal(requests, 0);
	close(client);
}

/* Here it is our own, in a site that of its processes. */
static void test_the_refused_user_may_connect_and_ask_nothing(void **state)
{
	static const uint8_t whole[] = {
		0, 0, 0, 16, 1, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
	uint8_t octet;

	(void)state;
	serve((int)getuid());
	requests = 0;
	const int client = client_open();
	(void)!send(client, whole, sizeof whole, MSG_NOSIGNAL);
	turn();
	assert_int_equal(requests, 0);
	assert_true(read(client, &octet, 1) <= 0);
	close(client);
	control_server_close(server);
}

static void test_what_is_no_request_ends_and_the_next_is_served(void **state)
{
	static const uint8_t too_long[] = {0, 0x10, 0, 0, 1, 1, 0, 7};
	uint8_t octet;

	(void)state;
	const int client = client_open();
	assert_int_equal(write(client, too_long, sizeof too_long), sizeof too_long);
	turn();
	assert_true(read(client, &octet, 1) <= 0);
	close(client);
	const int again = client_open();
	static const uint8_t whole[] = {
		0, 0, 0, 16, 1, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
	requests = 0;
	assert_int_equal(write(again, whole, sizeof whole), sizeof whole);
	turn();
	assert_int_equal(requests, 1);
	assert_int_equal(read(again, &octet, 1), 1);
	close(again);
	control_server_close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_two_descriptors_in_a_message_none_is_left_open),
		cmocka_unit_test_setup_teardown(
			test_half_a_request_when_the_server_closes_is_nobodys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_who_may_not_open_the_socket_is_told_so, set_up, tear_down),
		cmocka_unit_test_teardown(
			test_the_refused_user_may_connect_and_ask_nothing, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_no_request_ends_and_the_next_is_served, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
