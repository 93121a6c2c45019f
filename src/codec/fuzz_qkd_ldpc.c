// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_ldpc.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

static void expect_same(const struct writer *w, const uint8_t *data, size_t size)
{
	struct writer done = *w;

	if (!span_equal(writer_span_done(&done), span_of(data, size)))
		abort();
}

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buffer[WORDS_MAX * 8];
	uint64_t words[WORDS_MAX];
	struct wire_fault fault = {0};
	struct ldpc_question q;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (!failed(ldpc_question_decode(span_of(data, size), &q, &fault))) {
		ldpc_question_encode(&w, &q);
		expect_same(&w, data, size);
	}
	fault = (struct wire_fault){0};
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	if (size / 8 <= WORDS_MAX &&
		!failed(ldpc_words_decode(span_of(data, size), words, size / 8, &fault))) {
		ldpc_words_encode(&w, words, size / 8);
		expect_same(&w, data, size);
	}
	return 0;
}
