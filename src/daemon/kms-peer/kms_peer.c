// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-kms-peer: carries the frames of block PEER between kms-store here and kms-peer at the other site, inside
 * mutual TLS with X25519MLKEM768. One side connects, and connects again when the connection is lost; the
 * other listens, and a newer connection replaces an older one. Who is not `peer.name` by certificate
 * gets nothing. It understands none of what it carries; it holds no key.
 *
 * A peer may vanish without a word: the power is cut, the path swallows packets, the process is
 * frozen. So each side asks the other for a sign of life, and gives up the connection where none
 * comes in time: the store must know, for it raises the alarm and issues nothing that cannot be
 * confirmed.
 *
 * Settings: role (listen|connect), address, port, peer.name, tls.certificate, tls.key, tls.ca.
 */
#include "base/pool.h"
#include "codec/peer_msg.h"
#include "host/process.h"
#include <stdlib.h>

enum {
	RECONNECT_MS = 1000,
	ALIVE_MS = 1000,
	ALIVE_MS_MAX = 4000,
	ASK_MS_MAX = 3000,
	RELAYS_MAX = 8192,
	HANDSHAKE_MS_MAX = 5000
};

struct peer_settings {
	char role[16], address[64], peer_name[IDENTITY_NAME_MAX];
	char certificate[SETTING_TEXT_MAX], key[SETTING_TEXT_MAX], ca[SETTING_TEXT_MAX];
	uint64_t port;
};

static const struct setting_row rows[] = {
	SETTING_ROW("role", SETTING_TEXT, false, struct peer_settings, role),
	SETTING_ROW("address", SETTING_TEXT, false, struct peer_settings, address),
	SETTING_ROW("port", SETTING_U64, false, struct peer_settings, port),
	SETTING_ROW("peer.name", SETTING_TEXT, false, struct peer_settings, peer_name),
	SETTING_ROW("tls.certificate", SETTING_TEXT, false, struct peer_settings, certificate),
	SETTING_ROW("tls.key", SETTING_TEXT, false, struct peer_settings, key),
	SETTING_ROW("tls.ca", SETTING_TEXT, false, struct peer_settings, ca),
};

struct side {
	struct channel *channel; /* NULL: not there */
	uint64_t life;           /* answers for an older channel are dropped */
};

struct relay {
	struct pool_handle handle;
	struct side *asker;
	uint64_t life, request_id;
	uint16_t type;
};

static struct {
	struct process *process;
	struct peer_settings settings;
	struct tls_profile *tls;
	struct listener *listener;
	struct loop_timer reconnect, alive;
	struct side store, remote;
	struct pool relays;
	uint64_t relayed, refused, malformed, refused_peers, connections;
} state;

static const struct channel_events store_events, remote_events;

/* --- what passes through --- */

static void relay_answered(void *ctx, struct err e, struct span body)
{
	struct relay *r = ctx;

	if (r->asker->channel != NULL && r->asker->life == r->life)
		channel_answer(r->asker->channel, r->request_id, r->type, e, body);
	pool_give(&state.relays, r->handle);
}

static bool is_relayed(const struct ipc_frame *frame)
{
	return frame->kind == IPC_REQUEST && frame->type >= PEER_EXCHANGE &&
	       frame->type <= PEER_RECONCILE;
}

static void relay(struct side *from, struct side *to, const struct ipc_frame *frame)
{
	struct pool_handle handle;
	void *item;

	struct err e = !is_relayed(frame) ? ERR(INPUT) : to->channel == NULL ? ERR(IO) : OK;
	if (!failed(e))
		e = pool_take(&state.relays, &handle, &item);
	if (!failed(e)) {
		struct relay *r = item;
		*r = (struct relay){handle, from, from->life, frame->request_id, frame->type};
		e = channel_ask(
			to->channel, frame->type, frame->body, ASK_MS_MAX, relay_answered, r);
		if (failed(e))
			pool_give(&state.relays, handle);
	}
	state.relayed += !failed(e);
	state.refused += failed(e);
	if (failed(e) && frame->kind == IPC_REQUEST)
		channel_answer(from->channel, frame->request_id, frame->type, e, span_of(NULL, 0));
}

static void on_store_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx, (void)c;
	relay(&state.store, &state.remote, frame);
}

static void malformed_note(const struct channel *c, const char *cause)
{
	struct log_record r;

	state.malformed++;
	log_begin(&r, &state.process->log, LOG_WARN, "kms", "malformed");
	log_text(&r, "peer", channel_peer(c)->common_name);
	log_text(&r, "address", channel_peer(c)->address);
	log_text(&r, "cause", cause);
	log_end(&r);
}

static void on_remote_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx;
	if (c != state.remote.channel)
		return; /* one that was replaced */
	if (frame->kind == IPC_REQUEST && frame->type == PEER_LINK) {
		channel_answer(c, frame->request_id, frame->type, OK, span_of(NULL, 0));
	} else if (!is_relayed(frame)) {
		malformed_note(c, "a frame that no site sends another");
		channel_close(c);
	} else {
		relay(&state.remote, &state.store, frame);
	}
}

/* --- the two sides --- */

static void link_tell(void)
{
	uint8_t body[1];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	peer_link_encode(&w, state.remote.channel != NULL);
	if (state.store.channel != NULL)
		channel_notice(state.store.channel, PEER_LINK, writer_span_done(&w));
}

static void on_store_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)why;
	if (state.store.channel == c)
		state.store.channel = NULL;
}

static void remote_lost(struct err why)
{
	struct log_record r;

	state.remote.channel = NULL;
	loop_timer_stop(&state.alive);
	log_begin(&r, &state.process->log, LOG_WARN, "kms", "peer_lost");
	log_text(&r, "err", err_word(why));
	log_end(&r);
	link_tell();
	if (state.listener == NULL)
		loop_timer_once(&state.reconnect, RECONNECT_MS);
}

static void on_remote_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx;
	if (why.kind == ERR_INPUT || why.kind == ERR_VERSION)
		malformed_note(c, "what came is no frame");
	if (state.remote.channel == c)
		remote_lost(why);
}

/* Any answer is a sign of life: a version that does not know the question says so. */
static void alive_answered(void *ctx, struct err e, struct span body)
{
	struct channel *c = ctx;

	(void)body;
	if (c != state.remote.channel || e.kind == ERR_IO)
		return; /* another connection by now, or closed anyway */
	if (e.kind != ERR_TIMEOUT) {
		loop_timer_once(&state.alive, ALIVE_MS);
		return;
	}
	remote_lost(e);
	channel_close(c);
}

static void alive_ask(void *ctx)
{
	(void)ctx;
	if (state.remote.channel == NULL)
		return;
	if (failed(channel_ask(state.remote.channel, PEER_LINK, span_of(NULL, 0), ALIVE_MS_MAX,
		    alive_answered, state.remote.channel)))
		loop_timer_once(&state.alive, ALIVE_MS);
}

static const struct channel_events store_events = {
	.frame = on_store_frame, .closed = on_store_closed};
static const struct channel_events remote_events = {
	.frame = on_remote_frame, .closed = on_remote_closed};

static void remote_take(struct stream *s, const struct peer_identity *id)
{
	struct channel *older = state.remote.channel;
	struct log_record r;

	state.remote.channel = NULL;
	if (older != NULL)
		channel_close(older);
	if (failed(channel_open_stream(
		    &state.remote.channel, &state.process->loop, s, &remote_events, NULL))) {
		state.remote.channel = NULL;
		stream_abort(s);
		return;
	}
	state.remote.life++;
	state.connections++;
	loop_timer_once(&state.alive, ALIVE_MS);
	log_begin(&r, &state.process->log, LOG_INFO, "kms", "peer_connected");
	log_text(&r, "peer", id->common_name);
	log_text(&r, "group", id->tls_group);
	log_end(&r);
	/* Down, then up: what was under way on the older connection is not any more. */
	if (older != NULL) {
		struct channel *now = state.remote.channel;
		state.remote.channel = NULL;
		link_tell();
		state.remote.channel = now;
	}
	link_tell();
}

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	const char *name = state.settings.peer_name;

	(void)ctx;
	if (id->is_authenticated &&
		(strcmp(id->common_name, name) == 0 || strcmp(id->dns_name, name) == 0)) {
		remote_take(s, id);
		return;
	}
	struct log_record r;
	log_begin(&r, &state.process->log, LOG_WARN, "kms", "foreign_peer");
	log_text(&r, "name", id->common_name);
	log_text(&r, "address", id->address);
	log_end(&r);
	state.refused_peers++;
	stream_abort(s);
}

/* Before it was handed to a channel. */
static void on_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct log_record r;

	(void)ctx;
	state.refused_peers += state.listener != NULL && failed(why);
	log_begin(&r, &state.process->log, LOG_NOTICE, "kms", "peer_not_connected");
	log_text(&r, "address", stream_peer(s)->address);
	log_text(&r, "cause", c == NULL ? "" : c->text);
	log_end(&r);
	if (state.listener == NULL && state.remote.channel == NULL)
		loop_timer_once(&state.reconnect, RECONNECT_MS);
}

static const struct stream_events waiting_events = {.opened = on_opened, .closed = on_closed};

static void on_accepted(void *ctx, struct stream *s)
{
	(void)ctx;
	stream_set_context(s, &waiting_events, NULL);
}

static void connect_again(void *ctx)
{
	const struct peer_settings *p = &state.settings;
	struct stream *s;

	(void)ctx;
	if (failed(stream_connect_tcp(&s, &state.process->loop, p->address, (uint16_t)p->port,
		    state.tls, p->peer_name, &waiting_events, NULL)))
		loop_timer_once(&state.reconnect, RECONNECT_MS);
}

/* --- life --- */

static struct err start(struct process *p, struct complaint *c)
{
	struct peer_settings *s = &state.settings;

	state.process = p;
	p->state = &state;
	struct err e = settings_read(&p->settings, rows, ARRAY_LEN(rows), s, c);
	if (failed(e))
		return e;
	const bool is_listener = strcmp(s->role, "listen") == 0;
	if ((!is_listener && strcmp(s->role, "connect") != 0) || s->port > 65535)
		return complain(c, ERR(INPUT), "role is listen or connect, port at most 65535");
	const struct tls_settings tls = {.certificate_file = s->certificate,
		.key_file = s->key,
		.ca_file = s->ca,
		.require_hybrid = true};
	e = tls_profile_open(&state.tls, &tls, c);
	if (!failed(e))
		e = pool_open(&state.relays, RELAYS_MAX, sizeof(struct relay));
	if (failed(e))
		return e;
	loop_timer_open(&p->loop, &state.reconnect, connect_again, NULL);
	loop_timer_open(&p->loop, &state.alive, alive_ask, NULL);
	if (!is_listener) {
		loop_timer_once(&state.reconnect, 1);
		return OK;
	}
	const struct listener_settings listen = {.address = s->address,
		.port = (uint16_t)s->port,
		.tls = state.tls,
		.streams_max = 8,
		.handshake_ms_max = HANDSHAKE_MS_MAX};
	return listener_open(&state.listener, &p->loop, &listen, on_accepted, NULL, c);
}

static void channel(struct process *p, const char *peer, int fd)
{
	if (strcmp(peer, "kms-store") != 0 ||
		failed(channel_open_fd(&state.store.channel, &p->loop, fd, &store_events, NULL)))
		return;
	state.store.life++;
	link_tell();
}

static void status(struct process *p, struct json_writer *json)
{
	(void)p;
	json_bool(json, "connected", state.remote.channel != NULL);
	json_text(json, "peer", state.settings.peer_name);
	json_text(json, "tls_group",
		state.remote.channel == NULL ? NULL
					     : channel_peer(state.remote.channel)->tls_group);
	json_u64(json, "connections", state.connections);
	json_u64(json, "relayed", state.relayed);
	json_u64(json, "refused", state.refused);
	json_u64(json, "refused_peers", state.refused_peers);
	json_u64(json, "malformed", state.malformed);
}

static const struct process_kind kms_peer_kind = {.name = "kms-peer",
	.sandbox = SANDBOX_LINK,
	.start = start,
	.channel = channel,
	.status = status};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &kms_peer_kind);
}
