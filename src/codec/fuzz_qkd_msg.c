// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_msg.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same octets. The first octet chooses the type; 0 is the answer to QKD_OPEN. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct qkd_request request;
	struct qkd_opened opened;

	if (size == 0)
		return 0;
	const uint16_t type = (uint16_t)(IPC_BLOCK_QKD + data[0]);
	const struct span body = span_of(data + 1, size - 1);
	const struct err e = data[0] == 0 ? qkd_opened_decode(body, &opened, &fault)
					  : qkd_request_decode(type, body, &request, &fault);
	if (failed(e))
		return 0;
	uint8_t *again = malloc(size);
	struct writer w = writer_of(span_mut_of(again, size));
	struct span message;
	if (data[0] == 0)
		qkd_opened_encode(&w, &opened);
	else
		qkd_request_encode(&w, type, &request);
	if (failed(writer_result(&w, &message)) || !span_equal(message, body))
		abort();
	free(again);
	return 0;
}
