// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The ledger's inside, for its own files alone. */
#include "base/pool.h"
#include "ledger.h"
#include "ledger_schema.h"

enum { LEDGER_WAITING_MAX = 8192 }; /* operations that wait for the disk; more get ERR_LIMIT */

struct ledger_wait;

struct ledger {
	struct store *store;
	struct clock_port clock;
	struct sqn_lease lease;
	struct ind_table inds;
	struct ledger_wait *ind_writes[SQN_INDS]; /* on their way to the disk */
	struct subscriber_register subscribers;
	void *memory;
	size_t memory_octets;
	struct limit vectors, resyncs;
	struct pool waiting; /* of struct ledger_wait */
	bool is_leasing, is_lost;
	uint32_t page; /* rows that one completion brings */
	uint64_t import_id, import_broken;
	uint32_t import_new;              /* of its rows, those that need a place */
	bool has_aside;                   /* rows of an import that is not closed, perhaps */
	bool is_moving;                   /* a closed import's rows become subscribers */
	struct ledger_wait *move_waiting; /* for room */
	struct ledger_keys keys;
	struct ledger_kek keks[LEDGER_KEKS_MAX];
	struct ledger_counts counts;
	void (*lost)(void *ctx, const char *why);
	void *lost_ctx;
	void (*refused)(void *ctx, enum ledger_refusal why, const struct auth_request *q);
	void *refused_ctx;
};

/* What waits for the disk: enough to go on with. */
struct ledger_wait {
	struct ledger *ledger;
	struct pool_handle handle;
	ledger_took_fn *took;
	ledger_done_fn *done;
	ledger_imported_fn *imported;
	ledger_resealed_fn *resealed;
	void *ctx;
	struct auth_request request; /* of a take; for others its imsi */
	uint8_t ind;
	struct ledger_wait *behind,
		**last; /* who wait for the same write; `last` of the first one */
	bool is_disabled;
	enum resync_outcome outcome;
	struct sqn_state next;
	uint64_t import_id;
	struct auc_import_result result;
	struct ledger_key key;
	const struct ledger_reseal *reseal;
};

struct moment ledger_now(const struct ledger *l);
/* Seconds of the calendar, for columns. */
int64_t ledger_now_s(const struct ledger *l);
void ledger_lose(struct ledger *l, const char *why);
/* ERR_LIMIT where too many wait. */
MUST_USE struct err ledger_wait_open(struct ledger *l, void *ctx, struct ledger_wait **wait);
/* As above, of one subscriber. ERR_ABSENT. */
MUST_USE struct err ledger_wait_for(
	struct ledger *l, const char *imsi, void *ctx, struct ledger_wait **wait);
void ledger_wait_close(struct ledger_wait *wait);
/* Submits; where that is refused, `done` is called at once with the error. */
void ledger_submit(struct ledger *l, struct store_batch *b, store_done_fn *done, void *ctx);
/* One statement. */
void ledger_submit_one(struct ledger *l, enum ledger_statement statement,
	const struct store_value *params, size_t count, store_done_fn *done, void *ctx);
/* A row of LEDGER_SUBSCRIBERS or LEDGER_IMPORT_MOVE into memory; `last` is kept. */
MUST_USE struct err ledger_row_keep(struct ledger *l, const struct store_row *row, bool *is_new);
/* A page of a closed import: up to the IMSI `last`, "" for none at all, LEDGER_REST for all that are
 * left. Rows of enum ledger_column are the result of LEDGER_MOVE_ROWS. ERR_STATE: another owner. */
#define LEDGER_REST ":"
enum { LEDGER_MOVE_FENCE, LEDGER_MOVE_ROWS, LEDGER_MOVE_ASIDE, LEDGER_MOVE_NEXT };
struct store_batch *ledger_move_batch(const struct ledger *l, uint64_t import_id, const char *last);
/* Up to where the next one goes; false where that was the rest. */
bool ledger_move_next(const struct store_result *r, char last[static IMSI_TEXT]);
/* What found no room in the store's queue, or on the disk, is tried again. */
void ledger_move_on(struct ledger *l);
/* A new DIF on its way to the disk; the subscriber is not moving yet. */
void ledger_move(struct ledger *l, struct subscriber *s, const struct sqn_state *next,
	enum resync_outcome outcome, struct ledger_wait *wait);

/* The key that sealed it; 0: none that we know of. */
uint32_t ledger_kek_of(struct span sealed);
/* Seals and counts. */
MUST_USE struct err ledger_seal(struct ledger *l, struct subscriber *s, struct span sealed);
void ledger_kek_count(struct ledger *l, struct span sealed, int change);
/* Reads the keys of a result of LEDGER_KEYS. */
bool ledger_keys_read(struct ledger *l, const struct store_result *r, size_t op);
