// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "register.h"
#include <assert.h>

static_assert(sizeof(struct subscriber) == 48, "what register.h and doc/auc.md say");

static size_t cells_of(uint32_t limit)
{
	return (size_t)limit * REGISTER_CELLS_MAX + 1; /* cell 0 is nobody's */
}

size_t register_octets(uint32_t limit)
{
	return limit * sizeof(struct subscriber) + cells_of(limit) * REGISTER_CELL +
	       limit * sizeof(uint32_t);
}

void register_open(struct subscriber_register *r, uint32_t limit, void *memory)
{
	const size_t cells = cells_of(limit);

	assert(limit > 0 && limit <= REGISTER_LIMIT_MAX && memory != NULL);
	*r = (struct subscriber_register){
		.items = memory, .limit = limit, .cells_used = 1, .cells_limit = (uint32_t)cells};
	r->cells = (uint8_t *)(r->items + limit);
	r->chains = (uint32_t *)(void *)(r->cells + cells * REGISTER_CELL);
}

/* ---- the index ---- */

static uint64_t key_of(const char *imsi)
{
	uint64_t key = 1;

	for (; *imsi != '\0'; imsi++)
		key = key * 10 + (uint64_t)(*imsi - '0');
	return key;
}

static uint64_t key_of_item(const struct subscriber *s)
{
	return (uint64_t)s->imsi_high << 32 | s->imsi_low;
}

/* With `chains` of them in use: those behind the split are told apart by one bit more. IMSIs are
 * handed out in runs: multiply and take the high half, so that runs spread. */
static uint32_t chain_of(uint64_t key, uint32_t chains)
{
	const uint32_t hash = (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
	const uint32_t mask = UINT32_MAX >> __builtin_clz(chains | 1);
	const uint32_t chain = hash & mask;

	return chain < chains ? chain : hash & mask >> 1;
}

static struct subscriber *find(const struct subscriber_register *r, uint64_t key)
{
	if (r->count == 0)
		return NULL;
	uint32_t at = r->chains[chain_of(key, r->count)];
	while (at != 0 && key_of_item(&r->items[at - 1]) != key)
		at = r->items[at - 1].next;
	return at == 0 ? NULL : &r->items[at - 1];
}

/* A chain more: what belongs there stood in the chain without the highest bit. */
static void split(struct subscriber_register *r, uint32_t chains)
{
	const uint32_t fresh = chains - 1, old = fresh & ~(1u << (31 - __builtin_clz(fresh | 1)));
	uint32_t *link = &r->chains[old];

	if (fresh == 0)
		return;
	while (*link != 0) {
		struct subscriber *s = &r->items[*link - 1];
		const uint32_t at = *link;
		if (chain_of(key_of_item(s), chains) == old) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		s->next = r->chains[fresh];
		r->chains[fresh] = at;
	}
}

struct subscriber *register_find(const struct subscriber_register *r, const char *imsi)
{
	struct subscriber *s = find(r, key_of(imsi));

	return s == NULL || s->is_removed ? NULL : s;
}

struct err register_add(
	struct subscriber_register *r, const char *imsi, struct subscriber **item, bool *is_new)
{
	const uint64_t key = key_of(imsi);
	struct subscriber *s = find(r, key);

	*is_new = s == NULL || s->is_removed;
	if (s == NULL) {
		if (r->count == r->limit)
			return ERR(LIMIT);
		s = &r->items[r->count++];
		split(r, r->count);
		uint32_t *chain = &r->chains[chain_of(key, r->count)];
		s->imsi_low = (uint32_t)key;
		s->imsi_high = (unsigned)(key >> 32) & 0x7ffff;
		s->next = *chain;
		*chain = r->count;
	} else if (s->is_removed) {
		s->is_removed = false;
		r->removed--;
	}
	*item = s;
	return OK;
}

void register_imsi(const struct subscriber *item, char imsi[static IMSI_TEXT])
{
	uint64_t key = key_of_item(item);
	size_t len = 0;

	for (uint64_t rest = key; rest >= 10; rest /= 10)
		len++;
	assert(len < IMSI_TEXT);
	imsi[len] = '\0';
	for (; len > 0; key /= 10)
		imsi[--len] = (char)('0' + key % 10);
}

uint32_t register_count(const struct subscriber_register *r)
{
	return r->count - r->removed;
}

/* ---- sealed keys ---- */

static uint8_t *cell_at(const struct subscriber_register *r, uint32_t cell)
{
	return r->cells + (size_t)cell * REGISTER_CELL;
}

static uint32_t cells_for(size_t sealed_len)
{
	return (uint32_t)((sealed_len + 1 + REGISTER_CELL - 1) / REGISTER_CELL);
}

static void cells_give(struct subscriber_register *r, uint32_t cell)
{
	const uint32_t length = cells_for(*cell_at(r, cell));

	memcpy(cell_at(r, cell), &r->cells_free[length], sizeof cell);
	r->cells_free[length] = cell;
}

static uint32_t cells_take(struct subscriber_register *r, uint32_t length)
{
	uint32_t cell = r->cells_free[length];

	if (cell != 0) {
		memcpy(&r->cells_free[length], cell_at(r, cell), sizeof cell);
		return cell;
	}
	if (r->cells_limit - r->cells_used < length)
		return 0;
	cell = r->cells_used;
	r->cells_used += length;
	return cell;
}

struct span register_sealed(const struct subscriber_register *r, const struct subscriber *item)
{
	const uint8_t *at = cell_at(r, item->sealed);

	return item->sealed == 0 ? span_of(NULL, 0) : span_of(at + 1, *at);
}

struct err register_seal(struct subscriber_register *r, struct subscriber *item, struct span sealed)
{
	const uint32_t length = cells_for(sealed.len);

	if (sealed.len == 0 || sealed.len > REGISTER_SEALED_MAX)
		return ERR(INPUT);
	if (item->sealed == 0 || cells_for(*cell_at(r, item->sealed)) != length) {
		const uint32_t cell = cells_take(r, length);
		if (cell == 0)
			return ERR(LIMIT);
		if (item->sealed != 0)
			cells_give(r, item->sealed);
		item->sealed = cell;
	}
	uint8_t *at = cell_at(r, item->sealed);
	*at = (uint8_t)sealed.len;
	memcpy(at + 1, sealed.at, sealed.len);
	return OK;
}

void register_remove(struct subscriber_register *r, struct subscriber *item)
{
	if (item->is_removed)
		return;
	if (item->sealed != 0)
		cells_give(r, item->sealed);
	item->sealed = 0;
	item->is_removed = true;
	item->is_disabled = false;
	item->is_moving =
		false; /* whose DIF was on its way need not wait for it, should he come again */
	r->removed++;
}
