// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_pads.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pads pads;
	static uint8_t again[PADS_BLOB_MAX];
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (!failed(pads_from_bootstrap(&pads, size % 3 == 0, span_of(data, size))) &&
		(pads.send.count != pads.accept.count || pads.refill != 0))
		abort();
	if (failed(pads_decode(span_of(data, size), &pads, &fault)))
		return 0;
	pads_encode(&w, &pads);
	if (!span_equal(writer_span_done(&w), span_of(data, size)))
		abort();
	return 0;
}
