// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "argon2.h"
#include "openssl.h"
#include "base/secret.h"
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

bool argon2_cost_is_sane(const struct argon2_cost *cost)
{
	return cost->memory_kib >= ARGON2_MEMORY_KIB_MIN &&
	       cost->memory_kib <= ARGON2_MEMORY_KIB_MAX && cost->passes >= ARGON2_PASSES_MIN &&
	       cost->passes <= ARGON2_PASSES_MAX && cost->lanes >= 1 &&
	       cost->lanes <= ARGON2_LANES_MAX;
}

struct err argon2id(struct span passphrase, struct span salt, const struct argon2_cost *cost,
	struct span_mut out)
{
	uint32_t memory = cost->memory_kib, passes = cost->passes, lanes = cost->lanes;
	void *const secret = (void *)(uintptr_t)passphrase.at, *const given =
								       (void *)(uintptr_t)salt.at;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, secret, passphrase.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, given, salt.len),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_MEMCOST, &memory),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &passes),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ARGON2_LANES, &lanes),
		OSSL_PARAM_construct_end(),
	};

	if (!argon2_cost_is_sane(cost) || salt.len != ARGON2_SALT)
		return ERR(LIMIT);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);
	EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	const bool is_done = ctx != NULL && EVP_KDF_derive(ctx, out.at, out.len, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	if (!is_done)
		secret_wipe(out.at, out.len);
	return is_done ? OK : ERR(CRYPTO);
}
