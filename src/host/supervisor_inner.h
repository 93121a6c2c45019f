// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the parts of the supervisor share: supervisor.c lives and dies, supervisor_child.c starts
 * one process, supervisor_watch.c notices that one hangs, supervisor_ask.c answers the control socket.
 * Inside host/. */
#include "host/control.h"
#include "host/supervisor.h"

enum child_state { CHILD_IDLE, CHILD_WAITING, CHILD_STARTING, CHILD_READY, CHILD_STOPPING };

struct child {
	struct supervisor *supervisor;
	size_t index; /* of its row, in the plan of the day */
	enum child_state state;
	pid_t pid;       /* 0: none */
	int exit_status; /* as by waitpid(2) */
	struct channel *control;
	int handover;            /* -1: none */
	struct loop_timer timer; /* pause, bound of starting, bound of stopping: by state */
	bool is_paused;          /* WAITING: the pause is not over */
	uint64_t restarts, backoff_ms, started_mono_ms;
	bool is_sign_asked;
	unsigned signs_missed; /* in a row */
	bool is_hung;          /* the alarm stands: killed, and not yet back for long */
	uint64_t hangs;
	struct complaint complaint; /* why it refused to start */
	/* ROW_RUN_ONCE, while it runs: */
	struct control_client *asker;
	int file; /* -1: none */
	char argument[PROC_ARGUMENT_MAX];
	bool has_result;
	struct err result;
	char *result_text;
	size_t result_len;
};

struct site_alarm {
	bool stands;
	size_t child;
	struct proc_alarm alarm;
};

struct supervisor {
	struct loop loop;
	struct log log;
	struct clock_port clock;
	const struct supervisor_plan *plan;
	struct supervisor_plan *owned; /* the plan, where it came from a reload */
	struct supervisor_plan *next;  /* being prepared */
	struct child children[SUPERVISOR_PROCESSES_MAX];
	struct site_alarm alarms[SUPERVISOR_ALARMS_MAX];
	uint64_t alarms_lost;
	struct control_server *control;
	struct control_client *stop_asker;
	struct loop_timer end, watch;
	uv_signal_t signals[4];
	char folder[512]; /* where our own executable lies */
	uint64_t started_mono_ms;
	bool is_begun; /* every row has been ready once */
	bool is_stopping;
	struct err result;
	struct complaint *complaint;
};

static inline const struct process_row *child_row(const struct child *c)
{
	return &c->supervisor->plan->rows[c->index];
}

static inline bool child_is(const struct child *c, unsigned flag)
{
	return (child_row(c)->flags & flag) != 0;
}

struct child *supervisor_find(struct supervisor *s, const char *name);
void supervisor_run_once(struct child *c); /* asker, file and argument are set */
void supervisor_stop(struct supervisor *s, struct err result, const char *cause);

/* supervisor_child.c */
bool are_neighbours(const struct child *a, const struct child *b);
bool child_can_start(const struct child *c); /* a vault's neighbour is ready */
struct err child_spawn(struct child *c, struct complaint *complaint);
/* supervisor.c hears: */
void child_told_ready(struct child *c, struct err err, struct span text);
void child_control_closed(struct child *c);

/* supervisor_alarm.c */
void alarm_take(struct supervisor *s, size_t child, const struct proc_alarm *alarm);
void alarms_forget(struct supervisor *s, size_t child); /* it died: what it had seen is stale */
extern const struct alarm_kind process_down, process_hung;
void alarm_of_process(
	struct child *c, const struct alarm_kind *kind, bool is_raised, const char *text);

/* supervisor_watch.c */
void watch_open(struct supervisor *s);
void child_hung(struct child *c, const char *how); /* kills it */
void child_report_stuck(struct child *reporter, const char *vault);

/* supervisor_ask.c */
void supervisor_request(
	void *ctx, struct control_client *client, uint16_t type, struct span body, int fd);
void supervisor_reload(struct supervisor *s, struct control_client *client);
void supervisor_metrics_tell(
	struct child *c, uint64_t request_id); /* a child asks for the whole site's */
