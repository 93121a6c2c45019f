// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The canary test: values that are known to be secret are looked for where no secret may be.
 *
 * A value is planted by name, then whole files are searched for it: raw, in hex of either case, and
 * in base64 (all three ways in which it can fall on the groups of three octets). Also a part is a
 * leak: any 8 octets of a value in a row, or 16 hex digits, or 12 base64 characters (9 octets).
 * Chance finds one of these in a gigabyte of noise about once in a billion searches.
 *
 * The search is one pass: 8 octets at each place are hashed into a bitmap, and only what falls on a
 * set bit is looked up and compared.
 */
#include "base/err.h"
#include "base/span.h"

enum {
	CANARY_VALUES_MAX = 256,
	CANARY_VALUE_MIN = 16,
	CANARY_VALUE_MAX = 4096,
	CANARY_FINDINGS_MAX = 16
};

enum canary_encoding {
	CANARY_RAW,
	CANARY_HEX_LOWER,
	CANARY_HEX_UPPER,
	CANARY_BASE64,
	CANARY_ENCODINGS
};

struct canary_finding {
	const char *value; /* name it was planted by */
	enum canary_encoding encoding;
	char where[160];
	size_t offset;
};

struct canary_result {
	uint64_t hits, octets, files;
	size_t finding_count; /* the first few hits */
	struct canary_finding findings[CANARY_FINDINGS_MAX];
};

struct canary;
MUST_USE struct err canary_open(struct canary **c);
void canary_close(struct canary *c); /* wipes what was planted */

/* `name` is a constant of the code. Shorter or longer values than the limits, or too many:
 * ERR_LIMIT. */
MUST_USE struct err canary_plant(struct canary *c, const char *name, struct span value);
size_t canary_planted(const struct canary *c);

/* `where` names the place in findings. Adds to `result`. */
MUST_USE struct err canary_search(
	struct canary *c, const char *where, struct span bytes, struct canary_result *result);
MUST_USE struct err canary_search_file(struct canary *c, const char *path,
	struct canary_result *result, struct complaint *complaint);
/* All files beneath, but those whose name without folders is in `except` (NULL-terminated; may be
 * NULL). */
MUST_USE struct err canary_search_folder(struct canary *c, const char *path,
	const char *const *except, struct canary_result *result, struct complaint *complaint);
const char *canary_encoding_word(enum canary_encoding encoding);
