// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/subscriber_csv.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file line by line: every octet belongs to one line, and a row that is accepted is a subscriber. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size), line;
	struct csv_shape shape = {0};
	struct subscriber_fault fault;
	struct subscriber_row row;
	size_t len;

	while (csv_line(text, true, &line, &len)) {
		if (len == 0 || len > text.len || line.len > len)
			abort();
		fault = (struct subscriber_fault){0};
		subscriber_row_begin(&row);
		struct err e = shape.count == 0 ? csv_header_decode(line, &shape, &fault)
						: csv_row_decode(line, &shape, &row, &fault);
		if (failed(e) != (fault.expected != NULL) || fault.column > line.len + 1)
			abort();
		if (failed(e) && shape.count > SUBSCRIBER_FIELDS)
			abort();
		text = span_of(text.at + len, text.len - len);
	}
	return 0;
}
