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

static inline struct writer writer_of(struct span_mut buffer)
{
	return (struct writer){.base = buffer.at, .limit = buffer.len};
}

/* The only place that advances: `octets` more, or NULL and full. */
static inline uint8_t *writer_grow(struct writer *w, size_t octets)
{
	if (w->is_full || octets > w->limit - w->len) {
		w->is_full = true;
		return NULL;
	}
	w->len += octets;
	return w->base + w->len - octets;
}

static inline void writer_unsigned(struct writer *w, uint64_t v, size_t octets)
{
	uint8_t *at = writer_grow(w, octets);

	if (at != NULL)
		for (size_t i = octets; i > 0; i--, v >>= 8)
			at[i - 1] = (uint8_t)v;
}

/* Big-endian. */
static inline void writer_u8(struct writer *w, uint8_t v)
{
	writer_unsigned(w, v, 1);
}

static inline void writer_u16(struct writer *w, uint16_t v)
{
	writer_unsigned(w, v, 2);
}

static inline void writer_u24(struct writer *w, uint32_t v)
{
	writer_unsigned(w, v, 3);
}

static inline void writer_u32(struct writer *w, uint32_t v)
{
	writer_unsigned(w, v, 4);
}

static inline void writer_u64(struct writer *w, uint64_t v)
{
	writer_unsigned(w, v, 8);
}

static inline void writer_span(struct writer *w, struct span bytes)
{
	uint8_t *at = writer_grow(w, bytes.len);

	if (at != NULL && bytes.len > 0)
		memcpy(at, bytes.at, bytes.len);
}

/* A length field of `octets` (1 to 4) octets, to be closed later; returns its place. */
static inline size_t writer_mark(struct writer *w, size_t octets)
{
	const size_t mark = w->len;

	writer_unsigned(w, 0, octets);
	return mark;
}

/* Fills the mark with the number of octets written after it. Too long for the field: full. */
void writer_close(struct writer *w, size_t mark, size_t octets);

/* What was written so far; empty when full. */
static inline struct span writer_span_done(const struct writer *w)
{
	return span_of(w->base, w->is_full ? 0 : w->len);
}

MUST_USE static inline struct err writer_result(const struct writer *w, struct span *message)
{
	*message = writer_span_done(w);
	return w->is_full ? ERR(LIMIT) : OK;
}
