// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_cascade.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	uint16_t lane;
	struct reader r = cascade_question_reader(span_of(data, size), &lane, &fault);
	struct cascade_part part;
	uint8_t *buffer = malloc(size + 1);
	struct writer w = writer_of(span_mut_of(buffer, size));

	if (size >= 2)
		writer_u16(&w, lane);
	while (cascade_part_decode(&r, &part)) {
		cascade_part_encode(&w, &part);
		if (part.items.len > 0)
			writer_span(&w, part.items);
		if (part.masks.len > 0)
			writer_span(&w, part.masks);
	}
	if (!failed(fault.err) && !span_equal(writer_span_done(&w), span_of(data, size)))
		abort();
	free(buffer);
	return 0;
}
