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
#include "host/store_driver.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHECKPOINT_FRAMES = 1000, PATH_OCTETS_MAX = 1024 };

enum control { BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK_TO, CONTROLS };
static const char *const control_sql[CONTROLS] = {
	[BEGIN] = "BEGIN",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SAVEPOINT] = "SAVEPOINT batch",
	[RELEASE] = "RELEASE batch",
	[ROLLBACK_TO] = "ROLLBACK TO batch",
};

struct statement {
	sqlite3_stmt *sql;
	size_t param_count;
	int place[STORE_PARAMS_MAX]; /* SQLite numbers $n by first appearance, not by n */
};

struct sqlite {
	sqlite3 *db;
	char *path;
	sqlite3_stmt *control[CONTROLS];
	size_t statement_count;
	struct statement *statements;
	int wal_frames;
};

static int control_run(struct sqlite *s, enum control which)
{
	sqlite3_step(s->control[which]);
	return sqlite3_reset(s->control[which]);
}

/* -------- one operation -------- */

static int value_bind(sqlite3_stmt *sql, int place, const struct store_value *v)
{
	const void *at = v->bytes.len == 0 ? "" : (const void *)v->bytes.at; /* NULL would bind NULL */

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
		SQLITE_OK || unresolved != 0;
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

static bool is_shortage(int rc)
{
	return rc == SQLITE_FULL || rc == SQLITE_NOMEM;
}

static struct err sqlite_commit(void *db, struct store_batch *first, struct complaint *why)
{
	struct sqlite *s = db;
	int rc = control_run(s, BEGIN);

	for (struct store_batch *b = first; b != NULL && rc == SQLITE_OK; b = b->next)
		rc = batch_run(s, b);
	if (rc == SQLITE_OK) {
		rc = control_run(s, COMMIT);
		return rc == SQLITE_OK ? OK : lost(s, why, "commit", rc);
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

static int on_wal(void *ctx, sqlite3 *db, const char *name, int frames)
{
	struct sqlite *s = ctx;

	(void)db, (void)name;
	s->wal_frames = frames;
	return SQLITE_OK;
}

static struct err sqlite_tidy(void *db, bool *did, struct complaint *why)
{
	struct sqlite *s = db;

	if (s->wal_frames < CHECKPOINT_FRAMES)
		return OK;
	const int rc = sqlite3_wal_checkpoint_v2(
		s->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (is_shortage(rc))
		return OK; /* the log keeps growing; tried again after the next commit */
	if (rc != SQLITE_OK)
		return lost(s, why, "checkpoint", rc);
	s->wal_frames = 0;
	*did = true;
	return OK;
}

static void sqlite_close(void *db, bool is_dead)
{
	struct sqlite *s = db;

	if (s->db != NULL && is_dead)
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (size_t i = 0; i < CONTROLS; i++)
		sqlite3_finalize(s->control[i]);
	for (size_t i = 0; i < s->statement_count; i++)
		sqlite3_finalize(s->statements[i].sql);
	sqlite3_close(s->db);
	free(s->statements);
	free(s->path);
	free(s);
}

/* -------- opening: settings -------- */

struct pragma {
	const char *name, *value, *read_back;
};

/*
 * Order matters: locking first, so that WAL keeps its index in this process and not in a file shared by others.
 *
 * secure_delete is ON, not FAST: FAST skips pages that are freed as a whole, which are just the
 * overflow pages of large state blobs. Erasure of keys does not rest on it (old copies live on in the log until it is
 * overwritten, and in the flash beneath): rows are sealed under segment keys that are erased.
 */
static const struct pragma pragmas[] = {
	{"locking_mode", "EXCLUSIVE", "exclusive"},
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "FULL", "2"},
	{"foreign_keys", "ON", "1"},
	{"trusted_schema", "OFF", "0"},
	{"cell_size_check", "ON", "1"},
	{"temp_store", "MEMORY", "2"},
	{"secure_delete", "ON", "1"},
	{"mmap_size", "0", "0"},
	{"journal_size_limit", "67108864", "67108864"},
};

static const struct pragma no_sync = {"synchronous", "OFF", "0"};

static struct err refuse(struct sqlite *s, struct complaint *c, const char *doing, int rc)
{
	if ((rc & 0xff) == SQLITE_BUSY)
		return complain(c, ERR(STATE),
			"%s is in use by another process; only one may run on it", s->path);
	if ((rc & 0xff) == SQLITE_NOTADB)
		return complain(c, ERR(INPUT), "%s is not an SQLite database", s->path);
	return complain(c, ERR(IO), "%s: cannot %s: %s (%s)", s->path, doing,
		s->db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(s->db),
		s->db == NULL ? "no memory" : strerror(sqlite3_system_errno(s->db)));
}

static int text_query(sqlite3 *db, const char *sql, char *out, size_t octets)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	out[0] = '\0';
	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_step(statement) == SQLITE_ROW)
		snprintf(out, octets, "%s", (const char *)sqlite3_column_text(statement, 0));
	return sqlite3_finalize(statement);
}

/* A misspelt pragma is not an error to SQLite, and a refused one need not be: only reading back tells. */
static struct err pragma_hold(struct sqlite *s, const struct pragma *pragma, struct complaint *c)
{
	char sql[96], answer[64];

	snprintf(sql, sizeof sql, "PRAGMA main.%s = %s", pragma->name, pragma->value);
	int rc = text_query(s->db, sql, answer, sizeof answer);
	if (rc == SQLITE_OK) {
		snprintf(sql, sizeof sql, "PRAGMA main.%s", pragma->name);
		rc = text_query(s->db, sql, answer, sizeof answer);
	}
	if (rc != SQLITE_OK)
		return refuse(s, c, "set it up", rc);
	if (strcmp(answer, pragma->read_back) == 0)
		return OK;
	return complain(c, ERR(STATE),
		"%s: SQLite setting %s does not hold: asked for %s, it reads back '%s'", s->path,
		pragma->name, pragma->value, answer);
}

static struct err pragmas_hold(struct sqlite *s, bool unsafe_no_sync, struct complaint *c)
{
	for (size_t i = 0; i < ARRAY_LEN(pragmas); i++) {
		const bool is_replaced =
			unsafe_no_sync && strcmp(pragmas[i].name, no_sync.name) == 0;
		const struct err e = pragma_hold(s, is_replaced ? &no_sync : &pragmas[i], c);
		if (failed(e))
			return e;
	}
	return OK;
}

static const struct {
	int which, value;
} switches[] = {
	{SQLITE_DBCONFIG_DEFENSIVE, 1},
	{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
	{SQLITE_DBCONFIG_DQS_DML, 0}, /* "name" is an identifier, as in PostgreSQL */
	{SQLITE_DBCONFIG_DQS_DDL, 0},
};

static struct err switches_hold(struct sqlite *s, struct complaint *c)
{
	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		int holds = -1;
		sqlite3_db_config(s->db, switches[i].which, switches[i].value, &holds);
		if (holds != switches[i].value)
			return complain(c, ERR(STATE), "%s: SQLite switch %d does not hold", s->path,
				switches[i].which);
	}
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_wal_hook(s->db, on_wal, s); /* takes the place of the automatic checkpoint */
	return OK;
}

/* -------- opening: schema -------- */

static struct err sql_run(struct sqlite *s, const char *sql, struct complaint *c)
{
	const int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? OK : refuse(s, c, "set up its tables", rc);
}

static struct err list_run(struct sqlite *s, const char *const *list, struct complaint *c)
{
	struct err e = OK;

	for (; !failed(e) && list != NULL && *list != NULL; list++)
		e = sql_run(s, *list, c);
	return e;
}

static struct err version_write(
	struct sqlite *s, const struct store_schema *schema, struct complaint *c)
{
	char *sql = sqlite3_mprintf(
		"INSERT INTO merlon_schema (one, name, version) VALUES (1, %Q, %d) "
		"ON CONFLICT (one) DO UPDATE SET version = excluded.version",
		schema->name, schema->version);

	if (sql == NULL)
		return refuse(s, c, "set up its tables", SQLITE_NOMEM);
	const struct err e = sql_run(s, sql, c);
	sqlite3_free(sql);
	return e;
}

static struct err schema_create(
	struct sqlite *s, const struct store_schema *schema, struct complaint *c)
{
	struct err e = sql_run(s,
		"CREATE TABLE merlon_schema (one INTEGER PRIMARY KEY CHECK (one = 1), "
		"name TEXT NOT NULL, version INTEGER NOT NULL CHECK (version >= 1))",
		c);

	if (!failed(e))
		e = list_run(s, schema->create, c);
	return failed(e) ? e : version_write(s, schema, c);
}

static struct err schema_check(struct sqlite *s, const struct store_schema *schema,
	const char *name, int version, struct complaint *c)
{
	if (strcmp(name, schema->name) != 0)
		return complain(c, ERR(STATE), "%s holds the data of '%s', not of '%s'", s->path,
			name, schema->name);
	if (version > schema->version)
		return complain(c, ERR(VERSION),
			"%s has schema version %d; this program knows %d: start the newer program",
			s->path, version, schema->version);
	if (version < schema->version - 1 ||
		(version == schema->version - 1 && schema->migrate == NULL))
		return complain(c, ERR(VERSION),
			"%s has schema version %d; this program knows %d%s: "
			"start a release in between first",
			s->path, version, schema->version,
			schema->migrate == NULL ? "" : " and the one before");
	return OK;
}

/* Within a transaction: either the whole schema is there afterwards, or nothing of it. */
static struct err schema_settle(
	struct sqlite *s, const struct store_schema *schema, struct complaint *c)
{
	char name[64], text[32], tables[32];
	int rc = text_query(
		s->db, "SELECT count(*) FROM sqlite_schema", tables, sizeof tables);

	if (rc != SQLITE_OK)
		return refuse(s, c, "read its tables", rc);
	if (strcmp(tables, "0") == 0)
		return schema_create(s, schema, c);
	rc = text_query(s->db, "SELECT name FROM merlon_schema", name, sizeof name);
	if (rc == SQLITE_OK)
		rc = text_query(s->db, "SELECT version FROM merlon_schema", text, sizeof text);
	if (rc == SQLITE_ERROR || (rc == SQLITE_OK && text[0] == '\0'))
		return complain(c, ERR(STATE), "%s is a database of another program", s->path);
	if (rc != SQLITE_OK)
		return refuse(s, c, "read its schema version", rc);
	const int version = atoi(text);
	struct err e = schema_check(s, schema, name, version, c);
	if (failed(e) || version == schema->version)
		return e;
	e = list_run(s, schema->migrate, c);
	return failed(e) ? e : version_write(s, schema, c);
}

static struct err schema_open(
	struct sqlite *s, const struct store_schema *schema, struct complaint *c)
{
	struct err e = sql_run(s, "BEGIN", c);

	if (failed(e))
		return e;
	e = schema_settle(s, schema, c);
	if (!failed(e))
		return sql_run(s, "COMMIT", c);
	sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return e;
}

/* -------- opening: statements -------- */

static int prepare(struct sqlite *s, const char *sql, sqlite3_stmt **statement)
{
	return sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

static struct err statement_open(struct sqlite *s, struct statement *statement,
	const struct store_statement *given, struct complaint *c)
{
	if (prepare(s, given->sql, &statement->sql) != SQLITE_OK)
		return complain(c, ERR(BUG), "statement %s: %s", given->name, sqlite3_errmsg(s->db));
	const int count = sqlite3_bind_parameter_count(statement->sql);
	if (count > STORE_PARAMS_MAX || sqlite3_column_count(statement->sql) > STORE_COLUMNS_MAX)
		return complain(c, ERR(BUG), "statement %s: too many parameters or columns",
			given->name);
	statement->param_count = (size_t)count;
	for (int i = 0; i < count; i++) {
		char name[8];
		snprintf(name, sizeof name, "$%d", i + 1);
		statement->place[i] = sqlite3_bind_parameter_index(statement->sql, name);
		if (statement->place[i] == 0)
			return complain(c, ERR(BUG), "statement %s: has %d parameters, but no %s",
				given->name, count, name);
	}
	return OK;
}

static struct err statements_open(
	struct sqlite *s, const struct store_schema *schema, struct complaint *c)
{
	s->statements = calloc(schema->statement_count + 1, sizeof *s->statements);
	if (s->statements == NULL)
		return refuse(s, c, "prepare statements", SQLITE_NOMEM);
	s->statement_count = schema->statement_count;
	for (size_t i = 0; i < CONTROLS; i++) {
		const int rc = prepare(s, control_sql[i], &s->control[i]);
		if (rc != SQLITE_OK)
			return refuse(s, c, "prepare statements", rc);
	}
	for (size_t i = 0; i < s->statement_count; i++) {
		const struct err e =
			statement_open(s, &s->statements[i], &schema->statements[i], c);
		if (failed(e))
			return e;
	}
	return OK;
}

/* -------- opening: the file -------- */

static struct err folder_sync(const char *path)
{
	char copy[PATH_OCTETS_MAX];

	snprintf(copy, sizeof copy, "%s", path);
	const int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return ERR(IO);
	const struct err e = fsync(folder) == 0 ? OK : ERR(IO);
	close(folder);
	return e;
}

/*
 * SQLite would make the file readable by others, and would not sync the folder that it is new in. An existing
 * file is left alone: opening and closing it here would drop the locks of this process on it.
 */
static struct err file_create(const char *path, struct complaint *c)
{
	if (strlen(path) >= PATH_OCTETS_MAX)
		return complain(c, ERR(LIMIT), "path of the database is too long");
	const int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0 && errno == EEXIST)
		return OK;
	if (file < 0)
		return complain(c, ERR(IO), "cannot create %s: %s", path, strerror(errno));
	close(file);
	return failed(folder_sync(path))
		       ? complain(c, ERR(IO), "cannot sync the folder of %s", path)
		       : OK;
}

static struct err file_connect(
	struct sqlite *s, const struct store_settings *settings, struct complaint *c)
{
	uint8_t seed;

	if (settings->vfs == NULL) {
		const struct err e = file_create(settings->path, c);
		if (failed(e))
			return e;
	}
	const int rc = sqlite3_open_v2(settings->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
			SQLITE_OPEN_EXRESCODE,
		settings->vfs);
	if (rc != SQLITE_OK)
		return refuse(s, c, "open it", rc);
	sqlite3_randomness(sizeof seed, &seed); /* seeds itself from a file: now, not in the sandbox */
	return OK;
}

static struct err sqlite_open(void **db, const struct store_settings *settings, struct complaint *c)
{
	struct sqlite *s = calloc(1, sizeof *s);

	if (s == NULL || (s->path = strdup(settings->path)) == NULL) {
		free(s);
		return complain(c, ERR(LIMIT), "no memory for the store of %s", settings->path);
	}
	struct err e = file_connect(s, settings, c);
	if (!failed(e))
		e = switches_hold(s, c);
	if (!failed(e))
		e = pragmas_hold(s, settings->unsafe_no_sync, c);
	if (!failed(e))
		e = schema_open(s, settings->schema, c);
	if (!failed(e))
		e = statements_open(s, settings->schema, c);
	if (failed(e)) {
		sqlite_close(s, true);
		return e;
	}
	*db = s;
	return OK;
}

const struct store_driver store_sqlite = {
	.open = sqlite_open, .commit = sqlite_commit, .tidy = sqlite_tidy, .close = sqlite_close};
