// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/settings.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings settings;
	static uint8_t again[SETTINGS_ENCODED_MAX];
	struct span bytes;

	if (failed(settings_decode(&settings, span_of(data, size)))) {
		if (settings.count != 0)
			abort();
		return 0;
	}
	settings_encode(&settings, SPAN_MUT_ARRAY(again), &bytes);
	if (!span_equal(bytes, span_of(data, size)) || !settings_equal(&settings, &settings, NULL))
		abort();
	return 0;
}
