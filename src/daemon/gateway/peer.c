// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "agent.h"
#include <stdlib.h>

/* ---- Who it is ---- */

static bool peer_is_expected(const struct agent *a, const struct peer_identity *id)
{
	return id->is_authenticated && (strcmp(id->common_name, a->settings.peer_name) == 0 ||
					       strcmp(id->dns_name, a->settings.peer_name) == 0);
}

/* ---- The responder hears ---- */

/* OFFER or a word about the rotation that runs; anything else is out of step and means nothing. */
static void offer_take(struct agent *a, struct channel *c, const struct ipc_frame *frame)
{
	struct wire_fault fault = {0};
	struct gateway_rotation which;
	const struct err e = gateway_rotation_decode(&which, frame->body, &fault);
	const bool is_free = a->rotate.state == ROTATE_IDLE || a->rotate.state == ROTATE_UP;
	const bool can = a->rotate.role == ROTATE_RESPONDER && a->is_charon_ready && is_free;

	if (failed(e) || !can) {
		channel_answer(c, frame->request_id, frame->type, failed(e) ? e : ERR(STATE),
			span_of(NULL, 0));
		return;
	}
	agent_abandon(a);
	a->now = (struct agent_rotation){.serial = a->now.serial,
		.which = which,
		.asker = c,
		.request_id = frame->request_id};
	agent_event(a, ROTATE_ON_OFFERED);
}

static bool is_about_this(const struct agent *a, const struct gateway_rotation *which)
{
	return a->rotate.role == ROTATE_RESPONDER && a->rotate.state != ROTATE_IDLE &&
	       which->rotation == a->now.which.rotation &&
	       memcmp(which->key_id, a->now.which.key_id, GATEWAY_KEY_ID_OCTETS) == 0;
}

static void activated_take(struct agent *a, struct span body)
{
	struct wire_fault fault = {0};
	struct gateway_activated m;

	if (failed(gateway_activated_decode(&m, body, &fault)) || !is_about_this(a, &m.which))
		return;
	a->now.spi_initiator = m.spi_initiator;
	a->now.spi_responder = m.spi_responder;
	agent_event(a, ROTATE_ON_ACTIVATED);
}

static void drop_take(struct agent *a, struct span body)
{
	struct wire_fault fault = {0};
	struct gateway_rotation which;

	if (!failed(gateway_rotation_decode(&which, body, &fault)) && is_about_this(a, &which))
		agent_event(a, ROTATE_ON_DROPPED);
}

static void ready_take(struct agent *a)
{
	if (a->rotate.role != ROTATE_INITIATOR)
		return;
	rotate_hurry(&a->rotate, clock_now(&a->process->clock));
	agent_tick(a);
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct agent *a = ctx;

	if (frame->kind == IPC_REQUEST && frame->type == GATEWAY_OFFER)
		offer_take(a, c, frame);
	else if (frame->kind == IPC_REQUEST)
		channel_answer(c, frame->request_id, frame->type, ERR(VERSION), span_of(NULL, 0));
	else if (frame->type == GATEWAY_ACTIVATED)
		activated_take(a, frame->body);
	else if (frame->type == GATEWAY_DROP)
		drop_take(a, frame->body);
	else if (frame->type == GATEWAY_READY)
		ready_take(a);
}

/* ---- The initiator speaks ---- */

struct offer_ticket {
	struct agent *agent;
	uint32_t serial;
};

static void on_offer_answered(void *ctx, struct err err, struct span body)
{
	const struct offer_ticket ticket = *(struct offer_ticket *)ctx;
	struct agent *a = ticket.agent;
	struct log_record r;

	(void)body;
	free(ctx);
	if (ticket.serial != a->now.serial || a->rotate.state != ROTATE_OFFER)
		return;
	if (!failed(err)) {
		agent_event(a, ROTATE_ON_ACK);
		return;
	}
	log_begin(&r, &a->process->log, LOG_WARN, "gateway", "offer_refused");
	log_text(&r, "cause", err_word(err));
	log_end(&r);
	/* Without an answer the peer may hold the PPK all the same. */
	agent_event(a, err.kind == ERR_TIMEOUT || err.kind == ERR_IO ? ROTATE_ON_TIMEOUT
								     : ROTATE_ON_REFUSED);
}

void agent_peer_offer(struct agent *a)
{
	uint8_t buffer[GATEWAY_MSG_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct offer_ticket *ticket = malloc(sizeof(*ticket));

	gateway_rotation_encode(&w, &a->now.which);
	if (ticket != NULL)
		*ticket = (struct offer_ticket){a, a->now.serial};
	if (ticket != NULL && a->peer != NULL &&
		!failed(channel_ask(a->peer, GATEWAY_OFFER, writer_span_done(&w), 14000,
			on_offer_answered, ticket)))
		return;
	free(ticket);
	agent_event(a, ROTATE_ON_REFUSED);
}

/* ACTIVATED or DROP. Lost with the link, it is replaced by the responder's own look. */
void agent_peer_tell(struct agent *a, enum gateway_msg_type type)
{
	uint8_t buffer[GATEWAY_MSG_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	const struct gateway_activated activated = {.which = a->now.which,
		.spi_initiator = a->current.spi_initiator,
		.spi_responder = a->current.spi_responder};

	if (a->peer == NULL)
		return;
	if (type == GATEWAY_ACTIVATED)
		gateway_activated_encode(&w, &activated);
	else
		gateway_rotation_encode(&w, &a->now.which);
	channel_notice(a->peer, (uint16_t)type, writer_span_done(&w));
}

void agent_peer_answer(struct agent *a, struct err err)
{
	if (a->now.asker != NULL)
		channel_answer(
			a->now.asker, a->now.request_id, GATEWAY_OFFER, err, span_of(NULL, 0));
	a->now.asker = NULL;
}

/* ---- The link ---- */

static void malformed_note(struct agent *a, const struct channel *c)
{
	struct log_record r;

	a->malformed++;
	log_begin(&r, &a->process->log, LOG_WARN, "gateway", "malformed");
	log_text(&r, "name", channel_peer(c)->common_name);
	log_text(&r, "address", channel_peer(c)->address);
	log_text(&r, "cause", "what came is no frame");
	log_end(&r);
}

static void on_channel_closed(void *ctx, struct channel *c, struct err why)
{
	struct agent *a = ctx;
	struct log_record r;

	if (why.kind == ERR_INPUT || why.kind == ERR_VERSION)
		malformed_note(a, c);
	if (a->now.asker == c)
		a->now.asker = NULL;
	if (a->peer != c)
		return;
	a->peer = NULL;
	log_begin(&r, &a->process->log, LOG_WARN, "gateway", "peer_lost");
	log_text(&r, "cause", err_word(why));
	log_end(&r);
	agent_ready_note(a);
	if (a->listener == NULL)
		loop_timer_once(&a->peer_retry, AGENT_PEER_RETRY_MS);
}

static const struct channel_events channel_events = {
	.frame = on_frame, .closed = on_channel_closed};

/* A new link takes the place of the old: the peer opened it because the old one is dead on its side. */
static void on_stream_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct agent *a = ctx;
	struct channel *old = a->peer;
	struct log_record r;

	a->peer_stream = NULL;
	const bool is_expected = peer_is_expected(a, id);
	log_begin(&r, &a->process->log, is_expected ? LOG_NOTICE : LOG_WARN, "gateway",
		is_expected ? "peer_connected" : "peer_refused");
	log_text(&r, "name", id->common_name);
	log_text(&r, "address", id->address);
	log_text(&r, "group", id->tls_group);
	log_end(&r);
	a->refused_peers += !is_expected;
	if (!is_expected ||
		failed(channel_open_stream(&a->peer, &a->process->loop, s, &channel_events, a))) {
		a->peer = old;
		stream_abort(s);
		return;
	}
	if (old != NULL)
		channel_close(old);
	agent_ready_note(a);
}

static void on_stream_closed(
	void *ctx, struct stream *s, struct err why, const struct complaint *complaint)
{
	struct agent *a = ctx;
	struct log_record r;

	if (a->peer_stream == s)
		a->peer_stream = NULL;
	a->refused_peers += a->listener != NULL && failed(why);
	log_begin(&r, &a->process->log, LOG_NOTICE, "gateway", "peer_not_connected");
	log_text(&r, "address", stream_peer(s)->address);
	log_text(&r, "cause", complaint == NULL ? "" : complaint->text);
	log_end(&r);
	if (a->listener == NULL)
		loop_timer_once(&a->peer_retry, AGENT_PEER_RETRY_MS);
}

static const struct stream_events stream_events = {
	.opened = on_stream_opened, .closed = on_stream_closed};

static void on_accepted(void *ctx, struct stream *s)
{
	stream_set_context(s, &stream_events, ctx);
}

void agent_peer_connect(struct agent *a)
{
	const struct agent_settings *s = &a->settings;

	if (a->listener == NULL &&
		failed(stream_connect_tcp(&a->peer_stream, &a->process->loop, s->agent_address,
			(uint16_t)s->peer_port, a->tls, s->peer_name, &stream_events, a)))
		loop_timer_once(&a->peer_retry, AGENT_PEER_RETRY_MS);
}

static void on_retry(void *ctx)
{
	agent_peer_connect(ctx);
}

struct err agent_peer_open(struct agent *a, struct complaint *c)
{
	const struct agent_settings *s = &a->settings;
	const struct tls_settings tls = {.certificate_file = s->tls_certificate,
		.key_file = s->tls_key,
		.ca_file = s->tls_ca,
		.require_hybrid = true};
	const struct err e = tls_profile_open(&a->tls, &tls, c);

	if (failed(e))
		return e;
	loop_timer_open(&a->process->loop, &a->peer_retry, on_retry, a);
	if (strcmp(s->peer_role, "connect") == 0)
		return OK;
	const struct listener_settings listen = {.address = s->agent_address,
		.port = (uint16_t)s->peer_port,
		.tls = a->tls,
		.streams_max = 4,
		.handshake_ms_max = 5000};
	return listener_open(&a->listener, &a->process->loop, &listen, on_accepted, a, c);
}
