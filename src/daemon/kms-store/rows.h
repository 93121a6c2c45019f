// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The key store's rows in SQL, schema "kms" version 1: changes of kms/kms.h as statements, and back at start.
 * Rows of finished keys and blocks stay, without material, so that a key can be traced.
 */
#include "host/store.h"
#include "kms/kms.h"

extern const struct store_schema rows_schema;

enum rows_query { ROWS_TRACE, ROWS_RECENT, ROWS_QUERIES };

/* One batch out of changes. Submitting it answers what went wrong here. */
struct store_batch *rows_batch(const struct kms_change *changes, size_t count, int64_t unix_ms);
/* Loads everything into `k`; blocking. */
MUST_USE struct err rows_load(struct store *s, struct kms *k, struct complaint *c);

/*
 * ROWS_TRACE: one key by id. ROWS_RECENT: the newest keys, at most 64. Columns of both, as rows_key_read() wants them.
 */
struct rows_key {
	struct kms_key_id id;
	uint8_t block_id[PEER_ID], exchange_id[PEER_ID], transcript[PEER_DIGEST];
	bool is_ours;
	enum key_state state;
	uint32_t slot, size_bits, waiting;
	const char *master, *slaves, *link,
		*report; /* live during the completion; slaves: '\n' between */
};
struct store_batch *rows_query(enum rows_query query, const struct kms_key_id *id);
void rows_key_read(const struct store_row *row, struct rows_key *key);

/* The newest blocks of a link ("": of all), at most `count`, the newest first. */
struct rows_block {
	uint8_t id[PEER_ID];
	enum block_state state;
	int64_t unix_ms;
	const char *link, *report; /* live during the completion */
};
struct store_batch *rows_blocks_query(const char *link, uint32_t count);
void rows_block_read(const struct store_row *row, struct rows_block *block);
