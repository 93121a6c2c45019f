// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "wegman_carter.h"
#include "base/ct.h"
#include "base/secret.h"

void wc_tag(uint8_t tag[static WC_TAG], const uint8_t hash[static WC_TAG],
	const uint8_t pad[static WC_PAD])
{
	for (size_t i = 0; i < WC_TAG; i++)
		tag[i] = hash[i] ^ pad[i];
}

bool wc_verify(const uint8_t tag[static WC_TAG], const uint8_t hash[static WC_TAG],
	const uint8_t pad[static WC_PAD])
{
	uint8_t expected[WC_TAG];

	wc_tag(expected, hash, pad);
	const bool is_equal = ct_equal(expected, tag, WC_TAG);
	secret_wipe(expected, sizeof expected);
	return is_equal;
}
