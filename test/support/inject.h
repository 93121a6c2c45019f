// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Failures at call n: allocation, randomness, writing, syncing.
 *
 * Each test executable is linked so that the calls our own code makes pass here first (ld --wrap; libraries'
 * own calls do not: for SQLite's memory see inject_sqlite()). Nothing fails until a test asks for it:
 *
 *     for (uint64_t n = 1;; n++) {
 *             inject_fail_at(INJECT_ALLOC, n);
 *             const struct err e = scenario();
 *             if (!inject_off())
 *                     break;          // the scenario made fewer than n calls: all were tried
 *             // e is an error, or the scenario did without; never a crash, a leak or a false OK
 *     }
 *
 * Counted over all threads.
 */
#include "base/env.h"

enum inject_call {
	INJECT_ALLOC,       /* malloc, calloc, realloc: NULL */
	INJECT_RANDOM,      /* getrandom: EIO; and a wrapped entropy port: ERR_CRYPTO */
	INJECT_WRITE,       /* write, pwrite, writev: ENOSPC */
	INJECT_WRITE_SHORT, /* write, pwrite: half of it is written and answered */
	INJECT_SYNC,        /* fsync, fdatasync: EIO */
	INJECT_CALLS
};

/* The n-th such call from now fails, once. Takes the place of any failure planned before. */
void inject_fail_at(enum inject_call call, uint64_t n);
/* That and all after it. */
void inject_fail_from(enum inject_call call, uint64_t n);
/* Ends it; true where a call has failed. */
bool inject_off(void);

/* A port that counts and fails as INJECT_RANDOM; `inner` must outlive it. */
struct entropy inject_entropy(struct entropy *inner);

/* SQLite's own allocations count as INJECT_ALLOC from here on. Once, before SQLite is used; in
 * support_store. */
void inject_sqlite(void);

/* Memory for support code within a scenario: not counted, never NULL by plan. */
void *inject_exempt_realloc(void *at, size_t octets);

/* For inject_sqlite.c: counts one call and says whether it is to fail. */
bool inject_now(enum inject_call call);
