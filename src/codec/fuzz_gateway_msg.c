// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/gateway_msg.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_same(const struct writer *w, const uint8_t *data, size_t size)
{
	struct span message;

	if (failed(writer_result(w, &message)) || !span_equal(message, span_of(data, size)))
		abort();
}

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buffer[GATEWAY_MSG_MAX];
	struct wire_fault fault = {0};
	struct gateway_rotation rotation;
	struct gateway_activated activated;

	if (!failed(gateway_rotation_decode(&rotation, span_of(data, size), &fault))) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		gateway_rotation_encode(&w, &rotation);
		require_same(&w, data, size);
	}
	fault = (struct wire_fault){0};
	if (!failed(gateway_activated_decode(&activated, span_of(data, size), &fault))) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		gateway_activated_encode(&w, &activated);
		require_same(&w, data, size);
	}
	return 0;
}
