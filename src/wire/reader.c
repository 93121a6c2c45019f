// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

static const uint8_t nothing[1];

struct reader reader_of(struct span message, struct wire_fault *fault)
{
	const uint8_t *at = message.at == NULL ? nothing : message.at;

	return (struct reader){.base = at, .at = at, .end = at + message.len, .fault = fault};
}

void reader_refuse(struct reader *r, struct err e, const char *field, const char *clause)
{
	if (failed(r->fault->err))
		return;
	*r->fault = (struct wire_fault){
		.err = e, .offset = (size_t)(r->at - r->base), .field = field, .clause = clause};
}

bool reader_require(struct reader *r, bool holds, const char *field, const char *clause)
{
	if (!holds)
		reader_refuse(r, ERR(INPUT), field, clause);
	return holds && !failed(r->fault->err);
}

struct reader reader_cut(struct reader *r, size_t len, const char *field)
{
	struct reader child = {.base = r->base, .at = r->at, .end = r->at, .fault = r->fault};

	if (len > reader_left(r))
		reader_refuse(r, ERR(INPUT), field, NULL);
	if (failed(r->fault->err))
		return child;
	child.end = r->at + len;
	r->at = child.end;
	return child;
}

struct span reader_span(struct reader *r, size_t len, const char *field)
{
	const struct reader child = reader_cut(r, len, field);

	return span_of(child.at, reader_left(&child));
}

void reader_copy(struct reader *r, struct span_mut out, const char *field)
{
	const struct span bytes = reader_span(r, out.len, field);

	if (bytes.len == out.len)
		memcpy(out.at, bytes.at, out.len);
	else
		memset(out.at, 0, out.len);
}

struct span reader_rest(struct reader *r)
{
	return failed(r->fault->err) ? span_of(r->at, 0) : reader_span(r, reader_left(r), "rest");
}

static uint64_t take_unsigned(struct reader *r, size_t octets, const char *field)
{
	const struct span bytes = reader_span(r, octets, field);
	uint64_t v = 0;

	for (size_t i = 0; i < bytes.len; i++)
		v = v << 8 | bytes.at[i];
	return v;
}

uint8_t reader_u8(struct reader *r, const char *field)
{
	return (uint8_t)take_unsigned(r, 1, field);
}

uint16_t reader_u16(struct reader *r, const char *field)
{
	return (uint16_t)take_unsigned(r, 2, field);
}

uint32_t reader_u24(struct reader *r, const char *field)
{
	return (uint32_t)take_unsigned(r, 3, field);
}

uint32_t reader_u32(struct reader *r, const char *field)
{
	return (uint32_t)take_unsigned(r, 4, field);
}

uint64_t reader_u64(struct reader *r, const char *field)
{
	return take_unsigned(r, 8, field);
}

void reader_end(struct reader *r, const char *field)
{
	if (r->at != r->end)
		reader_refuse(r, ERR(INPUT), field, NULL);
}
