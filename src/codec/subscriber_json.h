// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Subscribers as JSON lines: one object a line, its members the fields of subscriber_row.h.
 *
 *     {"imsi":"001010000000001","k":"465b…","opc":"cd63…","sqn":"0x1c80","msisdn":"4900000000001"}
 *
 * Values are strings; sqn, profile, res_bits and iterations may be numbers as well. Strict: an
 * unknown member, one that stands twice, null, and another type are errors. A fault names the column
 * where the member's name begins, or where the JSON itself breaks.
 *
 * Decoding needs memory for a copy of the line and for its values: keys in clear like the line
 * itself. It is the caller's, who keeps it in a secret.
 */
#include "codec/subscriber_row.h"

enum { SUBSCRIBER_JSON_SCRATCH = 64 << 10, SUBSCRIBER_JSON_MAX = 1024 };

/* Into a row that was begun, and may have fields already. `scratch` is aligned as malloc's memory. */
MUST_USE struct err subscriber_json_decode(struct span line,
	uint8_t scratch[static SUBSCRIBER_JSON_SCRATCH], struct subscriber_row *row,
	struct subscriber_fault *fault);
/* One line with its end, at most SUBSCRIBER_JSON_MAX octets; only what was given. */
void subscriber_json_encode(struct writer *w, const struct subscriber_row *row);
