// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The form of a wrapped key-encryption key of the authentication centre: the vault makes and opens
 * it, the store keeps it and looks into none.
 *
 *   octet  0        1     2     18          22      23     24
 *          version  root  salt  memory_kib  passes  lanes  envelope (crypt/envelope.h)
 *          1        u8    16    u32         u8      u8
 *
 * The octets 2 to 23 are there for a passphrase alone: what Argon2id is given beside it. The
 * envelope is bound to all that stands before it, and to the key's id.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum auc_root {
	AUC_ROOT_FILE = 1,       /* 32 octets in a file */
	AUC_ROOT_PASSPHRASE = 2, /* a text in a file, stretched */
	AUC_ROOT_TOKEN = 3,      /* a key in a PKCS#11 token, which never leaves it */
};

enum { AUC_WRAPPED_VERSION = 1, AUC_WRAPPED_SALT = 16, AUC_WRAPPED_HEAD_MAX = 24 };

struct auc_wrapped {
	enum auc_root root;
	uint8_t salt[AUC_WRAPPED_SALT]; /* this and the next three: 0 without a passphrase */
	uint32_t memory_kib;
	uint8_t passes, lanes;
	struct span head;   /* of a decoded one: what the envelope is bound to */
	struct span sealed; /* the envelope */
};

/* Writes all but the envelope. */
void auc_wrapped_head_encode(struct writer *w, const struct auc_wrapped *wrapped);
/* The spans lie in `bytes`. ERR_VERSION for a form or a root that we do not speak. */
MUST_USE struct err auc_wrapped_decode(
	struct span bytes, struct auc_wrapped *wrapped, struct wire_fault *fault);
