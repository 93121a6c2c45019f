// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A queue of octets that grows: put at the end, taken from the front. What waits in one may be key
 * material, so what leaves it is wiped, and so is memory it outgrows. Its owner bounds it.
 */
#include "base/err.h"
#include "base/span.h"

struct octets {
	uint8_t *at;
	size_t head, len, limit; /* content: at[head] … at[head + len - 1] */
};

MUST_USE struct err octets_put(
	struct octets *o, struct span bytes); /* all, or ERR_LIMIT: no memory */
void octets_drop(struct octets *o, size_t len);
void octets_close(struct octets *o);

static inline struct span octets_span(const struct octets *o)
{
	return o->len == 0 ? (struct span){0} : span_of(o->at + o->head, o->len);
}
