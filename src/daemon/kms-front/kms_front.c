// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-kms-front: ETSI GS QKD 014 over HTTPS with mutual TLS, HTTP/1.1 and HTTP/2, for the SAEs of this site.
 * Who calls is what `sae_identity` says of the client's certificate: its common name, first DNS name or
 * first URI. The answers have the three codes of the standard: 400 and 503 with an Error object, 401
 * without a body [ETSI GS QKD 014 Tables 4, 6, 8]. Keys pass through; what held them is wiped.
 *
 * Settings: listen.address, listen.port, tls.certificate, tls.key, tls.ca, sae_identity (cn|dns|uri), kme_id (for
 * the log), rate_per_s (optional: requests a second and SAE, twice that at once; default 5000).
 */
#include "base/secret.h"
#include "codec/qkd014.h"
#include "host/http.h"
#include "host/process.h"

enum { REQUESTS_MAX = 4096, ASK_MS_MAX = 8000, SAES_MAX = 256, RATE_PER_S = 5000 };

struct front_settings {
	char address[64], certificate[SETTING_TEXT_MAX], key[SETTING_TEXT_MAX],
		ca[SETTING_TEXT_MAX];
	char sae_identity[8], kme_id[KMS_SAE_MAX + 1];
	uint64_t port, rate_per_s;
};

static const struct setting_row rows[] = {
	SETTING_ROW("listen.address", SETTING_TEXT, false, struct front_settings, address),
	SETTING_ROW("listen.port", SETTING_U64, false, struct front_settings, port),
	SETTING_ROW("tls.certificate", SETTING_TEXT, false, struct front_settings, certificate),
	SETTING_ROW("tls.key", SETTING_TEXT, false, struct front_settings, key),
	SETTING_ROW("tls.ca", SETTING_TEXT, false, struct front_settings, ca),
	SETTING_ROW("sae_identity", SETTING_TEXT, false, struct front_settings, sae_identity),
	SETTING_ROW("kme_id", SETTING_TEXT, false, struct front_settings, kme_id),
	SETTING_ROW("rate_per_s", SETTING_U64, true, struct front_settings, rate_per_s),
};

/* How much one SAE may still ask: thousandths of a request. */
struct bucket {
	struct kms_name sae;
	uint64_t tokens, filled_ms;
};

struct pending {
	struct pool_handle handle, http;
	uint16_t type;
};

static struct {
	struct process *process;
	struct front_settings settings, next; /* next: prepared, not committed */
	struct tls_profile *tls;
	struct http_server *server;
	struct channel *store;
	struct pool pending;
	struct bucket buckets[SAES_MAX];
	uint64_t given, bad, unauthorised, unavailable, limited;
} state;

/* --- answers --- */

static void answer_fault(struct pool_handle http, unsigned code, const struct qkd014_fault *fault)
{
	uint8_t out[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	state.bad += code == 400;
	state.unavailable += code == 503;
	qkd014_fault_encode(&w, fault);
	http_answer(state.server, http, code, "application/json", writer_span_done(&w));
}

static void answer_text(struct pool_handle http, unsigned code, const char *message)
{
	answer_fault(http, code, &(struct qkd014_fault){.message = message});
}

static void answer_unauthorised(struct pool_handle http)
{
	state.unauthorised++;
	http_answer(state.server, http, 401, NULL, span_of(NULL, 0)); /* no body: Tables 4, 6, 8 */
}

static void answer_err(const struct pending *p, struct err e)
{
	if (e.kind == ERR_AUTH)
		answer_unauthorised(p->http);
	else if (e.kind == ERR_ABSENT)
		answer_text(p->http, 400, QKD014_KEYS_NOT_FOUND);
	else if (e.kind == ERR_INPUT)
		answer_text(p->http, 400, "unknown SAE ID, or a size that this KME does not give");
	else if (e.kind == ERR_LIMIT)
		answer_text(p->http, 503, "not enough keys");
	else
		answer_text(p->http, 503, "the KME cannot serve this request now");
}

static void answer_body(const struct pending *p, struct span body)
{
	static uint8_t out[QKD014_ANSWER_MAX];
	static struct kms_keys keys;
	struct kms_status_answer status;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	struct err e = p->type == KMS_STATUS ? kms_status_answer_decode(&status, body, &fault)
					     : kms_keys_decode(&keys, body, &fault);
	if (failed(e)) {
		answer_err(p, ERR(BUG));
		return;
	}
	if (p->type == KMS_STATUS)
		qkd014_status_encode(&w, &status);
	else
		qkd014_keys_encode(&w, &keys);
	state.given += p->type == KMS_STATUS ? 0 : keys.count;
	http_answer(state.server, p->http, 200, "application/json", writer_span_done(&w));
	secret_wipe(out, w.len);
	memset(&keys, 0, sizeof keys);
}

static void on_answer(void *ctx, struct err e, struct span body)
{
	struct pending *p = ctx;

	if (failed(e))
		answer_err(p, e);
	else
		answer_body(p, body);
	pool_give(&state.pending, p->handle);
}

static void ask(struct pool_handle http, uint16_t type, const struct writer *w)
{
	struct pool_handle handle;
	void *item;

	struct err e = state.store == NULL ? ERR(IO) : pool_take(&state.pending, &handle, &item);
	if (!failed(e)) {
		struct pending *p = item;
		*p = (struct pending){handle, http, type};
		e = channel_ask(state.store, type, writer_span_done(w), ASK_MS_MAX, on_answer, p);
		if (failed(e))
			pool_give(&state.pending, handle);
	}
	if (failed(e))
		answer_text(http, 503, "the KME cannot serve this request now");
}

/* --- who asks, and how often --- */

static bool caller_find(struct kms_name *caller, const struct peer_identity *id)
{
	const char *which = state.settings.sae_identity;
	const char *text = strcmp(which, "cn") == 0    ? id->common_name
			   : strcmp(which, "dns") == 0 ? id->dns_name
						       : id->uri;

	return id->is_authenticated && kms_name_set(caller, text) && caller->len > 0;
}

/* The SAE's bucket, or the one that has not been asked for longest. */
static struct bucket *bucket_find(const struct kms_name *sae, uint64_t now_ms)
{
	struct bucket *oldest = &state.buckets[0];

	for (size_t i = 0; i < SAES_MAX; i++) {
		struct bucket *b = &state.buckets[i];
		if (kms_name_equal(&b->sae, sae))
			return b;
		if (b->filled_ms < oldest->filled_ms)
			oldest = b;
	}
	*oldest = (struct bucket){
		.sae = *sae, .tokens = 2000 * state.settings.rate_per_s, .filled_ms = now_ms};
	return oldest;
}

static bool rate_allows(const struct kms_name *sae)
{
	const uint64_t now_ms = clock_now(&state.process->clock).mono_ms;
	const uint64_t rate = state.settings.rate_per_s, full = 2000 * rate;
	struct bucket *b = bucket_find(sae, now_ms);
	const uint64_t gain = (now_ms - b->filled_ms) * rate;

	b->tokens = b->tokens + gain > full ? full : b->tokens + gain;
	b->filled_ms = now_ms;
	if (b->tokens < 1000)
		return false;
	b->tokens -= 1000;
	return true;
}

/* --- calls --- */

static void call_status(
	const struct http_request *r, const struct kms_name *caller, const struct kms_name *slave)
{
	const struct kms_status_request m = {.caller = *caller, .slave = *slave};
	uint8_t out[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	kms_status_request_encode(&w, &m);
	ask(r->handle, KMS_STATUS, &w);
}

static void call_enc(const struct http_request *r, bool is_post, const struct kms_name *caller,
	const struct kms_name *slave)
{
	struct qkd014_enc_request q;
	struct qkd014_fault fault = {0};
	struct kms_enc_request m = {.master = *caller, .slaves = {*slave}};
	uint8_t out[2048];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	const struct err e = is_post ? qkd014_enc_body_decode(&q, r->body, &fault)
				     : qkd014_enc_query_decode(&q, r->query, &fault);
	if (failed(e)) {
		answer_fault(r->handle, 400, &fault);
		return;
	}
	m.number = q.number;
	m.size_bits = q.size_bits;
	m.slave_count = 1 + q.additional_count;
	memcpy(&m.slaves[1], q.additional, q.additional_count * sizeof m.slaves[0]);
	kms_enc_request_encode(&w, &m);
	ask(r->handle, KMS_ENC_KEYS, &w);
}

static void call_dec(const struct http_request *r, bool is_post, const struct kms_name *caller,
	const struct kms_name *master)
{
	struct qkd014_dec_request q;
	struct qkd014_fault fault = {0};
	struct kms_dec_request m = {.master = *master, .caller = *caller};
	uint8_t out[4096];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	const struct err e = is_post ? qkd014_dec_body_decode(&q, r->body, &fault)
				     : qkd014_dec_query_decode(&q, r->query, &fault);
	if (failed(e)) {
		answer_fault(r->handle, 400, &fault);
		return;
	}
	m.count = q.count;
	memcpy(m.ids, q.ids, q.count * sizeof m.ids[0]);
	kms_dec_request_encode(&w, &m);
	ask(r->handle, KMS_DEC_KEYS, &w);
}

/* Strangers, and clients that do not speak HTTP. */
static void on_turned_away(void *ctx, const struct peer_identity *peer, const char *cause)
{
	struct log_record r;

	(void)ctx;
	log_begin(&r, &state.process->log, LOG_NOTICE, "kms", "client_refused");
	log_text(&r, "address", peer->address);
	log_text(&r, "client", peer->common_name);
	log_text(&r, "cause", cause);
	log_end(&r);
}

static void on_request(void *ctx, struct http_server *server, const struct http_request *r)
{
	const bool is_get = strcmp(r->method, "GET") == 0, is_post = strcmp(r->method, "POST") == 0;
	struct qkd014_path path;
	struct kms_name caller;

	(void)ctx, (void)server;
	if (!caller_find(&caller, r->peer)) {
		answer_unauthorised(r->handle);
		return;
	}
	if (!rate_allows(&caller)) {
		state.limited++;
		answer_text(r->handle, 503, "too many requests");
		return;
	}
	const struct err e = qkd014_path_decode(&path, r->path);
	if (failed(e))
		answer_text(r->handle, 400,
			e.kind == ERR_INPUT ? "the SAE ID in the path is malformed"
					    : "no such call");
	else if (!is_get && (!is_post || path.call == QKD014_STATUS))
		answer_text(r->handle, 400, "this call has no such method");
	else if (path.call == QKD014_STATUS)
		call_status(r, &caller, &path.sae);
	else if (path.call == QKD014_ENC_KEYS)
		call_enc(r, is_post, &caller, &path.sae);
	else
		call_dec(r, is_post, &caller, &path.sae);
}

/* --- life --- */

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx;
	if (frame->kind == IPC_REQUEST)
		channel_answer(c, frame->request_id, frame->type, ERR(INPUT), span_of(NULL, 0));
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)why;
	if (state.store == c)
		state.store = NULL;
}

static const struct channel_events events = {.frame = on_frame, .closed = on_closed};

static void channel(struct process *p, const char *peer, int fd)
{
	if (strcmp(peer, "kms-store") == 0 &&
		failed(channel_open_fd(&state.store, &p->loop, fd, &events, NULL)))
		state.store = NULL;
}

static struct err settings_take(
	struct front_settings *s, const struct settings *from, struct complaint *c)
{
	*s = (struct front_settings){.rate_per_s = RATE_PER_S};
	struct err e = settings_read(from, rows, ARRAY_LEN(rows), s, c);
	if (failed(e))
		return e;
	if (strcmp(s->sae_identity, "cn") != 0 && strcmp(s->sae_identity, "dns") != 0 &&
		strcmp(s->sae_identity, "uri") != 0)
		return complain(
			c, ERR(INPUT), "sae_identity is cn, dns or uri: '%s'", s->sae_identity);
	if (s->port > 65535 || s->rate_per_s == 0 || s->rate_per_s > 1000000)
		return complain(
			c, ERR(INPUT), "listen.port is at most 65535, rate_per_s 1 to 1000000");
	return OK;
}

static struct err start(struct process *p, struct complaint *c)
{
	struct front_settings *s = &state.settings;

	state.process = p;
	p->state = &state;
	struct err e = settings_take(s, &p->settings, c);
	if (failed(e))
		return e;
	const struct tls_settings tls = {.certificate_file = s->certificate,
		.key_file = s->key,
		.ca_file = s->ca,
		.alpn = "h2,http/1.1"};
	e = tls_profile_open(&state.tls, &tls, c);
	if (!failed(e))
		e = pool_open(&state.pending, REQUESTS_MAX, sizeof(struct pending));
	const struct http_settings http = {.listen = {.address = s->address,
						   .port = (uint16_t)s->port,
						   .tls = state.tls,
						   .streams_max = 1024,
						   .handshake_ms_max = 5000},
		.requests_max = REQUESTS_MAX,
		.idle_ms_max = 60000,
		.turned_away = on_turned_away};
	return failed(e) ? e
			 : http_server_open(&state.server, &p->loop, &http, on_request, NULL, c);
}

static struct err reload_prepare(
	struct process *p, const struct settings *next, struct complaint *c)
{
	static const char *const taken[] = {"rate_per_s"};
	const struct err e = settings_equal_but(&p->settings, next, taken, ARRAY_LEN(taken), c);

	return failed(e) ? e : settings_take(&state.next, next, c);
}

/* A bucket that is fuller than the new rate allows is cut at its SAE's next request. */
static void reload_commit(struct process *p)
{
	(void)p;
	state.settings.rate_per_s = state.next.rate_per_s;
}

static void status(struct process *p, struct json_writer *json)
{
	(void)p;
	json_text(json, "kme_id", state.settings.kme_id);
	json_u64(json, "keys_given", state.given);
	json_u64(json, "bad_requests", state.bad);
	json_u64(json, "unauthorised", state.unauthorised);
	json_u64(json, "unavailable", state.unavailable);
	json_u64(json, "rate_limited", state.limited);
	json_u64(json, "refused_clients", http_server_counters(state.server)->refused_streams);
	json_u64(json, "refused_requests", http_server_counters(state.server)->refused);
	json_u64(json, "rate_per_s", state.settings.rate_per_s);
	json_u64(json, "waiting", state.pending.in_use);
}

static const struct process_kind kms_front_kind = {.name = "kms-front",
	.sandbox = SANDBOX_FRONT,
	.start = start,
	.channel = channel,
	.reload_prepare = reload_prepare,
	.reload_commit = reload_commit,
	.status = status};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &kms_front_kind);
}
