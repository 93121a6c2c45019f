// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kem.h"
#include "openssl.h"
#include "base/secret.h"
#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* OSSL_PARAM is not const-correct, but these are only read. */
static OSSL_PARAM octets(const char *name, struct span s)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)s.at, s.len);
}

/* The key pair of a seed; NULL where libcrypto refuses. */
static EVP_PKEY *mlkem_pair(struct span seed)
{
	OSSL_PARAM params[] = {
		octets(OSSL_PKEY_PARAM_ML_KEM_SEED, seed),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "ML-KEM-768", NULL);
	EVP_PKEY *pair = NULL;

	assert(seed.len == MLKEM768_SEED);
	if (c == NULL || EVP_PKEY_keygen_init(c) != 1 || EVP_PKEY_CTX_set_params(c, params) != 1 ||
		EVP_PKEY_generate(c, &pair) != 1)
		pair = NULL;
	EVP_PKEY_CTX_free(c);
	return pair;
}

struct err mlkem768_public(struct span seed, struct span_mut public)
{
	EVP_PKEY *pair = mlkem_pair(seed);
	size_t len = public.len;

	assert(public.len == MLKEM768_PUBLIC);
	const bool is_done = pair != NULL &&
			     EVP_PKEY_get_raw_public_key(pair, public.at, &len) == 1 &&
			     len == MLKEM768_PUBLIC;
	EVP_PKEY_free(pair);
	return is_done ? OK : ERR(CRYPTO);
}

static bool encaps(
	EVP_PKEY *key, struct span random, struct span_mut ciphertext, struct span_mut secret)
{
	const OSSL_PARAM params[] = {
		octets(OSSL_KEM_PARAM_IKME, random),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	size_t ciphertext_len = ciphertext.len, secret_len = secret.len;

	const bool is_done = c != NULL && EVP_PKEY_encapsulate_init(c, params) == 1 &&
			     EVP_PKEY_encapsulate(c, ciphertext.at, &ciphertext_len, secret.at,
				     &secret_len) == 1 &&
			     ciphertext_len == MLKEM768_CIPHERTEXT && secret_len == MLKEM768_SECRET;
	EVP_PKEY_CTX_free(c);
	return is_done;
}

struct err mlkem768_encaps(
	struct span public, struct span random, struct span_mut ciphertext, struct span_mut secret)
{
	assert(random.len == MLKEM768_RANDOM && secret.len == MLKEM768_SECRET);
	assert(ciphertext.len == MLKEM768_CIPHERTEXT);
	if (public.len != MLKEM768_PUBLIC)
		return ERR(INPUT);
	EVP_PKEY *key =
		EVP_PKEY_new_raw_public_key_ex(NULL, "ML-KEM-768", NULL, public.at, public.len);
	if (key == NULL)
		return ERR(INPUT);
	const bool is_done = encaps(key, random, ciphertext, secret);
	EVP_PKEY_free(key);
	if (!is_done)
		secret_wipe(secret.at, secret.len);
	return is_done ? OK : ERR(CRYPTO);
}

struct err mlkem768_decaps(struct span seed, struct span ciphertext, struct span_mut secret)
{
	assert(secret.len == MLKEM768_SECRET);
	if (ciphertext.len != MLKEM768_CIPHERTEXT)
		return ERR(INPUT);
	EVP_PKEY *pair = mlkem_pair(seed);
	EVP_PKEY_CTX *c = pair == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, pair, NULL);
	size_t len = secret.len;

	const bool is_done =
		c != NULL && EVP_PKEY_decapsulate_init(c, NULL) == 1 &&
		EVP_PKEY_decapsulate(c, secret.at, &len, ciphertext.at, ciphertext.len) == 1 &&
		len == MLKEM768_SECRET;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(pair);
	if (!is_done)
		secret_wipe(secret.at, secret.len);
	return is_done ? OK : ERR(CRYPTO);
}

struct err x25519_public(struct span scalar, struct span_mut public)
{
	assert(scalar.len == X25519_OCTETS && public.len == X25519_OCTETS);
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, scalar.at, scalar.len);
	size_t len = public.len;

	const bool is_done = key != NULL && EVP_PKEY_get_raw_public_key(key, public.at, &len) == 1;
	EVP_PKEY_free(key);
	return is_done ? OK : ERR(CRYPTO);
}

struct err x25519_derive(struct span scalar, struct span peer, struct span_mut secret)
{
	assert(scalar.len == X25519_OCTETS && secret.len == X25519_OCTETS);
	if (peer.len != X25519_OCTETS)
		return ERR(INPUT);
	EVP_PKEY *own =
		EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, scalar.at, scalar.len);
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, peer.at, peer.len);
	EVP_PKEY_CTX *c = own == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	size_t len = secret.len;

	const bool is_ready = c != NULL && other != NULL && EVP_PKEY_derive_init(c) == 1 &&
			      EVP_PKEY_derive_set_peer(c, other) == 1;
	/* libcrypto refuses the all-zero result itself; that is the only way for this call to fail. */
	const bool is_done = is_ready && EVP_PKEY_derive(c, secret.at, &len) == 1;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(other);
	EVP_PKEY_free(own);
	if (!is_done)
		secret_wipe(secret.at, secret.len);
	return is_done ? OK : is_ready ? ERR(INPUT) : ERR(CRYPTO);
}
