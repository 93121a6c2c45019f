// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/sandbox.h"
#include "host/store.h"
#include "support/prop.h"
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PUT, GET, RAISE, ODD_ORDER, CHILD_PUT, ALL, TYPES };

static const char *const create[] = {
	"CREATE TABLE item (id INTEGER PRIMARY KEY, body BLOB, note TEXT)",
	"CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL CHECK (value >= 0))",
	"CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL "
	"REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED)",
	"INSERT INTO counter (id, value) VALUES (1, 0)",
	NULL,
};

static const struct store_statement statements[] = {
	[PUT] = {"put", "INSERT INTO item (id, body, note) VALUES ($1, $2, $3)"},
	[GET] = {"get", "SELECT id, body, note FROM item WHERE id = $1"},
	[RAISE] = {"raise", "UPDATE counter SET value = value + $1 WHERE id = 1 RETURNING value"},
	[ODD_ORDER] = {"odd_order", "UPDATE item SET note = $2 WHERE id = $1"},
	[CHILD_PUT] = {"child_put", "INSERT INTO child (id, parent) VALUES ($1, $2)"},
	[ALL] = {"all", "SELECT id FROM item ORDER BY id"},
	[TYPES] = {"types", "SELECT $1, $2, $3, $4"},
};

static const struct store_schema schema = {
	.name = "test",
	.version = 1,
	.create = create,
	.statements = statements,
	.statement_count = ARRAY_LEN(statements),
};

static char folder[] = "/tmp/merlon-store-XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/merlon-store-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/a.db", folder);
	return 0;
}

static int teardown(void **state)
{
	static const char *const suffixes[] = {"-wal", "-owner", ""};
	char file[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(file, sizeof file, "%s%s", path, suffixes[i]);
		unlink(file);
	}
	return rmdir(folder);
}

static struct store *opened(struct loop *l)
{
	const struct store_settings settings = {.path = path, .schema = &schema};
	struct complaint c = {0};
	struct store *s;

	if (failed(store_open(&s, l, &settings, &c)))
		fail_msg("%s", c.text);
	return s;
}

static void refused(const struct store_settings *settings, enum err_kind kind, const char *words)
{
	struct complaint c = {0};
	struct store *s;

	assert_int_equal(store_open(&s, NULL, settings, &c).kind, kind);
	assert_null(s);
	if (strstr(c.text, words) == NULL)
		fail_msg("'%s' does not say '%s'", c.text, words);
}

static struct store_batch *put(int64_t id, const char *body)
{
	struct store_batch *b = store_batch_open();
	const struct store_value values[] = {
		STORE_I64_VALUE(id), STORE_BLOB_VALUE(span_str(body)), STORE_TEXT_VALUE("note")};

	assert_false(failed(store_batch_add(b, PUT, values, 3)));
	return b;
}

static struct store_batch *raise_by(int64_t by)
{
	struct store_batch *b = store_batch_open();

	assert_false(failed(store_batch_add(b, RAISE, &STORE_I64_VALUE(by), 1)));
	return b;
}

struct outcome {
	int calls;
	struct err err;
	size_t rows;
	int64_t first, changes;
	char text[32];
};

static void keep(void *ctx, struct err err, const struct store_result *r)
{
	struct outcome *o = ctx;

	o->calls++;
	o->err = err;
	o->rows = store_result_rows(r, 0);
	o->changes = store_result_changes(r, 0);
	if (o->rows > 0)
		o->first = store_result_row(r, 0, 0)->columns[0].i64;
}

static int64_t count_of(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *q;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	const int64_t v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return v;
}

static void alter(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* -------- values and statements -------- */

static void keep_types(void *ctx, struct err err, const struct store_result *r)
{
	const struct store_row *row = store_result_row(r, 0, 0);

	assert_false(failed(err));
	assert_int_equal(row->count, 4);
	assert_int_equal(row->columns[0].type, STORE_NULL);
	assert_int_equal(row->columns[1].i64, INT64_MIN);
	assert_int_equal(row->columns[2].type, STORE_BLOB);
	assert_int_equal(row->columns[2].bytes.len, 0);
	assert_int_equal(row->columns[3].type, STORE_TEXT);
	assert_string_equal((const char *)row->columns[3].bytes.at, "text");
	assert_null(store_result_row(r, 0, 1));
	assert_null(store_result_row(r, 1, 0));
	*(bool *)ctx = true;
}

static void test_values_of_all_types_come_back(void **state)
{
	struct store *s = opened(NULL);
	struct store_batch *b = store_batch_open();
	const struct store_value values[] = {STORE_NULL_VALUE, STORE_I64_VALUE(INT64_MIN),
		STORE_BLOB_VALUE(span_of("", 0)), STORE_TEXT_VALUE("text")};
	bool is_called = false;

	(void)state;
	assert_false(failed(store_batch_add(b, TYPES, values, 4)));
	assert_false(failed(store_run(s, b, keep_types, &is_called)));
	assert_true(is_called);
	store_close(s);
}

static void keep_note(void *ctx, struct err err, const struct store_result *r)
{
	const struct store_row *row = store_result_row(r, 1, 0);

	assert_false(failed(err));
	assert_int_equal(store_result_changes(r, 0), 1);
	snprintf(((struct outcome *)ctx)->text, 32, "%s", (const char *)row->columns[2].bytes.at);
}

static void test_parameters_are_bound_by_their_number_not_by_their_place(void **state)
{
	struct store *s = opened(NULL);
	struct store_batch *b = put(7, "body");
	struct outcome o = {0};

	(void)state;
	assert_false(failed(store_run(s, b, NULL, NULL)));
	b = store_batch_open();
	store_batch_add(b, ODD_ORDER,
		(struct store_value[]){STORE_I64_VALUE(7), STORE_TEXT_VALUE("new")}, 2);
	store_batch_add(b, GET, &STORE_I64_VALUE(7), 1);
	assert_false(failed(store_run(s, b, keep_note, &o)));
	assert_string_equal(o.text, "new");
	store_close(s);
}

static void test_what_does_not_fit_its_table_is_refused_and_changes_nothing(void **state)
{
	struct store *s = opened(NULL);
	struct store_value many[STORE_PARAMS_MAX + 1] = {{.type = STORE_NULL}};
	struct outcome o = {0};

	(void)state;
	struct store_batch *b = put(1, "x");
	store_batch_add(b, 999, NULL, 0);
	assert_int_equal(store_run(s, b, keep, &o).kind, ERR_BUG);
	b = put(1, "x");
	store_batch_add(b, GET, NULL, 0);
	assert_int_equal(store_run(s, b, keep, &o).kind, ERR_BUG);
	assert_int_equal(o.calls, 2);
	assert_int_equal(o.rows, 0);
	b = put(1, "x");
	assert_int_equal(store_batch_add(b, TYPES, many, ARRAY_LEN(many)).kind, ERR_BUG);
	assert_int_equal(store_run(s, b, keep, &o).kind, ERR_BUG);
	b = store_batch_open();
	for (int i = 0; i < STORE_BATCH_MAX; i++)
		assert_false(failed(store_batch_add(b, ALL, NULL, 0)));
	assert_int_equal(store_batch_add(b, ALL, NULL, 0).kind, ERR_LIMIT);
	assert_int_equal(store_run(s, b, keep, &o).kind, ERR_LIMIT);
	assert_int_equal(store_run(s, NULL, keep, &o).kind, ERR_LIMIT);
	assert_int_equal(o.calls, 2);
	b = store_batch_open();
	store_batch_add(b, ALL, NULL, 0);
	assert_false(failed(store_run(s, b, keep, &o)));
	assert_int_equal(o.rows, 0);
	store_close(s);
}

static void test_a_batch_too_large_is_refused(void **state)
{
	struct store *s = opened(NULL);
	struct store_batch *b = store_batch_open();
	uint8_t *large = calloc(1, STORE_BATCH_OCTETS_MAX);
	const struct store_value values[] = {STORE_I64_VALUE(1),
		STORE_BLOB_VALUE(span_of(large, STORE_BATCH_OCTETS_MAX)), STORE_NULL_VALUE};

	(void)state;
	assert_int_equal(store_batch_add(b, PUT, values, 3).kind, ERR_LIMIT);
	assert_int_equal(store_run(s, b, NULL, NULL).kind, ERR_LIMIT);
	free(large);
	store_close(s);
}

/* -------- groups -------- */

static void test_batches_that_wait_are_one_commit_and_a_refused_one_fails_alone(void **state)
{
	struct store *s = opened(NULL);
	struct outcome o[6] = {0};

	(void)state;
	struct store_batch *doubled = put(5, "five");
	const struct store_value again[] = {STORE_I64_VALUE(1), STORE_NULL_VALUE, STORE_NULL_VALUE};
	store_batch_add(doubled, PUT, again, 3);
	struct store_batch *orphan = put(6, "six");
	store_batch_add(orphan, CHILD_PUT,
		(struct store_value[]){STORE_I64_VALUE(1), STORE_I64_VALUE(99)}, 2);
	assert_false(failed(store_submit(s, put(1, "one"), keep, &o[0])));
	assert_false(failed(store_submit(s, doubled, keep, &o[1])));
	assert_false(failed(store_submit(s, raise_by(-5), keep, &o[2])));
	assert_false(failed(store_submit(s, orphan, keep, &o[3])));
	assert_false(failed(store_submit(s, raise_by(3), keep, &o[4])));
	assert_false(failed(store_submit(s, raise_by(3), keep, &o[5])));
	assert_int_equal(o[0].calls, 0);
	assert_true(store_step(s));
	assert_false(store_step(s));
	const enum err_kind kinds[] = {
		ERR_NONE, ERR_STATE, ERR_STATE, ERR_STATE, ERR_NONE, ERR_NONE};
	for (size_t i = 0; i < ARRAY_LEN(o); i++) {
		assert_int_equal(o[i].calls, 1);
		assert_int_equal(o[i].err.kind, kinds[i]);
	}
	assert_int_equal(o[4].first, 3);
	assert_int_equal(o[5].first, 6);
	assert_int_equal(store_commits(s), 1);
	store_close(s);
	assert_int_equal(count_of("SELECT count(*) FROM item"), 1);
	assert_int_equal(count_of("SELECT count(*) FROM child"), 0);
}

enum { MANY = 500 };
struct order {
	int seen, last;
	int64_t value;
};
static struct order order;
struct ticket {
	int number;
};

static void in_order(void *ctx, struct err err, const struct store_result *r)
{
	const struct ticket *t = ctx;

	assert_false(failed(err));
	assert_int_equal(t->number, order.last + 1);
	order.last = t->number;
	order.seen++;
	order.value = store_result_row(r, 0, 0)->columns[0].i64;
}

static void test_on_a_loop_completions_come_in_order_with_fewer_commits_than_batches(void **state)
{
	struct loop l = {0};
	static struct ticket tickets[MANY];

	(void)state;
	assert_int_equal(uv_loop_init(&l.uv), 0);
	struct store *s = opened(&l);
	assert_false(failed(store_run(s, raise_by(1), NULL, NULL)));
	order = (struct order){.last = -1};
	for (int i = 0; i < MANY; i++) {
		tickets[i].number = i;
		assert_false(failed(store_submit(s, raise_by(1), in_order, &tickets[i])));
	}
	/* Blocking work goes through the same queue: all of the above is in what it sees. */
	struct outcome o = {0};
	assert_false(failed(store_run(s, raise_by(0), keep, &o)));
	assert_int_equal(o.first, MANY + 1);
	uv_run(&l.uv, UV_RUN_DEFAULT); /* ends by itself when nothing is in flight */
	assert_int_equal(order.seen, MANY);
	assert_int_equal(order.value, MANY + 1);
	assert_in_range(store_commits(s), 2, MANY / 2);
	assert_int_equal(store_counts(s).batches, MANY + 2);
	store_close(s);
	uv_run(&l.uv, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l.uv), 0);
	assert_int_equal(count_of("SELECT value FROM counter"), MANY + 1);
}

static void test_closing_completes_what_waits(void **state)
{
	struct loop l = {0};
	static struct ticket tickets[MANY];

	(void)state;
	assert_int_equal(uv_loop_init(&l.uv), 0);
	struct store *s = opened(&l);
	order = (struct order){.last = -1};
	for (int i = 0; i < MANY; i++) {
		tickets[i].number = i;
		assert_false(failed(store_submit(s, raise_by(1), in_order, &tickets[i])));
	}
	store_close(s);
	assert_int_equal(order.seen, MANY);
	uv_run(&l.uv, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l.uv), 0);
}

static void test_the_queue_is_bounded(void **state)
{
	struct store *s = opened(NULL);
	struct outcome o = {0};

	(void)state;
	for (int i = 0; i < STORE_QUEUED_BATCHES_MAX; i++)
		assert_false(failed(store_submit(s, raise_by(1), keep, &o)));
	assert_int_equal(store_submit(s, raise_by(1), keep, &o).kind, ERR_LIMIT);
	assert_int_equal(store_run(s, raise_by(1), keep, &o).kind, ERR_LIMIT);
	assert_int_equal(store_counts(s).refused_full, 2);
	assert_int_equal(store_counts(s).queued_peak, STORE_QUEUED_BATCHES_MAX);
	store_step(s);
	assert_int_equal(o.calls, STORE_QUEUED_BATCHES_MAX);
	assert_false(failed(store_run(s, raise_by(1), keep, &o)));
	store_close(s);
}

static void test_the_log_is_checkpointed(void **state)
{
	struct store *s = opened(NULL);
	char body[4001];

	(void)state;
	memset(body, 'b', sizeof body - 1);
	body[sizeof body - 1] = '\0';
	for (int i = 0; i < 30; i++) {
		for (int j = 0; j < 100; j++)
			assert_false(failed(store_submit(s, put(100 * i + j, body), NULL, NULL)));
		store_step(s);
	}
	assert_true(store_counts(s).checkpoints >= 1);
	store_close(s);
	assert_int_equal(count_of("SELECT count(*) FROM item"), 3000);
}

/* -------- opening -------- */

static void test_a_new_file_is_for_its_owner_alone(void **state)
{
	struct stat info;

	(void)state;
	store_close(opened(NULL));
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_a_second_instance_is_refused(void **state)
{
	const struct store_settings settings = {.path = path, .schema = &schema};
	struct store *s = opened(NULL);
	int status;

	(void)state;
	refused(&settings, ERR_STATE, "is in use by another process");
	const pid_t child = fork();
	if (child == 0) {
		struct complaint c = {0};
		struct store *second;
		_exit((int)store_open(&second, NULL, &settings, &c).kind);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ERR_STATE);
	assert_false(failed(store_run(s, raise_by(1), NULL, NULL)));
	store_close(s);
	store_close(opened(NULL));
}

/* Where locks do not hold, a second instance is noticed by its mark: the first writes nothing more. */
static void test_who_finds_the_mark_of_another_writes_nothing_more(void **state)
{
	struct store *s = opened(NULL);
	char file[80];

	(void)state;
	assert_false(failed(store_run(s, raise_by(1), NULL, NULL)));
	snprintf(file, sizeof file, "%s-owner", path);
	FILE *f = fopen(file, "w");
	fprintf(f, "the other's mark");
	fclose(f);
	assert_int_equal(store_run(s, raise_by(1), NULL, NULL).kind, ERR_IO);
	assert_non_null(strstr(store_why(s), "another process has opened it since"));
	store_close(s);
	struct outcome outcome = {0};
	s = opened(NULL);
	assert_false(failed(store_run(s, raise_by(0), keep, &outcome)));
	assert_int_equal(outcome.first, 1);
	store_close(s);
}

static void test_files_that_are_not_ours_are_refused_with_a_sentence(void **state)
{
	struct store_settings settings = {.path = path, .schema = &schema};

	(void)state;
	FILE *f = fopen(path, "w");
	fprintf(f, "this is not a database, but long enough to be one ........................"
		   "................................................................");
	fclose(f);
	refused(&settings, ERR_INPUT, "is not an SQLite database");
	unlink(path);
	alter("CREATE TABLE foreign_table (x)");
	refused(&settings, ERR_STATE, "is a database of another program");
	settings.path = "/nonexistent/a.db";
	refused(&settings, ERR_IO, "cannot create /nonexistent/a.db: No such file");
}

static const char *const migrate[] = {
	"ALTER TABLE item ADD COLUMN more INTEGER", "UPDATE counter SET value = 100", NULL};
static const char *const migrate_badly[] = {
	"UPDATE counter SET value = 200", "ALTER TABLE absent ADD COLUMN more INTEGER", NULL};

static void test_schema_of_another_name_or_version_is_refused(void **state)
{
	struct store_schema other = schema;
	struct store_settings settings = {.path = path, .schema = &other};

	(void)state;
	store_close(opened(NULL));
	other.name = "kms";
	refused(&settings, ERR_STATE, "holds the data of 'test', not of 'kms'");
	other = schema;
	other.version = 3;
	other.migrate = migrate;
	refused(&settings, ERR_VERSION,
		"schema version 1; this program knows 3 and the one before");
	other.version = 2;
	other.migrate = NULL;
	refused(&settings, ERR_VERSION, "schema version 1; this program knows 2");
	alter("UPDATE merlon_schema SET version = 9");
	refused(&settings, ERR_VERSION, "schema version 9; this program knows 2: start the newer");
	alter("DELETE FROM merlon_schema");
	refused(&settings, ERR_STATE, "is a database of another program");
}

static void test_migration_is_all_or_nothing(void **state)
{
	struct store_schema next = schema;
	const struct store_settings settings = {.path = path, .schema = &next};
	struct store *s;

	(void)state;
	store_close(opened(NULL));
	next.version = 2;
	next.migrate = migrate_badly;
	refused(&settings, ERR_IO, "cannot set up its tables");
	assert_int_equal(count_of("SELECT version FROM merlon_schema"), 1);
	assert_int_equal(count_of("SELECT value FROM counter"), 0);
	next.migrate = migrate;
	assert_false(failed(store_open(&s, NULL, &settings, NULL)));
	store_close(s);
	assert_int_equal(count_of("SELECT version FROM merlon_schema"), 2);
	assert_int_equal(count_of("SELECT value FROM counter"), 100);
	assert_false(failed(store_open(&s, NULL, &settings, NULL)));
	store_close(s);
	assert_int_equal(count_of("SELECT value FROM counter"), 100);
}

static void test_statements_are_checked_at_open(void **state)
{
	const struct {
		const char *sql, *words;
	} rows[] = {
		{"SELECT absent FROM item", "no such column"},
		{"SELECT \"text\" FROM item", "no such column"},
		{"SELECT $1, $3", "has 2 parameters, but no $2"},
		{"SELECT ?", "has 1 parameters, but no $1"},
		{"SELECT 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "too many"},
	};
	struct store_schema broken = schema;
	const struct store_settings settings = {.path = path, .schema = &broken};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct store_statement statement = {"broken", rows[i].sql};
		broken.statements = &statement;
		broken.statement_count = 1;
		refused(&settings, ERR_BUG, rows[i].words);
	}
}

/* -------- in the sandbox -------- */

/* As a daemon does it: loop, sandbox, store, and only then the store's thread. */
static int live_in_sandbox(void)
{
	const struct sandbox_request request = {.level = SANDBOX_STORE, .folder = folder};
	const struct store_settings settings = {
		.path = path, .schema = &schema, .checkpoint_pages = 8};
	static struct ticket tickets[MANY];
	struct complaint c = {0};
	struct loop l;
	struct store *s;

	if (failed(loop_open(&l)) || failed(sandbox_enter(&request, &c)))
		return 2;
	if (failed(store_open(&s, &l, &settings, &c)))
		return 3;
	order = (struct order){.last = -1};
	for (int i = 0; i < MANY; i++) {
		tickets[i].number = i;
		if (failed(store_submit(s, raise_by(1), in_order, &tickets[i])))
			return 4;
	}
	loop_run(&l);
	if (failed(store_run(s, put(1, "large enough for another page or two"), NULL, NULL)))
		return 5;
	store_close(s);
	return order.seen == MANY ? 0 : 6;
}

static void test_the_store_and_its_thread_live_in_the_sandbox(void **state)
{
	int status;

	(void)state;
	const pid_t child = fork();
	if (child == 0) {
		signal(SIGSYS, SIG_DFL);
		_exit(live_in_sandbox());
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(count_of("SELECT value FROM counter"), MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_values_of_all_types_come_back),
		TEST(test_parameters_are_bound_by_their_number_not_by_their_place),
		TEST(test_what_does_not_fit_its_table_is_refused_and_changes_nothing),
		TEST(test_a_batch_too_large_is_refused),
		TEST(test_batches_that_wait_are_one_commit_and_a_refused_one_fails_alone),
		TEST(test_on_a_loop_completions_come_in_order_with_fewer_commits_than_batches),
		TEST(test_closing_completes_what_waits),
		TEST(test_the_queue_is_bounded),
		TEST(test_the_log_is_checkpointed),
		TEST(test_a_new_file_is_for_its_owner_alone),
		TEST(test_a_second_instance_is_refused),
		TEST(test_who_finds_the_mark_of_another_writes_nothing_more),
		TEST(test_files_that_are_not_ours_are_refused_with_a_sentence),
		TEST(test_schema_of_another_name_or_version_is_refused),
		TEST(test_migration_is_all_or_nothing),
		TEST(test_statements_are_checked_at_open),
		TEST(test_the_store_and_its_thread_live_in_the_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
