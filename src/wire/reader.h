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

struct reader reader_of(struct span message, struct wire_fault *fault);

/* A child reader over the next `len` octets, which the parent skips. Too few: fault, empty child. */
struct reader reader_cut(struct reader *r, size_t len, const char *field);

uint8_t reader_u8(struct reader *r, const char *field);
uint16_t reader_u16(struct reader *r, const char *field); /* big-endian, as all below */
uint32_t reader_u24(struct reader *r, const char *field);
uint32_t reader_u32(struct reader *r, const char *field);
uint64_t reader_u64(struct reader *r, const char *field);

/* The next `len` octets in place; they live as long as the message. */
struct span reader_span(struct reader *r, size_t len, const char *field);
/* Exactly out.len octets, copied. On a fault `out` is zeroed. */
void reader_copy(struct reader *r, struct span_mut out, const char *field);
/* All that is left, possibly nothing. */
struct span reader_rest(struct reader *r);

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

/* Whether another element follows: false at the end and after a fault, so loops always stop. */
static inline bool reader_more(const struct reader *r)
{
	return !failed(r->fault->err) && r->at < r->end;
}

static inline bool reader_failed(const struct reader *r)
{
	return failed(r->fault->err);
}

/* Octets left over are a fault, not a shrug. */
void reader_end(struct reader *r, const char *field);

/* A codec's own rule is broken at the current place (value out of range, element not allowed …). */
void reader_refuse(struct reader *r, struct err e, const char *field, const char *clause);

/* Refuses unless `holds`; returns `holds` and no earlier fault. */
bool reader_require(struct reader *r, bool holds, const char *field, const char *clause);

MUST_USE static inline struct err wire_result(const struct wire_fault *fault)
{
	return fault->err;
}
