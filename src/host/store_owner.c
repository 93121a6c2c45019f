// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "store_owner.h"
#include <stdlib.h>
#include <string.h>

/* Through SQLite's own face to the disk, so that it is the same disk. No journal: a kind of file of
 * which SQLite asks no locks. */
enum { OPEN = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL };

static int owner_open(const struct store_owner *o, sqlite3_file **file)
{
	*file = calloc(1, (size_t)o->vfs->szOsFile);
	if (*file == NULL)
		return SQLITE_NOMEM;
	const int rc = o->vfs->xOpen(o->vfs, o->path, *file, OPEN, NULL);
	if (rc != SQLITE_OK && (*file)->pMethods == NULL) {
		free(*file);
		*file = NULL;
	}
	return rc;
}

static void owner_shut(sqlite3_file *file)
{
	if (file == NULL)
		return;
	file->pMethods->xClose(file);
	free(file);
}

int store_owner_take(struct store_owner *o, const char *vfs, const char *database)
{
	sqlite3_file *file = NULL;

	*o = (struct store_owner){.vfs = sqlite3_vfs_find(vfs)};
	o->path = sqlite3_mprintf("%s-owner", database);
	if (o->vfs == NULL || o->path == NULL)
		return o->vfs == NULL ? SQLITE_CANTOPEN : SQLITE_NOMEM;
	sqlite3_randomness(sizeof o->mark, o->mark);
	int rc = owner_open(o, &file);
	if (rc == SQLITE_OK)
		rc = file->pMethods->xWrite(file, o->mark, sizeof o->mark, 0);
	if (rc == SQLITE_OK)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	owner_shut(file);
	return rc;
}

int store_owner_check(const struct store_owner *o)
{
	uint8_t found[STORE_OWNER_MARK];
	sqlite3_file *file = NULL;

	int rc = owner_open(o, &file);
	if (rc == SQLITE_OK)
		rc = file->pMethods->xRead(file, found, sizeof found, 0);
	owner_shut(file);
	if (rc == SQLITE_OK && memcmp(found, o->mark, sizeof found) != 0)
		return SQLITE_BUSY;
	return rc;
}

void store_owner_close(struct store_owner *o)
{
	sqlite3_free(o->path);
	o->path = NULL;
}
