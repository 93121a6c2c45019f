// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Kernels of gf2x.h, part 1: changes of basis and the transposition of bits. Included before gf2x_fft.h.
 *
 * All changes of basis are made of one step. Take blocks of 2h coefficients, low half L and high half H, and
 * s = s(k)^(2^e) = Y^(2^(k+e)) + Y^(2^e) with Y^(2^(k+e)) = X^h, Y^(2^e) = X^d. Then
 *     H X^h + L = (H + A) s + (L + (H + A) X^d mod X^h),  A = H div X^(h-d)
 * is division by s: H's last d coefficients are added to its first d, then H, d up, to L. From large e to small that is the
 * expansion in powers of s(k). The transpose of the inverse, in reverse order, adds L's last d to its first d instead ("dual").
 */
struct change {
	bool is_dual, is_back;
};

/* a[i] ^= b[i], elements; apart, or b above a. */
INLINE void add_elements(struct gf128 *a, const struct gf128 *b, size_t count)
{
	size_t i = 0;

	for (; i + LANES <= count; i += LANES)
		save_any(a + i, load_any(a + i) ^ load_any(b + i));
	for (; i < count; i++) {
		a[i].lo ^= b[i].lo;
		a[i].hi ^= b[i].hi;
	}
}

/* The step on elements. */
INLINE void divide(struct gf128 *a, size_t h, size_t d, struct change c)
{
	struct gf128 *wrapped = c.is_dual ? a : a + h;

	if (!c.is_back)
		add_elements(wrapped, wrapped + h - d, d);
	add_elements(a + d, a + h, h - d);
	if (c.is_back)
		add_elements(wrapped, wrapped + h - d, d);
}

/* The step on rows h, d, from `r` on; all three constant. */
INLINE void divide_rows(vec *r, unsigned h, unsigned d, unsigned stride, struct change c)
{
	vec *wrapped = c.is_dual ? r : r + h * stride;

#pragma GCC unroll 2
	for (unsigned i = 0; i < d && !c.is_back; i++)
		wrapped[i * stride] ^= wrapped[(h - d + i) * stride];
#pragma GCC unroll 8
	for (unsigned i = 0; i < h - d; i++)
		r[(d + i) * stride] ^= r[(h + i) * stride];
#pragma GCC unroll 2
	for (unsigned i = 0; i < d && c.is_back; i++)
		wrapped[i * stride] ^= wrapped[(h - d + i) * stride];
}

/* Sixteen coefficients, in the basis of products of s(0) … s(3). */
INLINE void change_rows(vec *r, struct change c)
{
	if (!c.is_back) {
		divide_rows(r, 8, 2, 1, c);
		divide_rows(r, 4, 1, 1, c);
		divide_rows(r + 8, 4, 1, 1, c);
	}
#pragma GCC unroll 4
	for (unsigned i = 0; i < 4; i++)
		divide_rows(r + 4 * i, 2, 1, 1, c);
#pragma GCC unroll 4
	for (unsigned i = 0; i < 4; i++)
		divide_rows(r + i, 2, 1, 4, c);
	if (c.is_back) {
		divide_rows(r, 4, 1, 1, c);
		divide_rows(r + 8, 4, 1, 1, c);
		divide_rows(r, 8, 2, 1, c);
	}
}

/* The same, of `unit` >= LANES polynomials side by side. */
INLINE void change_16(struct gf128 *a, size_t unit, struct change c)
{
	for (size_t j = 0; j < unit; j += LANES) {
		vec r[16];
#pragma GCC unroll 16
		for (size_t i = 0; i < 16; i++)
			r[i] = load(a + i * unit + j);
		change_rows(r, c);
#pragma GCC unroll 16
		for (size_t i = 0; i < 16; i++)
			save(a + i * unit + j, r[i]);
	}
}

/* The same, of LANES polynomials one after the other. */
INLINE void change_16_single(struct gf128 *a, struct change c)
{
#if LANES == 1
	change_16(a, 1, c);
#else
	vec r[16];
#pragma GCC unroll 8
	for (size_t i = 0; i < 16; i += 2) {
		const vec first = load(a + i), second = load(a + 16 + i);
		r[i] = FIRST_LANES(first, second);
		r[i + 1] = LAST_LANES(first, second);
	}
	change_rows(r, c);
#pragma GCC unroll 8
	for (size_t i = 0; i < 16; i += 2) {
		save(a + i, FIRST_LANES(r[i], r[i + 1]));
		save(a + 16 + i, LAST_LANES(r[i], r[i + 1]));
	}
#endif
}

/* Blocks longer than this are done depth first, so that the rest of their levels find them in the first cache. */
enum { BLOCK_OCTETS_MAX = 16 << 10 };

/* The steps e, e - 1, … 0 (back: the other way) of s(2^half), over 2^(half + e + 1) units from `a` on. */
static void expand(struct gf128 *a, size_t unit, unsigned half, unsigned e, struct change c)
{
	const size_t h = unit << (half + e), d = unit << e;

	if (!c.is_back)
		divide(a, h, d, c);
	if (e > 0 && 2 * h * sizeof *a > BLOCK_OCTETS_MAX) {
		expand(a, unit, half, e - 1, c);
		expand(a + h, unit, half, e - 1, c);
	} else {
		for (unsigned n = 0; n < e; n++) {
			const unsigned k = c.is_back ? n : e - 1 - n;
			for (size_t at = 0; at < 2 * h; at += unit << (half + k + 1))
				divide(a + at, unit << (half + k), unit << k, c);
		}
	}
	if (c.is_back)
		divide(a, h, d, c);
}

/*
 * `count` polynomials of 2^log coefficients (log a power of two), each of `unit` elements, to the basis of products of s(0) …
 * s(log - 1): expanded in powers of s(log / 2), then the digits and, the digits being coefficients, the whole.
 */
static void change_each(struct gf128 *a, size_t unit, unsigned log, size_t count, struct change c)
{
	const unsigned half = log / 2;

	if (log == 1)
		return;
	for (size_t i = 0; i < count; i++) {
		struct gf128 *at = a + i * (unit << log);
		if (log == 4 && unit == 1) {
			change_16_single(at, c);
			i += LANES - 1;
			continue;
		}
		if (log == 4) {
			change_16(at, unit, c);
			continue;
		}
		if (!c.is_back)
			expand(at, unit, half, log - half - 1, c);
		change_each(at, unit, half, (size_t)1 << half, c);
		change_each(at, unit << half, half, 1, c);
		if (c.is_back)
			expand(at, unit, half, log - half - 1, c);
	}
}

/* The greatest power of two up to n: the k by whose s(k) a basis of s(n) and below is begun. */
INLINE unsigned power_below(unsigned n)
{
	unsigned k = 1;

	while (2 * k <= n)
		k *= 2;
	return k;
}

/* Step 3 of gf2x.h. */
INLINE void change_elements(const struct gf2x *g, struct gf128 *a, struct change c)
{
	for (unsigned done = 0, k; done < g->layers; done += k) {
		k = power_below(g->layers - done);
		change_each(a, (size_t)1 << done, k, (size_t)1 << (g->layers - done - k), c);
	}
}

/* ---- on words ---- */

INLINE void add_words(uint64_t *a, const uint64_t *b, size_t count)
{
	size_t i = 0;

	for (; i + 2 * LANES <= count; i += 2 * LANES)
		save_any(a + i, load_any(a + i) ^ load_any(b + i));
	for (; i < count; i++)
		a[i] ^= b[i];
}

/* a += b x^shift, 0 < shift < 64, without what leaves the last word. */
INLINE void add_shifted(uint64_t *a, const uint64_t *b, size_t count, unsigned shift)
{
	size_t i = 1;

	for (; i + 2 * LANES <= count; i += 2 * LANES)
		save_any(a + i, load_any(a + i) ^ load_any(b + i) << shift ^
					load_any(b + i - 1) >> (64 - shift));
	for (; i < count; i++)
		a[i] ^= b[i] << shift ^ b[i - 1] >> (64 - shift);
	a[0] ^= b[0] << shift;
}

/* The step on bits: h words a half, d bits. */
INLINE void divide_bits(uint64_t *a, size_t h, size_t d, struct change c)
{
	uint64_t *wrapped = c.is_dual ? a : a + h;

	if (d < 64) {
		if (!c.is_back)
			wrapped[0] ^= wrapped[h - 1] >> (64 - d);
		add_shifted(a, a + h, h, (unsigned)d);
		if (c.is_back)
			wrapped[0] ^= wrapped[h - 1] >> (64 - d);
		return;
	}
	d /= 64;
	if (!c.is_back)
		add_words(wrapped, wrapped + h - d, d);
	add_words(a + d, a + h, h - d);
	if (c.is_back)
		add_words(wrapped, wrapped + h - d, d);
}

/* expand() on bits, of polynomials in X^(2^done), over 2^(done + k + e + 1) bits. */
static void expand_bits(uint64_t *bits, unsigned done, unsigned k, unsigned e, struct change c)
{
	const size_t h = (size_t)1 << (done + k + e - 6), d = (size_t)1 << (done + e);

	if (!c.is_back)
		divide_bits(bits, h, d, c);
	if (e > 0 && 2 * h * sizeof *bits > BLOCK_OCTETS_MAX) {
		expand_bits(bits, done, k, e - 1, c);
		expand_bits(bits + h, done, k, e - 1, c);
	} else {
		for (unsigned n = 0; n < e; n++) {
			const unsigned i = c.is_back ? n : e - 1 - n;
			const size_t half = (size_t)1 << (done + k + i - 6);
			for (size_t at = 0; at < 2 * h; at += 2 * half)
				divide_bits(bits + at, half, (size_t)1 << (done + i), c);
		}
	}
	if (c.is_back)
		divide_bits(bits, h, d, c);
}

/* Step 1 of gf2x.h; GF2X_LOG_MIN sees to it that the first k is 8 at least, so that halves are whole words. */
INLINE void change_bits(const struct gf2x *g, uint64_t *bits, struct change c)
{
	const unsigned layers = g->layers;

	for (unsigned done = 0, k; done < layers && !c.is_back; done += k) {
		k = power_below(layers - done);
		expand_bits(bits, done, k, layers + 6 - done - k, c);
	}
	/* Back: the last first. The k's are the binary digits of `layers`, so what is left before one is its higher digits. */
	for (unsigned k = 1; k <= layers && c.is_back; k *= 2)
		if (layers & k) {
			const unsigned done = layers & ~(2 * k - 1);
			expand_bits(bits, done, k, layers + 6 - done - k, c);
		}
}

/* ---- step 2 of gf2x.h: 128 x 128 bits at a time ---- */

INLINE void swap_blocks(vec *a, vec *b, unsigned s, uint64_t low)
{
	const vec mask = SPREAD_WORDS(low);
	const vec t = (*a >> s ^ *b) & mask;

	*b ^= t;
	*a ^= t << s;
}

/* Blocks of 64, 32 and 16 bits of rows i, i + 16, … */
INLINE void transpose_coarse(struct gf128 *rows, const struct gf128 *from)
{
	for (size_t i = 0; i < 16; i += LANES) {
		vec r[8];
#pragma GCC unroll 8
		for (size_t k = 0; k < 8; k++)
			r[k] = load(from + 16 * k + i);
#pragma GCC unroll 4
		for (size_t k = 0; k < 4; k++) {
			const vec a = r[k], b = r[k + 4];
			r[k] = LOW_WORDS(a, b);
			r[k + 4] = HIGH_WORDS(a, b);
		}
#pragma GCC unroll 8
		for (size_t k = 0; k < 8; k++)
			if (k % 4 < 2)
				swap_blocks(&r[k], &r[k + 2], 32, 0x00000000ffffffff);
#pragma GCC unroll 8
		for (size_t k = 0; k < 8; k += 2)
			swap_blocks(&r[k], &r[k + 1], 16, 0x0000ffff0000ffff);
#pragma GCC unroll 8
		for (size_t k = 0; k < 8; k++)
			save(rows + 16 * k + i, r[k]);
	}
}

/* Blocks of 8, 4, 2 bits and bits of sixteen rows. */
INLINE void transpose_fine(struct gf128 *rows)
{
	enum { N = 16 / LANES };
	vec r[N];

#pragma GCC unroll 16
	for (size_t k = 0; k < N; k++)
		r[k] = load(rows + k * LANES);
#pragma GCC unroll 16
	for (size_t k = 0; k < N / 2; k++)
		swap_blocks(&r[k], &r[k + N / 2], 8, 0x00ff00ff00ff00ff);
#pragma GCC unroll 16
	for (size_t k = 0; k < N; k++)
		if (k % (N / 2) < N / 4)
			swap_blocks(&r[k], &r[k + N / 4], 4, 0x0f0f0f0f0f0f0f0f);
#pragma GCC unroll 16
	for (size_t k = 0; k < N; k++)
		if (k % (N / 4) < N / 8)
			swap_blocks(&r[k], &r[k + N / 8], 2, 0x3333333333333333);
#pragma GCC unroll 16
	for (size_t k = 0; k < N; k += 2) {
#if LANES == 1
		swap_blocks(&r[k], &r[k + 1], 1, 0x5555555555555555);
#else
		vec even = FIRST_LANES(r[k], r[k + 1]), odd = LAST_LANES(r[k], r[k + 1]);
		swap_blocks(&even, &odd, 1, 0x5555555555555555);
		r[k] = FIRST_LANES(even, odd);
		r[k + 1] = LAST_LANES(even, odd);
#endif
	}
#pragma GCC unroll 16
	for (size_t k = 0; k < N; k++)
		save(rows + k * LANES, r[k]);
}

INLINE void transpose(struct gf128 *rows, const struct gf128 *from)
{
	transpose_coarse(rows, from);
	for (size_t i = 0; i < 128; i += 16)
		transpose_fine(rows + i);
}

/*
 * Rows are 2^l bits apart, a multiple of what a cache has for one set: so a whole line of each row is fetched, for up to four squares.
 */
static void pack(const struct gf2x *g, struct gf128 *values, const uint64_t *bits)
{
	const size_t row_words = (size_t)1 << (g->layers - 6);
	const size_t squares = row_words / 2 < 4 ? row_words / 2 : 4;
	struct gf128 *square = (struct gf128 *)(void *)g->rows;

	for (size_t at = 0; at < row_words; at += 2 * squares) {
		for (size_t i = 0; i < 128; i++)
			for (size_t k = 0; k < squares; k++) {
				const uint64_t *from = bits + i * row_words + at + 2 * k;
				square[128 * k + i] = (struct gf128){from[0], from[1]};
			}
		for (size_t k = 0; k < squares; k++)
			transpose(values + 64 * at + 128 * k, square + 128 * k);
	}
}

static void unpack(const struct gf2x *g, uint64_t *bits, const struct gf128 *values)
{
	const size_t row_words = (size_t)1 << (g->layers - 6);
	const size_t squares = row_words / 2 < 4 ? row_words / 2 : 4;
	struct gf128 *square = (struct gf128 *)(void *)g->rows;

	for (size_t at = 0; at < row_words; at += 2 * squares) {
		for (size_t k = 0; k < squares; k++)
			transpose(square + 128 * k, values + 64 * at + 128 * k);
		for (size_t i = 0; i < 128; i++)
			for (size_t k = 0; k < squares; k++) {
				uint64_t *to = bits + i * row_words + at + 2 * k;
				to[0] = square[128 * k + i].lo;
				to[1] = square[128 * k + i].hi;
			}
	}
}
