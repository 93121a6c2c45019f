// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The ledger: who the subscribers are, which numbers they had, and which come next. It joins the
 * room auc (auc/sqn.h, auc/ind.h, auc/resync.h, auc/limit.h) to a store, and knows neither channels
 * nor keys, so that a test can run it over a disk that loses power (daemon/test_auc_ledger.c).
 *
 * What must be durable before what:
 *   a ceiling, under our epoch   before any number up to it is taken
 *   a new DIF                    before any number that follows from it is taken
 *   an import, whole             before any of its subscribers is known
 *   a key-encryption key         before the vault gets it to seal under (keyring.h)
 *   a row sealed anew            before the vault gets it to open
 * Everything else is read from memory. A write that touches no row means that another owner has the
 * shard (its epoch is higher): the ledger is then lost, and the process must stop.
 */
#include "auc/ind.h"
#include "auc/limit.h"
#include "auc/register.h"
#include "codec/auc_msg.h"
#include "host/store.h"

struct ledger;

enum { LEDGER_VECTORS_BURST = 4096, LEDGER_VECTORS_PER_HOUR = 3600 };
enum { LEDGER_RESYNCS_BURST = 8, LEDGER_RESYNCS_PER_HOUR = 30 };

struct ledger_settings {
	uint64_t ahead; /* SQN_AHEAD_DEFAULT */
	uint32_t subscribers_max;
	struct limit vectors, resyncs; /* of one subscriber; zero: as above */
	uint64_t ind_idle_uses;        /* IND_IDLE_USES; 0: the oldest is given again at once */
	uint32_t page;                 /* rows that the loop takes at once; 0: LEDGER_PAGE */
};

struct ledger_counts {
	uint64_t subscribers, epoch, ceiling, leases, vectors, unknown, disabled, exhausted;
	uint64_t harvests_refused, resyncs_refused;
	uint64_t resyncs_kept, resyncs_moved, inds_evicted, imported;
};

/* Takes the shard over: next epoch, first lease, all subscribers in memory. Blocking. */
MUST_USE struct err ledger_open(struct ledger **out, struct store *store, struct clock_port clock,
	const struct ledger_settings *settings, struct complaint *c);
void ledger_close(struct ledger *l);

/* Told when the ledger is lost: no number may leave any more. */
void ledger_on_lost(struct ledger *l, void (*lost)(void *ctx, const char *why), void *ctx);

/* Told of each request that a limit refused. */
enum ledger_refusal { LEDGER_EXHAUSTED, LEDGER_HARVEST, LEDGER_RESYNCS };
void ledger_on_refused(struct ledger *l,
	void (*refused)(void *ctx, enum ledger_refusal why, const struct auth_request *q),
	void *ctx);

/* Leases on when it is time to. To be called now and then, at least once in ahead / 4 seconds. */
void ledger_tick(struct ledger *l);

/* NULL: not known. Lives until the next call. */
const struct subscriber *ledger_find(const struct ledger *l, const char *imsi);
struct span ledger_sealed(const struct ledger *l, const struct subscriber *s);
/* The SEQ that this state would give next. */
int64_t ledger_seq_next(const struct ledger *l, const struct sqn_state *s);

struct ledger_ticket {
	struct span sealed;
	uint64_t sqn_first; /* the next ones are SQN_INDS higher each: same IND, SEQ + 1 */
	uint8_t count;
	uint64_t generation;
};
typedef void ledger_took_fn(void *ctx, struct err err, const struct ledger_ticket *ticket);
/*
 * Takes the numbers for q->vectors vectors. `took` is called once: before this returns, or, where
 * the serving node is new, when its IND is durable. ERR_ABSENT, ERR_STATE (disabled), ERR_LIMIT.
 */
void ledger_take(struct ledger *l, const struct auth_request *q, ledger_took_fn *took, void *ctx);

typedef void ledger_done_fn(void *ctx, struct err err);
/* Whether the vault may be asked about this AUTS: counts it, genuine or not. Errors as above. */
MUST_USE struct err ledger_resync_allow(struct ledger *l, const struct auth_request *q);
/* A genuine SQN_MS [TS 33.102 §6.3.5]: `done` when what follows from it is durable. */
void ledger_resync(
	struct ledger *l, const char *imsi, uint64_t sqn_ms, ledger_done_fn *done, void *ctx);

/* ---- import: ledger_import.c ---- */

/* Keeps rows aside. One import at a time: rows of another id drop what was kept before. */
void ledger_import_rows(
	struct ledger *l, const struct auc_import *import, ledger_done_fn *done, void *ctx);
typedef void ledger_imported_fn(void *ctx, struct err err, const struct auc_import_result *result);
/* All of them become subscribers, or none; `done` when all have. ERR_STATE: that import is not the
 * current one; ERR_LIMIT: there is no room, or the one before is not done yet. */
void ledger_import_commit(
	struct ledger *l, uint64_t import_id, ledger_imported_fn *done, void *ctx);
/* The importer has gone: what it left aside is dropped. */
void ledger_import_abandon(struct ledger *l);
/* Rows are kept aside, or move. */
bool ledger_import_is_open(const struct ledger *l);

/* ---- what an operator asks: ledger_admin.c ---- */

/* `done` when it is durable. ERR_ABSENT; ERR_LIMIT: too much waits for the disk. */
void ledger_disable(
	struct ledger *l, const char *imsi, bool is_disabled, ledger_done_fn *done, void *ctx);
void ledger_remove(struct ledger *l, const char *imsi, ledger_done_fn *done, void *ctx);
/* A new generation of numbers, of which the first SEQ is `seq_next`. ERR_INPUT as resync_reset(). */
void ledger_reset(
	struct ledger *l, const char *imsi, uint64_t seq_next, ledger_done_fn *done, void *ctx);
/* Rows of enum ledger_list_column, in the order of their IMSIs; those after `after`, or one. */
void ledger_list(struct ledger *l, const char *after, size_t limit, store_done_fn *done, void *ctx);
void ledger_show(struct ledger *l, const char *imsi, store_done_fn *done, void *ctx);

/* ---- key-encryption keys, wrapped: ledger_keys.c ---- */

struct ledger_key {
	uint32_t id;
	uint8_t wrapped_len, wrapped[AUC_WRAPPED_MAX];
	int64_t made_s; /* calendar */
};
struct ledger_keys {
	size_t count;
	struct ledger_key keys[AUC_WRAPPED_KEYS_MAX]; /* ids rise */
};
const struct ledger_keys *ledger_keys(const struct ledger *l);
/* `done` when it is durable, and then it is in ledger_keys(). ERR_LIMIT: there are too many. */
void ledger_key_add(
	struct ledger *l, uint32_t id, struct span wrapped, ledger_done_fn *done, void *ctx);
/* Wrapped anew. */
void ledger_keys_wrap(
	struct ledger *l, const struct auc_wrapped_keys *wrapped, ledger_done_fn *done, void *ctx);
/* ERR_STATE: a row is sealed under it. */
void ledger_key_drop(struct ledger *l, uint32_t id, ledger_done_fn *done, void *ctx);

/* Which key-encryption keys seal the rows. Ids beyond the table count under id 0. */
struct ledger_kek {
	uint32_t id, rows;
};
enum { LEDGER_KEKS_MAX = 2 * AUC_WRAPPED_KEYS_MAX };
size_t ledger_keks(const struct ledger *l, struct ledger_kek keks[static LEDGER_KEKS_MAX]);
/* Whether this key sealed it; false of what is no envelope. */
bool ledger_kek_is(struct span sealed, uint32_t kek);
uint32_t ledger_rows_under(const struct ledger *l, uint32_t kek);

/* Rows on their way from one key to another. */
struct ledger_reseal {
	uint32_t kek; /* the new one */
	size_t count;
	struct {
		char imsi[IMSI_TEXT];
		uint8_t old_len, new_len; /* new_len 0: left as it is */
		uint8_t old[AUC_SEALED_MAX], new[AUC_SEALED_MAX];
	} rows[AUC_ROWS_MAX];
};
/* At most `max` rows from *cursor on that are sealed under another key than `kek`; looks at a
 * bounded number of them. False when it came to the end; the cursor is then 0 again. */
bool ledger_reseal_find(
	const struct ledger *l, uint32_t *cursor, struct ledger_reseal *rows, size_t max);
typedef void ledger_resealed_fn(void *ctx, struct err err, uint32_t changed);
/* Borrows `rows` until `done`. A row that an import replaced meanwhile stays as the import made it. */
void ledger_reseal(
	struct ledger *l, const struct ledger_reseal *rows, ledger_resealed_fn *done, void *ctx);

struct ledger_counts ledger_counts(const struct ledger *l);
/* The same counters in place, for metrics. */
const struct ledger_counts *ledger_counters(const struct ledger *l);
