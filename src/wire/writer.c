// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "writer.h"

void writer_close(struct writer *w, size_t mark, size_t octets)
{
	if (w->is_full)
		return;
	size_t content = w->len - mark - octets;
	if (octets < sizeof content && content >> (8 * octets) != 0) {
		w->is_full = true;
		return;
	}
	for (size_t i = octets; i > 0; i--, content >>= 8)
		w->base[mark + i - 1] = (uint8_t)content;
}
