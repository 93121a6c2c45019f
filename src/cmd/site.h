// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The configuration of one site, as a reader writes it (lab/core.yaml is an example). A section that is not there is a capability that
 * does not run. Loading checks the shape (unknown keys, types, ranges: file, line, column) and the sense (roles that fit, files
 * that can be read, the two ends of a protected path that are not the same network).
 */
#include "base/err.h"
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

struct site_auc {
	struct site_endpoint *gsup;
};

struct site_qkd {
	char *link;
	enum site_qkd_role role;
	char *driver, *bootstrap_file;
	struct site_channel *channel;
	uint32_t block_bits;
};

struct site_kms_api {
	char *address;
	uint16_t port;
	char *certificate, *key, *ca;
	char *sae_identity;
};

struct site_kms {
	char *kme_id;
	struct site_channel *peering;
	struct site_kms_api *api;
};

struct site_gateway {
	enum site_gateway_role role;
	struct site_channel *agent;
	char *sae, *peer_sae, *interface, *local_address, *local_subnet, *remote_subnet;
	char *certificate, *key, *ca;
	uint32_t rotate_s;
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

/* A whole, sensible site, or a complaint. `check_files`: also that every file named can be read. */
MUST_USE struct err site_load(
	const char *path, bool check_files, struct site **out, struct complaint *c);
void site_free(struct site *s);

/* One line a key: name, type, what it is; from the same table. For the manual page merlon.yaml(5). */
void site_describe(void (*line)(void *ctx, int depth, const char *key, const char *type, bool is_optional),
	void *ctx);
