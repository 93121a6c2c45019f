// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ct.h"

bool ct_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint32_t difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= (uint32_t)(a[i] ^ b[i]);
	difference = ct_mask(difference);
	ct_declassify(&difference, sizeof difference);
	return difference == 0;
}

void ct_select(uint8_t *out, uint32_t mask, const uint8_t *a, const uint8_t *b, size_t len)
{
	const uint8_t m = (uint8_t)ct_barrier(mask);

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)((a[i] & m) | (b[i] & (uint8_t)~m));
}
