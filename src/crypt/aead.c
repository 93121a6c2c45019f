// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "aead.h"
#include "openssl.h"
#include "base/secret.h"
#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>

/* Fetched once: a fetch by name costs more than sealing a row. Never freed. */
static const EVP_CIPHER *cipher(void)
{
	static EVP_CIPHER *fetched;

	if (fetched == NULL)
		fetched = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	return fetched;
}

static bool start(
	EVP_CIPHER_CTX *c, struct span key, struct span nonce, struct span aad, int is_seal)
{
	int len;

	assert(key.len == AEAD_KEY && nonce.len == AEAD_NONCE);
	assert(aad.len <= INT_MAX);
	return cipher() != NULL &&
	       EVP_CipherInit_ex2(c, cipher(), key.at, nonce.at, is_seal, NULL) == 1 &&
	       (aad.len == 0 || EVP_CipherUpdate(c, NULL, &len, aad.at, (int)aad.len) == 1);
}

static bool body(EVP_CIPHER_CTX *c, struct span in, uint8_t *out)
{
	int len;

	assert(in.len <= INT_MAX);
	return in.len == 0 || EVP_CipherUpdate(c, out, &len, in.at, (int)in.len) == 1;
}

struct err aead_seal(struct span key, struct span nonce, struct span aad, struct span plain,
	struct span_mut sealed)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t none[AEAD_TAG];
	int len;

	assert(sealed.len == plain.len + AEAD_TAG);
	const bool is_done =
		c != NULL && start(c, key, nonce, aad, 1) && body(c, plain, sealed.at) &&
		EVP_CipherFinal_ex(c, none, &len) == 1 &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, sealed.at + plain.len) == 1;
	EVP_CIPHER_CTX_free(c);
	return is_done ? OK : ERR(CRYPTO);
}

struct err aead_open(struct span key, struct span nonce, struct span aad, struct span sealed,
	struct span_mut plain)
{
	if (sealed.len < AEAD_TAG)
		return ERR(INPUT);
	assert(plain.len == sealed.len - AEAD_TAG);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t tag[AEAD_TAG], none[AEAD_TAG];
	int len;

	memcpy(tag, sealed.at + plain.len, sizeof tag);
	const bool is_read = c != NULL && start(c, key, nonce, aad, 0) &&
			     body(c, span_of(sealed.at, plain.len), plain.at) &&
			     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) == 1;
	const bool is_right = is_read && EVP_CipherFinal_ex(c, none, &len) == 1;
	EVP_CIPHER_CTX_free(c);
	if (!is_right)
		secret_wipe(plain.at, plain.len);
	return is_right ? OK : is_read ? ERR(AUTH) : ERR(CRYPTO);
}
