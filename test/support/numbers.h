// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The recorder of sequence numbers: every SEQ that was ever issued, to whom and in which generation;
 * and how many of them came twice. It stands outside of all that crashes. A SEQ counts as repeated
 * whatever its IND: it is the SEQ that must be new.
 */
#include "base/span.h"
#include <assert.h>
#include <stdlib.h>

struct number {
	uint64_t who, generation, seq;
};

struct numbers {
	struct number *items;
	size_t count, limit;
};

static inline void numbers_add(struct numbers *n, uint64_t who, uint64_t generation, uint64_t seq)
{
	if (n->count == n->limit) {
		n->limit = n->limit == 0 ? 1024 : 2 * n->limit;
		n->items = realloc(n->items, n->limit * sizeof *n->items);
		assert(n->items != NULL);
	}
	n->items[n->count++] = (struct number){.who = who, .generation = generation, .seq = seq};
}

static inline int numbers_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct number)); /* any order: equal ones come together */
}

static inline uint64_t numbers_repeated(struct numbers *n)
{
	uint64_t repeated = 0;

	if (n->count > 0)
		qsort(n->items, n->count, sizeof *n->items, numbers_order);
	for (size_t i = 1; i < n->count; i++)
		repeated += numbers_order(&n->items[i - 1], &n->items[i]) == 0;
	return repeated;
}

static inline void numbers_close(struct numbers *n)
{
	free(n->items);
	*n = (struct numbers){0};
}
