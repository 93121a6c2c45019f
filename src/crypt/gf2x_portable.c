// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The kernels of gf2x.h for any processor. */
#include "gf2x.h"

#define INLINE static inline __attribute__((always_inline))
#define LANES 1

typedef uint64_t vec __attribute__((vector_size(16)));
typedef uint64_t vec_any __attribute__((vector_size(16), aligned(8)));

INLINE vec word_product(uint64_t a, uint64_t b)
{
	const struct gf128 p = clmul_portable(a, b);

	return (vec){p.lo, p.hi};
}

#define LL(a, b) word_product((a)[0], (b)[0])
#define LH(a, b) word_product((a)[0], (b)[1])
#define HL(a, b) word_product((a)[1], (b)[0])
#define HH(a, b) word_product((a)[1], (b)[1])
#define SPREAD(element) ((vec) * (const vec_any *)(const void *)(element))
#define SPREAD_WORDS(w) ((vec){(w), (w)})
#define LOW_WORDS(a, b) ((vec){(a)[0], (b)[0]})
#define HIGH_WORDS(a, b) ((vec){(a)[1], (b)[1]})

INLINE vec word_up(vec a)
{
	return (vec){0, a[0]};
}

INLINE vec word_down(vec a)
{
	return (vec){a[1], 0};
}

#include "gf2x_kernels.h"

static struct gf128 diagonal(const uint64_t *high_end, const uint64_t *low, size_t count)
{
	struct gf128 sum = {0};

	for (size_t i = 0; i < count; i++) {
		const struct gf128 p = clmul_portable(high_end[-1 - (ptrdiff_t)i], low[i]);
		sum.lo ^= p.lo;
		sum.hi ^= p.hi;
	}
	return sum;
}

const struct gf2x_kernels gf2x_portable = {evaluate, interpolate, multiply_add, diagonal};
