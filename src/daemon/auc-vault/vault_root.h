// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What key-encryption keys are wrapped under: the root. The vault gets it at its start, before its
 * sandbox: 32 octets of a file or a token, or a passphrase. It seals nothing but those keys.
 *
 * From 32 octets the wrapping key follows at once. A passphrase is stretched by Argon2id, with a
 * salt and a cost that stand in the wrapped key; so it is kept until the keys come, and what was
 * stretched last is kept too: a vault wraps all of its keys with one salt. A salt that came with a key
 * that did not open is somebody else's: nothing is wrapped with it.
 *
 * Beside the present root there may be former ones (`kek_file_before` …). They open; only the
 * present one wraps.
 */
#include "base/env.h"
#include "base/secret.h"
#include "codec/auc_wrapped.h"
#include "crypt/argon2.h"

enum { VAULT_ROOTS_MAX = 4, VAULT_KEY = 32 };
enum { VAULT_PASSPHRASE_MIN = 12, VAULT_PASSPHRASE_MAX = 1024 };

struct vault_root {
	enum auc_root kind;
	struct secret passphrase;
	struct secret wrapping; /* the key, VAULT_KEY octets; of a passphrase: the last stretched */
	uint32_t id;
	uint8_t salt[ARGON2_SALT]; /* of `wrapping`, where it is there */
	struct argon2_cost cost;
};

struct vault_roots {
	size_t count; /* the first is the present one */
	struct vault_root items[VAULT_ROOTS_MAX];
};

/* `source`: 32 octets, or the passphrase. Copied. ERR_LIMIT: too many roots. */
MUST_USE struct err vault_roots_add(
	struct vault_roots *roots, enum auc_root kind, struct span source);
void vault_roots_close(struct vault_roots *roots);

/* `wrapped` gets the wrapped form of a key (VAULT_KEY octets) under the present root. */
MUST_USE struct err vault_root_wrap(struct vault_roots *roots, const struct entropy *entropy,
	uint32_t key_id, struct span key, struct writer *wrapped);
/* Opens `key`. ERR_CRYPTO where no root opens it, whatever the cause. */
MUST_USE struct err vault_root_unwrap(struct vault_roots *roots, uint32_t key_id,
	struct span wrapped, struct secret *key, bool *is_former);
