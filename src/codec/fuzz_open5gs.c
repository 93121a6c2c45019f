// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/open5gs.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Documents one after the other: each makes the rest shorter, and what is taken is a subscriber. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(16) uint8_t scratch[OPEN5GS_SCRATCH];
	struct span text = span_of(data, size), document;
	struct subscriber_row row;
	const char *reason;
	bool has_more;
	size_t len;

	while (!failed(open5gs_cut(text, &document, &len))) {
		if (len == 0 || len > text.len || document.len > len || document.at[0] != '{')
			abort();
		if (!failed(open5gs_decode(document, scratch, &row, &has_more, &reason)) &&
			(!imsi_is_valid(row.clear.imsi) || row.clear.keys.k_len != 16 ||
				row.clear.keys.opc_len != 16))
			abort();
		text = span_of(text.at + len, text.len - len);
	}
	return 0;
}
