// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The ledger's inside, for its own files alone. */
#include "base/pool.h"
#include "ledger.h"
#include "ledger_schema.h"

enum { LEDGER_WAITING_MAX = 8192 }; /* operations that wait for the disk; more get ERR_LIMIT */

struct ledger {
	struct store *store;
	struct clock_port clock;
	struct sqn_lease lease;
	struct ind_table inds;
	struct subscriber_register subscribers;
	struct pool waiting; /* of struct ledger_wait */
	bool is_leasing, is_lost;
	uint64_t import_id;
	uint32_t import_rows;
	struct ledger_counts counts;
	void (*lost)(void *ctx, const char *why);
	void *lost_ctx;
};

/* What waits for the disk: enough to go on with. */
struct ledger_wait {
	struct ledger *ledger;
	struct pool_handle handle;
	ledger_took_fn *took;
	ledger_done_fn *done;
	void *ctx;
	struct auth_request request; /* of a take; for a resync its imsi */
	uint8_t ind;
	struct sqn_state next;
	uint64_t import_id;
};

struct moment ledger_now(const struct ledger *l);
void ledger_lose(struct ledger *l, const char *why);
/* ERR_LIMIT where too many wait. */
MUST_USE struct err ledger_wait_open(struct ledger *l, void *ctx, struct ledger_wait **wait);
void ledger_wait_close(struct ledger_wait *wait);
/* Submits; where that is refused, `done` is called at once with the error. */
void ledger_submit(struct ledger *l, struct store_batch *b, store_done_fn *done, void *ctx);
/* A row of LEDGER_SUBSCRIBERS or LEDGER_IMPORTED into memory; `last` is kept. */
MUST_USE struct err ledger_row_keep(struct ledger *l, const struct store_row *row);
