// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The ledger: who the subscribers are, which numbers they had, and which come next. It joins the
 * room auc (auc/sqn.h, auc/ind.h, auc/resync.h) to a store, and knows neither channels nor keys, so
 * that a test can run it over a disk that loses power (daemon/test_auc_ledger.c).
 *
 * What must be durable before what:
 *   a ceiling, under our epoch   before any number up to it is taken
 *   a new DIF                    before any number that follows from it is taken
 *   an import, whole             before any of its subscribers is known
 * Everything else is read from memory. A write that touches no row means that another owner has the
 * shard (its epoch is higher): the ledger is then lost, and the process must stop.
 */
#include "auc/ind.h"
#include "auc/register.h"
#include "codec/auc_msg.h"
#include "host/store.h"

struct ledger;

struct ledger_settings {
	uint64_t ahead; /* SQN_AHEAD_DEFAULT */
	uint32_t subscribers_max;
};

struct ledger_counts {
	uint64_t subscribers, epoch, ceiling, leases, vectors, unknown, exhausted;
	uint64_t resyncs_kept, resyncs_moved, inds_evicted, imported;
};

/* Takes the shard over: next epoch, first lease, all subscribers in memory. Blocking. */
MUST_USE struct err ledger_open(struct ledger **out, struct store *store, struct clock_port clock,
	const struct ledger_settings *settings, struct complaint *c);
void ledger_close(struct ledger *l);

/* Told when the ledger is lost: no number may leave any more. */
void ledger_on_lost(struct ledger *l, void (*lost)(void *ctx, const char *why), void *ctx);

/* Leases on when it is time to. To be called now and then, at least once in ahead / 4 seconds. */
void ledger_tick(struct ledger *l);

/* NULL: not known. Lives until the next call. */
const struct subscriber *ledger_find(const struct ledger *l, const char *imsi);

struct ledger_ticket {
	struct span sealed;
	uint64_t sqn_first; /* the next ones are SQN_INDS higher each: same IND, SEQ + 1 */
	uint8_t count;
	uint64_t generation;
};
typedef void ledger_took_fn(void *ctx, struct err err, const struct ledger_ticket *ticket);
/*
 * Takes the numbers for q->vectors vectors. `took` is called once: before this returns, or, where
 * the serving node is new, when its IND is durable. ERR_ABSENT, ERR_LIMIT.
 */
void ledger_take(struct ledger *l, const struct auth_request *q, ledger_took_fn *took, void *ctx);

typedef void ledger_done_fn(void *ctx, struct err err);
/* A genuine SQN_MS [TS 33.102 §6.3.5]: `done` when what follows from it is durable. */
void ledger_resync(
	struct ledger *l, const char *imsi, uint64_t sqn_ms, ledger_done_fn *done, void *ctx);

/* Keeps rows aside. One import at a time: rows of another id drop what was kept before. */
void ledger_import_rows(
	struct ledger *l, const struct auc_import *import, ledger_done_fn *done, void *ctx);
/* All of them become subscribers, at once. ERR_STATE: that import is not the current one. */
void ledger_import_commit(struct ledger *l, uint64_t import_id, ledger_done_fn *done, void *ctx);

struct ledger_counts ledger_counts(const struct ledger *l);
/* The same counters in place, for metrics. */
const struct ledger_counts *ledger_counters(const struct ledger *l);
