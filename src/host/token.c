// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "token.h"
#include "kek_file.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VARIABLES_MAX = 256, TOKEN_MADE_ALREADY = 2 };

struct asked {
	const struct token_question *q;
	const char *verb;
	char program[512];
	char *environment[VARIABLES_MAX + TOKEN_ENVIRONMENT_MAX + 1];
	const struct passwd *user; /* NULL: as we are */
	int pin[2], answer[2];
	pid_t pid;
};

static struct err program_find(struct asked *a, struct complaint *c)
{
	const ssize_t len = readlink("/proc/self/exe", a->program, sizeof a->program - 1);
	char *slash;

	if (len <= 0)
		return complain(c, ERR(IO), "/proc/self/exe: %s", strerror(errno));
	a->program[len] = '\0';
	slash = strrchr(a->program, '/');
	const size_t left = sizeof a->program - (size_t)(slash + 1 - a->program);
	if ((size_t)snprintf(slash + 1, left, "merlon-auc-token") >= left)
		return ERR(LIMIT);
	return access(a->program, X_OK) == 0
		       ? OK
		       : complain(c, ERR(ABSENT), "%s: %s", a->program, strerror(errno));
}

static struct err environment_join(struct asked *a)
{
	size_t count = 0;

	for (char **v = environ; *v != NULL; v++) {
		if (count == VARIABLES_MAX)
			return ERR(LIMIT);
		a->environment[count++] = *v;
	}
	for (size_t i = 0; i < TOKEN_ENVIRONMENT_MAX && a->q->environment[i] != NULL; i++)
		a->environment[count++] = (char *)(uintptr_t)a->q->environment[i];
	a->environment[count] = NULL;
	return OK;
}

static struct err user_find(struct asked *a, struct complaint *c)
{
	if (a->q->user == NULL || geteuid() != 0)
		return OK;
	a->user = getpwnam(a->q->user);
	return a->user != NULL ? OK
			       : complain(c, ERR(ABSENT), "user %s does not exist", a->q->user);
}

/* The PIN waits in the pipe before there is a process to read it. */
static struct err pin_put(struct asked *a, struct complaint *c)
{
	struct secret pin;

	struct err e = text_file_read(a->q->pin_file, "pin_file", 1, TOKEN_PIN_MAX, &pin, c);
	if (failed(e))
		return e;
	if (write(a->pin[1], pin.bytes, pin.len) != (ssize_t)pin.len)
		e = ERR(IO);
	secret_close(&pin);
	close(a->pin[1]);
	a->pin[1] = -1;
	return e;
}

static bool user_become(const struct passwd *user)
{
	return user == NULL || (setgroups(0, NULL) == 0 &&
				       setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
				       setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0);
}

/* Between fork and exec: system calls alone. */
_Noreturn static void child_main(const struct asked *a, pid_t parent)
{
	const struct rlimit none = {0, 0};
	char *const argv[] = {(char *)(uintptr_t)a->program, (char *)(uintptr_t)a->verb,
		(char *)(uintptr_t)a->q->module, (char *)(uintptr_t)a->q->token,
		(char *)(uintptr_t)a->q->key, NULL};
	const int nothing = open("/dev/null", O_WRONLY);

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	/* Out of the way first: a source may sit on another's target. */
	const int pin = fcntl(a->pin[0], F_DUPFD, 64), answer = fcntl(a->answer[1], F_DUPFD, 64);
	alarm(TOKEN_MS_MAX / 1000 + 1);
	if (nothing >= 0 && dup2(pin, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 &&
		dup2(answer, TOKEN_ANSWER_FD) >= 0 &&
		close_range(TOKEN_ANSWER_FD + 1, ~0u, 0) == 0 && user_become(a->user) &&
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && setrlimit(RLIMIT_CORE, &none) == 0 &&
		prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
		execve(a->program, argv, a->environment);
	_exit(71);
}

static int64_t now_ms(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the end of what it says, or of its time. */
static bool answer_read(struct asked *a, struct span_mut out, size_t *len)
{
	const int64_t end = now_ms() + TOKEN_MS_MAX;

	for (*len = 0; *len < out.len;) {
		struct pollfd p = {.fd = a->answer[0], .events = POLLIN};
		const int64_t left = end - now_ms();
		const int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		const ssize_t n = read(a->answer[0], out.at + *len, out.len - *len);
		if (n <= 0)
			return n == 0;
		*len += (size_t)n;
	}
	return true;
}

static void pipes_close(struct asked *a)
{
	const int fds[] = {a->pin[0], a->pin[1], a->answer[0], a->answer[1]};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* What a process with somebody else's code says is not believed to be text. */
static void sentence_clean(uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[i] = '?';
	text[len] = '\0';
}

static struct err outcome_of(const struct asked *a, bool is_whole, int status, uint8_t *text,
	size_t len, struct complaint *c)
{
	if (!is_whole)
		return complain(c, ERR(TIMEOUT), "token %s: no answer within %d s", a->q->token,
			TOKEN_MS_MAX / 1000);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return OK;
	sentence_clean(text, len);
	const enum err_kind kind =
		WIFEXITED(status) && WEXITSTATUS(status) == TOKEN_MADE_ALREADY ? ERR_STATE : ERR_IO;
	return len > 0 ? complain(c, (struct err){kind}, "%s", (const char *)text)
		       : complain(c, ERR(IO),
				 "token %s: merlon-auc-token ended with status %d, and "
				 "said nothing",
				 a->q->token, status);
}

static struct err ask_started(
	struct asked *a, struct span_mut out, size_t *len, struct complaint *c)
{
	int status = 0;

	close(a->answer[1]);
	a->answer[1] = -1;
	const bool is_whole = answer_read(a, out, len);
	if (!is_whole)
		kill(a->pid, SIGKILL);
	while (waitpid(a->pid, &status, 0) < 0 && errno == EINTR)
		;
	return outcome_of(a, is_whole, status, out.at, *len, c);
}

static struct err ask(const struct token_question *q, const char *verb, struct span_mut out,
	size_t *len, struct complaint *c)
{
	struct asked a = {.q = q, .verb = verb, .pin = {-1, -1}, .answer = {-1, -1}};
	const pid_t parent = getpid();

	struct err e = program_find(&a, c);
	if (!failed(e))
		e = environment_join(&a);
	if (!failed(e))
		e = user_find(&a, c);
	if (!failed(e) && (pipe2(a.pin, O_CLOEXEC) != 0 || pipe2(a.answer, O_CLOEXEC) != 0))
		e = ERR(IO);
	if (!failed(e))
		e = pin_put(&a, c);
	if (!failed(e)) {
		a.pid = fork();
		if (a.pid == 0)
			child_main(&a, parent);
		e = a.pid < 0 ? ERR(IO) : ask_started(&a, out, len, c);
	}
	pipes_close(&a);
	return failed(e) ? complain(c, e, "token %s: %s", q->token, err_word(e)) : OK;
}

struct err token_derive(const struct token_question *q, struct secret *root, struct complaint *c)
{
	struct secret answer;
	size_t len = 0;

	*root = (struct secret){0};
	struct err e = secret_open(&answer, TOKEN_SENTENCE_MAX + 1);
	if (failed(e))
		return e;
	e = ask(q, "derive", span_mut_of(answer.bytes, TOKEN_SENTENCE_MAX), &len, c);
	if (!failed(e) && len != TOKEN_ROOT)
		e = complain(c, ERR(CRYPTO), "token %s: %zu octets came instead of %d", q->token,
			len, TOKEN_ROOT);
	if (!failed(e))
		e = secret_copy(root, span_of(answer.bytes, TOKEN_ROOT));
	secret_close(&answer);
	return e;
}

struct err token_key_make(const struct token_question *q, struct complaint *c)
{
	uint8_t answer[TOKEN_SENTENCE_MAX + 1];
	size_t len = 0;

	return ask(q, "make", span_mut_of(answer, TOKEN_SENTENCE_MAX), &len, c);
}
