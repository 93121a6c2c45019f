// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inner.h"
#include "base/secret.h"
#include <stdlib.h>

static struct err config_check(const struct kms_config *c, struct complaint *complaint)
{
	if (c->site.len == 0 || c->peer_site.len == 0 || kms_name_equal(&c->site, &c->peer_site))
		return complain(
			complaint, ERR(INPUT), "the two sites need names, and different ones");
	if (c->key_bits < KMS_KEY_BITS_LEAST || c->key_bits > SLOT_BITS || c->key_bits % 8 != 0)
		return complain(complaint, ERR(INPUT), "key_bits is a multiple of 8 from %d to %d",
			KMS_KEY_BITS_LEAST, SLOT_BITS);
	return OK;
}

static struct err pools_open(struct kms *k)
{
	const struct {
		struct pool *pool;
		uint32_t limit;
		size_t octets;
	} rows[] = {
		{&k->blocks, KMS_BLOCKS_MAX, sizeof(struct block)},
		{&k->segments, KMS_SEGMENTS_MAX, sizeof(struct segment)},
		{&k->keys, KMS_LIVE_KEYS_MAX, sizeof(struct key)},
		{&k->orders, KMS_ORDERS_MAX, sizeof(struct order)},
		{&k->agreements, KMS_AGREEMENTS_MAX, sizeof(struct agreement)},
		{&k->errands, 4 * KMS_LINKS_MAX, sizeof(struct errand)},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct err e = pool_open(rows[i].pool, rows[i].limit, rows[i].octets);
		if (failed(e))
			return e;
	}
	k->buckets = calloc(2 * KMS_LIVE_KEYS_MAX, sizeof *k->buckets);
	return k->buckets == NULL ? ERR(LIMIT) : OK;
}

struct err kms_open(struct kms **out, const struct kms_config *config,
	const struct kms_ports *ports, struct complaint *c)
{
	struct err e = config_check(config, c);
	struct kms *k = failed(e) ? NULL : calloc(1, sizeof *k);

	*out = NULL;
	if (failed(e))
		return e;
	if (k == NULL)
		return complain(c, ERR(LIMIT), "no memory for the key store");
	k->config = *config;
	k->ports = *ports;
	k->direction = direction_of_site(&config->site, &config->peer_site);
	k->is_loading = true;
	e = pools_open(k);
	if (failed(e)) {
		kms_close(k);
		return complain(c, e, "no memory for the key store's pools");
	}
	*out = k;
	return OK;
}

void kms_close(struct kms *k)
{
	pool_close(&k->blocks);
	pool_close(&k->segments);
	pool_close(&k->keys);
	pool_close(&k->orders);
	pool_close(&k->agreements);
	pool_close(&k->errands);
	free(k->buckets);
	secret_wipe(k, sizeof *k);
	free(k);
}

/* --- rows at start --- */

static struct err load_link(struct kms *k, const struct kms_link_row *row)
{
	struct link *link = strlen(row->link) > QKD_LINK_MAX ? NULL : link_find(k, row->link);

	if (link == NULL || row->state.len > sizeof link->state)
		return ERR(LIMIT);
	link->marks = row->marks;
	link->state_len = row->state.len;
	if (row->state.len > 0)
		memcpy(link->state, row->state.at, row->state.len);
	return OK;
}

static struct err load_block(struct kms *k, const struct kms_block_row *row)
{
	struct link *link = link_find(k, row->link);
	struct block *b;

	if (link == NULL)
		return ERR(LIMIT);
	link_note(link, row->id, row->state);
	if (row->state == BLOCK_SPENT || row->state == BLOCK_VOID)
		return OK;
	const struct err e = block_new(k, row->id, link, row->slots, &b);
	if (failed(e))
		return e;
	b->state = row->state;
	memcpy(b->exchange_id, row->exchange_id, PEER_ID);
	memcpy(b->transcript, row->transcript, PEER_DIGEST);
	memcpy(b->proof, row->proof, PEER_DIGEST);
	b->has_secrets = row->secrets.len == sizeof b->secrets;
	if (b->has_secrets)
		memcpy(b->secrets, row->secrets.at, sizeof b->secrets);
	return OK;
}

/* As many indexes as names are still configured. */
static void load_slaves(struct kms *k, struct key *key, const struct kms_key_row *row)
{
	const enum sae_side side = row->is_ours ? SAE_PEER : SAE_LOCAL;

	for (size_t i = 0; i < row->slave_count; i++) {
		const int at = sae_find(k, side, &row->slaves[i], true);
		if (at < 0)
			continue;
		if ((row->waiting >> i & 1) != 0)
			key->waiting = (uint8_t)(key->waiting | 1u << key->slave_count);
		key->slaves[key->slave_count++] = (uint8_t)at;
	}
}

static struct err load_key(struct kms *k, const struct kms_key_row *row)
{
	struct block *b = block_find(k, row->block_id);
	enum direction direction;
	struct key *key;

	if (b == NULL)
		return OK; /* its block is spent or void */
	if (!direction_of_slot(b->slots, row->slot, &direction))
		return ERR(INPUT);
	if (row->is_ours && row->slot >= b->next)
		b->next = row->slot + 1;
	if (row->state != KEY_RESERVED && row->state != KEY_CONFIRMED) {
		slot_finish(k, b, row->slot);
		return OK;
	}
	const struct err e = key_new(k, b, row->slot, &key);
	if (failed(e))
		return e;
	if (segment_of(b, row->slot) != NULL)
		slot_take(b, row->slot);
	key->state = row->state;
	key->size_bits = (uint16_t)row->size_bits;
	const int master = sae_find(k, row->is_ours ? SAE_LOCAL : SAE_PEER, &row->master, true);
	key->master = (uint8_t)(master < 0 ? 0 : master);
	if (master >= 0)
		load_slaves(k, key, row);
	return OK;
}

static struct err load_segment(struct kms *k, const struct kms_segment_row *row)
{
	struct block *b = block_find(k, row->block_id);

	if (b == NULL)
		return OK;
	const struct err e = segment_put(k, b, row->number, row->wrapped, row->sealed);
	if (!failed(e) && row->number == 0 && b->state == BLOCK_READY)
		slot_finish(k, b, 0);
	return e;
}

struct err kms_load(struct kms *k, const struct kms_change *row)
{
	switch (row->kind) {
	case KMS_CHANGE_LINK:
		return load_link(k, &row->link);
	case KMS_CHANGE_BLOCK:
		return load_block(k, &row->block);
	case KMS_CHANGE_SEGMENT:
		return load_segment(k, &row->segment);
	case KMS_CHANGE_KEY:
		return load_key(k, &row->key);
	case KMS_CHANGE_BLOCK_STATE:
	case KMS_CHANGE_SEGMENT_ERASE:
		break;
	}
	return ERR(BUG);
}

void kms_start(struct kms *k, struct moment now)
{
	k->now = now;
	k->is_loading = false;
	segments_erase_exhausted(k);
	/* The clock that counts how long a key waits for its slave may have started anew. */
	for (uint32_t i = 0; i < k->keys.limit; i++) {
		struct key *key = pool_item(&k->keys, i);
		if (key != NULL)
			key->since_ms = now.mono_ms;
	}
	issue_void_uncertain(k);
}

/* --- requests --- */

static const struct {
	uint16_t type;
	void (*serve)(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
} services[] = {
	{KMS_STATUS, issue_status},
	{KMS_ENC_KEYS, issue_enc},
	{KMS_DEC_KEYS, issue_dec},
	{PEER_EXCHANGE, agree_answer},
	{PEER_CONFIRM, agree_confirm},
	{PEER_OFFER, peer_accept},
	{PEER_VOID, peer_void},
	{PEER_RECONCILE, peer_reconcile},
};

void kms_request(struct kms *k, uint16_t type, struct span body, struct moment now,
	kms_done_fn *answer, void *answer_ctx)
{
	k->now = now;
	if ((type & 0xff00) == IPC_BLOCK_QKD) {
		intake_request(k, type, body, answer, answer_ctx);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (services[i].type == type) {
			services[i].serve(k, body, answer, answer_ctx);
			return;
		}
	answer(answer_ctx, ERR(INPUT), span_of(NULL, 0));
}

void kms_peer_link(struct kms *k, bool is_up, struct moment now)
{
	k->now = now;
	k->is_peer_up = is_up;
	k->is_synchronised = false;
	k->sync_generation++;
	k->sync_after = 0;
	k->sync_retry_ms = 0;
	if (is_up)
		kms_tick(k, now);
}

void kms_delivery(struct kms *k, bool is_possible)
{
	k->is_delivery_possible = is_possible;
}

void kms_tick(struct kms *k, struct moment now)
{
	k->now = now;
	if (k->is_peer_up && !k->is_synchronised && now.mono_ms >= k->sync_retry_ms)
		peer_synchronise(k);
	issue_tick(k);
	agree_tick(k);
}

void kms_summarise(const struct kms *k, struct kms_summary *summary)
{
	*summary = k->counters;
	summary->available = available(k);
	summary->capacity = KMS_SEGMENTS_MAX * SEGMENT_SLOTS / 2;
	summary->live_keys = k->keys.in_use;
	summary->is_peer_up = k->is_peer_up;
	summary->is_synchronised = k->is_synchronised;
	for (uint32_t i = 0; i < k->blocks.limit; i++) {
		const struct block *b = pool_item(&k->blocks, i);
		if (b == NULL)
			continue;
		summary->blocks_pending += b->state == BLOCK_PENDING;
		summary->blocks_final += b->state == BLOCK_FINAL;
		summary->blocks_agreed += b->state == BLOCK_AGREED;
		summary->blocks_ready += b->state == BLOCK_READY;
	}
	for (uint32_t i = 0; i < k->orders.limit; i++) {
		const struct order *o = pool_item(&k->orders, i);
		if (o != NULL && (o->phase == ORDER_VOIDING || o->phase == ORDER_VOID_WAITING))
			summary->voiding += (uint32_t)o->count;
	}
}
