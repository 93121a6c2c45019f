// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * What serving nodes ask: SendAuthInfo, UpdateLocation, PurgeMS, AuthFailReport. A request goes
 *
 *   serve_message -> (a table by type) -> request_open -> the line -> serve_turn -> store -> on_…
 *
 * and is answered exactly once, or its peer has gone.
 */
#include "peer.h"
#include <assert.h>

static_assert(offsetof(struct request, item) == 0, "an item of the line is its request");

static struct request *request_of(struct line_item *item)
{
	return (struct request *)(void *)item;
}

/* The peer that asked, or NULL where it has gone. */
static struct peer *peer_of(const struct request *r)
{
	return pool_find(&r->front->peers, r->peer);
}

/* ---- errors ---- */

static void answer_error(struct peer *peer, const struct gsup_origin *origin, enum gsup_cause cause)
{
	static struct gsup answer;

	gsup_answer_start(&answer, origin, (uint8_t)(origin->type + 1));
	answer.has_cause = true;
	answer.cause = (uint8_t)cause;
	peer_send(peer, &answer);
}

static void answer_error_to(struct peer *peer, const struct gsup *g, enum gsup_cause cause)
{
	static struct gsup_origin origin;

	gsup_origin_of(&origin, g);
	answer_error(peer, &origin, cause);
}

static void refuse(struct peer *peer, const struct gsup *g, enum refusal why)
{
	front_refuse(peer->front, why, stream_peer(peer->stream)->address, peer->name, g->imsi);
}

/* What the store says of a subscriber, in the words of [TS 24.008 §10.5.5.14]; of one who is
 * disabled as osmo-hlr says it of a network access mode that is off. */
static const struct {
	enum err_kind kind;
	enum gsup_cause ps, cs;
} causes[] = {
	{ERR_ABSENT, GSUP_CAUSE_IMSI_UNKNOWN, GSUP_CAUSE_IMSI_UNKNOWN},
	{ERR_STATE, GSUP_CAUSE_GPRS_NOT_ALLOWED, GSUP_CAUSE_PLMN_NOT_ALLOWED},
	{ERR_AUTH, GSUP_CAUSE_SYNCH_FAILURE, GSUP_CAUSE_SYNCH_FAILURE},
	{ERR_LIMIT, GSUP_CAUSE_CONGESTION, GSUP_CAUSE_CONGESTION},
};

static enum gsup_cause cause_of(struct err err, uint8_t domain)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (causes[i].kind == err.kind)
			return domain == AUTH_CS ? causes[i].cs : causes[i].ps;
	return GSUP_CAUSE_NETWORK_FAILURE;
}

/* ---- requests ---- */

static void request_close(struct request *r)
{
	struct peer *peer = peer_of(r);

	if (peer != NULL)
		peer->in_flight--;
	pool_give(&r->front->requests, r->handle);
}

static void request_refuse(struct request *r, enum gsup_cause cause)
{
	struct peer *peer = peer_of(r);

	if (peer != NULL)
		answer_error(peer, &r->origin, cause);
	request_close(r);
}

static void request_shed(struct request *r, enum shed why)
{
	front_shed(r->front, why);
	request_refuse(r, GSUP_CAUSE_CONGESTION);
}

uint32_t serve_share(const struct auc_front *f)
{
	const uint32_t share = REQUESTS_MAX / (f->peers.in_use > 0 ? f->peers.in_use : 1);

	return share < REQUESTS_PER_PEER_MAX ? share : REQUESTS_PER_PEER_MAX;
}

/* A place for one more: the oldest that waits goes, where the peer has as many as it may. */
static struct request *request_place(struct peer *peer)
{
	struct auc_front *f = peer->front;
	struct pool_handle handle;
	void *item;

	if (peer->in_flight >= serve_share(f)) {
		struct line_item *oldest = queue_drop_oldest(&f->line, &peer->queue);
		if (oldest == NULL)
			return NULL;
		request_shed(request_of(oldest), SHED_QUEUE);
	}
	if (failed(pool_take(&f->requests, &handle, &item)))
		return NULL;
	struct request *r = item;
	r->front = f;
	r->handle = handle;
	r->peer = peer->handle;
	peer->in_flight++;
	return r;
}

static bool may_speak_of(const struct peer *peer, const char *imsi)
{
	return peer->row == NULL || roster_row_may_ask(peer->row, imsi);
}

/* May this peer ask for this subscriber? Then its request waits for its turn. */
static void request_open(struct peer *peer, const struct gsup *g)
{
	struct auc_front *f = peer->front;

	if (!may_speak_of(peer, g->imsi)) {
		refuse(peer, g, REFUSED_PLMN);
		answer_error_to(peer, g, GSUP_CAUSE_PLMN_NOT_ALLOWED);
		return;
	}
	struct request *r = request_place(peer);
	if (r == NULL) {
		front_shed(f, SHED_ROOM);
		answer_error_to(peer, g, GSUP_CAUSE_CONGESTION);
		return;
	}
	gsup_origin_of(&r->origin, g);
	r->domain = g->domain == AUTH_CS ? AUTH_CS : AUTH_PS;
	r->vectors = g->vectors_requested == 0 ? AUTH_VECTORS_MAX : g->vectors_requested;
	if (peer->row != NULL && peer->row->vectors_max != 0 && r->vectors > peer->row->vectors_max)
		r->vectors = peer->row->vectors_max;
	r->current_rat = g->current_rat;
	r->has_auts = g->has_auts;
	memcpy(r->rand, g->rand, sizeof r->rand);
	memcpy(r->auts, g->auts, sizeof r->auts);
	line_put(&f->line, &peer->queue, &r->item, peer->heard_ms);
	loop_flush_later(&f->process->loop, &f->turn);
}

/* ---- SendAuthInfo ---- */

static void on_vectors(void *ctx, struct err err, struct span body)
{
	static struct gsup answer;
	struct request *r = ctx;
	struct auc_front *f = r->front;
	struct peer *peer = peer_of(r);
	struct wire_fault fault = {0};
	size_t count = 0;

	f->at_store--;
	gsup_answer_start(&answer, &r->origin, GSUP_SEND_AUTH_INFO_RESULT);
	if (!failed(err))
		err = auc_vectors_decode(body, answer.vectors, &count, &fault);
	if (failed(err)) {
		f->refused++;
		request_refuse(r, cause_of(err, r->domain));
	} else {
		answer.vector_count = (uint8_t)count;
		f->vectors += count;
		if (peer != NULL)
			peer_send(peer, &answer);
		request_close(r);
	}
	secret_wipe(
		answer.vectors, count * sizeof answer.vectors[0]); /* also those before a fault */
	if (f->line.count > 0)
		loop_flush_later(&f->process->loop, &f->turn);
}

/* Nodes behind one peer that get an IND of their own are limited: each new one is a durable write. */
static bool source_is_known(struct peer *peer, const char node[static AUTH_NODE_MAX])
{
	for (size_t i = 0; i < peer->source_count; i++)
		if (strcmp(peer->sources[i], node) == 0)
			return true;
	if (peer->source_count == SOURCES_MAX)
		return false;
	memcpy(peer->sources[peer->source_count++], node, AUTH_NODE_MAX);
	return true;
}

/* The node whose IND it is: who stands behind a proxy, else the peer itself. Osmocom's names end with
 * a NUL, which is none of the name. */
static void name_node(struct auth_request *q, struct peer *peer, const struct gsup_origin *o)
{
	const size_t len = o->source_len < AUTH_NODE_MAX ? o->source_len : AUTH_NODE_MAX - 1;
	size_t kept = 0;

	for (size_t i = 0; i < len; i++)
		if (o->source[i] > 0x20 && o->source[i] < 0x7f)
			q->node[kept++] = (char)o->source[i];
	if (kept == 0 || !source_is_known(peer, q->node))
		memcpy(q->node, peer->name, sizeof q->node);
}

static void vectors_encode(struct writer *w, const struct request *r, struct peer *peer)
{
	struct auth_request q = {.domain = r->domain == AUTH_CS ? AUTH_CS : AUTH_PS,
		.radio = r->current_rat == GSUP_RAT_EUTRAN_SGS ? AUTH_EPS : AUTH_UTRAN,
		.vectors = r->vectors,
		.has_resync = r->has_auts};

	memcpy(q.imsi, r->origin.imsi, sizeof q.imsi);
	memcpy(q.rand, r->rand, sizeof q.rand);
	memcpy(q.auts, r->auts, sizeof q.auts);
	name_node(&q, peer, &r->origin);
	auc_request_encode(w, &q);
}

static void on_auth_fail_report(struct peer *peer, const struct gsup *g)
{
	struct auc_front *f = peer->front;
	struct log_record record;

	if (!may_speak_of(peer, g->imsi)) {
		refuse(peer, g, REFUSED_PLMN); /* it wants no answer */
		return;
	}
	f->failure_reports++;
	if (!bucket_take(&f->reports_logged, peer->heard_ms)) /* none of the refusals' */
		return;
	log_begin(&record, &f->process->log, LOG_NOTICE, "auc", "authentication_failed");
	log_imsi(&record, "imsi", g->imsi);
	log_text(&record, "node", peer->name);
	log_end(&record);
}

/* ---- locations: those that wait for the node to have the subscriber's data ---- */

static struct request **chain_of(struct auc_front *f, struct pool_handle peer, const char *imsi)
{
	uint32_t hash = 2166136261u ^ peer.slot; /* FNV-1a */

	for (const char *p = imsi; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return &f->locations[hash % LOCATION_CHAINS];
}

static void location_put(struct request *r, struct peer *peer)
{
	struct auc_front *f = r->front;
	struct request **chain = chain_of(f, r->peer, r->origin.imsi);

	r->since_ms = front_now_ms(f);
	r->chain = *chain;
	*chain = r;
	r->before = f->newest_location;
	*(r->before != NULL ? &r->before->after : &f->oldest_location) = r;
	f->newest_location = r;
	r->peer_after = peer->locations;
	if (r->peer_after != NULL)
		r->peer_after->peer_before = r;
	peer->locations = r;
}

static void location_take(struct request *r)
{
	struct auc_front *f = r->front;
	struct peer *peer = peer_of(r); /* there still: serve_forget() */
	struct request **at = chain_of(f, r->peer, r->origin.imsi);

	while (*at != r)
		at = &(*at)->chain;
	*at = r->chain;
	*(r->before != NULL ? &r->before->after : &f->oldest_location) = r->after;
	*(r->after != NULL ? &r->after->before : &f->newest_location) = r->before;
	*(r->peer_before != NULL ? &r->peer_before->peer_after : &peer->locations) = r->peer_after;
	if (r->peer_after != NULL)
		r->peer_after->peer_before = r->peer_before;
}

/* Of several of one subscriber's at one peer, the newest. */
static struct request *location_of(const struct peer *peer, const char *imsi)
{
	struct request *r = *chain_of(peer->front, peer->handle, imsi);

	while (r != NULL && (pool_handle_to_u64(r->peer) != pool_handle_to_u64(peer->handle) ||
				    strcmp(r->origin.imsi, imsi) != 0))
		r = r->chain;
	return r;
}

void serve_expire(struct auc_front *f, uint64_t now_ms)
{
	for (struct request *r; (r = f->oldest_location) != NULL;) {
		if (now_ms - r->since_ms <= INSERT_DATA_MS_MAX)
			return;
		location_take(r);
		request_refuse(r, GSUP_CAUSE_NETWORK_FAILURE);
	}
}

/* What its share counts must be gone with the peer: who comes again and again would fill the pool. What
 * is at the store comes back from there. */
void serve_forget(struct peer *peer)
{
	struct auc_front *f = peer->front;
	struct line_item *item;

	while ((item = queue_drop_oldest(&f->line, &peer->queue)) != NULL)
		pool_give(&f->requests, request_of(item)->handle);
	for (struct request *r; (r = peer->locations) != NULL;) {
		location_take(r);
		pool_give(&f->requests, r->handle);
	}
}

/* ---- UpdateLocation: the subscriber's data first, then, when the node has them, the result ---- */

static void send_subscriber_data(struct request *r, struct peer *peer, const char *msisdn)
{
	static struct gsup data;

	gsup_answer_start(&data, &r->origin, GSUP_INSERT_DATA_REQUEST);
	data.domain = r->domain;
	memcpy(data.msisdn, msisdn, strlen(msisdn) + 1);
	if (data.domain == AUTH_PS) { /* any APN, as osmo-sgsn needs one to accept the attach */
		data.is_pdp_info_complete = true;
		data.pdp_count = 1;
		data.pdps[0] = (struct gsup_pdp){.context_id = 1, .apn_len = 2, .apn = {1, '*'}};
	}
	location_put(r, peer);
	peer_send(peer, &data);
}

static void on_location_subscriber(struct request *r, struct peer *peer, struct span body)
{
	struct request *older = location_of(peer, r->origin.imsi);
	struct wire_fault fault = {0};
	char msisdn[AUC_MSISDN_TEXT];

	if (failed(auc_text_decode(body, msisdn, sizeof msisdn, &fault))) {
		request_refuse(r, GSUP_CAUSE_NETWORK_FAILURE);
		return;
	}
	if (older != NULL) { /* the node began anew: one answer cannot be for both */
		location_take(older);
		request_refuse(older, GSUP_CAUSE_NETWORK_FAILURE);
	}
	send_subscriber_data(r, peer, msisdn);
}

static void on_insert_data_answer(struct peer *peer, const struct gsup *g)
{
	static struct gsup answer;
	struct request *r = location_of(peer, g->imsi);

	if (r == NULL) {
		peer->front->unexpected++;
		return;
	}
	location_take(r);
	if (g->type == GSUP_INSERT_DATA_ERROR) {
		request_refuse(r, GSUP_CAUSE_NETWORK_FAILURE);
		return;
	}
	gsup_answer_start(&answer, &r->origin, GSUP_UPDATE_LOCATION_RESULT);
	peer_send(peer, &answer);
	peer->front->locations_done++;
	request_close(r);
}

/* ---- PurgeMS ---- */

static void on_purge_subscriber(struct request *r, struct peer *peer)
{
	static struct gsup answer;

	gsup_answer_start(&answer, &r->origin, GSUP_PURGE_MS_RESULT);
	answer.is_freeze_ptmsi =
		r->domain != AUTH_CS; /* [TS 23.060 §6.9.3]: so that it is not given again */
	peer_send(peer, &answer);
	request_close(r);
}

/* ---- the store ---- */

static void on_subscriber(void *ctx, struct err err, struct span body)
{
	struct request *r = ctx;
	struct auc_front *f = r->front;
	struct peer *peer = peer_of(r);

	f->at_store--;
	if (failed(err) || peer == NULL)
		request_refuse(r, cause_of(err, r->domain));
	else if (r->origin.type == GSUP_PURGE_MS_REQUEST)
		on_purge_subscriber(r, peer);
	else
		on_location_subscriber(r, peer, body);
	if (f->line.count > 0)
		loop_flush_later(&f->process->loop, &f->turn);
}

static void ask_store(struct request *r, struct peer *peer)
{
	const bool is_vectors = r->origin.type == GSUP_SEND_AUTH_INFO_REQUEST;
	struct channel *store = r->front->store;
	uint8_t buffer[AUC_REQUEST_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span body;

	if (is_vectors)
		vectors_encode(&w, r, peer);
	else
		auc_text_encode(&w, r->origin.imsi);
	struct err e = store == NULL ? ERR(TIMEOUT) : writer_result(&w, &body);
	if (!failed(e))
		e = channel_ask(store, is_vectors ? AUC_AUTHENTICATE : AUC_SUBSCRIBER, body,
			STORE_MS_MAX, is_vectors ? on_vectors : on_subscriber, r);
	if (failed(e))
		request_refuse(r,
			e.kind == ERR_LIMIT ? GSUP_CAUSE_CONGESTION : GSUP_CAUSE_NETWORK_FAILURE);
	else
		r->front->at_store++;
}

void serve_turn(void *ctx)
{
	struct auc_front *f = ctx;
	const uint64_t now_ms = front_now_ms(f);
	struct line_item *item;
	bool is_stale;

	while (f->at_store < STORE_WINDOW &&
		(item = line_next(&f->line, now_ms, &is_stale)) != NULL) {
		struct request *r = request_of(item);
		struct peer *peer = peer_of(r); /* what waits has a peer: serve_forget() */
		if (is_stale)
			request_shed(r, SHED_STALE);
		else
			ask_store(r, peer);
		peer_resume_if_due(peer);
	}
	if (f->line.count > 0 && !f->pace.is_running)
		loop_timer_every(&f->pace, PACE_MS);
}

static void on_stale(void *ctx, struct line_item *item)
{
	(void)ctx;
	request_shed(request_of(item), SHED_STALE);
}

void serve_pace(void *ctx)
{
	struct auc_front *f = ctx;

	line_release(&f->line);
	line_reap(&f->line, front_now_ms(f), on_stale, f);
	serve_turn(f);
	for (uint32_t i = 0; i < f->peers.limit && f->paused > 0; i++) {
		struct peer *peer = peer_at(f, i);
		if (peer != NULL)
			peer_resume_if_due(peer);
	}
	if (f->line.count == 0 && f->paused == 0)
		loop_timer_stop(&f->pace);
}

/* ---- by type ---- */

static const struct {
	uint8_t type;
	void (*handle)(struct peer *peer, const struct gsup *g);
} handlers[] = {
	{GSUP_SEND_AUTH_INFO_REQUEST, request_open},
	{GSUP_UPDATE_LOCATION_REQUEST, request_open},
	{GSUP_PURGE_MS_REQUEST, request_open},
	{GSUP_AUTH_FAIL_REPORT, on_auth_fail_report},
	{GSUP_INSERT_DATA_RESULT, on_insert_data_answer},
	{GSUP_INSERT_DATA_ERROR, on_insert_data_answer},
};

/* For somebody else by its name: we pass nothing on, and say so [OsmoHLR manual, "GSUP proxy"]. */
static void refuse_route(struct peer *peer, const struct gsup *g)
{
	static struct gsup answer;
	static struct gsup_origin origin;

	refuse(peer, g, REFUSED_ROUTE);
	gsup_origin_of(&origin, g);
	gsup_answer_start(&answer, &origin, GSUP_ROUTING_ERROR);
	answer.source_len = g->destination_len;
	memcpy(answer.source, g->destination, g->destination_len);
	peer_send(peer, &answer);
}

static void dispatch(struct peer *peer, const struct gsup *g)
{
	const bool is_request = gsup_is_request(g->type);

	if (is_request && g->destination_len > 0) {
		refuse_route(peer, g);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
		if (handlers[i].type == g->type) {
			handlers[i].handle(peer, g);
			return;
		}
	if (!is_request) {
		peer->front->unexpected++;
		return;
	}
	/* A service that is not ours: say so, rather than let it time out. */
	refuse(peer, g, REFUSED_TYPE);
	answer_error_to(peer, g, GSUP_CAUSE_TYPE_UNKNOWN);
}

void serve_message(struct peer *peer, struct span message)
{
	static struct gsup g;
	struct wire_fault fault = {0};

	peer->front->messages++;
	if (!failed(gsup_decode(message, &g, &fault))) {
		dispatch(peer, &g);
		return;
	}
	if (gsup_salvage(message, &g) && gsup_is_request(g.type))
		answer_error_to(peer, &g, GSUP_CAUSE_INVALID_MANDATORY);
	peer_malformed(peer, &fault);
}
