// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/plan.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

static const char *const role_words[] = {[ROLE_LISTEN] = "listen", [ROLE_CONNECT] = "connect"};

static void audit_settings(struct pen *pen, const struct site *s)
{
	put(pen, "folder", "%s/audit", s->state_folder);
}

static void auc_store_settings(struct pen *pen, const struct site *s)
{
	put(pen, "database", "%s/auc/auc.db", s->state_folder);
}

static void vault_settings(struct pen *pen, const struct site *s)
{
	put(pen, "kek_file", "%s", s->kek_file);
}

static void auc_front_settings(struct pen *pen, const struct site *s)
{
	put(pen, "listen.address", "%s", s->auc->gsup->address);
	put(pen, "listen.port", "%u", s->auc->gsup->port);
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
	if (s->qkd->block_bits != 0)
		put(pen, "block_bits", "%u", s->qkd->block_bits);
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
	{"auc-vault", "merlon-auc-vault", ROW_VAULT, has_auc, vault_settings, {"auc-store"}},
	{"auc-front", "merlon-auc-front", 0, has_auc, auc_front_settings, {"auc-store"}},
	{"auc-import", "merlon-auc-import", ROW_RUN_ONCE, has_auc, nothing_to_set, {"auc-store"}},
	{"auc-import-vault", "merlon-auc-vault", ROW_VAULT | ROW_RUN_ONCE, has_auc, vault_settings, {"auc-import"}},
	{"kms-store", "merlon-kms-store", 0, has_kms, kms_store_settings, {"audit"}},
	{"kms-vault", "merlon-kms-vault", ROW_VAULT, has_kms, kms_vault_settings, {"kms-store"}},
	{"kms-peer", "merlon-kms-peer", 0, has_kms, kms_peer_settings, {"kms-store"}},
	{"kms-front", "merlon-kms-front", 0, has_api, kms_front_settings, {"kms-store"}},
	{"qkd", "merlon-qkd", 0, has_qkd, qkd_settings, {"kms-store"}},
	{"charon", "", ROW_EXTERNAL, has_charon, nothing_to_set, {0}},
	{"metrics", "merlon-metrics", 0, has_metrics, metrics_settings, {0}},
	{"gateway", "merlon-gateway", 0, has_gateway, gateway_settings, {"kms-store"}},
};

static struct err set_text(char *out, size_t size, const char *text, const char *what, struct complaint *c)
{
	if ((size_t)snprintf(out, size, "%s", text) >= size)
		return complain(c, ERR(LIMIT), "%s: longer than %zu characters: '%s'", what, size - 1, text);
	return OK;
}

static struct err add_external(struct process_row *row, const struct site *s, struct complaint *c)
{
	struct err e = set_text(row->executable, sizeof row->executable, s->gateway->charon, "gateway.charon", c);
	if (failed(e))
		return e;
	snprintf(row->environment[row->environment_count++], SUPERVISOR_WORD_MAX, "STRONGSWAN_CONF=%.200s/strongswan.conf",
		s->run_folder);
	return OK;
}

static struct err add_process(struct supervisor_plan *plan, size_t at, const struct site *s, struct complaint *c)
{
	struct process_row *row = &plan->rows[plan->count++];
	struct pen pen = {.settings = &row->settings};

	snprintf(row->name, sizeof row->name, "%s", processes[at].name);
	snprintf(row->executable, sizeof row->executable, "%s", processes[at].executable);
	row->flags = processes[at].flags;
	for (size_t i = 0; i < ARRAY_LEN(processes[at].neighbours) && processes[at].neighbours[i] != NULL; i++)
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

struct err plan_from_site(const struct site *site, struct supervisor_plan *plan, struct complaint *c)
{
	struct err e = set_text(plan->site, sizeof plan->site, site->site, "site", c);

	if (!failed(e))
		e = set_text(plan->user, sizeof plan->user, site->user, "user", c);
	if (!failed(e))
		e = set_text(plan->run_folder, sizeof plan->run_folder, site->run_folder, "run_folder", c);
	plan->log_least = level_of(site->log_level);
	for (size_t i = 0; i < ARRAY_LEN(processes) && !failed(e); i++)
		if (processes[i].is_wanted(site))
			e = add_process(plan, i, site, c);
	return e;
}
