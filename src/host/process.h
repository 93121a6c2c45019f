// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What every daemon process has in common. main() is one line:
 *
 *     int main(int argc, char **argv) { return process_main(argc, argv, &auc_front); }
 *
 * Life: exec'd by the supervisor with fd 3 (control channel) and the channels to its neighbours; receives its
 * settings; start() opens what needs privilege (ports, files); the framework drops the user and enters the
 * sandbox; ready. A neighbour that was restarted is handed over again through channel(). Reload
 * is two-phase: prepare on every process, commit only when all said OK. stop() is graceful and bounded.
 * A vault has no loop: see process_vault_main().
 */
#include "base/alarm.h"
#include "host/channel.h"
#include "host/loop.h"
#include "host/metrics.h"
#include "host/sandbox.h"
#include "host/settings.h"

struct process;
struct process_query; /* a question of the operator's, by the control socket */

struct process_kind {
	const char *name; /* "auc-front" */
	enum sandbox_level sandbox;
	/* Reads p->settings, opens ports and files. May set p->sandbox_folder. */
	struct err (*start)(struct process *p, struct complaint *c);
	/* A channel to neighbour `peer` (name as in the process table) is there, first or again. */
	void (*channel)(struct process *p, const char *peer, int fd);
	/* NULL: every changed setting needs a restart, and reload says so. */
	struct err (*reload_prepare)(struct process *p, const struct settings *next, struct complaint *c);
	void (*reload_commit)(struct process *p);
	/* Appends members to the status object: `"sessions":3,"vectors":12` without braces. */
	void (*status)(struct process *p, struct json_writer *json);
	/* A read-only question: `merlon keys trace ID` asks kms-store ("trace", "ID"). Answer now or later
	 * with process_query_answer(), in JSON. NULL: this process answers none. */
	void (*query)(struct process *p, const char *verb, const char *argument, struct process_query *q);
	/* Stop taking work; call process_stopped() when the rest is done. NULL: at once. */
	void (*stop)(struct process *p);
};

struct process {
	const struct process_kind *kind;
	void *state; /* the daemon's own */
	struct loop loop;
	struct settings settings;
	struct log log;
	struct alarm_registry alarms; /* changes are logged and told to the supervisor */
	struct metrics metrics;
	struct clock_port clock;
	struct entropy entropy;
	const char *sandbox_folder;
};

/* `json` is a whole JSON value; with an error it is a message for the operator. */
void process_query_answer(struct process_query *q, struct err err, struct span json);

int process_main(int argc, char **argv, const struct process_kind *kind);
void process_stopped(struct process *p);
/* Durability or our own invariant is gone: log, alarm, exit with 70 so that the supervisor restarts us. */
_Noreturn void process_fail(struct process *p, const char *why);

/* A vault: settings, then `open` (reads key files), sandbox, then channel_serve() on its one channel until it closes. */
struct vault_kind {
	const char *name;
	struct err (*open)(void **state, const struct settings *settings, struct complaint *c);
	channel_serve_fn *serve;
};
int process_vault_main(int argc, char **argv, const struct vault_kind *kind);
