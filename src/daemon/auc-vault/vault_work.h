// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the vault of the authentication centre does for those who may only ask: it seals keys, and
 * computes with sealed ones. K, OP and OPc are in clear here alone, in locked memory, for the time
 * of one request. No answer carries a key, and none says more about one than the standard's outputs
 * do.
 *
 * It draws the RAND of every vector itself: an asker who could choose RAND could have a card's
 * answers computed beforehand. It answers at most AUTH_VECTORS_MAX vectors at once, none above its
 * limits (vault_limits.h), and gives numbers no thought: that they do not repeat is the store's
 * business.
 *
 * There are two of a kind. The one that serves makes key-encryption keys, computes, and changes what
 * a row is sealed under; it takes no keys in clear. The one of an import seals, and nothing else. Both
 * load key-encryption keys, as the store keeps them (vault_keys.h, vault_root.h).
 */
#include "auc/vector.h"
#include "codec/auc_msg.h"
#include "daemon/auc-vault/vault_keys.h"
#include "daemon/auc-vault/vault_limits.h"
#include "daemon/auc-vault/vault_random.h"
#include "daemon/auc-vault/vault_root.h"
#include "daemon/auc-vault/vault_transport.h"

enum auc_vault_role { AUC_VAULT_SERVES = 1, AUC_VAULT_IMPORTS = 2 };

struct auc_vault {
	enum auc_vault_role role;
	struct vault_roots roots;
	struct vault_keys keys;
	struct vault_limits limits;
	struct vault_random random;
	struct vault_transports transports;
	struct secret scratch; /* struct auc_vault_scratch: whatever is in clear */
	struct entropy entropy;
	struct auc_algorithms algorithms; /* of its own constants none: see vault_profiles.h */
	struct milenage_constants constants[AUC_PROFILES_MAX];
};

struct auc_vault_options {
	enum auc_vault_role role;
	struct vault_limits_settings limits;
	struct entropy entropy;
	struct clock_port clock;
};

/* Opens all but the roots, transport keys and own constants: add them afterwards. `v` stays where it
 * is. */
MUST_USE struct err auc_vault_open(struct auc_vault *v, const struct auc_vault_options *options);
void auc_vault_close(struct auc_vault *v);
/* The 32 octets of a `kek_file`, the present or a former one: rows of the release before, which
 * sealed under a key derived from it, open. */
MUST_USE struct err auc_vault_former_key_add(struct auc_vault *v, struct span octets);
/* Answers what its role allows of AUC_VECTORS, AUC_RESYNC, AUC_SEAL, AUC_KEY_MAKE, AUC_KEYS_LOAD
 * and AUC_RESEAL; all else is ERR_INPUT. A channel_serve_fn. */
struct err auc_vault_serve(void *ctx, uint16_t type, struct span body, struct writer *answer);
