// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Breaking out, level by level, each attempt in a child of its own. A probe exits 0 when it got
 * through and 10 when the kernel answered EACCES or EPERM; SIGSYS is the filter's answer. A call
 * that is in no list at all must end in SIGSYS and nothing else: without the filter this test
 * fails.
 */
#include "base/attr.h"
#include "base/secret.h"
#include "host/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* A sanitizer maps memory as it likes: there the list is wider by that (sandbox.c). */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
	__has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

enum outcome { THROUGH, DENIED, OTHER, KILLED };
enum { EXIT_THROUGH = 0, EXIT_DENIED = 10, EXIT_OTHER = 11, EXIT_NO_SANDBOX = 12 };

static char folder[64], file[128], outside[128];
static int listener_tcp, open_socket, pipe_fds[2];
static struct sockaddr_in tcp_address;

static int verdict(long status)
{
	if (status >= 0)
		return EXIT_THROUGH;
	return errno == EACCES || errno == EPERM ? EXIT_DENIED : EXIT_OTHER;
}

static int probe_open_passwd(void)
{
	return verdict(open("/etc/passwd", O_RDONLY));
}

static int probe_create_outside(void)
{
	return verdict(open(outside, O_WRONLY | O_CREAT, 0600));
}

static int probe_create_inside(void)
{
	const int fd = open(file, O_RDWR | O_CREAT | O_APPEND, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1)
		return verdict(-1);
	return verdict(fsync(fd));
}

static int probe_read_inside(void)
{
	return verdict(open(folder, O_RDONLY | O_DIRECTORY));
}

static int probe_socket_tcp(void)
{
	return verdict(socket(AF_INET, SOCK_STREAM, 0));
}

static int probe_socket_udp(void)
{
	return verdict(socket(AF_INET, SOCK_DGRAM, 0));
}

static int probe_connect_tcp(void)
{
	/* A socket that was open before, so that it is connect() that is tried. A child before us
	 * may have done it. */
	const int status =
		connect(open_socket, (struct sockaddr *)&tcp_address, sizeof tcp_address);

	return status < 0 && errno == EISCONN ? EXIT_THROUGH : verdict(status);
}

static int probe_connect_new(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? verdict(-1)
		      : verdict(connect(fd, (struct sockaddr *)&tcp_address, sizeof tcp_address));
}

static int probe_accept(void)
{
	const int fd = accept4(listener_tcp, NULL, NULL, SOCK_NONBLOCK);

	return fd < 0 && errno == EAGAIN ? EXIT_THROUGH : verdict(fd);
}

static int probe_execve(void)
{
	char *const argv[] = {(char[]){"/bin/true"}, NULL};

	execve("/bin/true", argv, NULL);
	return verdict(-1);
}

static int probe_fork(void)
{
	return verdict(syscall(SYS_fork));
}

static int probe_ptrace(void)
{
	return verdict(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int probe_kill_parent(void)
{
	return verdict(kill(getppid(), 0));
}

static int probe_unlisted(void)
{
	return verdict(syscall(SYS_getpriority, 0, 0));
}

#if !IS_SANITIZED
static int probe_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0) == MAP_FAILED
		       ? verdict(-1)
		       : EXIT_THROUGH;
}
#endif

static void *thread_main(void *ctx)
{
	return ctx;
}

static int probe_thread(void)
{
	pthread_t t;

	return verdict(
		pthread_create(&t, NULL, thread_main, NULL) != 0 ? -1 : pthread_join(t, NULL));
}

/* What every level needs: descriptors, memory, secrets, randomness. */
static int probe_ordinary_work(void)
{
	struct secret s;
	uint8_t octet;

	if (failed(secret_open(&s, 1 << 20)) || getrandom(&octet, 1, 0) != 1)
		return EXIT_OTHER;
	secret_close(&s);
	free(malloc(10 << 20));
	return verdict(write(pipe_fds[1], "x", 1));
}

/* Expected at each level, in the order of enum sandbox_level: vault store front link import audit
 * optics.
 * '+' gets through; '-' is denied or killed; 'K' is killed. */
static const struct probe {
	const char *name;
	int (*run)(void);
	const char *expected;
} probes[] = {
	{"ordinary work", probe_ordinary_work, "+++++++"},
	{"open /etc/passwd", probe_open_passwd, "-------"},
	{"create a file outside", probe_create_outside, "-------"},
	{"create a file inside", probe_create_inside, "-+---+-"},
	{"read the folder", probe_read_inside, "-+---+-"},
	{"socket tcp", probe_socket_tcp, "KKK+KKK"},
	{"socket udp", probe_socket_udp, "KKKKKKK"},
	{"connect an open socket", probe_connect_tcp, "KKK+KKK"},
	{"connect a new socket", probe_connect_new, "KKK+KKK"},
	{"accept", probe_accept, "KK++KK+"},
	{"thread", probe_thread, "-+-----"},
	{"execve", probe_execve, "KKKKKKK"},
	{"fork", probe_fork, "KKKKKKK"},
	{"ptrace", probe_ptrace, "KKKKKKK"},
	{"kill", probe_kill_parent, "KKKKKKK"},
	{"unlisted call", probe_unlisted, "KKKKKKK"},
#if !IS_SANITIZED
	{"executable memory", probe_code, "KKKKKKK"},
#endif
};

/* `request` NULL: no sandbox at all. */
static enum outcome attempt(const struct sandbox_request *request, int (*run)(void))
{
	int status = 0;

	fflush(NULL);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct complaint c = {0};
		alarm(10);
		if (request != NULL && failed(sandbox_enter(request, &c))) {
			fprintf(stderr, "sandbox: %s\n", c.text);
			_exit(EXIT_NO_SANDBOX);
		}
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : OTHER;
	assert_int_not_equal(WEXITSTATUS(status), EXIT_NO_SANDBOX);
	return WEXITSTATUS(status) == EXIT_THROUGH  ? THROUGH
	       : WEXITSTATUS(status) == EXIT_DENIED ? DENIED
						    : OTHER;
}

static bool is_expected(char expected, enum outcome outcome)
{
	switch (expected) {
	case '+':
		return outcome == THROUGH;
	case 'K':
		return outcome == KILLED;
	default:
		return outcome == DENIED || outcome == KILLED;
	}
}

static void test_each_level_lets_through_what_it_says_and_nothing_else(void **state)
{
	int wrong = 0;

	(void)state;
	for (enum sandbox_level level = 0; level < SANDBOX_LEVELS; level++) {
		const struct sandbox_request request = {.level = level, .folder = folder};
		for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
			const enum outcome o = attempt(&request, probes[i].run);
			if (is_expected(probes[i].expected[level], o))
				continue;
			print_error("%s: %s: outcome %d, expected %c\n", sandbox_level_name(level),
				probes[i].name, o, probes[i].expected[level]);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* The control: a probe that could never get through would prove nothing. */
static void test_without_a_sandbox_the_probes_get_through(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(probes); i++)
		if (attempt(NULL, probes[i].run) != THROUGH)
			fail_msg("%s does not get through without a sandbox", probes[i].name);
	unlink(outside);
}

static void test_a_read_folder_is_read_and_nothing_else(void **state)
{
	const struct sandbox_request request = {.level = SANDBOX_FRONT, .read_folder = folder};

	(void)state;
	if (sandbox_landlock_abi() == 0)
		skip();
	assert_int_equal(attempt(&request, probe_read_inside), THROUGH);
	assert_int_equal(attempt(&request, probe_open_passwd), DENIED);
	assert_true(is_expected('-', attempt(&request, probe_create_inside)));
}

static int probe_is_nobody(void)
{
	return geteuid() == 65534 && getuid() == 65534 ? EXIT_THROUGH : EXIT_OTHER;
}

static void test_the_user_is_dropped(void **state)
{
	const struct sandbox_request request = {.level = SANDBOX_FRONT, .user = "nobody"};
	const struct sandbox_request nobody_there = {
		.level = SANDBOX_FRONT, .user = "no-such-user"};
	struct complaint c = {0};

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIPPED: only root can drop to another user\n");
		skip();
	}
	assert_int_equal(attempt(NULL, probe_is_nobody), OTHER);
	assert_int_equal(attempt(&request, probe_is_nobody), THROUGH);
	assert_int_equal(sandbox_enter(&nobody_there, &c).kind, ERR_ABSENT);
	assert_string_equal(c.text, "user no-such-user does not exist");
}

static int status_number(const char *field)
{
	char line[256];
	int value = -1;

	FILE *status = fopen("/proc/self/status", "r");
	while (status != NULL && fgets(line, sizeof line, status) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			value = (int)strtol(line + strlen(field), NULL, 16);
	if (status != NULL)
		fclose(status);
	return value;
}

/* /proc is opened through read_folder: the only test that needs to look at itself from inside. */
static int probe_status(void)
{
	return status_number("NoNewPrivs:") == 1 && status_number("Seccomp:") == 2 &&
			       status_number("CapEff:") == 0 && status_number("CapPrm:") == 0 &&
			       status_number("CapBnd:") == 0
		       ? EXIT_THROUGH
		       : EXIT_OTHER;
}

static void test_the_kernel_says_so_too(void **state)
{
	const struct sandbox_request request = {.level = SANDBOX_FRONT, .read_folder = "/proc"};

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIPPED: only root has a bounding set to drop\n");
		skip();
	}
	assert_int_equal(attempt(&request, probe_status), THROUGH);
}

static int set_up(void **state)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof tcp_address;

	(void)state;
	snprintf(folder, sizeof folder, "/tmp/merlon-sandbox-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof file, "%s/file", folder);
	snprintf(outside, sizeof outside, "%s-outside", folder);
	listener_tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener_tcp, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener_tcp, 64), 0);
	assert_int_equal(getsockname(listener_tcp, (struct sockaddr *)&tcp_address, &len), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	open_socket = socket(AF_INET, SOCK_STREAM, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	unlink(outside);
	rmdir(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_sandbox_the_probes_get_through),
		cmocka_unit_test(test_each_level_lets_through_what_it_says_and_nothing_else),
		cmocka_unit_test(test_a_read_folder_is_read_and_nothing_else),
		cmocka_unit_test(test_the_user_is_dropped),
		cmocka_unit_test(test_the_kernel_says_so_too),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
