// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/qkd_history.h"
#include "cmd/qkd_history_draw.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(const struct history_fault *fault)
{
	if (fault->field == NULL || fault->expected == NULL || fault->column == 0 ||
		fault->column > HISTORY_LINE_MAX + 1)
		abort();
}

/* Lines, until one is refused. What was taken can be drawn, within its limits, in order. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct history h;
	static FILE *nowhere;

	h.block_count = h.series_count = 0;
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		const size_t len = end == NULL ? size - at : (size_t)(end - data) - at;
		struct history_fault fault = {0};
		if (failed(history_take(&h, span_of(data + at, len), &fault))) {
			check_fault(&fault);
			break;
		}
		at += len + 1;
	}
	history_end(&h);
	for (size_t i = 1; i < h.block_count; i++)
		if (h.blocks[i - 1].series > h.blocks[i].series ||
			(h.blocks[i - 1].series == h.blocks[i].series &&
				h.blocks[i - 1].unix_ms > h.blocks[i].unix_ms))
			abort();
	if (h.block_count == 0)
		return 0;
	if (nowhere == NULL && (nowhere = fopen("/dev/null", "we")) == NULL)
		return 0;
	history_draw(nowhere, &h);
	return 0;
}
