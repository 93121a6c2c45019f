// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Horner's rule eight blocks a step, so that products do not wait for one another, and reduced once a step. */
#include "gf128.h"
#include "base/secret.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul"))) inline
#define LOAD(at) _mm_loadu_si128((const __m128i *)(const void *)(at))
#define SAVE(at, v) _mm_storeu_si128((__m128i *)(void *)(at), (v))

/* An unreduced sum of products: low + middle x^64 + high x^128. */
struct wide {
	__m128i low, middle, high;
};

CLMUL static void wide_add(struct wide *sum, __m128i a, __m128i b)
{
	const __m128i crossed =
		_mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10));

	sum->low = _mm_xor_si128(sum->low, _mm_clmulepi64_si128(a, b, 0x00));
	sum->middle = _mm_xor_si128(sum->middle, crossed);
	sum->high = _mm_xor_si128(sum->high, _mm_clmulepi64_si128(a, b, 0x11));
}

/* x^128 = x^7 + x^2 + x + 1, a word a time. */
CLMUL static __m128i wide_reduce(struct wide sum)
{
	const __m128i modulus = _mm_cvtsi32_si128(0x87);
	__m128i low = _mm_xor_si128(sum.low, _mm_slli_si128(sum.middle, 8));
	__m128i high = _mm_xor_si128(sum.high, _mm_srli_si128(sum.middle, 8));
	const __m128i top = _mm_clmulepi64_si128(high, modulus, 0x01);

	low = _mm_xor_si128(low, _mm_slli_si128(top, 8));
	high = _mm_xor_si128(high, _mm_srli_si128(top, 8));
	return _mm_xor_si128(low, _mm_clmulepi64_si128(high, modulus, 0x00));
}

__attribute__((target("pclmul"))) void gf128_horner_native(struct gf128 *value,
	const struct gf128 powers[static GF128_STRIDE], const uint8_t *blocks, size_t steps)
{
	__m128i key[GF128_STRIDE], sum = LOAD(value);

	for (size_t i = 0; i < GF128_STRIDE; i++)
		key[i] = LOAD(&powers[GF128_STRIDE - 1 - i]);
	for (; steps > 0; steps--, blocks += (size_t)GF128_STRIDE * GF128_OCTETS) {
		struct wide wide = {0};
		wide_add(&wide, _mm_xor_si128(sum, LOAD(blocks)), key[0]);
#pragma GCC unroll 8
		for (size_t i = 1; i < GF128_STRIDE; i++)
			wide_add(&wide, LOAD(blocks + i * GF128_OCTETS), key[i]);
		sum = wide_reduce(wide);
	}
	SAVE(value, sum);
	secret_wipe(key, sizeof key);
}
#else
void gf128_horner_native(struct gf128 *value, const struct gf128 powers[static GF128_STRIDE],
	const uint8_t *blocks, size_t steps)
{
	(void)value, (void)powers, (void)blocks, (void)steps; /* never chosen: see clmul_best() */
}
#endif
