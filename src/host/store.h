// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The store port: asynchronous and batched. submit(batch) -> one completion, after durability. No
 * caller blocks on a disk. Batches that wait while the disk is busy are committed together as one
 * transaction (group commit), in the order of submission; each batch is atomic by a savepoint, so
 * one that breaks a constraint fails alone.
 *
 * Statements are a table of portable SQL (SQLite and PostgreSQL: $1 parameters, UPDATE/DELETE …
 * RETURNING, ON CONFLICT; no triggers, no LISTEN), prepared at start. The schema has a version (table
 * `merlon_schema`); opening migrates from the version before, and refuses any other. The driver reads
 * its settings back (journal_mode, synchronous, locking_mode, …) and refuses to run if they do not hold.
 *
 * After a failed commit whose effect is unknown, or an fsync error, the store reports ERR_IO once
 * and refuses all further work: the process must stop [fsyncgate].
 */
#include "base/env.h"
#include "host/loop.h"

enum { STORE_PARAMS_MAX = 16, STORE_COLUMNS_MAX = 16, STORE_BATCH_MAX = 4096, STORE_QUEUED_BATCHES_MAX = 1024 };

enum store_type { STORE_NULL, STORE_I64, STORE_BLOB, STORE_TEXT };

struct store_value {
	enum store_type type;
	int64_t i64;
	struct span bytes; /* BLOB and TEXT */
};

struct store_statement {
	const char *name;
	const char *sql;
};

struct store_schema {
	const char *name;	      /* "auc", "kms": kept in merlon_schema, so files are not swapped */
	int version;
	const char *const *create;    /* statements, NULL-terminated, for a new database */
	const char *const *migrate;   /* from version - 1, NULL-terminated; NULL: no older version exists */
	const struct store_statement *statements;
	size_t statement_count;
};

struct store_row {
	size_t count;
	struct store_value columns[STORE_COLUMNS_MAX];
};

struct store_batch; /* built by the caller, owned by the store from submit on */
struct store_batch *store_batch_open(void);
void store_batch_discard(struct store_batch *b); /* one that was not submitted */
/* Appends one statement. Values are copied. `op` numbers within the batch, from 0, are the call order. */
MUST_USE struct err store_batch_add(struct store_batch *b, size_t statement, const struct store_value *params, size_t count);

struct store_result; /* rows of each op; lives during the completion call */
size_t store_result_rows(const struct store_result *r, size_t op);
const struct store_row *store_result_row(const struct store_result *r, size_t op, size_t row);
int64_t store_result_changes(const struct store_result *r, size_t op);

/* OK: durable. ERR_STATE: a constraint refused it, nothing of the batch happened. ERR_IO: stop. */
typedef void store_done_fn(void *ctx, struct err err, const struct store_result *result);

struct store; /* a driver with its state; SQLite now, PostgreSQL later, the same face */
struct store_settings {
	const char *path;
	const struct store_schema *schema;
	const char *vfs; /* SQLite VFS name: NULL, or "powerloss" in tests */
	bool unsafe_no_sync; /* tests only: to show that the crash test can fail */
};
MUST_USE struct err store_open(struct store **out, struct loop *l, const struct store_settings *settings, struct complaint *c);
MUST_USE struct err store_submit(struct store *s, struct store_batch *b, store_done_fn *done, void *ctx);
/* The same, blocking, for start-up and for simulation (no loop needed: open with l == NULL). */
MUST_USE struct err store_run(struct store *s, struct store_batch *b, store_done_fn *done, void *ctx);
void store_close(struct store *s);
uint64_t store_commits(const struct store *s);

#define STORE_I64_VALUE(v) ((struct store_value){.type = STORE_I64, .i64 = (int64_t)(v)})
#define STORE_BLOB_VALUE(span_) ((struct store_value){.type = STORE_BLOB, .bytes = (span_)})
#define STORE_TEXT_VALUE(text) ((struct store_value){.type = STORE_TEXT, .bytes = span_str(text)})
#define STORE_NULL_VALUE ((struct store_value){.type = STORE_NULL})
