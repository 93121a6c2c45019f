// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Products of polynomials over GF(2), 64 x 64 -> 128 bits: the one step under GF(2^128) and under Toeplitz hashing. Two
 * paths with equal results and no secret-dependent time: the processor's PCLMULQDQ, and one that any
 * processor can do. A kernel takes the path as its first argument, a constant where it is
 * instantiated, so that the choice is made once a call and not once a product.
 *
 * Bit i of a word is the coefficient of x^i.
 */
#include <stdbool.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

struct gf128 {
	uint64_t lo, hi;
};

/* CLMUL_WIDE, two products an instruction, is for gf2x.h alone. */
enum clmul_path { CLMUL_PORTABLE, CLMUL_FAST, CLMUL_WIDE };

/* The best path of this processor. */
static inline enum clmul_path clmul_best(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("pclmul") ? CLMUL_FAST : CLMUL_PORTABLE;
#else
	return CLMUL_PORTABLE;
#endif
}

/*
 * 32 x 32 bits by ordinary multiplication "with holes": operands are cut into four interleaved parts with one
 * bit in four, so a column sums at most eight ones and never carries into the next bit that counts.
 */
static inline uint64_t clmul_portable_32(uint64_t a, uint64_t b)
{
	const uint64_t hole = 0x1111111111111111u;
	uint64_t out = 0;

	for (unsigned part = 0; part < 4; part++) {
		uint64_t sum = 0;
		for (unsigned i = 0; i < 4; i++)
			sum ^= (a & hole << i) * (b & hole << (part - i) % 4);
		out |= sum & hole << part;
	}
	return out;
}

static inline struct gf128 clmul_portable(uint64_t a, uint64_t b)
{
	const uint64_t a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
	const uint64_t low = clmul_portable_32(a0, b0), high = clmul_portable_32(a1, b1);
	const uint64_t middle = clmul_portable_32(a0 ^ a1, b0 ^ b1) ^ low ^ high;

	return (struct gf128){.lo = low ^ middle << 32, .hi = high ^ middle >> 32};
}

#if defined(__x86_64__)
/* As assembly, since only a processor that was asked (clmul_best) may run it. */
static inline struct gf128 clmul_fast(uint64_t a, uint64_t b)
{
	__m128i va = _mm_cvtsi64_si128((long long)a);
	const __m128i vb = _mm_cvtsi64_si128((long long)b);

	__asm__("pclmulqdq $0, %1, %0" : "+x"(va) : "x"(vb));
	return (struct gf128){.lo = (uint64_t)_mm_cvtsi128_si64(va),
		.hi = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(va, va))};
}
#else
#define clmul_fast clmul_portable
#endif

static inline struct gf128 clmul(enum clmul_path path, uint64_t a, uint64_t b)
{
	return path == CLMUL_FAST ? clmul_fast(a, b) : clmul_portable(a, b);
}
