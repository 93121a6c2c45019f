// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "verify.h"
#include "base/secret.h"
#include <math.h>

void key_bits_pack(const struct key_bits *key, uint8_t *packed)
{
	memset(packed, 0, (key->count + 7) / 8);
	for (uint32_t i = 0; i < key->count; i++)
		packed[i / 8] |= (uint8_t)(key->bits[i] << i % 8);
}

void verify_tag(uint8_t tag[static VERIFY_TAG], struct span packed,
	const uint8_t hash_key[static VERIFY_KEY])
{
	struct polyhash h;
	uint8_t whole[GF128_OCTETS];

	polyhash_begin(&h, hash_key);
	polyhash_add(&h, packed);
	polyhash_value(&h, whole);
	memcpy(tag, whole, VERIFY_TAG);
	secret_wipe(whole, sizeof whole);
	secret_wipe(&h, sizeof h);
}

double verify_collision(uint32_t key_bits)
{
	return ldexp((double)polyhash_blocks((key_bits + 7) / 8), -VERIFY_TAG_BITS);
}
