// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The portable engine. Eight octets lie side by side in a word, and each step works on all of them:
 * no table is looked up, so there is no address that could tell a cache what the key is. About a
 * hundred times slower than the instructions, and only for machines that lack them.
 */
#include "aes128.h"
#include "base/secret.h"
#include <string.h>

#define EACH(octet) ((octet) * UINT64_C(0x0101010101010101))

static uint64_t load(const uint8_t *at, size_t octets)
{
	uint64_t v = 0;

	for (size_t i = 0; i < octets; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

static void save(uint8_t *at, uint64_t v, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* Times x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 [FIPS 197 §4.2.1]. */
static uint64_t times_x(uint64_t v)
{
	return ((v & EACH(0x7f)) << 1) ^ ((v >> 7) & EACH(1)) * 0x1b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product = 0;

	for (int bit = 0; bit < 8; bit++, a = times_x(a))
		product ^= a & ((b >> bit) & EACH(1)) * 0xff;
	return product;
}

static uint64_t squared(uint64_t v, int often)
{
	while (often-- > 0)
		v = times(v, v);
	return v;
}

/* v^254: the inverse, and zero for zero. */
static uint64_t inverse(uint64_t v)
{
	const uint64_t v2 = squared(v, 1), v3 = times(v2, v), v12 = squared(v3, 2);
	const uint64_t v240 = squared(times(v12, v3), 4);

	return times(times(v240, v12), v2);
}

static uint64_t rotated(uint64_t v, int bits)
{
	const uint64_t low = EACH(UINT64_C(0xff) >> bits);

	return (v & low) << bits | (v & ~low) >> (8 - bits);
}

static uint64_t substitute(uint64_t v)
{
	const uint64_t i = inverse(v);

	return i ^ rotated(i, 1) ^ rotated(i, 2) ^ rotated(i, 3) ^ rotated(i, 4) ^ EACH(0x63);
}

static void sub_bytes_shift_rows(uint8_t state[AES128_BLOCK])
{
	uint8_t from[AES128_BLOCK];

	save(from, substitute(load(state, 8)), 8);
	save(from + 8, substitute(load(state + 8, 8)), 8);
	for (size_t i = 0; i < AES128_BLOCK; i++)
		state[i] = from[(i + 4 * (i % 4)) % AES128_BLOCK];
	secret_wipe(from, sizeof from);
}

static uint32_t mixed(uint32_t column)
{
	const uint32_t by1 = column >> 8 | column << 24, by2 = column >> 16 | column << 16;
	const uint32_t by3 = column >> 24 | column << 8;

	return (uint32_t)times_x(column ^ by1) ^ by1 ^ by2 ^ by3;
}

static void mix_columns(uint8_t state[AES128_BLOCK])
{
	for (size_t at = 0; at < AES128_BLOCK; at += 4)
		save(state + at, mixed((uint32_t)load(state + at, 4)), 4);
}

static void add_round_key(uint8_t state[AES128_BLOCK], const struct aes128 *aes, size_t round)
{
	for (size_t i = 0; i < AES128_BLOCK; i++)
		state[i] ^= aes->round_keys[round * AES128_BLOCK + i];
}

static void encrypt_block(const struct aes128 *aes, const uint8_t *in, uint8_t *out)
{
	uint8_t state[AES128_BLOCK];

	memcpy(state, in, sizeof state);
	add_round_key(state, aes, 0);
	for (size_t round = 1; round < AES128_ROUNDS; round++) {
		sub_bytes_shift_rows(state);
		mix_columns(state);
		add_round_key(state, aes, round);
	}
	sub_bytes_shift_rows(state);
	add_round_key(state, aes, AES128_ROUNDS);
	memcpy(out, state, sizeof state);
	secret_wipe(state, sizeof state);
}

static void encrypt(const struct aes128 *aes, const uint8_t *in, uint8_t *out, size_t blocks)
{
	for (size_t i = 0; i < blocks; i++)
		encrypt_block(aes, in + i * AES128_BLOCK, out + i * AES128_BLOCK);
}

/* [FIPS 197 §5.2] */
static void expand(struct aes128 *aes, const uint8_t key[static AES128_BLOCK])
{
	uint32_t constant = 1, word;

	memcpy(aes->round_keys, key, AES128_BLOCK);
	for (size_t at = AES128_BLOCK; at < sizeof aes->round_keys; at += 4) {
		word = (uint32_t)load(aes->round_keys + at - 4, 4);
		if (at % AES128_BLOCK == 0) {
			word = (uint32_t)substitute(word >> 8 | word << 24) ^ constant;
			constant = (uint32_t)times_x(constant);
		}
		word ^= (uint32_t)load(aes->round_keys + at - AES128_BLOCK, 4);
		save(aes->round_keys + at, word, 4);
	}
	secret_wipe(&word, sizeof word);
}

static void expand_encrypt(struct aes128 *aes, const uint8_t key[static AES128_BLOCK],
	uint8_t block[static AES128_BLOCK])
{
	expand(aes, key);
	encrypt_block(aes, block, block);
}

const struct aes128_engine aes128_portable = {
	.name = "portable", .expand = expand, .encrypt = encrypt, .expand_encrypt = expand_encrypt};

const struct aes128_engine *aes128_engine(void)
{
	const struct aes128_engine *native = aes128_native();

	return native != NULL ? native : &aes128_portable;
}
