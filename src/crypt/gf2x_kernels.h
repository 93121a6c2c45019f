// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The kernels of gf2x.h, the same for all paths. A path's file defines vec (LANES elements) and vec_any (the same, anywhere), the products
 * LL, LH, HL, HH of low and high words, SPREAD (an element in all lanes), SPREAD_WORDS, LOW_WORDS, HIGH_WORDS, word_up(),
 * word_down(), with two lanes FIRST_LANES and LAST_LANES of two vectors, and includes this.
 */
INLINE vec spread_word(uint64_t low)
{
	const struct gf128 word = {.lo = low};

	return SPREAD(&word);
}

INLINE vec load(const void *at)
{
	return *(const vec *)at;
}

INLINE void save(void *at, vec v)
{
	*(vec *)at = v;
}

INLINE vec load_any(const void *at)
{
	return (vec) * (const vec_any *)at;
}

INLINE void save_any(void *at, vec v)
{
	*(vec_any *)at = v;
}

#include "gf2x_basis.h"
#include "gf2x_fft.h"
