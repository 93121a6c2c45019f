// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "agent.h"
#include <stdio.h>

enum { DRAFT_SMALL = 1024, DRAFT_LARGE = 128 << 10 };

/* A command whose one argument is a text; `name` NULL: none. An answer that nobody waits for is only logged. */
static void command_send(struct agent *a, const char *command, const char *name, const char *text,
	charon_answer_fn *answer, uint32_t tag)
{
	struct charon_draft d;
	struct log_record r;
	struct err e = charon_draft(&d, VICI_CMD_REQUEST, command, DRAFT_SMALL);

	if (!failed(e)) {
		if (name != NULL)
			vici_value_text(&d.w, name, text);
		e = charon_ask(&a->charon, &d, answer, tag);
	}
	if (!failed(e))
		return;
	log_begin(&r, &a->process->log, LOG_WARN, "gateway", "charon_not_asked");
	log_text(&r, "command", command);
	log_text(&r, "cause", err_word(e));
	log_end(&r);
	if (answer != NULL)
		answer(a, tag, e, span_of(NULL, 0));
}

static void sa_end(struct agent *a, uint64_t unique_id)
{
	struct charon_draft d;
	char text[24];

	if (failed(charon_draft(&d, VICI_CMD_REQUEST, "terminate", DRAFT_SMALL)))
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)unique_id);
	vici_value_text(&d.w, "ike-id", text);
	vici_value_text(&d.w, "timeout", "-1");
	/* Not sent: the next look at the list ends it. */
	const struct err e = charon_ask(&a->charon, &d, NULL, 0);
	(void)e;
}

/* ---- What a rotation asks of charon ---- */

static void on_step_answer(void *ctx, uint32_t tag, struct err err, struct span message)
{
	struct agent *a = ctx;

	(void)message;
	if (tag != a->now.serial ||
		(a->rotate.state != ROTATE_LOAD && a->rotate.state != ROTATE_UP))
		return;
	if (failed(err))
		agent_event(a, ROTATE_ON_REFUSED);
	else if (a->rotate.state == ROTATE_LOAD)
		agent_event(a, ROTATE_ON_LOADED);
}

static struct err connection_load(
	struct agent *a, const char *name, const char *ppk_id, charon_answer_fn *answer)
{
	struct charon_draft d;
	const struct err e = charon_draft(&d, VICI_CMD_REQUEST, "load-conn", DRAFT_LARGE);

	if (failed(e))
		return e;
	tunnel_connection_write(&d.w, &a->policy, name, ppk_id);
	return charon_ask(&a->charon, &d, answer, a->now.serial);
}

/* A failure here is seen by the connection's own answer: charon answers in order. */
static struct err ppk_load(struct agent *a, charon_answer_fn *answer)
{
	struct charon_draft d;
	const struct err e = charon_draft(&d, VICI_CMD_REQUEST, "load-shared", DRAFT_SMALL);

	if (failed(e))
		return e;
	tunnel_ppk_write(&d.w, a->now.ppk_id, secret_span(&a->now.key));
	return charon_ask(&a->charon, &d, answer, a->now.serial);
}

static void on_ppk_answer(void *ctx, uint32_t tag, struct err err, struct span message)
{
	struct agent *a = ctx;

	if (failed(err)) {
		on_step_answer(ctx, tag, err, message);
		return;
	}
	if (tag != a->now.serial || a->rotate.state != ROTATE_LOAD)
		return;
	if (a->rotate.role == ROTATE_RESPONDER)
		agent_event(a, ROTATE_ON_LOADED);
	else if (failed(connection_load(a, a->now.connection, a->now.ppk_id, on_step_answer)))
		agent_event(a, ROTATE_ON_REFUSED);
}

void agent_ppk_load(struct agent *a)
{
	a->now.is_loaded = true;
	const struct err e = ppk_load(a, on_ppk_answer);
	secret_close(&a->now.key);
	if (failed(e))
		agent_event(a, ROTATE_ON_REFUSED);
}

/* That charon queued it is no news; that it refused is. */
void agent_initiate(struct agent *a)
{
	struct charon_draft d;
	struct err e = charon_draft(&d, VICI_CMD_REQUEST, "initiate", DRAFT_SMALL);

	if (!failed(e)) {
		vici_value_text(&d.w, "ike", a->now.connection);
		vici_value_text(&d.w, "child", TUNNEL_CHILD);
		vici_value_text(&d.w, "timeout", "-1");
		e = charon_ask(&a->charon, &d, on_step_answer, a->now.serial);
	}
	if (failed(e))
		agent_event(a, ROTATE_ON_REFUSED);
}

void agent_abandon(struct agent *a)
{
	secret_close(&a->now.key);
	if (!a->now.is_loaded || !a->charon.is_connected)
		return;
	a->now.is_loaded = false;
	command_send(a, "unload-shared", "id", a->now.ppk_id, NULL, 0);
	if (a->rotate.role == ROTATE_RESPONDER)
		return;
	struct charon_draft d;
	if (!failed(charon_draft(&d, VICI_CMD_REQUEST, "terminate", DRAFT_SMALL))) {
		vici_value_text(&d.w, "ike", a->now.connection);
		vici_value_text(&d.w, "force", "yes");
		vici_value_text(&d.w, "timeout", "-1");
		const struct err e = charon_ask(&a->charon, &d, NULL, 0);
		(void)e;
	}
	command_send(a, "unload-conn", "name", a->now.connection, NULL, 0);
}

/* All but the current SA end, and the connections that they were made by. */
static void others_end(struct agent *a)
{
	for (size_t i = 0; i < a->sa_count; i++) {
		if (a->sas[i].unique_id == a->current.unique_id || !a->sas[i].is_established)
			continue;
		sa_end(a, a->sas[i].unique_id);
		if (a->rotate.role == ROTATE_INITIATOR)
			command_send(a, "unload-conn", "name", a->sas[i].connection, NULL, 0);
	}
}

void agent_retire(struct agent *a)
{
	secret_close(&a->now.key);
	a->now.is_loaded = false;
	command_send(a, "unload-shared", "id", a->now.ppk_id, NULL, 0);
	if (a->rotate.role == ROTATE_INITIATOR)
		others_end(a);
}

void agent_expire(struct agent *a)
{
	if (a->current.unique_id != 0)
		sa_end(a, a->current.unique_id);
	agent_tunnel_set(a, false, "the PPK's lifetime is over and no rotation succeeded");
}

/* ---- The list of SAs ---- */

static bool sa_is_the_new_one(const struct agent *a, const struct tunnel_sa *sa)
{
	if (!sa->is_established || !sa->has_ppk || !sa->has_child)
		return false;
	if (a->rotate.role == ROTATE_INITIATOR)
		return strcmp(sa->connection, a->now.connection) == 0;
	if (a->now.spi_initiator != 0)
		return sa->spi_initiator == a->now.spi_initiator &&
		       sa->spi_responder == a->now.spi_responder;
	/* No word from the peer: one that was not there before the only PPK was loaded. */
	return sa->unique_id > a->unique_id_seen;
}

static void confirm(struct agent *a)
{
	for (size_t i = 0; i < a->sa_count; i++) {
		if (!sa_is_the_new_one(a, &a->sas[i]))
			continue;
		a->current = a->sas[i];
		memcpy(a->current_ppk_id, a->now.ppk_id, sizeof(a->current_ppk_id));
		agent_tunnel_set(a, true, a->now.ppk_id);
		agent_event(a, ROTATE_ON_CONFIRMED);
		return;
	}
	agent_event(a, ROTATE_ON_DENIED);
}

/* At rest: is the current SA still there, and nothing else? */
static void current_check(struct agent *a)
{
	for (size_t i = 0; i < a->sa_count; i++) {
		if (a->sas[i].unique_id != a->current.unique_id || a->current.unique_id == 0)
			continue;
		a->current = a->sas[i];
		if (!a->current.is_established || !a->current.has_child)
			break;
		others_end(a);
		return;
	}
	if (!a->is_up)
		return;
	agent_tunnel_set(a, false, "charon lists no such SA any more");
	rotate_hurry(&a->rotate, clock_now(&a->process->clock));
	agent_ready_note(a);
}

static void list_end(struct agent *a)
{
	memcpy(a->sas, a->reading, sizeof(a->sas));
	a->sa_count = a->reading_count;
	a->reading_count = 0;
}

static void on_list_answer(void *ctx, uint32_t tag, struct err err, struct span message)
{
	struct agent *a = ctx;

	(void)message;
	list_end(a);
	if (tag == a->now.serial && a->rotate.state == ROTATE_CONFIRM) {
		if (failed(err))
			agent_event(a, ROTATE_ON_DENIED);
		else
			confirm(a);
	} else if (!failed(err) && a->rotate.state == ROTATE_IDLE) {
		current_check(a);
	}
}

void agent_list(struct agent *a)
{
	command_send(a, "list-sas", NULL, NULL, on_list_answer, a->now.serial);
}

static void on_poll(void *ctx)
{
	struct agent *a = ctx;

	if (a->is_charon_ready && a->rotate.state == ROTATE_IDLE && a->charon.count == 0)
		agent_list(a);
}

/* ---- charon is there: it gets all that it needs to know but a PPK ---- */

static void on_setup_answer(void *ctx, uint32_t tag, struct err err, struct span message)
{
	struct agent *a = ctx;

	(void)tag;
	(void)message;
	a->has_setup_failed = a->has_setup_failed || failed(err);
}

static void setup_send(struct agent *a, struct charon_draft *d)
{
	if (failed(charon_ask(&a->charon, d, on_setup_answer, 0)))
		a->has_setup_failed = true;
}

static void event_register(struct agent *a, const char *event)
{
	struct charon_draft d;

	if (failed(charon_draft(&d, VICI_EVENT_REGISTER, event, DRAFT_SMALL)))
		a->has_setup_failed = true;
	else
		setup_send(a, &d);
}

static void pem_load(
	struct agent *a, const char *command, const char *type, const char *flag, struct span pem)
{
	struct charon_draft d;

	if (failed(charon_draft(&d, VICI_CMD_REQUEST, command, DRAFT_LARGE))) {
		a->has_setup_failed = true;
		return;
	}
	vici_value_text(&d.w, "type", type);
	if (flag != NULL)
		vici_value_text(&d.w, "flag", flag);
	vici_value(&d.w, "data", pem);
	setup_send(a, &d);
}

/* Connections of an agent before us, by their name; the responder's is loaded again after it. */
static void on_connections(void *ctx, uint32_t tag, struct err err, struct span message)
{
	struct agent *a = ctx;
	struct vici_walk walk;
	struct vici_element e;
	struct span names;
	char name[256];

	on_setup_answer(ctx, tag, err, message);
	vici_find(message, VICI_LIST, "conns", &names);
	vici_walk_begin(&walk, names);
	while (!failed(err) && vici_next(&walk, &e)) {
		snprintf(name, sizeof(name), "%.*s", (int)(e.value.len < 255 ? e.value.len : 255),
			(const char *)e.value.at);
		if (strcmp(name, TUNNEL_RESPONDER) != 0)
			command_send(a, "unload-conn", "name", name, NULL, 0);
	}
}

static void on_setup_done(void *ctx, uint32_t tag, struct err err, struct span message)
{
	struct agent *a = ctx;
	struct log_record r;

	on_setup_answer(ctx, tag, err, message);
	list_end(a);
	a->is_charon_ready = !a->has_setup_failed;
	log_begin(&r, &a->process->log, a->is_charon_ready ? LOG_NOTICE : LOG_ERROR, "gateway",
		a->is_charon_ready ? "charon_ready" : "charon_refused_setup");
	log_end(&r);
	agent_ready_note(a);
}

static void on_connected(void *ctx)
{
	struct agent *a = ctx;

	a->has_setup_failed = false;
	a->reading_count = 0;
	event_register(a, "ike-updown");
	event_register(a, "child-updown");
	event_register(a, "list-sa");
	command_send(a, "clear-creds", NULL, NULL, on_setup_answer, 0);
	pem_load(a, "load-key", "any", NULL, secret_span(&a->key_pem));
	pem_load(a, "load-cert", "x509", "NONE", secret_span(&a->certificate_pem));
	pem_load(a, "load-cert", "x509", "CA", secret_span(&a->ca_pem));
	command_send(a, "get-conns", NULL, NULL, on_connections, 0);
	if (a->rotate.role == ROTATE_RESPONDER &&
		failed(connection_load(a, TUNNEL_RESPONDER, TUNNEL_RESPONDER_PPK, on_setup_answer)))
		a->has_setup_failed = true;
	command_send(a, "list-sas", NULL, NULL, on_setup_done, 0);
	loop_timer_open(&a->process->loop, &a->poll, on_poll, a);
	loop_timer_every(&a->poll, AGENT_POLL_MS);
}

static void on_lost(void *ctx)
{
	struct agent *a = ctx;

	loop_timer_stop(&a->poll);
	a->is_charon_ready = false;
	a->current = (struct tunnel_sa){0};
	a->sa_count = 0;
	agent_tunnel_set(a, false, "charon is away");
	if (a->rotate.state != ROTATE_IDLE)
		agent_event(a, ROTATE_ON_CHARON_LOST);
	agent_ready_note(a);
}

/* ---- Events ---- */

static void updown_take(struct agent *a, bool is_ike, struct span message)
{
	const bool is_up = vici_is(message, "up", "yes");
	struct tunnel_sa sa;

	if (!tunnel_sa_read(message, &sa))
		return;
	const bool is_ours =
		a->rotate.role == ROTATE_INITIATOR && strcmp(sa.connection, a->now.connection) == 0;
	if (is_ours && is_up && !is_ike && a->rotate.state == ROTATE_UP)
		agent_event(a, ROTATE_ON_UP);
	else if (is_ours && !is_up && is_ike &&
		 (a->rotate.state == ROTATE_UP || a->rotate.state == ROTATE_CONFIRM))
		agent_event(a, ROTATE_ON_DOWN);
	else if (!is_up && sa.unique_id == a->current.unique_id && a->rotate.state == ROTATE_IDLE)
		agent_list(a);
}

static void on_event(void *ctx, struct span name, struct span message)
{
	struct agent *a = ctx;

	if (span_equal(name, span_str("list-sa"))) {
		if (a->reading_count < AGENT_SAS_MAX &&
			tunnel_sa_read(message, &a->reading[a->reading_count]))
			a->reading_count++;
	} else {
		updown_take(a, span_equal(name, span_str("ike-updown")), message);
	}
}

const struct charon_events agent_charon_events = {
	.connected = on_connected, .event = on_event, .lost = on_lost};
