// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The processor's AES instructions: constant time by construction. */
#include "aes128.h"

#if defined(__x86_64__)
#include <wmmintrin.h>

#define AES_NI __attribute__((target("aes,sse2")))

AES_NI static __m128i next_key(__m128i key, __m128i assist)
{
	assist = _mm_shuffle_epi32(assist, 0xff);
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	return _mm_xor_si128(key, assist);
}

AES_NI static void expand(struct aes128 *aes, const uint8_t key[static AES128_BLOCK])
{
	__m128i *keys = (__m128i *)(void *)aes->round_keys;
	__m128i k = _mm_loadu_si128((const __m128i *)(const void *)key);

	_mm_store_si128(keys, k);
/* The round constant is part of the instruction, so this cannot be a loop. */
#define ROUND(round, constant)                                                                     \
	k = next_key(k, _mm_aeskeygenassist_si128(k, (constant)));                                 \
	_mm_store_si128(keys + (round), k)
	ROUND(1, 0x01);
	ROUND(2, 0x02);
	ROUND(3, 0x04);
	ROUND(4, 0x08);
	ROUND(5, 0x10);
	ROUND(6, 0x20);
	ROUND(7, 0x40);
	ROUND(8, 0x80);
	ROUND(9, 0x1b);
	ROUND(10, 0x36);
#undef ROUND
}

/* Round by round over a few blocks at once: an instruction takes several cycles, but one starts
 * every cycle. */
enum { AT_ONCE = 5 };

AES_NI static void encrypt_few(const __m128i *keys, const uint8_t *in, uint8_t *out, size_t blocks)
{
	__m128i b[AT_ONCE];

	for (size_t i = 0; i < blocks; i++)
		b[i] = _mm_xor_si128(
			_mm_loadu_si128((const __m128i *)(const void *)(in + i * AES128_BLOCK)),
			keys[0]);
	for (size_t round = 1; round < AES128_ROUNDS; round++)
		for (size_t i = 0; i < blocks; i++)
			b[i] = _mm_aesenc_si128(b[i], keys[round]);
	for (size_t i = 0; i < blocks; i++)
		_mm_storeu_si128((__m128i *)(void *)(out + i * AES128_BLOCK),
			_mm_aesenclast_si128(b[i], keys[AES128_ROUNDS]));
}

AES_NI static void encrypt(const struct aes128 *aes, const uint8_t *in, uint8_t *out, size_t blocks)
{
	const __m128i *keys = (const __m128i *)(const void *)aes->round_keys;

	for (; blocks >= AT_ONCE; blocks -= AT_ONCE) {
		encrypt_few(keys, in, out, AT_ONCE);
		in += AT_ONCE * AES128_BLOCK;
		out += AT_ONCE * AES128_BLOCK;
	}
	encrypt_few(keys, in, out, blocks);
}

static const struct aes128_engine engine = {.name = "aes-ni", .expand = expand, .encrypt = encrypt};

const struct aes128_engine *aes128_native(void)
{
	return __builtin_cpu_supports("aes") ? &engine : NULL;
}
#else
const struct aes128_engine *aes128_native(void)
{
	return NULL;
}
#endif
