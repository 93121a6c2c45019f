// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/gsup.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes, encodes; and that decodes to the same message. Of what does not, somebody may still
 * be told so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buffer[8192];
	static struct gsup g, again;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span message;

	memset(&g, 0, sizeof g);
	memset(&again, 0, sizeof again);
	if (gsup_salvage(span_of(data, size), &again) && !imsi_is_valid(again.imsi))
		abort();
	memset(&again, 0, sizeof again);
	if (failed(gsup_decode(span_of(data, size), &g, &fault)))
		return 0;
	gsup_encode(&w, &g);
	if (failed(writer_result(&w, &message)) || failed(gsup_decode(message, &again, &fault)) ||
		memcmp(&g, &again, sizeof g) != 0)
		abort();
	return 0;
}
