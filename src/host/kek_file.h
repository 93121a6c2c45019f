// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A vault's key-encryption key, from the file that the operator names: 32 octets, raw or as 64 hex
 * digits with or without a newline. The file's octets are not the key: each purpose ("auc", "kms")
 * has one of its own, derived by HKDF, and an id that follows from it. So an envelope sealed under
 * another file's key is told by its id (ERR_ABSENT), not mistaken for a forged one.
 */
#include "base/err.h"
#include "base/secret.h"

/* Opens `key` (AEAD_KEY octets). To be called before the sandbox. */
MUST_USE struct err kek_file_read(const char *path, const char *purpose, struct secret *key,
	uint32_t *key_id, struct complaint *c);
