// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_link.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_items(uint16_t type, const struct link_message *m)
{
	size_t at = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		if (type == LINK_DETECTED)
			link_gap_next(m, &at);
		if (type == LINK_MEASURED && link_measured_at(m, i).test_bit > 1)
			abort();
		if (type == LINK_SIFTED && link_sifted_at(m, i).intensity > 2)
			abort();
	}
	if (type == LINK_DETECTED && at != m->items.len)
		abort();
}

/* What decodes encodes to the same octets. The first octet chooses the type. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct link_message m;
	struct link_hello hello;
	struct span again;

	if (size == 0)
		return 0;
	const uint16_t type = (uint16_t)(IPC_BLOCK_LINK + data[0]);
	const struct span body = span_of(data + 1, size - 1);
	const struct err e = type == LINK_HELLO ? link_hello_decode(body, &hello, &fault)
						: link_decode(type, body, &m, &fault);
	if (failed(e))
		return 0;
	uint8_t *buffer = malloc(size);
	struct writer w = writer_of(span_mut_of(buffer, size));
	if (type == LINK_HELLO)
		link_hello_encode(&w, &hello);
	else
		link_encode(&w, type, &m);
	if (failed(writer_result(&w, &again)) || !span_equal(again, body))
		abort();
	if (type != LINK_HELLO)
		read_items(type, &m);
	free(buffer);
	return 0;
}
