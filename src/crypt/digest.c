// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "digest.h"
#include "openssl.h"
#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* Fetched once: a fetch by name costs more than a short digest. Never freed. */
static const EVP_MD *sha256_fetched(void)
{
	static EVP_MD *fetched;

	if (fetched == NULL)
		fetched = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	return fetched;
}

struct err sha256(struct span message, uint8_t digest[static SHA256_OCTETS])
{
	const EVP_MD *md = sha256_fetched();

	if (md == NULL || EVP_Digest(message.at, message.len, digest, NULL, md, NULL) != 1)
		return ERR(CRYPTO);
	return OK;
}

struct err hmac_sha256(struct span key, struct span message, uint8_t mac[static SHA256_OCTETS])
{
	const EVP_MD *md = sha256_fetched();
	unsigned len = 0;

	assert(key.len <= INT_MAX);
	if (md == NULL ||
		HMAC(md, key.at, (int)key.len, message.at, message.len, mac, &len) == NULL ||
		len != SHA256_OCTETS)
		return ERR(CRYPTO);
	return OK;
}
