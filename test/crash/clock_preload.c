// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into a process under test: its calendar and its monotonic clock run ahead or behind by
 * what stands in a file that the test maps as well (crash/clock.h). Timers are not touched:
 * CLOCK_MONOTONIC stays what it is. Mapped before the sandbox; without the file nothing changes.
 */
#include "clock.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile struct crash_clock *shared;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void map(void)
{
	const char *path = getenv(CRASH_CLOCK_VARIABLE);
	const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	void *found = dlsym(RTLD_NEXT, "clock_gettime");
	memcpy(&real, &found, sizeof real); /* C has no cast from object to function */
	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, fd, 0);
	shared = at == MAP_FAILED ? NULL : at;
	close(fd);
}

static void add_ms(struct timespec *t, int64_t ms)
{
	const int64_t sum = (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000 + ms;

	t->tv_sec = (time_t)(sum / 1000);
	t->tv_nsec = (long)(sum % 1000) * 1000000 + t->tv_nsec % 1000000;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	const int rc = real(clock, t);

	if (rc == 0 && shared != NULL && clock == CLOCK_BOOTTIME)
		add_ms(t, shared->boot_ms);
	if (rc == 0 && shared != NULL && clock == CLOCK_REALTIME)
		add_ms(t, shared->calendar_ms);
	return rc;
}
