// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The operator's questions: ("trace", KEY_ID) leads from a key to its quantum block and its exchange, ("list", "")
 * shows the stock and the newest keys, ("blocks", "COUNT LINK") the newest blocks with their links' reports. Identifiers and reports alone: nothing secret is in these rows.
 */
#include "kms_store.h"
#include "codec/qkd014.h"
#include <stdlib.h>

enum { ANSWER_MAX = 48 << 10, BLOCKS_MAX = 256, BLOCK_JSON_MAX = 2 << 10 };

void store_summary_write(struct json_writer *json, const struct kms_summary *s)
{
	json_u64(json, "available", s->available);
	json_u64(json, "live_keys", s->live_keys);
	json_u64(json, "voiding", s->voiding);
	json_u64(json, "blocks_pending", s->blocks_pending);
	json_u64(json, "blocks_final", s->blocks_final);
	json_u64(json, "blocks_agreed", s->blocks_agreed);
	json_u64(json, "blocks_ready", s->blocks_ready);
	json_u64(json, "issued", s->issued);
	json_u64(json, "collected", s->collected);
	json_u64(json, "voided", s->voided);
	json_u64(json, "refused", s->refused);
	json_u64(json, "exchanges", s->exchanges);
	json_bool(json, "peer_up", s->is_peer_up);
	json_bool(json, "synchronised", s->is_synchronised);
}

/* To whom at this site it was given: the master its own, a slave the other site's. */
static void delivered_write(struct json_writer *json, const struct rows_key *key)
{
	const char *names = key->is_ours ? key->master : key->slaves;
	const bool is_done = key->state == KEY_DELIVERED || key->state == KEY_ERASED;
	char name[KMS_SAE_MAX + 1];

	json_open(json, "delivered_to", '[');
	for (unsigned i = 0; *names != '\0'; i++) {
		const size_t len = strcspn(names, "\n");
		const bool is_given = key->is_ours ? is_done : (key->waiting >> i & 1) == 0;
		if (is_given && len < sizeof name && key->state != KEY_VOID) {
			memcpy(name, names, len);
			name[len] = '\0';
			json_text(json, NULL, name);
		}
		names += len + (names[len] == '\n');
	}
	json_close(json, ']');
}

/* The members of the link's report, without its braces. */
static struct span report_members(const char *report)
{
	const size_t len = strlen(report);

	return len > 2 && report[0] == '{' && report[len - 1] == '}' ? span_of(report + 1, len - 2)
								     : span_of(NULL, 0);
}

static void key_write(struct json_writer *json, const struct rows_key *key)
{
	char uuid[37];
	const struct span members = report_members(key->report);

	qkd014_uuid_write(uuid, &key->id);
	json_text(json, "key_id", uuid);
	json_text(json, "state", key_state_word(key->state));
	json_text(json, "issued_by", key->is_ours ? "this site" : "the other site");
	json_u64(json, "size", key->size_bits);
	json_u64(json, "slot", key->slot);
	json_open(json, "qkd", '{');
	json_text(json, "link", key->link);
	json_hex(json, "block_id", SPAN_ARRAY(key->block_id));
	if (members.len > 0)
		json_raw(json, members);
	json_close(json, '}');
	json_open(json, "mlkem", '{');
	json_hex(json, "exchange_id", SPAN_ARRAY(key->exchange_id));
	json_hex(json, "transcript_sha256", SPAN_ARRAY(key->transcript));
	json_close(json, '}');
	json_open(json, "sources", '[');
	json_text(json, NULL, "qkd");
	json_text(json, NULL, "ml-kem-768");
	json_text(json, NULL, "x25519");
	json_close(json, ']');
	json_text(json, "master", key->master);
	delivered_write(json, key);
}

static void query_fail(struct process_query *q, struct err e, const char *why)
{
	process_query_answer(q, e, span_str(why));
}

static void traced(void *ctx, struct err e, const struct store_result *result)
{
	uint8_t out[8192];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(out));
	struct rows_key key;

	if (failed(e) || store_result_rows(result, 0) == 0) {
		query_fail(ctx, failed(e) ? e : ERR(ABSENT), "no such key");
		return;
	}
	rows_key_read(store_result_row(result, 0, 0), &key);
	json_open(&json, NULL, '{');
	key_write(&json, &key);
	json_close(&json, '}');
	process_query_answer(ctx, json.is_full ? ERR(LIMIT) : OK, span_of(json.at, json.len));
}

struct listing {
	struct kms_store *store;
	struct process_query *query;
};

static void recent_write(struct json_writer *json, const struct rows_key *key)
{
	char uuid[37];

	qkd014_uuid_write(uuid, &key->id);
	json_open(json, NULL, '{');
	json_text(json, "key_id", uuid);
	json_text(json, "state", key_state_word(key->state));
	json_hex(json, "block_id", SPAN_ARRAY(key->block_id));
	json_text(json, "master", key->master);
	delivered_write(json, key);
	json_close(json, '}');
}

static struct listing listings[PROCESS_QUERIES_MAX];

static void listed(void *ctx, struct err e, const struct store_result *result)
{
	struct listing *l = ctx;
	static uint8_t out[ANSWER_MAX];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(out));
	struct process_query *q = l->query;
	struct kms_summary s;

	l->query = NULL;
	if (failed(e)) {
		query_fail(q, e, "the database does not answer");
		return;
	}
	kms_summarise(l->store->kms, &s);
	json_open(&json, NULL, '{');
	json_text(&json, "site", l->store->options.site);
	json_text(&json, "peer_site", l->store->options.peer_site);
	store_summary_write(&json, &s);
	json_open(&json, "keys", '[');
	for (size_t i = 0; i < store_result_rows(result, 0); i++) {
		struct rows_key key;
		rows_key_read(store_result_row(result, 0, i), &key);
		recent_write(&json, &key);
	}
	json_close(&json, ']');
	json_close(&json, '}');
	process_query_answer(q, json.is_full ? ERR(LIMIT) : OK, span_of(json.at, json.len));
}

static struct listing *listing_new(struct kms_store *s, struct process_query *q)
{
	for (size_t i = 0; i < ARRAY_LEN(listings); i++)
		if (listings[i].query == NULL) {
			listings[i] = (struct listing){s, q};
			return &listings[i];
		}
	return NULL;
}

/* ---- blocks ---- */

static void block_write(struct json_writer *json, const struct rows_block *block)
{
	const struct span members = report_members(block->report);

	json_open(json, NULL, '{');
	json_i64(json, "unix_ms", block->unix_ms);
	json_text(json, "state", block_state_word(block->state));
	if (members.len > 0) {
		json_raw(json, members);
	} else { /* a link that reports nothing */
		json_text(json, "link", block->link);
		json_hex(json, "block_id", SPAN_ARRAY(block->id));
	}
	json_close(json, '}');
}

static void blocks_listed(void *ctx, struct err e, const struct store_result *result)
{
	static uint8_t out[BLOCKS_MAX * BLOCK_JSON_MAX];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(out));

	if (failed(e)) {
		query_fail(ctx, e, "the database does not answer");
		return;
	}
	json_open(&json, NULL, '[');
	for (size_t i = 0; i < store_result_rows(result, 0); i++) {
		struct rows_block block;
		rows_block_read(store_result_row(result, 0, i), &block);
		block_write(&json, &block);
	}
	json_close(&json, ']');
	process_query_answer(ctx, json.is_full ? ERR(LIMIT) : OK, json_done(&json));
}

static void blocks_query(struct kms_store *s, const char *argument, struct process_query *q)
{
	char *link;
	const unsigned long count = strtoul(argument, &link, 10);
	struct err e = ERR(INPUT);

	if (count == 0 || count > BLOCKS_MAX || *link != ' ')
		query_fail(q, e, "blocks: COUNT LINK, at most 256");
	else if (failed(e = store_submit(s->store, rows_blocks_query(link + 1, (uint32_t)count),
				blocks_listed, q)))
		query_fail(q, e, "the database is busy");
}

void store_query(
	struct kms_store *s, const char *verb, const char *argument, struct process_query *q)
{
	struct kms_key_id id;
	struct listing *l;
	struct err e = ERR(INPUT);

	if (strcmp(verb, "trace") == 0) {
		if (!qkd014_uuid_read(&id, argument) &&
			!hex_to_span(SPAN_MUT_ARRAY(id.octets), argument))
			query_fail(q, e, "a key ID is a UUID");
		else if (failed(e = store_submit(s->store, rows_query(ROWS_TRACE, &id), traced, q)))
			query_fail(q, e, "the database is busy");
		return;
	}
	if (strcmp(verb, "blocks") == 0) {
		blocks_query(s, argument, q);
		return;
	}
	if (strcmp(verb, "list") != 0) {
		query_fail(q, e, "kms-store answers trace, list and blocks");
		return;
	}
	l = listing_new(s, q);
	e = l == NULL ? ERR(LIMIT)
		      : store_submit(s->store, rows_query(ROWS_RECENT, NULL), listed, l);
	if (failed(e)) {
		if (l != NULL)
			l->query = NULL;
		query_fail(q, e, "the database is busy");
	}
}
