// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Subscribers as card vendors and other systems give them: lines of fields between commas, after a
 * header line that names the fields (subscriber_row.h), in any order.
 *
 *     imsi,k,opc,algorithm,amf,sqn,msisdn
 *     001010000000001,465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf,milenage,8000,0,4900000000001
 *
 * No quotes, no spaces. An empty field is one that is not given. A line may end in CR LF; empty
 * lines and lines that begin with '#' are skipped.
 */
#include "codec/subscriber_row.h"

struct csv_shape {
	size_t count;
	uint8_t fields[SUBSCRIBER_FIELDS]; /* enum subscriber_field, by column */
};

/*
 * The length of the first line of `text`, with its line end, into *len, and the line without it.
 * False where there is no whole line: then, at the end of a file (`is_end`), what is there is the
 * last line.
 */
bool csv_line(struct span text, bool is_end, struct span *line, size_t *len);
/* Nothing to read on this line. */
bool csv_is_blank(struct span line);
MUST_USE struct err csv_header_decode(
	struct span line, struct csv_shape *shape, struct subscriber_fault *fault);
/* Into a row that was begun, and may have fields already. */
MUST_USE struct err csv_row_decode(struct span line, const struct csv_shape *shape,
	struct subscriber_row *row, struct subscriber_fault *fault);
