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
 * No keyed context outlives a call: libcrypto keeps round keys on the ordinary heap, and the first
 * of them are the key. They are wiped before the call returns.
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
