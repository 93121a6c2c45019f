// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Authenticated encryption: AES-256-GCM [NIST SP 800-38D] out of libcrypto, and nothing to choose.
 *
 * A nonce must never be used twice with one key. With random nonces a key seals at most 2^32 times
 * [SP 800-38D §8.3]: callers that seal often use short-lived keys. What is kept at rest goes
 * through crypt/envelope.h, which draws the nonce itself.
 *
 * Two ways to give the key. As octets at each call: then no keyed context outlives the call, and what
 * libcrypto kept on the ordinary heap (round keys, the first of which are the key) is wiped before it
 * returns. Or set up once, as a struct aead_key, which is several times faster for short texts: then
 * the round keys stay on the heap for as long as it is open. That is for vaults alone, whose whole
 * memory is locked and never dumped (secret_lock_all(), secret_forbid_dumps()).
 */
#include "base/err.h"
#include "base/span.h"

enum { AEAD_KEY = 32, AEAD_NONCE = 12, AEAD_TAG = 16 };

/* `sealed` is exactly plain.len + AEAD_TAG octets: ciphertext, then tag. It may not overlap
 * `plain`. */
MUST_USE struct err aead_seal(struct span key, struct span nonce, struct span aad,
	struct span plain, struct span_mut sealed);

/* `plain` is exactly sealed.len - AEAD_TAG octets. ERR_AUTH, and `plain` wiped, if the tag does not
 * verify. */
MUST_USE struct err aead_open(struct span key, struct span nonce, struct span aad,
	struct span sealed, struct span_mut plain);

/* Set up once; borrows nothing. All zero: closed. */
struct aead_key {
	void *sealing, *opening; /* of libcrypto */
};
MUST_USE struct err aead_key_open(struct aead_key *k, struct span key);
/* Wipes what libcrypto held. Closing a closed one does nothing. */
void aead_key_close(struct aead_key *k);
/* As aead_seal() and aead_open(). */
MUST_USE struct err aead_key_seal(struct aead_key *k, struct span nonce, struct span aad,
	struct span plain, struct span_mut sealed);
MUST_USE struct err aead_key_unseal(struct aead_key *k, struct span nonce, struct span aad,
	struct span sealed, struct span_mut plain);
