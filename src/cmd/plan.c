// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/plan.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TUNNEL_DEVICE "ipsec0" /* kernel-libipsec names its first device so */
static_assert((int)SITE_INSIDE_MAX <= (int)GATEWAY_INTERFACES_MAX, "the fence has room for them");

/* Settings are written one after another; the first that does not fit is kept in `err`. */
struct pen {
	struct settings *settings;
	struct err err;
};

PRINTF_LIKE(3, 4) static void put(struct pen *pen, const char *name, const char *format, ...)
{
	char text[SETTING_TEXT_MAX];
	va_list args;

	if (failed(pen->err))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	pen->err = settings_set(pen->settings, name, "%s", text);
}

static void put_tls(struct pen *pen, const struct site_tls *tls)
{
	put(pen, "tls.certificate", "%s", tls->certificate);
	put(pen, "tls.key", "%s", tls->key);
	put(pen, "tls.ca", "%s", tls->ca);
}

/* What CONFIG does not say the process has a default for. */
static void put_count(struct pen *pen, const char *name, const uint64_t *value)
{
	if (value != NULL)
		put(pen, name, "%" PRIu64, *value);
}

static void put_bool(struct pen *pen, const char *name, const bool *value)
{
	if (value != NULL)
		put(pen, name, "%s", *value ? "true" : "false");
}

static void put_real(struct pen *pen, const char *name, const double *value)
{
	if (value != NULL)
		put(pen, name, "%.17g", *value);
}

/* `own`: the gateway's, which a list that somebody wrote may lack; NULL: none. */
static void put_names(
	struct pen *pen, const char *name, char *const *list, size_t count, const char *own)
{
	char element[64];
	bool is_listed = count == 0 || own == NULL;

	for (size_t i = 0; i < count; i++) {
		snprintf(element, sizeof element, "%s.%zu", name, i);
		put(pen, element, "%s", list[i]);
		is_listed |= own != NULL && strcmp(list[i], own) == 0;
	}
	snprintf(element, sizeof element, "%s.%zu", name, count);
	if (!is_listed)
		put(pen, element, "%s", own);
}

static const char *const role_words[] = {[ROLE_LISTEN] = "listen", [ROLE_CONNECT] = "connect"};

static void audit_settings(struct pen *pen, const struct site *s)
{
	put(pen, "folder", "%s/audit", s->state_folder);
}

static void auc_store_settings(struct pen *pen, const struct site *s)
{
	put(pen, "database", "%s/auc/auc.db", s->state_folder);
	put_count(pen, "lease_ahead", s->auc->lease_ahead);
	put_count(pen, "subscribers_max", s->auc->subscribers_max);
	put_count(pen, "vectors_burst", s->auc->vectors_burst);
	put_count(pen, "vectors_per_hour", s->auc->vectors_per_hour);
	put_count(pen, "resyncs_burst", s->auc->resyncs_burst);
	put_count(pen, "resyncs_per_hour", s->auc->resyncs_per_hour);
}

static void vault_settings(struct pen *pen, const struct site *s)
{
	put(pen, "kek_file", "%s", s->kek_file);
}

static void put_token(
	struct pen *pen, const char *section, const struct site *s, const struct site_token *t)
{
	const struct {
		const char *name, *text;
	} rows[] = {{"module", t->module}, {"token", t->token}, {"key", t->key},
		{"pin_file", t->pin_file}, {"user", s->user}};
	char name[SETTING_NAME_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(name, sizeof name, "%s.%s", section, rows[i].name);
		put(pen, name, "%s", rows[i].text);
	}
	snprintf(name, sizeof name, "%s.environment", section);
	put_names(pen, name, t->environment, t->environment_count, NULL);
}

static void put_text(struct pen *pen, const char *name, const char *text)
{
	if (text != NULL)
		put(pen, name, "%s", text);
}

/* What its keys are wrapped under, now and before. */
static void put_roots(struct pen *pen, const struct site *s)
{
	const struct site_auc *auc = s->auc;

	put_text(pen, "passphrase_file", auc->passphrase_file);
	if (auc->token != NULL)
		put_token(pen, "token", s, auc->token);
	if (auc->passphrase_file == NULL && auc->token == NULL)
		put(pen, "kek_file", "%s", s->kek_file);
	put_text(pen, "kek_file_before", auc->kek_file_before);
	put_text(pen, "passphrase_file_before", auc->passphrase_file_before);
	if (auc->token_before != NULL)
		put_token(pen, "token_before", s, auc->token_before);
}

static void put_profiles(struct pen *pen, const struct site_auc *auc)
{
	char name[SETTING_NAME_MAX];

	for (size_t i = 0; i < auc->profiles_count; i++) {
		const struct site_profile *p = &auc->profiles[i];
		snprintf(name, sizeof name, "profiles.%zu.number", i);
		put(pen, name, "%u", p->number);
		snprintf(name, sizeof name, "profiles.%zu.r", i);
		put(pen, name, "%u,%u,%u,%u,%u", p->r[0], p->r[1], p->r[2], p->r[3], p->r[4]);
		snprintf(name, sizeof name, "profiles.%zu.c", i);
		put(pen, name, "%s,%s,%s,%s,%s", p->c[0], p->c[1], p->c[2], p->c[3], p->c[4]);
	}
	if (auc->allow_xor != NULL)
		put(pen, "allow_xor", "%s", *auc->allow_xor ? "true" : "false");
}

static void put_transport(struct pen *pen, size_t at, const struct site_transport_key *t)
{
	const struct {
		const char *name, *text;
	} rows[] = {{"name", t->name}, {"algorithm", t->algorithm}, {"key_file", t->key_file},
		{"iv", t->iv}, {"kcv", t->kcv}, {"fields", t->fields_count == 2 ? "k,opc" : "k"}};
	char name[SETTING_NAME_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(name, sizeof name, "transport.%zu.%s", at, rows[i].name);
		put_text(pen, name, rows[i].text);
	}
}

/* Not earlier than the store's own ceiling, so that the store is who says so: the vault's default is
 * twice the store's. */
enum { LEASE_AHEAD_USUAL = 4096 };
static void put_limits(struct pen *pen, const struct site_auc *auc)
{
	const struct site_vault_limits *v = auc->vault;

	if ((v == NULL || v->subscriber_burst == NULL) && auc->lease_ahead != NULL &&
		*auc->lease_ahead > LEASE_AHEAD_USUAL)
		put(pen, "subscriber_burst", "%" PRIu64, 2 * *auc->lease_ahead);
	if (v == NULL)
		return;
	put_count(pen, "rate_per_s", v->rate_per_s);
	put_count(pen, "subscriber_burst", v->subscriber_burst);
	put_count(pen, "subscriber_per_hour", v->subscriber_per_hour);
	put_count(pen, "auts_burst", v->auts_burst);
	put_count(pen, "auts_per_hour", v->auts_per_hour);
}

static void auc_vault_settings(struct pen *pen, const struct site *s)
{
	put(pen, "role", "serve");
	put_roots(pen, s);
	put_limits(pen, s->auc);
	put_profiles(pen, s->auc);
}

static void auc_import_settings(struct pen *pen, const struct site *s)
{
	uint64_t profiles = 0;

	if (s->auc->allow_xor != NULL)
		put(pen, "allow_xor", "%s", *s->auc->allow_xor ? "true" : "false");
	for (size_t i = 0; i < s->auc->profiles_count; i++)
		profiles |= UINT64_C(1) << (s->auc->profiles[i].number & 63);
	put_count(pen, "profiles", profiles != 0 ? &profiles : NULL);
}

static void auc_import_vault_settings(struct pen *pen, const struct site *s)
{
	put(pen, "role", "import");
	put_roots(pen, s);
	put_profiles(pen, s->auc);
	for (size_t i = 0; i < s->auc->transport_keys_count; i++)
		put_transport(pen, i, &s->auc->transport_keys[i]);
}

/* "10.9.0.1,10.8.0.0/16", or "-": a list in one word of a row. */
static void word_from_list(char *out, size_t size, char *const *list, size_t count)
{
	size_t len = 0;

	snprintf(out, size, "-");
	for (size_t i = 0; i < count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? "," : "", list[i]);
}

/* A row of the roster is one setting (daemon/auc-front/roster.h). */
static void put_peer(struct pen *pen, size_t at, const struct site_auc_peer *p)
{
	char name[32], addresses[SITE_PEER_ADDRESSES_MAX * 50], plmns[SITE_PEER_PLMNS_MAX * 8];

	snprintf(name, sizeof name, "peers.%zu", at);
	word_from_list(addresses, sizeof addresses, p->addresses, p->addresses_count);
	word_from_list(plmns, sizeof plmns, p->plmns, p->plmns_count);
	put(pen, name, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s %s %s",
		p->rate_per_s ? *p->rate_per_s : 0, p->burst ? *p->burst : 0,
		p->vectors_max ? *p->vectors_max : 0, addresses, plmns, p->name);
}

static void auc_front_settings(struct pen *pen, const struct site *s)
{
	put(pen, "listen.address", "%s", s->auc->gsup->address);
	put(pen, "listen.port", "%u", s->auc->gsup->port);
	put_count(pen, "peers_max", s->auc->peers_max);
	put_count(pen, "rate_per_s", s->auc->rate_per_s);
	for (size_t i = 0; i < s->auc->peers_count; i++)
		put_peer(pen, i, &s->auc->peers[i]);
}

static void metrics_settings(struct pen *pen, const struct site *s)
{
	put(pen, "listen.address", "%s", s->metrics->address);
	put(pen, "listen.port", "%u", s->metrics->port);
}

static void nothing_to_set(struct pen *pen, const struct site *s)
{
	(void)pen, (void)s;
}

static void kms_store_settings(struct pen *pen, const struct site *s)
{
	put(pen, "database", "%s/kms/kms.db", s->state_folder);
	put(pen, "site", "%s", s->site);
	put(pen, "peer.site", "%s", s->peer->site);
	put(pen, "kme_id", "%s", s->kms->kme_id);
	if (s->gateway != NULL) {
		put(pen, "gateway.sae", "%s", s->gateway->sae);
		put(pen, "gateway.peer_sae", "%s", s->gateway->peer_sae);
	}
	put_names(
		pen, "saes", s->kms->saes, s->kms->saes_count, s->gateway ? s->gateway->sae : NULL);
	put_names(pen, "peer_saes", s->kms->peer_saes, s->kms->peer_saes_count,
		s->gateway ? s->gateway->peer_sae : NULL);
	put_count(pen, "key_bits", s->kms->key_bits);
	put_count(pen, "low_keys", s->kms->low_keys);
}

static void kms_vault_settings(struct pen *pen, const struct site *s)
{
	vault_settings(pen, s);
	put(pen, "site", "%s", s->site);
	put(pen, "peer.site", "%s", s->peer->site);
}

static void kms_front_settings(struct pen *pen, const struct site *s)
{
	const struct site_kms_api *api = s->kms->api;

	put(pen, "listen.address", "%s", api->address);
	put(pen, "listen.port", "%u", api->port);
	put_tls(pen, &(struct site_tls){api->certificate, api->key, api->ca});
	put(pen, "sae_identity", "%s", api->sae_identity);
	put_count(pen, "rate_per_s", api->rate_per_s);
	put(pen, "kme_id", "%s", s->kms->kme_id);
}

static void kms_peer_settings(struct pen *pen, const struct site *s)
{
	put(pen, "role", "%s", role_words[s->kms->peering->role]);
	put(pen, "address", "%s", s->kms->peering->address);
	put(pen, "port", "%u", s->kms->peering->port);
	put(pen, "peer.name", "%s", s->peer->certificate_name);
	put_tls(pen, s->tls);
}

static void protocol_settings(struct pen *pen, const struct site_qkd_protocol *p)
{
	if (p->kind != NULL)
		put(pen, "protocol.kind", "%s", p->kind);
	put_real(pen, "protocol.mu1", p->mu1);
	put_real(pen, "protocol.mu2", p->mu2);
	put_real(pen, "protocol.mu3", p->mu3);
	put_real(pen, "protocol.p1", p->p1);
	put_real(pen, "protocol.p2", p->p2);
	put_real(pen, "protocol.p3", p->p3);
	put_real(pen, "protocol.basis_x", p->basis_x);
	put_real(pen, "protocol.qber_max", p->qber_max);
	put_count(pen, "protocol.eps_sec_exponent", p->eps_sec_exponent);
	put_count(pen, "protocol.eps_cor_exponent", p->eps_cor_exponent);
	put_count(pen, "protocol.final_bits_fixed", p->final_bits_fixed);
}

static void watch_settings(struct pen *pen, const struct site_qkd_watch *w)
{
	if (w->monitor != NULL)
		put(pen, "watch.monitor", "%s", w->monitor);
	put_count(pen, "watch.alpha_exponent", w->alpha_exponent);
	put_real(pen, "watch.unequal_max", w->unequal_max);
	put_real(pen, "watch.intensity_tolerance", w->intensity_tolerance);
	put_real(pen, "watch.gate_centre_least", w->gate_centre_least);
	put_real(pen, "watch.doubles_least", w->doubles_least);
	put_count(pen, "watch.bias_na_max", w->bias_na_max);
	put_count(pen, "watch.power_pw_max", w->power_pw_max);
}

static void device_settings(struct pen *pen, const struct site_qkd_device *d)
{
	put_text(pen, "driver.kind", d->kind);
	put_text(pen, "driver.name", d->name);
	put_real(pen, "driver.pace", d->pace);
	put_text(pen, "driver.record", d->record);
	put_bool(pen, "driver.record_allowed", d->record_allowed);
	put_bool(pen, "driver.replay_allowed", d->replay_allowed);
	put_text(pen, "driver.session", d->session);
	put_count(pen, "driver.slots_per_second", d->slots_per_second);
}

static void gate_settings(struct pen *pen, const struct site_qkd_gate *g)
{
	put_real(pen, "gate.offset_ps", g->offset_ps);
	put_real(pen, "gate.window", g->window);
	put_real(pen, "gate.drift_ppm", g->drift_ppm);
	put_text(pen, "gate.channels", g->channels);
}

static void qkd_settings(struct pen *pen, const struct site *s)
{
	put(pen, "link", "%s", s->qkd->link);
	put(pen, "role", "%s", s->qkd->role == QKD_ALICE ? "alice" : "bob");
	put(pen, "driver.socket", "%s", s->qkd->driver);
	put(pen, "bootstrap_file", "%s", s->qkd->bootstrap_file);
	put(pen, "channel.role", "%s", role_words[s->qkd->channel->role]);
	put(pen, "channel.address", "%s", s->qkd->channel->address);
	put(pen, "channel.port", "%u", s->qkd->channel->port);
	put(pen, "peer.name", "%s", s->peer->certificate_name);
	put_tls(pen, s->tls);
	put_count(pen, "block_bits", s->qkd->block_bits);
	put_count(pen, "ring_slots", s->qkd->ring_slots);
	put_count(pen, "frames_in_flight", s->qkd->frames_in_flight);
	if (s->qkd->error_correction != NULL)
		put(pen, "error_correction", "%s", s->qkd->error_correction);
	if (s->qkd->protocol != NULL)
		protocol_settings(pen, s->qkd->protocol);
	if (s->qkd->random != NULL) {
		put(pen, "random.device", "%s", s->qkd->random->device);
		put_count(pen, "random.sample_bits", s->qkd->random->sample_bits);
		put_real(pen, "random.min_entropy", s->qkd->random->min_entropy);
	}
	if (s->qkd->watch != NULL)
		watch_settings(pen, s->qkd->watch);
	if (s->qkd->device != NULL)
		device_settings(pen, s->qkd->device);
	if (s->qkd->gate != NULL)
		gate_settings(pen, s->qkd->gate);
}

static void gateway_settings(struct pen *pen, const struct site *s)
{
	const struct site_gateway *g = s->gateway;

	put(pen, "role", "%s", g->role == GATEWAY_INITIATOR ? "initiator" : "responder");
	put(pen, "sae", "%s", g->sae);
	put(pen, "peer_sae", "%s", g->peer_sae);
	if (g->vici != NULL)
		put(pen, "vici", "%s", g->vici);
	else
		put(pen, "vici", "%s/charon.vici", s->run_folder);
	put(pen, "local_address", "%s", g->local_address);
	put(pen, "peer_address", "%s", s->peer->address);
	put(pen, "local_subnet", "%s", g->local_subnet);
	put(pen, "remote_subnet", "%s", g->remote_subnet);
	put(pen, "certificate", "%s", g->certificate);
	put(pen, "key", "%s", g->key);
	put(pen, "ca", "%s", g->ca);
	put(pen, "rotate_s", "%u", g->rotate_s);
	put_count(pen, "lifetime_s", g->lifetime_s);
	put(pen, "agent.role", "%s", role_words[g->agent->role]);
	put(pen, "agent.address", "%s", g->agent->address);
	put(pen, "agent.port", "%u", g->agent->port);
	put(pen, "peer.name", "%s", s->peer->certificate_name);
	put_tls(pen, s->tls);
}

static bool has_metrics(const struct site *s)
{
	return s->metrics != NULL;
}
static bool has_auc(const struct site *s)
{
	return s->auc != NULL;
}
static bool has_kms(const struct site *s)
{
	return s->kms != NULL;
}
static bool has_api(const struct site *s)
{
	return s->kms != NULL && s->kms->api != NULL;
}
static bool has_qkd(const struct site *s)
{
	return s->qkd != NULL;
}
static bool has_gateway(const struct site *s)
{
	return s->gateway != NULL;
}
static bool has_charon(const struct site *s)
{
	return s->gateway != NULL && s->gateway->charon != NULL;
}

/* In the order of starting: what others stand on first. */
static const struct {
	const char *name, *executable;
	unsigned flags;
	bool (*is_wanted)(const struct site *s);
	void (*write)(struct pen *pen, const struct site *s);
	const char *neighbours[4];
} processes[] = {
	{"audit", "merlon-audit", 0, has_kms, audit_settings, {0}},
	{"auc-store", "merlon-auc-store", 0, has_auc, auc_store_settings, {0}},
	{"auc-vault", "merlon-auc-vault", ROW_VAULT, has_auc, auc_vault_settings, {"auc-store"}},
	{"auc-front", "merlon-auc-front", 0, has_auc, auc_front_settings, {"auc-store"}},
	{"auc-import", "merlon-auc-import", ROW_RUN_ONCE, has_auc, auc_import_settings,
		{"auc-store"}},
	{"auc-import-vault", "merlon-auc-vault", ROW_VAULT | ROW_RUN_ONCE, has_auc,
		auc_import_vault_settings, {"auc-import"}},
	{"kms-store", "merlon-kms-store", 0, has_kms, kms_store_settings, {"audit"}},
	{"kms-vault", "merlon-kms-vault", ROW_VAULT, has_kms, kms_vault_settings, {"kms-store"}},
	{"kms-peer", "merlon-kms-peer", 0, has_kms, kms_peer_settings, {"kms-store"}},
	{"kms-front", "merlon-kms-front", 0, has_api, kms_front_settings, {"kms-store"}},
	{"qkd", "merlon-qkd", 0, has_qkd, qkd_settings, {"kms-store"}},
	{"charon", "", ROW_EXTERNAL, has_charon, nothing_to_set, {0}},
	{"metrics", "merlon-metrics", 0, has_metrics, metrics_settings, {0}},
	{"gateway", "merlon-gateway", 0, has_gateway, gateway_settings, {"kms-store"}},
};

static struct err set_text(
	char *out, size_t size, const char *text, const char *what, struct complaint *c)
{
	if ((size_t)snprintf(out, size, "%s", text) >= size)
		return complain(c, ERR(LIMIT), "%s: longer than %zu characters: '%s'", what,
			size - 1, text);
	return OK;
}

static struct err add_external(struct process_row *row, const struct site *s, struct complaint *c)
{
	struct err e = set_text(
		row->executable, sizeof row->executable, s->gateway->charon, "gateway.charon", c);
	if (failed(e))
		return e;
	snprintf(row->environment[row->environment_count++], SUPERVISOR_WORD_MAX,
		"STRONGSWAN_CONF=%.200s/strongswan.conf", s->run_folder);
	return OK;
}

static struct err add_process(
	struct supervisor_plan *plan, size_t at, const struct site *s, struct complaint *c)
{
	struct process_row *row = &plan->rows[plan->count++];
	struct pen pen = {.settings = &row->settings};

	snprintf(row->name, sizeof row->name, "%s", processes[at].name);
	snprintf(row->executable, sizeof row->executable, "%s", processes[at].executable);
	row->flags = processes[at].flags;
	for (size_t i = 0;
		i < ARRAY_LEN(processes[at].neighbours) && processes[at].neighbours[i] != NULL; i++)
		snprintf(row->neighbours[row->neighbour_count++], sizeof row->neighbours[0], "%s",
			processes[at].neighbours[i]);
	if (row->flags & ROW_EXTERNAL)
		return add_external(row, s, c);
	processes[at].write(&pen, s);
	if (failed(pen.err))
		return complain(c, pen.err, "process %s: a setting does not fit", row->name);
	return OK;
}

static enum log_level level_of(const char *word)
{
	for (unsigned level = 0; word != NULL && level < LOG_LEVELS; level++)
		if (strcmp(word, log_level_word((enum log_level)level)) == 0)
			return (enum log_level)level;
	return LOG_INFO;
}

struct err plan_from_site(
	const struct site *site, struct supervisor_plan *plan, struct complaint *c)
{
	struct err e = set_text(plan->site, sizeof plan->site, site->site, "site", c);

	if (!failed(e))
		e = set_text(plan->user, sizeof plan->user, site->user, "user", c);
	if (!failed(e))
		e = set_text(plan->run_folder, sizeof plan->run_folder, site->run_folder,
			"run_folder", c);
	plan->log_least = level_of(site->log_level);
	for (size_t i = 0; i < ARRAY_LEN(processes) && !failed(e); i++)
		if (processes[i].is_wanted(site))
			e = add_process(plan, i, site, c);
	return e;
}

static void add_port(struct gateway_fence *f, const struct site_channel *channel)
{
	if (channel->role == ROLE_LISTEN)
		f->listen_ports[f->listen_count++] = channel->port;
	else
		f->connect_ports[f->connect_count++] = channel->port;
}

struct gateway_fence plan_fence(const struct site *site)
{
	const struct site_gateway *g = site->gateway;
	struct gateway_fence f = {.backhaul = g->interface,
		.tunnel = TUNNEL_DEVICE,
		.local_address = g->local_address,
		.peer_address = site->peer->address,
		.local_prefix = g->local_subnet,
		.remote_prefix = g->remote_subnet};

	for (size_t i = 0; i < g->inside_count; i++)
		f.inside[f.inside_count++] = g->inside[i];
	add_port(&f, g->agent);
	add_port(&f, site->kms->peering);
	if (site->qkd != NULL)
		add_port(&f, site->qkd->channel);
	return f;
}
