// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd014.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A request that decodes is within its limits; a refusal has a message that encodes. */
static void judge(struct err e, const struct qkd014_fault *fault, bool is_within)
{
	uint8_t out[1024];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	if (!failed(e) && !is_within)
		abort();
	if (failed(e)) {
		qkd014_fault_encode(&w, fault);
		if (w.is_full)
			abort();
	}
}

static void judge_enc(
	struct err e, const struct qkd014_enc_request *m, const struct qkd014_fault *fault)
{
	judge(e, fault,
		m->number > 0 && m->number <= KMS_KEYS_MAX && m->size_bits % 8 == 0 &&
			m->additional_count < KMS_SLAVES_MAX);
}

static void judge_dec(
	struct err e, const struct qkd014_dec_request *m, const struct qkd014_fault *fault)
{
	judge(e, fault, m->count > 0 && m->count <= KMS_KEYS_MAX);
}

/* The first octet chooses: path, query or body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct qkd014_enc_request enc;
	static struct qkd014_dec_request dec;
	struct qkd014_fault fault = {0};
	struct qkd014_path path;
	char text[4096] = {0};
	struct err e;

	if (size == 0 || size > sizeof text)
		return 0;
	memcpy(text, data + 1, size - 1);
	const struct span body = span_of(data + 1, size - 1);
	if (data[0] == 0 && !failed(qkd014_path_decode(&path, text)) && path.sae.len == 0)
		abort();
	if (data[0] == 1 || data[0] == 2) {
		e = data[0] == 1 ? qkd014_enc_query_decode(&enc, text, &fault)
				 : qkd014_enc_body_decode(&enc, body, &fault);
		judge_enc(e, &enc, &fault);
	}
	if (data[0] == 3 || data[0] == 4) {
		e = data[0] == 3 ? qkd014_dec_query_decode(&dec, text, &fault)
				 : qkd014_dec_body_decode(&dec, body, &fault);
		judge_dec(e, &dec, &fault);
	}
	return 0;
}
