// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/ipc.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct ipc_frame frame;
	size_t expected;

	if (failed(ipc_frame_size(span_of(data, size), &expected)) ||
		failed(ipc_decode(span_of(data, size), &frame, &fault)))
		return 0;
	uint8_t *again = malloc(size);
	struct writer w = writer_of(span_mut_of(again, size));
	struct span message;
	ipc_encode(&w, &frame);
	if (expected != size || failed(writer_result(&w, &message)) ||
		!span_equal(message, span_of(data, size)))
		abort();
	free(again);
	return 0;
}
