// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/auc_wrapped.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken is written again as it came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buffer[AUC_WRAPPED_HEAD_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct auc_wrapped wrapped;
	struct span head;

	if (failed(auc_wrapped_decode(span_of(data, size), &wrapped, &fault)))
		return 0;
	auc_wrapped_head_encode(&w, &wrapped);
	if (failed(writer_result(&w, &head)) || !span_equal(head, wrapped.head) ||
		head.len + wrapped.sealed.len != size)
		abort();
	return 0;
}
