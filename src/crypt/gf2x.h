// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Products of long polynomials over GF(2) by an additive FFT: what stands under Toeplitz hashing.
 *
 * A polynomial f of fewer than N = 2^(l + 7) bits is evaluated at 2^l points of GF(2^128), in about N log N bit operations; two
 * evaluations are multiplied point by point; the way back gives the product. The points are chosen so
 * that nothing is wasted: f has bits for coefficients, so its value at p tells its values at all 128
 * conjugates p^2, p^4, …, and 2^l points of 128 bits are as much as f itself [Frobenius FFT: van der
 * Hoeven, Larrieu 2017; with additive FFT: Li, Chen, Kuo, Cheng, Yang, arXiv:1803.11301].
 *
 * Vocabulary.
 *   v0 = 1, v1, v2, …   the Cantor basis: v(i)^2 + v(i) = v(i-1). W(i) is the span of v0 … v(i-1).
 *   s(i)                the polynomial that vanishes on W(i): s(0) = X, s(i+1) = s(i)^2 + s(i). Its coefficients are bits;
 *                       s(2^j) = X^(2^(2^j)) + X, so division by it is shifts and additions [Cantor 1989; Gao, Mateer 2010].
 *   the field           GF(2)[x]/(x^128 + R), R = x^27 + … + 1 (GF2X_MODULUS). Chosen so that x is in W(108), that is, s(l) takes the value x
 *                       somewhere, for each l up to 20.
 *   theta(l)            a root of s(l) = x. The points are theta(l) + W(l): all roots of s(l) = x. The 2^(l+7) conjugates of
 *                       these are the roots of M(s(l)), M = X^128 + R: the product is had modulo that.
 *
 * The steps of an evaluation:
 *   1. f = sum of f(i) s(l)^i, i < 128, each f(i) of fewer than 2^l bits (gf2x_basis.h, on words).
 *   2. Coefficient j of every f(i) is gathered in one element, bit i for f(i): since s(l) = x at all points, f is there the
 *      polynomial with these elements for coefficients (a transposition of bits).
 *   3. That polynomial in the basis of products of s(0), s(1), … [Lin, Chung, Han 2014] (additions of elements).
 *   4. Butterflies, l layers: u + c v and that + v, c = theta + a sum of v's (gf2x_fft.h).
 *
 * What Toeplitz hashing needs is the middle of a product: the r coefficients of A B that a key A of m bits and a seed B of n - 1 = m + r - 1
 * bits have in full. By the transposition principle [Tellegen; Bostan, Lecerf, Schost 2003] that takes transforms of length n - 1 and
 * not n - 1 + m: it is the transpose of the product of A with a polynomial of r bits, whose n - 1 bits are
 * all of it. The transpose of an evaluation, with bits and elements in reverse order, is an interpolation again but for three details
 * ("dual" here): in steps 1 and 3 the other half gets the wrapped part, between 3 and 4 each element is multiplied by the matrix
 * of a trace form, and in step 4 the factors are c + 1. So the seed goes through the dual evaluation, is multiplied by the evaluated key, and the dual interpolation gives the middle.
 *
 * Constant time: what is done depends on lengths alone. Three paths with equal results.
 */
#include "base/span.h"
#include "crypt/clmul.h"
#include <stddef.h>

enum {
	GF2X_LOG_MIN = 15, /* transforms of 2^15 … bits */
	GF2X_LOG_MAX = 26,
	GF2X_LAYERS_MAX = GF2X_LOG_MAX - 7,
	GF2X_MODULUS = 0x8dc67b3,
	GF2X_TABLE_LOG = 8,
	GF2X_ALIGNMENT = 64,
};

/* A factor c known beforehand, with c x^64: the product takes five word products. */
struct gf2x_factor {
	struct gf128 c, shifted;
};

struct gf2x;

/* What each path has of its own. */
struct gf2x_kernels {
	/* `bits` (N of them) is destroyed. */
	void (*evaluate)(const struct gf2x *g, struct gf128 *values, uint64_t *bits, bool is_dual);
	/* Dual; `values` is destroyed. */
	void (*interpolate)(const struct gf2x *g, uint64_t *bits, struct gf128 *values);
	void (*multiply_add)(
		struct gf128 *sum, const struct gf128 *a, const struct gf128 *b, size_t count);
	/* The sum of high_end[-1 - i] * low[i], i < count: one word of a product by hand. */
	struct gf128 (*diagonal)(const uint64_t *high_end, const uint64_t *low, size_t count);
};

extern const struct gf2x_kernels gf2x_portable, gf2x_fast, gf2x_wide;

/* A transform of one length. Its memory is the caller's. */
struct gf2x {
	const struct gf2x_kernels *kernels;
	unsigned layers; /* l */
	/* Sums of v(1) … v(8), and of v(9) …, by the bits of the index. */
	struct gf2x_factor *low, *high;
	struct gf2x_factor theta[2][GF2X_LAYERS_MAX + 1]; /* [1]: with 1 added, for duals */
	uint64_t *rows;                                   /* for transposition */
};

/* The best path of this processor, CLMUL_WIDE included. */
enum clmul_path gf2x_best(void);
const struct gf2x_kernels *gf2x_kernels(enum clmul_path path);

/* Octets of memory for gf2x_open(), aligned to GF2X_ALIGNMENT as all arrays are. */
size_t gf2x_octets(unsigned log_bits);
void gf2x_open(struct gf2x *g, enum clmul_path path, unsigned log_bits, void *memory);

/* The constants, for tests: v(i) and theta(i), i <= GF2X_LAYERS_MAX. */
struct gf128 gf2x_basis(unsigned i);
struct gf128 gf2x_theta(unsigned i);
/* A product in GF2X's field, portable. */
struct gf128 gf2x_field_multiply(struct gf128 a, struct gf128 b);
