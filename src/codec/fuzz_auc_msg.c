// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/auc_keys.h"
#include "codec/auc_msg.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t buffer[AUC_ROWS_OCTETS];
static struct writer w;

static void must_be(struct span body)
{
	struct span again;

	if (failed(writer_result(&w, &again)) || !span_equal(again, body))
		abort();
}

static void front(uint8_t which, struct span body)
{
	struct wire_fault fault = {0};
	struct auth_request request;
	struct auth_vector vectors[AUTH_VECTORS_MAX];
	size_t count;
	char text[AUC_MSISDN_TEXT];

	if (which == 0 && !failed(auc_request_decode(body, &request, &fault))) {
		auc_request_encode(&w, &request);
		must_be(body);
	}
	if (which == 1 && !failed(auc_vectors_decode(body, vectors, &count, &fault))) {
		auc_vectors_encode(&w, vectors, count);
		must_be(body);
	}
	if (which == 2 && !failed(auc_text_decode(body, text, sizeof text, &fault))) {
		auc_text_encode(&w, text);
		must_be(body);
	}
}

static void vault(uint8_t which, struct span body)
{
	struct wire_fault fault = {0};
	struct auc_vectors_ask vectors;
	struct auc_resync_ask resync;

	if (which == 3 && !failed(auc_vectors_ask_decode(body, &vectors, &fault))) {
		auc_vectors_ask_encode(&w, &vectors);
		must_be(body);
	}
	if (which == 4 && !failed(auc_resync_ask_decode(body, &resync, &fault))) {
		auc_resync_ask_encode(&w, &resync);
		must_be(body);
	}
}

static void import(uint8_t which, struct span body)
{
	static struct auc_clear_rows clear;
	static struct auc_import rows;
	struct span sealed[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	size_t count;

	if (which == 5 && !failed(auc_clear_rows_decode(body, &clear, &fault))) {
		auc_clear_rows_encode(&w, &clear);
		must_be(body);
	}
	if (which == 6 && !failed(auc_sealed_decode(body, sealed, &count, &fault))) {
		auc_sealed_encode(&w, sealed, count);
		must_be(body);
	}
	if (which == 7 && !failed(auc_import_decode(body, &rows, &fault))) {
		auc_import_encode(&w, &rows);
		must_be(body);
	}
}

static void keys(uint8_t which, struct span body)
{
	static struct auc_sealed_rows rows;
	struct auc_wrapped_keys wrapped;
	struct auc_import_result result;
	struct auc_keys keys;
	struct wire_fault fault = {0};

	if (which == 8 && !failed(auc_wrapped_keys_decode(body, &wrapped, &fault))) {
		auc_wrapped_keys_encode(&w, &wrapped);
		must_be(body);
	}
	if (which == 9 && !failed(auc_sealed_rows_decode(body, &rows, &fault))) {
		auc_sealed_rows_encode(&w, &rows);
		must_be(body);
	}
	if (which == 10 && !failed(auc_import_result_decode(body, &result, &fault))) {
		auc_import_result_encode(&w, &result);
		must_be(body);
	}
	if (which == 11 && !failed(auc_keys_decode(body, &keys, &fault))) {
		auc_keys_encode(&w, &keys);
		must_be(body);
	}
}

/* The first octet chooses the message; what decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const struct span body = span_of(data + 1, size - 1);
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	front(data[0], body);
	vault(data[0], body);
	import(data[0], body);
	keys(data[0], body);
	return 0;
}
