// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The configuration of one site, as a reader writes it (lab/core.yaml is an example). A section that is not there is a capability that
 * does not run. Loading checks the shape (unknown keys, types, ranges: file, line, column) and the sense (roles that fit, files
 * that can be read, the two ends of a protected path that are not the same network).
 */
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum site_role { ROLE_LISTEN, ROLE_CONNECT };
enum site_qkd_role { QKD_ALICE, QKD_BOB };
enum site_gateway_role { GATEWAY_INITIATOR, GATEWAY_RESPONDER };

struct site_endpoint {
	char *address;
	uint16_t port;
};

struct site_channel {
	enum site_role role;
	char *address;
	uint16_t port;
};

struct site_tls {
	char *certificate, *key, *ca;
};

struct site_peer {
	char *site, *certificate_name, *address;
};

/* So that the list fits into the settings of one process, a row a setting. */
enum { SITE_PEERS_MAX = 200, SITE_PEER_ADDRESSES_MAX = 8, SITE_PEER_PLMNS_MAX = 32 };

/* Numbers that are not there are NULL: then the process that would get them has a default. */
struct site_auc_peer {
	char *name;
	char **addresses, **plmns; /* none: any */
	unsigned addresses_count, plmns_count;
	uint64_t *rate_per_s, *burst, *vectors_max;
};

/* A key in a PKCS#11 token, the root of the authentication centre's keys. */
struct site_token {
	char *module, *token, *key, *pin_file;
	char **environment; /* "NAME=VALUE" for the module */
	unsigned environment_count;
};

struct site_vault_limits {
	uint64_t *rate_per_s, *subscriber_burst, *subscriber_per_hour, *auts_burst, *auts_per_hour;
};

/* Under which a vendor of cards encrypted a batch's keys. */
struct site_transport_key {
	char *name, *algorithm, *key_file, *iv, *kcv; /* iv, kcv: NULL: none */
	char **fields;
	unsigned fields_count;
};

enum { SITE_PROFILE_OUTS = 5 };

/* An operator's own MILENAGE constants. */
struct site_profile {
	uint8_t number;
	uint8_t *r;
	char **c;
	unsigned r_count, c_count;
};

/* As auc-vault has room for them. */
enum { SITE_TOKEN_VARIABLES_MAX = 4, SITE_TRANSPORT_KEYS_MAX = 16, SITE_PROFILES_MAX = 15 };

struct site_auc {
	struct site_endpoint *gsup;
	/* The root of its keys: the site's kek_file, or one of these; and what it was before. */
	char *passphrase_file, *kek_file_before, *passphrase_file_before;
	struct site_token *token, *token_before;
	struct site_vault_limits *vault;
	struct site_transport_key *transport_keys;
	struct site_profile *profiles;
	unsigned transport_keys_count, profiles_count;
	bool *allow_xor;
	struct site_auc_peer *peers; /* none: whoever connects */
	unsigned peers_count;
	uint64_t *rate_per_s;
	uint64_t *lease_ahead, *subscribers_max, *peers_max;
	uint64_t *vectors_burst, *vectors_per_hour, *resyncs_burst, *resyncs_per_hour;
};

struct site_qkd_protocol {
	char *kind;
	double *mu1, *mu2, *mu3, *p1, *p2, *p3, *basis_x, *qber_max;
	uint64_t *eps_sec_exponent, *eps_cor_exponent, *final_bits_fixed;
};

struct site_qkd_random {
	char *device;
	uint64_t *sample_bits;
	double *min_entropy;
};

struct site_qkd_device {
	char *kind, *name, *record, *session;
	double *pace;
	bool *record_allowed, *replay_allowed;
	uint64_t *slots_per_second;
};

struct site_qkd_gate {
	double *offset_ps, *window, *drift_ppm;
	char *channels;
};

struct site_qkd_watch {
	char *monitor;
	uint64_t *alpha_exponent, *bias_na_max, *power_pw_max;
	double *unequal_max, *intensity_tolerance, *gate_centre_least, *doubles_least;
};

struct site_qkd {
	char *link;
	enum site_qkd_role role;
	char *driver, *bootstrap_file;
	struct site_channel *channel;
	uint64_t *block_bits, *ring_slots, *frames_in_flight;
	char *error_correction;
	struct site_qkd_protocol *protocol;
	struct site_qkd_random *random;
	struct site_qkd_watch *watch;
	struct site_qkd_device *device;
	struct site_qkd_gate *gate;
};

struct site_kms_api {
	char *address;
	uint16_t port;
	char *certificate, *key, *ca;
	char *sae_identity;
	uint64_t *rate_per_s;
};

/* So that both lists and the rest fit into the settings of one process. */
enum { SITE_SAES_MAX = 100, SITE_INSIDE_MAX = 8 };

struct site_kms {
	char *kme_id;
	struct site_channel *peering;
	struct site_kms_api *api;
	char **saes, **peer_saes; /* none: any name that the CA certifies */
	unsigned saes_count, peer_saes_count;
	uint64_t *key_bits, *low_keys;
};

struct site_gateway {
	enum site_gateway_role role;
	struct site_channel *agent;
	char *sae, *peer_sae, *interface, *local_address, *local_subnet, *remote_subnet;
	char *certificate, *key, *ca;
	uint32_t rotate_s;
	uint64_t *lifetime_s;
	char **inside; /* interfaces of the site itself */
	unsigned inside_count;
	char *charon; /* NULL: charon is somebody else's, at vici */
	char *vici;
};

struct site {
	char *site, *state_folder, *run_folder, *user, *kek_file, *log_level;
	struct site_tls *tls;
	struct site_peer *peer;
	struct site_endpoint *metrics;
	struct site_auc *auc;
	struct site_qkd *qkd;
	struct site_kms *kms;
	struct site_gateway *gateway;
};

/* site_qkd.c: words and numbers of the quantum link. */
MUST_USE struct err site_qkd_check(const struct site_qkd *q, const char *path, struct complaint *c);

/* site_auc.c: what the sections of the authentication centre's keys must be to each other. */
MUST_USE struct err site_auc_check(
	const struct site *s, const char *path, bool check_files, struct complaint *c);

/* A whole, sensible site, or a complaint. `check_files`: also that every file named can be read. */
MUST_USE struct err site_load(
	const char *path, bool check_files, struct site **out, struct complaint *c);
void site_free(struct site *s);

/* What the operator should know of a sensible site, a sentence each: `tell` is called for each. */
void site_notes(const struct site *s, void (*tell)(void *ctx, const char *note), void *ctx);

struct site_key {
	int depth;
	const char *path; /* "kms.api.rate_per_s" */
	const char *key;  /* its last part */
	const char *type;
	bool is_optional;
	const char *help; /* NULL: site_help.c has none, which a test refuses */
};
/* One call a key, from the schema. For the manual page. */
void site_describe(void (*line)(void *ctx, const struct site_key *key), void *ctx);

/* site_help.c: what the key of that path is for. */
const char *site_help(const char *path);
size_t site_help_count(void);
