// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Information-theoretic authentication [Wegman, Carter 1981]: tag = polynomial hash XOR a pad that is used once.
 *
 * The hash key may be kept for many messages, since the pads hide every hash value. With a fresh pad for
 * each tag, a forger who has seen any number of tagged messages succeeds with at most L/2^128 at the next, L
 * being the longer message in blocks (polyhash_blocks). A pad used twice breaks it: two tags with
 * one pad give an equation in the hash key. So the caller makes pads unrepeatable: see qkd/pads.h.
 */
#include "crypt/gf128.h"

enum { WC_KEY = 16, WC_PAD = 16, WC_TAG = 16 };

/* `hash`: polyhash_value() or polyhash_join() of the message; a secret until it is padded. */
void wc_tag(uint8_t tag[static WC_TAG], const uint8_t hash[static WC_TAG],
	const uint8_t pad[static WC_PAD]);
/* Constant time; the answer is public. */
bool wc_verify(const uint8_t tag[static WC_TAG], const uint8_t hash[static WC_TAG],
	const uint8_t pad[static WC_PAD]);
