// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Pools: all that a daemon will ever hold of one kind, taken at start.
 *
 * What events refer to across time (sessions, requests in flight) are handles: slot and generation. A handle of
 * a slot given back since then finds nothing, so a late answer cannot reach the wrong request. A full pool is
 * an ordinary answer (ERR_LIMIT), counted in `refused`.
 */
#include "err.h"
#include <stdint.h>
#include <stddef.h>

struct pool_handle {
	uint32_t slot;
	uint32_t generation; /* 0 is the handle that finds nothing */
};

struct pool {
	size_t item_octets;
	uint32_t limit, in_use, peak;
	uint64_t refused;
	uint8_t *items;
	uint32_t *generations; /* odd: in use; even: free */
	uint32_t *free_slots;
};

MUST_USE struct err pool_open(struct pool *p, uint32_t limit, size_t item_octets);
void pool_close(struct pool *p);

/* A zeroed item and its handle. ERR_LIMIT when `limit` items are in use. */
MUST_USE struct err pool_take(struct pool *p, struct pool_handle *handle, void **item);

/* The item, or NULL when the handle is stale. */
void *pool_find(const struct pool *p, struct pool_handle handle);

/* Wipes the item. A stale handle does nothing. */
void pool_give(struct pool *p, struct pool_handle handle);

static inline uint64_t pool_handle_to_u64(struct pool_handle h)
{
	return (uint64_t)h.generation << 32 | h.slot;
}

static inline struct pool_handle pool_handle_from_u64(uint64_t v)
{
	return (struct pool_handle){.slot = (uint32_t)v, .generation = (uint32_t)(v >> 32)};
}
