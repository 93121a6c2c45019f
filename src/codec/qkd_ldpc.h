// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The bodies of questions and answers of the mode LDPC (qkd/ldpc.h says what they mean).
 *
 * A question: frame u16, first u16, count u16: the units first to first + count - 1 of that frame. Unit i is row i of the code's
 * rows, unit rows + i the first half of row i.
 * An answer: for each unit its 64-bit words, one a lift, least significant octet first.
 */
#include "wire/reader.h"
#include "wire/writer.h"

struct ldpc_question {
	uint16_t frame, first, count;
};

void ldpc_question_encode(struct writer *w, const struct ldpc_question *q);
/* A question asks for one unit at least. */
MUST_USE struct err ldpc_question_decode(
	struct span from, struct ldpc_question *q, struct wire_fault *fault);

void ldpc_words_encode(struct writer *w, const uint64_t *words, size_t count);
/* The answer is `count` words, no more and no less. */
MUST_USE struct err ldpc_words_decode(
	struct span from, uint64_t *words, size_t count, struct wire_fault *fault);
