// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Transport keys: under which a vendor of cards encrypted the keys of a batch, K alone or OP, OPc,
 * TOP or TOPc as well; each field by itself, in whole blocks. An import names the batch's key; only
 * the vault of an import has them, from its start.
 */
#include "base/secret.h"
#include "codec/auc_msg.h"
#include "crypt/block_mode.h"

enum { VAULT_TRANSPORTS_MAX = 16 };

/* As settings, a list: transport.0.name … */
struct vault_transport_setting {
	char name[AUC_BATCH_TEXT];
	char algorithm[16];
	char key_file[1024];
	char iv[2 * BLOCK_MODE_BLOCK_MAX + 1]; /* hex; "": zeros */
	char fields[8];                        /* "k" or "k,opc" */
	char kcv[2 * BLOCK_MODE_KCV + 1];      /* hex; "": not looked at */
};

struct vault_transport {
	char name[AUC_BATCH_TEXT];
	const struct block_mode *mode;
	struct secret key;
	uint8_t iv[BLOCK_MODE_BLOCK_MAX];
	bool covers_opc;
};

struct vault_transports {
	size_t count;
	struct vault_transport items[VAULT_TRANSPORTS_MAX];
};

/* Reads the key's file. */
MUST_USE struct err vault_transport_add(struct vault_transports *transports,
	const struct vault_transport_setting *setting, struct complaint *c);
void vault_transports_close(struct vault_transports *transports);

/* ERR_ABSENT: no key of that name. "": clear. */
MUST_USE struct err vault_transport_find(const struct vault_transports *transports,
	const char *name, const struct vault_transport **transport);
/* In place. Nothing is done without a transport (NULL). */
MUST_USE struct err vault_transport_decrypt(
	const struct vault_transport *transport, struct auc_keys *keys);
