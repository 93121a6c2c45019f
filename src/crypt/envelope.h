// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sealed envelopes: how a secret is kept at rest, in a database row or a file.
 *
 *   octet  0        1          2         6       18            n - 16
 *          version  algorithm  key id    nonce   ciphertext …  tag
 *          1        1          u32       12                    16
 *
 * The tag covers the head and the caller's `aad`, which says what the secret is and whose (table,
 * IMSI, block id), so that no row can be put in another's place. The key id says which
 * key-encryption key opens it, so that keys can be changed while old envelopes still stand.
 */
#include "base/env.h"
#include "crypt/aead.h"

enum { ENVELOPE_VERSION = 1, ENVELOPE_AES_256_GCM = 1 };
enum { ENVELOPE_HEAD = 18, ENVELOPE_OVERHEAD = ENVELOPE_HEAD + 16, ENVELOPE_AAD_MAX = 256 };

struct envelope_key {
	uint32_t id;
	struct span key; /* AEAD_KEY octets, in a secret; not looked at where `keyed` is there */
	struct aead_key *keyed; /* the same key, set up once; NULL: set up at each call */
};

/* `out` is exactly plain.len + ENVELOPE_OVERHEAD octets. Draws the nonce. */
MUST_USE struct err envelope_seal(const struct envelope_key *key, const struct entropy *entropy,
	struct span aad, struct span plain, struct span_mut out);

/* Which key opens it. ERR_VERSION for a version or algorithm that we do not speak. */
MUST_USE struct err envelope_key_id(struct span sealed, uint32_t *key_id);

/* `plain` is exactly sealed.len - ENVELOPE_OVERHEAD octets. ERR_AUTH, and `plain` wiped, where the
 * tag does not verify (another key, another owner, changed octets); ERR_ABSENT for another key id.
 */
MUST_USE struct err envelope_open(
	const struct envelope_key *key, struct span aad, struct span sealed, struct span_mut plain);
