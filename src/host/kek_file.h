// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Key files, from the paths that the operator names: raw octets, or hex digits with or without a
 * newline. And texts: a passphrase, a PIN. All to be read before the sandbox.
 *
 * A key-encryption key's file holds 32 octets. They are not the key: each purpose ("auc", "kms")
 * has one of its own, derived by HKDF, and an id that follows from it. So an envelope sealed under
 * another file's key is told by its id (ERR_ABSENT), not mistaken for a forged one.
 *
 * `setting` is what complaints call the file; they name its path, and nothing of its content.
 */
#include "base/err.h"
#include "base/secret.h"

/* The path, as far as it fits, of the first file read so far that every user of the machine may read
 * or change; NULL: there was none. To be told, not refused: who may read it is the operator's to say. */
const char *key_file_open_to_all(void);

enum { KEY_FILE_OCTETS_MAX = 32, KEK_OCTETS = 32 };

/* Opens `octets`: as many as one of `sizes` (each at most KEY_FILE_OCTETS_MAX). */
MUST_USE struct err key_file_read(const char *path, const char *setting, const size_t *sizes,
	size_t size_count, struct secret *octets, struct complaint *c);

/* One line of `least` to `most` octets, without its newline. */
MUST_USE struct err text_file_read(const char *path, const char *setting, size_t least, size_t most,
	struct secret *text, struct complaint *c);

/* Opens `key` (KEK_OCTETS): what `octets` give for `purpose`. */
MUST_USE struct err kek_derive(
	struct span octets, const char *purpose, struct secret *key, uint32_t *key_id);

/* Reads and derives. */
MUST_USE struct err kek_file_read(const char *path, const char *purpose, struct secret *key,
	uint32_t *key_id, struct complaint *c);
