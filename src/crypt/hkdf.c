// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "hkdf.h"
#include "openssl.h"
#include "base/secret.h"
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

/* OSSL_PARAM is not const-correct, but HKDF only reads these. */
static OSSL_PARAM octets(const char *name, struct span s)
{
	static uint8_t empty[1];

	return OSSL_PARAM_construct_octet_string(
		name, s.len == 0 ? empty : (void *)(uintptr_t)s.at, s.len);
}

static struct err hkdf(const char *digest, struct span secret, struct span salt, struct span info,
	struct span_mut out)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
		octets(OSSL_KDF_PARAM_KEY, secret),
		octets(OSSL_KDF_PARAM_SALT, salt),
		octets(OSSL_KDF_PARAM_INFO, info),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);

	const bool is_done = c != NULL && EVP_KDF_derive(c, out.at, out.len, params) == 1;
	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	if (!is_done)
		secret_wipe(out.at, out.len);
	return is_done ? OK : ERR(CRYPTO);
}

struct err hkdf_sha256(struct span secret, struct span salt, struct span info, struct span_mut out)
{
	return hkdf("SHA2-256", secret, salt, info, out);
}

struct err hkdf_sha512(struct span secret, struct span salt, struct span info, struct span_mut out)
{
	return hkdf("SHA2-512", secret, salt, info, out);
}
