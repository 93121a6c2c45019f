// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The processor's AES instructions: constant time by construction. */
#include "aes128.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AES_NI __attribute__((target("aes,ssse3"))) inline
#define LOAD(at) _mm_loadu_si128((const __m128i *)(const void *)(at))
#define SAVE(at, v) _mm_storeu_si128((__m128i *)(void *)(at), (v))

/*
 * The next round key [FIPS 197 §5.2]. AESKEYGENASSIST does the same in microcode, three times slower:
 * AESENCLAST on four copies of the rotated last word substitutes it (its ShiftRows moves octets of
 * equal columns, so nothing) and adds the round constant, all in one.
 */
AES_NI static __m128i next_key(__m128i key, __m128i constant)
{
	const __m128i rotated_last_word = _mm_set1_epi32(0x0c0f0e0d);
	const __m128i word =
		_mm_aesenclast_si128(_mm_shuffle_epi8(key, rotated_last_word), constant);

	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, word);
}

static const uint8_t constants[AES128_ROUNDS] = {
	0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};

AES_NI static void expand(struct aes128 *aes, const uint8_t key[static AES128_BLOCK])
{
	__m128i *keys = (__m128i *)(void *)aes->round_keys;

	keys[0] = LOAD(key);
#pragma GCC unroll 10
	for (size_t i = 0; i < AES128_ROUNDS; i++)
		keys[i + 1] = next_key(keys[i], _mm_set1_epi32(constants[i]));
}

AES_NI static void expand_encrypt(struct aes128 *aes, const uint8_t key[static AES128_BLOCK],
	uint8_t block[static AES128_BLOCK])
{
	__m128i *keys = (__m128i *)(void *)aes->round_keys;
	__m128i k = LOAD(key), b = _mm_xor_si128(LOAD(block), k);

	keys[0] = k;
#pragma GCC unroll 9
	for (size_t i = 0; i < AES128_ROUNDS - 1; i++) {
		k = next_key(k, _mm_set1_epi32(constants[i]));
		keys[i + 1] = k;
		b = _mm_aesenc_si128(b, k);
	}
	k = next_key(k, _mm_set1_epi32(constants[AES128_ROUNDS - 1]));
	keys[AES128_ROUNDS] = k;
	SAVE(block, _mm_aesenclast_si128(b, k));
}

/* Round by round over the blocks of MILENAGE at once, in registers: an instruction takes several
 * cycles, but one starts every cycle. */
enum { AT_ONCE = 5 };

AES_NI static void encrypt_five(const __m128i *keys, const uint8_t *in, uint8_t *out)
{
	__m128i a = _mm_xor_si128(LOAD(in), keys[0]), b = _mm_xor_si128(LOAD(in + 16), keys[0]);
	__m128i c = _mm_xor_si128(LOAD(in + 32), keys[0]),
		d = _mm_xor_si128(LOAD(in + 48), keys[0]);
	__m128i e = _mm_xor_si128(LOAD(in + 64), keys[0]);

#pragma GCC unroll 9
	for (size_t round = 1; round < AES128_ROUNDS; round++) {
		a = _mm_aesenc_si128(a, keys[round]);
		b = _mm_aesenc_si128(b, keys[round]);
		c = _mm_aesenc_si128(c, keys[round]);
		d = _mm_aesenc_si128(d, keys[round]);
		e = _mm_aesenc_si128(e, keys[round]);
	}
	SAVE(out, _mm_aesenclast_si128(a, keys[AES128_ROUNDS]));
	SAVE(out + 16, _mm_aesenclast_si128(b, keys[AES128_ROUNDS]));
	SAVE(out + 32, _mm_aesenclast_si128(c, keys[AES128_ROUNDS]));
	SAVE(out + 48, _mm_aesenclast_si128(d, keys[AES128_ROUNDS]));
	SAVE(out + 64, _mm_aesenclast_si128(e, keys[AES128_ROUNDS]));
}

AES_NI static void encrypt_one(const __m128i *keys, const uint8_t *in, uint8_t *out)
{
	__m128i b = _mm_xor_si128(LOAD(in), keys[0]);

	for (size_t round = 1; round < AES128_ROUNDS; round++)
		b = _mm_aesenc_si128(b, keys[round]);
	SAVE(out, _mm_aesenclast_si128(b, keys[AES128_ROUNDS]));
}

AES_NI static void encrypt(const struct aes128 *aes, const uint8_t *in, uint8_t *out, size_t blocks)
{
	const __m128i *keys = (const __m128i *)(const void *)aes->round_keys;

	for (; blocks >= AT_ONCE; blocks -= AT_ONCE) {
		encrypt_five(keys, in, out);
		in += AT_ONCE * AES128_BLOCK;
		out += AT_ONCE * AES128_BLOCK;
	}
	for (size_t i = 0; i < blocks; i++)
		encrypt_one(keys, in + i * AES128_BLOCK, out + i * AES128_BLOCK);
}

static const struct aes128_engine engine = {
	.name = "aes-ni", .expand = expand, .encrypt = encrypt, .expand_encrypt = expand_encrypt};

const struct aes128_engine *aes128_native(void)
{
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("ssse3") ? &engine : NULL;
}
#else
const struct aes128_engine *aes128_native(void)
{
	return NULL;
}
#endif
