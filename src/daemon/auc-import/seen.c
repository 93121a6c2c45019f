// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "seen.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_FIRST = 1 << 10 };

/* Exact: the length stands in front of up to 15 digits, 54 bits in all. Never 0. */
static uint64_t key_of(const char *imsi)
{
	uint64_t key = strlen(imsi);

	for (; *imsi != '\0'; imsi++)
		key = key * 10 + (uint64_t)(*imsi - '0');
	return key;
}

/* The place of `key`, or the free one where it belongs. */
static size_t place_of(const struct seen *s, uint64_t key)
{
	size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (s->limit - 1);

	while (s->keys[at] != 0 && s->keys[at] != key)
		at = (at + 1) & (s->limit - 1);
	return at;
}

static struct err grow(struct seen *s)
{
	struct seen larger = {.count = s->count, .limit = s->limit ? 2 * s->limit : PLACES_FIRST};

	larger.keys = calloc(larger.limit, sizeof *larger.keys);
	larger.lines = calloc(larger.limit, sizeof *larger.lines);
	if (larger.keys == NULL || larger.lines == NULL) {
		seen_close(&larger);
		return ERR(LIMIT);
	}
	for (size_t i = 0; i < s->limit; i++) {
		if (s->keys[i] == 0)
			continue;
		const size_t at = place_of(&larger, s->keys[i]);
		larger.keys[at] = s->keys[i];
		larger.lines[at] = s->lines[i];
	}
	seen_close(s);
	*s = larger;
	return OK;
}

struct err seen_add(struct seen *s, const char *imsi, uint32_t line, uint32_t *first)
{
	const uint64_t key = key_of(imsi);

	*first = 0;
	if (s->count >= SEEN_MAX)
		return ERR(LIMIT);
	if (4 * s->count >= 3 * s->limit) {
		const struct err e = grow(s);
		if (failed(e))
			return e;
	}
	const size_t at = place_of(s, key);
	*first = s->keys[at] == key ? s->lines[at] : 0;
	if (s->keys[at] == key)
		return OK;
	s->keys[at] = key;
	s->lines[at] = line;
	s->count++;
	return OK;
}

void seen_close(struct seen *s)
{
	free(s->keys);
	free(s->lines);
	*s = (struct seen){0};
}
