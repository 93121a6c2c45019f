// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/http_decode.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded, escaped in full, decodes to the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t once[256], twice[256];
	char escaped[3 * sizeof once + 1];
	size_t len = 0;

	if (failed(http_decode(SPAN_MUT_ARRAY(once), span_of(data, size))))
		return 0;
	for (size_t i = 0; once[i] != '\0'; i++)
		len += (size_t)snprintf(escaped + len, sizeof escaped - len, "%%%02X", once[i]);
	if (failed(http_decode(SPAN_MUT_ARRAY(twice), span_of(escaped, len))) ||
		strcmp((const char *)once, (const char *)twice) != 0)
		abort();
	return 0;
}
