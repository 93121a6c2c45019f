// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "pool.h"
#include "secret.h"
#include <stdlib.h>

struct err pool_open(struct pool *p, uint32_t limit, size_t item_octets)
{
	*p = (struct pool){.item_octets = item_octets, .limit = limit};
	p->items = calloc(limit, item_octets);
	p->generations = calloc(limit, sizeof *p->generations);
	p->free_slots = calloc(limit, sizeof *p->free_slots);
	if (p->items == NULL || p->generations == NULL || p->free_slots == NULL) {
		pool_close(p);
		return ERR(LIMIT);
	}
	for (uint32_t i = 0; i < limit; i++)
		p->free_slots[i] = limit - 1 - i;
	return OK;
}

void pool_close(struct pool *p)
{
	/* Slots beyond the peak were never taken: their pages need not be touched to be given back.
	 */
	if (p->items != NULL)
		secret_wipe(p->items, p->peak * p->item_octets);
	free(p->items);
	free(p->generations);
	free(p->free_slots);
	*p = (struct pool){0};
}

struct err pool_take(struct pool *p, struct pool_handle *handle, void **item)
{
	if (p->in_use == p->limit) {
		p->refused++;
		return ERR(LIMIT);
	}
	const uint32_t slot = p->free_slots[p->limit - 1 - p->in_use];
	p->in_use++;
	if (p->in_use > p->peak)
		p->peak = p->in_use;
	p->generations[slot]++;
	*handle = (struct pool_handle){.slot = slot, .generation = p->generations[slot]};
	*item = p->items + slot * p->item_octets;
	return OK;
}

void *pool_find(const struct pool *p, struct pool_handle handle)
{
	if (handle.slot >= p->limit || handle.generation % 2 == 0 ||
		p->generations[handle.slot] != handle.generation)
		return NULL;
	return p->items + handle.slot * p->item_octets;
}

void pool_give(struct pool *p, struct pool_handle handle)
{
	void *item = pool_find(p, handle);

	if (item == NULL)
		return;
	secret_wipe(item, p->item_octets);
	p->generations[handle.slot]++;
	p->in_use--;
	p->free_slots[p->limit - 1 - p->in_use] = handle.slot;
}
