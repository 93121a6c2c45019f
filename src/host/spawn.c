// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { ASIDE = 256 }; /* above all targets */

/* Between fork and exec: system calls alone. */
static bool descriptors_place(const struct spawn *s)
{
	int aside[SPAWN_FDS_MAX];

	/* First out of the way: a source may sit on another's target. */
	for (size_t i = 0; i < s->fd_count; i++) {
		aside[i] = fcntl(s->fds[i], F_DUPFD, ASIDE);
		if (aside[i] < 0)
			return false;
	}
	for (size_t i = 0; i < s->fd_count; i++)
		if (dup2(aside[i], SPAWN_FD_FIRST + (int)i) < 0)
			return false;
	return close_range(SPAWN_FD_FIRST + (unsigned)s->fd_count, ~0u, 0) == 0;
}

_Noreturn static void child_main(const struct spawn *s, pid_t parent)
{
	static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(handled); i++)
		signal(handled[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	/* If the parent went before this, nobody will send the signal. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && descriptors_place(s))
		execve(s->path, s->argv, s->environment == NULL ? environ : s->environment);
	_exit(SPAWN_EXIT_NO_EXEC);
}

struct err spawn_start(const struct spawn *s, pid_t *pid, struct complaint *c)
{
	const pid_t parent = getpid();
	sigset_t all, old;

	if (access(s->path, X_OK) != 0)
		return complain(c, ERR(ABSENT), "cannot execute %s: %s", s->path, strerror(errno));
	/* A signal in the child before its exec would be handled as ours, in the pipe that we
	 * share. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	*pid = fork();
	if (*pid == 0)
		child_main(s, parent);
	const int error = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return *pid < 0 ? complain(c, ERR(IO), "cannot fork: %s", strerror(error)) : OK;
}
