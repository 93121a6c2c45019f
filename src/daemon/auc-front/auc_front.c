// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The GSUP front of the authentication centre: sockets and octets, no keys, no numbers. What
 * serving nodes ask is decoded, turned into a `struct auth_request`, and asked of the store; the
 * answer goes back the same way.
 *
 *   on_bytes -> on_frame -> on_gsup -> (a table by type) -> store -> on_… -> answer
 *
 * A peer that sends what cannot be read gets an error where there is somebody to address it to, and
 * loses its connection after MALFORMED_MAX of these; others do not notice.
 */
#include "peer.h"
#include <stdlib.h>

/* ---- requests ---- */

static struct request *request_open(struct peer *peer, const struct gsup *g)
{
	struct auc_front *f = peer->front;
	struct pool_handle handle;
	void *item;

	if (peer->in_flight == REQUESTS_PER_PEER_MAX ||
		failed(pool_take(&f->requests, &handle, &item))) {
		f->shed++;
		peer_answer_error(peer, g, GSUP_CAUSE_CONGESTION);
		return NULL;
	}
	struct request *r = item;
	*r = (struct request){.front = f, .handle = handle, .peer = peer->handle};
	r->gsup = *g;
	peer->in_flight++;
	return r;
}

/* The peer that asked, or NULL where it has gone. */
static struct peer *peer_of(const struct request *r)
{
	return pool_find(&r->front->peers, r->peer);
}

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
		peer_answer_error(peer, &r->gsup, cause);
	request_close(r);
}

static enum gsup_cause cause_of(struct err err)
{
	if (err.kind == ERR_ABSENT)
		return GSUP_CAUSE_IMSI_UNKNOWN;
	if (err.kind == ERR_AUTH)
		return GSUP_CAUSE_SYNCH_FAILURE;
	if (err.kind == ERR_LIMIT)
		return GSUP_CAUSE_CONGESTION;
	return GSUP_CAUSE_NETWORK_FAILURE;
}

static void ask_store(
	struct request *r, uint16_t type, const struct writer *w, channel_answered_fn *answered)
{
	struct channel *store = r->front->store;
	struct err e = ERR(TIMEOUT);
	struct span body;

	if (store != NULL)
		e = writer_result(w, &body);
	if (store != NULL && !failed(e))
		e = channel_ask(store, type, body, STORE_MS_MAX, answered, r);
	if (failed(e))
		request_refuse(r, cause_of(e));
}

/* ---- SendAuthInfo ---- */

static void on_vectors(void *ctx, struct err err, struct span body)
{
	struct request *r = ctx;
	struct peer *peer = peer_of(r);
	struct wire_fault fault = {0};
	struct gsup answer;
	size_t count;

	gsup_answer_start(&answer, &r->gsup, GSUP_SEND_AUTH_INFO_RESULT);
	if (!failed(err))
		err = auc_vectors_decode(body, answer.vectors, &count, &fault);
	if (failed(err)) {
		secret_wipe(&answer, sizeof answer); /* vectors before the fault */
		r->front->refused += 1;
		request_refuse(r, cause_of(err));
		return;
	}
	answer.vector_count = (uint8_t)count;
	r->front->vectors += count;
	if (peer != NULL)
		peer_send(peer, &answer);
	request_close(r);
	secret_wipe(&answer, sizeof answer);
}

/* The node whose IND it is: who stands behind a proxy, else the peer itself. */
static void name_node(struct auth_request *q, const struct peer *peer, const struct gsup *g)
{
	const size_t len = g->source_len < AUTH_NODE_MAX ? g->source_len : AUTH_NODE_MAX - 1;
	size_t kept = 0;

	for (size_t i = 0; i < len; i++)
		if (g->source[i] > 0x20 && g->source[i] < 0x7f)
			q->node[kept++] = (char)g->source[i];
	if (kept == 0)
		memcpy(q->node, peer->name, sizeof q->node);
}

static void on_send_auth_info(struct peer *peer, const struct gsup *g)
{
	struct request *r = request_open(peer, g);
	uint8_t buffer[AUC_REQUEST_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (r == NULL)
		return;
	struct auth_request q = {.domain = g->domain == AUTH_CS ? AUTH_CS : AUTH_PS,
		.radio = g->current_rat == GSUP_RAT_EUTRAN_SGS ? AUTH_EPS : AUTH_UTRAN,
		.vectors = g->vectors_requested == 0 ? AUTH_VECTORS_MAX : g->vectors_requested,
		.has_resync = g->has_auts};
	memcpy(q.imsi, g->imsi, sizeof q.imsi);
	memcpy(q.rand, g->rand, sizeof q.rand);
	memcpy(q.auts, g->auts, sizeof q.auts);
	name_node(&q, peer, g);
	auc_request_encode(&w, &q);
	ask_store(r, AUC_AUTHENTICATE, &w, on_vectors);
}

static void on_auth_fail_report(struct peer *peer, const struct gsup *g)
{
	struct log_record record;

	peer->front->failure_reports++;
	log_begin(&record, &peer->front->process->log, LOG_NOTICE, "auc", "authentication_failed");
	log_imsi(&record, "imsi", g->imsi);
	log_text(&record, "node", peer->name);
	log_end(&record);
}

/* ---- UpdateLocation: the subscriber's data first, then, when the node has them, the result ----
 */

static void send_subscriber_data(struct request *r, const char *msisdn)
{
	struct peer *peer = peer_of(r);
	struct gsup data;

	gsup_answer_start(&data, &r->gsup, GSUP_INSERT_DATA_REQUEST);
	data.domain = r->gsup.domain == AUTH_CS ? AUTH_CS : AUTH_PS;
	memcpy(data.msisdn, msisdn, strlen(msisdn) + 1);
	if (data.domain == AUTH_PS) { /* any APN, as osmo-sgsn needs one to accept the attach */
		data.is_pdp_info_complete = true;
		data.pdp_count = 1;
		data.pdps[0] = (struct gsup_pdp){.context_id = 1, .apn_len = 2, .apn = {1, '*'}};
	}
	r->wait = WAIT_INSERT_DATA;
	r->since_ms = clock_now(&r->front->process->clock).mono_ms;
	if (peer != NULL)
		peer_send(peer, &data);
	else
		request_close(r);
}

static void on_location_subscriber(void *ctx, struct err err, struct span body)
{
	struct request *r = ctx;
	struct wire_fault fault = {0};
	char msisdn[AUC_MSISDN_TEXT];

	if (!failed(err))
		err = auc_text_decode(body, msisdn, sizeof msisdn, &fault);
	if (failed(err))
		request_refuse(r, cause_of(err));
	else
		send_subscriber_data(r, msisdn);
}

static void ask_for_subscriber(
	struct peer *peer, const struct gsup *g, channel_answered_fn *answered)
{
	struct request *r = request_open(peer, g);
	uint8_t buffer[IMSI_TEXT + 1];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (r == NULL)
		return;
	auc_text_encode(&w, g->imsi);
	ask_store(r, AUC_SUBSCRIBER, &w, answered);
}

static void on_update_location(struct peer *peer, const struct gsup *g)
{
	ask_for_subscriber(peer, g, on_location_subscriber);
}

static bool waits_for(const struct request *r, const struct peer *peer, const struct gsup *g)
{
	return r != NULL && r->wait == WAIT_INSERT_DATA && r->peer.slot == peer->handle.slot &&
	       r->peer.generation == peer->handle.generation && strcmp(r->gsup.imsi, g->imsi) == 0;
}

static struct request *location_of(const struct peer *peer, const struct gsup *g)
{
	struct auc_front *f = peer->front;

	for (uint32_t i = 0; i < f->requests.limit && peer->in_flight > 0; i++) {
		struct request *r = request_at(f, i);
		if (waits_for(r, peer, g))
			return r;
	}
	return NULL;
}

static void on_insert_data_answer(struct peer *peer, const struct gsup *g)
{
	struct request *r = location_of(peer, g);
	struct gsup answer;

	if (r == NULL) {
		peer->front->unexpected++;
		return;
	}
	if (g->type == GSUP_INSERT_DATA_ERROR) {
		request_refuse(r, GSUP_CAUSE_NETWORK_FAILURE);
		return;
	}
	gsup_answer_start(&answer, &r->gsup, GSUP_UPDATE_LOCATION_RESULT);
	peer_send(peer, &answer);
	peer->front->locations++;
	request_close(r);
}

/* ---- PurgeMS ---- */

static void on_purge_subscriber(void *ctx, struct err err, struct span body)
{
	struct request *r = ctx;
	struct peer *peer = peer_of(r);
	struct gsup answer;

	(void)body;
	if (failed(err)) {
		request_refuse(r, cause_of(err));
		return;
	}
	gsup_answer_start(&answer, &r->gsup, GSUP_PURGE_MS_RESULT);
	answer.is_freeze_ptmsi =
		r->gsup.domain != AUTH_CS; /* [TS 23.060 §6.9.3]: so that it is not given again */
	if (peer != NULL)
		peer_send(peer, &answer);
	request_close(r);
}

static void on_purge(struct peer *peer, const struct gsup *g)
{
	ask_for_subscriber(peer, g, on_purge_subscriber);
}

/* ---- by type ---- */

static const struct {
	uint8_t type;
	void (*handle)(struct peer *peer, const struct gsup *g);
} handlers[] = {
	{GSUP_SEND_AUTH_INFO_REQUEST, on_send_auth_info},
	{GSUP_AUTH_FAIL_REPORT, on_auth_fail_report},
	{GSUP_UPDATE_LOCATION_REQUEST, on_update_location},
	{GSUP_INSERT_DATA_RESULT, on_insert_data_answer},
	{GSUP_INSERT_DATA_ERROR, on_insert_data_answer},
	{GSUP_PURGE_MS_REQUEST, on_purge},
};

static void dispatch(struct peer *peer, const struct gsup *g)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
		if (handlers[i].type == g->type) {
			handlers[i].handle(peer, g);
			return;
		}
	peer->front->unexpected++;
	if (gsup_is_request(
		    g->type)) /* a service that is not ours: say so, rather than let it time out */
		peer_answer_error(peer, g, GSUP_CAUSE_TYPE_UNKNOWN);
}

void on_gsup(struct peer *peer, struct span message)
{
	struct wire_fault fault = {0};
	struct gsup g;

	peer->front->messages++;
	if (!failed(gsup_decode(message, &g, &fault))) {
		dispatch(peer, &g);
		return;
	}
	if (imsi_is_valid(g.imsi) && gsup_is_request(g.type))
		peer_answer_error(peer, &g, GSUP_CAUSE_INVALID_MANDATORY);
	peer_malformed(peer, &fault);
}

/* ---- life ---- */

static void expire(struct auc_front *f, uint64_t now_ms)
{
	for (uint32_t i = 0; i < f->requests.limit && f->requests.in_use > 0; i++) {
		struct request *r = request_at(f, i);
		if (r != NULL && r->wait == WAIT_INSERT_DATA &&
			(peer_of(r) == NULL || now_ms - r->since_ms > INSERT_DATA_MS_MAX))
			request_refuse(r, GSUP_CAUSE_NETWORK_FAILURE);
	}
}

static void on_tick(void *ctx)
{
	struct auc_front *f = ctx;
	const uint64_t now_ms = clock_now(&f->process->clock).mono_ms;

	expire(f, now_ms);
	peers_tick(f, now_ms);
}

static void on_store_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx;
	if (frame->kind == IPC_REQUEST) /* the store asks a front nothing */
		channel_answer(c, frame->request_id, frame->type, ERR(INPUT), span_of(NULL, 0));
}

static void on_store_closed(void *ctx, struct channel *c, struct err why)
{
	struct auc_front *f = ctx;

	(void)why;
	if (f->store == c)
		f->store = NULL;
}

static void on_channel(struct process *p, const char *peer, int fd)
{
	static const struct channel_events events = {on_store_frame, on_store_closed};
	struct auc_front *f = p->state;
	struct channel *opened;

	if (strcmp(peer, "auc-store") != 0 ||
		failed(channel_open_fd(&opened, &p->loop, fd, &events, f)))
		return;
	if (f->store != NULL)
		channel_close(f->store);
	f->store = opened;
}

struct front_settings {
	char address[64];
	uint64_t port, peers_max;
};

static const struct setting_row rows[] = {
	SETTING_ROW("listen.address", SETTING_TEXT, false, struct front_settings, address),
	SETTING_ROW("listen.port", SETTING_U64, false, struct front_settings, port),
	SETTING_ROW("peers_max", SETTING_U64, true, struct front_settings, peers_max),
};

static void add_metrics(struct auc_front *f)
{
	const struct metric all[] = {
		{"merlon_gsup_messages", "GSUP messages received", NULL, METRIC_COUNTER,
			&f->messages},
		{"merlon_gsup_vectors", "Vectors handed out", NULL, METRIC_COUNTER, &f->vectors},
		{"merlon_gsup_refused", "SendAuthInfo requests refused", NULL, METRIC_COUNTER,
			&f->refused},
		{"merlon_gsup_malformed", "Frames and messages that could not be read", NULL,
			METRIC_COUNTER, &f->malformed},
		{"merlon_gsup_shed", "Requests refused because too many are in flight", NULL,
			METRIC_COUNTER, &f->shed},
		{"merlon_gsup_unexpected", "Messages that nobody waits for", NULL, METRIC_COUNTER,
			&f->unexpected},
		{"merlon_gsup_locations", "Location updates done", NULL, METRIC_COUNTER,
			&f->locations},
		{"merlon_gsup_failure_reports", "Authentication failures reported by nodes", NULL,
			METRIC_COUNTER, &f->failure_reports},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		metrics_add(&f->process->metrics, all[i]);
}

static struct err start(struct process *p, struct complaint *c)
{
	static struct auc_front f;
	struct front_settings s = {.peers_max = PEERS_DEFAULT};

	p->state = &f;
	f.process = p;
	struct err e = settings_read(&p->settings, rows, ARRAY_LEN(rows), &s, c);
	if (failed(e))
		return e;
	if (s.port == 0 || s.port > UINT16_MAX || s.peers_max == 0 || s.peers_max > PEERS_MAX)
		return complain(c, ERR(INPUT),
			"listen.port: from 1 to 65535; peers_max: from 1 to %d", PEERS_MAX);
	e = pool_open(&f.requests, REQUESTS_MAX, sizeof(struct request));
	if (!failed(e))
		e = peers_open(&f, s.address, (uint16_t)s.port, (uint32_t)s.peers_max, c);
	if (failed(e))
		return complain(c, e, "cannot listen");
	loop_timer_open(&p->loop, &f.tick, on_tick, &f);
	loop_timer_every(&f.tick, TICK_MS);
	add_metrics(&f);
	return OK;
}

static void status(struct process *p, struct json_writer *json)
{
	const struct auc_front *f = p->state;

	json_u64(json, "peers", f->peers.in_use);
	json_u64(json, "in_flight", f->requests.in_use);
	json_u64(json, "messages", f->messages);
	json_u64(json, "vectors", f->vectors);
	json_u64(json, "locations", f->locations);
	json_u64(json, "refused", f->refused);
	json_u64(json, "malformed", f->malformed);
	json_bool(json, "store", f->store != NULL);
}

static void stop(struct process *p)
{
	struct auc_front *f = p->state;

	loop_timer_stop(&f->tick);
	peers_close(f);
	process_stopped(p);
}

int main(int argc, char **argv)
{
	static const struct process_kind kind = {.name = "auc-front",
		.sandbox = SANDBOX_FRONT,
		.start = start,
		.channel = on_channel,
		.status = status,
		.stop = stop};

	return process_main(argc, argv, &kind);
}
