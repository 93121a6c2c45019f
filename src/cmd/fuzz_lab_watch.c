// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/watch.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as octets that were sent, and as strace's text of such. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct watch_value value;
	uint8_t *octets = malloc(size / 4 + 1);

	if (watch_find_qkd_block(span_of(data, size), &value) &&
		(value.len == 0 || value.len > WATCH_VALUE_MAX))
		abort();
	if (watch_find_ppk(span_of(data, size), &value) && value.len != 32)
		abort();
	const size_t count = watch_octets(span_mut_of(octets, size / 4 + 1), span_of(data, size));
	if (count > size / 4)
		abort();
	(void)watch_find_ppk(span_of(octets, count), &value);
	free(octets);
	return 0;
}
