// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The supervisor: starts the processes of a site from a table, in its order, and keeps them
 * running.
 *
 * A row that names neighbours gets a socketpair to each. A process that dies, however it dies, is
 * started again after a pause that doubles (SUPERVISOR_BACKOFF_*), and the new ends of its channels
 * are handed to those that lived on. A vault takes its one channel at exec alone: it is started
 * when its neighbour is ready, dies when that channel closes, and is then started again.
 *
 *   IDLE -> STARTING -> READY -> STOPPING -> IDLE
 *             |  ^        |
 *             v  |        v
 *            WAITING <----+     died: pause over, and a vault's neighbour ready
 *
 * A process that lives but answers nothing is hung: it is killed, and so started again. Those with a
 * loop are asked for a sign of life; that a vault hangs its neighbour reports (process_stuck()).
 *
 * Reload is all or nothing: each process prepares; only when all said OK, all commit. The
 * supervisor keeps the one list of standing alarms, answers the control socket (host/control.h),
 * and takes the whole site with it when it goes (PR_SET_PDEATHSIG).
 */
#include "host/process.h"
#include "codec/proc_msg.h"

enum {
	SUPERVISOR_PROCESSES_MAX = 24,
	SUPERVISOR_NEIGHBOURS_MAX = 8,
	SUPERVISOR_WORDS_MAX = 16,
	SUPERVISOR_WORD_MAX = 256,
	SUPERVISOR_ALARMS_MAX = 256
};
enum {
	SUPERVISOR_BACKOFF_MS_MIN = 100,
	SUPERVISOR_BACKOFF_MS_MAX = 10000,
	SUPERVISOR_STABLE_MS = 30000, /* ran so long: the next pause is short again */
	SUPERVISOR_START_MS_MAX = 60000,
	SUPERVISOR_ASK_MS_MAX = 5000
};
/* The sign of life: asked for so often, waited for so long. One that is late may be the machine's
 * fault, or ours; so many in a row are a hang. */
enum {
	SUPERVISOR_SIGN_EVERY_MS = 2000,
	SUPERVISOR_SIGN_MS_MAX = 4000,
	SUPERVISOR_SIGNS_MISSED_MAX = 2
};

enum {
	ROW_VAULT = 1,    /* process_vault_main(); exactly one neighbour, an earlier row */
	ROW_EXTERNAL = 2, /* somebody else's program: words, environment; no control channel, no
			     settings */
	ROW_RUN_ONCE = 4 /* started by PROC_RUN_ONCE; with ROW_VAULT: together with its neighbour */
};

struct process_row {
	char name[PROC_NAME_MAX];
	char executable[SUPERVISOR_WORD_MAX]; /* "merlon-auc-store": beside our own; with '/': a
						 path */
	unsigned flags;
	size_t neighbour_count;
	char neighbours[SUPERVISOR_NEIGHBOURS_MAX]
		       [PROC_NAME_MAX]; /* named once, by either of the two */
	struct settings settings;
	/* ROW_EXTERNAL: arguments after the program's name; "NAME=value" */
	size_t argument_count, environment_count;
	char arguments[SUPERVISOR_WORDS_MAX][SUPERVISOR_WORD_MAX];
	char environment[SUPERVISOR_WORDS_MAX][SUPERVISOR_WORD_MAX];
};

/* Some megabytes: allocate it, zeroed. */
struct supervisor_plan {
	char site[PROC_NAME_MAX];
	char user[PROC_NAME_MAX];             /* "": processes keep ours */
	char run_folder[SUPERVISOR_WORD_MAX]; /* made where it is missing; control.sock lies in it
					       */
	enum log_level log_least;
	size_t count;
	struct process_row rows[SUPERVISOR_PROCESSES_MAX]; /* in the order of starting */
	/* At SIGHUP and PROC_RELOAD: fills the zeroed `next` anew from the configuration, but for
	 * these two. NULL: no reload. */
	void *ctx;
	struct err (*replan)(void *ctx, struct supervisor_plan *next, struct complaint *c);
};

enum { SUPERVISOR_SOCKET_PATH_MAX = SUPERVISOR_WORD_MAX + 16 };
void supervisor_socket_path(
	char out[static SUPERVISOR_SOCKET_PATH_MAX], const struct supervisor_plan *plan);

/*
 * Runs in the foreground until PROC_STOP, SIGTERM or SIGINT, and stops the rows in reverse order.
 * An error: a process refused to start the first time (its complaint is in `c`), or the site runs
 * already; nothing is left running.
 */
MUST_USE struct err supervisor_run(const struct supervisor_plan *plan, struct complaint *c);
