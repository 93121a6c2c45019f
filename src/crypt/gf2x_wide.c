// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The kernels of gf2x.h with VPCLMULQDQ on 256 bits (Zen 3, Ice Lake and later). */
#include "gf2x.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,pclmul,vpclmulqdq"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,pclmul,vpclmulqdq")
#endif
#define LANES 2

typedef uint64_t vec __attribute__((vector_size(32)));
typedef uint64_t vec_any __attribute__((vector_size(32), aligned(8)));

#define PRODUCT(a, b, halves) ((vec)_mm256_clmulepi64_epi128((__m256i)(a), (__m256i)(b), halves))
#define LL(a, b) PRODUCT(a, b, 0x00)
#define LH(a, b) PRODUCT(a, b, 0x10)
#define HL(a, b) PRODUCT(a, b, 0x01)
#define HH(a, b) PRODUCT(a, b, 0x11)
#define SPREAD(element)                                                                            \
	((vec)_mm256_broadcastsi128_si256(                                                         \
		_mm_loadu_si128((const __m128i_u *)(const void *)(element))))
#define SPREAD_WORDS(w) ((vec){(w), (w), (w), (w)})
#define LOW_WORDS(a, b) ((vec)_mm256_unpacklo_epi64((__m256i)(a), (__m256i)(b)))
#define HIGH_WORDS(a, b) ((vec)_mm256_unpackhi_epi64((__m256i)(a), (__m256i)(b)))
#define FIRST_LANES(a, b) ((vec)_mm256_permute2x128_si256((__m256i)(a), (__m256i)(b), 0x20))
#define LAST_LANES(a, b) ((vec)_mm256_permute2x128_si256((__m256i)(a), (__m256i)(b), 0x31))

INLINE vec word_up(vec a)
{
	return (vec)_mm256_slli_si256((__m256i)a, 8);
}

INLINE vec word_down(vec a)
{
	return (vec)_mm256_srli_si256((__m256i)a, 8);
}

#include "gf2x_kernels.h"

/* Short: two lanes would only have to be put together again. */
static struct gf128 diagonal(const uint64_t *high_end, const uint64_t *low, size_t count)
{
	return gf2x_fast.diagonal(high_end, low, count);
}

const struct gf2x_kernels gf2x_wide = {evaluate, interpolate, multiply_add, diagonal};

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#else
const struct gf2x_kernels gf2x_wide; /* never chosen: see gf2x_best() */
#endif
