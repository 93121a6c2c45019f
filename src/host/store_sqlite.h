// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Between the two halves of the SQLite driver: store_sqlite.c works, store_sqlite_open.c opens. */
#include "host/store_driver.h"
#include "host/store_owner.h"
#include <sqlite3.h>

enum control { BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK_TO, CONTROLS };

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
	uint32_t log_pages, checkpoint_pages;
	struct store_owner owner;
};

struct err sqlite_open(void **db, const struct store_settings *settings, struct complaint *c);
/* What SQLite tells after each commit: how long the log is. */
int sqlite_on_wal(void *ctx, sqlite3 *db, const char *name, int pages);
void sqlite_close(void *db, bool is_dead);
