// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/subscriber_json.h"
#include "codec/subscriber_row.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line that is accepted is a subscriber, whose own line reads as the same again, and whose keys
 * can travel to a vault. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(16) uint8_t scratch[SUBSCRIBER_JSON_SCRATCH];
	uint8_t text[SUBSCRIBER_JSON_MAX], keys[AUC_KEYS_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text)), k = writer_of(SPAN_MUT_ARRAY(keys));
	struct subscriber_row row, again;
	struct subscriber_fault fault = {0};
	struct wire_fault wire = {0};
	struct auc_keys decoded;

	subscriber_row_begin(&row);
	const struct err e = subscriber_json_decode(span_of(data, size), scratch, &row, &fault);
	if (failed(e) != (fault.expected != NULL) || fault.column > size + 1)
		abort();
	if (failed(e))
		return 0;
	subscriber_json_encode(&w, &row);
	const struct span line = writer_span_done(&w);
	if (line.len < 2)
		abort();
	subscriber_row_begin(&again);
	if (failed(subscriber_json_decode(span_of(line.at, line.len - 1), scratch, &again, &fault)))
		abort();
	memcpy(again.columns, row.columns, sizeof row.columns);
	if (memcmp(&row.clear.keys, &again.clear.keys, sizeof row.clear.keys) != 0 ||
		row.sqn != again.sqn || row.given != again.given ||
		strcmp(row.msisdn, again.msisdn) != 0)
		abort();
	auc_keys_encode(&k, &row.clear.keys);
	if (failed(auc_keys_decode(writer_span_done(&k), &decoded, &wire)))
		abort();
	return 0;
}
