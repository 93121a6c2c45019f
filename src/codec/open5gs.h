// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Subscribers of Open5GS as mongoexport writes the collection `subscribers`: one document after the
 * other, a line each, or as one list (--jsonArray), or spread over lines (--pretty). Of a document
 * are read
 *
 *     { "imsi": "001010000000001", "msisdn": ["4900000000001"],
 *       "security": { "k": "465B5CE8 B199B49F …", "opc": "…", "op": null, "amf": "8000",
 *                     "sqn": { "$numberLong": "97" } } }
 *
 * as its web interface and open5gs-dbctl make them: hex digits with or without blanks, SQN as
 * a number or in MongoDB's extended JSON, and not there before the first attach. Open5GS computes
 * MILENAGE alone. `sqn` is the next one it would use: as the last one used it leaves one out.
 * What else stands in a document is its profile, which is not taken.
 */
#include "codec/subscriber_row.h"

enum { OPEN5GS_DOCUMENT_MAX = 128 << 10, OPEN5GS_SCRATCH = 1 << 20 };

/*
 * The first document of `text` into *document, and into *len what it takes with what stands before
 * it. ERR_ABSENT: blanks, commas and brackets alone (*len is all of it); ERR_STATE: it does not end
 * here; ERR_INPUT: something else, at *len.
 */
MUST_USE struct err open5gs_cut(struct span text, struct span *document, size_t *len);

/* ERR_INPUT, and `reason` is why: a constant of the code. `imsi` is then what can be told, or "".
 * `has_more`: more than one MSISDN, of which the first is taken. `scratch` as
 * in subscriber_json.h. */
MUST_USE struct err open5gs_decode(struct span document, uint8_t scratch[static OPEN5GS_SCRATCH],
	struct subscriber_row *row, bool *has_more, const char **reason);
