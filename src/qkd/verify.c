// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "verify.h"
#include "base/secret.h"
#include <math.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of a key are read as its octets");

struct span key_octets(struct key_words key)
{
	return span_of((const uint8_t *)key.words, (key.bits + 7) / 8);
}

void verify_tag(uint8_t tag[static VERIFY_TAG], struct key_words key,
	const uint8_t hash_key[static VERIFY_KEY])
{
	struct polyhash h;

	polyhash_begin(&h, hash_key);
	polyhash_add(&h, key_octets(key));
	polyhash_value(&h, tag);
	secret_wipe(&h, sizeof h);
}

double verify_collision(uint32_t key_bits)
{
	return ldexp((double)polyhash_blocks((key_bits + 7) / 8), -VERIFY_TAG_BITS);
}
