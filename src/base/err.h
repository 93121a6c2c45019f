// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Errors are values.
 *
 * A function that can fail returns `struct err`. It is a struct and not an int, so that nothing else
 * (a length, a boolean, -1) can be mistaken for it, and every such function is MUST_USE. There are
 * few kinds: a kind says what the caller may do about it, not what happened. What happened (which
 * file, line, field, offset, clause) travels in a record that the caller supplies: `struct wire_fault`
 * for bytes from outside, `struct complaint` for people.
 *
 *     struct err e = store_open(&store, path);
 *     if (failed(e))
 *             return e;
 */
#include "attr.h"
#include <stdbool.h>

enum err_kind {
	ERR_NONE = 0,
	ERR_INPUT,   /* bytes or arguments from outside break a rule: refuse, count, go on */
	ERR_STATE,   /* a right message at a wrong moment: refuse, count, go on */
	ERR_AUTH,    /* who asks may not ask, or a tag does not verify */
	ERR_LIMIT,   /* a named limit is reached: refuse, alarm */
	ERR_ABSENT,  /* the thing asked for is not there */
	ERR_VERSION, /* a schema, envelope or message of a version that we do not speak */
	ERR_TIMEOUT, /* the deadline passed; what was asked may or may not have happened */
	ERR_IO,      /* the operating system refused; after fsync: stop the process */
	ERR_CRYPTO,  /* libcrypto or the random generator refused: stop using the key */
	ERR_BUG,     /* our own mistake, seen at run time */
	ERR_KINDS
};

struct err {
	enum err_kind kind;
};

#define OK ((struct err){ERR_NONE})
#define ERR(name) ((struct err){ERR_##name})

static inline bool failed(struct err e)
{
	return e.kind != ERR_NONE;
}

/* The kind as a lower-case word, for logs and JSON; never NULL. */
const char *err_word(struct err e);

/*
 * A sentence for a person: what is wrong, where, and what was expected. Filled once: the first
 * complaint wins, later ones are dropped (the first is the cause, the rest are consequences).
 */
struct complaint {
	char text[480];
};

/* Returns `e`, so that `return complain(c, ERR(INPUT), "…", …);` reads as one thought. `c` may be NULL. */
struct err complain(struct complaint *c, struct err e, const char *format, ...) PRINTF_LIKE(3, 4);
