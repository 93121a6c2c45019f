// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inner.h"
#include <assert.h>
#include <stdlib.h>

enum { BUCKETS = 2 * KMS_LIVE_KEYS_MAX };

void *pool_item(const struct pool *p, uint32_t slot)
{
	return p->generations[slot] % 2 == 0 ? NULL : p->items + p->item_octets * slot;
}

void ignore(void *ctx, struct err err, struct span body)
{
	(void)ctx, (void)err, (void)body;
}

/* --- blocks and segments --- */

struct block *block_find(struct kms *k, const uint8_t id[static PEER_ID])
{
	for (uint32_t i = 0; i < k->blocks.limit; i++) {
		struct block *b = pool_item(&k->blocks, i);
		if (b != NULL && memcmp(b->id, id, PEER_ID) == 0)
			return b;
	}
	return NULL;
}

struct segment *segment_of(const struct block *b, uint32_t slot)
{
	return slot / SEGMENT_SLOTS < b->segment_count ? b->segments[slot / SEGMENT_SLOTS] : NULL;
}

static uint64_t bit(uint32_t slot)
{
	return UINT64_C(1) << (slot % SEGMENT_SLOTS);
}

/* What erased segments held is taken for ever. */
bool slot_is_taken(const struct block *b, uint32_t slot)
{
	const struct segment *s = segment_of(b, slot);

	return s == NULL || (s->taken & bit(slot)) != 0;
}

void slot_take(struct block *b, uint32_t slot)
{
	segment_of(b, slot)->taken |= bit(slot);
}

struct err block_new(struct kms *k, const uint8_t id[static PEER_ID], struct link *link,
	uint32_t slots, struct block **out)
{
	struct pool_handle handle;
	void *item;

	const struct err e = pool_take(&k->blocks, &handle, &item);
	if (failed(e))
		return e;
	struct block *b = item;
	*b = (struct block){
		.handle = handle, .link = link, .slots = slots, .order = ++k->next_order};
	memcpy(b->id, id, sizeof b->id);
	b->segment_count = (slots + SEGMENT_SLOTS - 1) / SEGMENT_SLOTS;
	b->segments_left = 0;
	b->next = slots_of_direction(slots, k->direction).first;
	*out = b;
	return OK;
}

void block_drop(struct kms *k, struct block *b)
{
	for (uint32_t i = 0; i < b->segment_count; i++)
		if (b->segments[i] != NULL) {
			const uint32_t slot =
				(uint32_t)(((uint8_t *)b->segments[i] - k->segments.items) /
					   (ptrdiff_t)k->segments.item_octets);
			pool_give(&k->segments,
				(struct pool_handle){slot, k->segments.generations[slot]});
		}
	pool_give(&k->blocks, b->handle);
}

static void segment_erase(struct kms *k, struct block *b, uint32_t number)
{
	struct segment *s = b->segments[number];
	const uint32_t slot =
		(uint32_t)(((uint8_t *)s - k->segments.items) / (ptrdiff_t)k->segments.item_octets);
	struct kms_change *c = change_add(k, KMS_CHANGE_SEGMENT_ERASE);

	memcpy(c->segment.block_id, b->id, PEER_ID);
	c->segment.number = number;
	pool_give(&k->segments, (struct pool_handle){slot, k->segments.generations[slot]});
	b->segments[number] = NULL;
	b->segments_left--;
}

void slot_finish(struct kms *k, struct block *b, uint32_t slot)
{
	struct segment *s = segment_of(b, slot);

	if (s == NULL)
		return;
	s->taken |= bit(slot);
	s->done |= bit(slot);
	if (s->done != UINT64_MAX || k->is_loading)
		return;
	segment_erase(k, b, slot / SEGMENT_SLOTS);
	if (b->segments_left > 0 || failed(block_step(&b->state, BLOCK_EXHAUST)))
		return;
	b->has_secrets = false;
	change_block_state(k, b);
}

/* What the crash swallowed. */
void segments_erase_exhausted(struct kms *k)
{
	for (uint32_t i = 0; i < k->segments.limit; i++) {
		const struct segment *s = pool_item(&k->segments, i);
		if (s == NULL || s->done != UINT64_MAX)
			continue;
		struct block *b = pool_item(&k->blocks, s->block_slot);
		slot_finish(k, b, s->number * SEGMENT_SLOTS);
		changes_save(k, ignore, NULL);
		block_settle(k, b);
	}
}

void block_settle(struct kms *k, struct block *b)
{
	if ((b->state == BLOCK_SPENT || b->state == BLOCK_VOID) && b->live_keys == 0)
		block_drop(k, b);
}

/* The rows of its keys need no change: a void block voids them (kms_load() is not even shown them). */
void block_void(struct kms *k, struct block *b)
{
	if (failed(block_step(&b->state, BLOCK_CANCEL)))
		return;
	for (uint32_t i = 0; i < b->segment_count; i++)
		if (b->segments[i] != NULL)
			segment_erase(k, b, i);
	b->has_secrets = false;
	change_block_state(k, b);
	link_note(b->link, b->id, BLOCK_VOID);
	for (uint32_t i = 0; i < k->keys.limit; i++) {
		struct key *key = pool_item(&k->keys, i);
		/* A delivery under way keeps its key; without the segment it will fail at the vault's door. */
		if (key == NULL || key->block != b || failed(key_step(&key->state, KEY_CANCEL)))
			continue;
		if (!key->is_ours && key->uses == 0)
			key_drop(k, key);
	}
}

/* --- keys --- */

static uint32_t *bucket_of(const struct kms *k, const struct kms_key_id *id)
{
	uint32_t hash;

	memcpy(&hash, id->octets, sizeof hash); /* ids are digests: any octets are as good */
	return &k->buckets[hash % BUCKETS];
}

struct key *key_find(const struct kms *k, const struct kms_key_id *id)
{
	for (uint32_t at = *bucket_of(k, id); at != 0;) {
		struct key *key = pool_item(&k->keys, at - 1);
		if (memcmp(&key->id, id, sizeof *id) == 0)
			return key;
		at = key->next_of_bucket;
	}
	return NULL;
}

struct err key_new(struct kms *k, struct block *b, uint32_t slot, struct key **out)
{
	struct kms_key_id id;
	enum direction direction;
	struct pool_handle handle;
	void *item;

	if (!direction_of_slot(b->slots, slot, &direction))
		return ERR(INPUT);
	struct err e = key_id_derive(&id, SPAN_ARRAY(b->id), direction, slot);
	if (!failed(e))
		e = pool_take(&k->keys, &handle, &item);
	if (failed(e))
		return e;
	struct key *key = item;
	*key = (struct key){.handle = handle, .id = id, .block = b, .slot = slot};
	key->is_ours = direction == k->direction;
	key->since_ms = k->now.mono_ms;
	b->live_keys++;
	uint32_t *bucket = bucket_of(k, &id);
	key->next_of_bucket = *bucket;
	*bucket = handle.slot + 1;
	*out = key;
	return OK;
}

void key_drop(struct kms *k, struct key *key)
{
	uint32_t *at = bucket_of(k, &key->id);

	while (*at != key->handle.slot + 1)
		at = &((struct key *)pool_item(&k->keys, *at - 1))->next_of_bucket;
	*at = key->next_of_bucket;
	key->block->live_keys--;
	pool_give(&k->keys, key->handle);
}

void key_finish(struct kms *k, struct key *key)
{
	struct block *b = key->block;
	const uint32_t slot = key->slot;

	key_drop(k, key);
	slot_finish(k, b, slot);
	block_settle(k, b);
}

/* --- SAEs: keys name them by their places in two tables --- */

static void sae_mark_used(const struct kms *k, enum sae_side side, bool used[static KMS_SAES_MAX])
{
	for (uint32_t i = 0; i < k->keys.limit; i++) {
		const struct key *key = pool_item(&k->keys, i);
		if (key == NULL)
			continue;
		if (key->is_ours == (side == SAE_LOCAL))
			used[key->master] = true;
		for (size_t s = 0; s < key->slave_count && key->is_ours == (side == SAE_PEER); s++)
			used[key->slaves[s]] = true;
	}
}

/* Names that no live key needs give their places back. */
static void sae_sweep(struct kms *k, enum sae_side side)
{
	bool used[KMS_SAES_MAX] = {0};

	sae_mark_used(k, side, used);
	for (size_t i = 0; i < KMS_SAES_MAX; i++)
		if (!used[i])
			k->saes[side][i] = (struct kms_name){0};
}

static bool sae_is_allowed(const struct kms *k, enum sae_side side, const struct kms_name *name)
{
	const struct kms_config *c = &k->config;
	const struct kms_name *listed = side == SAE_LOCAL ? c->local_saes : c->peer_saes;
	const size_t count = side == SAE_LOCAL ? c->local_sae_count : c->peer_sae_count;

	for (size_t i = 0; i < count; i++)
		if (kms_name_equal(&listed[i], name))
			return true;
	return count == 0 && name->len > 0;
}

static int sae_place(const struct kms *k, enum sae_side side, const struct kms_name *name)
{
	for (int i = 0; i < KMS_SAES_MAX; i++)
		if (kms_name_equal(&k->saes[side][i], name))
			return i;
	return -1;
}

/* What may stand in an audit record, in a row and in a log as it is; whoever wrote it. */
static bool name_check(const struct kms_name *name)
{
	for (size_t i = 0; i < name->len; i++)
		if (name->text[i] <= ' ' || name->text[i] > '~' || name->text[i] == '"' ||
			name->text[i] == '\\')
			return false;
	return name->len > 0;
}

int sae_find(struct kms *k, enum sae_side side, const struct kms_name *name, bool add)
{
	const struct kms_name nobody = {0};
	if (!name_check(name))
		return -1;
	int at = sae_is_allowed(k, side, name) ? sae_place(k, side, name) : -1;

	if (at >= 0 || !add || !sae_is_allowed(k, side, name))
		return at;
	at = sae_place(k, side, &nobody);
	if (at < 0) {
		sae_sweep(k, side);
		at = sae_place(k, side, &nobody);
	}
	if (at >= 0)
		k->saes[side][at] = *name;
	return at;
}

uint32_t available(const struct kms *k)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < k->blocks.limit; i++) {
		const struct block *b = pool_item(&k->blocks, i);
		if (b != NULL && b->state == BLOCK_READY)
			count += slots_of_direction(b->slots, k->direction).end - b->next;
	}
	return count;
}

/* --- links --- */

struct link *link_find(struct kms *k, const char *name)
{
	for (size_t i = 0; i < k->link_count; i++)
		if (strcmp(k->links[i].name, name) == 0)
			return &k->links[i];
	if (k->link_count == KMS_LINKS_MAX)
		return NULL;
	struct link *link = &k->links[k->link_count++];
	*link = (struct link){0};
	memcpy(link->name, name, strlen(name));
	return link;
}

/* The link asks after its newest blocks when it starts: which were kept, and were they final? */
void link_note(struct link *link, const uint8_t block_id[static PEER_ID], enum block_state state)
{
	size_t at = 0;

	while (at < link->recent_count && memcmp(link->recent[at].id, block_id, PEER_ID) != 0)
		at++;
	if (state == BLOCK_VOID) {
		if (at < link->recent_count) {
			memmove(&link->recent[at], &link->recent[at + 1],
				(link->recent_count - at - 1) * sizeof link->recent[0]);
			link->recent_count--;
		}
		return;
	}
	if (at == link->recent_count) {
		const size_t keep = link->recent_count < QKD_BLOCKS_MAX ? link->recent_count++
									: QKD_BLOCKS_MAX - 1u;
		memmove(&link->recent[1], &link->recent[0], keep * sizeof link->recent[0]);
		at = 0;
		memcpy(link->recent[0].id, block_id, PEER_ID);
	}
	link->recent[at].state = state == BLOCK_PENDING ? QKD_PENDING : QKD_FINAL;
}

/* --- changes --- */

struct kms_change *change_add(struct kms *k, enum kms_change_kind kind)
{
	assert(k->change_count < ARRAY_LEN(k->changes));
	struct kms_change *c = &k->changes[k->change_count++];
	*c = (struct kms_change){.kind = kind};
	return c;
}

void changes_save(struct kms *k, kms_done_fn *done, void *ctx)
{
	const size_t count = k->change_count;

	/* The port may call back at once, and what it calls may gather changes of its own. */
	k->change_count = 0;
	if (count > 0)
		k->ports.save(k->ports.ctx, k->changes, count, done, ctx);
	else
		done(ctx, OK, span_of(NULL, 0));
}

void change_key(struct kms *k, const struct key *key)
{
	struct kms_key_row *row = &change_add(k, KMS_CHANGE_KEY)->key;
	const struct kms_name *masters = k->saes[key->is_ours ? SAE_LOCAL : SAE_PEER];
	const struct kms_name *slaves = k->saes[key->is_ours ? SAE_PEER : SAE_LOCAL];

	row->id = key->id;
	memcpy(row->block_id, key->block->id, PEER_ID);
	row->slot = key->slot;
	row->is_ours = key->is_ours;
	row->state = key->state;
	row->size_bits = key->size_bits;
	row->slave_count = key->slave_count;
	row->waiting = key->waiting;
	if (key->slave_count > 0)
		row->master = masters[key->master];
	for (size_t i = 0; i < key->slave_count; i++)
		row->slaves[i] = slaves[key->slaves[i]];
}

void change_block_state(struct kms *k, const struct block *b)
{
	struct kms_block_row *row = &change_add(k, KMS_CHANGE_BLOCK_STATE)->block;

	memcpy(row->id, b->id, PEER_ID);
	row->state = b->state;
	row->slots = b->slots;
	memcpy(row->exchange_id, b->exchange_id, PEER_ID);
	memcpy(row->transcript, b->transcript, PEER_DIGEST);
	memcpy(row->proof, b->proof, PEER_DIGEST);
	if (b->has_secrets)
		row->secrets = SPAN_ARRAY(b->secrets);
}
