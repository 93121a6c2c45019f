// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "keccak.h"
#include "base/secret.h"

enum { ROUNDS = 24, SIDE = 5 };

/* iota [FIPS 202 §3.2.5] */
static const uint64_t round_constants[ROUNDS] = {0x0000000000000001, 0x0000000000008082,
	0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
	0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
	0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b,
	0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
	0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080,
	0x0000000080000001, 0x8000000080008008};

/* rho and pi in one [FIPS 202 §3.2.2, §3.2.3]: lane i comes from lane `from`, rotated. */
static const struct {
	uint8_t from, bits;
} moves[KECCAK_LANES] = {{0, 0}, {6, 44}, {12, 43}, {18, 21}, {24, 14}, {3, 28}, {9, 20}, {10, 3},
	{16, 45}, {22, 61}, {1, 1}, {7, 6}, {13, 25}, {19, 8}, {20, 18}, {4, 27}, {5, 36}, {11, 10},
	{17, 15}, {23, 56}, {2, 62}, {8, 55}, {14, 39}, {15, 41}, {21, 2}};

static inline uint64_t rotated(uint64_t v, unsigned bits)
{
	return v << bits | v >> ((64 - bits) % 64);
}

/* theta [FIPS 202 §3.2.1]. All loops here are unrolled, so that lanes may live in registers. */
static inline void add_columns(uint64_t a[static KECCAK_LANES])
{
	uint64_t column[SIDE];

#pragma GCC unroll 5
	for (size_t x = 0; x < SIDE; x++)
		column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 5
	for (size_t x = 0; x < SIDE; x++) {
		const uint64_t d = column[(x + 4) % SIDE] ^ rotated(column[(x + 1) % SIDE], 1);
#pragma GCC unroll 5
		for (size_t y = 0; y < SIDE; y++)
			a[x + SIDE * y] ^= d;
	}
}

/* rho, pi, chi [FIPS 202 §3.2.4] and iota */
static inline void move_and_mix(
	uint64_t to[static KECCAK_LANES], const uint64_t a[static KECCAK_LANES], uint64_t constant)
{
#pragma GCC unroll 5
	for (size_t row = 0; row < KECCAK_LANES; row += SIDE) {
		uint64_t b[SIDE];
#pragma GCC unroll 5
		for (size_t x = 0; x < SIDE; x++)
			b[x] = rotated(a[moves[row + x].from], moves[row + x].bits);
#pragma GCC unroll 5
		for (size_t x = 0; x < SIDE; x++)
			to[row + x] = b[x] ^ (~b[(x + 1) % SIDE] & b[(x + 2) % SIDE]);
	}
	to[0] ^= constant;
}

void keccak_f1600(uint64_t lanes[static KECCAK_LANES])
{
	uint64_t other[KECCAK_LANES];

	for (size_t round = 0; round < ROUNDS; round += 2) {
		add_columns(lanes);
		move_and_mix(other, lanes, round_constants[round]);
		add_columns(other);
		move_and_mix(lanes, other, round_constants[round + 1]);
	}
	secret_wipe(other, sizeof other);
}
