// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Level STORE. Passes what the front asks on to the vault. */
#include "host/vault_watch.h"
#include "test_daemon.h"
#include <stdlib.h>
#include <unistd.h>

static struct {
	struct process *process;
	struct test_settings now, next;
	struct channel *front, *vault;
	struct vault_watch watch;
	uint64_t asked;
} the;

struct passing {
	struct channel *front; /* as it was then */
	uint64_t request_id;
};

static void on_vault_answer(void *ctx, struct err err, struct span body)
{
	struct passing *p = ctx;

	if (p->front == the.front)
		channel_answer(p->front, p->request_id, TEST_ECHO, err, body);
	free(p);
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct passing *p = malloc(sizeof *p);

	(void)ctx;
	if (p == NULL)
		process_fail(the.process, "out of memory");
	*p = (struct passing){.front = c, .request_id = frame->request_id};
	the.asked++;
	if (the.vault == NULL || failed(channel_ask(the.vault, TEST_ECHO, frame->body, TEST_ASK_MS,
					 on_vault_answer, p))) {
		channel_answer(c, frame->request_id, TEST_ECHO, ERR(IO), span_of(NULL, 0));
		free(p);
	}
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)why;
	if (the.front == c)
		the.front = NULL;
	if (the.vault != c)
		return;
	the.vault = NULL;
	vault_watch_channel(&the.watch, NULL);
}

static const struct channel_events events = {.frame = on_frame, .closed = on_closed};

static void channel(struct process *p, const char *peer, int fd)
{
	struct channel **place = strcmp(peer, "vault") == 0 ? &the.vault : &the.front;

	if (failed(channel_open_fd(place, &p->loop, fd, &events, NULL)))
		process_fail(p, "a channel that cannot be");
	if (place == &the.vault)
		vault_watch_channel(&the.watch, the.vault);
}

static const struct alarm_kind no_vault = {
	.name = "no_vault", .severity = ALARM_MINOR, .meaning = "The vault is away."};

static void on_vault(void *ctx, bool answers, const char *why)
{
	struct process *p = ctx;

	if (answers)
		alarm_clear(&p->alarms, &no_vault, "vault");
	else
		alarm_raise(&p->alarms, &no_vault, "vault", clock_now(&p->clock), "%s", why);
}

static struct err begin(struct process *p, struct complaint *c)
{
	(void)c;
	vault_watch_open(&the.watch, p, "vault", on_vault, p);
	return OK;
}

static struct err start(struct process *p, struct complaint *c)
{
	the.process = p;
	metrics_add(&p->metrics,
		(struct metric){
			.name = "merlon_test_asked", .help = "Queries.", .value = &the.asked});
	return test_settings_read(&p->settings, &the.now, c);
}

static struct err reload_prepare(
	struct process *p, const struct settings *next, struct complaint *c)
{
	(void)p;
	const struct err e = test_settings_read(next, &the.next, c);
	if (!failed(e) && strcmp(the.next.word, "slow") == 0)
		usleep(1500000); /* time for another to die in */
	return e;
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

static const struct process_kind store = {
	.name = "test-store",
	.sandbox = SANDBOX_STORE,
	.start = start,
	.begin = begin,
	.channel = channel,
	.reload_prepare = reload_prepare,
	.reload_commit = reload_commit,
	.status = status,
};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &store);
}
