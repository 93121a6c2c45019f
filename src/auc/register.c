// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "register.h"
#include <assert.h>
#include <stdlib.h>

struct err register_open(struct subscriber_register *r, uint32_t limit)
{
	uint32_t slots = 16;

	assert(limit > 0 && limit <= 1u << 28);
	while (slots < 2 * limit)
		slots *= 2;
	*r = (struct subscriber_register){.items = calloc(limit, sizeof *r->items),
		.index = calloc(slots, sizeof *r->index),
		.limit = limit,
		.index_mask = slots - 1};
	if (r->items != NULL && r->index != NULL)
		return OK;
	register_close(r);
	return ERR(LIMIT);
}

void register_close(struct subscriber_register *r)
{
	free(r->items);
	free(r->index);
	*r = (struct subscriber_register){0};
}

static uint64_t key_of(const char *imsi)
{
	uint64_t digits = 0, count = 0;

	for (; imsi[count] != '\0'; count++)
		digits = digits * 10 + (uint64_t)(imsi[count] - '0');
	return count << 56 | digits;
}

/* IMSIs are handed out in runs: multiply and take the high half, so that runs spread. */
static uint32_t slot_of(const struct subscriber_register *r, uint64_t key)
{
	return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & r->index_mask;
}

/* The slot of this key, or the free slot where it belongs. At most half are in use, so the walk
 * ends. */
static uint32_t walk(const struct subscriber_register *r, uint64_t key)
{
	uint32_t slot = slot_of(r, key);

	while (r->index[slot] != 0 && r->items[r->index[slot] - 1].imsi != key)
		slot = (slot + 1) & r->index_mask;
	return slot;
}

struct subscriber *register_find(const struct subscriber_register *r, const char *imsi)
{
	const uint32_t at = r->index[walk(r, key_of(imsi))];

	return at == 0 ? NULL : &r->items[at - 1];
}

struct err register_add(struct subscriber_register *r, const char *imsi, struct subscriber **item)
{
	const uint64_t key = key_of(imsi);
	const uint32_t slot = walk(r, key);

	if (r->index[slot] == 0) {
		if (r->count == r->limit)
			return ERR(LIMIT);
		r->index[slot] = ++r->count;
		r->items[r->count - 1].imsi = key;
	}
	*item = &r->items[r->index[slot] - 1];
	return OK;
}
