// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Between the disk (powerloss.c) and its SQLite face (powerloss_vfs.c). */
#include "powerloss.h"
#include "prop.h"
#include <pthread.h>
#include <sqlite3.h>

enum change_kind { CHANGE_CREATE, CHANGE_WRITE, CHANGE_TRUNCATE, CHANGE_REPLACE, CHANGE_DELETE };

struct change {
	enum change_kind kind;
	size_t offset, len; /* TRUNCATE: offset is the new length */
	uint8_t *bytes;
	struct change *next;
};

struct image {
	bool exists;
	uint8_t *bytes;
	size_t len, limit;
};

struct handle;

struct file {
	char name[POWERLOSS_NAME_MAX];
	struct image now, durable;
	struct change *changes, **changes_end;
	struct handle *handles; /* SQLite's, of this life */
};

struct fault {
	unsigned calls;
	enum powerloss_kind kind;
	uint64_t left;
	bool has_fired;
};

struct powerloss {
	pthread_mutex_t lock; /* recursive: SQLite calls from the store's thread */
	struct prop prop;
	uint32_t life;
	bool is_off, is_lying, has_no_locks;
	uint64_t space;
	struct fault fault;
	struct powerloss_counts counts;
	size_t file_count;
	struct file files[POWERLOSS_FILES_MAX];
	sqlite3_vfs vfs;
	char vfs_name[32];
	const char *swallowed_pragma;
};

enum verdict {
	VERDICT_PASS,
	VERDICT_FAIL,
	VERDICT_SHORT,
	VERDICT_FULL,
	VERDICT_POWER_OFF, /* it happened, unsynced, and the machine is off */
	VERDICT_OFF,
};

struct file *file_find(struct powerloss *p, const char *name);
enum verdict file_open(struct powerloss *p, struct file *f, bool may_create);
enum verdict file_read(struct powerloss *p);
enum verdict file_write(
	struct powerloss *p, struct file *f, size_t offset, const void *bytes, size_t len);
enum verdict file_replace(struct powerloss *p, struct file *f, struct span bytes);
enum verdict file_truncate(struct powerloss *p, struct file *f, size_t len);
enum verdict file_delete(struct powerloss *p, struct file *f);
enum verdict file_sync(struct powerloss *p, struct file *f);

void powerloss_vfs_open(struct powerloss *p, const char *name);
void powerloss_vfs_close(struct powerloss *p);
