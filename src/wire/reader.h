// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The one reader of bytes from outside.
 *
 * A reader is a value: a view and a place in it. All readers cut from one message share one fault record. The first
 * fault wins and sticks: from then on every read gives zero or an empty view, so a codec reads
 * straight down, without a branch per field, and asks once at the end. The record says where (offset
 * from the start of the message), which field, and which kind of error: what a firewall event
 * and an audit finding need.
 *
 *     struct wire_fault fault = {0};
 *     struct reader r = reader_of(message, &fault);
 *     gsup->type = reader_u8(&r, "message_type");
 *     struct reader imsi = reader_cut(&r, reader_u8(&r, "imsi_length"), "imsi");
 *     …
 *     reader_end(&r, "message");
 *     return wire_result(&fault);
 *
 * reader_cut() is the only function that computes with lengths; all others are built on it.
 */
#include "base/err.h"
#include "base/span.h"

struct wire_fault {
	struct err err;
	size_t offset;      /* from the start of the message */
	const char *field;  /* constant of the code */
	const char *clause; /* the clause that is broken, or NULL */
};

struct reader {
	const uint8_t *base, *at, *end;
	struct wire_fault *fault;
};

/* The first fault wins: sets it, unless there is one. The slow path of all that follows. */
void reader_fault(struct reader *r, struct err e, const char *field, const char *clause);

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline bool reader_failed(const struct reader *r)
{
	return failed(r->fault->err);
}

/* Whether another element follows: false at the end and after a fault, so loops always stop. */
static inline bool reader_more(const struct reader *r)
{
	return !reader_failed(r) && r->at < r->end;
}

static inline struct reader reader_of(struct span message, struct wire_fault *fault)
{
	static const uint8_t nothing[1];
	const uint8_t *at = message.at == NULL ? nothing : message.at;

	return (struct reader){.base = at, .at = at, .end = at + message.len, .fault = fault};
}

/* A codec's own rule is broken at the current place (value out of range, element not allowed …). */
static inline void reader_refuse(
	struct reader *r, struct err e, const char *field, const char *clause)
{
	reader_fault(r, e, field, clause);
}

/* Refuses unless `holds`; returns `holds` and no earlier fault. */
static inline bool reader_require(
	struct reader *r, bool holds, const char *field, const char *clause)
{
	if (!holds)
		reader_fault(r, ERR(INPUT), field, clause);
	return holds && !reader_failed(r);
}

/* A child reader over the next `len` octets, which the parent skips. Too few: fault, empty child.
 * The only bounds arithmetic: all that takes octets goes through here. */
static inline struct reader reader_cut(struct reader *r, size_t len, const char *field)
{
	struct reader child = {.base = r->base, .at = r->at, .end = r->at, .fault = r->fault};

	if (len > reader_left(r))
		reader_fault(r, ERR(INPUT), field, NULL);
	if (reader_failed(r))
		return child;
	child.end = r->at + len;
	r->at = child.end;
	return child;
}

/* The next `len` octets in place; they live as long as the message. */
static inline struct span reader_span(struct reader *r, size_t len, const char *field)
{
	const struct reader child = reader_cut(r, len, field);

	return span_of(child.at, reader_left(&child));
}

/* Exactly out.len octets, copied. On a fault `out` is zeroed. */
static inline void reader_copy(struct reader *r, struct span_mut out, const char *field)
{
	const struct span bytes = reader_span(r, out.len, field);

	if (bytes.len == out.len)
		memcpy(out.at, bytes.at, out.len);
	else
		memset(out.at, 0, out.len);
}

/* All that is left, possibly nothing. */
static inline struct span reader_rest(struct reader *r)
{
	return reader_failed(r) ? span_of(r->at, 0) : reader_span(r, reader_left(r), "rest");
}

static inline uint64_t reader_unsigned(struct reader *r, size_t octets, const char *field)
{
	const struct span bytes = reader_span(r, octets, field);
	uint64_t v = 0;

	if (bytes.len == octets)
		for (size_t i = 0; i < octets; i++)
			v = v << 8 | bytes.at[i];
	return v;
}

/* Big-endian; 0 on a fault. */
static inline uint8_t reader_u8(struct reader *r, const char *field)
{
	return (uint8_t)reader_unsigned(r, 1, field);
}

static inline uint16_t reader_u16(struct reader *r, const char *field)
{
	return (uint16_t)reader_unsigned(r, 2, field);
}

static inline uint32_t reader_u24(struct reader *r, const char *field)
{
	return (uint32_t)reader_unsigned(r, 3, field);
}

static inline uint32_t reader_u32(struct reader *r, const char *field)
{
	return (uint32_t)reader_unsigned(r, 4, field);
}

static inline uint64_t reader_u64(struct reader *r, const char *field)
{
	return reader_unsigned(r, 8, field);
}

/* Octets left over are a fault, not a shrug. */
static inline void reader_end(struct reader *r, const char *field)
{
	if (r->at != r->end)
		reader_fault(r, ERR(INPUT), field, NULL);
}

MUST_USE static inline struct err wire_result(const struct wire_fault *fault)
{
	return fault->err;
}
