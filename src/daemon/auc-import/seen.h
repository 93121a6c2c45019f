// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The IMSIs of one file, each with the line where it stood first: what an import must remember of
 * all rows, 12 octets a place and at most 3 of 4 places taken. All else of an import is of fixed
 * size.
 */
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum { SEEN_MAX = 1 << 26 };

struct seen {
	uint64_t *keys; /* an IMSI as a number with its length; 0: a free place */
	uint32_t *lines;
	size_t count, limit; /* of places: a power of two */
};

/* `first` is 0 where the IMSI is new, else the line where it stood. ERR_LIMIT: SEEN_MAX, or no
 * memory. */
MUST_USE struct err seen_add(struct seen *s, const char *imsi, uint32_t line, uint32_t *first);
void seen_close(struct seen *s);
