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

/* With an empty key `c` keeps the one that it has. A nonce is always given: none is used twice. */
static bool start(
	EVP_CIPHER_CTX *c, struct span key, struct span nonce, struct span aad, int is_seal)
{
	int len;

	assert((key.len == AEAD_KEY || key.len == 0) && nonce.len == AEAD_NONCE);
	assert(aad.len <= INT_MAX);
	return cipher() != NULL &&
	       EVP_CipherInit_ex2(c, key.len == 0 ? NULL : cipher(), key.len == 0 ? NULL : key.at,
		       nonce.at, is_seal, NULL) == 1 &&
	       (aad.len == 0 || EVP_CipherUpdate(c, NULL, &len, aad.at, (int)aad.len) == 1);
}

static bool body(EVP_CIPHER_CTX *c, struct span in, uint8_t *out)
{
	int len;

	assert(in.len <= INT_MAX);
	return in.len == 0 || EVP_CipherUpdate(c, out, &len, in.at, (int)in.len) == 1;
}

static struct err seal_in(EVP_CIPHER_CTX *c, struct span key, struct span nonce, struct span aad,
	struct span plain, struct span_mut sealed)
{
	uint8_t none[AEAD_TAG];
	int len;

	assert(sealed.len == plain.len + AEAD_TAG);
	const bool is_done =
		c != NULL && start(c, key, nonce, aad, 1) && body(c, plain, sealed.at) &&
		EVP_CipherFinal_ex(c, none, &len) == 1 &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, sealed.at + plain.len) == 1;
	return is_done ? OK : ERR(CRYPTO);
}

static struct err unseal_in(EVP_CIPHER_CTX *c, struct span key, struct span nonce, struct span aad,
	struct span sealed, struct span_mut plain)
{
	uint8_t tag[AEAD_TAG], none[AEAD_TAG];
	int len;

	assert(plain.len == sealed.len - AEAD_TAG);
	memcpy(tag, sealed.at + plain.len, sizeof tag);
	const bool is_read = c != NULL && start(c, key, nonce, aad, 0) &&
			     body(c, span_of(sealed.at, plain.len), plain.at) &&
			     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) == 1;
	const bool is_right = is_read && EVP_CipherFinal_ex(c, none, &len) == 1;
	if (!is_right)
		secret_wipe(plain.at, plain.len);
	return is_right ? OK : is_read ? ERR(AUTH) : ERR(CRYPTO);
}

struct err aead_seal(struct span key, struct span nonce, struct span aad, struct span plain,
	struct span_mut sealed)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	assert(key.len == AEAD_KEY);
	const struct err e = seal_in(c, key, nonce, aad, plain, sealed);
	EVP_CIPHER_CTX_free(c);
	return e;
}

struct err aead_open(struct span key, struct span nonce, struct span aad, struct span sealed,
	struct span_mut plain)
{
	if (sealed.len < AEAD_TAG)
		return ERR(INPUT);
	assert(key.len == AEAD_KEY);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	const struct err e = unseal_in(c, key, nonce, aad, sealed, plain);
	EVP_CIPHER_CTX_free(c);
	return e;
}

/* ---- set up once ---- */

static EVP_CIPHER_CTX *context_of(struct span key, int is_seal)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (c != NULL && cipher() != NULL &&
		EVP_CipherInit_ex2(c, cipher(), key.at, NULL, is_seal, NULL) == 1)
		return c;
	EVP_CIPHER_CTX_free(c);
	return NULL;
}

struct err aead_key_open(struct aead_key *k, struct span key)
{
	assert(key.len == AEAD_KEY);
	k->sealing = context_of(key, 1);
	k->opening = context_of(key, 0);
	if (k->sealing != NULL && k->opening != NULL)
		return OK;
	aead_key_close(k);
	return ERR(CRYPTO);
}

void aead_key_close(struct aead_key *k)
{
	EVP_CIPHER_CTX_free(k->sealing);
	EVP_CIPHER_CTX_free(k->opening);
	*k = (struct aead_key){0};
}

struct err aead_key_seal(struct aead_key *k, struct span nonce, struct span aad, struct span plain,
	struct span_mut sealed)
{
	return seal_in(k->sealing, span_of(NULL, 0), nonce, aad, plain, sealed);
}

struct err aead_key_unseal(struct aead_key *k, struct span nonce, struct span aad,
	struct span sealed, struct span_mut plain)
{
	return sealed.len < AEAD_TAG
		       ? ERR(INPUT)
		       : unseal_in(k->opening, span_of(NULL, 0), nonce, aad, sealed, plain);
}
