// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "block_mode.h"
#include "openssl.h"
#include "base/secret.h"
#include <assert.h>
#include <limits.h>
#include <openssl/evp.h>

static const struct block_mode modes[] = {
	{"aes-128-ecb", "AES-128-ECB", {16}, 1, 16},
	{"aes-256-ecb", "AES-256-ECB", {32}, 1, 16},
	{"aes-128-cbc", "AES-128-CBC", {16}, 1, 16},
	{"aes-256-cbc", "AES-256-CBC", {32}, 1, 16},
	{"3des-ecb", "DES-EDE3-ECB", {16, 24}, 2, 8},
	{"3des-cbc", "DES-EDE3-CBC", {16, 24}, 2, 8},
};
const char block_mode_words[] =
	"aes-128-ecb, aes-256-ecb, aes-128-cbc, aes-256-cbc, 3des-ecb or 3des-cbc";

const struct block_mode *block_mode_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(modes[i].word, word) == 0)
			return &modes[i];
	return NULL;
}

/* A double-length 3DES key is K1 K2 K1. */
static void whole_key(
	const struct block_mode *m, struct span key, uint8_t out[static BLOCK_MODE_KEY_MAX])
{
	assert(key.len == m->key_sizes[0] || key.len == m->key_sizes[m->key_size_count - 1]);
	memcpy(out, key.at, key.len);
	if (m->key_size_count == 2 && key.len == m->key_sizes[0])
		memcpy(out + key.len, key.at, m->block);
}

static struct err run(const struct block_mode *m, struct span key, const uint8_t *iv,
	struct span in, uint8_t *out, int is_encrypt)
{
	uint8_t octets[BLOCK_MODE_KEY_MAX] = {0};
	int len = 0, rest = 0;

	if (in.len == 0 || in.len % m->block != 0 || in.len > INT_MAX)
		return ERR(INPUT);
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, m->cipher, NULL);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	whole_key(m, key, octets);
	const bool is_done = cipher != NULL && c != NULL &&
			     EVP_CipherInit_ex2(c, cipher, octets, iv, is_encrypt, NULL) == 1 &&
			     EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
			     EVP_CipherUpdate(c, out, &len, in.at, (int)in.len) == 1 &&
			     EVP_CipherFinal_ex(c, out + len, &rest) == 1 &&
			     (size_t)len + (size_t)rest == in.len;
	EVP_CIPHER_CTX_free(c);
	EVP_CIPHER_free(cipher);
	secret_wipe(octets, sizeof octets);
	if (!is_done)
		secret_wipe(out, in.len);
	return is_done ? OK : ERR(CRYPTO);
}

struct err block_mode_encrypt(const struct block_mode *m, struct span key, const uint8_t *iv,
	struct span in, uint8_t *out)
{
	return run(m, key, iv, in, out, 1);
}

struct err block_mode_decrypt(const struct block_mode *m, struct span key, const uint8_t *iv,
	struct span in, uint8_t *out)
{
	return run(m, key, iv, in, out, 0);
}

struct err block_mode_kcv(
	const struct block_mode *m, struct span key, uint8_t kcv[static BLOCK_MODE_KCV])
{
	static const uint8_t zero[BLOCK_MODE_BLOCK_MAX];
	uint8_t block[BLOCK_MODE_BLOCK_MAX];

	const struct err e = run(m, key, zero, span_of(zero, m->block), block, 1);
	memcpy(kcv, block, BLOCK_MODE_KCV);
	secret_wipe(block, sizeof block);
	return e;
}
