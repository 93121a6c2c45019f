// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Who lives and answers nothing. waitpid(2) does not tell: a stopped process, one in a loop and one
 * that waits for ever all look well to it. */
#include "supervisor_inner.h"
#include <signal.h>

void child_hung(struct child *c, const char *how)
{
	struct log_record r;

	log_begin(&r, &c->supervisor->log, LOG_ERROR, "host", "process_hung");
	log_text(&r, "process", child_row(c)->name);
	log_i64(&r, "pid", c->pid);
	log_text(&r, "cause", how);
	log_end(&r);
	c->is_hung = true;
	c->hangs++;
	kill(c->pid, SIGKILL);
}

/* Any answer is a sign. An error at once or by a closing channel is none, but no hang either. */
static void on_sign(void *ctx, struct err err, struct span body)
{
	struct child *c = ctx;

	(void)body;
	c->is_sign_asked = false;
	c->signs_missed = err.kind == ERR_TIMEOUT ? c->signs_missed + 1 : 0;
	if (c->signs_missed < SUPERVISOR_SIGNS_MISSED_MAX)
		return;
	c->signs_missed = 0;
	if (c->state == CHILD_READY && c->pid > 0)
		child_hung(c, "no sign of life");
}

static void child_watch(struct child *c, uint64_t now_ms)
{
	if (c->state != CHILD_READY)
		return;
	if (c->is_hung && now_ms - c->started_mono_ms >= SUPERVISOR_STABLE_MS) {
		c->is_hung = false;
		alarm_of_process(c, &process_hung, false, "");
	}
	/* Vaults and programs of others have no loop; an import reads its whole file in one go. */
	if (c->control == NULL || c->is_sign_asked ||
		child_is(c, ROW_VAULT | ROW_EXTERNAL | ROW_RUN_ONCE))
		return;
	c->is_sign_asked = !failed(channel_ask(
		c->control, PROC_STATUS, span_of(NULL, 0), SUPERVISOR_SIGN_MS_MAX, on_sign, c));
}

static void on_watch(void *ctx)
{
	struct supervisor *s = ctx;
	const uint64_t now_ms = clock_now(&s->clock).mono_ms;

	for (size_t i = 0; i < s->plan->count; i++)
		child_watch(&s->children[i], now_ms);
}

void watch_open(struct supervisor *s)
{
	loop_timer_open(&s->loop, &s->watch, on_watch, s);
	loop_timer_every(&s->watch, SUPERVISOR_SIGN_EVERY_MS);
}

/* Its own vault alone: a neighbour that lies can stop what only it uses. */
void child_report_stuck(struct child *reporter, const char *vault)
{
	struct child *c = supervisor_find(reporter->supervisor, vault);

	if (c != NULL && child_is(c, ROW_VAULT) && are_neighbours(reporter, c) &&
		c->state == CHILD_READY && c->pid > 0)
		child_hung(c, "its neighbour gets no answers");
}
