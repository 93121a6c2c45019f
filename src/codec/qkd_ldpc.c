// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_ldpc.h"

void ldpc_question_encode(struct writer *w, const struct ldpc_question *q)
{
	writer_u16(w, q->frame);
	writer_u16(w, q->first);
	writer_u16(w, q->count);
}

struct err ldpc_question_decode(struct span from, struct ldpc_question *q, struct wire_fault *fault)
{
	struct reader r = reader_of(from, fault);

	q->frame = reader_u16(&r, "frame");
	q->first = reader_u16(&r, "first");
	q->count = reader_u16(&r, "count");
	reader_require(&r, q->count > 0, "count", NULL);
	reader_end(&r, "question");
	return wire_result(fault);
}

void ldpc_words_encode(struct writer *w, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		writer_u64(w, __builtin_bswap64(words[i]));
}

struct err ldpc_words_decode(
	struct span from, uint64_t *words, size_t count, struct wire_fault *fault)
{
	struct reader r = reader_of(from, fault);

	for (size_t i = 0; i < count; i++)
		words[i] = __builtin_bswap64(reader_u64(&r, "words"));
	reader_end(&r, "answer");
	return wire_result(fault);
}
