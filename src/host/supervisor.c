// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Life and death of processes: the states of supervisor.h. */
#include "supervisor_inner.h"
#include "host/process_setup.h"
#include "host/spawn.h"
#include "base/secret.h"
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOP_MS_MAX = PROCESS_STOP_MS_MAX + 1000, END_MS = 50 };

static void start_next(struct supervisor *s);
static void stop_next(struct supervisor *s);
static void child_start(struct child *c);

void supervisor_socket_path(
	char out[static SUPERVISOR_SOCKET_PATH_MAX], const struct supervisor_plan *plan)
{
	snprintf(out, SUPERVISOR_SOCKET_PATH_MAX, "%s/control.sock", plan->run_folder);
}

struct child *supervisor_find(struct supervisor *s, const char *name)
{
	for (size_t i = 0; i < s->plan->count; i++)
		if (strcmp(s->plan->rows[i].name, name) == 0)
			return &s->children[i];
	return NULL;
}

static void child_log(struct child *c, enum log_level level, const char *event, const char *cause)
{
	struct log_record r;

	log_begin(&r, &c->supervisor->log, level, "host", event);
	log_text(&r, "process", child_row(c)->name);
	if (c->pid > 0)
		log_i64(&r, "pid", c->pid);
	if (cause != NULL)
		log_text(&r, "cause", cause);
	log_end(&r);
}

/* ---- Starting ---- */

/* Its asker gets the result that it told, or how it ended. */
static void run_once_end(struct child *c, const char *how)
{
	const bool is_good = WIFEXITED(c->exit_status) && WEXITSTATUS(c->exit_status) == 0;
	const char *text = c->has_result                  ? c->result_text
			   : c->complaint.text[0] != '\0' ? c->complaint.text
			   : is_good                      ? "null"
							  : how;
	const struct err e = c->has_result ? c->result : is_good ? OK : ERR(IO);

	if (c->asker != NULL)
		control_answer(
			c->asker, e, c->has_result ? span_of(text, c->result_len) : span_str(text));
	c->asker = NULL;
	free(c->result_text);
	c->result_text = NULL;
	c->has_result = false;
	if (c->file >= 0)
		close(c->file);
	c->file = -1;
	c->state = CHILD_IDLE;
	/* A vault that still waits for it waits no longer. */
	for (size_t i = 0; i < c->supervisor->plan->count; i++)
		if (child_is(&c->supervisor->children[i], ROW_RUN_ONCE) &&
			c->supervisor->children[i].state == CHILD_WAITING)
			c->supervisor->children[i].state = CHILD_IDLE;
}

static void child_pause(struct child *c)
{
	const uint64_t now = clock_now(&c->supervisor->clock).mono_ms;

	if (c->backoff_ms == 0 || now - c->started_mono_ms >= SUPERVISOR_STABLE_MS)
		c->backoff_ms = SUPERVISOR_BACKOFF_MS_MIN;
	c->state = CHILD_WAITING;
	c->is_paused = true;
	loop_timer_once(&c->timer, c->backoff_ms);
	c->backoff_ms = c->backoff_ms * 2 < SUPERVISOR_BACKOFF_MS_MAX ? c->backoff_ms * 2
								      : SUPERVISOR_BACKOFF_MS_MAX;
}

static void child_ready(struct child *c)
{
	struct supervisor *s = c->supervisor;

	c->state = CHILD_READY;
	loop_timer_stop(&c->timer);
	alarm_of_process(c, &process_down, false, "");
	child_log(c, LOG_INFO, "process_ready", NULL);
	for (size_t i = 0; i < s->plan->count; i++)
		if (s->children[i].state == CHILD_WAITING && !s->children[i].is_paused)
			child_start(&s->children[i]);
	if (!s->is_begun)
		start_next(s);
}

void child_told_ready(struct child *c, struct err err, struct span text)
{
	if (c->state != CHILD_STARTING)
		return;
	if (failed(err))
		complain(&c->complaint, err, "%.*s", (int)text.len, (const char *)text.at);
	else
		child_ready(c);
}

static void child_start(struct child *c)
{
	if (c->supervisor->is_stopping)
		return;
	c->complaint.text[0] = '\0';
	c->exit_status = SPAWN_EXIT_NO_EXEC << 8; /* until it ends otherwise */
	if (!child_can_start(c)) {
		c->state = CHILD_WAITING;
		c->is_paused = false; /* its neighbour's readiness starts it */
		return;
	}
	const struct err e = child_spawn(c, &c->complaint);
	if (failed(e) && c->pid == 0) {
		child_log(c, LOG_ERROR, "process_not_started", c->complaint.text);
		if (child_is(c, ROW_RUN_ONCE))
			run_once_end(c, "not started");
		else if (c->supervisor->is_begun)
			child_pause(c);
		else
			supervisor_stop(c->supervisor, e, c->complaint.text);
		return;
	}
	c->state = CHILD_STARTING;
	loop_timer_once(&c->timer, SUPERVISOR_START_MS_MAX);
	child_log(c, LOG_INFO, "process_started", NULL);
	if (child_is(c, ROW_EXTERNAL))
		child_ready(c);
}

/* The first start goes row by row, each when the one before is ready. */
static void start_next(struct supervisor *s)
{
	for (size_t i = 0; i < s->plan->count; i++) {
		struct child *c = &s->children[i];
		if (child_is(c, ROW_RUN_ONCE) || c->state == CHILD_READY)
			continue;
		if (c->state == CHILD_IDLE)
			child_start(c);
		return; /* the rest when this one is ready */
	}
	s->is_begun = true;
	struct log_record r;
	log_begin(&r, &s->log, LOG_NOTICE, "host", "site_ready");
	log_text(&r, "site", s->plan->site);
	log_end(&r);
}

/* The vault of an import waits for it, as every vault waits for its neighbour. */
void supervisor_run_once(struct child *c)
{
	struct supervisor *s = c->supervisor;

	child_start(c);
	for (size_t i = 0; i < s->plan->count; i++) {
		struct child *vault = &s->children[i];
		if (child_is(vault, ROW_RUN_ONCE) && child_is(vault, ROW_VAULT) &&
			vault->state == CHILD_IDLE &&
			strcmp(child_row(vault)->neighbours[0], child_row(c)->name) == 0)
			child_start(vault);
	}
}

/* ---- Ending ---- */

static void how_it_ended(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "killed by signal %d%s", WTERMSIG(status),
			WTERMSIG(status) == SIGSYS
				? " (sandbox: a system call that its level does not allow)"
				: "");
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

/* An import begins at once when another has ended; then that one's vault may still be ending, and
 * the new one's is started only now. */
static void next_vault_start(struct child *vault)
{
	const struct child *import =
		child_is(vault, ROW_VAULT)
			? supervisor_find(vault->supervisor, child_row(vault)->neighbours[0])
			: NULL;

	if (import != NULL && (import->state == CHILD_STARTING || import->state == CHILD_READY) &&
		vault->started_mono_ms < import->started_mono_ms)
		child_start(vault);
}

/* Dead, and all that it had said is read. */
static void child_gone(struct child *c)
{
	struct supervisor *s = c->supervisor;
	const enum child_state was = c->state;
	char how[128];

	how_it_ended(c->exit_status, how, sizeof how);
	loop_timer_stop(&c->timer);
	if (c->handover >= 0)
		close(c->handover);
	c->handover = -1;
	alarms_forget(s, c->index);
	c->state = CHILD_IDLE;
	child_log(c, was == CHILD_STOPPING ? LOG_INFO : LOG_WARN, "process_ended",
		c->complaint.text[0] != '\0' ? c->complaint.text : how);
	if (child_is(c, ROW_RUN_ONCE)) {
		run_once_end(c, how);
		next_vault_start(c);
	} else if (!s->is_stopping && !s->is_begun && was == CHILD_STARTING) {
		char cause[sizeof c->complaint.text + PROC_NAME_MAX];
		snprintf(cause, sizeof cause, "%s: %s", child_row(c)->name,
			c->complaint.text[0] != '\0' ? c->complaint.text : how);
		supervisor_stop(s, ERR(STATE), cause);
	} else if (!s->is_stopping) {
		c->restarts++;
		alarm_of_process(c, &process_down, true, how);
		if (c->is_hung)
			alarm_of_process(c, &process_hung, true, how);
		child_pause(c);
	}
	if (s->is_stopping)
		stop_next(s);
}

static void child_stop(struct child *c)
{
	if (c->state == CHILD_STOPPING || c->pid == 0)
		return;
	c->state = CHILD_STOPPING;
	loop_timer_once(&c->timer, STOP_MS_MAX);
	kill(c->pid, SIGTERM);
}

void child_control_closed(struct child *c)
{
	if (c->pid == 0)
		child_gone(c);
	else if (c->state == CHILD_READY)
		child_stop(c); /* about to exit; if not, it is no use without its control channel */
}

static void on_child_timer(void *ctx)
{
	struct child *c = ctx;

	if (c->state == CHILD_WAITING) {
		c->is_paused = false;
		child_start(c);
	} else if (c->pid > 0) {
		child_log(c, LOG_WARN, "process_killed",
			c->state == CHILD_STARTING ? "not ready in time" : "not stopped in time");
		kill(c->pid, SIGKILL);
	}
}

static void on_child_signal(struct supervisor *s)
{
	int status;

	for (size_t i = 0; i < s->plan->count; i++) {
		struct child *c = &s->children[i];
		if (c->pid == 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
			continue;
		c->pid = 0;
		c->exit_status = status;
		if (c->control == NULL)
			child_gone(c);
	}
}

/* ---- Stopping the site: in reverse order, a vault after the neighbour that still needs it ---- */

static void on_end(void *ctx)
{
	loop_stop(&((struct supervisor *)ctx)->loop);
}

static void site_end(struct supervisor *s)
{
	if (s->control == NULL)
		return;
	if (s->stop_asker != NULL)
		control_answer(s->stop_asker, OK, span_str("\"stopped\""));
	s->stop_asker = NULL;
	control_server_close(s->control);
	s->control = NULL;
	loop_timer_once(&s->end, END_MS); /* for the last answer to leave */
}

static struct child *last_alive(struct supervisor *s, unsigned is_vault)
{
	for (size_t i = s->plan->count; i > 0; i--) {
		struct child *c = &s->children[i - 1];
		if ((c->pid > 0 || c->control != NULL) &&
			(child_row(c)->flags & ROW_VAULT) == is_vault)
			return c;
	}
	return NULL;
}

static void stop_next(struct supervisor *s)
{
	struct child *c = last_alive(s, 0);

	if (c == NULL)
		c = last_alive(s, ROW_VAULT);
	if (c == NULL)
		site_end(s);
	else
		child_stop(c);
}

void supervisor_stop(struct supervisor *s, struct err result, const char *cause)
{
	struct log_record r;

	if (s->is_stopping)
		return;
	s->is_stopping = true;
	s->result = result;
	if (failed(result))
		complain(s->complaint, result, "%s", cause);
	log_begin(&r, &s->log, failed(result) ? LOG_ERROR : LOG_NOTICE, "host", "site_stops");
	log_text(&r, "cause", cause);
	log_end(&r);
	for (size_t i = 0; i < s->plan->count; i++)
		if (s->children[i].state == CHILD_WAITING) {
			loop_timer_stop(&s->children[i].timer);
			s->children[i].state = CHILD_IDLE;
		}
	stop_next(s);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct supervisor *s = handle->data;

	if (number == SIGCHLD)
		on_child_signal(s);
	else if (number == SIGHUP)
		supervisor_reload(s, NULL);
	else
		supervisor_stop(s, OK, number == SIGINT ? "SIGINT" : "SIGTERM");
}

/* ---- The frame around it ---- */

static void memory_lock_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	const rlim_t wanted = 2 * SECRET_OCTETS_MAX;
	const struct rlimit raised = {wanted > limit.rlim_cur ? wanted : limit.rlim_cur,
		wanted > limit.rlim_max ? wanted : limit.rlim_max};
	if (setrlimit(RLIMIT_MEMLOCK, &raised) != 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
}

static struct err folder_find(struct supervisor *s, struct complaint *c)
{
	const ssize_t len = readlink("/proc/self/exe", s->folder, sizeof s->folder - 1);

	if (len <= 0)
		return complain(c, ERR(IO), "/proc/self/exe: %s", strerror(errno));
	s->folder[len] = '\0';
	*strrchr(s->folder, '/') = '\0';
	return OK;
}

static struct err control_open(struct supervisor *s, struct complaint *c)
{
	char path[SUPERVISOR_SOCKET_PATH_MAX];
	const struct passwd *user = s->plan->user[0] == '\0' ? NULL : getpwnam(s->plan->user);

	if (mkdir(s->plan->run_folder, 0755) != 0 && errno != EEXIST)
		return complain(
			c, ERR(IO), "run folder %s: %s", s->plan->run_folder, strerror(errno));
	supervisor_socket_path(path, s->plan);
	const struct control_access access = {
		.group = user == NULL ? -1 : (int)user->pw_gid,
		/* Without a user of their own the processes cannot be told from the operator. */
		.uid_refused = user == NULL || user->pw_uid == geteuid() ? -1 : (int)user->pw_uid,
	};
	return control_server_open(&s->control, &s->loop, path, access, supervisor_request, s, c);
}

static struct err supervisor_open(struct supervisor *s, struct complaint *c)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};

	struct err e = folder_find(s, c);
	if (failed(e))
		return e;
	memory_lock_raise();
	e = loop_open(&s->loop);
	if (failed(e))
		return complain(c, e, "the event loop does not start");
	loop_timer_open(&s->loop, &s->end, on_end, s);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uv_signal_init(&s->loop.uv, &s->signals[i]);
		s->signals[i].data = s;
		if (uv_signal_start(&s->signals[i], on_signal, numbers[i]) != 0)
			return complain(c, ERR(IO), "cannot take signals");
	}
	for (size_t i = 0; i < SUPERVISOR_PROCESSES_MAX; i++) {
		struct child *child = &s->children[i];
		*child = (struct child){.supervisor = s, .index = i, .handover = -1, .file = -1};
		loop_timer_open(&s->loop, &child->timer, on_child_timer, child);
	}
	watch_open(s);
	return control_open(s, c);
}

static void supervisor_close(struct supervisor *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->signals); i++)
		if (s->signals[i].data != NULL)
			uv_close((uv_handle_t *)&s->signals[i], NULL);
	loop_close(&s->loop);
	free(s->owned);
	free(s->next);
	free(s);
}

struct err supervisor_run(const struct supervisor_plan *plan, struct complaint *c)
{
	struct supervisor *s = calloc(1, sizeof *s);

	if (s == NULL)
		return ERR(LIMIT);
	s->plan = plan;
	s->complaint = c;
	s->log = log_stderr("supervisor", plan->log_least);
	s->clock = clock_posix();
	s->started_mono_ms = clock_now(&s->clock).mono_ms;
	struct err e = supervisor_open(s, c);
	if (!failed(e)) {
		start_next(s);
		loop_run(&s->loop);
		e = s->result;
	}
	supervisor_close(s);
	return e;
}
