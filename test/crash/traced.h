// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A child that is stopped at entry and at exit of each of its system calls, in all its threads
 * (ptrace), and killed with SIGKILL at the one that is asked for. At entry the call does not happen
 * any more; at exit it has happened and nobody was told.
 *
 * State leaves a process by system calls alone (nothing of ours maps a file for writing), so killing
 * at each of them is killing at every instruction that makes a difference.
 *
 * The tracer is a thread, since ptrace belongs to one: it forks the child, and ends with it.
 */
#include "base/attr.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum traced_which {
	TRACED_ALL,  /* every system call */
	TRACED_PATH, /* those by which something leaves the process: to a file, or to a neighbour */
};

enum { TRACED_STOPS_MAX = 65536 };

struct traced {
	/* Asked for. */
	const char *path;
	char **argv, **environment;
	int fds[16]; /* become 3, 4, … */
	int fd_count;
	bool is_plain; /* not traced: started and waited for */
	enum traced_which which;
	uint64_t kill_at; /* the n-th stop of `which`, from 1; 0: none */
	/* Told. */
	pid_t pid;
	uint64_t stops; /* of `which`, so far */
	bool was_killed;
	int call;        /* where it was killed: the system call … */
	bool is_entry;   /* … and whether it still was to happen */
	int exit_status; /* of waitpid(2), once it has ended */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t started;
};

/* Returns once the child has been forked; its ends of `fds` may be closed then. */
void traced_start(struct traced *t);
/* Waits for its end. */
void traced_join(struct traced *t);
