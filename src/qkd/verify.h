// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Fourth stage: are the keys equal? A polynomial hash of the X bits under a key drawn for this block and sent
 * after reconciliation. Two different keys agree in the tag for at most L of 2^128 hash keys, L = polyhash_blocks:
 * that is eps_cor, at most 2^-107 for the longest key. The tag's bits are leak.
 */
#include "crypt/gf128.h"
#include "qkd.h"
#include "reconciler.h"

enum { VERIFY_KEY = 16, VERIFY_TAG = 16, VERIFY_TAG_BITS = 128 };

/* The key's octets: bit i is bit i % 8 of octet i / 8. Spare bits are zero. */
struct span key_octets(struct key_words key);
void verify_tag(uint8_t tag[static VERIFY_TAG], struct key_words key,
	const uint8_t hash_key[static VERIFY_KEY]);
/* What a key of so many bits can promise. */
double verify_collision(uint32_t key_bits);
