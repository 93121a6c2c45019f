// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "mistakes.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MISTAKE_TEXT = 512, SUMMARY_TEXT = 128 };

struct err mistakes_open(struct mistakes *m, const char *name, uint32_t listed_max)
{
	*m = (struct mistakes){.name = name, .listed_max = listed_max};
	m->size = (size_t)listed_max * MISTAKE_TEXT + SUMMARY_TEXT;
	m->text = malloc(m->size);
	return m->text == NULL ? ERR(LIMIT) : OK;
}

PRINTF_LIKE(2, 3) static void put(struct mistakes *m, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const int len = vsnprintf(m->text + m->len, m->size - m->len, format, args);
	va_end(args);
	if (len > 0)
		m->len += (size_t)len < m->size - m->len ? (size_t)len : m->size - m->len - 1;
}

void mistakes_add(struct mistakes *m, uint32_t line, size_t column, const char *format, ...)
{
	char expected[MISTAKE_TEXT / 2];
	va_list args;

	if (m->count++ >= m->listed_max)
		return;
	va_start(args, format);
	vsnprintf(expected, sizeof expected, format, args);
	va_end(args);
	put(m, "%.200s:%" PRIu32 ":%zu: %s is expected\n", m->name, line, column, expected);
}

struct span mistakes_done(struct mistakes *m)
{
	put(m, "%" PRIu64 " mistake%s%s; nothing was stored", m->count, m->count == 1 ? "" : "s",
		m->count > m->listed_max ? " (--errors lists more)" : "");
	return span_of(m->text, m->len);
}

void mistakes_close(struct mistakes *m)
{
	free(m->text);
	*m = (struct mistakes){0};
}
