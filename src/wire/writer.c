// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "writer.h"

struct writer writer_of(struct span_mut buffer)
{
	return (struct writer){.base = buffer.at, .limit = buffer.len};
}

/* The only place that advances: `octets` more, or NULL and full. */
static uint8_t *grow(struct writer *w, size_t octets)
{
	if (w->is_full || octets > w->limit - w->len) {
		w->is_full = true;
		return NULL;
	}
	w->len += octets;
	return w->base + w->len - octets;
}

static void put_unsigned(uint8_t *at, uint64_t v, size_t octets)
{
	for (size_t i = octets; i > 0; i--, v >>= 8)
		at[i - 1] = (uint8_t)v;
}

static void append_unsigned(struct writer *w, uint64_t v, size_t octets)
{
	uint8_t *at = grow(w, octets);

	if (at != NULL)
		put_unsigned(at, v, octets);
}

void writer_u8(struct writer *w, uint8_t v)
{
	append_unsigned(w, v, 1);
}

void writer_u16(struct writer *w, uint16_t v)
{
	append_unsigned(w, v, 2);
}

void writer_u24(struct writer *w, uint32_t v)
{
	append_unsigned(w, v, 3);
}

void writer_u32(struct writer *w, uint32_t v)
{
	append_unsigned(w, v, 4);
}

void writer_u64(struct writer *w, uint64_t v)
{
	append_unsigned(w, v, 8);
}

void writer_span(struct writer *w, struct span bytes)
{
	uint8_t *at = grow(w, bytes.len);

	if (at != NULL && bytes.len > 0)
		memcpy(at, bytes.at, bytes.len);
}

size_t writer_mark(struct writer *w, size_t octets)
{
	const size_t mark = w->len;

	append_unsigned(w, 0, octets);
	return mark;
}

void writer_close(struct writer *w, size_t mark, size_t octets)
{
	if (w->is_full)
		return;
	const size_t content = w->len - mark - octets;
	if (octets < sizeof content && content >> (8 * octets) != 0) {
		w->is_full = true;
		return;
	}
	put_unsigned(w->base + mark, content, octets);
}

struct span writer_span_done(const struct writer *w)
{
	return span_of(w->base, w->is_full ? 0 : w->len);
}

struct err writer_result(const struct writer *w, struct span *message)
{
	*message = writer_span_done(w);
	return w->is_full ? ERR(LIMIT) : OK;
}
