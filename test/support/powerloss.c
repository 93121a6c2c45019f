// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "powerloss_disk.h"
#include "inject.h"
#include <assert.h>
#include <stdlib.h>

/* The disk's own memory does not fail when a test makes allocations fail. */
static void *keep(void *at, size_t octets)
{
	void *kept = inject_exempt_realloc(at, octets);

	assert(kept != NULL);
	return kept;
}

/* -------- images and changes -------- */

static void image_resize(struct image *image, size_t len)
{
	if (len > image->limit) {
		const size_t limit = len + len / 2 + 4096;
		image->bytes = keep(image->bytes, limit);
		image->limit = limit;
	}
	if (len > image->len)
		memset(image->bytes + image->len, 0, len - image->len);
	image->len = len;
}

static void image_put(struct image *image, size_t offset, const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return;
	if (offset + len > image->len)
		image_resize(image, offset + len);
	memcpy(image->bytes + offset, bytes, len);
}

static void apply(struct image *image, const struct change *change)
{
	switch (change->kind) {
	case CHANGE_CREATE:
		image->exists = true;
		image->len = 0;
		return;
	case CHANGE_WRITE:
		image_put(image, change->offset, change->bytes, change->len);
		return;
	case CHANGE_TRUNCATE:
		image_resize(image, change->offset);
		return;
	case CHANGE_REPLACE:
		image->exists = true;
		image->len = 0;
		image_put(image, 0, change->bytes, change->len);
		return;
	case CHANGE_DELETE:
		image->exists = false;
		image->len = 0;
		return;
	}
}

static void changes_drop(struct file *f)
{
	while (f->changes != NULL) {
		struct change *next = f->changes->next;
		free(f->changes->bytes);
		free(f->changes);
		f->changes = next;
	}
	f->changes_end = &f->changes;
}

static void change_make(
	struct file *f, enum change_kind kind, size_t offset, const void *bytes, size_t len)
{
	struct change *change = keep(NULL, sizeof *change);

	*change = (struct change){.kind = kind, .offset = offset, .len = len};
	if (len > 0) {
		change->bytes = keep(NULL, len);
		memcpy(change->bytes, bytes, len);
	}
	apply(&f->now, change);
	*f->changes_end = change;
	f->changes_end = &change->next;
}

/* -------- losing -------- */

static bool happens(struct powerloss *p, uint64_t permille)
{
	return prop_below(&p->prop, 1000) < permille;
}

/* Each sector for itself: what the drive had got to when the power went. */
static void apply_torn(struct powerloss *p, struct image *image, const struct change *change)
{
	size_t done = 0;

	while (done < change->len) {
		const size_t at = change->offset + done;
		size_t piece = POWERLOSS_SECTOR - at % POWERLOSS_SECTOR;
		if (piece > change->len - done)
			piece = change->len - done;
		if (happens(p, 500))
			image_put(image, at, change->bytes + done, piece);
		done += piece;
	}
	p->counts.torn++;
}

/*
 * Changes survive by chance. Where the making, replacing or removing of a name is lost, later changes
 * were of a file that no name leads to.
 */
static void survive(struct powerloss *p, struct file *f, uint64_t permille)
{
	for (const struct change *change = f->changes; change != NULL; change = change->next) {
		const bool is_content =
			change->kind == CHANGE_WRITE || change->kind == CHANGE_TRUNCATE;
		if (change->kind == CHANGE_WRITE && happens(p, 250)) {
			apply_torn(p, &f->durable, change);
		} else if (happens(p, permille)) {
			apply(&f->durable, change);
		} else {
			p->counts.lost++;
			if (!is_content)
				break;
		}
	}
	changes_drop(f);
}

void powerloss_crash(struct powerloss *p)
{
	static const uint64_t chances[] = {0, 100, 500, 900, 1000};

	pthread_mutex_lock(&p->lock);
	const uint64_t permille = chances[prop_below(&p->prop, ARRAY_LEN(chances))];
	for (size_t i = 0; i < p->file_count; i++) {
		struct file *f = &p->files[i];
		survive(p, f, permille);
		f->now.exists = f->durable.exists;
		f->now.len = 0;
		image_put(&f->now, 0, f->durable.bytes, f->durable.len);
		f->handles = NULL;
	}
	p->life++;
	p->is_off = true;
	p->counts.crashes++;
	pthread_mutex_unlock(&p->lock);
}

void powerloss_restart(struct powerloss *p)
{
	p->is_off = false;
	powerloss_fault_clear(p);
}

bool powerloss_is_off(const struct powerloss *p)
{
	return p->is_off;
}

/* -------- faults -------- */

void powerloss_fault(struct powerloss *p, unsigned calls, enum powerloss_kind kind, uint64_t n)
{
	p->fault = (struct fault){.calls = calls, .kind = kind, .left = n};
}

void powerloss_fault_clear(struct powerloss *p)
{
	p->fault = (struct fault){0};
}

bool powerloss_fault_fired(const struct powerloss *p)
{
	return p->fault.has_fired;
}

void powerloss_space(struct powerloss *p, uint64_t octets)
{
	p->space = octets;
}

void powerloss_sync_lies(struct powerloss *p, bool is_lying)
{
	p->is_lying = is_lying;
}

/* What shall happen to this call. */
static enum verdict judge(struct powerloss *p, enum powerloss_call call)
{
	struct fault *f = &p->fault;

	if (p->is_off)
		return VERDICT_OFF;
	if (f->has_fired && f->kind == POWERLOSS_FULL && call == POWERLOSS_WRITE)
		return VERDICT_FULL;
	if ((f->calls & call) == 0 || f->left == 0 || --f->left > 0)
		return VERDICT_PASS;
	f->has_fired = true;
	switch (f->kind) {
	case POWERLOSS_FAIL:
		return VERDICT_FAIL;
	case POWERLOSS_SHORT:
		return VERDICT_SHORT;
	case POWERLOSS_FULL:
		return VERDICT_FULL;
	case POWERLOSS_POWER_OFF:
		return VERDICT_POWER_OFF;
	}
	return VERDICT_PASS;
}

/* -------- files -------- */

struct file *file_find(struct powerloss *p, const char *name)
{
	for (size_t i = 0; i < p->file_count; i++)
		if (strcmp(p->files[i].name, name) == 0)
			return &p->files[i];
	assert(p->file_count < POWERLOSS_FILES_MAX && strlen(name) < POWERLOSS_NAME_MAX);
	struct file *f = &p->files[p->file_count++];
	strcpy(f->name, name);
	f->changes_end = &f->changes;
	return f;
}

enum verdict file_open(struct powerloss *p, struct file *f, bool may_create)
{
	const enum verdict v = judge(p, f->now.exists ? POWERLOSS_REOPEN : POWERLOSS_OPEN);

	if (!f->now.exists && may_create && (v == VERDICT_PASS || v == VERDICT_POWER_OFF))
		change_make(f, CHANGE_CREATE, 0, NULL, 0);
	if (v == VERDICT_POWER_OFF)
		powerloss_crash(p);
	return v;
}

enum verdict file_read(struct powerloss *p)
{
	const enum verdict v = judge(p, POWERLOSS_READ);

	if (v == VERDICT_POWER_OFF)
		powerloss_crash(p);
	return v;
}

enum verdict file_write(
	struct powerloss *p, struct file *f, size_t offset, const void *bytes, size_t len)
{
	enum verdict v = judge(p, POWERLOSS_WRITE);
	size_t done = len;

	if (v == VERDICT_PASS && len > p->space) {
		v = VERDICT_FULL;
		done = (size_t)p->space;
	} else if (v == VERDICT_SHORT) {
		done = len / 2;
	} else if (v != VERDICT_PASS && v != VERDICT_POWER_OFF) {
		done = 0;
	}
	if (p->space != UINT64_MAX)
		p->space -= done < p->space ? done : p->space;
	if (done > 0)
		change_make(f, CHANGE_WRITE, offset, bytes, done);
	p->counts.writes++;
	if (v == VERDICT_POWER_OFF)
		powerloss_crash(p);
	return v;
}

static enum verdict change_judged(struct powerloss *p, struct file *f, enum powerloss_call call,
	enum change_kind kind, size_t offset, struct span bytes)
{
	const enum verdict v = judge(p, call);

	if (v == VERDICT_PASS || v == VERDICT_POWER_OFF)
		change_make(f, kind, offset, bytes.at, bytes.len);
	if (v == VERDICT_POWER_OFF)
		powerloss_crash(p);
	return v;
}

enum verdict file_truncate(struct powerloss *p, struct file *f, size_t len)
{
	return change_judged(p, f, POWERLOSS_TRUNCATE, CHANGE_TRUNCATE, len, span_of(NULL, 0));
}

enum verdict file_delete(struct powerloss *p, struct file *f)
{
	return change_judged(p, f, POWERLOSS_DELETE, CHANGE_DELETE, 0, span_of(NULL, 0));
}

enum verdict file_replace(struct powerloss *p, struct file *f, struct span bytes)
{
	return change_judged(p, f, POWERLOSS_WRITE, CHANGE_REPLACE, 0, bytes);
}

enum verdict file_sync(struct powerloss *p, struct file *f)
{
	const enum verdict v = judge(p, POWERLOSS_SYNC);

	p->counts.syncs++;
	if (v == VERDICT_POWER_OFF)
		powerloss_crash(p);
	else if (v == VERDICT_PASS && !p->is_lying)
		for (const struct change *change = f->changes; change != NULL;
			change = change->next)
			apply(&f->durable, change);
	else if (v != VERDICT_PASS)
		survive(p, f, 500); /* and the rest is forgotten: no later sync saves it */
	if (v == VERDICT_PASS && !p->is_lying)
		changes_drop(f);
	return v;
}

/* -------- the disk port -------- */

static struct err err_of(enum verdict v)
{
	return v == VERDICT_PASS ? OK : v == VERDICT_FULL ? ERR(LIMIT) : ERR(IO);
}

static struct err port_load(void *ctx, const char *name, struct span_mut out, size_t *len)
{
	struct powerloss *p = ctx;
	const struct file *f = file_find(p, name);
	const struct err e = err_of(file_read(p));

	*len = f->now.len;
	if (failed(e))
		return e;
	if (!f->now.exists)
		return ERR(ABSENT);
	if (f->now.len > out.len)
		return ERR(LIMIT);
	if (f->now.len > 0)
		memcpy(out.at, f->now.bytes, f->now.len);
	return OK;
}

static struct err port_append(void *ctx, const char *name, struct span bytes)
{
	struct powerloss *p = ctx;
	struct file *f = file_find(p, name);
	const struct err e = err_of(file_open(p, f, true));

	return failed(e) ? e : err_of(file_write(p, f, f->now.len, bytes.at, bytes.len));
}

static struct err port_replace(void *ctx, const char *name, struct span bytes)
{
	struct powerloss *p = ctx;

	return err_of(file_replace(p, file_find(p, name), bytes));
}

static struct err port_sync(void *ctx, const char *name)
{
	struct powerloss *p = ctx;

	return err_of(file_sync(p, file_find(p, name)));
}

static struct err port_read(
	void *ctx, const char *name, uint64_t offset, struct span_mut out, size_t *len)
{
	struct powerloss *p = ctx;
	const struct file *f = file_find(p, name);
	const struct err e = err_of(file_read(p));

	*len = 0;
	if (failed(e))
		return e;
	if (!f->now.exists)
		return ERR(ABSENT);
	if (offset < f->now.len)
		*len = f->now.len - offset < out.len ? f->now.len - offset : out.len;
	if (*len > 0)
		memcpy(out.at, f->now.bytes + offset, *len);
	return OK;
}

static struct err port_size(void *ctx, const char *name, uint64_t *octets)
{
	struct powerloss *p = ctx;
	const struct file *f = file_find(p, name);

	*octets = f->now.len;
	return p->is_off ? ERR(IO) : f->now.exists ? OK : ERR(ABSENT);
}

static struct err port_cut(void *ctx, const char *name, uint64_t octets)
{
	struct powerloss *p = ctx;
	struct file *f = file_find(p, name);

	if (!f->now.exists || octets > f->now.len)
		return p->is_off ? ERR(IO) : ERR(ABSENT);
	return err_of(file_truncate(p, f, (size_t)octets));
}

struct disk powerloss_disk(struct powerloss *p)
{
	return (struct disk){.ctx = p,
		.load = port_load,
		.append = port_append,
		.replace = port_replace,
		.sync = port_sync,
		.size = port_size,
		.read = port_read,
		.cut = port_cut};
}

/* -------- life -------- */

struct powerloss *powerloss_open(const char *vfs_name, uint64_t seed)
{
	struct powerloss *p = keep(NULL, sizeof *p);
	pthread_mutexattr_t attributes;

	*p = (struct powerloss){0};
	p->prop = prop_seeded(seed);
	p->space = UINT64_MAX;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&p->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	if (vfs_name != NULL)
		powerloss_vfs_open(p, vfs_name);
	return p;
}

void powerloss_close(struct powerloss *p)
{
	powerloss_vfs_close(p);
	for (size_t i = 0; i < p->file_count; i++) {
		changes_drop(&p->files[i]);
		free(p->files[i].now.bytes);
		free(p->files[i].durable.bytes);
	}
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct powerloss_counts powerloss_counts(const struct powerloss *p)
{
	return p->counts;
}

struct span_mut powerloss_content(struct powerloss *p, const char *name)
{
	struct file *f = file_find(p, name);

	return span_mut_of(f->now.bytes, f->now.len);
}
