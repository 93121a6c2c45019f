// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What the operator asks: status, metrics, queries, reload, run-once. */
#include "supervisor_inner.h"
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Asking all processes the same, and waiting for all answers ---- */

struct gather;
typedef void gather_done_fn(struct gather *g);

struct gather_part {
	struct gather *gather;
	bool is_asked;
	struct err err;
	char *text; /* NUL-terminated; NULL: none */
	size_t len;
};

struct gather {
	struct supervisor *supervisor;
	struct control_client *client; /* NULL: SIGHUP or a child asked */
	struct child *child;           /* who asked for metrics; its channel as it was then */
	struct channel *channel;
	uint64_t request_id;
	gather_done_fn *done;
	size_t waiting;
	struct gather_part parts[SUPERVISOR_PROCESSES_MAX];
};

static struct gather *gather_open(
	struct supervisor *s, struct control_client *client, gather_done_fn *done)
{
	struct gather *g = calloc(1, sizeof *g);

	if (g == NULL) {
		if (client != NULL)
			control_answer(client, ERR(LIMIT), span_str("out of memory"));
		return NULL;
	}
	g->supervisor = s;
	g->client = client;
	g->done = done;
	g->waiting = 1; /* ourselves, until all are asked */
	return g;
}

static void gather_wait_less(struct gather *g)
{
	if (--g->waiting > 0)
		return;
	g->done(g);
	for (size_t i = 0; i < SUPERVISOR_PROCESSES_MAX; i++)
		free(g->parts[i].text);
	free(g);
}

static void on_part(void *ctx, struct err err, struct span body)
{
	struct gather_part *part = ctx;
	struct wire_fault fault = {0};
	struct proc_outcome outcome = {0};

	part->err = failed(err) ? err : proc_outcome_decode(body, &outcome, &fault);
	if (!failed(part->err)) {
		part->err = outcome.err;
		part->len = outcome.text.len;
		part->text = malloc(part->len + 1);
		if (part->text == NULL) {
			part->err = ERR(LIMIT);
		} else {
			if (part->len > 0)
				memcpy(part->text, outcome.text.at, part->len);
			part->text[part->len] = '\0';
		}
	}
	gather_wait_less(part->gather);
}

/* Vaults and programs of others answer nothing. */
static bool can_answer(const struct child *c)
{
	return c->state == CHILD_READY && c->control != NULL &&
	       !child_is(c, ROW_VAULT | ROW_EXTERNAL);
}

static void gather_ask(struct gather *g, struct child *c, uint16_t type, struct span body)
{
	struct gather_part *part = &g->parts[c->index];

	part->gather = g;
	part->is_asked = true;
	g->waiting++;
	const struct err e =
		channel_ask(c->control, type, body, SUPERVISOR_ASK_MS_MAX, on_part, part);
	if (failed(e)) {
		part->err = e;
		g->waiting--;
	}
}

static void gather_ask_all(struct gather *g, uint16_t type)
{
	struct supervisor *s = g->supervisor;

	for (size_t i = 0; i < s->plan->count; i++)
		if (can_answer(&s->children[i]))
			gather_ask(g, &s->children[i], type, span_of(NULL, 0));
	gather_wait_less(g);
}

/* ---- Status ---- */

static const char *state_word(const struct child *c)
{
	static const char *const words[] = {"idle", "waiting", "starting", "ready", "stopping"};

	return words[c->state];
}

static void process_write(
	struct json_writer *j, const struct child *c, const struct gather_part *part)
{
	const uint64_t now = clock_now(&c->supervisor->clock).mono_ms;

	json_open(j, NULL, '{');
	json_text(j, "name", child_row(c)->name);
	json_i64(j, "pid", c->pid);
	json_text(j, "state", state_word(c));
	json_u64(j, "restarts", c->restarts);
	json_u64(j, "hangs", c->hangs);
	json_u64(j, "uptime_s", c->pid > 0 ? (now - c->started_mono_ms) / 1000 : 0);
	if (part->is_asked && failed(part->err))
		json_text(j, "status_error", err_word(part->err));
	else if (part->text != NULL)
		json_raw(j, span_of(part->text, part->len));
	json_close(j, '}');
}

static void alarm_write(
	struct json_writer *j, const struct supervisor *s, const struct site_alarm *a)
{
	json_open(j, NULL, '{');
	json_text(j, "process", s->plan->rows[a->child].name);
	json_text(j, "alarm", a->alarm.kind);
	json_text(j, "severity", alarm_severity_word((enum alarm_severity)a->alarm.severity));
	json_text(j, "resource", a->alarm.resource);
	json_text(j, "text", a->alarm.text);
	json_text(j, "meaning", a->alarm.meaning);
	json_i64(j, "since_unix_ms", a->alarm.since_unix_ms);
	json_close(j, '}');
}

static void status_done(struct gather *g)
{
	struct supervisor *s = g->supervisor;
	const size_t size = 2 << 20;
	uint8_t *buffer = malloc(size);

	if (buffer == NULL) {
		control_answer(g->client, ERR(LIMIT), span_str("out of memory"));
		return;
	}
	struct json_writer j = json_writer_of(span_mut_of(buffer, size));
	json_open(&j, NULL, '{');
	json_text(&j, "site", s->plan->site);
	json_text(&j, "version", MERLON_VERSION);
	json_u64(&j, "uptime_s", (clock_now(&s->clock).mono_ms - s->started_mono_ms) / 1000);
	json_bool(&j, "is_ready", s->is_begun && !s->is_stopping);
	json_open(&j, "processes", '[');
	for (size_t i = 0; i < s->plan->count; i++)
		process_write(&j, &s->children[i], &g->parts[i]);
	json_close(&j, ']');
	json_open(&j, "alarms", '[');
	for (size_t i = 0; i < SUPERVISOR_ALARMS_MAX; i++)
		if (s->alarms[i].stands)
			alarm_write(&j, s, &s->alarms[i]);
	json_close(&j, ']');
	json_u64(&j, "alarms_lost", s->alarms_lost);
	json_close(&j, '}');
	control_answer(g->client, j.is_full ? ERR(LIMIT) : OK, json_done(&j));
	free(buffer);
}

/* ---- Metrics ---- */

static size_t own_metrics(struct supervisor *s, struct span_mut out)
{
	static const struct {
		const char *name, *help;
	} families[] = {
		{"merlon_process_up", "Whether the process is ready."},
		{"merlon_process_restarts", "How often the process was started again."},
		{"merlon_process_hangs", "How often the process was killed because it hung."},
	};
	size_t len = 0;

	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		len += (size_t)snprintf((char *)out.at + len, out.len - len,
			"# TYPE %s %s\n# HELP %s %s\n", families[f].name,
			f == 0 ? "gauge" : "counter", families[f].name, families[f].help);
		for (size_t i = 0; i < s->plan->count; i++) {
			const struct child *c = &s->children[i];
			len += (size_t)snprintf((char *)out.at + len, out.len - len,
				"%s%s{process=\"%s\"} %llu\n", families[f].name,
				f == 0 ? "" : "_total", child_row(c)->name,
				(unsigned long long)(f == 0   ? c->state == CHILD_READY
						     : f == 1 ? c->restarts
							      : c->hangs));
		}
	}
	return len;
}

/* The name after "# TYPE ", up to a blank; empty where no family begins. */
static struct span family_name(const char *line)
{
	static const char head[] = "# TYPE ";

	if (strncmp(line, head, sizeof head - 1) != 0)
		return span_of(line, 0);
	return span_of(line + sizeof head - 1, strcspn(line + sizeof head - 1, " \n"));
}

static const char *line_next(const char *line)
{
	const char *end = strchr(line, '\n');

	return end == NULL ? line + strlen(line) : end + 1;
}

static void text_append(struct writer *w, const char *from, const char *to)
{
	writer_span(w, span_of(from, (size_t)(to - from)));
}

/* A family that several processes have must stand once, its samples together [OpenMetrics 1.0]. */
static void family_write(
	struct writer *w, struct gather *g, size_t first, struct span name, bool with_head)
{
	for (size_t i = first; i < SUPERVISOR_PROCESSES_MAX; i++) {
		bool is_inside = false;
		if (g->parts[i].text == NULL)
			continue;
		for (const char *line = g->parts[i].text; *line != '\0'; line = line_next(line)) {
			const struct span begins = family_name(line);
			if (begins.len > 0)
				is_inside = span_equal(begins, name);
			if (is_inside && (*line != '#' || (with_head && i == first)))
				text_append(w, line, line_next(line));
		}
	}
}

static bool is_in_earlier(const struct gather *g, size_t part, struct span name)
{
	for (size_t i = 0; i < part; i++)
		for (const char *line = g->parts[i].text; line != NULL && *line != '\0';
			line = line_next(line))
			if (span_equal(family_name(line), name))
				return true;
	return false;
}

/* `buffer` has room for the outcome's octet in front of the text. */
static void metrics_answer(struct gather *g, struct err err, uint8_t *buffer, size_t len)
{
	if (g->client != NULL) {
		control_answer(g->client, err, span_of(buffer + 1, len));
	} else if (g->child->control == g->channel) {
		buffer[0] = (uint8_t)err.kind;
		channel_answer(
			g->channel, g->request_id, PROC_METRICS, OK, span_of(buffer, 1 + len));
	}
}

static void metrics_done(struct gather *g)
{
	const size_t size = 2 << 20;
	uint8_t *buffer = malloc(1 + size), nothing[1];

	if (buffer == NULL) {
		metrics_answer(g, ERR(LIMIT), nothing, 0);
		return;
	}
	struct writer w = writer_of(span_mut_of(buffer + 1, size));
	w.len = own_metrics(g->supervisor, span_mut_of(buffer + 1, size));
	for (size_t i = 0; i < SUPERVISOR_PROCESSES_MAX; i++) {
		for (const char *line = g->parts[i].text; line != NULL && *line != '\0';
			line = line_next(line)) {
			const struct span name = family_name(line);
			if (name.len > 0 && !is_in_earlier(g, i, name))
				family_write(&w, g, i, name, true);
		}
	}
	writer_span(&w, span_str("# EOF\n"));
	metrics_answer(g, w.is_full ? ERR(LIMIT) : OK, buffer, writer_span_done(&w).len);
	free(buffer);
}

void supervisor_metrics_tell(struct child *c, uint64_t request_id)
{
	struct gather *g = gather_open(c->supervisor, NULL, metrics_done);

	if (g == NULL) {
		channel_answer(c->control, request_id, PROC_METRICS, ERR(LIMIT), span_of(NULL, 0));
		return;
	}
	g->child = c;
	g->channel = c->control;
	g->request_id = request_id;
	gather_ask_all(g, PROC_METRICS);
}

/* ---- A query of one process ---- */

static void query_done(struct gather *g)
{
	for (size_t i = 0; i < SUPERVISOR_PROCESSES_MAX; i++) {
		const struct gather_part *part = &g->parts[i];
		if (!part->is_asked)
			continue;
		control_answer(g->client, part->err,
			part->text != NULL ? span_of(part->text, part->len)
					   : span_str(err_word(part->err)));
		return;
	}
}

static void query(struct supervisor *s, struct control_client *client, struct span body)
{
	struct wire_fault fault = {0};
	struct proc_query m;

	if (failed(proc_query_decode(body, &m, &fault))) {
		control_answer(client, ERR(INPUT), span_str("the query does not decode"));
		return;
	}
	struct child *c = supervisor_find(s, m.process);
	if (c == NULL || !can_answer(c)) {
		control_answer(client, ERR(ABSENT),
			span_str(c == NULL ? "no such process"
					   : "that process does not answer now"));
		return;
	}
	struct gather *g = gather_open(s, client, query_done);
	if (g == NULL)
		return;
	gather_ask(g, c, PROC_QUERY, body);
	gather_wait_less(g);
}

/* ---- Reload: all or nothing ---- */

static void reload_answer(
	struct supervisor *s, struct control_client *client, struct err err, const char *text)
{
	struct log_record r;

	log_begin(&r, &s->log, failed(err) ? LOG_WARN : LOG_NOTICE, "host",
		failed(err) ? "reload_refused" : "reloaded");
	if (failed(err))
		log_text(&r, "cause", text);
	log_end(&r);
	if (client != NULL)
		control_answer(client, err, span_str(failed(err) ? text : "\"reloaded\""));
	free(s->next);
	s->next = NULL;
}

/* Vaults are asked nothing: their settings cannot change (plan_check). */
static bool takes_part(const struct child *c)
{
	return !child_is(c, ROW_VAULT | ROW_EXTERNAL | ROW_RUN_ONCE);
}

static void commit_done(struct gather *g)
{
	struct supervisor *s = g->supervisor;

	/* Who did not commit has died meanwhile, and perhaps come back with the old settings: it
	 * starts again, with the new ones. */
	for (size_t i = 0; i < s->plan->count; i++)
		if (s->children[i].pid > 0 && takes_part(&s->children[i]) &&
			(!g->parts[i].is_asked || failed(g->parts[i].err)))
			kill(s->children[i].pid, SIGKILL);
	free(s->owned);
	s->owned = s->next;
	s->plan = s->owned;
	s->next = NULL;
	s->log.least = s->plan->log_least;
	reload_answer(s, g->client, OK, "");
}

static void prepare_done(struct gather *g)
{
	struct supervisor *s = g->supervisor;
	char text[600];

	for (size_t i = 0; i < s->plan->count; i++) {
		const struct gather_part *part = &g->parts[i];
		if (!part->is_asked || !failed(part->err))
			continue;
		snprintf(text, sizeof text, "%s: %.512s", s->plan->rows[i].name,
			part->text != NULL && part->len > 0 ? part->text : err_word(part->err));
		reload_answer(s, g->client, part->err, text);
		return;
	}
	struct gather *commit = gather_open(s, g->client, commit_done);
	if (commit == NULL) {
		free(s->next);
		s->next = NULL;
		return;
	}
	for (size_t i = 0; i < s->plan->count; i++)
		if (g->parts[i].is_asked && s->children[i].control != NULL)
			gather_ask(commit, &s->children[i], PROC_RELOAD_COMMIT, span_of(NULL, 0));
	gather_wait_less(commit);
}

static bool row_is_same(const struct process_row *a, const struct process_row *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->executable, b->executable) == 0 &&
	       a->flags == b->flags && a->neighbour_count == b->neighbour_count &&
	       a->argument_count == b->argument_count &&
	       a->environment_count == b->environment_count &&
	       memcmp(a->neighbours, b->neighbours, sizeof a->neighbours) == 0 &&
	       memcmp(a->arguments, b->arguments, sizeof a->arguments) == 0 &&
	       memcmp(a->environment, b->environment, sizeof a->environment) == 0;
}

/* What cannot change while processes run. */
static struct err plan_check(struct supervisor *s, struct complaint *c)
{
	const struct supervisor_plan *now = s->plan, *next = s->next;
	const char *different;

	if (strcmp(now->site, next->site) != 0 || strcmp(now->user, next->user) != 0 ||
		strcmp(now->run_folder, next->run_folder) != 0)
		return complain(c, ERR(STATE),
			"a change of the site's name, user or run folder needs a restart");
	if (now->count != next->count)
		return complain(c, ERR(STATE), "other processes need a restart");
	for (size_t i = 0; i < now->count; i++) {
		const struct child *child = &s->children[i];
		if (!row_is_same(&now->rows[i], &next->rows[i]))
			return complain(c, ERR(STATE), "a change of process %s needs a restart",
				next->rows[i].name);
		if (child_is(child, ROW_RUN_ONCE | ROW_EXTERNAL))
			continue;
		if (child_is(child, ROW_VAULT) && !settings_equal(&now->rows[i].settings,
							  &next->rows[i].settings, &different))
			return complain(c, ERR(STATE), "%s: a change of %s needs a restart",
				now->rows[i].name, different);
		if (child->state != CHILD_READY)
			return complain(
				c, ERR(STATE), "%s is not ready now; try again", now->rows[i].name);
	}
	return OK;
}

static struct err plan_make(struct supervisor *s, struct complaint *c)
{
	if (s->plan->replan == NULL)
		return complain(c, ERR(STATE), "this site cannot reload");
	s->next = calloc(1, sizeof *s->next);
	if (s->next == NULL)
		return complain(c, ERR(LIMIT), "out of memory");
	struct err e = s->plan->replan(s->plan->ctx, s->next, c);
	if (failed(e))
		return complain(c, e, "the configuration is refused: %s", err_word(e));
	/* It becomes the plan, and is asked for the next one. */
	s->next->replan = s->plan->replan;
	s->next->ctx = s->plan->ctx;
	return plan_check(s, c);
}

void supervisor_reload(struct supervisor *s, struct control_client *client)
{
	static uint8_t settings[SETTINGS_ENCODED_MAX], body[SETTINGS_ENCODED_MAX + 1];
	struct complaint complaint = {0};

	if (s->next != NULL || s->is_stopping) {
		if (client != NULL)
			control_answer(client, ERR(STATE),
				span_str("another reload or the stop is under way"));
		return;
	}
	struct err e = plan_make(s, &complaint);
	if (failed(e)) {
		reload_answer(s, client, e, complaint.text);
		return;
	}
	struct gather *g = gather_open(s, client, prepare_done);
	if (g == NULL) {
		free(s->next);
		s->next = NULL;
		return;
	}
	for (size_t i = 0; i < s->plan->count; i++) {
		if (!can_answer(&s->children[i]) || !takes_part(&s->children[i]))
			continue;
		struct writer w = writer_of(SPAN_MUT_ARRAY(body));
		struct proc_reload m = {.log_least = (uint8_t)s->next->log_least};
		settings_encode(&s->next->rows[i].settings, SPAN_MUT_ARRAY(settings), &m.settings);
		proc_reload_encode(&w, &m);
		gather_ask(g, &s->children[i], PROC_RELOAD_PREPARE, writer_span_done(&w));
	}
	gather_wait_less(g);
}

/* ---- Run once ---- */

static struct err run_once_begin(struct supervisor *s, struct control_client *client,
	struct span body, int fd, const char **why)
{
	struct wire_fault fault = {0};
	struct proc_run_once m;

	*why = "the request does not decode";
	struct err e = proc_run_once_decode(body, &m, &fault);
	if (failed(e))
		return e;
	struct child *c = supervisor_find(s, m.process);
	*why = "no such process to run once";
	if (c == NULL || (child_row(c)->flags & (ROW_RUN_ONCE | ROW_VAULT)) != ROW_RUN_ONCE)
		return ERR(ABSENT);
	*why = "it runs already, or the site is not ready";
	if (c->state != CHILD_IDLE || !s->is_begun || s->is_stopping)
		return ERR(STATE);
	c->asker = client;
	c->file = fd;
	memcpy(c->argument, m.argument, sizeof c->argument);
	supervisor_run_once(c);
	return OK;
}

void supervisor_request(
	void *ctx, struct control_client *client, uint16_t type, struct span body, int fd)
{
	struct supervisor *s = ctx;
	struct gather *g;
	const char *why;
	struct err e;

	if (type != PROC_RUN_ONCE && fd >= 0)
		close(fd);
	switch (type) {
	case PROC_STATUS:
	case PROC_METRICS:
		g = gather_open(s, client, type == PROC_STATUS ? status_done : metrics_done);
		if (g != NULL)
			gather_ask_all(g, type);
		break;
	case PROC_QUERY:
		query(s, client, body);
		break;
	case PROC_RELOAD:
		supervisor_reload(s, client);
		break;
	case PROC_STOP:
		if (s->stop_asker != NULL)
			control_answer(
				client, ERR(STATE), span_str("the site is being stopped already"));
		else
			s->stop_asker = client;
		supervisor_stop(s, OK, "asked over the control socket");
		break;
	case PROC_RUN_ONCE:
		e = run_once_begin(s, client, body, fd, &why);
		if (failed(e)) {
			if (fd >= 0)
				close(fd);
			control_answer(client, e, span_str(why));
		}
		break;
	default:
		control_answer(client, ERR(INPUT), span_str("the site does not know this request"));
		break;
	}
}
