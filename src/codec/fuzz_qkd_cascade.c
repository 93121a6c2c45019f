// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_cascade.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	uint32_t batch;
	struct reader r = cascade_question_reader(span_of(data, size), &batch, &fault);
	struct cascade_part part;
	uint8_t *buffer = malloc(size + 1);
	struct writer w = writer_of(span_mut_of(buffer, size));

	if (size >= 4)
		writer_u32(&w, batch);
	while (cascade_part_decode(&r, &part)) {
		cascade_part_encode(&w, &part);
		for (size_t i = 0; i < part.node_count; i++)
			cascade_node_put(&w, cascade_node_at(&part, i));
		for (size_t i = 0; i < part.group_count; i++)
			cascade_group_put(&w, cascade_group_at(&part, i));
	}
	if (!failed(fault.err) && !span_equal(writer_span_done(&w), span_of(data, size)))
		abort();
	free(buffer);
	return 0;
}
