// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Subscribers as card vendors and other systems give them: lines of fields between commas, after a
 * header line that names the fields, in any order.
 *
 *     imsi,k,opc,algorithm,amf,sqn,msisdn
 *     001010000000001,465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf,milenage,8000,0,4900000000001
 *
 * Wanted: imsi, k, and op or opc. `algorithm` is milenage where it is empty or not there; `amf`
 * 8000; `sqn` (the last one used, decimal or 0x…) none, so that numbers begin at 1. No quotes, no
 * spaces. A line may end in CR LF; empty lines and lines that begin with '#' are skipped.
 *
 * A row holds keys in clear: the caller keeps it in a secret, and the text that it came from.
 */
#include "codec/auc_msg.h"

enum { CSV_FIELDS_MAX = 16, CSV_LINE_MAX = 1024 };
enum csv_field {
	CSV_IMSI,
	CSV_K,
	CSV_OP,
	CSV_OPC,
	CSV_ALGORITHM,
	CSV_AMF,
	CSV_SQN,
	CSV_MSISDN,
	CSV_FIELDS
};

struct csv_shape {
	size_t count;
	uint8_t fields[CSV_FIELDS_MAX]; /* enum csv_field, by column */
};

struct csv_row {
	struct auc_clear_row clear;
	bool has_sqn;
	uint64_t sqn;
	char msisdn[AUC_MSISDN_TEXT];
};

/* Where a line is wrong, and what is expected there: never what stands there, which may be a key.
 */
struct csv_fault {
	size_t column; /* of the line, from 1 */
	const char *expected;
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
	struct span line, struct csv_shape *shape, struct csv_fault *fault);
MUST_USE struct err csv_row_decode(struct span line, const struct csv_shape *shape,
	struct csv_row *row, struct csv_fault *fault);
