// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/audit_record.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes encodes to the same octets, and the hashed part is where the encoder says. */
static void round_trip(struct span line)
{
	struct wire_fault fault = {0};
	struct audit_record record;
	struct span hashed, begun, done;
	static uint8_t again[AUDIT_LINE_MAX + 1];

	if (failed(audit_record_decode(line, &record, &hashed, &fault)))
		return;
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));
	audit_record_begin(&w, &record);
	if (failed(writer_result(&w, &begun)) || !span_equal(begun, hashed))
		abort();
	audit_record_finish(&w, &record);
	if (failed(writer_result(&w, &done)) || done.len != line.len + 1 ||
		!span_equal(span_of(done.at, line.len), line))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(span_of(data, size), &fault);
	struct span line;

	while (audit_line_take(&r, &line))
		round_trip(line);
	return 0;
}
