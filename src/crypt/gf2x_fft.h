// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Kernels of gf2x.h, part 2: the butterflies. Included by each path's file after it has defined vec (LANES elements), the
 * products LL, LH, HL, HH of low and high words, and SPREAD (one element in all lanes).
 *
 * Layer i joins elements 2^i apart. The factor of block b (of 2^(i+1) elements) is theta(l - i) + the
 * sum of v(k + 1) over the bits k of b. Two layers are done in one sweep, large blocks depth first, so that blocks of 32 KiB stay in
 * the first cache for all their layers.
 */
enum { SMALL_LAYERS = 11 };

struct twiddle {
	vec c, shifted;
};

/* Where it is evaluated; the tables are the transform's. */
struct points {
	const struct gf2x_factor *theta, *low, *high;
	unsigned layers;
};

INLINE struct points points_of(const struct gf2x *g, bool is_dual)
{
	return (struct points){g->theta[is_dual], g->low, g->high, g->layers};
}

/* a c = a.lo c + a.hi (c x^64); what is above 128 bits is below 192, so one product folds it. */
INLINE vec times(vec a, struct twiddle t, vec modulus)
{
	const vec low = LL(a, t.c) ^ HL(a, t.shifted), middle = LH(a, t.c) ^ HH(a, t.shifted);

	return low ^ word_up(middle) ^ HL(middle, modulus);
}

INLINE struct twiddle twiddle_at(const struct points *f, unsigned layer, size_t block)
{
	const struct gf2x_factor *theta = &f->theta[f->layers - layer];
	const struct gf2x_factor *low = &f->low[block % (1 << GF2X_TABLE_LOG)];
	const struct gf2x_factor *high = &f->high[block >> GF2X_TABLE_LOG];

	return (struct twiddle){SPREAD(&theta->c) ^ SPREAD(&low->c) ^ SPREAD(&high->c),
		SPREAD(&theta->shifted) ^ SPREAD(&low->shifted) ^ SPREAD(&high->shifted)};
}

/* The next block's, where `block` was even: v(1) more. */
INLINE struct twiddle twiddle_next(const struct points *f, struct twiddle t)
{
	return (struct twiddle){t.c ^ SPREAD(&f->low[1].c), t.shifted ^ SPREAD(&f->low[1].shifted)};
}

INLINE void butterfly(vec *u, vec *v, struct twiddle t, vec modulus)
{
	*u ^= times(*v, t, modulus);
	*v ^= *u;
}

INLINE void butterfly_back(vec *u, vec *v, struct twiddle t, vec modulus)
{
	*v ^= *u;
	*u ^= times(*v, t, modulus);
}

/* One layer over a block of 2 * half elements. */
INLINE void sweep_2(struct gf128 *a, size_t half, struct twiddle t, bool is_back)
{
	const vec modulus = spread_word(GF2X_MODULUS);

	for (size_t j = 0; j < half; j += LANES) {
		vec u = load(a + j), v = load(a + half + j);
		if (is_back)
			butterfly_back(&u, &v, t, modulus);
		else
			butterfly(&u, &v, t, modulus);
		save(a + j, u);
		save(a + half + j, v);
	}
}

/* Layers `layer` and the one below over block `block` of 4 * quarter elements. */
INLINE void sweep_4(
	const struct points *f, struct gf128 *a, unsigned layer, size_t block, bool is_back)
{
	const struct twiddle t = twiddle_at(f, layer, block);
	const struct twiddle left = twiddle_at(f, layer - 1, 2 * block);
	const struct twiddle right = twiddle_next(f, left);
	const size_t quarter = (size_t)1 << (layer - 1);
	const vec modulus = spread_word(GF2X_MODULUS);

	for (size_t j = 0; j < quarter; j += LANES) {
		struct gf128 *at = a + j;
		vec a0 = load(at), a1 = load(at + quarter), a2 = load(at + 2 * quarter),
		    a3 = load(at + 3 * quarter);
		if (is_back) {
			butterfly_back(&a0, &a1, left, modulus);
			butterfly_back(&a2, &a3, right, modulus);
			butterfly_back(&a0, &a2, t, modulus);
			butterfly_back(&a1, &a3, t, modulus);
		} else {
			butterfly(&a0, &a2, t, modulus);
			butterfly(&a1, &a3, t, modulus);
			butterfly(&a0, &a1, left, modulus);
			butterfly(&a2, &a3, right, modulus);
		}
		save(at, a0);
		save(at + quarter, a1);
		save(at + 2 * quarter, a2);
		save(at + 3 * quarter, a3);
	}
}

/*
 * Layers 1 and 0 of four elements. With two lanes an instruction does both butterflies of layer 0 with their two factors;
 * values then stay in the order (0, 2), (1, 3): every transform of a path has the same.
 */
#if LANES == 2
INLINE struct twiddle twiddle_join(struct twiddle left, struct twiddle right)
{
	return (struct twiddle){
		FIRST_LANES(left.c, right.c), FIRST_LANES(left.shifted, right.shifted)};
}

INLINE void four(
	struct gf128 *at, struct twiddle t, struct twiddle left, struct twiddle right, vec modulus)
{
	vec a0 = load(at), a2 = load(at + 2);

	butterfly(&a0, &a2, t, modulus);
	vec even = FIRST_LANES(a0, a2), odd = LAST_LANES(a0, a2);
	butterfly(&even, &odd, twiddle_join(left, right), modulus);
	save(at, even);
	save(at + 2, odd);
}

INLINE void four_back(
	struct gf128 *at, struct twiddle t, struct twiddle left, struct twiddle right, vec modulus)
{
	vec even = load(at), odd = load(at + 2);

	butterfly_back(&even, &odd, twiddle_join(left, right), modulus);
	vec a0 = FIRST_LANES(even, odd), a2 = LAST_LANES(even, odd);
	butterfly_back(&a0, &a2, t, modulus);
	save(at, a0);
	save(at + 2, a2);
}
#else
INLINE void four(
	struct gf128 *at, struct twiddle t, struct twiddle left, struct twiddle right, vec modulus)
{
	vec a0 = load(at), a1 = load(at + 1), a2 = load(at + 2), a3 = load(at + 3);

	butterfly(&a0, &a2, t, modulus);
	butterfly(&a1, &a3, t, modulus);
	butterfly(&a0, &a1, left, modulus);
	butterfly(&a2, &a3, right, modulus);
	save(at, a0);
	save(at + 1, a1);
	save(at + 2, a2);
	save(at + 3, a3);
}

INLINE void four_back(
	struct gf128 *at, struct twiddle t, struct twiddle left, struct twiddle right, vec modulus)
{
	vec a0 = load(at), a1 = load(at + 1), a2 = load(at + 2), a3 = load(at + 3);

	butterfly_back(&a0, &a1, left, modulus);
	butterfly_back(&a2, &a3, right, modulus);
	butterfly_back(&a0, &a2, t, modulus);
	butterfly_back(&a1, &a3, t, modulus);
	save(at, a0);
	save(at + 1, a1);
	save(at + 2, a2);
	save(at + 3, a3);
}
#endif

/* Over the blocks of four from `first_block` on that 2^log elements hold. */
INLINE void sweep_last(
	const struct points *f, struct gf128 *a, unsigned log, size_t first_block, bool is_back)
{
	const vec modulus = spread_word(GF2X_MODULUS);

	for (size_t i = first_block; i < first_block + ((size_t)1 << (log - 2)); i++, a += 4) {
		const struct twiddle t = twiddle_at(f, 1, i), left = twiddle_at(f, 0, 2 * i);
		if (is_back)
			four_back(a, t, left, twiddle_next(f, left), modulus);
		else
			four(a, t, left, twiddle_next(f, left), modulus);
	}
}

/* All layers over block `block` of 2^log elements that fit the first cache. */
INLINE void small_fft(
	const struct points *f, struct gf128 *a, unsigned log, size_t block, bool is_back)
{
	if (is_back)
		sweep_last(f, a, log, block << (log - 2), true);
	for (unsigned n = log % 2 != 0 ? 3 : 4, k = 0; n <= log && is_back; n += 2, k++)
		for (size_t i = 0; i < (size_t)1 << (log - n); i++) {
			const size_t at = (block << (log - n)) + i;
			if (n == 3)
				sweep_2(a + (i << n), (size_t)1 << (n - 1),
					twiddle_at(f, n - 1, at), true);
			else
				sweep_4(f, a + (i << n), n - 1, at, true);
		}
	for (unsigned n = log; n > 2 && !is_back; n -= n == 3 ? 1 : 2)
		for (size_t i = 0; i < (size_t)1 << (log - n); i++) {
			const size_t at = (block << (log - n)) + i;
			if (n == 3)
				sweep_2(a + (i << n), (size_t)1 << (n - 1),
					twiddle_at(f, n - 1, at), false);
			else
				sweep_4(f, a + (i << n), n - 1, at, false);
		}
	if (!is_back)
		sweep_last(f, a, log, block << (log - 2), false);
}

static void fft_forward(const struct points *f, struct gf128 *a, unsigned log, size_t block)
{
	if (log <= SMALL_LAYERS) {
		small_fft(f, a, log, block, false);
		return;
	}
	sweep_4(f, a, log - 1, block, false);
	for (size_t i = 0; i < 4; i++)
		fft_forward(f, a + (i << (log - 2)), log - 2, 4 * block + i);
}

static void fft_back(const struct points *f, struct gf128 *a, unsigned log, size_t block)
{
	if (log <= SMALL_LAYERS) {
		small_fft(f, a, log, block, true);
		return;
	}
	for (size_t i = 0; i < 4; i++)
		fft_back(f, a + (i << (log - 2)), log - 2, 4 * block + i);
	sweep_4(f, a, log - 1, block, true);
}

/*
 * D(i, j) = [x^127] x^(i + j), which makes D M D^-1 the transpose of a multiplication M, with its rows in reverse order: 1, and
 * since R is below x^64, the top of v.hi R. Its own inverse.
 */
INLINE void trace_form(struct gf128 *a, size_t count)
{
	const vec modulus = spread_word(GF2X_MODULUS);

	for (size_t i = 0; i < count; i += LANES) {
		const vec v = load(a + i);
		save(a + i, v ^ word_down(HL(v, modulus)));
	}
}

/* x^128 = R twice: the top half meets it in two words, what then is above 128 bits in one. */
INLINE vec product(vec a, vec b, vec modulus)
{
	const vec high = HH(a, b);
	const vec low = LL(a, b) ^ LL(high, modulus);
	const vec middle = LH(a, b) ^ HL(a, b) ^ HL(high, modulus);

	return low ^ word_up(middle) ^ HL(middle, modulus);
}

static void multiply_add(
	struct gf128 *sum, const struct gf128 *a, const struct gf128 *b, size_t count)
{
	const vec modulus = spread_word(GF2X_MODULUS);

	for (size_t i = 0; i < count; i += LANES)
		save(sum + i, load(sum + i) ^ product(load(a + i), load(b + i), modulus));
}

static void evaluate(const struct gf2x *g, struct gf128 *values, uint64_t *bits, bool is_dual)
{
	const struct change forward = {.is_dual = is_dual};

	change_bits(g, bits, forward);
	pack(g, values, bits);
	change_elements(g, values, forward);
	if (is_dual)
		trace_form(values, (size_t)1 << g->layers);
	const struct points points = points_of(g, is_dual);
	fft_forward(&points, values, g->layers, 0);
}

static void interpolate(const struct gf2x *g, uint64_t *bits, struct gf128 *values)
{
	const struct change back = {.is_dual = true, .is_back = true};
	const struct points points = points_of(g, true);

	fft_back(&points, values, g->layers, 0);
	trace_form(values, (size_t)1 << g->layers);
	change_elements(g, values, back);
	unpack(g, bits, values);
	change_bits(g, bits, back);
}
