// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The AES-128 block [FIPS 197], for MILENAGE alone: everything else takes its ciphers from
 * libcrypto.
 *
 * MILENAGE sets up a new key for every six blocks, and there a call into libcrypto costs more than
 * the work. Two engines give the same answer, both without a secret-dependent branch or table: the
 * processor's AES instructions, and plain C that computes the S-box as field arithmetic. Which one
 * runs is decided once, at run time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AES128_BLOCK = 16, AES128_ROUNDS = 10 };

struct aes128 {
	_Alignas(16) uint8_t round_keys[(AES128_ROUNDS + 1) * AES128_BLOCK];
};

struct aes128_engine {
	const char *name; /* "aes-ni", "portable" */
	void (*expand)(struct aes128 *aes, const uint8_t key[static AES128_BLOCK]);
	/* Encrypts `blocks` blocks, each for itself. `out` may be `in`. */
	void (*encrypt)(const struct aes128 *aes, const uint8_t *in, uint8_t *out, size_t blocks);
	/* expand() and the encryption of one block in its place: as each round key comes, it is used. */
	void (*expand_encrypt)(struct aes128 *aes, const uint8_t key[static AES128_BLOCK],
		uint8_t block[static AES128_BLOCK]);
};

extern const struct aes128_engine aes128_portable;
/* NULL where the processor has no AES instructions. */
const struct aes128_engine *aes128_native(void);
/* The fastest that this machine has. */
const struct aes128_engine *aes128_engine(void);
