// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What every daemon process has in common. main() is one line:
 *
 *     int main(int argc, char **argv) { return process_main(argc, argv, &auc_front); }
 *
 * Life: exec'd by the supervisor with fd 3 (control channel), fd 4 (where later channels are handed
 * over) and
 * `--channel NAME=FD` for each neighbour that is alive; receives its settings; start() opens what
 * needs privilege (ports, files); the framework drops the user and enters the sandbox; begin()
 * opens what may be opened inside (a database) and may start threads: before the sandbox they would
 * stay outside of it; channel() for each neighbour; ready. A neighbour that was restarted is handed
 * over again through channel(). Reload is two-phase: prepare on every process, commit only when all
 * said OK; what was prepared and not committed is dropped at the next prepare. stop() is graceful
 * and bounded.
 *
 * Exit: 0 stopped; 64 not started by the supervisor; 70 process_fail(); 78 start refused, with a
 * complaint. A vault has no loop: see process_vault_main().
 */
#include "base/alarm.h"
#include "host/channel.h"
#include "host/loop.h"
#include "host/metrics.h"
#include "host/sandbox.h"
#include "host/settings.h"

struct process;
enum { PROCESS_CONTROL_FD = 3, PROCESS_HANDOVER_FD = 4 };
enum { PROCESS_STOP_MS_MAX = 5000, PROCESS_QUERIES_MAX = 64, PROCESS_STATUS_MAX = 64 << 10 };
enum { PROCESS_EXIT_USAGE = 64, PROCESS_EXIT_FAILED = 70, PROCESS_EXIT_REFUSED = 78 };

struct process_query; /* a question of the operator's, by the control socket */

struct process_kind {
	const char *name; /* "auc-front" */
	enum sandbox_level sandbox;
	/* Before the sandbox. Reads p->settings, opens ports and files. May set p->sandbox_folder
	 * and p->sandbox_read_folder. No threads yet. */
	struct err (*start)(struct process *p, struct complaint *c);
	/* Inside the sandbox, as the site's user. NULL: nothing. */
	struct err (*begin)(struct process *p, struct complaint *c);
	/* A channel to neighbour `peer` (name as in the process table) is there, first or again. */
	void (*channel)(struct process *p, const char *peer, int fd);
	/* NULL: every changed setting needs a restart, and reload says so. Asked also where nothing
	 * changed: files that settings name may have. `next` stays until the commit; then
	 * p->settings is it. */
	struct err (*reload_prepare)(
		struct process *p, const struct settings *next, struct complaint *c);
	void (*reload_commit)(struct process *p);
	/* Appends members to the status object: `"sessions":3,"vectors":12` without braces. */
	void (*status)(struct process *p, struct json_writer *json);
	/* A read-only question: `merlon keys trace ID` asks kms-store ("trace", "ID"). Answer now
	 * or later with process_query_answer(), in JSON. NULL: this process answers none. */
	void (*query)(
		struct process *p, const char *verb, const char *argument, struct process_query *q);
	/* Stop taking work; call process_stopped() when the rest is done, within
	 * PROCESS_STOP_MS_MAX. NULL: at once. */
	void (*stop)(struct process *p);
};

struct process {
	const struct process_kind *kind;
	void *state;      /* the daemon's own */
	const char *name; /* in the process table: may differ from kind->name */
	const char *site;
	struct loop loop;
	struct settings settings;
	struct log log;
	struct alarm_registry alarms; /* changes are logged and told to the supervisor */
	struct metrics metrics;
	struct clock_port clock;
	struct entropy entropy;
	const char *sandbox_folder, *sandbox_read_folder;
};

/* `json` is a whole JSON value; with an error it is a message for the operator. */
void process_query_answer(struct process_query *q, struct err err, struct span json);

int process_main(int argc, char **argv, const struct process_kind *kind);
void process_stopped(struct process *p);
/* Asks for the metrics of the whole site: `answered` gets a proc_outcome (codec/proc_msg.h). */
MUST_USE struct err process_site_metrics(
	struct process *p, channel_answered_fn *answered, void *ctx);
/* Our vault has answered nothing for long, though it was asked: the supervisor kills it, and a new one
 * comes through channel(). */
void process_stuck(struct process *p, const char *vault);
/* A run-once process (an import) is done: `json` is a whole value, or with an error a sentence.
 * Then it stops. */
void process_result(struct process *p, struct err err, struct span json);
/* Durability or our own invariant is gone: log, alarm, exit with 70 so that the supervisor restarts
 * us. */
_Noreturn void process_fail(struct process *p, const char *why);

/* A vault: settings, then `open` (reads key files), sandbox, then channel_serve() on its one
 * channel until it closes. */
struct vault_kind {
	const char *name;
	/* Runs before the sandbox. `state` is serve()'s context. */
	struct err (*open)(void **state, const struct settings *settings, struct complaint *c);
	channel_serve_fn *serve;
};
int process_vault_main(int argc, char **argv, const struct vault_kind *kind);
