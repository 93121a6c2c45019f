// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inject.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/uio.h>

static _Atomic int planned = -1; /* enum inject_call */
static _Atomic uint64_t calls_left;
static _Atomic bool is_lasting, has_failed;

static void plan(enum inject_call call, uint64_t n, bool lasts)
{
	planned = -1;
	has_failed = false;
	is_lasting = lasts;
	calls_left = n;
	planned = (int)call;
}

void inject_fail_at(enum inject_call call, uint64_t n)
{
	plan(call, n, false);
}

void inject_fail_from(enum inject_call call, uint64_t n)
{
	plan(call, n, true);
}

bool inject_off(void)
{
	planned = -1;
	return has_failed;
}

bool inject_now(enum inject_call call)
{
	if (planned != (int)call)
		return false;
	if (has_failed)
		return is_lasting;
	if (atomic_fetch_sub(&calls_left, 1) != 1)
		return false;
	has_failed = true;
	return true;
}

static struct err fill(void *ctx, struct span_mut out)
{
	return inject_now(INJECT_RANDOM) ? ERR(CRYPTO) : entropy_fill(ctx, out);
}

struct entropy inject_entropy(struct entropy *inner)
{
	return (struct entropy){.ctx = inner, .fill = fill};
}

/* -------- what the linker calls instead: declared here, since no header knows these names -------- */

void *__real_malloc(size_t octets);
void *__real_calloc(size_t count, size_t octets);
void *__real_realloc(void *at, size_t octets);
ssize_t __real_getrandom(void *out, size_t octets, unsigned flags);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __real_writev(int fd, const struct iovec *parts, int count);
int __real_fsync(int fd);
int __real_fdatasync(int fd);

void *__wrap_malloc(size_t octets);
void *__wrap_calloc(size_t count, size_t octets);
void *__wrap_realloc(void *at, size_t octets);
ssize_t __wrap_getrandom(void *out, size_t octets, unsigned flags);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

void *inject_exempt_realloc(void *at, size_t octets)
{
	return __real_realloc(at, octets);
}

static bool fails(enum inject_call call, int error)
{
	if (!inject_now(call))
		return false;
	errno = error;
	return true;
}

void *__wrap_malloc(size_t octets)
{
	return fails(INJECT_ALLOC, ENOMEM) ? NULL : __real_malloc(octets);
}

void *__wrap_calloc(size_t count, size_t octets)
{
	return fails(INJECT_ALLOC, ENOMEM) ? NULL : __real_calloc(count, octets);
}

void *__wrap_realloc(void *at, size_t octets)
{
	return fails(INJECT_ALLOC, ENOMEM) ? NULL : __real_realloc(at, octets);
}

ssize_t __wrap_getrandom(void *out, size_t octets, unsigned flags)
{
	return fails(INJECT_RANDOM, EIO) ? -1 : __real_getrandom(out, octets, flags);
}

static size_t shortened(size_t len)
{
	return len > 1 && inject_now(INJECT_WRITE_SHORT) ? len / 2 : len;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	return fails(INJECT_WRITE, ENOSPC) ? -1 : __real_write(fd, bytes, shortened(len));
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	return fails(INJECT_WRITE, ENOSPC) ? -1 : __real_pwrite(fd, bytes, shortened(len), offset);
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count)
{
	return fails(INJECT_WRITE, ENOSPC) ? -1 : __real_writev(fd, parts, count);
}

int __wrap_fsync(int fd)
{
	return fails(INJECT_SYNC, EIO) ? -1 : __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
	return fails(INJECT_SYNC, EIO) ? -1 : __real_fdatasync(fd);
}
