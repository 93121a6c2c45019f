// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The input is a program of reads over itself: no sequence may read outside, and once failed, always failed. */
#include "wire/reader.h"
#include "wire/tlv.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_nested(struct reader *value, void *out);

static const struct tlv_rule rules[] = {
	{.type = 1,
		.presence = TLV_MANDATORY,
		.max = 255,
		.repeat_max = 9,
		.name = "a",
		.take = take_nested},
	{.type = 2, .min = 2, .max = 4, .repeat_max = 1, .name = "b"},
};

static void take_nested(struct reader *value, void *out)
{
	*(uint8_t *)out ^= reader_u8(value, "inside");
	reader_rest(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(span_of(data, size), &fault);
	struct reader child = r;
	uint8_t copy[16], sum = 0;

	while (reader_more(&r)) {
		const uint8_t op = reader_u8(&r, "op");
		switch (op & 7) {
		case 0:
			sum ^= (uint8_t)reader_u16(&child, "u16");
			break;
		case 1:
			sum ^= (uint8_t)reader_u64(&child, "u64");
			break;
		case 2:
			child = reader_cut(&r, op >> 3, "cut");
			break;
		case 3:
			reader_copy(&child, SPAN_MUT_ARRAY(copy), "copy");
			break;
		case 4:
			reader_end(&child, "end");
			break;
		case 5:
			sum ^= (uint8_t)reader_rest(&child).len;
			break;
		default:
			sum ^= reader_u8(&child, "u8");
			break;
		}
	}
	if (failed(fault.err) && (fault.offset > size || reader_u8(&r, "after") != 0))
		abort();
	fault = (struct wire_fault){0};
	r = reader_of(span_of(data, size), &fault);
	tlv_walk(&r,
		&(struct tlv_shape){
			.type_octets = 1, .length_octets = 1, .rules = rules, .rule_count = 2},
		&sum, NULL);
	return 0;
}
