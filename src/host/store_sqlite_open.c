// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Opening a SQLite store: the file, the settings that must hold, the schema, the statements. */
#include "host/store_sqlite.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHECKPOINT_PAGES = 1000, PATH_OCTETS_MAX = 1024 };

static const char *const control_sql[CONTROLS] = {
	[BEGIN] = "BEGIN",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SAVEPOINT] = "SAVEPOINT batch",
	[RELEASE] = "RELEASE batch",
	[ROLLBACK_TO] = "ROLLBACK TO batch",
};

/* -------- opening: settings -------- */

struct pragma {
	const char *name, *value, *read_back;
};

/*
 * Order matters: locking first, so that WAL keeps its index in this process and not in a file shared by others.
 *
 * synchronous is EXTRA, and set before WAL: in WAL both FULL and EXTRA sync each commit, but a new file starts with a rollback
 * journal, and FULL does not sync the folder when that is deleted. After a power loss the old journal may be back,
 * and SQLite would roll the whole database back to nothing by it (test_store_crash.c found that).
 *
 * secure_delete is ON, not FAST: FAST skips pages that are freed as a whole, which are just the
 * overflow pages of large state blobs. Erasure of keys does not rest on it (old copies live on in the log until it is
 * overwritten, and in the flash beneath): rows are sealed under segment keys that are erased.
 */
static const struct pragma pragmas[] = {
	{"locking_mode", "EXCLUSIVE", "exclusive"},
	{"synchronous", "EXTRA", "3"},
	{"journal_mode", "WAL", "wal"},
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
			return complain(c, ERR(STATE), "%s: SQLite switch %d does not hold",
				s->path, switches[i].which);
	}
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_wal_hook(s->db, sqlite_on_wal, s); /* takes the place of the automatic checkpoint */
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
	char *sql =
		sqlite3_mprintf("INSERT INTO merlon_schema (one, name, version) VALUES (1, %Q, %d) "
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
	int rc = text_query(s->db, "SELECT count(*) FROM sqlite_schema", tables, sizeof tables);

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
		return complain(
			c, ERR(BUG), "statement %s: %s", given->name, sqlite3_errmsg(s->db));
	const int count = sqlite3_bind_parameter_count(statement->sql);
	if (count > STORE_PARAMS_MAX || sqlite3_column_count(statement->sql) > STORE_COLUMNS_MAX)
		return complain(
			c, ERR(BUG), "statement %s: too many parameters or columns", given->name);
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
	sqlite3_randomness(
		sizeof seed, &seed); /* seeds itself from a file: now, not in the sandbox */
	return OK;
}

/* With the lock, where there are locks: the settings take it. */
static struct err file_settle(
	struct sqlite *s, const struct store_settings *settings, struct complaint *c)
{
	struct err e = file_connect(s, settings, c);

	if (!failed(e))
		e = switches_hold(s, c);
	return failed(e) ? e : pragmas_hold(s, settings->unsafe_no_sync, c);
}

/*
 * Once we know that the lock is ours: the mark, and then all anew, so that what we read is from after
 * the mark. The owner before has either seen it, or what it wrote is what we read.
 */
static struct err own(struct sqlite *s, const struct store_settings *settings, struct complaint *c)
{
	const int rc = store_owner_take(&s->owner, settings->vfs, settings->path);

	if (rc != SQLITE_OK)
		return refuse(s, c, "mark it as ours", rc);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(s->db);
	s->db = NULL;
	return file_settle(s, settings, c);
}

struct err sqlite_open(void **db, const struct store_settings *settings, struct complaint *c)
{
	struct sqlite *s = calloc(1, sizeof *s);

	if (s == NULL || (s->path = strdup(settings->path)) == NULL) {
		free(s);
		return complain(c, ERR(LIMIT), "no memory for the store of %s", settings->path);
	}
	s->checkpoint_pages =
		settings->checkpoint_pages > 0 ? settings->checkpoint_pages : CHECKPOINT_PAGES;
	struct err e = file_settle(s, settings, c);
	if (!failed(e))
		e = own(s, settings, c);
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
