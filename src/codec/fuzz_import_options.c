// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/import_options.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read can be written, and reads as the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_options options, again;
	const char *word;
	char text[512];

	if (failed(import_options_read(span_of(data, size), &options, &word)))
		return 0;
	if (failed(import_options_write(&options, text, sizeof text)) ||
		failed(import_options_read(span_str(text), &again, &word)) ||
		memcmp(&options, &again, sizeof options) != 0)
		abort();
	return 0;
}
