// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Level FRONT. The query "ask" TEXT goes to the store and from there to the vault. */
#include "test_daemon.h"
#include "codec/proc_msg.h"

static struct {
	struct process *process;
	struct test_settings now, next;
	struct channel *store;
	uint64_t asked;
} the;

static const struct alarm_kind no_store = {
	.name = "no_store", .severity = ALARM_MINOR, .meaning = "The store is away."};

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)why;
	if (the.store != c)
		return;
	the.store = NULL;
	alarm_raise(&the.process->alarms, &no_store, "store", clock_now(&the.process->clock),
		"channel closed");
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx, (void)c, (void)frame;
}

static const struct channel_events events = {.frame = on_frame, .closed = on_closed};

static void channel(struct process *p, const char *peer, int fd)
{
	if (strcmp(peer, "store") != 0 ||
		failed(channel_open_fd(&the.store, &p->loop, fd, &events, NULL)))
		process_fail(p, "a channel that cannot be");
	alarm_clear(&p->alarms, &no_store, "store");
}

static struct err start(struct process *p, struct complaint *c)
{
	the.process = p;
	metrics_add(&p->metrics,
		(struct metric){
			.name = "merlon_test_asked", .help = "Queries.", .value = &the.asked});
	return test_settings_read(&p->settings, &the.now, c);
}

static void on_answer(void *ctx, struct err err, struct span body)
{
	char json[256];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(json));
	char text[128];

	snprintf(text, sizeof text, "%.*s", (int)body.len, (const char *)body.at);
	json_text(&j, NULL, text);
	process_query_answer(
		ctx, err, failed(err) ? span_str("the store did not answer") : json_done(&j));
}

/* What the supervisor says to a process that asks for the site's metrics: the last line of it. */
static void on_metrics(void *ctx, struct err err, struct span body)
{
	struct wire_fault fault = {0};
	struct proc_outcome m = {0};

	if (!failed(err))
		err = proc_outcome_decode(body, &m, &fault);
	const bool is_whole =
		!failed(err) && m.text.len > 6 &&
		span_equal(span_of(m.text.at + m.text.len - 6, 6), span_str("# EOF\n"));
	process_query_answer(ctx, err, span_str(is_whole ? "\"whole\"" : "\"cut\""));
}

static void query(
	struct process *p, const char *verb, const char *argument, struct process_query *q)
{
	the.asked++;
	if (strcmp(verb, "metrics") == 0) {
		if (failed(process_site_metrics(p, on_metrics, q)))
			process_query_answer(q, ERR(IO), span_str("no supervisor"));
	} else if (strcmp(verb, "ask") != 0)
		process_query_answer(q, ERR(INPUT), span_str("no such query"));
	else if (the.store == NULL || failed(channel_ask(the.store, TEST_ECHO, span_str(argument),
					      TEST_ASK_MS, on_answer, q)))
		process_query_answer(q, ERR(IO), span_str("no store"));
}

static struct err reload_prepare(
	struct process *p, const struct settings *next, struct complaint *c)
{
	(void)p;
	return test_settings_read(next, &the.next, c);
}

static void reload_commit(struct process *p)
{
	(void)p;
	the.now = the.next;
}

static void status(struct process *p, struct json_writer *json)
{
	(void)p;
	json_text(json, "word", the.now.word);
}

static const struct process_kind front = {
	.name = "test-front",
	.sandbox = SANDBOX_FRONT,
	.start = start,
	.channel = channel,
	.reload_prepare = reload_prepare,
	.reload_commit = reload_commit,
	.status = status,
	.query = query,
};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &front);
}
