// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Starting one process: its channels, its words, its settings. */
#include "supervisor_inner.h"
#include "host/fdpass.h"
#include "host/process_setup.h"
#include "host/spawn.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the child gets, and what the others get once it runs. */
enum { WORDS_MAX = 2 * PROCESS_CHANNELS_MAX + 4 };
static_assert(WORDS_MAX > SUPERVISOR_WORDS_MAX + 1, "an external program's words fit too");
static_assert(SPAWN_FDS_MAX >= PROCESS_CHANNELS_MAX + 2, "control, hand-over and all channels fit");

struct launch {
	struct child *child;
	struct spawn spawn;
	char words[WORDS_MAX][1024];
	char *argv[WORDS_MAX + 1];
	char *environment[SUPERVISOR_WORDS_MAX + 1];
	size_t word_count;
	char path[1024];
	int control;                        /* our end */
	int handover;                       /* our end */
	struct child *peers[SPAWN_FDS_MAX]; /* who gets */
	int peer_fds[SPAWN_FDS_MAX];        /* which end */
	size_t peer_count;
};

static bool row_names(const struct process_row *row, const char *name)
{
	for (size_t i = 0; i < row->neighbour_count; i++)
		if (strcmp(row->neighbours[i], name) == 0)
			return true;
	return false;
}

bool are_neighbours(const struct child *a, const struct child *b)
{
	return a != b && (row_names(child_row(a), child_row(b)->name) ||
				 row_names(child_row(b), child_row(a)->name));
}

bool child_can_start(const struct child *c)
{
	struct supervisor *s = c->supervisor;

	if (!child_is(c, ROW_VAULT))
		return true;
	for (size_t i = 0; i < s->plan->count; i++)
		if (are_neighbours(c, &s->children[i]) && s->children[i].state != CHILD_READY)
			return false;
	return true;
}

static struct err pair(int type, int fds[2], struct complaint *c)
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0)
		return complain(c, ERR(IO), "cannot make a channel: %s", strerror(errno));
	return OK;
}

static void word_add(struct launch *l, const char *word)
{
	char *copy = l->words[l->word_count];

	snprintf(copy, sizeof l->words[0], "%s", word);
	l->argv[l->word_count++] = copy;
}

static void fd_give(struct launch *l, int fd)
{
	l->spawn.fds[l->spawn.fd_count++] = fd;
}

static void channel_word(struct launch *l, const char *peer, int fd)
{
	char word[SUPERVISOR_WORD_MAX];

	snprintf(word, sizeof word, "%s=%d", peer, SPAWN_FD_FIRST + (int)l->spawn.fd_count);
	fd_give(l, fd);
	word_add(l, "--channel");
	word_add(l, word);
}

/* To each neighbour that can still be given its end: ready or starting, and no vault. */
static struct err channels_make(struct launch *l, struct complaint *c)
{
	struct supervisor *s = l->child->supervisor;

	for (size_t i = 0; i < s->plan->count; i++) {
		struct child *peer = &s->children[i];
		int fds[2];
		if (!are_neighbours(l->child, peer) || peer->handover < 0)
			continue;
		if (l->peer_count == PROCESS_CHANNELS_MAX - 1) /* one stays for a file */
			return complain(
				c, ERR(LIMIT), "more than %d neighbours", PROCESS_CHANNELS_MAX - 1);
		struct err e = pair(SOCK_STREAM, fds, c);
		if (failed(e))
			return e;
		channel_word(l, child_row(peer)->name, fds[0]);
		l->peers[l->peer_count] = peer;
		l->peer_fds[l->peer_count++] = fds[1];
	}
	if (l->child->file >= 0) {
		const int copy = fcntl(l->child->file, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return complain(
				c, ERR(IO), "cannot hand over the file: %s", strerror(errno));
		channel_word(l, "file", copy);
	}
	return OK;
}

static void handover_send(struct child *to, const char *peer, int fd)
{
	uint8_t packet[PROC_NAME_MAX + 8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(packet));
	struct proc_channel m;
	struct log_record r;

	snprintf(m.peer, sizeof m.peer, "%s", peer);
	proc_channel_encode(&w, &m);
	const struct err e = fdpass_send(to->handover, writer_span_done(&w), fd);
	if (!failed(e))
		return;
	/* It does not take what it needs: let it be started anew, with everything. */
	log_begin(&r, &to->supervisor->log, LOG_WARN, "host", "handover_failed");
	log_text(&r, "process", child_row(to)->name);
	log_text(&r, "err", err_word(e));
	log_end(&r);
	if (to->pid > 0)
		kill(to->pid, SIGKILL);
}

static struct err setup_send(struct child *c, struct complaint *complaint)
{
	static uint8_t settings_bytes[SETTINGS_ENCODED_MAX], body[SETTINGS_ENCODED_MAX + 256];
	static struct settings settings;
	const struct supervisor_plan *plan = c->supervisor->plan;
	struct proc_setup m = {.log_least = (uint8_t)plan->log_least};
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	settings = child_row(c)->settings;
	if (c->argument[0] != '\0') {
		struct err e = settings_set(&settings, "argument", "%s", c->argument);
		if (failed(e))
			return complain(complaint, e, "too many settings");
	}
	settings_encode(&settings, SPAN_MUT_ARRAY(settings_bytes), &m.settings);
	snprintf(m.process, sizeof m.process, "%s", child_row(c)->name);
	snprintf(m.site, sizeof m.site, "%s", plan->site);
	snprintf(m.user, sizeof m.user, "%s", plan->user);
	proc_setup_encode(&w, &m);
	channel_notice(c->control, PROC_SETUP, writer_span_done(&w));
	return OK;
}

/* ---- What the child says ---- */

static void result_keep(struct child *c, const struct proc_outcome *m)
{
	free(c->result_text);
	c->result_text = malloc(m->text.len + 1);
	c->has_result = c->result_text != NULL;
	if (!c->has_result)
		return;
	memcpy(c->result_text, m->text.at, m->text.len);
	c->result_len = m->text.len;
	c->result = m->err;
}

static void on_frame(void *ctx, struct channel *channel, const struct ipc_frame *frame)
{
	struct child *c = ctx;
	struct wire_fault fault = {0};
	struct proc_outcome outcome;
	struct proc_channel stuck;
	struct proc_alarm alarm;

	if (frame->type == PROC_READY &&
		!failed(proc_outcome_decode(frame->body, &outcome, &fault)))
		child_told_ready(c, outcome.err, outcome.text);
	else if (frame->type == PROC_ALARM &&
		 !failed(proc_alarm_decode(frame->body, &alarm, &fault)))
		alarm_take(c->supervisor, c->index, &alarm);
	else if (frame->type == PROC_RESULT &&
		 !failed(proc_outcome_decode(frame->body, &outcome, &fault)))
		result_keep(c, &outcome);
	else if (frame->type == PROC_STUCK &&
		 !failed(proc_channel_decode(frame->body, &stuck, &fault)))
		child_report_stuck(c, stuck.peer);
	else if (frame->type == PROC_METRICS && frame->kind == IPC_REQUEST)
		supervisor_metrics_tell(c, frame->request_id);
	else if (frame->kind == IPC_REQUEST)
		channel_answer(
			channel, frame->request_id, frame->type, ERR(AUTH), span_of(NULL, 0));
}

static void on_closed(void *ctx, struct channel *channel, struct err why)
{
	struct child *c = ctx;

	(void)why;
	assert(c->control == channel);
	c->control = NULL;
	child_control_closed(c);
}

/* ---- The start ---- */

static void path_find(struct launch *l, const char *executable)
{
	if (strchr(executable, '/') != NULL)
		snprintf(l->path, sizeof l->path, "%s", executable);
	else
		snprintf(
			l->path, sizeof l->path, "%s/%s", l->child->supervisor->folder, executable);
	l->spawn.path = l->path;
}

static void external_words(struct launch *l, const struct process_row *row)
{
	for (size_t i = 0; i < row->argument_count; i++)
		word_add(l, row->arguments[i]);
	for (size_t i = 0; i < row->environment_count; i++)
		l->environment[i] = (char *)(uintptr_t)row->environment[i];
	if (row->environment_count > 0)
		l->spawn.environment = l->environment;
}

static struct err ends_make(struct launch *l, struct complaint *c)
{
	const struct process_row *row = child_row(l->child);
	int fds[2];

	if ((row->flags & ROW_EXTERNAL) != 0) {
		external_words(l, row);
		return OK;
	}
	struct err e = pair(SOCK_STREAM, fds, c);
	if (failed(e))
		return e;
	fd_give(l, fds[0]);
	l->control = fds[1];
	if ((row->flags & ROW_VAULT) == 0) {
		e = pair(SOCK_SEQPACKET | SOCK_NONBLOCK, fds, c);
		if (failed(e))
			return e;
		fd_give(l, fds[0]);
		l->handover = fds[1];
	}
	return channels_make(l, c);
}

static struct err launch_start(struct launch *l, struct complaint *complaint)
{
	static const struct channel_events events = {.frame = on_frame, .closed = on_closed};
	struct child *c = l->child;

	path_find(l, child_row(c)->executable);
	word_add(l, l->path);
	struct err e = ends_make(l, complaint);
	if (failed(e))
		return e;
	l->spawn.argv = l->argv;
	e = spawn_start(&l->spawn, &c->pid, complaint);
	if (failed(e))
		return e;
	if (l->control >= 0) {
		e = channel_open_fd(&c->control, &c->supervisor->loop, l->control, &events, c);
		l->control = failed(e) ? l->control : -1;
		if (!failed(e))
			e = setup_send(c, complaint);
		if (failed(e))
			kill(c->pid, SIGKILL);
	}
	c->handover = l->handover;
	l->handover = -1;
	for (size_t i = 0; i < l->peer_count; i++)
		handover_send(l->peers[i], child_row(c)->name, l->peer_fds[i]);
	return e;
}

struct err child_spawn(struct child *c, struct complaint *complaint)
{
	struct launch *l = calloc(1, sizeof *l);

	if (l == NULL)
		return ERR(LIMIT);
	l->child = c;
	l->control = l->handover = -1;
	c->started_mono_ms = clock_now(&c->supervisor->clock).mono_ms;
	const struct err e = launch_start(l, complaint);
	/* Their copies live in the child and on the way to the others. */
	for (size_t i = 0; i < l->spawn.fd_count; i++)
		close(l->spawn.fds[i]);
	for (size_t i = 0; i < l->peer_count; i++)
		close(l->peer_fds[i]);
	if (l->control >= 0)
		close(l->control);
	if (l->handover >= 0)
		close(l->handover);
	free(l);
	return e;
}
