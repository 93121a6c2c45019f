// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "peer.h"
#include <stdio.h>

static void drop(struct peer *peer)
{
	if (!peer->is_closing)
		stream_abort(peer->stream);
	peer->is_closing = true;
}

static void send_frame(struct peer *peer, const struct writer *w)
{
	struct span frame;

	/* A peer that does not read what it asked for has no use for more. */
	if (peer->is_closing || failed(writer_result(w, &frame)))
		return;
	if (failed(stream_send(peer->stream, frame)))
		drop(peer);
}

void peer_send(struct peer *peer, const struct gsup *g)
{
	uint8_t buffer[IPA_FRAME_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	const size_t mark = ipa_gsup_open(&w);
	gsup_encode(&w, g);
	ipa_gsup_close(&w, mark);
	send_frame(peer, &w);
	secret_wipe(buffer, w.len);
}

void peer_answer_error(struct peer *peer, const struct gsup *request, enum gsup_cause cause)
{
	struct gsup answer;

	gsup_answer_start(&answer, request, (uint8_t)(request->type + 1));
	answer.has_cause = true;
	answer.cause = (uint8_t)cause;
	peer_send(peer, &answer);
}

static void send_ccm(struct peer *peer, enum ipa_ccm_type type)
{
	uint8_t buffer[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	ipa_ccm_encode(&w, type);
	send_frame(peer, &w);
}

void peer_malformed(struct peer *peer, const struct wire_fault *fault)
{
	struct log_record r;

	peer->front->malformed++;
	log_begin(&r, &peer->front->process->log, LOG_WARN, "auc", "malformed");
	log_text(&r, "address", stream_peer(peer->stream)->address);
	log_text(&r, "node", peer->name);
	log_text(&r, "field", fault->field);
	log_u64(&r, "offset", fault->offset);
	log_text(&r, "clause", fault->clause);
	log_end(&r);
	if (++peer->malformed >= MALFORMED_MAX)
		drop(peer);
}

/* ---- frames ---- */

static void log_peer(const struct peer *peer, const char *event)
{
	struct log_record r;

	log_begin(&r, &peer->front->process->log, LOG_INFO, "auc", event);
	log_text(&r, "address", stream_peer(peer->stream)->address);
	log_text(&r, "node", peer->name);
	log_end(&r);
}

static void on_identity(struct peer *peer, struct span payload)
{
	struct wire_fault fault = {0};
	struct ipa_identity id;

	if (failed(ipa_id_resp_decode(payload, &id, &fault))) {
		peer_malformed(peer, &fault);
		drop(peer);
		return;
	}
	const char *name = id.serial[0] != '\0' ? id.serial : id.unit_name;
	if (name[0] == '\0') {
		fault.field = "serial";
		peer_malformed(peer, &fault);
		drop(peer); /* without a name there is no IND for it */
		return;
	}
	snprintf(peer->name, sizeof peer->name, "%s", name);
	log_peer(peer, "peer_identified");
}

static void on_ccm(struct peer *peer, const struct ipa_frame *frame)
{
	if (frame->ccm_type == IPA_CCM_PING)
		send_ccm(peer, IPA_CCM_PONG);
	else if (frame->ccm_type == IPA_CCM_ID_RESP)
		on_identity(peer, frame->payload);
	/* PONG, ID_ACK, ID_GET and unknown types want nothing of us. */
}

static void on_frame(struct peer *peer, struct span bytes)
{
	struct wire_fault fault = {0};
	struct ipa_frame frame;

	if (failed(ipa_decode(bytes, &frame, &fault))) {
		peer_malformed(peer, &fault);
		return;
	}
	if (frame.kind == IPA_CCM)
		on_ccm(peer, &frame);
	else if (frame.kind == IPA_GSUP && peer->name[0] != '\0')
		on_gsup(peer, frame.payload);
	else
		peer->front->unexpected++;
}

static bool take_frame(void *ctx, struct span frame)
{
	struct peer *peer = ctx;

	on_frame(peer, frame);
	return !peer->is_closing;
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	const struct wire_fault too_long = {.err = ERR(LIMIT), .field = "length"};
	struct peer *peer = ctx;

	(void)s;
	peer->heard_ms = clock_now(&peer->front->process->clock).mono_ms;
	peer->is_pinged = false;
	if (peer->is_closing || !failed(ipa_assemble(&peer->assembly, bytes, take_frame, peer)))
		return;
	peer_malformed(peer, &too_long);
	drop(peer); /* where the next frame begins is lost */
}

/* ---- streams ---- */

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct peer *peer = ctx;
	uint8_t buffer[32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)s, (void)id;
	ipa_id_get_encode(&w);
	send_frame(peer, &w);
}

static void on_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct peer *peer = ctx;
	struct log_record r;

	(void)c;
	log_begin(&r, &peer->front->process->log, LOG_INFO, "auc", "peer_closed");
	log_text(&r, "address", stream_peer(s)->address);
	log_text(&r, "node", peer->name);
	log_text(&r, "why", err_word(why));
	log_end(&r);
	pool_give(&peer->front->peers, peer->handle);
}

static void on_closed_unknown(
	void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	(void)ctx, (void)s, (void)why, (void)c;
}

static void on_bytes_unknown(void *ctx, struct stream *s, struct span bytes)
{
	(void)ctx, (void)s, (void)bytes;
}

static void on_opened_unknown(void *ctx, struct stream *s, const struct peer_identity *id)
{
	(void)ctx, (void)s, (void)id;
}

static void on_accepted(void *ctx, struct stream *s)
{
	static const struct stream_events events = {on_opened, on_bytes, on_closed};
	static const struct stream_events none = {
		on_opened_unknown, on_bytes_unknown, on_closed_unknown};
	struct auc_front *f = ctx;
	struct pool_handle handle;
	void *item;

	if (failed(pool_take(&f->peers, &handle, &item))) {
		stream_set_context(s, &none, NULL);
		stream_abort(s);
		return;
	}
	struct peer *peer = item;
	*peer = (struct peer){.front = f,
		.handle = handle,
		.stream = s,
		.heard_ms = clock_now(&f->process->clock).mono_ms};
	stream_set_context(s, &events, peer);
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

static struct peer *peer_at(const struct auc_front *f, uint32_t slot)
{
	return pool_find(&f->peers,
		(struct pool_handle){.slot = slot, .generation = f->peers.generations[slot]});
}

void peers_tick(struct auc_front *f, uint64_t now_ms)
{
	for (uint32_t i = 0; i < f->peers.limit; i++) {
		struct peer *peer = peer_at(f, i);
		if (peer == NULL)
			continue;
		if (now_ms > peer->heard_ms + DEAD_MS_MAX)
			drop(peer);
		else if (now_ms > peer->heard_ms + QUIET_MS_MAX && !peer->is_pinged) {
			peer->is_pinged = true;
			send_ccm(peer, IPA_CCM_PING);
		}
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
