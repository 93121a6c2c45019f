// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "process_setup.h"
#include "base/pool.h"
#include "base/secret.h"
#include "host/fdpass.h"
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { SITE_METRICS_MS_MAX = 10000 };

struct process_query {
	struct pool_handle handle;
	uint64_t request_id;
};

/* The one process of this process. The daemon sees `p`, the rest is the framework's. */
static struct {
	struct process p;
	struct process_setup setup;
	struct settings next; /* prepared, not committed */
	enum log_level next_least;
	bool is_prepared;        /* `next` may be committed */
	struct channel *control; /* NULL once it is closed */
	struct pool queries;
	uv_poll_t handover;
	uv_signal_t term;
	struct loop_timer stop_bound;
	bool is_stopping;
	int exit_code;
} own;

/* ---- Answers to the supervisor ---- */

static void outcome_answer(uint64_t request_id, uint16_t type, struct err err, struct span text)
{
	if (own.control == NULL)
		return;
	uint8_t *body = malloc(text.len + 1);
	if (body == NULL) {
		channel_answer(own.control, request_id, type, ERR(LIMIT), span_of(NULL, 0));
		return;
	}
	struct writer w = writer_of(span_mut_of(body, text.len + 1));
	proc_outcome_encode(&w, &(struct proc_outcome){.err = err, .text = text});
	channel_answer(own.control, request_id, type, OK, writer_span_done(&w));
	free(body);
}

static void status_answer(uint64_t request_id)
{
	static const char *const protections[] = {"none", "mlock", "memfd_secret"};
	static uint8_t buffer[PROCESS_STATUS_MAX];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(buffer));

	json_text(&j, "sandbox", sandbox_level_name(own.p.kind->sandbox));
	json_text(&j, "secret_protection", protections[secret_protection()]);
	json_text(&j, "log_level", log_level_word(own.p.log.least));
	if (own.p.kind->status != NULL)
		own.p.kind->status(&own.p, &j);
	outcome_answer(request_id, PROC_STATUS, j.is_full ? ERR(LIMIT) : OK, json_done(&j));
}

static void metrics_answer(uint64_t request_id)
{
	static uint8_t buffer[PROCESS_STATUS_MAX];

	const size_t len = metrics_text(&own.p.metrics, own.p.name, SPAN_MUT_ARRAY(buffer));
	outcome_answer(request_id, PROC_METRICS, OK, span_of(buffer, len));
}

void process_query_answer(struct process_query *q, struct err err, struct span json)
{
	outcome_answer(q->request_id, PROC_QUERY, err, json);
	pool_give(&own.queries, q->handle);
}

static void query_take(const struct ipc_frame *frame)
{
	struct wire_fault fault = {0};
	struct pool_handle handle;
	struct proc_query message;
	void *item;

	if (failed(proc_query_decode(frame->body, &message, &fault))) {
		outcome_answer(frame->request_id, PROC_QUERY, ERR(INPUT), span_str("bad query"));
	} else if (own.p.kind->query == NULL) {
		outcome_answer(frame->request_id, PROC_QUERY, ERR(ABSENT),
			span_str("this process answers no queries"));
	} else if (failed(pool_take(&own.queries, &handle, &item))) {
		outcome_answer(
			frame->request_id, PROC_QUERY, ERR(LIMIT), span_str("too many queries"));
	} else {
		struct process_query *q = item;
		*q = (struct process_query){.handle = handle, .request_id = frame->request_id};
		own.p.kind->query(&own.p, message.verb, message.argument, q);
	}
}

static struct err next_judge(struct span body, struct complaint *c)
{
	const char *different = NULL;
	struct wire_fault fault = {0};
	struct proc_reload message;

	struct err e = proc_reload_decode(body, &message, &fault);
	if (!failed(e))
		e = settings_decode(&own.next, message.settings);
	if (failed(e))
		return complain(c, e, "settings do not decode");
	own.next_least = (enum log_level)message.log_least;
	if (own.p.kind->reload_prepare != NULL)
		return own.p.kind->reload_prepare(&own.p, &own.next, c);
	if (settings_equal(&own.p.settings, &own.next, &different))
		return OK;
	return complain(
		c, ERR(STATE), "a change of %s needs a restart of %s", different, own.p.name);
}

static struct err reload_prepare(struct span body, struct complaint *c)
{
	const struct err e = next_judge(body, c);

	own.is_prepared = !failed(e);
	return e;
}

/* Between the two the process may have died and come back: it has prepared nothing, and what it
 * would commit are no settings at all. */
static struct err reload_commit(void)
{
	if (!own.is_prepared)
		return ERR(STATE);
	own.is_prepared = false;
	own.p.settings = own.next;
	own.p.log.least = own.next_least;
	if (own.p.kind->reload_commit != NULL)
		own.p.kind->reload_commit(&own.p);
	return OK;
}

struct err process_site_metrics(struct process *p, channel_answered_fn *answered, void *ctx)
{
	assert(p == &own.p);
	if (own.control == NULL)
		return ERR(IO);
	return channel_ask(
		own.control, PROC_METRICS, span_of(NULL, 0), SITE_METRICS_MS_MAX, answered, ctx);
}

/* ---- The end ---- */

static void on_stop_bound(void *ctx)
{
	struct log_record r;

	(void)ctx;
	log_begin(&r, &own.p.log, LOG_WARN, "host", "stop_took_too_long");
	log_end(&r);
	_exit(0);
}

void process_stopped(struct process *p)
{
	assert(p == &own.p);
	if (own.control != NULL)
		channel_close(own.control); /* what waits for the supervisor still leaves */
	else
		loop_stop(&p->loop);
}

static void stop(void)
{
	if (own.is_stopping)
		return;
	own.is_stopping = true;
	loop_timer_once(&own.stop_bound, PROCESS_STOP_MS_MAX);
	if (own.p.kind->stop != NULL)
		own.p.kind->stop(&own.p);
	else
		process_stopped(&own.p);
}

void process_stuck(struct process *p, const char *vault)
{
	uint8_t body[PROC_NAME_MAX + 2];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct proc_channel m;
	struct log_record r;

	assert(p == &own.p);
	log_begin(&r, &p->log, LOG_ERROR, "host", "vault_stuck");
	log_text(&r, "vault", vault);
	log_end(&r);
	snprintf(m.peer, sizeof m.peer, "%s", vault);
	proc_channel_encode(&w, &m);
	if (own.control != NULL)
		channel_notice(own.control, PROC_STUCK, writer_span_done(&w));
}

void process_result(struct process *p, struct err err, struct span json)
{
	assert(p == &own.p);
	uint8_t *body = malloc(json.len + 1);
	if (body != NULL && own.control != NULL) {
		struct writer w = writer_of(span_mut_of(body, json.len + 1));
		proc_outcome_encode(&w, &(struct proc_outcome){.err = err, .text = json});
		channel_notice(own.control, PROC_RESULT, writer_span_done(&w));
	}
	free(body);
	stop();
}

_Noreturn void process_fail(struct process *p, const char *why)
{
	struct log_record r;

	log_begin(&r, &p->log, LOG_ERROR, "host", "failed");
	log_text(&r, "cause", why);
	log_end(&r);
	_exit(PROCESS_EXIT_FAILED);
}

/* ---- What comes: control frames, channels of neighbours, signals ---- */

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct complaint complaint = {0};
	struct err e;

	(void)ctx;
	switch (frame->type) {
	case PROC_STOP:
		stop();
		break;
	case PROC_STATUS:
		status_answer(frame->request_id);
		break;
	case PROC_METRICS:
		metrics_answer(frame->request_id);
		break;
	case PROC_QUERY:
		query_take(frame);
		break;
	case PROC_RELOAD_PREPARE:
		e = reload_prepare(frame->body, &complaint);
		outcome_answer(frame->request_id, frame->type, e, span_str(complaint.text));
		break;
	case PROC_RELOAD_COMMIT:
		outcome_answer(frame->request_id, frame->type, reload_commit(), span_of(NULL, 0));
		break;
	default:
		if (frame->kind == IPC_REQUEST)
			channel_answer(
				c, frame->request_id, frame->type, ERR(INPUT), span_of(NULL, 0));
		break;
	}
}

static void on_control_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)c, (void)why;
	own.control = NULL;
	if (own.is_stopping || own.exit_code != 0)
		loop_stop(&own.p.loop);
	else
		stop(); /* without a supervisor nobody would start what stops next to us */
}

static void channel_hand(const char *peer, int fd)
{
	if (own.p.kind->channel != NULL && !own.is_stopping)
		own.p.kind->channel(&own.p, peer, fd);
	else
		close(fd);
}

static void on_handover(uv_poll_t *poll, int status, int events)
{
	uint8_t packet[PROC_NAME_MAX + 8];
	struct wire_fault fault = {0};
	struct proc_channel message;
	size_t len;
	int fd;

	(void)events;
	const struct err e =
		status < 0 ? ERR(IO)
			   : fdpass_recv(PROCESS_HANDOVER_FD, SPAN_MUT_ARRAY(packet), &len, &fd);
	if (e.kind == ERR_STATE)
		return;
	if (failed(e) || len == 0) {
		uv_poll_stop(poll);
	} else if (failed(proc_channel_decode(span_of(packet, len), &message, &fault)) || fd < 0) {
		process_fail(&own.p, "the supervisor hands over what is no channel");
	} else {
		channel_hand(message.peer, fd);
	}
}

static void on_term(uv_signal_t *handle, int signum)
{
	(void)handle, (void)signum;
	stop();
}

static void on_alarm(void *ctx, const struct alarm *alarm, bool is_raised)
{
	uint8_t body[5 * PROC_TEXT_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct log_record r;
	struct proc_alarm m = {.is_raised = is_raised,
		.severity = (uint8_t)alarm->kind->severity,
		.since_unix_ms = alarm->since.unix_ms};

	(void)ctx;
	snprintf(m.kind, sizeof m.kind, "%s", alarm->kind->name);
	snprintf(m.resource, sizeof m.resource, "%s", alarm->resource);
	snprintf(m.text, sizeof m.text, "%s", alarm->text);
	snprintf(m.meaning, sizeof m.meaning, "%s", alarm->kind->meaning);
	log_begin(&r, &own.p.log, is_raised ? LOG_WARN : LOG_NOTICE, "host",
		is_raised ? "alarm_raised" : "alarm_cleared");
	log_text(&r, "alarm", m.kind);
	log_text(&r, "severity", alarm_severity_word(alarm->kind->severity));
	log_text(&r, "resource", m.resource);
	log_text(&r, "text", m.text);
	log_end(&r);
	proc_alarm_encode(&w, &m);
	if (own.control != NULL)
		channel_notice(own.control, PROC_ALARM, writer_span_done(&w));
}

/* ---- The beginning ---- */

static struct err host_open(struct complaint *c)
{
	static const struct channel_events events = {
		.frame = on_frame, .closed = on_control_closed};

	signal(SIGINT,
		SIG_IGN); /* from a terminal it reaches all processes; the supervisor acts on it */
	signal(SIGHUP, SIG_IGN);
	struct err e = process_crypto_warm_up();
	if (failed(e))
		return complain(c, e, "libcrypto does not start");
	e = loop_open(&own.p.loop);
	if (failed(e))
		return complain(c, e, "the event loop does not start");
	loop_timer_open(&own.p.loop, &own.stop_bound, on_stop_bound, NULL);
	e = pool_open(&own.queries, PROCESS_QUERIES_MAX, sizeof(struct process_query));
	if (!failed(e))
		e = channel_open_fd(&own.control, &own.p.loop, PROCESS_CONTROL_FD, &events, NULL);
	if (failed(e))
		return complain(c, e, "no control channel");
	if (uv_signal_init(&own.p.loop.uv, &own.term) != 0 ||
		uv_signal_start(&own.term, on_term, SIGTERM) != 0 ||
		uv_poll_init(&own.p.loop.uv, &own.handover, PROCESS_HANDOVER_FD) != 0 ||
		uv_poll_start(&own.handover, UV_READABLE, on_handover) != 0)
		return complain(c, ERR(IO), "the event loop does not take signals and channels");
	uv_unref((uv_handle_t *)&own.term);
	uv_unref((uv_handle_t *)&own.handover);
	return OK;
}

static struct err prepare(struct complaint *c)
{
	struct process *p = &own.p;

	struct err e = host_open(c);
	if (failed(e))
		return e;
	e = p->kind->start(p, c);
	if (failed(e))
		return complain(c, e, "%s does not start: %s", p->name, err_word(e));
	const struct sandbox_request request = {
		.level = p->kind->sandbox,
		.user = own.setup.message.user[0] == '\0' ? NULL : own.setup.message.user,
		.folder = p->sandbox_folder,
		.read_folder = p->sandbox_read_folder,
	};
	e = sandbox_enter(&request, c);
	if (failed(e))
		return complain(c, e, "cannot enter the sandbox");
	if (p->kind->begin == NULL)
		return OK;
	e = p->kind->begin(p, c);
	return failed(e) ? complain(c, e, "%s does not begin: %s", p->name, err_word(e)) : OK;
}

static void ready_tell(struct err e, const struct complaint *complaint)
{
	struct log_record r;

	log_begin(&r, &own.p.log, failed(e) ? LOG_ERROR : LOG_INFO, "host",
		failed(e) ? "start_refused" : "ready");
	if (failed(e))
		log_text(&r, "cause", complaint->text);
	log_text(&r, "sandbox", sandbox_level_name(own.p.kind->sandbox));
	log_i64(&r, "landlock", sandbox_landlock_abi());
	log_end(&r);
	/* Before the loop's first turn, hence before anything else on this channel. */
	process_ready_send(e, complaint->text);
}

int process_main(int argc, char **argv, const struct process_kind *kind)
{
	struct process *p = &own.p;
	struct complaint complaint = {0};

	if (failed(process_setup_receive(&own.setup, &p->settings, argc, argv)))
		return PROCESS_EXIT_USAGE;
	p->kind = kind;
	p->name = own.setup.message.process;
	p->site = own.setup.message.site;
	p->log = log_stderr(p->name, (enum log_level)own.setup.message.log_least);
	p->clock = clock_posix();
	p->entropy = entropy_posix();
	p->alarms.changed = on_alarm;
	const struct err e = prepare(&complaint);
	if (!failed(e))
		for (size_t i = 0; i < own.setup.channel_count; i++)
			channel_hand(own.setup.channels[i].peer, own.setup.channels[i].fd);
	ready_tell(e, &complaint);
	if (failed(e))
		_exit(PROCESS_EXIT_REFUSED);
	loop_run(&p->loop);
	/* Not exit(): handlers of libraries could want more than the sandbox gives. Memory goes
	 * with the process. */
	_exit(own.exit_code);
}
