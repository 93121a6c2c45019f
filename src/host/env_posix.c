// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "loop.h"
#include "base/secret.h"
#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_ms(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* BOOTTIME goes on while the machine sleeps: a key's lifetime does not stop in a suspended guest.
 */
static struct moment now(void *ctx)
{
	(void)ctx;
	return (struct moment){
		.mono_ms = (uint64_t)read_ms(CLOCK_BOOTTIME), .unix_ms = read_ms(CLOCK_REALTIME)};
}

struct clock_port clock_posix(void)
{
	return (struct clock_port){.now = now};
}

static struct moment now_coarse(void *ctx)
{
	(void)ctx;
	return (struct moment){.mono_ms = (uint64_t)read_ms(CLOCK_MONOTONIC_COARSE),
		.unix_ms = read_ms(CLOCK_REALTIME_COARSE)};
}

struct clock_port clock_coarse(void)
{
	return (struct clock_port){.now = now_coarse};
}

static struct err fill(void *ctx, struct span_mut out)
{
	size_t done = 0;

	(void)ctx;
	while (done < out.len) {
		const ssize_t n = getrandom(out.at + done, out.len - done, 0);
		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			secret_wipe(out.at, out.len);
			return ERR(CRYPTO);
		}
	}
	return OK;
}

struct entropy entropy_posix(void)
{
	return (struct entropy){.fill = fill};
}
