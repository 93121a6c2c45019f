// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* fork and exec with exactly the descriptors that a child shall have. Inside host/. */
#include "base/err.h"
#include <sys/types.h>

enum { SPAWN_FDS_MAX = 24, SPAWN_FD_FIRST = 3 };

struct spawn {
	const char *path;
	char *const *argv;
	char *const *environment; /* NULL: ours */
	int fds[SPAWN_FDS_MAX]; /* become 3, 4, … in the child; all others but 0, 1, 2 are closed
				   there */
	size_t fd_count;
};

/* The child dies with us (PR_SET_PDEATHSIG) and has a process group of its own: signals from a
 * terminal reach us alone. It exits with 71 when exec fails. */
MUST_USE struct err spawn_start(const struct spawn *s, pid_t *pid, struct complaint *c);

enum { SPAWN_EXIT_NO_EXEC = 71 };
