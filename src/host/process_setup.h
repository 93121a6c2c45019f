// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The first minute of a child, the same with and without a loop: arguments, settings, log. Inside
 * host/. */
#include "codec/proc_msg.h"
#include "host/process.h"

enum { PROCESS_CHANNELS_MAX = 16 };

struct process_argument {
	char peer[PROC_NAME_MAX];
	int fd;
};

struct process_setup {
	struct proc_setup message;
	struct process_argument channels[PROCESS_CHANNELS_MAX];
	size_t channel_count;
};

/* Reads `--channel NAME=FD` … and the first frame on fd 3 (blocking). ERR_STATE, and a line on
 * stderr: not started by the supervisor. */
MUST_USE struct err process_setup_receive(
	struct process_setup *setup, struct settings *settings, int argc, char **argv);

/* Blocking, for those whose loop does not run: a vault, and a child that could not start. */
void process_ready_send(struct err err, const char *text);

/* JSON lines on stderr. `process` is kept. */
struct log log_stderr(const char *process, enum log_level least);

/* What OpenSSL does at first use (its own files, its tables, its random generator) done now. */
MUST_USE struct err process_crypto_warm_up(void);
