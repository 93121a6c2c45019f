// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Constant-time words. What a secret decides, it decides through these; no branch and no address may
 * depend on a secret. The rule is tested, not believed: a build with -Dct_check=true runs the secret-dependent
 * paths under valgrind with every secret marked as undefined, so that a branch or a table
 * look-up on one is reported with its line. `ct_declassify` says, at a place that can be
 * found by grep, that a value has become public.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Hides a value from the optimiser, so that it cannot turn a mask back into a branch. */
static inline uint32_t ct_barrier(uint32_t v)
{
	__asm__("" : "+r"(v));
	return v;
}

/* All ones where `v` is not zero, else zero. */
static inline uint32_t ct_mask(uint32_t v)
{
	return ct_barrier(0u - ((v | (0u - v)) >> 31));
}

/* Whether `len` octets are equal; time depends on `len` alone. The answer is public. */
bool ct_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* out = mask ? a : b, octet by octet; `mask` is all ones or zero (ct_mask). */
void ct_select(uint8_t *out, uint32_t mask, const uint8_t *a, const uint8_t *b, size_t len);

/* Marks octets as secret (undefined for valgrind) or as public; nothing in ordinary builds. */
#ifdef MERLON_CT_CHECK
#include <valgrind/memcheck.h>
#define ct_classify(at, len) VALGRIND_MAKE_MEM_UNDEFINED((at), (len))
#define ct_declassify(at, len) VALGRIND_MAKE_MEM_DEFINED((at), (len))
#else
#define ct_classify(at, len) ((void)(at), (void)(len))
#define ct_declassify(at, len) ((void)(at), (void)(len))
#endif
