// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "http_decode.h"
#include "wire/reader.h"

/* 0 to 15, or 16: not a hex digit. */
static unsigned hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - (unsigned)'0';
	if (c >= 'a' && c <= 'f')
		return c - (unsigned)'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - (unsigned)'A' + 10;
	return 16;
}

/* One octet, escaped or not [RFC 3986 §2.1]. */
static uint8_t take_octet(struct reader *r)
{
	const uint8_t c = reader_u8(r, "character");

	if (c != '%')
		return c;
	const unsigned high = hex_digit(reader_u8(r, "escape"));
	const unsigned low = hex_digit(reader_u8(r, "escape"));
	reader_require(r, high < 16 && low < 16, "escape", "RFC 3986 §2.1");
	return (uint8_t)((high & 15u) << 4 | (low & 15u));
}

struct err http_decode(struct span_mut out, struct span encoded)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(encoded, &fault);
	size_t len = 0;

	while (reader_more(&r)) {
		const uint8_t c = take_octet(&r);
		reader_require(&r, c != '\0' && len + 1 < out.len, "character", NULL);
		if (!reader_failed(&r))
			out.at[len++] = c;
	}
	if (out.len == 0)
		return ERR(INPUT);
	out.at[len] = '\0';
	return wire_result(&fault);
}
