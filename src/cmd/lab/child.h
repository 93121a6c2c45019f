// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Programs that the lab runs: each in one of the lab's network namespaces (NULL: where the lab
 * itself is), with its output in a log file. They die with the lab, however that ends.
 */
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CHILD_PATH_MAX = 256, CHILD_ARGS_MAX = 40 };

struct child {
	const char *name;
	pid_t pid;  /* 0: not running */
	int status; /* of waitpid, when it has ended */
	char log[CHILD_PATH_MAX];
};

/* Standard output and error are appended to `log`. `work_folder` NULL: stays where it is. */
MUST_USE struct err child_start(struct child *child, const char *name, const char *space,
	const char *work_folder, const char *log, const char *const argv[], struct complaint *c);
bool child_is_alive(struct child *child);
/* SIGTERM, and after `grace_ms` SIGKILL. Waits for its end. */
void child_stop(struct child *child, unsigned grace_ms);

/*
 * Runs to the end. Its standard output goes to `out` (NUL-terminated, cut to size), standard error
 * to `log`, or with it where `log` is NULL. An exit code other than 0 is ERR_STATE with what it
 * said; past the deadline it is killed: ERR_TIMEOUT.
 */
MUST_USE struct err child_run(const char *space, const char *log, const char *const argv[],
	char *out, size_t out_size, unsigned deadline_ms, struct complaint *c);

/* The last whole lines of a file that fit. */
void child_log_tail(const char *log, char *text, size_t text_size);
uint64_t lab_now_ms(void);
void lab_sleep_ms(unsigned ms);

/* For tests of what starts in a namespace: enters it, or says why not. */
MUST_USE struct err child_enter_space(const char *space, struct complaint *c);
