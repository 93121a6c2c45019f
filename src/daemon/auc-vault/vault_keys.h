// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The key-encryption keys that a vault has open: one ring, found by id. The one with the highest id
 * seals, all open. Each is set up for AES-GCM once (crypt/aead.h says what that asks of the
 * process).
 *
 * Keys that the release before derived from `kek_file` are in the ring too. They open what it sealed, and
 * never seal.
 */
#include "base/secret.h"
#include "codec/auc_msg.h"
#include "crypt/envelope.h"

/* The store keeps at most AUC_WRAPPED_KEYS_MAX at a time, with rising ids. Where the ring is full,
 * the key with the lowest id makes place: it has been retired long since. */
enum { VAULT_KEYS_MAX = 4 * AUC_WRAPPED_KEYS_MAX };

struct vault_key {
	bool is_former; /* of the release before: opens alone */
	uint32_t id;
	struct secret octets;
	struct aead_key keyed;
};

struct vault_keys {
	size_t count;
	struct vault_key items[VAULT_KEYS_MAX];
	size_t newest; /* VAULT_KEYS_MAX: none seals */
};

void vault_keys_open(struct vault_keys *keys);
void vault_keys_close(struct vault_keys *keys);
/* Takes `octets` over, whatever is answered. One that is there already is compared: ERR_CRYPTO
 * where it is another. */
MUST_USE struct err vault_keys_add(
	struct vault_keys *keys, uint32_t id, struct secret *octets, bool is_former);
/* ERR_ABSENT: no key of that id; ERR_STATE: no key at all. */
MUST_USE struct err vault_keys_find(
	struct vault_keys *keys, struct span sealed, struct envelope_key *key);
/* The one that seals. ERR_STATE: none yet. */
MUST_USE struct err vault_keys_newest(struct vault_keys *keys, struct envelope_key *key);
