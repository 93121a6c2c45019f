// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/tap.h"
#include "wire/reader.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Frames with two octets of length each in front: no frame is lost and none is counted twice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t ports[] = {7010, 7020, 7030};
	struct wire_fault fault = {0};
	struct reader r = reader_of(span_of(data, size), &fault);
	struct tap_judge *j;
	uint64_t frames = 0, sum = 0;

	if (failed(tap_judge_open(&j, ports, 3)))
		return 0;
	while (reader_more(&r)) {
		const struct span frame = reader_span(&r, reader_u16(&r, "length"), "frame");
		if (reader_failed(&r))
			break;
		tap_classify(j, frame);
		frames++;
	}
	const struct tap_count *count = tap_judge_end(j);
	for (size_t i = 0; i < TAP_CLASSES; i++)
		sum += count->packets[i];
	if (sum != frames)
		abort();
	tap_judge_close(j);
	return 0;
}
