// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The SQLite driver: one connection, exclusive, in WAL mode, synced at each commit.
 *
 * What an error means is decided by when it comes. Before COMMIT nothing is promised: a refused batch is rolled back
 * to its savepoint, and where disk or memory is full the whole group is rolled back and says so.
 * From COMMIT on, an error leaves the fate unknown: the driver answers ERR_IO and is not asked again.
 *
 * SQLite's automatic checkpoint hides its errors (it runs inside a commit that has succeeded), a failed fsync
 * among them, after which the kernel may call lost pages clean. So checkpoints are ours: tidy() runs
 * them after the completions are out, and a failed one ends the store like a failed commit.
 */
#include "host/store_sqlite.h"
#include <stdlib.h>

static int control_run(struct sqlite *s, enum control which)
{
	sqlite3_step(s->control[which]);
	return sqlite3_reset(s->control[which]);
}

/* -------- one operation -------- */

static int value_bind(sqlite3_stmt *sql, int place, const struct store_value *v)
{
	const void *at =
		v->bytes.len == 0 ? "" : (const void *)v->bytes.at; /* NULL would bind NULL */

	switch (v->type) {
	case STORE_NULL:
		return sqlite3_bind_null(sql, place);
	case STORE_I64:
		return sqlite3_bind_int64(sql, place, v->i64);
	case STORE_BLOB:
		return sqlite3_bind_blob64(sql, place, at, v->bytes.len, SQLITE_STATIC);
	case STORE_TEXT:
		return sqlite3_bind_text64(
			sql, place, at, v->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
	}
	return SQLITE_MISUSE;
}

static struct err column_copy(
	sqlite3_stmt *sql, int column, struct store_batch *b, struct store_value *v)
{
	const int type = sqlite3_column_type(sql, column);

	if (type == SQLITE_NULL || type == SQLITE_INTEGER) {
		v->type = type == SQLITE_NULL ? STORE_NULL : STORE_I64;
		v->i64 = sqlite3_column_int64(sql, column);
		return OK;
	}
	if (type != SQLITE_BLOB && type != SQLITE_TEXT)
		return ERR(BUG); /* a float: no schema of ours has one */
	v->type = type == SQLITE_BLOB ? STORE_BLOB : STORE_TEXT;
	const void *at = type == SQLITE_BLOB ? sqlite3_column_blob(sql, column)
					     : (const void *)sqlite3_column_text(sql, column);
	const size_t len = (size_t)sqlite3_column_bytes(sql, column);
	if (at == NULL && len > 0)
		return ERR(LIMIT);
	return store_batch_copy(b, span_of(at, len), &v->bytes) ? OK : ERR(LIMIT);
}

static struct err row_copy(sqlite3_stmt *sql, struct store_batch *b, struct store_op *op)
{
	struct store_row *row = store_batch_row(b, op);

	if (row == NULL)
		return ERR(LIMIT);
	row->count = (size_t)sqlite3_column_count(sql);
	for (size_t i = 0; i < row->count; i++) {
		const struct err e = column_copy(sql, (int)i, b, &row->columns[i]);
		if (failed(e))
			return e;
	}
	return OK;
}

static int op_bind(const struct statement *statement, const struct store_op *op)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; rc == SQLITE_OK && i < op->param_count; i++)
		rc = value_bind(statement->sql, statement->place[i], &op->params[i]);
	return rc;
}

/* SQLITE_OK with *e failed: it is ours alone that fails. */
static int op_run(struct sqlite *s, struct store_batch *b, struct store_op *op, struct err *e)
{
	if (op->statement >= s->statement_count ||
		op->param_count != s->statements[op->statement].param_count) {
		*e = ERR(BUG);
		return SQLITE_OK;
	}
	const struct statement *statement = &s->statements[op->statement];
	int rc = op_bind(statement, op);
	while (rc == SQLITE_OK && !failed(*e)) {
		rc = sqlite3_step(statement->sql);
		if (rc != SQLITE_ROW)
			break;
		rc = SQLITE_OK;
		*e = row_copy(statement->sql, b, op);
	}
	if (rc == SQLITE_DONE) {
		rc = SQLITE_OK;
		if (!sqlite3_stmt_readonly(statement->sql))
			op->changes = sqlite3_changes64(s->db);
	}
	sqlite3_reset(statement->sql);
	sqlite3_clear_bindings(statement->sql); /* they point into the batch */
	return rc;
}

/* -------- a batch and a group -------- */

/* Errors that concern one batch. Any other ends the group. */
static struct err batch_refusal(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		return ERR(STATE);
	case SQLITE_TOOBIG:
		return ERR(LIMIT);
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
		return ERR(BUG);
	default:
		return OK;
	}
}

/* A deferred foreign key that is broken now would be found at COMMIT, when it is everybody's fault. */
static bool owes_foreign_key(struct sqlite *s)
{
	int unresolved = 0, peak = 0;

	return sqlite3_db_status(s->db, SQLITE_DBSTATUS_DEFERRED_FKS, &unresolved, &peak, 0) !=
		       SQLITE_OK ||
	       unresolved != 0;
}

static int batch_run(struct sqlite *s, struct store_batch *b)
{
	int rc = control_run(s, SAVEPOINT);

	if (rc != SQLITE_OK)
		return rc;
	for (size_t i = 0; i < b->result.op_count && rc == SQLITE_OK && !failed(b->outcome); i++)
		rc = op_run(s, b, &b->result.ops[i], &b->outcome);
	if (rc != SQLITE_OK) {
		b->outcome = batch_refusal(rc);
		if (!failed(b->outcome))
			return rc;
	}
	if (!failed(b->outcome) && owes_foreign_key(s))
		b->outcome = ERR(STATE);
	if (failed(b->outcome)) {
		rc = control_run(s, ROLLBACK_TO);
		if (rc != SQLITE_OK)
			return rc;
	}
	return control_run(s, RELEASE);
}

static void group_fail(struct store_batch *first, struct err e)
{
	for (struct store_batch *b = first; b != NULL; b = b->next)
		b->outcome = e;
}

static struct err lost(struct sqlite *s, struct complaint *why, const char *doing, int rc)
{
	return complain(why, ERR(IO), "%s: %s failed: %s (SQLite %d, %s)", s->path, doing,
		sqlite3_errmsg(s->db), rc, strerror(sqlite3_system_errno(s->db)));
}

/* Another process may have opened the database, where locks do not hold. */
static struct err check_owner(struct sqlite *s, struct complaint *why)
{
	const int rc = store_owner_check(&s->owner);

	if (rc == SQLITE_OK)
		return OK;
	if (rc == SQLITE_BUSY)
		return complain(why, ERR(IO), "%s: another process has opened it since", s->path);
	return complain(why, ERR(IO), "%s: who owns it cannot be read (SQLite %d)", s->path, rc);
}

static bool is_shortage(int rc)
{
	return rc == SQLITE_FULL || rc == SQLITE_NOMEM;
}

static struct err sqlite_commit(void *db, struct store_batch *first, struct complaint *why)
{
	struct sqlite *s = db;
	const struct err e = check_owner(s, why);

	if (failed(e))
		return e;
	int rc = control_run(s, BEGIN);
	for (struct store_batch *b = first; b != NULL && rc == SQLITE_OK; b = b->next)
		rc = batch_run(s, b);
	if (rc == SQLITE_OK) {
		rc = control_run(s, COMMIT);
		return rc == SQLITE_OK ? check_owner(s, why) : lost(s, why, "commit", rc);
	}
	if (!is_shortage(rc))
		return lost(s, why, "a statement", rc);
	if (!sqlite3_get_autocommit(s->db)) { /* SQLite may have rolled back by itself */
		const int rolled = control_run(s, ROLLBACK);
		if (rolled != SQLITE_OK)
			return lost(s, why, "rollback", rolled);
	}
	group_fail(first, ERR(LIMIT));
	return OK;
}

int sqlite_on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct sqlite *s = ctx;

	(void)db, (void)name;
	s->log_pages = (uint32_t)pages;
	return SQLITE_OK;
}

static struct err sqlite_tidy(void *db, bool *did, struct complaint *why)
{
	struct sqlite *s = db;

	if (s->log_pages < s->checkpoint_pages)
		return OK;
	const struct err e = check_owner(s, why);
	if (failed(e))
		return e;
	const int rc =
		sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (is_shortage(rc))
		return OK; /* the log keeps growing; tried again after the next commit */
	if (rc != SQLITE_OK)
		return lost(s, why, "checkpoint", rc);
	s->log_pages = 0;
	*did = true;
	return OK;
}

void sqlite_close(void *db, bool is_dead)
{
	struct sqlite *s = db;

	if (s->db != NULL && is_dead)
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (size_t i = 0; i < CONTROLS; i++)
		sqlite3_finalize(s->control[i]);
	for (size_t i = 0; i < s->statement_count; i++)
		sqlite3_finalize(s->statements[i].sql);
	sqlite3_close(s->db);
	store_owner_close(&s->owner);
	free(s->statements);
	free(s->path);
	free(s);
}

const struct store_driver store_sqlite = {
	.open = sqlite_open, .commit = sqlite_commit, .tidy = sqlite_tidy, .close = sqlite_close};
