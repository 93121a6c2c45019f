// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ind.h"
#include <assert.h>

/* A free entry has never been used, so it is the oldest of all. */
static uint8_t oldest_of(const struct ind_table *t)
{
	uint8_t oldest = 1;

	for (uint8_t ind = 2; ind < SQN_INDS; ind++)
		if (t->entries[ind].used < t->entries[oldest].used)
			oldest = ind;
	return oldest;
}

/* 1 to 31, always the same for one node [FNV-1a]. */
static uint8_t share_of(enum auth_domain domain, const char *node)
{
	uint32_t hash = 2166136261u ^ (uint32_t)domain;

	for (const char *p = node; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return (uint8_t)(1 + hash % (SQN_INDS - 1));
}

static bool is_of(const struct ind_entry *e, enum auth_domain domain, const char *node)
{
	return e->domain == domain && strcmp(e->node, node) == 0;
}

uint8_t ind_find(struct ind_table *t, enum auth_domain domain, const char *node)
{
	for (uint8_t ind = 1; ind < SQN_INDS; ind++) {
		struct ind_entry *e = &t->entries[ind];
		if (is_of(e, domain, node)) {
			e->used = ++t->tick;
			return ind;
		}
	}
	const struct ind_entry *oldest = &t->entries[oldest_of(t)];
	if (oldest->node[0] == '\0' || t->tick - oldest->used >= t->idle_uses)
		return 0;
	t->tick++;
	t->shared++;
	return share_of(domain, node);
}

static void fill(struct ind_entry *e, enum auth_domain domain, const char *node, uint64_t used)
{
	const size_t len = strlen(node);

	assert(len > 0 && len < sizeof e->node);
	*e = (struct ind_entry){.domain = domain, .used = used};
	memcpy(e->node, node, len);
}

uint8_t ind_assign(struct ind_table *t, enum auth_domain domain, const char *node)
{
	const uint8_t oldest = oldest_of(t);

	t->evicted += t->entries[oldest].node[0] != '\0';
	fill(&t->entries[oldest], domain, node, ++t->tick);
	return oldest;
}

void ind_kept(struct ind_table *t, uint8_t ind, enum auth_domain domain, const char *node)
{
	if (is_of(&t->entries[ind], domain, node))
		t->entries[ind].is_kept = true;
}

bool ind_is_kept(const struct ind_table *t, uint8_t ind, enum auth_domain domain, const char *node)
{
	return t->entries[ind].is_kept || !is_of(&t->entries[ind], domain, node);
}

struct err ind_restore(
	struct ind_table *t, uint8_t ind, enum auth_domain domain, const char *node, uint64_t used)
{
	if (ind == 0 || ind >= SQN_INDS || node[0] == '\0' || strlen(node) >= AUTH_NODE_MAX ||
		(domain != AUTH_PS && domain != AUTH_CS))
		return ERR(INPUT);
	fill(&t->entries[ind], domain, node, used);
	t->entries[ind].is_kept = true;
	if (used > t->tick)
		t->tick = used;
	return OK;
}
