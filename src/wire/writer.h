// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The one writer. It fills a buffer of fixed size that the caller owns. Where a field does not fit, the writer is full:
 * that sticks, later writes do nothing, and writer_result() says ERR_LIMIT. A length that is
 * known only afterwards is a mark: leave a hole, write the content, close the mark.
 *
 *     struct writer w = writer_of(buffer);
 *     size_t length = writer_mark(&w, 2);
 *     writer_u8(&w, 0xee);
 *     writer_close(&w, length, 2);           // octets written since the hole
 *     return writer_result(&w, &message);
 */
#include "base/err.h"
#include "base/span.h"

struct writer {
	uint8_t *base;
	size_t len, limit;
	bool is_full;
};

struct writer writer_of(struct span_mut buffer);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v); /* big-endian, as all below */
void writer_u24(struct writer *w, uint32_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_span(struct writer *w, struct span bytes);

/* A length field of `octets` (1 to 4) octets, to be closed later; returns its place. */
size_t writer_mark(struct writer *w, size_t octets);
/* Fills the mark with the number of octets written after it. Too long for the field: full. */
void writer_close(struct writer *w, size_t mark, size_t octets);

/* What was written so far; empty when full. */
struct span writer_span_done(const struct writer *w);
MUST_USE struct err writer_result(const struct writer *w, struct span *message);
