// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_watch.h"
#include "codec/proc_msg.h"

static void tell(struct vault_watch *w, bool answers, const char *why)
{
	if (w->is_told && w->answers == answers)
		return;
	w->is_told = true;
	w->answers = answers;
	w->changed(w->ctx, answers, why);
}

static void on_sign(void *ctx, struct err err, struct span body)
{
	struct vault_watch *w = ctx;

	(void)body;
	w->is_asked = false;
	if (err.kind == ERR_TIMEOUT) {
		tell(w, false, "it does not answer");
		if (++w->missed < VAULT_SIGNS_MISSED_MAX)
			return;
		w->missed = 0;
		process_stuck(w->process, w->vault);
	} else if (err.kind != ERR_IO) { /* a channel that closes is told by its owner */
		w->missed = 0;
		tell(w, true, "it answers");
	}
}

static void on_timer(void *ctx)
{
	struct vault_watch *w = ctx;

	if (w->channel == NULL && !w->is_told &&
		clock_now(&w->process->clock).mono_ms - w->opened_ms >= VAULT_APPEARS_MS_MAX)
		tell(w, false, "it has not appeared");
	if (w->channel == NULL || w->is_asked)
		return;
	w->is_asked = !failed(channel_ask(
		w->channel, PROC_STATUS, span_of(NULL, 0), VAULT_SIGN_MS_MAX, on_sign, w));
}

void vault_watch_open(struct vault_watch *w, struct process *p, const char *vault,
	void (*changed)(void *ctx, bool answers, const char *why), void *ctx)
{
	w->process = p;
	w->vault = vault;
	w->changed = changed;
	w->ctx = ctx;
	w->opened_ms = clock_now(&p->clock).mono_ms;
	loop_timer_open(&p->loop, &w->timer, on_timer, w);
	loop_timer_every(&w->timer, VAULT_SIGN_EVERY_MS);
}

void vault_watch_channel(struct vault_watch *w, struct channel *c)
{
	w->channel = c;
	w->missed = 0;
	if (c != NULL)
		on_timer(w);
	else
		tell(w, false, "its channel has closed");
}

void vault_watch_close(struct vault_watch *w)
{
	loop_timer_stop(&w->timer);
	w->channel = NULL;
}
