// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/compute.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span encoded(const struct compute *c, uint8_t *at, size_t len)
{
	struct writer w = writer_of(span_mut_of(at, len));

	compute_encode_given(&w, c);
	if (w.is_full)
		abort();
	return writer_span_done(&w);
}

/* A line that decodes is within the table's sizes, and encodes to what decodes to the same; a refusal
 * says where, and encodes too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct compute c, again;
	static uint8_t first[4 * COMPUTE_ANSWER_MAX], second[4 * COMPUTE_ANSWER_MAX];
	struct compute_fault fault = {0};

	if (failed(compute_decode(&c, span_of(data, size), &fault))) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(first));
		compute_encode_fault(&w, &c, &fault, 1);
		if (w.is_full || fault.text[0] == '\0')
			abort();
		return 0;
	}
	for (size_t m = COMPUTE_NONE + 1; m < COMPUTE_MEMBERS_END; m++)
		if (c.is_given[m] && c.len[m] < compute_rows[m].min)
			abort();
	const struct span text = encoded(&c, first, sizeof first);
	if (failed(compute_decode(&again, text, &fault)) ||
		!span_equal(text, encoded(&again, second, sizeof second)))
		abort();
	return 0;
}
