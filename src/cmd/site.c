// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "site.h"
#include "codec/auc_msg.h"
#include "codec/kms_msg.h"
#include "host/conf.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LENGTH_MAX = 1000, NAME_LENGTH_MAX = 63 };

#define TEXT(key, structure, max)                                                                  \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER, struct structure, key, 1, (max))
#define TEXT_OPTIONAL(key, structure, max)                                                         \
	CYAML_FIELD_STRING_PTR(                                                                    \
		#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct structure, key, 1, (max))
#define NUMBER(key, structure) CYAML_FIELD_UINT(#key, CYAML_FLAG_DEFAULT, struct structure, key)
#define COUNT_OPTIONAL(key, structure)                                                             \
	CYAML_FIELD_UINT_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct structure, key)
#define REAL_OPTIONAL(key, structure)                                                              \
	CYAML_FIELD_FLOAT_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct structure, key)
#define LIST_OPTIONAL(key, structure, entry, max)                                                  \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct structure,     \
		key, entry, 1, (max))
#define LIST(key, structure, entry, max)                                                           \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER, struct structure, key, entry, 1, (max))
#define CHOICE(key, structure, words)                                                              \
	CYAML_FIELD_ENUM(#key, CYAML_FLAG_STRICT, struct structure, key, words, ARRAY_LEN(words))
#define SECTION(key, structure, fields)                                                            \
	CYAML_FIELD_MAPPING_PTR(#key, CYAML_FLAG_POINTER, struct structure, key, fields)
#define SECTION_OPTIONAL(key, structure, fields)                                                   \
	CYAML_FIELD_MAPPING_PTR(                                                                   \
		#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct structure, key, fields)

static const cyaml_strval_t channel_roles[] = {{"listen", ROLE_LISTEN}, {"connect", ROLE_CONNECT}};
static const cyaml_strval_t qkd_roles[] = {{"alice", QKD_ALICE}, {"bob", QKD_BOB}};
static const cyaml_strval_t gateway_roles[] = {
	{"initiator", GATEWAY_INITIATOR}, {"responder", GATEWAY_RESPONDER}};

static const cyaml_schema_value_t sae_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, KMS_SAE_MAX)};
static const cyaml_schema_value_t interface_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 15)};

static const cyaml_schema_field_t endpoint_fields[] = {
	TEXT(address, site_endpoint, NAME_LENGTH_MAX),
	NUMBER(port, site_endpoint),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t channel_fields[] = {
	CHOICE(role, site_channel, channel_roles),
	TEXT(address, site_channel, NAME_LENGTH_MAX),
	NUMBER(port, site_channel),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t tls_fields[] = {
	TEXT(certificate, site_tls, PATH_LENGTH_MAX),
	TEXT(key, site_tls, PATH_LENGTH_MAX),
	TEXT(ca, site_tls, PATH_LENGTH_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t peer_fields[] = {
	TEXT(site, site_peer, NAME_LENGTH_MAX),
	TEXT(certificate_name, site_peer, NAME_LENGTH_MAX),
	TEXT(address, site_peer, NAME_LENGTH_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t address_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 48)};
static const cyaml_schema_value_t plmn_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 6)};
static const cyaml_schema_field_t auc_peer_fields[] = {
	TEXT(name, site_auc_peer, NAME_LENGTH_MAX),
	LIST_OPTIONAL(addresses, site_auc_peer, &address_entry, SITE_PEER_ADDRESSES_MAX),
	LIST_OPTIONAL(plmns, site_auc_peer, &plmn_entry, SITE_PEER_PLMNS_MAX),
	COUNT_OPTIONAL(rate_per_s, site_auc_peer),
	COUNT_OPTIONAL(burst, site_auc_peer),
	COUNT_OPTIONAL(vectors_max, site_auc_peer),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t auc_peer_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct site_auc_peer, auc_peer_fields)};
static const cyaml_schema_value_t variable_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PATH_LENGTH_MAX)};
static const cyaml_schema_field_t token_fields[] = {
	TEXT(module, site_token, PATH_LENGTH_MAX),
	TEXT(token, site_token, 32),
	TEXT(key, site_token, NAME_LENGTH_MAX),
	TEXT(pin_file, site_token, PATH_LENGTH_MAX),
	LIST_OPTIONAL(environment, site_token, &variable_entry, SITE_TOKEN_VARIABLES_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t vault_fields[] = {
	COUNT_OPTIONAL(rate_per_s, site_vault_limits),
	COUNT_OPTIONAL(subscriber_burst, site_vault_limits),
	COUNT_OPTIONAL(subscriber_per_hour, site_vault_limits),
	COUNT_OPTIONAL(auts_burst, site_vault_limits),
	COUNT_OPTIONAL(auts_per_hour, site_vault_limits),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t short_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, NAME_LENGTH_MAX)};
static const cyaml_schema_field_t transport_key_fields[] = {
	TEXT(name, site_transport_key, AUC_BATCH_TEXT - 1),
	TEXT(algorithm, site_transport_key, NAME_LENGTH_MAX),
	TEXT(key_file, site_transport_key, PATH_LENGTH_MAX),
	TEXT_OPTIONAL(iv, site_transport_key, NAME_LENGTH_MAX),
	TEXT_OPTIONAL(kcv, site_transport_key, NAME_LENGTH_MAX),
	LIST(fields, site_transport_key, &short_entry, 2),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t transport_key_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct site_transport_key, transport_key_fields)};
static const cyaml_schema_value_t r_entry = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint8_t)};
static const cyaml_schema_field_t profile_fields[] = {
	NUMBER(number, site_profile),
	LIST(r, site_profile, &r_entry, SITE_PROFILE_OUTS),
	LIST(c, site_profile, &short_entry, SITE_PROFILE_OUTS),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t profile_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct site_profile, profile_fields)};
static const cyaml_schema_field_t auc_fields[] = {
	SECTION(gsup, site_auc, endpoint_fields),
	TEXT_OPTIONAL(passphrase_file, site_auc, PATH_LENGTH_MAX),
	SECTION_OPTIONAL(token, site_auc, token_fields),
	TEXT_OPTIONAL(kek_file_before, site_auc, PATH_LENGTH_MAX),
	TEXT_OPTIONAL(passphrase_file_before, site_auc, PATH_LENGTH_MAX),
	SECTION_OPTIONAL(token_before, site_auc, token_fields),
	SECTION_OPTIONAL(vault, site_auc, vault_fields),
	LIST_OPTIONAL(transport_keys, site_auc, &transport_key_entry, SITE_TRANSPORT_KEYS_MAX),
	LIST_OPTIONAL(profiles, site_auc, &profile_entry, SITE_PROFILES_MAX),
	CYAML_FIELD_BOOL_PTR(
		"allow_xor", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct site_auc, allow_xor),
	LIST_OPTIONAL(peers, site_auc, &auc_peer_entry, SITE_PEERS_MAX),
	COUNT_OPTIONAL(rate_per_s, site_auc),
	COUNT_OPTIONAL(lease_ahead, site_auc),
	COUNT_OPTIONAL(subscribers_max, site_auc),
	COUNT_OPTIONAL(vectors_burst, site_auc),
	COUNT_OPTIONAL(vectors_per_hour, site_auc),
	COUNT_OPTIONAL(resyncs_burst, site_auc),
	COUNT_OPTIONAL(resyncs_per_hour, site_auc),
	COUNT_OPTIONAL(peers_max, site_auc),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t protocol_fields[] = {
	TEXT_OPTIONAL(kind, site_qkd_protocol, NAME_LENGTH_MAX),
	REAL_OPTIONAL(mu1, site_qkd_protocol),
	REAL_OPTIONAL(mu2, site_qkd_protocol),
	REAL_OPTIONAL(mu3, site_qkd_protocol),
	REAL_OPTIONAL(p1, site_qkd_protocol),
	REAL_OPTIONAL(p2, site_qkd_protocol),
	REAL_OPTIONAL(p3, site_qkd_protocol),
	REAL_OPTIONAL(basis_x, site_qkd_protocol),
	REAL_OPTIONAL(qber_max, site_qkd_protocol),
	COUNT_OPTIONAL(eps_sec_exponent, site_qkd_protocol),
	COUNT_OPTIONAL(eps_cor_exponent, site_qkd_protocol),
	COUNT_OPTIONAL(final_bits_fixed, site_qkd_protocol),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t random_fields[] = {
	TEXT(device, site_qkd_random, PATH_LENGTH_MAX),
	COUNT_OPTIONAL(sample_bits, site_qkd_random),
	REAL_OPTIONAL(min_entropy, site_qkd_random),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t watch_fields[] = {
	TEXT_OPTIONAL(monitor, site_qkd_watch, NAME_LENGTH_MAX),
	COUNT_OPTIONAL(alpha_exponent, site_qkd_watch),
	REAL_OPTIONAL(unequal_max, site_qkd_watch),
	REAL_OPTIONAL(intensity_tolerance, site_qkd_watch),
	REAL_OPTIONAL(gate_centre_least, site_qkd_watch),
	REAL_OPTIONAL(doubles_least, site_qkd_watch),
	COUNT_OPTIONAL(bias_na_max, site_qkd_watch),
	COUNT_OPTIONAL(power_pw_max, site_qkd_watch),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t device_fields[] = {
	TEXT_OPTIONAL(kind, site_qkd_device, NAME_LENGTH_MAX),
	TEXT_OPTIONAL(name, site_qkd_device, NAME_LENGTH_MAX),
	REAL_OPTIONAL(pace, site_qkd_device),
	TEXT_OPTIONAL(record, site_qkd_device, PATH_LENGTH_MAX),
	CYAML_FIELD_BOOL_PTR("record_allowed", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct site_qkd_device, record_allowed),
	CYAML_FIELD_BOOL_PTR("replay_allowed", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct site_qkd_device, replay_allowed),
	TEXT_OPTIONAL(session, site_qkd_device, NAME_LENGTH_MAX),
	COUNT_OPTIONAL(slots_per_second, site_qkd_device),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t gate_fields[] = {
	REAL_OPTIONAL(offset_ps, site_qkd_gate),
	REAL_OPTIONAL(window, site_qkd_gate),
	REAL_OPTIONAL(drift_ppm, site_qkd_gate),
	TEXT_OPTIONAL(channels, site_qkd_gate, NAME_LENGTH_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t qkd_fields[] = {
	TEXT(link, site_qkd, NAME_LENGTH_MAX),
	CHOICE(role, site_qkd, qkd_roles),
	TEXT(driver, site_qkd, PATH_LENGTH_MAX),
	TEXT(bootstrap_file, site_qkd, PATH_LENGTH_MAX),
	SECTION(channel, site_qkd, channel_fields),
	COUNT_OPTIONAL(block_bits, site_qkd),
	COUNT_OPTIONAL(ring_slots, site_qkd),
	COUNT_OPTIONAL(frames_in_flight, site_qkd),
	TEXT_OPTIONAL(error_correction, site_qkd, NAME_LENGTH_MAX),
	SECTION_OPTIONAL(protocol, site_qkd, protocol_fields),
	SECTION_OPTIONAL(random, site_qkd, random_fields),
	SECTION_OPTIONAL(watch, site_qkd, watch_fields),
	SECTION_OPTIONAL(device, site_qkd, device_fields),
	SECTION_OPTIONAL(gate, site_qkd, gate_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t api_fields[] = {
	TEXT(address, site_kms_api, NAME_LENGTH_MAX),
	NUMBER(port, site_kms_api),
	TEXT(certificate, site_kms_api, PATH_LENGTH_MAX),
	TEXT(key, site_kms_api, PATH_LENGTH_MAX),
	TEXT(ca, site_kms_api, PATH_LENGTH_MAX),
	TEXT(sae_identity, site_kms_api, 4),
	COUNT_OPTIONAL(rate_per_s, site_kms_api),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t kms_fields[] = {
	TEXT(kme_id, site_kms, NAME_LENGTH_MAX),
	SECTION(peering, site_kms, channel_fields),
	SECTION_OPTIONAL(api, site_kms, api_fields),
	LIST_OPTIONAL(saes, site_kms, &sae_entry, SITE_SAES_MAX),
	LIST_OPTIONAL(peer_saes, site_kms, &sae_entry, SITE_SAES_MAX),
	COUNT_OPTIONAL(key_bits, site_kms),
	COUNT_OPTIONAL(low_keys, site_kms),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t gateway_fields[] = {
	CHOICE(role, site_gateway, gateway_roles),
	SECTION(agent, site_gateway, channel_fields),
	TEXT(sae, site_gateway, NAME_LENGTH_MAX),
	TEXT(peer_sae, site_gateway, NAME_LENGTH_MAX),
	TEXT(interface, site_gateway, 15),
	TEXT(local_address, site_gateway, NAME_LENGTH_MAX),
	TEXT(local_subnet, site_gateway, NAME_LENGTH_MAX),
	TEXT(remote_subnet, site_gateway, NAME_LENGTH_MAX),
	TEXT(certificate, site_gateway, PATH_LENGTH_MAX),
	TEXT(key, site_gateway, PATH_LENGTH_MAX),
	TEXT(ca, site_gateway, PATH_LENGTH_MAX),
	NUMBER(rotate_s, site_gateway),
	COUNT_OPTIONAL(lifetime_s, site_gateway),
	LIST_OPTIONAL(inside, site_gateway, &interface_entry, SITE_INSIDE_MAX),
	TEXT_OPTIONAL(charon, site_gateway, PATH_LENGTH_MAX),
	TEXT_OPTIONAL(vici, site_gateway, PATH_LENGTH_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t site_fields[] = {
	TEXT(site, site, NAME_LENGTH_MAX),
	TEXT(state_folder, site, PATH_LENGTH_MAX),
	TEXT(run_folder, site, 80), /* a Unix socket's path must fit: control.sock stands in it */
	TEXT(user, site, NAME_LENGTH_MAX),
	TEXT_OPTIONAL(kek_file, site, PATH_LENGTH_MAX),
	TEXT_OPTIONAL(log_level, site, 8),
	SECTION_OPTIONAL(tls, site, tls_fields),
	SECTION_OPTIONAL(peer, site, peer_fields),
	SECTION_OPTIONAL(metrics, site, endpoint_fields),
	SECTION_OPTIONAL(auc, site, auc_fields),
	SECTION_OPTIONAL(qkd, site, qkd_fields),
	SECTION_OPTIONAL(kms, site, kms_fields),
	SECTION_OPTIONAL(gateway, site, gateway_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t site_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct site, site_fields)};

/* --- sense: what the shape cannot say --- */

struct sense {
	const char *path;
	bool check_files;
	struct complaint *c;
};

static struct err refuse(
	const struct sense *s, const char *key, const char *what, const char *value)
{
	return complain(s->c, ERR(INPUT), "%s: %s: %s: '%s'", s->path, key, what, value);
}

static struct err check_address(const struct sense *s, const char *key, const char *address)
{
	uint8_t octets[16];

	if (inet_pton(AF_INET, address, octets) == 1 || inet_pton(AF_INET6, address, octets) == 1)
		return OK;
	return refuse(s, key, "an IPv4 or IPv6 address is expected", address);
}

static struct err check_subnet(const struct sense *s, const char *key, const char *subnet)
{
	char address[64];
	const char *slash = strchr(subnet, '/');
	unsigned bits;
	char end;

	/* Behind ::ffff:0:0/96 it is IPv4, and what reads it says 32 bits [RFC 4291 §2.5.5.2]. */
	if (slash == NULL || (size_t)(slash - subnet) >= sizeof address ||
		sscanf(slash, "/%3u%c", &bits, &end) != 1 ||
		bits > (strchr(subnet, '.') != NULL ? 32 : 128))
		return refuse(s, key, "a network as ADDRESS/BITS is expected", subnet);
	memcpy(address, subnet, (size_t)(slash - subnet));
	address[slash - subnet] = '\0';
	return check_address(s, key, address);
}

static struct err check_file(const struct sense *s, const char *key, const char *file)
{
	if (!s->check_files || access(file, R_OK) == 0)
		return OK;
	return complain(s->c, ERR(INPUT), "%s: %s: %s: %s", s->path, key, file, strerror(errno));
}

static struct err check_program(const struct sense *s, const char *key, const char *file)
{
	if (!s->check_files || access(file, X_OK) == 0)
		return OK;
	return complain(s->c, ERR(INPUT), "%s: %s: %s cannot be run: %s", s->path, key, file,
		strerror(errno));
}

static struct err check_port(const struct sense *s, const char *key, uint16_t port)
{
	return port != 0 ? OK : refuse(s, key, "a port from 1 to 65535 is expected", "0");
}

/* A row a check: the first that fails ends it. NULL texts belong to sections that are not there. */
struct check {
	const char *key;
	struct err (*check)(const struct sense *s, const char *key, const char *text);
	const char *text;
};

static struct err check_all(const struct sense *s, const struct check *checks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (checks[i].text == NULL)
			continue;
		const struct err e = checks[i].check(s, checks[i].key, checks[i].text);
		if (failed(e))
			return e;
	}
	return OK;
}

static struct err check_needs(const struct sense *s, const struct site *site)
{
	if (site->kms != NULL && (site->tls == NULL || site->peer == NULL))
		return complain(
			s->c, ERR(INPUT), "%s: kms: needs the sections 'tls' and 'peer'", s->path);
	if (site->qkd != NULL && site->kms == NULL)
		return complain(s->c, ERR(INPUT),
			"%s: qkd: needs the section 'kms', which keeps its keys", s->path);
	if (site->gateway != NULL && site->kms == NULL)
		return complain(s->c, ERR(INPUT),
			"%s: gateway: needs the section 'kms', which gives its pre-shared keys",
			s->path);
	if (site->gateway != NULL && site->gateway->charon == NULL && site->gateway->vici == NULL)
		return complain(s->c, ERR(INPUT),
			"%s: gateway: either 'charon' (a program to run) or 'vici' (a socket) is "
			"needed",
			s->path);
	if (site->gateway != NULL &&
		strcmp(site->gateway->local_subnet, site->gateway->remote_subnet) == 0)
		return refuse(s, "gateway.remote_subnet", "must differ from gateway.local_subnet",
			site->gateway->remote_subnet);
	return OK;
}

static struct err check_ports(const struct sense *s, const struct site *site)
{
	const struct {
		const char *key;
		bool is_there;
		uint16_t port;
	} rows[] = {
		{"metrics.port", site->metrics, site->metrics ? site->metrics->port : 0},
		{"auc.gsup.port", site->auc, site->auc ? site->auc->gsup->port : 0},
		{"qkd.channel.port", site->qkd, site->qkd ? site->qkd->channel->port : 0},
		{"kms.peering.port", site->kms, site->kms ? site->kms->peering->port : 0},
		{"kms.api.port", site->kms && site->kms->api,
			site->kms && site->kms->api ? site->kms->api->port : 0},
		{"gateway.agent.port", site->gateway,
			site->gateway ? site->gateway->agent->port : 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct err e =
			rows[i].is_there ? check_port(s, rows[i].key, rows[i].port) : OK;
		if (failed(e))
			return e;
	}
	return OK;
}

static struct err check_identity_word(const struct sense *s, const char *key, const char *word)
{
	if (strcmp(word, "cn") == 0 || strcmp(word, "dns") == 0 || strcmp(word, "uri") == 0)
		return OK;
	return refuse(s, key, "one of cn, dns, uri is expected", word);
}

static struct err check_counts(const struct sense *s, const struct site *site)
{
	const struct site_auc *auc = site->auc;
	const struct site_vault_limits *v = auc ? auc->vault : NULL;
	const struct site_kms *kms = site->kms;
	const struct site_gateway *g = site->gateway;
	const struct site_qkd_protocol *p = site->qkd ? site->qkd->protocol : NULL;
	const struct site_qkd_watch *w = site->qkd ? site->qkd->watch : NULL;
	const uint64_t rotate_s = g ? g->rotate_s : 0;
	const struct {
		const char *key;
		const uint64_t *value;
		uint64_t least, most;
	} rows[] = {
		{"auc.lease_ahead", auc ? auc->lease_ahead : NULL, 16, 1 << 20},
		{"auc.subscribers_max", auc ? auc->subscribers_max : NULL, 1, 1 << 26},
		{"auc.vectors_burst", auc ? auc->vectors_burst : NULL, 5, 1 << 24},
		{"auc.vectors_per_hour", auc ? auc->vectors_per_hour : NULL, 1, 3600000},
		{"auc.resyncs_burst", auc ? auc->resyncs_burst : NULL, 1, 1 << 24},
		{"auc.resyncs_per_hour", auc ? auc->resyncs_per_hour : NULL, 1, 3600000},
		{"auc.peers_max", auc ? auc->peers_max : NULL, 1, 4096},
		{"auc.rate_per_s", auc ? auc->rate_per_s : NULL, 1, 1000000},
		{"auc.vault.rate_per_s", v ? v->rate_per_s : NULL, 0, 1000000000},
		{"auc.vault.subscriber_burst", v ? v->subscriber_burst : NULL, 0, 1 << 24},
		{"auc.vault.subscriber_per_hour", v ? v->subscriber_per_hour : NULL, 0, 1 << 24},
		{"auc.vault.auts_burst", v ? v->auts_burst : NULL, 0, 1 << 24},
		{"auc.vault.auts_per_hour", v ? v->auts_per_hour : NULL, 0, 1 << 24},
		{"qkd.block_bits", site->qkd ? site->qkd->block_bits : NULL, 4000, 4000000},
		{"qkd.ring_slots", site->qkd ? site->qkd->ring_slots : NULL, 1 << 16, 1 << 30},
		{"qkd.frames_in_flight", site->qkd ? site->qkd->frames_in_flight : NULL, 1, 1024},
		{"qkd.protocol.final_bits_fixed", p ? p->final_bits_fixed : NULL, 0, 2097152},
		{"qkd.protocol.eps_sec_exponent", p ? p->eps_sec_exponent : NULL, 1, 30},
		{"qkd.protocol.eps_cor_exponent", p ? p->eps_cor_exponent : NULL, 1, 16},
		{"qkd.device.slots_per_second",
			site->qkd && site->qkd->device ? site->qkd->device->slots_per_second : NULL,
			1, UINT32_MAX},
		{"qkd.watch.alpha_exponent", w ? w->alpha_exponent : NULL, 1, 15},
		{"qkd.watch.bias_na_max", w ? w->bias_na_max : NULL, 0, UINT32_MAX},
		{"qkd.watch.power_pw_max", w ? w->power_pw_max : NULL, 0, UINT32_MAX},
		{"kms.key_bits", kms ? kms->key_bits : NULL, 64, 256},
		{"kms.low_keys", kms ? kms->low_keys : NULL, 1, 1 << 20},
		{"kms.api.rate_per_s", kms && kms->api ? kms->api->rate_per_s : NULL, 1, 1000000},
		{"gateway.rotate_s", g ? &rotate_s : NULL, 1, 86400},
		{"gateway.lifetime_s", g ? g->lifetime_s : NULL, rotate_s + 1, 7 * 86400},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].value != NULL &&
			(*rows[i].value < rows[i].least || *rows[i].value > rows[i].most))
			return complain(s->c, ERR(INPUT),
				"%s: %s: a number from %" PRIu64 " to %" PRIu64
				" is expected: '%" PRIu64 "'",
				s->path, rows[i].key, rows[i].least, rows[i].most, *rows[i].value);
	if (kms != NULL && kms->key_bits != NULL && *kms->key_bits % 8 != 0)
		return complain(s->c, ERR(INPUT),
			"%s: kms.key_bits: a multiple of 8 is expected: '%" PRIu64 "'", s->path,
			*kms->key_bits);
	return OK;
}

static struct err check_list(
	const struct sense *s, const char *key, char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(list[i], list[k]) == 0)
				return refuse(s, key, "stands twice", list[i]);
	return OK;
}

static struct err check_lists(const struct sense *s, const struct site *site)
{
	const struct site_kms *kms = site->kms;
	const struct site_gateway *g = site->gateway;
	struct err e = kms ? check_list(s, "kms.saes", kms->saes, kms->saes_count) : OK;

	if (!failed(e) && kms != NULL)
		e = check_list(s, "kms.peer_saes", kms->peer_saes, kms->peer_saes_count);
	if (!failed(e) && g != NULL)
		e = check_list(s, "gateway.inside", g->inside, g->inside_count);
	for (size_t i = 0; g != NULL && i < g->inside_count && !failed(e); i++)
		if (strcmp(g->inside[i], g->interface) == 0)
			e = refuse(s, "gateway.inside",
				"must differ from gateway.interface, which is outside",
				g->inside[i]);
	return e;
}

static struct err check_plmn(const struct sense *s, const char *key, const char *plmn)
{
	const size_t digits = strspn(plmn, "0123456789");

	return plmn[digits] == '\0' && digits >= 5
		       ? OK
		       : refuse(s, key, "MCC and MNC, 5 or 6 digits, are expected", plmn);
}

static struct err check_node_name(const struct sense *s, const char *key, const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			return refuse(s, key, "printable ASCII is expected", name);
	return OK;
}

static struct err check_source(const struct sense *s, const char *key, const char *address)
{
	return strchr(address, '/') != NULL ? check_subnet(s, key, address)
					    : check_address(s, key, address);
}

static struct err check_peer_count(
	const struct sense *s, const char *key, const uint64_t *value, uint64_t most)
{
	if (value == NULL || (*value >= 1 && *value <= most))
		return OK;
	return complain(s->c, ERR(INPUT),
		"%s: %s: a number from 1 to %" PRIu64 " is expected: '%" PRIu64 "'", s->path, key,
		most, *value);
}

static struct err check_auc_peer(const struct sense *s, const struct site_auc_peer *peer)
{
	struct err e = check_node_name(s, "auc.peers.name", peer->name);

	if (!failed(e))
		e = check_peer_count(s, "auc.peers.rate_per_s", peer->rate_per_s, 1000000);
	if (!failed(e))
		e = check_peer_count(s, "auc.peers.burst", peer->burst, 1000000);
	if (!failed(e))
		e = check_peer_count(s, "auc.peers.vectors_max", peer->vectors_max, 5);
	for (size_t i = 0; i < peer->addresses_count && !failed(e); i++)
		e = check_source(s, "auc.peers.addresses", peer->addresses[i]);
	for (size_t i = 0; i < peer->plmns_count && !failed(e); i++)
		e = check_plmn(s, "auc.peers.plmns", peer->plmns[i]);
	return e;
}

static struct err check_auc_peers(const struct sense *s, const struct site_auc *auc)
{
	struct err e = OK;

	for (size_t i = 0; i < auc->peers_count && !failed(e); i++) {
		e = check_auc_peer(s, &auc->peers[i]);
		for (size_t k = 0; k < i && !failed(e); k++)
			if (strcmp(auc->peers[i].name, auc->peers[k].name) == 0)
				e = refuse(s, "auc.peers", "stands twice", auc->peers[i].name);
	}
	return e;
}

static struct err check_numbers(const struct sense *s, const struct site *site)
{
	struct err e = check_counts(s, site);

	if (!failed(e) && site->qkd != NULL)
		e = site_qkd_check(site->qkd, s->path, s->c);
	if (!failed(e) && site->auc != NULL)
		e = check_auc_peers(s, site->auc);
	if (!failed(e))
		e = site_auc_check(site, s->path, s->check_files, s->c);
	return failed(e) ? e : check_lists(s, site);
}

static struct err check_sense(const struct sense *s, const struct site *site)
{
	const struct site_tls *tls = site->tls;
	const struct site_kms_api *api = site->kms ? site->kms->api : NULL;
	const struct site_gateway *g = site->gateway;
	const struct check checks[] = {
		{"kek_file", check_file, site->kek_file},
		{"tls.certificate", check_file, tls ? tls->certificate : NULL},
		{"tls.key", check_file, tls ? tls->key : NULL},
		{"tls.ca", check_file, tls ? tls->ca : NULL},
		{"peer.address", check_address, site->peer ? site->peer->address : NULL},
		{"auc.gsup.address", check_address, site->auc ? site->auc->gsup->address : NULL},
		{"qkd.bootstrap_file", check_file, site->qkd ? site->qkd->bootstrap_file : NULL},
		{"qkd.random.device", check_file,
			site->qkd && site->qkd->random ? site->qkd->random->device : NULL},
		{"qkd.channel.address", check_address,
			site->qkd ? site->qkd->channel->address : NULL},
		{"kms.peering.address", check_address,
			site->kms ? site->kms->peering->address : NULL},
		{"kms.api.address", check_address, api ? api->address : NULL},
		{"kms.api.certificate", check_file, api ? api->certificate : NULL},
		{"kms.api.key", check_file, api ? api->key : NULL},
		{"kms.api.ca", check_file, api ? api->ca : NULL},
		{"kms.api.sae_identity", check_identity_word, api ? api->sae_identity : NULL},
		{"gateway.agent.address", check_address, g ? g->agent->address : NULL},
		{"gateway.local_address", check_address, g ? g->local_address : NULL},
		{"gateway.local_subnet", check_subnet, g ? g->local_subnet : NULL},
		{"gateway.remote_subnet", check_subnet, g ? g->remote_subnet : NULL},
		{"gateway.certificate", check_file, g ? g->certificate : NULL},
		{"gateway.key", check_file, g ? g->key : NULL},
		{"gateway.ca", check_file, g ? g->ca : NULL},
		{"gateway.charon", check_program, g ? g->charon : NULL},
	};
	struct err e = check_needs(s, site);

	if (!failed(e))
		e = check_ports(s, site);
	if (!failed(e))
		e = check_numbers(s, site);
	return failed(e) ? e : check_all(s, checks, ARRAY_LEN(checks));
}

struct err site_load(const char *path, bool check_files, struct site **out, struct complaint *c)
{
	const struct sense sense = {.path = path, .check_files = check_files, .c = c};
	void *loaded;
	struct err e = conf_load(path, &site_schema, &loaded, c);

	*out = NULL;
	if (failed(e))
		return e;
	e = check_sense(&sense, loaded);
	if (failed(e)) {
		conf_free(&site_schema, loaded);
		return e;
	}
	*out = loaded;
	return OK;
}

void site_free(struct site *s)
{
	conf_free(&site_schema, s);
}

static const char *type_word(const cyaml_schema_value_t *v)
{
	if (v->type == CYAML_STRING)
		return "text";
	if (v->type == CYAML_UINT || v->type == CYAML_FLOAT)
		return "number";
	if (v->type == CYAML_SEQUENCE)
		return "list";
	if (v->type == CYAML_ENUM)
		return "choice";
	if (v->type == CYAML_BOOL)
		return "yes or no";
	return "section";
}

static void describe_fields(const cyaml_schema_field_t *fields, int depth, const char *prefix,
	void (*line)(void *, const struct site_key *), void *ctx)
{
	for (const cyaml_schema_field_t *f = fields; f->key != NULL; f++) {
		char path[96];
		snprintf(path, sizeof path, "%.60s%s%.32s", prefix, depth > 0 ? "." : "", f->key);
		line(ctx, &(struct site_key){.depth = depth,
				  .path = path,
				  .key = f->key,
				  .type = type_word(&f->value),
				  .is_optional = (f->value.flags & CYAML_FLAG_OPTIONAL) != 0,
				  .help = site_help(path)});
		if (f->value.type == CYAML_MAPPING)
			describe_fields(f->value.mapping.fields, depth + 1, path, line, ctx);
		else if (f->value.type == CYAML_SEQUENCE &&
			 f->value.sequence.entry->type == CYAML_MAPPING)
			describe_fields(f->value.sequence.entry->mapping.fields, depth + 1, path,
				line, ctx);
	}
}

void site_describe(void (*line)(void *ctx, const struct site_key *key), void *ctx)
{
	describe_fields(site_fields, 0, "", line, ctx);
}

void site_notes(const struct site *s, void (*tell)(void *ctx, const char *note), void *ctx)
{
	if (s->auc != NULL && s->auc->peers_count == 0)
		tell(ctx, "auc.peers is not there: whoever connects to auc.gsup may ask for the "
			  "vectors of any subscriber");
	if (s->kms != NULL && s->kms->api != NULL && s->kms->saes_count == 0)
		tell(ctx, "kms.saes is not there: whoever has a certificate of kms.api.ca may ask "
			  "for keys, under the name in it");
	if (s->kms != NULL && s->kms->api != NULL && s->kms->peer_saes_count == 0)
		tell(ctx, "kms.peer_saes is not there: keys may be asked for together with any "
			  "name at the other site");
	if (s->gateway != NULL && s->gateway->inside_count == 0)
		tell(ctx, "gateway.inside is not there: the fence lets nothing pass on any "
			  "interface but the backhaul and the tunnel, "
			  "an operator's session over the network included");
}
