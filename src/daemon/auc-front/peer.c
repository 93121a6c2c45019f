// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "peer.h"
#include <stdio.h>

static const char *address_of(const struct peer *peer)
{
	return stream_peer(peer->stream)->address;
}

void peer_drop(struct peer *peer, const char *why)
{
	if (peer->is_closing)
		return;
	peer->is_closing = true;
	peer->why = why;
	stream_abort(peer->stream);
}

static void refuse(struct peer *peer, enum refusal why)
{
	front_refuse(peer->front, why, address_of(peer), peer->name, "");
	peer_drop(peer, "refused");
}

/* ---- sending ---- */

static void send_frame(struct peer *peer, const struct writer *w)
{
	struct span frame;

	if (peer->is_closing || failed(writer_result(w, &frame)))
		return;
	const struct err e = stream_queued(peer->stream) > UNREAD_MAX
				     ? ERR(LIMIT)
				     : stream_send(peer->stream, frame);
	/* ERR_STATE: it has said its last, and is leaving. Nothing is wrong with that. */
	if (failed(e) && e.kind != ERR_STATE)
		refuse(peer, REFUSED_UNREAD);
}

void peer_send(struct peer *peer, const struct gsup *g)
{
	static uint8_t
		buffer[IPA_FRAME_MAX]; /* one thread; on the stack it would be cleared first */
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	const size_t mark = ipa_gsup_open(&w);
	gsup_encode(&w, g);
	ipa_gsup_close(&w, mark);
	send_frame(peer, &w);
	secret_wipe(buffer, w.len);
}

static void send_ccm(struct peer *peer, enum ipa_ccm_type type)
{
	uint8_t buffer[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	ipa_ccm_encode(&w, type);
	send_frame(peer, &w);
}

/* ---- the peer's pace ---- */

static bool has_unread(const struct peer *peer)
{
	return stream_queued(peer->stream) > UNREAD_PAUSE;
}

static uint32_t queue_pause(const struct peer *peer)
{
	const uint32_t half = serve_share(peer->front) / 2;

	return half < QUEUE_PAUSE ? half : QUEUE_PAUSE;
}

void peer_pause_if_due(struct peer *peer)
{
	if (peer->is_paused || peer->is_closing)
		return;
	if (!has_unread(peer) && peer->queue.count < queue_pause(peer))
		return;
	peer->is_paused = true;
	peer->front->paused++;
	stream_pause(peer->stream, true);
	if (!peer->front->pace.is_running)
		loop_timer_every(&peer->front->pace, PACE_MS);
}

void peer_resume_if_due(struct peer *peer)
{
	if (!peer->is_paused || peer->is_closing ||
		peer->queue.count > queue_pause(peer) / QUEUE_RESUME_PART || has_unread(peer))
		return;
	peer->is_paused = false;
	/* The rest of a frame was for us to read. */
	if (peer->partial_ms != 0)
		peer->partial_ms = front_now_ms(peer->front);
	peer->front->paused--;
	stream_pause(peer->stream, false);
}

/* ---- what cannot be read ---- */

void peer_malformed(struct peer *peer, const struct wire_fault *fault)
{
	struct auc_front *f = peer->front;
	struct log_record r;

	f->malformed++;
	if (bucket_take(&f->refusals_logged, front_now_ms(f))) {
		log_begin(&r, &f->process->log, LOG_WARN, "auc", "malformed");
		log_text(&r, "address", address_of(peer));
		log_text(&r, "node", peer->name);
		log_text(&r, "field", fault->field);
		log_u64(&r, "offset", fault->offset);
		log_text(&r, "clause", fault->clause);
		log_end(&r);
	} else {
		f->refusals_unlogged++;
	}
	if (++peer->malformed >= MALFORMED_MAX)
		peer_drop(peer, "malformed");
}

/* What is well formed, and nothing of ours. */
static void foreign(struct peer *peer, enum refusal why)
{
	front_refuse(peer->front, why, address_of(peer), peer->name, "");
	if (++peer->malformed >= MALFORMED_MAX)
		peer_drop(peer, "refused");
}

/* ---- identity ---- */

static void log_peer(const struct peer *peer, const char *event, const char *why)
{
	struct auc_front *f = peer->front;
	struct log_record r;

	if (!bucket_take(&f->connections_logged, front_now_ms(f)))
		return;
	log_begin(&r, &f->process->log, LOG_INFO, "auc", event);
	log_text(&r, "address", address_of(peer));
	log_text(&r, "node", peer->name);
	if (why != NULL)
		log_text(&r, "why", why);
	log_end(&r);
}

bool peer_admit(struct peer *peer)
{
	struct auc_front *f = peer->front;
	const struct roster *roster = &f->rules.roster;

	peer->row = roster_find(roster, peer->name);
	if (roster->count > 0 && peer->row == NULL) {
		front_refuse(f, REFUSED_NAME, address_of(peer), peer->name, "");
		return false;
	}
	if (peer->row != NULL && !roster_row_is_from(peer->row, &peer->address)) {
		front_refuse(f, REFUSED_ADDRESS, address_of(peer), peer->name, "");
		return false;
	}
	if (peer->row == NULL)
		bucket_set(&peer->bucket, f->rules.rate_per_s, 0, front_now_ms(f));
	peer->queue.bucket =
		peer->row == NULL ? &peer->bucket : &f->row_buckets[peer->row - roster->rows];
	return true;
}

/*
 * Several connections of one name are served alike, as osmo-hlr does: a node that was cut off comes
 * back before its old connection is known to be dead. They share the row's rate. Without a roster
 * one name says little: osmo-sgsn is called "SGSN" where nobody says otherwise.
 */
static void make_room_for_name(struct peer *newest)
{
	struct auc_front *f = newest->front;
	struct peer *quietest = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; newest->row != NULL && i < f->peers.limit; i++) {
		struct peer *peer = peer_at(f, i);
		if (peer == NULL || peer->is_closing || strcmp(peer->name, newest->name) != 0)
			continue;
		count++;
		if (peer != newest && (quietest == NULL || peer->heard_ms < quietest->heard_ms))
			quietest = peer;
	}
	if (count > PEERS_PER_NAME_MAX && quietest != NULL)
		peer_drop(quietest, "newer_of_its_name");
}

static void on_identity(struct peer *peer, struct span payload)
{
	struct wire_fault fault = {0};
	struct ipa_identity id;

	if (failed(ipa_id_resp_decode(payload, &id, &fault))) {
		peer_malformed(peer, &fault);
		peer_drop(peer, "malformed");
		return;
	}
	const char *name = id.serial[0] != '\0' ? id.serial : id.unit_name;
	if (name[0] == '\0') {
		fault.field = "serial";
		peer_malformed(peer, &fault);
		peer_drop(peer, "malformed"); /* without a name there is no IND for it */
		return;
	}
	if (peer->name[0] != '\0') { /* again: it may say the same */
		if (strcmp(peer->name, name) != 0)
			refuse(peer, REFUSED_RENAME);
		return;
	}
	snprintf(peer->name, sizeof peer->name, "%s", name);
	if (!peer_admit(peer)) {
		peer_drop(peer, "refused");
		return;
	}
	make_room_for_name(peer);
	log_peer(peer, "peer_identified", NULL);
}

/* ---- frames ---- */

static void on_ccm(struct peer *peer, const struct ipa_frame *frame)
{
	if (frame->ccm_type == IPA_CCM_PING)
		send_ccm(peer, IPA_CCM_PONG);
	else if (frame->ccm_type == IPA_CCM_ID_RESP)
		on_identity(peer, frame->payload);
	else if (frame->ccm_type != IPA_CCM_PONG && frame->ccm_type != IPA_CCM_ID_ACK)
		foreign(peer, REFUSED_TYPE);
}

static bool take_frame(void *ctx, struct span bytes)
{
	struct peer *peer = ctx;
	struct wire_fault fault = {0};
	struct ipa_frame frame;

	peer->partial_ms = 0; /* whatever was begun is whole */
	if (failed(ipa_decode(bytes, &frame, &fault)))
		peer_malformed(peer, &fault);
	else if (frame.kind == IPA_CCM)
		on_ccm(peer, &frame);
	else if (frame.kind != IPA_GSUP)
		foreign(peer, REFUSED_STREAM);
	else if (peer->name[0] == '\0')
		foreign(peer, REFUSED_EARLY);
	else
		serve_message(peer, frame.payload);
	return !peer->is_closing;
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	const struct wire_fault too_long = {.err = ERR(LIMIT), .field = "length"};
	struct peer *peer = ctx;

	(void)s;
	if (peer->is_closing)
		return;
	peer->heard_ms = front_now_ms(peer->front);
	peer->is_pinged = false;
	if (failed(ipa_assemble(&peer->assembly, bytes, take_frame, peer))) {
		peer_malformed(peer, &too_long);
		peer_drop(peer, "malformed"); /* where the next frame begins is lost */
		return;
	}
	if (peer->assembly.len > 0 && peer->partial_ms == 0)
		peer->partial_ms = peer->heard_ms;
	peer_pause_if_due(peer);
}

/* ---- streams ---- */

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct peer *peer = ctx;
	uint8_t buffer[32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)s;
	if (peer->is_closing)
		return;
	/* A socket that is none of the network's (a test's) is from nowhere, which no row names. */
	if (failed(roster_prefix_read(&peer->address, id->address)))
		peer->address = (struct roster_prefix){.bits = 128};
	if (!roster_knows(&peer->front->rules.roster, &peer->address)) {
		refuse(peer, REFUSED_ADDRESS);
		return;
	}
	ipa_id_get_encode(&w);
	send_frame(peer, &w);
}

static void on_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct peer *peer = ctx;

	(void)s, (void)c;
	log_peer(peer, "peer_closed",
		peer->why != NULL ? peer->why
		: failed(why)     ? err_word(why)
				  : "it_ended");
	serve_forget(peer);
	peer->front->paused -= peer->is_paused;
	pool_give(&peer->front->peers, peer->handle);
}

void peer_accept(struct auc_front *f, struct stream *s)
{
	static const struct stream_events events = {on_opened, on_bytes, on_closed};
	static const struct stream_events none = {0};
	struct pool_handle handle;
	void *item;

	if (failed(pool_take(&f->peers, &handle, &item))) {
		stream_set_context(s, &none, NULL);
		stream_abort(s);
		return;
	}
	struct peer *peer = item;
	const uint64_t now_ms = front_now_ms(f);
	*peer = (struct peer){
		.front = f, .handle = handle, .stream = s, .since_ms = now_ms, .heard_ms = now_ms};
	stream_set_context(s, &events, peer);
}

static void on_accepted(void *ctx, struct stream *s)
{
	peer_accept(ctx, s);
}

struct err peers_open(struct auc_front *f, const char *address, uint16_t port, uint32_t peers_max,
	struct complaint *c)
{
	const struct listener_settings listen = {
		.address = address, .port = port, .streams_max = peers_max};

	/* One more than connections: a stream that closes keeps its place for a moment. */
	const struct err e = pool_open(&f->peers, peers_max + 16, sizeof(struct peer));
	if (failed(e))
		return e;
	return listener_open(&f->listener, &f->process->loop, &listen, on_accepted, f, c);
}

struct peer *peer_at(const struct auc_front *f, uint32_t slot)
{
	return pool_find(&f->peers,
		(struct pool_handle){.slot = slot, .generation = f->peers.generations[slot]});
}

static bool is_over(uint64_t since_ms, uint64_t now_ms, uint64_t max_ms)
{
	return since_ms != 0 && now_ms > since_ms + max_ms;
}

static void peer_tick(struct peer *peer, uint64_t now_ms)
{
	if (!has_unread(peer))
		peer->unread_ms = 0;
	else if (peer->unread_ms == 0)
		peer->unread_ms = now_ms;
	if (peer->name[0] == '\0' && is_over(peer->since_ms, now_ms, IDENTITY_MS_MAX))
		refuse(peer, REFUSED_SLOW);
	else if (!peer->is_paused && is_over(peer->partial_ms, now_ms, PARTIAL_MS_MAX))
		refuse(peer, REFUSED_SLOW);
	else if (is_over(peer->unread_ms, now_ms, UNREAD_MS_MAX))
		refuse(peer, REFUSED_UNREAD);
	else if (is_over(peer->heard_ms, now_ms, DEAD_MS_MAX))
		peer_drop(peer, "silent");
	else if (is_over(peer->heard_ms, now_ms, QUIET_MS_MAX) && !peer->is_pinged) {
		peer->is_pinged = true;
		send_ccm(peer, IPA_CCM_PING);
	}
}

void peers_tick(struct auc_front *f, uint64_t now_ms)
{
	for (uint32_t i = 0; i < f->peers.limit; i++) {
		struct peer *peer = peer_at(f, i);
		if (peer != NULL && !peer->is_closing)
			peer_tick(peer, now_ms);
	}
}

void peers_close(struct auc_front *f)
{
	listener_close(f->listener);
	for (uint32_t i = 0; i < f->peers.limit; i++) {
		struct peer *peer = peer_at(f, i);
		if (peer != NULL && !peer->is_closing)
			stream_close(peer->stream);
		if (peer != NULL)
			peer->is_closing = true;
	}
}
