// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "secret.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Arenas of locked memory, cut in granules of 64 octets; a byte per granule says whether it is in use.
 * First fit is enough: secrets are few, of few sizes, and most live long.
 */
enum { GRANULE = 64, ARENA_OCTETS_MIN = 256 << 10, ARENAS_MAX = 256 };

struct arena {
	uint8_t *memory; /* between two guard pages */
	uint8_t *used;   /* one flag a granule, in ordinary memory */
	size_t granules;
};

static struct {
	pthread_mutex_t lock;
	struct arena arenas[ARENAS_MAX];
	size_t arena_count;
	size_t octets_mapped, octets_open;
	enum secret_protection protection;
	bool is_decided;
} the = {.lock = PTHREAD_MUTEX_INITIALIZER};

#if defined(__SANITIZE_ADDRESS__) || defined(MERLON_CT_CHECK)
#define CAN_LOCK 0 /* sanitizers and valgrind shadow all memory: plain pages there */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define CAN_LOCK 0
#else
#define CAN_LOCK 1
#endif
#else
#define CAN_LOCK 1
#endif

static bool map_memfd_secret(void *at, size_t len)
{
#if CAN_LOCK && defined(SYS_memfd_secret)
	const int fd = (int)syscall(SYS_memfd_secret, 0);
	if (fd < 0)
		return false;
	const bool is_mapped =
		ftruncate(fd, (off_t)len) == 0 &&
		mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
	close(fd);
	return is_mapped;
#else
	(void)at, (void)len;
	return false;
#endif
}

static bool map_locked(void *at, size_t len)
{
	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		MAP_FAILED)
		return false;
	madvise(at, len, MADV_DONTDUMP);
	return !CAN_LOCK || mlock(at, len) == 0;
}

/* Fills [at, at + len) by the strongest means that works; the first success decides for all. */
static bool map_protected(void *at, size_t len)
{
	if (!the.is_decided) {
		the.protection = map_memfd_secret(at, len) ? SECRET_MEMFD
				 : map_locked(at, len)
					 ? (CAN_LOCK ? SECRET_MLOCK : SECRET_UNPROTECTED)
					 : SECRET_UNPROTECTED;
		the.is_decided = true;
		return the.protection != SECRET_UNPROTECTED || !CAN_LOCK;
	}
	return the.protection == SECRET_MEMFD ? map_memfd_secret(at, len) : map_locked(at, len);
}

static struct arena *arena_add(size_t len)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t octets = len < ARENA_OCTETS_MIN ? ARENA_OCTETS_MIN : len;
	octets = (octets + page - 1) / page * page;
	if (the.arena_count == ARENAS_MAX || the.octets_mapped + octets > SECRET_OCTETS_MAX)
		return NULL;

	struct arena *a = &the.arenas[the.arena_count];
	a->granules = octets / GRANULE;
	a->used = calloc(a->granules, 1);
	if (a->used == NULL)
		return NULL;
	uint8_t *with_guards = mmap(NULL, octets + 2 * page, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (with_guards == MAP_FAILED || !map_protected(with_guards + page, octets)) {
		if (with_guards != MAP_FAILED)
			munmap(with_guards, octets + 2 * page);
		free(a->used);
		return NULL;
	}
	a->memory = with_guards + page;
	madvise(a->memory, octets, MADV_DONTFORK);
	the.octets_mapped += octets;
	the.arena_count++;
	return a;
}

/* By memchr(): an arena of a gibibyte has 16 million flags, and most lie in few runs. */
static uint8_t *arena_take(struct arena *a, size_t granules)
{
	const uint8_t *const end = a->used + a->granules;
	uint8_t *run = memchr(a->used, 0, a->granules);

	while (run != NULL && (size_t)(end - run) >= granules) {
		const uint8_t *used = memchr(run, 1, granules);
		if (used == NULL) {
			memset(run, 1, granules);
			return a->memory + (size_t)(run - a->used) * GRANULE;
		}
		run += used - run;
		run = memchr(run, 0, (size_t)(end - run));
	}
	return NULL;
}

static size_t granules_of(size_t len)
{
	return (len + GRANULE - 1) / GRANULE;
}

static uint8_t *take(size_t len)
{
	for (size_t i = 0; i < the.arena_count; i++) {
		uint8_t *bytes = arena_take(&the.arenas[i], granules_of(len));
		if (bytes != NULL)
			return bytes;
	}
	struct arena *a = arena_add(len);
	return a == NULL ? NULL : arena_take(a, granules_of(len));
}

struct err secret_open(struct secret *s, size_t len)
{
	*s = (struct secret){0};
	if (len == 0 || len > SECRET_OCTETS_MAX)
		return ERR(LIMIT);
	pthread_mutex_lock(&the.lock);
	uint8_t *bytes = take(len);
	if (bytes != NULL)
		the.octets_open += len;
	pthread_mutex_unlock(&the.lock);
	if (bytes == NULL)
		return ERR(LIMIT);
	*s = (struct secret){.bytes = bytes, .len = len};
	memset(bytes, 0, len);
	return OK;
}

struct err secret_copy(struct secret *s, struct span from)
{
	struct err e = secret_open(s, from.len);
	if (failed(e))
		return e;
	memcpy(s->bytes, from.at, from.len);
	return OK;
}

void secret_close(struct secret *s)
{
	if (s->bytes == NULL)
		return;
	secret_wipe(s->bytes, s->len);
	pthread_mutex_lock(&the.lock);
	for (size_t i = 0; i < the.arena_count; i++) {
		struct arena *a = &the.arenas[i];
		if (s->bytes < a->memory || s->bytes >= a->memory + a->granules * GRANULE)
			continue;
		memset(a->used + (size_t)(s->bytes - a->memory) / GRANULE, 0, granules_of(s->len));
		the.octets_open -= s->len;
	}
	pthread_mutex_unlock(&the.lock);
	*s = (struct secret){0};
}

void secret_wipe(void *at, size_t len)
{
	if (len > 0)
		explicit_bzero(at, len);
}

enum { SECRET_STACK_OCTETS = 4096 };

#if defined(__x86_64__)
/* Those that only AVX-512 has: vzeroall leaves them alone. */
__attribute__((target("avx512f"))) static void wipe_registers_avx512(void)
{
	__asm__ volatile("vpxorq %%zmm16, %%zmm16, %%zmm16; vpxorq %%zmm17, %%zmm17, %%zmm17;"
			 "vpxorq %%zmm18, %%zmm18, %%zmm18; vpxorq %%zmm19, %%zmm19, %%zmm19;"
			 "vpxorq %%zmm20, %%zmm20, %%zmm20; vpxorq %%zmm21, %%zmm21, %%zmm21;"
			 "vpxorq %%zmm22, %%zmm22, %%zmm22; vpxorq %%zmm23, %%zmm23, %%zmm23;"
			 "vpxorq %%zmm24, %%zmm24, %%zmm24; vpxorq %%zmm25, %%zmm25, %%zmm25;"
			 "vpxorq %%zmm26, %%zmm26, %%zmm26; vpxorq %%zmm27, %%zmm27, %%zmm27;"
			 "vpxorq %%zmm28, %%zmm28, %%zmm28; vpxorq %%zmm29, %%zmm29, %%zmm29;"
			 "vpxorq %%zmm30, %%zmm30, %%zmm30; vpxorq %%zmm31, %%zmm31, %%zmm31;"
			 "kxorw %%k0, %%k0, %%k0; kxorw %%k1, %%k1, %%k1; kxorw %%k2, %%k2, %%k2;"
			 "kxorw %%k3, %%k3, %%k3; kxorw %%k4, %%k4, %%k4; kxorw %%k5, %%k5, %%k5;"
			 "kxorw %%k6, %%k6, %%k6; kxorw %%k7, %%k7, %%k7" ::
				 : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
		"xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31",
		"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7");
}

static void wipe_registers(void)
{
	if (__builtin_cpu_supports("avx512f"))
		wipe_registers_avx512();
	if (__builtin_cpu_supports("avx")) {
		__asm__ volatile("vzeroall" ::
				: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
		return;
	}
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2;"
			 "pxor %%xmm3, %%xmm3; pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5;"
			 "pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7; pxor %%xmm8, %%xmm8;"
			 "pxor %%xmm9, %%xmm9; pxor %%xmm10, %%xmm10; pxor %%xmm11, %%xmm11;"
			 "pxor %%xmm12, %%xmm12; pxor %%xmm13, %%xmm13; pxor %%xmm14, %%xmm14;"
			 "pxor %%xmm15, %%xmm15"
		:
		:
		: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
		"xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}
#else
static void wipe_registers(void)
{
}
#endif

__attribute__((noinline)) void secret_wipe_traces(void)
{
	uint8_t below[SECRET_STACK_OCTETS];

	secret_wipe(below, sizeof below);
	wipe_registers();
}

enum secret_protection secret_protection(void)
{
	struct secret probe;

	if (!the.is_decided && !failed(secret_open(&probe, 1)))
		secret_close(&probe);
	return the.protection;
}

size_t secret_octets_open(void)
{
	return the.octets_open;
}

struct err secret_forbid_dumps(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
		return ERR(IO);
	return OK;
}

struct err secret_lock_all(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	if (!CAN_LOCK)
		return OK;
	/* Without the limit raised, what is taken after the rights are gone could not be had at
	 * all. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) != 0 ||
		mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		return ERR(LIMIT);
	return OK;
}
