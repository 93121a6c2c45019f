// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/ipa.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A stream is cut as a server cuts it: frame after frame, no octet read twice or skipped. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span stream = span_of(data, size);

	while (stream.len > 0) {
		struct wire_fault fault = {0}, names_fault = {0};
		struct ipa_frame frame;
		struct ipa_identity identity;
		uint8_t tags[8];
		size_t whole, count;

		if (failed(ipa_frame_size(stream, &whole)) || whole == 0 || whole > stream.len)
			return 0;
		if (!failed(ipa_decode(span_of(stream.at, whole), &frame, &fault))) {
			if (frame.payload.len > whole)
				abort();
			if (!failed(ipa_id_resp_decode(frame.payload, &identity, &names_fault)) &&
				memchr(identity.serial, 0, sizeof identity.serial) == NULL)
				abort();
			names_fault = (struct wire_fault){0};
			if (!failed(ipa_id_get_decode(frame.payload, SPAN_MUT_ARRAY(tags), &count, &names_fault)) &&
				count > sizeof tags)
				abort();
		}
		stream = span_of(stream.at + whole, stream.len - whole);
	}
	return 0;
}
