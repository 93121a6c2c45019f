// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inner.h"
#include "base/secret.h"
#include <stdio.h>

enum { AUDIT_KEYS_MAX = 64 };

/*
 * Orders: requests for keys on their way through reserve, offer, deliver. Reads from top to bottom; each function is
 * what happens when the one before it is durable, or answered.
 */

static void order_deliver(struct order *o);
static void order_offer(struct order *o);

static void order_answer(struct order *o, struct err e, struct span body)
{
	kms_done_fn *answer = o->answer;

	o->answer = NULL;
	if (answer == NULL)
		return;
	if (failed(e))
		o->k->counters.refused++;
	answer(o->answer_ctx, e, body);
}

static struct err order_new(struct kms *k, kms_done_fn *answer, void *ctx, struct order **out)
{
	struct pool_handle handle;
	void *item;

	const struct err e = pool_take(&k->orders, &handle, &item);
	if (failed(e))
		return e;
	struct order *o = item;
	*o = (struct order){.handle = handle, .k = k, .answer = answer, .answer_ctx = ctx};
	o->deadline_ms = k->now.mono_ms + k->config.offer_ms_max;
	*out = o;
	return OK;
}

/* Its keys have gone their way: nothing of them can be given any more. */
static void order_finish(struct order *o)
{
	struct kms *k = o->k;

	for (size_t i = 0; i < o->count; i++) {
		struct key *key = o->keys[i];
		if (!o->is_enc)
			key->uses--;
		/* Other slaves may still collect theirs. */
		if (key->uses == 0 && key->state != KEY_CONFIRMED)
			key_finish(k, key);
	}
	pool_give(&k->orders, o->handle);
	changes_save(k, ignore, NULL);
}

/* --- void at both ends --- */

static void void_saved(void *ctx, struct err e, struct span body)
{
	(void)body;
	if (!failed(e))
		order_finish(ctx);
}

static void void_told(void *ctx, struct err e, struct span body)
{
	struct order *o = ctx;

	(void)body;
	if (failed(e)) {
		o->phase = ORDER_VOID_WAITING;
		o->retry_at_ms = o->k->now.mono_ms + o->k->config.retry_ms;
		return;
	}
	/* Only now: until here the row says RESERVED, so that a crash makes us tell it again. */
	for (size_t i = 0; i < o->count; i++)
		change_key(o->k, o->keys[i]);
	o->k->counters.voided += o->count;
	changes_save(o->k, void_saved, o);
}

static void order_tell_void(struct order *o)
{
	struct peer_void m = {.count = o->count};
	struct writer w = writer_of(SPAN_MUT_ARRAY(o->k->scratch));

	for (size_t i = 0; i < o->count; i++) {
		memcpy(m.keys[i].block_id, o->keys[i]->block->id, PEER_ID);
		m.keys[i].slot = o->keys[i]->slot;
	}
	peer_void_encode(&w, &m);
	o->phase = ORDER_VOIDING;
	o->k->ports.peer(o->k->ports.ctx, PEER_VOID, writer_span_done(&w), void_told, o);
}

static void order_void(struct order *o, struct err why)
{
	for (size_t i = 0; i < o->count; i++)
		(void)key_step(&o->keys[i]->state, KEY_CANCEL)
			.kind; /* void already: its block is */
	order_answer(o, why, span_of(NULL, 0));
	o->phase = ORDER_VOID_WAITING;
	o->retry_at_ms = 0;
	if (o->k->is_peer_up)
		order_tell_void(o);
}

/* All keys take the step, or the order is void. */
static bool order_step(struct order *o, enum key_event event)
{
	for (size_t i = 0; i < o->count; i++)
		if (failed(key_step(&o->keys[i]->state, event))) {
			order_void(o, ERR(STATE));
			return false;
		}
	return true;
}

/* --- delivery --- */

static void order_combined(void *ctx, struct err e, struct span body)
{
	struct order *o = ctx;

	if (!failed(e) && o->is_enc)
		o->k->counters.issued += o->count;
	else if (!failed(e))
		o->k->counters.collected += o->count;
	order_answer(o, e, body);
	order_finish(o);
}

static bool run_write(struct writer *w, const struct order *o, size_t from, size_t *to)
{
	const struct key *first = o->keys[from];
	const struct block *b = first->block;
	const struct segment *s = segment_of(b, first->slot);
	struct kvault_run run = {
		.segment = {.slots = b->slots, .number = first->slot / SEGMENT_SLOTS},
		.secrets = SPAN_ARRAY(b->secrets)};

	if (s == NULL || !b->has_secrets)
		return false; /* the block became void meanwhile */
	memcpy(run.segment.block_id, b->id, PEER_ID);
	memcpy(run.exchange_id, b->exchange_id, PEER_ID);
	run.segment.wrapped = SPAN_ARRAY(s->wrapped);
	run.segment.sealed = span_of(s->sealed, s->sealed_len);
	for (*to = from; *to < o->count; ++*to) {
		const struct key *key = o->keys[*to];
		if (key->block != b || segment_of(b, key->slot) != s)
			break;
		run.keys[run.count].slot = key->slot;
		run.keys[run.count++].size_bits = key->size_bits;
	}
	kvault_run_write(w, &run);
	return true;
}

static void order_combine(struct order *o)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(o->k->scratch));

	for (size_t at = 0; at < o->count;)
		if (!run_write(&w, o, at, &at)) {
			order_combined(o, ERR(STATE), span_of(NULL, 0));
			return;
		}
	if (w.is_full)
		order_combined(o, ERR(LIMIT), span_of(NULL, 0));
	else
		o->k->ports.vault(
			o->k->ports.ctx, KVAULT_COMBINE, writer_span_done(&w), order_combined, o);
}

/* Comes once for the rows, and once for each audit record. */
static void order_durable(void *ctx, struct err e, struct span body)
{
	struct order *o = ctx;

	(void)body;
	if (failed(e))
		o->durable_err = e;
	if (--o->durable_waits > 0)
		return;
	if (failed(o->durable_err))
		order_combined(o, o->durable_err, span_of(NULL, 0)); /* burnt */
	else
		order_combine(o);
}

/* Names of SAEs hold no quote, backslash or control character: sae_find(). */
static struct span audit_text(struct span_mut out, const struct order *o, size_t from, size_t to)
{
	const struct kms_config *c = &o->k->config;
	const struct key *first = o->keys[0];
	const char *master = o->k->saes[o->is_enc ? SAE_LOCAL : SAE_PEER][first->master].text;
	size_t len = (size_t)snprintf((char *)out.at, out.len,
		"{\"event\":\"keys_%s\",\"site\":\"%s\",\"peer\":\"%s\",\"sae\":\"%s\",\"master\":"
		"\"%s\","
		"\"size\":%u,\"keys\":[",
		o->is_enc ? "issued" : "collected", c->site.text, c->peer_site.text,
		o->k->saes[SAE_LOCAL][o->sae].text, master, (unsigned)first->size_bits);

	for (size_t i = from; i < to; i++) {
		char hex[2 * KMS_KEY_ID_OCTETS + 1];
		hex_from_span(hex, SPAN_ARRAY(o->keys[i]->id.octets));
		len += (size_t)snprintf(
			(char *)out.at + len, out.len - len, "%s\"%s\"", i == from ? "" : ",", hex);
	}
	len += (size_t)snprintf((char *)out.at + len, out.len - len, "]}");
	return span_of(out.at, len);
}

/* The keys' rows and the audit record; then the octets. */
static void order_deliver(struct order *o)
{
	struct kms *k = o->k;
	char audit[4096]; /* one event of the audit log is no longer */

	o->phase = ORDER_DELIVERING;
	o->durable_waits = (uint8_t)(1 + (o->count + AUDIT_KEYS_MAX - 1) / AUDIT_KEYS_MAX);
	for (size_t i = 0; i < o->count; i++)
		change_key(k, o->keys[i]);
	const size_t count =
		o->count; /* the last callback, which may come at once, ends the order */
	changes_save(k, order_durable, o);
	for (size_t from = 0; from < count; from += AUDIT_KEYS_MAX) {
		const size_t to = from + AUDIT_KEYS_MAX < count ? from + AUDIT_KEYS_MAX : count;
		const struct span json = audit_text(SPAN_MUT_ARRAY(audit), o, from, to);
		k->ports.audit(k->ports.ctx, json, order_durable, o);
	}
}

/* --- offer --- */

static void order_offered(void *ctx, struct err e, struct span body)
{
	struct order *o = ctx;
	const bool is_uncertain = e.kind == ERR_TIMEOUT || e.kind == ERR_IO;

	(void)body;
	if (is_uncertain && o->k->now.mono_ms < o->deadline_ms) {
		o->phase = ORDER_WAITING;
		o->retry_at_ms = o->k->now.mono_ms + o->k->config.retry_ms;
	} else if (failed(e)) {
		order_void(o, is_uncertain ? ERR(TIMEOUT) : ERR(STATE));
	} else if (order_step(o, KEY_CONFIRM) && order_step(o, KEY_DELIVER)) {
		order_deliver(o);
	}
}

static void order_offer(struct order *o)
{
	struct kms *k = o->k;
	struct writer w = writer_of(SPAN_MUT_ARRAY(k->scratch));
	const struct key *first = o->keys[0];
	struct peer_offer m = {.master = k->saes[SAE_LOCAL][first->master],
		.slave_count = first->slave_count,
		.size_bits = first->size_bits,
		.count = o->count};

	if (!order_step(o, KEY_OFFER))
		return;
	for (size_t i = 0; i < first->slave_count; i++)
		m.slaves[i] = k->saes[SAE_PEER][first->slaves[i]];
	for (size_t i = 0; i < o->count; i++) {
		memcpy(m.keys[i].block_id, o->keys[i]->block->id, PEER_ID);
		m.keys[i].slot = o->keys[i]->slot;
	}
	peer_offer_encode(&w, &m);
	o->phase = ORDER_OFFERING;
	k->ports.peer(k->ports.ctx, PEER_OFFER, writer_span_done(&w), order_offered, o);
}

static void order_reserved(void *ctx, struct err e, struct span body)
{
	(void)body;
	if (failed(e))
		order_void(ctx, e);
	else
		order_offer(ctx);
}

/* --- enc_keys --- */

/* The oldest block that has a slot left in our half. */
static struct block *block_to_issue(struct kms *k)
{
	struct block *oldest = NULL;

	for (uint32_t i = 0; i < k->blocks.limit; i++) {
		struct block *b = pool_item(&k->blocks, i);
		if (b != NULL && b->state == BLOCK_READY &&
			b->next < slots_of_direction(b->slots, k->direction).end &&
			(oldest == NULL || b->order < oldest->order))
			oldest = b;
	}
	return oldest;
}

/* The places of the slaves; ERR_INPUT for one unknown, named twice, or the master itself. */
static struct err slaves_find(
	struct kms *k, const struct kms_enc_request *m, uint8_t slaves[static KMS_SLAVES_MAX])
{
	for (size_t i = 0; i < m->slave_count; i++) {
		const int at = sae_find(k, SAE_PEER, &m->slaves[i], true);
		if (at < 0 || kms_name_equal(&m->slaves[i], &m->master))
			return ERR(INPUT);
		for (size_t j = 0; j < i; j++)
			if (slaves[j] == at)
				return ERR(INPUT);
		slaves[i] = (uint8_t)at;
	}
	return OK;
}

/* Room for the whole request, so that none is left half done. */
static struct err room_check(const struct kms *k, uint32_t number)
{
	if (!k->is_peer_up || !k->is_synchronised || !k->is_delivery_possible)
		return ERR(TIMEOUT);
	if (available(k) < number || k->keys.limit - k->keys.in_use < number)
		return ERR(LIMIT);
	return OK;
}

static struct err keys_reserve(struct kms *k, struct order *o, const struct kms_enc_request *m,
	uint8_t master, const uint8_t slaves[static KMS_SLAVES_MAX])
{
	for (o->count = 0; o->count < m->number; o->count++) {
		struct block *b = block_to_issue(k);
		struct key *key;
		const struct err e = b == NULL ? ERR(LIMIT) : key_new(k, b, b->next, &key);
		if (failed(e))
			return e;
		slot_take(b, b->next++);
		key->master = master;
		key->slave_count = (uint8_t)m->slave_count;
		memcpy(key->slaves, slaves, sizeof key->slaves);
		key->size_bits = (uint16_t)m->size_bits;
		o->keys[o->count] = key;
	}
	return OK;
}

static struct err enc_start(
	struct kms *k, struct kms_enc_request *m, kms_done_fn *answer, void *ctx)
{
	uint8_t slaves[KMS_SLAVES_MAX] = {0};
	struct order *o;
	const int master = sae_find(k, SAE_LOCAL, &m->master, true);

	if (master < 0)
		return ERR(AUTH);
	if (m->size_bits == 0)
		m->size_bits = k->config.key_bits;
	if (m->size_bits < KMS_KEY_BITS_LEAST || m->size_bits > SLOT_BITS)
		return ERR(INPUT);
	struct err e = slaves_find(k, m, slaves);
	if (!failed(e))
		e = room_check(k, m->number);
	if (!failed(e))
		e = order_new(k, answer, ctx, &o);
	if (failed(e))
		return e;
	o->is_enc = true;
	o->sae = (uint8_t)master;
	e = keys_reserve(k, o, m, (uint8_t)master, slaves);
	if (failed(e) && o->count == 0) {
		pool_give(&k->orders, o->handle);
		return e;
	}
	/* From here on the order answers itself. */
	if (failed(e) || !order_step(o, KEY_RESERVE)) {
		order_void(o, failed(e) ? e : ERR(BUG));
		return OK;
	}
	for (size_t i = 0; i < o->count; i++)
		change_key(k, o->keys[i]);
	o->phase = ORDER_SAVING;
	changes_save(k, order_reserved, o);
	return OK;
}

void issue_enc(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	struct kms_enc_request m;
	struct wire_fault fault = {0};

	struct err e = kms_enc_request_decode(&m, body, &fault);
	if (!failed(e))
		e = enc_start(k, &m, answer, ctx);
	if (failed(e)) {
		k->counters.refused++;
		answer(ctx, e, span_of(NULL, 0));
	}
}

/* --- dec_keys --- */

static int slave_at(const struct key *key, int sae)
{
	for (int i = 0; i < key->slave_count; i++)
		if (key->slaves[i] == sae)
			return i;
	return -1;
}

/*
 * Finds all keys, or says why not. Whether the caller may have them comes first: 401 goes before
 * 400 [ETSI GS QKD 014 Table 7].
 */
static struct err keys_collectable(
	struct kms *k, struct order *o, const struct kms_dec_request *m, int master, int caller)
{
	bool is_absent = false;

	for (size_t i = 0; i < m->count; i++) {
		struct key *key = key_find(k, &m->ids[i]);
		if (key == NULL || key->is_ours || key->state != KEY_CONFIRMED) {
			is_absent = true;
			continue;
		}
		const int slave = slave_at(key, caller);
		if (key->master != master || slave < 0)
			return ERR(AUTH);
		is_absent |= (key->waiting >> slave & 1) == 0;
		for (size_t j = 0; j < o->count; j++)
			is_absent |= o->keys[j] == key; /* twice in one request */
		o->keys[o->count++] = key;
	}
	return is_absent ? ERR(ABSENT) : OK;
}

static void keys_collect(struct order *o, int caller)
{
	for (size_t i = 0; i < o->count; i++) {
		struct key *key = o->keys[i];
		key->waiting = (uint8_t)(key->waiting & ~(1u << slave_at(key, caller)));
		key->uses++;
		if (key->waiting == 0)
			(void)key_step(&key->state, KEY_DELIVER).kind; /* CONFIRMED, as just seen */
	}
}

static struct err dec_start(
	struct kms *k, const struct kms_dec_request *m, kms_done_fn *answer, void *ctx)
{
	const int caller = sae_find(k, SAE_LOCAL, &m->caller, false);
	const int master = sae_find(k, SAE_PEER, &m->master, false);
	struct order *o;

	struct err e = k->is_delivery_possible ? order_new(k, answer, ctx, &o) : ERR(TIMEOUT);
	if (failed(e))
		return e;
	o->sae = (uint8_t)caller;
	e = keys_collectable(k, o, m, master, caller);
	if (failed(e)) {
		pool_give(&k->orders, o->handle);
		return e;
	}
	keys_collect(o, caller);
	order_deliver(o);
	return OK;
}

void issue_dec(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	struct kms_dec_request m;
	struct wire_fault fault = {0};

	struct err e = kms_dec_request_decode(&m, body, &fault);
	if (!failed(e))
		e = dec_start(k, &m, answer, ctx);
	if (failed(e)) {
		k->counters.refused++;
		answer(ctx, e, span_of(NULL, 0));
	}
}

/* --- status --- */

void issue_status(struct kms *k, struct span body, kms_done_fn *answer, void *ctx)
{
	const struct kms_config *c = &k->config;
	struct kms_status_request m;
	struct wire_fault fault = {0};
	uint8_t out[1024];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	struct err e = kms_status_request_decode(&m, body, &fault);
	if (!failed(e) && sae_find(k, SAE_LOCAL, &m.caller, true) < 0)
		e = ERR(AUTH);
	if (!failed(e) &&
		(kms_name_equal(&m.caller, &m.slave) || sae_find(k, SAE_PEER, &m.slave, true) < 0))
		e = ERR(INPUT);
	if (!failed(e)) {
		const struct kms_status_answer status = {
			.source_kme = c->kme_id.len > 0 ? c->kme_id : c->site,
			.target_kme = c->peer_kme_id.len > 0 ? c->peer_kme_id : c->peer_site,
			.master = m.caller,
			.slave = m.slave,
			.key_size_bits = c->key_bits,
			.stored_key_count = available(k),
			.max_key_count = KMS_SEGMENTS_MAX * SEGMENT_SLOTS / 2,
			.max_key_per_request = KMS_KEYS_MAX,
			.max_key_size_bits = SLOT_BITS,
			.min_key_size_bits = KMS_KEY_BITS_LEAST,
			.max_sae_id_count = KMS_SLAVES_MAX - 1};
		kms_status_answer_encode(&w, &status);
	}
	answer(ctx, e, failed(e) ? span_of(NULL, 0) : writer_span_done(&w));
}

/* --- time --- */

static void order_tick(struct order *o)
{
	const struct kms *k = o->k;
	const uint64_t now = k->now.mono_ms;

	if (o->phase == ORDER_WAITING && now >= o->deadline_ms)
		order_void(o, ERR(TIMEOUT));
	else if (o->phase == ORDER_WAITING && now >= o->retry_at_ms && k->is_peer_up)
		order_offer(o);
	else if (o->phase == ORDER_VOID_WAITING && now >= o->retry_at_ms && k->is_peer_up)
		order_tell_void(o);
}

/* A key that nobody collects would keep its block from being erased. */
static void keys_expire(struct kms *k)
{
	size_t expired = 0;

	if (k->config.collect_ms_max == 0 || k->now.mono_ms < k->expiry_ms)
		return;
	k->expiry_ms = k->now.mono_ms + 1000;
	for (uint32_t i = 0; i < k->keys.limit && expired < KMS_KEYS_MAX / 2; i++) {
		struct key *key = pool_item(&k->keys, i);
		if (key == NULL || key->is_ours || key->uses > 0 || key->state != KEY_CONFIRMED ||
			k->now.mono_ms - key->since_ms < k->config.collect_ms_max)
			continue;
		(void)key_step(&key->state, KEY_CANCEL).kind; /* CONFIRMED, as just seen */
		change_key(k, key);
		key_finish(k, key);
		k->counters.voided++;
		expired++;
	}
	changes_save(k, ignore, NULL);
}

void issue_tick(struct kms *k)
{
	for (uint32_t i = 0; i < k->orders.limit && k->orders.in_use > 0; i++) {
		struct order *o = pool_item(&k->orders, i);
		if (o != NULL)
			order_tick(o);
	}
	keys_expire(k);
}

void issue_void_uncertain(struct kms *k)
{
	struct order *o = NULL;

	for (uint32_t i = 0; i < k->keys.limit; i++) {
		struct key *key = pool_item(&k->keys, i);
		if (key == NULL || !key->is_ours)
			continue;
		if (o == NULL && failed(order_new(k, NULL, NULL, &o)))
			return; /* cannot be: KMS_LIVE_KEYS_MAX keys need fewer orders than there are */
		o->is_enc = true;
		o->keys[o->count++] = key;
		if (o->count == KMS_KEYS_MAX) {
			order_void(o, OK);
			o = NULL;
		}
	}
	if (o != NULL)
		order_void(o, OK);
}
