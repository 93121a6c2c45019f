// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Block ciphers without authentication, out of libcrypto: how vendors of cards encrypt the keys that
 * they deliver. Whole blocks, no padding. For that alone; what we seal goes through crypt/envelope.h.
 *
 * 3DES is there for old batches: its block of 64 bits and its age make it unfit for anything new
 * [NIST SP 800-131A Rev. 2].
 */
#include "base/err.h"
#include "base/span.h"

enum { BLOCK_MODE_KEY_MAX = 32, BLOCK_MODE_BLOCK_MAX = 16, BLOCK_MODE_KCV = 3 };

struct block_mode {
	const char *
		word; /* "aes-128-ecb", "aes-256-ecb", "aes-128-cbc", "aes-256-cbc", "3des-ecb", "3des-cbc" */
	const char *cipher;                  /* libcrypto's name */
	size_t key_sizes[2], key_size_count; /* octets; 3DES: 16 (K1 K2 K1) or 24 */
	size_t block;
};

/* NULL: no such word. */
const struct block_mode *block_mode_find(const char *word);
extern const char block_mode_words[]; /* all of them, for a complaint */

/* `out` is as long as `in`: whole blocks, else ERR_INPUT. `iv` is `block` octets, not looked at by
 * ECB. */
MUST_USE struct err block_mode_encrypt(const struct block_mode *m, struct span key,
	const uint8_t *iv, struct span in, uint8_t *out);
MUST_USE struct err block_mode_decrypt(const struct block_mode *m, struct span key,
	const uint8_t *iv, struct span in, uint8_t *out);

/* The key check value: the first octets of an encrypted block of zeros. */
MUST_USE struct err block_mode_kcv(
	const struct block_mode *m, struct span key, uint8_t kcv[static BLOCK_MODE_KCV]);
