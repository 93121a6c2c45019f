// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Spans: a view of bytes that somebody else owns, with its length. They are values; copying one copies
 * the view. A span is read-only; `struct span_mut` may be written. No arithmetic on them outside
 * base/ and wire/: to take a part of received bytes, use `wire/reader.h`.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

struct span {
	const uint8_t *at;
	size_t len;
};

struct span_mut {
	uint8_t *at;
	size_t len;
};

static inline struct span span_of(const void *at, size_t len)
{
	return (struct span){at, len};
}

static inline struct span span_str(const char *text)
{
	return (struct span){(const uint8_t *)text, strlen(text)};
}

static inline struct span_mut span_mut_of(void *at, size_t len)
{
	return (struct span_mut){at, len};
}

static inline struct span span_read(struct span_mut s)
{
	return (struct span){s.at, s.len};
}

#define SPAN_ARRAY(array) span_of((array), sizeof(array))
#define SPAN_MUT_ARRAY(array) span_mut_of((array), sizeof(array))

/* Public bytes only: for secrets see ct.h. */
static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Lower-case hex of `bytes` into `out`, which holds at least 2 * bytes.len + 1; NUL-terminated. */
void hex_from_span(char *out, struct span bytes);

/* The inverse. False, and nothing promised about `out`, if `text` is not exactly 2 * out.len hex digits. */
bool hex_to_span(struct span_mut out, const char *text);
/* The same for digits that do not end in NUL; time depends on their number alone. */
bool hex_digits_to_span(struct span_mut out, struct span digits);
