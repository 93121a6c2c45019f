// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "span.h"
#include "ct.h"

/*
 * Both directions avoid tables and branches on the value: hex carries keys in subscriber files
 * and in SKIP answers.
 */
static char nibble_to_hex(unsigned v)
{
	/* '0'..'9' for 0..9; 'a'..'f' is 39 further than '9' + 1. */
	return (char)('0' + v + (((9u - v) >> 8) & 39u));
}

static unsigned nibble_from_hex(unsigned c)
{
	const unsigned digit = c ^ 48u;
	const unsigned letter = (c & ~32u) - 55u;
	const unsigned is_digit = (digit - 10u) >> 8 & 0xffu;
	const unsigned is_letter = ((letter - 10u) ^ (letter - 16u)) >> 8 & 0xffu;

	return (is_digit & digit) | (is_letter & letter) | (~(is_digit | is_letter) & 1u) << 8;
}

void hex_from_span(char *out, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		out[2 * i] = nibble_to_hex(bytes.at[i] >> 4);
		out[2 * i + 1] = nibble_to_hex(bytes.at[i] & 15u);
	}
	out[2 * bytes.len] = '\0';
}

bool hex_digits_to_span(struct span_mut out, struct span digits)
{
	unsigned bad = 0;

	if (digits.len != 2 * out.len)
		return false;
	for (size_t i = 0; i < out.len; i++) {
		const unsigned high = nibble_from_hex(digits.at[2 * i]);
		const unsigned low = nibble_from_hex(digits.at[2 * i + 1]);
		bad |= (high | low) & 0x100u;
		out.at[i] = (uint8_t)((high & 15u) << 4 | (low & 15u));
	}
	ct_declassify(&bad, sizeof bad);
	return bad == 0;
}

bool hex_to_span(struct span_mut out, const char *text)
{
	return hex_digits_to_span(out, span_str(text));
}
