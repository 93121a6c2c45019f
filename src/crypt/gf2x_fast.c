// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The kernels of gf2x.h with PCLMULQDQ. */
#include "gf2x.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("pclmul"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("pclmul")
#endif
#define LANES 1

typedef uint64_t vec __attribute__((vector_size(16)));
typedef uint64_t vec_any __attribute__((vector_size(16), aligned(8)));

#define PRODUCT(a, b, halves) ((vec)_mm_clmulepi64_si128((__m128i)(a), (__m128i)(b), halves))
#define LL(a, b) PRODUCT(a, b, 0x00)
#define LH(a, b) PRODUCT(a, b, 0x10)
#define HL(a, b) PRODUCT(a, b, 0x01)
#define HH(a, b) PRODUCT(a, b, 0x11)
#define SPREAD(element) ((vec) * (const vec_any *)(const void *)(element))
#define SPREAD_WORDS(w) ((vec){(w), (w)})
#define LOW_WORDS(a, b) ((vec)_mm_unpacklo_epi64((__m128i)(a), (__m128i)(b)))
#define HIGH_WORDS(a, b) ((vec)_mm_unpackhi_epi64((__m128i)(a), (__m128i)(b)))

INLINE vec word_up(vec a)
{
	return (vec)_mm_slli_si128((__m128i)a, 8);
}

INLINE vec word_down(vec a)
{
	return (vec)_mm_srli_si128((__m128i)a, 8);
}

#include "gf2x_kernels.h"

static struct gf128 diagonal(const uint64_t *high_end, const uint64_t *low, size_t count)
{
	vec sum = {0};
	size_t i = 0;

	for (; i + 2 <= count; i += 2) {
		const vec a = load_any(high_end - i - 2), b = load_any(low + i);
		sum ^= HL(a, b) ^ LH(a, b);
	}
	if (i < count) {
		const vec a = {high_end[-1 - (ptrdiff_t)i]}, b = {low[i]};
		sum ^= LL(a, b);
	}
	return (struct gf128){sum[0], sum[1]};
}

const struct gf2x_kernels gf2x_fast = {evaluate, interpolate, multiply_add, diagonal};

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
const struct gf2x_kernels gf2x_fast; /* never chosen: see gf2x_best() */
#endif
