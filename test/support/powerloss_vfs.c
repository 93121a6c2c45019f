// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The SQLite face of a powerloss disk. A handle belongs to one life: after a crash it reaches nothing. */
#include "powerloss_disk.h"
#include <assert.h>
#include <stdio.h>
#include <unistd.h>

struct handle {
	sqlite3_file base;
	struct powerloss *disk;
	struct file *file;
	uint32_t life;
	int level; /* SQLITE_LOCK_… */
	bool is_temporary;
	struct handle *next;
};

static bool is_stale(const struct handle *h)
{
	return h->life != h->disk->life;
}

/* With the lock held for the time of one call. */
static struct handle *enter(sqlite3_file *base)
{
	struct handle *h = (struct handle *)base;

	pthread_mutex_lock(&h->disk->lock);
	return h;
}

static int leave(struct handle *h, int rc)
{
	pthread_mutex_unlock(&h->disk->lock);
	return rc;
}

static int rc_of(enum verdict v, int failure)
{
	return v == VERDICT_PASS ? SQLITE_OK : v == VERDICT_FULL ? SQLITE_FULL : failure;
}

static int on_close(sqlite3_file *base)
{
	struct handle *h = enter(base);

	if (!is_stale(h)) {
		struct handle **at = &h->file->handles;
		while (*at != NULL && *at != h)
			at = &(*at)->next;
		if (*at != NULL)
			*at = h->next;
		if (h->is_temporary)
			file_delete(h->disk, h->file);
	}
	return leave(h, SQLITE_OK);
}

static int on_read(sqlite3_file *base, void *out, int octets, sqlite3_int64 offset)
{
	struct handle *h = enter(base);
	const struct image *now = &h->file->now;
	const size_t at = (size_t)offset, wanted = (size_t)octets;

	if (is_stale(h) || file_read(h->disk) != VERDICT_PASS)
		return leave(h, SQLITE_IOERR_READ);
	const size_t there = at >= now->len ? 0 : now->len - at < wanted ? now->len - at : wanted;
	if (there > 0)
		memcpy(out, now->bytes + at, there);
	memset((uint8_t *)out + there, 0, wanted - there);
	return leave(h, there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

static int on_write(sqlite3_file *base, const void *bytes, int octets, sqlite3_int64 offset)
{
	struct handle *h = enter(base);

	if (is_stale(h))
		return leave(h, SQLITE_IOERR_WRITE);
	const enum verdict v = file_write(h->disk, h->file, (size_t)offset, bytes, (size_t)octets);
	return leave(h, rc_of(v, SQLITE_IOERR_WRITE));
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 octets)
{
	struct handle *h = enter(base);

	if (is_stale(h))
		return leave(h, SQLITE_IOERR_TRUNCATE);
	return leave(
		h, rc_of(file_truncate(h->disk, h->file, (size_t)octets), SQLITE_IOERR_TRUNCATE));
}

static int on_sync(sqlite3_file *base, int flags)
{
	struct handle *h = enter(base);

	(void)flags;
	if (is_stale(h))
		return leave(h, SQLITE_IOERR_FSYNC);
	return leave(h, rc_of(file_sync(h->disk, h->file), SQLITE_IOERR_FSYNC));
}

static int on_size(sqlite3_file *base, sqlite3_int64 *octets)
{
	struct handle *h = enter(base);

	*octets = (sqlite3_int64)h->file->now.len;
	return leave(h, is_stale(h) ? SQLITE_IOERR_FSTAT : SQLITE_OK);
}

/* Highest level that any other handle holds on the file. */
static int level_of_others(const struct handle *h)
{
	int level = SQLITE_LOCK_NONE;

	if (h->disk->has_no_locks)
		return level;
	for (const struct handle *other = h->file->handles; other != NULL; other = other->next)
		if (other != h && other->level > level)
			level = other->level;
	return level;
}

static int on_lock(sqlite3_file *base, int level)
{
	struct handle *h = enter(base);
	const int others = level_of_others(h);

	if (is_stale(h))
		return leave(h, SQLITE_IOERR_LOCK);
	if ((level == SQLITE_LOCK_SHARED && others >= SQLITE_LOCK_PENDING) ||
		(level == SQLITE_LOCK_RESERVED && others >= SQLITE_LOCK_RESERVED) ||
		(level >= SQLITE_LOCK_PENDING && others >= SQLITE_LOCK_SHARED))
		return leave(h, SQLITE_BUSY);
	if (level > h->level)
		h->level = level;
	return leave(h, SQLITE_OK);
}

static int on_unlock(sqlite3_file *base, int level)
{
	struct handle *h = enter(base);

	h->level = level;
	return leave(h, SQLITE_OK);
}

static int on_reserved(sqlite3_file *base, int *is_reserved)
{
	struct handle *h = enter(base);

	*is_reserved = level_of_others(h) >= SQLITE_LOCK_RESERVED;
	return leave(h, SQLITE_OK);
}

static int on_control(sqlite3_file *base, int op, void *argument)
{
	const struct handle *h = (const struct handle *)base;
	const char *swallowed = h->disk->swallowed_pragma;

	if (op == SQLITE_FCNTL_MMAP_SIZE) {
		*(sqlite3_int64 *)argument = 0;
		return SQLITE_OK;
	}
	if (op == SQLITE_FCNTL_PRAGMA && swallowed != NULL &&
		sqlite3_stricmp(((char **)argument)[1], swallowed) == 0)
		return SQLITE_OK;
	return SQLITE_NOTFOUND;
}

static int on_sector(sqlite3_file *base)
{
	(void)base;
	return POWERLOSS_SECTOR;
}

static int on_traits(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* Version 1: no shared memory. WAL works on it in exclusive mode alone. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_reserved,
	.xFileControl = on_control,
	.xSectorSize = on_sector,
	.xDeviceCharacteristics = on_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
	struct powerloss *p = vfs->pAppData;
	struct handle *h = (struct handle *)base;

	*h = (struct handle){.disk = p};
	pthread_mutex_lock(&p->lock);
	h->file = file_find(p, name == NULL ? "temporary" : name);
	h->life = p->life;
	h->is_temporary = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
	const enum verdict v = file_open(p, h->file, (flags & SQLITE_OPEN_CREATE) != 0);
	if (v == VERDICT_PASS && h->file->now.exists) {
		h->base.pMethods = &methods;
		h->next = h->file->handles;
		h->file->handles = h;
		if (out != NULL)
			*out = flags;
		return leave(h, SQLITE_OK);
	}
	return leave(h, SQLITE_CANTOPEN);
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	struct powerloss *p = vfs->pAppData;
	int rc = SQLITE_IOERR_DELETE_NOENT;

	pthread_mutex_lock(&p->lock);
	struct file *f = file_find(p, name);
	if (f->now.exists)
		rc = rc_of(file_delete(p, f), SQLITE_IOERR_DELETE);
	if (rc == SQLITE_OK && sync_folder != 0)
		rc = rc_of(file_sync(p, f), SQLITE_IOERR_DIR_FSYNC);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *is_there)
{
	struct powerloss *p = vfs->pAppData;

	(void)flags;
	pthread_mutex_lock(&p->lock);
	*is_there = file_find(p, name)->now.exists;
	pthread_mutex_unlock(&p->lock);
	return p->is_off ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int octets, char *out)
{
	(void)vfs;
	return snprintf(out, (size_t)octets, "%s", name) < octets ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int octets, char *out)
{
	struct powerloss *p = vfs->pAppData;

	prop_fill(&p->prop, span_mut_of(out, (size_t)octets));
	return octets;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *days)
{
	(void)vfs;
	*days = 2461000.5;
	return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int octets, char *out)
{
	(void)vfs, (void)octets, (void)out;
	return 0;
}

void powerloss_vfs_open(struct powerloss *p, const char *name)
{
	snprintf(p->vfs_name, sizeof p->vfs_name, "%s", name);
	p->vfs = (sqlite3_vfs){
		.iVersion = 1,
		.szOsFile = sizeof(struct handle),
		.mxPathname = POWERLOSS_NAME_MAX - 1,
		.zName = p->vfs_name,
		.pAppData = p,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_name,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error,
	};
	const int rc = sqlite3_vfs_register(&p->vfs, 0);
	assert(rc == SQLITE_OK);
	(void)rc;
}

void powerloss_vfs_close(struct powerloss *p)
{
	if (p->vfs.zName != NULL)
		sqlite3_vfs_unregister(&p->vfs);
}

void powerloss_no_locks(struct powerloss *p, bool has_none)
{
	p->has_no_locks = has_none;
}

void powerloss_swallow_pragma(struct powerloss *p, const char *name)
{
	p->swallowed_pragma = name;
}
