// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "loop.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_LIMIT = 128 };

/*
 * The file last appended to stays open: an error of writing back is told to the descriptors that
 * were open when it happened, and must not be missed [fsyncgate].
 */
struct posix_disk {
	int folder;
	int appended; /* -1: none */
	char appended_name[NAME_LIMIT];
};

static bool is_plain(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strlen(name) < NAME_LIMIT - 8 &&
	       strchr(name, '/') == NULL;
}

static int beneath(const struct posix_disk *d, const char *name, int flags)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	const int fd = (int)syscall(SYS_openat2, d->folder, name, &how, sizeof how);

	if (fd >= 0 || errno != ENOSYS)
		return fd;
	/* Before Linux 5.6. A plain name cannot leave the folder but by a link at its end. */
	return openat(d->folder, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static bool write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		const ssize_t n = write(fd, bytes.at, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = span_of(bytes.at + n, bytes.len - (size_t)n);
	}
	return true;
}

static void appended_close(struct posix_disk *d)
{
	if (d->appended >= 0)
		close(d->appended);
	d->appended = -1;
}

static struct err disk_load(void *ctx, const char *name, struct span_mut out, size_t *len)
{
	struct err e = OK;
	struct stat st;

	*len = 0;
	if (!is_plain(name))
		return ERR(INPUT);
	const int fd = beneath(ctx, name, O_RDONLY);
	if (fd < 0)
		return errno == ENOENT ? ERR(ABSENT) : ERR(IO);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		e = ERR(IO);
	else if ((uint64_t)st.st_size > out.len)
		e = ERR(LIMIT);
	while (!failed(e) && *len < (size_t)st.st_size) {
		const ssize_t n = read(fd, out.at + *len, (size_t)st.st_size - *len);
		if (n > 0)
			*len += (size_t)n;
		else if (n == 0 || errno != EINTR)
			e = ERR(IO);
	}
	close(fd);
	return e;
}

static struct err disk_append(void *ctx, const char *name, struct span bytes)
{
	struct posix_disk *d = ctx;
	struct stat before;

	if (!is_plain(name))
		return ERR(INPUT);
	if (d->appended < 0 || strcmp(d->appended_name, name) != 0) {
		appended_close(d);
		d->appended = beneath(d, name, O_WRONLY | O_APPEND | O_CREAT);
		snprintf(d->appended_name, sizeof d->appended_name, "%s", name);
	}
	if (d->appended < 0 || fstat(d->appended, &before) != 0)
		return ERR(IO);
	if (write_all(d->appended, bytes))
		return OK;
	/* A full disk must not leave half a record before the next one. */
	if (ftruncate(d->appended, before.st_size) != 0)
		appended_close(d);
	return ERR(IO);
}

static struct err disk_replace(void *ctx, const char *name, struct span bytes)
{
	struct posix_disk *d = ctx;
	char fresh[NAME_LIMIT];

	if (!is_plain(name))
		return ERR(INPUT);
	snprintf(fresh, sizeof fresh, "%.*s.new", NAME_LIMIT - 8, name);
	if (d->appended >= 0 && strcmp(d->appended_name, name) == 0)
		appended_close(d);
	const int fd = beneath(d, fresh, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0)
		return ERR(IO);
	const bool is_whole = write_all(fd, bytes) && fsync(fd) == 0;
	if (close(fd) != 0 || !is_whole || renameat(d->folder, fresh, d->folder, name) != 0) {
		unlinkat(d->folder, fresh, 0);
		return ERR(IO);
	}
	return OK;
}

static struct err disk_sync(void *ctx, const char *name)
{
	struct posix_disk *d = ctx;
	bool is_durable;

	if (!is_plain(name))
		return ERR(INPUT);
	if (d->appended >= 0 && strcmp(d->appended_name, name) == 0) {
		is_durable = fsync(d->appended) == 0;
	} else {
		const int fd = beneath(d, name, O_RDONLY);
		if (fd < 0)
			return errno == ENOENT ? ERR(ABSENT) : ERR(IO);
		is_durable = fsync(fd) == 0;
		close(fd);
	}
	/* The folder too: that the name is there. */
	return is_durable && fsync(d->folder) == 0 ? OK : ERR(IO);
}

static struct err regular_open(
	struct posix_disk *d, const char *name, int flags, int *fd, uint64_t *octets)
{
	struct stat st;

	if (!is_plain(name))
		return ERR(INPUT);
	*fd = beneath(d, name, flags);
	if (*fd < 0)
		return errno == ENOENT ? ERR(ABSENT) : ERR(IO);
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*octets = (uint64_t)st.st_size;
		return OK;
	}
	close(*fd);
	return ERR(IO);
}

static struct err disk_size(void *ctx, const char *name, uint64_t *octets)
{
	int fd;
	const struct err e = regular_open(ctx, name, O_RDONLY, &fd, octets);

	if (!failed(e))
		close(fd);
	return e;
}

static struct err disk_read(
	void *ctx, const char *name, uint64_t offset, struct span_mut out, size_t *len)
{
	uint64_t octets;
	int fd;
	struct err e = regular_open(ctx, name, O_RDONLY, &fd, &octets);

	*len = 0;
	if (failed(e))
		return e;
	while (!failed(e) && *len < out.len) {
		const ssize_t n = pread(fd, out.at + *len, out.len - *len, (off_t)(offset + *len));
		if (n > 0)
			*len += (size_t)n;
		else if (n == 0)
			break;
		else if (errno != EINTR)
			e = ERR(IO);
	}
	close(fd);
	return e;
}

static struct err disk_cut(void *ctx, const char *name, uint64_t octets)
{
	uint64_t before;
	int fd;
	const struct err opened = regular_open(ctx, name, O_WRONLY, &fd, &before);

	if (failed(opened))
		return opened;
	const bool is_cut = octets <= before && ftruncate(fd, (off_t)octets) == 0;
	close(fd);
	return is_cut ? OK : ERR(IO);
}

struct err disk_posix_open(struct disk *disk, const char *folder, struct complaint *c)
{
	struct posix_disk *d = malloc(sizeof *d);

	if (d == NULL)
		return ERR(LIMIT);
	*d = (struct posix_disk){.appended = -1};
	d->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->folder < 0) {
		const struct err e =
			complain(c, ERR(IO), "cannot open folder %s: %s", folder, strerror(errno));
		free(d);
		return e;
	}
	*disk = (struct disk){.ctx = d,
		.load = disk_load,
		.append = disk_append,
		.replace = disk_replace,
		.sync = disk_sync,
		.size = disk_size,
		.read = disk_read,
		.cut = disk_cut};
	return OK;
}

void disk_posix_close(struct disk *disk)
{
	struct posix_disk *d = disk->ctx;

	if (d == NULL)
		return;
	appended_close(d);
	close(d->folder);
	free(d);
	*disk = (struct disk){0};
}
