// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Asks a PKCS#11 token through a process of its own, merlon-auc-token: a token's library is somebody
 * else's code, which wants files, devices and threads, and so has no place in a vault. The process lives
 * for one question, as the site's user, without a way to new rights, and for TOKEN_MS_MAX at most.
 *
 *   to it    arguments: derive|make, library, token's label, key's label; the PIN on descriptor 0
 *   from it  on descriptor 3: 32 octets and status 0; else a sentence and status 1
 *
 * To be called before the sandbox. Complaints name the library, the token and the key; never the PIN.
 */
#include "base/err.h"
#include "base/secret.h"

enum { TOKEN_ROOT = 32, TOKEN_MS_MAX = 20000, TOKEN_PIN_MAX = 255, TOKEN_ENVIRONMENT_MAX = 4 };
enum { TOKEN_ANSWER_FD = 3, TOKEN_SENTENCE_MAX = 400 };

struct token_question {
	const char *module, *token, *key;
	const char *pin_file;
	const char *user;                               /* NULL: as we are */
	const char *environment[TOKEN_ENVIRONMENT_MAX]; /* "NAME=VALUE", besides ours; NULL ends */
};

/* Opens `root`: what the token's key gives for Merlon's label. */
MUST_USE struct err token_derive(
	const struct token_question *q, struct secret *root, struct complaint *c);
/* Makes that key in the token. ERR_STATE where it is there. */
MUST_USE struct err token_key_make(const struct token_question *q, struct complaint *c);
