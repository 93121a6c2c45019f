// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/kms_msg.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union any {
	struct kms_status_request status;
	struct kms_status_answer status_answer;
	struct kms_enc_request enc;
	struct kms_dec_request dec;
	struct kms_keys keys;
};

static struct err decode(uint8_t which, union any *m, struct span body)
{
	struct wire_fault fault = {0};

	switch (which) {
	case 0:
		return kms_status_request_decode(&m->status, body, &fault);
	case 1:
		return kms_status_answer_decode(&m->status_answer, body, &fault);
	case 2:
		return kms_enc_request_decode(&m->enc, body, &fault);
	case 3:
		return kms_dec_request_decode(&m->dec, body, &fault);
	case 4:
		return kms_keys_decode(&m->keys, body, &fault);
	default:
		return ERR(INPUT);
	}
}

static void encode(uint8_t which, const union any *m, struct writer *w)
{
	switch (which) {
	case 0:
		kms_status_request_encode(w, &m->status);
		return;
	case 1:
		kms_status_answer_encode(w, &m->status_answer);
		return;
	case 2:
		kms_enc_request_encode(w, &m->enc);
		return;
	case 3:
		kms_dec_request_encode(w, &m->dec);
		return;
	default:
		kms_keys_encode(w, &m->keys);
	}
}

/* The first octet chooses the message. What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union any m;
	static uint8_t again[1 << 16];

	if (size == 0 || size > sizeof again)
		return 0;
	const struct span body = span_of(data + 1, size - 1);
	if (failed(decode(data[0], &m, body)))
		return 0;
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));
	struct span message;
	encode(data[0], &m, &w);
	if (failed(writer_result(&w, &message)) || !span_equal(message, body))
		abort();
	return 0;
}
