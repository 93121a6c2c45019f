// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t lab_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void lab_sleep_ms(unsigned ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

struct err child_enter_space(const char *space, struct complaint *c)
{
	char path[CHILD_PATH_MAX];

	snprintf(path, sizeof path, "/run/netns/%s", space);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
		const int why = errno;
		if (fd >= 0)
			close(fd);
		return complain(c, ERR(IO), "network namespace %s: %s", space, strerror(why));
	}
	close(fd);
	return OK;
}

/* In the child, between fork and exec; what goes wrong is said on its standard error. */
_Noreturn static void become(
	const char *space, const char *work_folder, int out, int log, const char *const argv[])
{
	struct complaint c = {0};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0); /* Ctrl-C is for the lab, which then stops things in order */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	const int null = open("/dev/null", O_RDONLY);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	if (space != NULL && failed(child_enter_space(space, &c))) {
		fprintf(stderr, "%s\n", c.text);
		_exit(126);
	}
	if (work_folder != NULL && chdir(work_folder) != 0) {
		fprintf(stderr, "%s: %s\n", work_folder, strerror(errno));
		_exit(126);
	}
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int log_open(const char *log)
{
	return open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

struct err child_start(struct child *child, const char *name, const char *space,
	const char *work_folder, const char *log, const char *const argv[], struct complaint *c)
{
	const int fd = log_open(log);

	*child = (struct child){.name = name};
	if (fd < 0)
		return complain(c, ERR(IO), "%s: %s", log, strerror(errno));
	snprintf(child->log, sizeof child->log, "%s", log);
	const pid_t pid = fork();
	if (pid == 0)
		become(space, work_folder, fd, fd, argv);
	close(fd);
	if (pid < 0)
		return complain(c, ERR(IO), "%s: fork: %s", name, strerror(errno));
	child->pid = pid;
	return OK;
}

bool child_is_alive(struct child *child)
{
	if (child->pid == 0)
		return false;
	if (waitpid(child->pid, &child->status, WNOHANG) != child->pid)
		return true;
	child->pid = 0;
	return false;
}

void child_stop(struct child *child, unsigned grace_ms)
{
	const uint64_t end = lab_now_ms() + grace_ms;

	if (!child_is_alive(child))
		return;
	kill(child->pid, SIGTERM);
	while (child_is_alive(child) && lab_now_ms() < end)
		lab_sleep_ms(20);
	if (child->pid == 0)
		return;
	kill(child->pid, SIGKILL);
	waitpid(child->pid, &child->status, 0);
	child->pid = 0;
}

/* Reads until the other end closes or the deadline passes; what does not fit is read and dropped.
 */
static bool read_all(int fd, char *out, size_t out_size, uint64_t end)
{
	char chunk[4096];
	size_t len = 0;

	for (;;) {
		const uint64_t now = lab_now_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (now >= end || poll(&p, 1, (int)(end - now)) == 0)
			break;
		const ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			out[len] = '\0';
			return true;
		}
		const size_t room = out_size - 1 - len;
		const size_t take = (size_t)n < room ? (size_t)n : room;
		memcpy(out + len, chunk, take);
		len += take;
	}
	out[len] = '\0';
	return false;
}

static void trim(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
}

static struct err run_judge(const char *program, int status, const char *said, struct complaint *c)
{
	const size_t len = strlen(said);
	const char *end = len > 300 ? said + len - 300 : said;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return OK;
	if (WIFEXITED(status))
		return complain(
			c, ERR(STATE), "%s ended with %d: %s", program, WEXITSTATUS(status), end);
	return complain(c, ERR(STATE), "%s was ended by signal %d", program, WTERMSIG(status));
}

struct err child_run(const char *space, const char *log, const char *const argv[], char *out,
	size_t out_size, unsigned deadline_ms, struct complaint *c)
{
	const uint64_t end = lab_now_ms() + deadline_ms;
	int pipe_fds[2], status = 0;

	out[0] = '\0';
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return complain(c, ERR(IO), "pipe: %s", strerror(errno));
	const int log_fd = log != NULL ? log_open(log) : dup(pipe_fds[1]);
	const pid_t pid = fork();
	if (pid == 0)
		become(space, NULL, pipe_fds[1], log_fd, argv);
	close(pipe_fds[1]);
	close(log_fd);
	const bool is_done = pid > 0 && read_all(pipe_fds[0], out, out_size, end);
	close(pipe_fds[0]);
	if (pid < 0)
		return complain(c, ERR(IO), "fork: %s", strerror(errno));
	if (!is_done)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	trim(out);
	if (!is_done)
		return complain(
			c, ERR(TIMEOUT), "%s did not end within %u ms", argv[0], deadline_ms);
	return run_judge(argv[0], status, out, c);
}

void child_log_tail(const char *log, char *text, size_t text_size)
{
	FILE *f = fopen(log, "rbe");

	text[0] = '\0';
	if (f == NULL)
		return;
	fseek(f, 0, SEEK_END);
	const long size = ftell(f);
	const long from = size > (long)text_size - 1 ? size - (long)text_size + 1 : 0;
	fseek(f, from, SEEK_SET);
	const size_t len = fread(text, 1, text_size - 1, f);
	fclose(f);
	text[len] = '\0';
	char *line = from > 0 ? strchr(text, '\n') : NULL;
	if (line != NULL)
		memmove(text, line + 1, strlen(line));
	trim(text);
}
