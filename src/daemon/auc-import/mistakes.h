// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is wrong with a file, for its author: one line a mistake, `file:line:column: … is expected`.
 * All are counted, the first so many are listed.
 */
#include "base/err.h"
#include "base/span.h"

struct mistakes {
	const char *name; /* of the file */
	uint32_t listed_max;
	uint64_t count;
	char *text; /* of `size` octets */
	size_t len, size;
};

MUST_USE struct err mistakes_open(struct mistakes *m, const char *name, uint32_t listed_max);
void mistakes_add(struct mistakes *m, uint32_t line, size_t column, const char *format, ...)
	PRINTF_LIKE(4, 5);
/* The list, and how many there are. */
struct span mistakes_done(struct mistakes *m);
void mistakes_close(struct mistakes *m);
