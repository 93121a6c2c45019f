// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Who has a database file open. SQLite's exclusive lock keeps a second process out, where locks hold;
 * some network file systems grant them to everybody. Two would then write into one log, each sure to
 * be alone, and no epoch in any row would tell: each sees only what it wrote itself.
 *
 * So whoever opens leaves a mark of his own in a file beside the database, before he reads it for
 * good, and looks at it before and after each commit. Who finds another's has been replaced: before,
 * he writes nothing; after, the fate of his commit is unknown. Either way he stops.
 *
 * Left open: where locks do not hold, a newcomer who opens within the very commit of the older one.
 */
#include "base/err.h"
#include <sqlite3.h>
#include <stdint.h>

enum { STORE_OWNER_MARK = 16 };

struct store_owner {
	sqlite3_vfs *vfs;
	char *path;
	uint8_t mark[STORE_OWNER_MARK];
};

/* `vfs` as in sqlite3_open_v2(). Answers SQLite's codes. */
int store_owner_take(struct store_owner *o, const char *vfs, const char *database);
/* SQLITE_OK; SQLITE_BUSY: it is another's now. The file is opened anew each time: a network file
 * system answers from its cache otherwise. */
int store_owner_check(const struct store_owner *o);
void store_owner_close(struct store_owner *o);
