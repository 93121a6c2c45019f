// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Fourth stage: are the keys equal? A polynomial hash of the packed X bits under a key drawn for this block and sent
 * after reconciliation. Two different keys agree in the tag for at most L of 2^64 keys, L = polyhash_blocks:
 * that is eps_cor. The tag's bits are leak.
 */
#include "crypt/gf128.h"
#include "qkd.h"
#include "sift.h"

enum { VERIFY_KEY = 16, VERIFY_TAG = 8, VERIFY_TAG_BITS = 64 };

/* Bit i of the key becomes bit i % 8 of octet i / 8. `packed` holds (count + 7) / 8 octets. */
void key_bits_pack(const struct key_bits *key, uint8_t *packed);
void verify_tag(uint8_t tag[static VERIFY_TAG], struct span packed,
	const uint8_t hash_key[static VERIFY_KEY]);
/* What a key of so many bits can promise. */
double verify_collision(uint32_t key_bits);
