// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-kms-store: the key store (kms/kms.h) in its world: SQLite, the vault, the other site by kms-peer,
 * the audit log; and who may ask what: kms-front and the gateway for keys, qkd for its link, kms-peer
 * for the other site.
 *
 * Settings: database, site, peer.site, kme_id; optional: peer.kme_id, gateway.sae and gateway.peer_sae, key_bits (256),
 * offer_ms (3000), collect_s (3600; 0: never), low_keys (64), saes.0 … and peer_saes.0 … (none: whoever the
 * front lets in, for any name).
 */
#include "kms_store.h"
#include "base/secret.h"
#include "codec/audit_msg.h"
#include "host/vault_watch.h"
#include <stdio.h>

enum {
	TICK_MS = 100,
	VAULT_MS_MAX = 5000,
	PEER_MS_MAX = 2000,
	AUDIT_MS_MAX = 5000,
	ASKERS_MAX = 8192
};

static const struct alarm_kind keys_low = {"kms_keys_low", ALARM_WARNING,
	"Few keys are left to issue: the quantum link makes less than is used."};
static const struct alarm_kind keys_empty = {"kms_keys_empty", ALARM_MAJOR,
	"No key is left to issue: requests are refused until the quantum link brings new blocks."};
static const struct alarm_kind vault_away = {"kms_vault_away", ALARM_CRITICAL,
	"The vault of the key store is not there or does not answer: no keys until it is back."};
static struct vault_watch vault_watch;

static const struct alarm_kind peer_down = {"kms_peer_down", ALARM_MAJOR,
	"The other site's key store cannot be reached: no key can be issued. Check the link and "
	"kms-peer."};

static struct kms_store state;

static const struct setting_row name_rows[] = {
	{.name = "", .type = SETTING_TEXT, .offset = 0, .size = KMS_SAE_MAX + 1},
};

static const struct setting_row rows[] = {
	SETTING_ROW("database", SETTING_TEXT, false, struct store_options, database),
	SETTING_ROW("site", SETTING_TEXT, false, struct store_options, site),
	SETTING_ROW("peer.site", SETTING_TEXT, false, struct store_options, peer_site),
	SETTING_ROW("kme_id", SETTING_TEXT, false, struct store_options, kme_id),
	SETTING_ROW("peer.kme_id", SETTING_TEXT, true, struct store_options, peer_kme_id),
	SETTING_ROW("gateway.sae", SETTING_TEXT, true, struct store_options, gateway_sae),
	SETTING_ROW("gateway.peer_sae", SETTING_TEXT, true, struct store_options, gateway_peer_sae),
	SETTING_ROW("key_bits", SETTING_U64, true, struct store_options, key_bits),
	SETTING_ROW("offer_ms", SETTING_U64, true, struct store_options, offer_ms),
	SETTING_ROW("collect_s", SETTING_U64, true, struct store_options, collect_s),
	SETTING_ROW("low_keys", SETTING_U64, true, struct store_options, low_keys),
	SETTING_LIST_ROW("saes", true, struct store_options, saes, sae_count, name_rows),
	SETTING_LIST_ROW(
		"peer_saes", true, struct store_options, peer_saes, peer_sae_count, name_rows),
};

/* --- ports --- */

struct saving {
	struct pool_handle handle;
	kms_done_fn *done;
	void *ctx;
};

static void on_saved(void *ctx, struct err e, const struct store_result *result)
{
	struct saving s = *(struct saving *)ctx;

	(void)result;
	pool_give(&state.savings, s.handle);
	if (failed(e) && e.kind != ERR_STATE)
		process_fail(state.process, "the database could not be made durable");
	s.done(s.ctx, e, span_of(NULL, 0));
}

static void port_save(void *ctx, const struct kms_change *changes, size_t count, kms_done_fn *done,
	void *done_ctx)
{
	struct pool_handle handle;
	void *item;

	(void)ctx;
	if (failed(pool_take(&state.savings, &handle, &item)))
		process_fail(state.process, "more batches wait for the disk than can be");
	struct saving *s = item;
	*s = (struct saving){handle, done, done_ctx};
	struct store_batch *b =
		rows_batch(changes, count, clock_now(&state.process->clock).unix_ms);
	/* What memory says and the disk does not is a lie: a batch that cannot even wait ends the process. */
	if (failed(store_submit(state.store, b, on_saved, s)))
		process_fail(state.process, "the database takes no more work");
}

static void ask(struct neighbour *to, uint16_t type, struct span body, uint32_t timeout_ms,
	kms_done_fn *done, void *done_ctx)
{
	struct err e = to->channel == NULL
			       ? ERR(IO)
			       : channel_ask(to->channel, type, body, timeout_ms, done, done_ctx);

	if (failed(e))
		done(done_ctx, ERR(IO), span_of(NULL, 0));
}

static void port_vault(
	void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx)
{
	(void)ctx;
	ask(&state.neighbours[NEIGHBOUR_VAULT], type, body, VAULT_MS_MAX, done, done_ctx);
}

static void port_peer(void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx)
{
	(void)ctx;
	ask(&state.neighbours[NEIGHBOUR_PEER], type, body, PEER_MS_MAX, done, done_ctx);
}

static void port_audit(void *ctx, struct span json, kms_done_fn *done, void *done_ctx)
{
	uint8_t out[AUDIT_EVENT_MAX + 16];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	(void)ctx;
	audit_append_encode(&w, &(struct audit_append){.event = json});
	ask(&state.neighbours[NEIGHBOUR_AUDIT], AUDIT_APPEND, writer_span_done(&w), AUDIT_MS_MAX,
		done, done_ctx);
}

/* --- requests --- */

/* Who waits for an answer; its channel may be another one by then. */
struct asker {
	struct pool_handle handle;
	struct neighbour *neighbour;
	uint64_t life, request_id;
	uint16_t type;
};

static void on_answer(void *ctx, struct err e, struct span body)
{
	struct asker *a = ctx;

	if (a->neighbour->channel != NULL && a->neighbour->life == a->life)
		channel_answer(a->neighbour->channel, a->request_id, a->type, e, body);
	pool_give(&state.askers, a->handle);
}

/* The gateway asks as the SAE that the settings say, whatever it wrote. */
static struct err gateway_rewrite(uint16_t type, struct span body, struct writer *w)
{
	static union {
		struct kms_status_request status;
		struct kms_enc_request enc;
		struct kms_dec_request dec;
	} m;
	struct kms_name self;
	struct wire_fault fault = {0};

	if (state.options.gateway_sae[0] == '\0' || !kms_name_set(&self, state.options.gateway_sae))
		return ERR(AUTH);
	struct err e = type == KMS_STATUS     ? kms_status_request_decode(&m.status, body, &fault)
		       : type == KMS_ENC_KEYS ? kms_enc_request_decode(&m.enc, body, &fault)
		       : type == KMS_DEC_KEYS ? kms_dec_request_decode(&m.dec, body, &fault)
					      : ERR(INPUT);
	if (failed(e))
		return e;
	if (type == KMS_STATUS) {
		m.status.caller = self;
		kms_status_request_encode(w, &m.status);
	} else if (type == KMS_ENC_KEYS) {
		m.enc.master = self;
		kms_enc_request_encode(w, &m.enc);
	} else {
		m.dec.caller = self;
		kms_dec_request_encode(w, &m.dec);
	}
	return OK;
}

static void request(struct neighbour *n, const struct ipc_frame *frame)
{
	static uint8_t rewritten[8192];
	struct writer w = writer_of(SPAN_MUT_ARRAY(rewritten));
	struct pool_handle handle;
	struct span body = frame->body;
	void *item;

	struct err e = (frame->type & 0xff00) == n->block ? OK : ERR(INPUT);
	if (!failed(e) && n->is_gateway) {
		e = gateway_rewrite(frame->type, body, &w);
		body = writer_span_done(&w);
	}
	if (!failed(e))
		e = pool_take(&state.askers, &handle, &item);
	if (failed(e)) {
		channel_answer(n->channel, frame->request_id, frame->type, e, span_of(NULL, 0));
		return;
	}
	struct asker *a = item;
	*a = (struct asker){handle, n, n->life, frame->request_id, frame->type};
	kms_request(state.kms, frame->type, body, clock_now(&state.process->clock), on_answer, a);
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct neighbour *n = ctx;
	struct wire_fault fault = {0};
	bool is_up;

	if (c != n->channel)
		return;
	if (frame->kind == IPC_REQUEST)
		request(n, frame);
	else if (n == &state.neighbours[NEIGHBOUR_PEER] && frame->type == PEER_LINK &&
		 !failed(peer_link_decode(&is_up, frame->body, &fault)))
		kms_peer_link(state.kms, is_up, clock_now(&state.process->clock));
}

/*
 * A channel says that its other end was there once. Before a key is put at stake, vault and audit log have to
 * answer on it: else the key would be burnt for nothing.
 */
static void delivery_check(void)
{
	kms_delivery(state.kms, state.neighbours[NEIGHBOUR_VAULT].is_probed &&
					state.neighbours[NEIGHBOUR_AUDIT].is_probed);
}

static void on_probed(void *ctx, struct err e, struct span body)
{
	struct neighbour *n = ctx;

	(void)body;
	n->is_probing = false;
	n->is_probed = !failed(e) && n->channel != NULL;
	delivery_check();
}

static void probe(struct neighbour *n)
{
	if (n->channel == NULL || n->is_probed || n->is_probing)
		return;
	n->is_probing = true;
	if (n == &state.neighbours[NEIGHBOUR_VAULT])
		port_vault(NULL, KVAULT_PING, span_of(NULL, 0), on_probed, n);
	else
		port_audit(NULL, span_str("{\"event\":\"audit_joined\",\"process\":\"kms-store\"}"),
			on_probed, n);
}

static void on_vault(void *ctx, bool answers, const char *why)
{
	struct process *p = ctx;

	if (answers) {
		alarm_clear(&p->alarms, &vault_away, "vault");
		return;
	}
	alarm_raise(&p->alarms, &vault_away, "vault", clock_now(&p->clock), "%s", why);
	state.neighbours[NEIGHBOUR_VAULT].is_probed = false;
	delivery_check();
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	struct neighbour *n = ctx;

	(void)why;
	if (n->channel != c)
		return;
	n->channel = NULL;
	n->is_probed = false;
	delivery_check();
	if (n == &state.neighbours[NEIGHBOUR_PEER])
		kms_peer_link(state.kms, false, clock_now(&state.process->clock));
	if (n == &state.neighbours[NEIGHBOUR_VAULT])
		vault_watch_channel(&vault_watch, NULL);
}

static const struct channel_events events = {.frame = on_frame, .closed = on_closed};

static void channel(struct process *p, const char *peer, int fd)
{
	for (size_t i = 0; i < NEIGHBOURS; i++) {
		struct neighbour *n = &state.neighbours[i];
		if (strcmp(n->name, peer) != 0)
			continue;
		n->life++;
		n->is_probed = false;
		if (failed(channel_open_fd(&n->channel, &p->loop, fd, &events, n)))
			n->channel = NULL;
		if (n == &state.neighbours[NEIGHBOUR_VAULT] && n->channel != NULL)
			vault_watch_channel(&vault_watch, n->channel);
	}
	delivery_check();
	probe(&state.neighbours[NEIGHBOUR_VAULT]);
	probe(&state.neighbours[NEIGHBOUR_AUDIT]);
}

/* --- time and alarms --- */

static void alarm_set(const struct alarm_kind *kind, bool holds, const char *what, uint32_t number)
{
	struct process *p = state.process;

	if (!holds)
		alarm_clear(&p->alarms, kind, state.options.peer_site);
	else if (!alarm_stands(&p->alarms, kind, state.options.peer_site))
		alarm_raise(&p->alarms, kind, state.options.peer_site, clock_now(&p->clock),
			"%s: %u", what, (unsigned)number);
}

static void on_tick(void *ctx)
{
	struct kms_summary s;

	(void)ctx;
	probe(&state.neighbours[NEIGHBOUR_VAULT]);
	probe(&state.neighbours[NEIGHBOUR_AUDIT]);
	kms_tick(state.kms, clock_now(&state.process->clock));
	kms_summarise(state.kms, &s);
	alarm_set(&peer_down, !s.is_peer_up, "keys in stock", s.available);
	alarm_set(&keys_empty, s.available == 0, "blocks on their way",
		s.blocks_pending + s.blocks_final + s.blocks_agreed);
	alarm_set(&keys_low, s.available > 0 && s.available < state.options.low_keys, "keys left",
		s.available);
	state.summary = s;
}

/* --- life --- */

static struct err config_names(struct kms_name *out, const char (*names)[KMS_SAE_MAX + 1],
	size_t count, struct complaint *c)
{
	for (size_t i = 0; i < count; i++)
		if (!kms_name_set(&out[i], names[i]) || out[i].len == 0)
			return complain(c, ERR(INPUT), "saes and peer_saes: an empty name");
	return OK;
}

static struct err config_make(
	struct kms_config *out, const struct store_options *o, struct complaint *c)
{
	*out = (struct kms_config){.local_sae_count = o->sae_count,
		.peer_sae_count = o->peer_sae_count,
		.key_bits = (uint32_t)o->key_bits,
		.offer_ms_max = (uint32_t)o->offer_ms,
		.retry_ms = 250,
		.collect_ms_max = o->collect_s * 1000};
	if (o->key_bits > SLOT_BITS || o->offer_ms < 100 || o->offer_ms > 60000)
		return complain(
			c, ERR(INPUT), "key_bits is at most %d, offer_ms 100 to 60000", SLOT_BITS);
	if (!kms_name_set(&out->site, o->site) || !kms_name_set(&out->peer_site, o->peer_site) ||
		!kms_name_set(&out->kme_id, o->kme_id) ||
		!kms_name_set(&out->peer_kme_id, o->peer_kme_id))
		return complain(c, ERR(INPUT), "a name is too long");
	const struct err e = config_names(out->local_saes, o->saes, o->sae_count, c);
	return failed(e) ? e : config_names(out->peer_saes, o->peer_saes, o->peer_sae_count, c);
}

static struct err start(struct process *p, struct complaint *c)
{
	struct store_options *o = &state.options;
	static struct kms_config config;
	static const struct kms_ports ports = {
		.save = port_save, .vault = port_vault, .peer = port_peer, .audit = port_audit};

	state.process = p;
	p->state = &state;
	o->key_bits = 256;
	o->offer_ms = 3000;
	o->collect_s = 3600;
	o->low_keys = 64;
	struct err e = settings_read(&p->settings, rows, ARRAY_LEN(rows), o, c);
	if (!failed(e))
		e = config_make(&config, o, c);
	if (!failed(e))
		e = pool_open(&state.savings, STORE_QUEUED_BATCHES_MAX, sizeof(struct saving));
	if (!failed(e))
		e = pool_open(&state.askers, ASKERS_MAX, sizeof(struct asker));
	if (!failed(e))
		e = kms_open(&state.kms, &config, &ports, c);
	if (failed(e))
		return e;
	snprintf(state.folder, sizeof state.folder, "%s", o->database);
	char *slash = strrchr(state.folder, '/');
	if (slash == NULL)
		return complain(
			c, ERR(INPUT), "database: a whole path is expected: '%s'", o->database);
	*slash = '\0';
	p->sandbox_folder = state.folder;
	return OK;
}

static struct err begin(struct process *p, struct complaint *c)
{
	const struct store_settings settings = {
		.path = state.options.database, .schema = &rows_schema};

	struct err e = store_open(&state.store, &p->loop, &settings, c);
	if (!failed(e))
		e = rows_load(state.store, state.kms, c);
	if (failed(e))
		return e;
	kms_start(state.kms, clock_now(&p->clock));
	loop_timer_open(&p->loop, &state.tick, on_tick, NULL);
	loop_timer_every(&state.tick, TICK_MS);
	vault_watch_open(&vault_watch, p, "kms-vault", on_vault, p);
	on_tick(NULL);
	return OK;
}

static void status(struct process *p, struct json_writer *json)
{
	struct kms_summary s;
	const struct store_counts counts = store_counts(state.store);

	(void)p;
	kms_summarise(state.kms, &s);
	store_summary_write(json, &s);
	json_u64(json, "commits", counts.commits);
	json_u64(json, "batches", counts.batches);
}

static void stop(struct process *p)
{
	loop_timer_stop(&state.tick);
	vault_watch_close(&vault_watch);
	store_close(state.store);
	process_stopped(p);
}

static struct kms_store state = {
	.neighbours = {
		[NEIGHBOUR_VAULT] = {.name = "kms-vault"},
		[NEIGHBOUR_FRONT] = {.name = "kms-front", .block = IPC_BLOCK_KMS},
		[NEIGHBOUR_PEER] = {.name = "kms-peer", .block = IPC_BLOCK_PEER},
		[NEIGHBOUR_QKD] = {.name = "qkd", .block = IPC_BLOCK_QKD},
		[NEIGHBOUR_GATEWAY] = {.name = "gateway",
			.block = IPC_BLOCK_KMS,
			.is_gateway = true},
		[NEIGHBOUR_AUDIT] = {.name = "audit"},
	}};

static void query(
	struct process *p, const char *verb, const char *argument, struct process_query *q)
{
	(void)p;
	store_query(&state, verb, argument, q);
}

static const struct process_kind kms_store_kind = {.name = "kms-store",
	.sandbox = SANDBOX_STORE,
	.start = start,
	.begin = begin,
	.channel = channel,
	.status = status,
	.query = query,
	.stop = stop};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &kms_store_kind);
}
