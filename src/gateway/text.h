// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Text for other programs: appended to a buffer that sticks when full, and the words that may stand in it. */
#include "base/err.h"
#include "base/span.h"

struct text {
	char *at;
	size_t len, limit;
	bool is_full;
};

void text_add(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
/* Terminates it; ERR_LIMIT when it did not fit. */
MUST_USE struct err text_result(const struct text *t, size_t *len, struct complaint *c);

/* Letters, digits and the octets of `others`; 1 to `max` of them. */
bool text_is_word(const char *text, const char *others, size_t max);
bool text_is_interface(const char *text);
/* 4 or 6: the family of an address literal, or of a prefix in CIDR notation; 0: it is none. */
int text_address_family(const char *text);
int text_prefix_family(const char *text);
