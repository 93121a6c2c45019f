// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The store port: asynchronous and batched. submit(batch) -> one completion, after durability. No
 * caller blocks on a disk. Batches that wait while the disk is busy are committed together as one
 * transaction (group commit), in the order of submission; each batch is atomic by a savepoint, so
 * one that breaks a constraint fails alone.
 *
 * A batch that was taken on gets exactly one completion. Completions come on the loop's thread, in the order
 * of submission. A batch belongs to the store from submit on, also where submit refuses it; then there is no
 * completion.
 *
 * The store's thread starts with the first store_submit(), not with store_open(): so it is born inside
 * the sandbox that start() is followed by, and no thread is left outside of it.
 *
 * Statements are a table of portable SQL (SQLite and PostgreSQL: $1 parameters, UPDATE/DELETE …
 * RETURNING, ON CONFLICT; no triggers, no LISTEN), prepared at start. The schema has a version (table
 * `merlon_schema`); opening migrates from the version before, and refuses any other. The driver reads
 * its settings back (journal_mode, synchronous, locking_mode, …) and refuses to run if they do not hold.
 *
 * After a failed commit whose effect is unknown, or an fsync error, the batches concerned complete with ERR_IO
 * and all further work is refused without touching the disk again: the process must stop
 * [fsyncgate]. store_why() says what happened.
 */
#include "base/env.h"
#include "host/loop.h"

enum {
	STORE_PARAMS_MAX = 16,
	STORE_COLUMNS_MAX = 16,
	STORE_BATCH_MAX = 4096,            /* operations of one batch */
	STORE_BATCH_OCTETS_MAX = 64 << 20, /* of one batch: parameters and rows together */
	STORE_QUEUED_BATCHES_MAX = 1024 /* at it store_submit() answers ERR_LIMIT, and counts it */
};

enum store_type { STORE_NULL, STORE_I64, STORE_BLOB, STORE_TEXT };

struct store_value {
	enum store_type type;
	int64_t i64;
	struct span
		bytes; /* BLOB and TEXT. In results a NUL follows the last octet; it is not counted */
};

struct store_statement {
	const char *name;
	const char *sql; /* one statement; parameters are $1 to $n, without gaps */
};

struct store_schema {
	const char *name; /* "auc", "kms": kept in merlon_schema, so files are not swapped */
	int version;
	const char *const *create; /* statements, NULL-terminated, for a new database */
	const char *const
		*migrate; /* from version - 1, NULL-terminated; NULL: no older version exists */
	const struct store_statement *statements;
	size_t statement_count;
};

struct store_row {
	size_t count;
	struct store_value columns[STORE_COLUMNS_MAX];
};

struct store_batch; /* built by the caller, owned by the store from submit on; wiped when it is given back */
/* NULL when memory is out; the functions below take that NULL and answer ERR_LIMIT. */
struct store_batch *store_batch_open(void);
void store_batch_discard(struct store_batch *b); /* one that was not submitted */
/*
 * Appends one statement. Values are copied. `op` numbers within the batch, from 0, are the call order. A
 * failure sticks to the batch: submitting it answers that error, so a caller may check once.
 */
struct err store_batch_add(
	struct store_batch *b, size_t statement, const struct store_value *params, size_t count);

/* Rows of each op; lives during the completion call. NULL where the batch failed: no rows, no changes. */
struct store_result;
size_t store_result_rows(const struct store_result *r, size_t op);
const struct store_row *store_result_row(const struct store_result *r, size_t op, size_t row);
int64_t store_result_changes(const struct store_result *r, size_t op);

/*
 * OK: durable. ERR_STATE: a constraint refused it. ERR_LIMIT: disk, memory or a limit is full. ERR_BUG:
 * a statement or a value does not fit its table. With all these nothing of the batch happened. ERR_IO: it
 * may or may not have happened; stop.
 */
typedef void store_done_fn(void *ctx, struct err err, const struct store_result *result);

struct store; /* a driver with its state; SQLite now, PostgreSQL later, the same face */
struct store_settings {
	const char *path;
	const struct store_schema *schema;
	const char *vfs;           /* SQLite VFS name: NULL, or that of a powerloss disk in tests */
	uint32_t checkpoint_pages; /* of log, then they move to their place; 0: 1000 */
	bool unsafe_no_sync;       /* tests only: to show that the crash test can fail */
};
MUST_USE struct err store_open(struct store **out, struct loop *l,
	const struct store_settings *settings, struct complaint *c);
MUST_USE struct err store_submit(
	struct store *s, struct store_batch *b, store_done_fn *done, void *ctx);
/*
 * The same, blocking, for start-up and for simulation (no loop needed: open with l == NULL). Answers the outcome;
 * `done`, which may be NULL, is called before it returns, unless the batch was refused at once.
 */
MUST_USE struct err store_run(
	struct store *s, struct store_batch *b, store_done_fn *done, void *ctx);
/* Without a loop, batches submitted wait for this call: it commits them as one group and completes
 * them. False where none waited. */
bool store_step(struct store *s);
/* Commits and completes what waits, then closes. Not from within a completion. */
void store_close(struct store *s);

struct store_counts {
	uint64_t commits; /* transactions: batches / commits is how well they group */
	uint64_t batches, refused_full, queued_peak, checkpoints;
};
struct store_counts store_counts(const struct store *s);
uint64_t store_commits(const struct store *s);
/* Why it refuses all work, for process_fail(); "" while it does not. */
const char *store_why(const struct store *s);

#define STORE_I64_VALUE(v) ((struct store_value){.type = STORE_I64, .i64 = (int64_t)(v)})
#define STORE_BLOB_VALUE(span_) ((struct store_value){.type = STORE_BLOB, .bytes = (span_)})
#define STORE_TEXT_VALUE(text) ((struct store_value){.type = STORE_TEXT, .bytes = span_str(text)})
#define STORE_NULL_VALUE ((struct store_value){.type = STORE_NULL})
