// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gf2x.h"
#include <assert.h>

/* v(i): each is a root of z^2 + z = the one before; test_gf2x.c proves them. */
static const struct gf128 basis[] = {
	{0x0000000000000001, 0x0000000000000000},
	{0x3bb8f71e8f869d06, 0xba164ed95099d106},
	{0x836bab30b1b02260, 0x941c5982261155eb},
	{0x99a071997bedd5d6, 0xd4b41bf0e558b03e},
	{0x25bdafd96fd11068, 0xc6362eddd770f701},
	{0xa0bd6983db82d49e, 0xa5087f89c62d8d76},
	{0xdec16e0e472f52ee, 0xb2cca539504363c0},
	{0xfa736dd1d6f2f334, 0xb2ab39a9e54f9e2e},
	{0x7ae3531346ca1a56, 0x815ed998cc1365ab},
	{0xa466b58954484a6a, 0xc46982f38c38f08f},
	{0xa7019271834d3e5e, 0x257bd1f099dc9270},
	{0x3fe756c3542827fc, 0x954b38accb1d9aac},
	{0x7eb24df246ef7a58, 0xbc0a44321efe693e},
	{0x13877569f845eda8, 0x94e4a4bd7a6d4d7a},
	{0xbb688811de90d072, 0xc463c69f7b8c24f7},
	{0xa950764a26042416, 0x7a9088f90ff1a323},
	{0x5e2cca9c27c21cde, 0x136528929bb2d49c},
	{0x684e02e27af00f72, 0x9a6308be5a4a385f},
	{0xb1d0059cbfa72bb6, 0x7e42a8323438b8d5},
	{0x198d11210fcb1e64, 0xc103bbabe9db3617},
	{0xc618603667b0154e, 0x81602b6d21a14416},
};

/* theta(i), from theta(0) = x in the same way. */
static const struct gf128 thetas[] = {
	{0x0000000000000002, 0x0000000000000000},
	{0xb479e1edb4c9af6a, 0x086a809ce9ce23d5},
	{0xb679c1ed26e02f6e, 0xa3668be0c0c396a9},
	{0x77630aba564e7680, 0x74c3c46579ec65b2},
	{0x2a432a4b8674ea3e, 0x0e9d6578c30a220f},
	{0x3a873425df15d6a2, 0x7b35dea4693ed927},
	{0x5ab3692624edd386, 0xa834c514c2e7eb7c},
	{0x559def67a34f2294, 0x9b2888c85279da60},
	{0x9e2153625c348160, 0xe7b85ead1339c5c4},
	{0x256932c59fa7d828, 0x1a82c1f8c64387b8},
	{0x07eb62da949107ac, 0x032f36c639b25320},
	{0xdafc713206e408d8, 0x495c58d148d08147},
	{0x7364cffd2153cb34, 0xa162b3a13e7d8b56},
	{0x92ce117492d861dc, 0x56ace944c108023f},
	{0x35c5dba865aa5672, 0x45822c5f405e6d0c},
	{0xc54e63bedf10e776, 0xd7367dedf5831158},
	{0x46a3b3adb570be4c, 0x6489d7232bdb0fec},
	{0x06046c4aa8a49b42, 0x5f11cae6bf27e310},
	{0x5a1682048c5328b0, 0xf5350649e1f8fc35},
	{0xaa942d113745b0de, 0xff3087598008eca9},
	{0xa080a4a4a6f6aebe, 0x2927f1ba8ee3e76e},
};

_Static_assert(sizeof basis / sizeof basis[0] > GF2X_LAYERS_MAX, "a v for each layer");
_Static_assert(sizeof thetas / sizeof thetas[0] > GF2X_LAYERS_MAX, "a theta for each layer");

enum { ROWS_OCTETS = 128 * 64 };

struct gf128 gf2x_basis(unsigned i)
{
	return basis[i];
}

struct gf128 gf2x_theta(unsigned i)
{
	return thetas[i];
}

static struct gf128 add(struct gf128 a, struct gf128 b)
{
	return (struct gf128){a.lo ^ b.lo, a.hi ^ b.hi};
}

/* a x^64: x^128 = R. */
static struct gf128 shift_word(struct gf128 a)
{
	const struct gf128 top = clmul_portable(a.hi, GF2X_MODULUS);

	return (struct gf128){top.lo, top.hi ^ a.lo};
}

struct gf128 gf2x_field_multiply(struct gf128 a, struct gf128 b)
{
	const struct gf128 low = clmul_portable(a.lo, b.lo), high = clmul_portable(a.hi, b.hi);
	const struct gf128 middle = add(clmul_portable(a.lo, b.hi), clmul_portable(a.hi, b.lo));

	return add(low, shift_word(add(middle, shift_word(high))));
}

static struct gf2x_factor factor_of(struct gf128 c)
{
	return (struct gf2x_factor){.c = c, .shifted = shift_word(c)};
}

static unsigned high_log(unsigned layers)
{
	return layers > GF2X_TABLE_LOG + 1 ? layers - 1 - GF2X_TABLE_LOG : 0;
}

/* table[i] = the sum of v(first + k) over the bits k of i. */
static void fill(struct gf2x_factor *table, unsigned log, unsigned first)
{
	table[0] = factor_of((struct gf128){0});
	for (unsigned k = 0; k < log; k++) {
		const struct gf2x_factor f = factor_of(basis[first + k]);
		for (size_t i = 0; i < (size_t)1 << k; i++)
			table[((size_t)1 << k) + i] = (struct gf2x_factor){
				add(table[i].c, f.c), add(table[i].shifted, f.shifted)};
	}
}

size_t gf2x_octets(unsigned log_bits)
{
	const unsigned layers = log_bits - 7;

	return ROWS_OCTETS + (((size_t)1 << GF2X_TABLE_LOG) + ((size_t)1 << high_log(layers))) *
				     sizeof(struct gf2x_factor);
}

void gf2x_open(struct gf2x *g, enum clmul_path path, unsigned log_bits, void *memory)
{
	assert(log_bits >= GF2X_LOG_MIN && log_bits <= GF2X_LOG_MAX);
	*g = (struct gf2x){.kernels = gf2x_kernels(path), .layers = log_bits - 7, .rows = memory};
	g->low = (struct gf2x_factor *)(void *)((uint8_t *)memory + ROWS_OCTETS);
	g->high = g->low + ((size_t)1 << GF2X_TABLE_LOG);
	fill(g->low, GF2X_TABLE_LOG, 1);
	fill(g->high, high_log(g->layers), 1 + GF2X_TABLE_LOG);
	for (unsigned i = 0; i <= g->layers; i++)
		for (unsigned k = 0; k < 2; k++)
			g->theta[k][i] = factor_of(add(thetas[i], (struct gf128){.lo = k}));
}

enum clmul_path gf2x_best(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx2"))
		return CLMUL_WIDE;
#endif
	return clmul_best();
}

const struct gf2x_kernels *gf2x_kernels(enum clmul_path path)
{
	return path == CLMUL_WIDE ? &gf2x_wide : path == CLMUL_FAST ? &gf2x_fast : &gf2x_portable;
}
