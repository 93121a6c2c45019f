// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "source.h"
#include <errno.h>
#include <unistd.h>

void source_open(struct source *s, int fd, bool is_pipe, enum import_format format,
	struct source_memory *memory)
{
	*s = (struct source){.memory = memory, .fd = fd, .is_pipe = is_pipe, .format = format};
}

static struct err refuse(struct subscriber_fault *fault, size_t column, const char *expected)
{
	*fault = (struct subscriber_fault){.column = column, .expected = expected};
	return ERR(INPUT);
}

/* NUL anywhere but at the very end is an octet like others, which no row may have. */
static struct err last_octet_take(struct source *s, bool has_more)
{
	uint8_t *text = s->memory->text;

	if (!has_more)
		return s->has_last ? OK : ERR(TIMEOUT);
	if (s->has_last) { /* and it was not the last */
		s->is_useless = true;
		return ERR(INPUT);
	}
	s->has_last = text[s->len - 1] == '\0';
	s->len -= s->has_last;
	return OK;
}

/* More text behind what is left of the last piece. */
static struct err refill(struct source *s)
{
	uint8_t *text = s->memory->text;
	ssize_t got;

	memmove(text, text + s->at, s->len - s->at);
	s->len -= s->at;
	s->at = 0;
	do
		got = read(s->fd, text + s->len, SOURCE_TEXT - s->len);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? ERR(STATE) : ERR(IO);
	s->is_end = got == 0;
	s->len += (size_t)got;
	s->octets += (uint64_t)got;
	return s->is_pipe ? last_octet_take(s, got > 0) : OK;
}

/* The next line that says something. */
static struct err next_line(struct source *s, struct span *line, struct subscriber_fault *fault)
{
	size_t len;

	for (;;) {
		while (!csv_line(
			span_of(s->memory->text + s->at, s->len - s->at), s->is_end, line, &len)) {
			if (s->is_end)
				return ERR(ABSENT);
			s->is_useless = s->len - s->at == SOURCE_TEXT;
			if (s->is_useless) {
				s->line++;
				return refuse(
					fault, SUBSCRIBER_LINE_MAX + 1, "the end of the line");
			}
			const struct err e = refill(s);
			if (e.kind == ERR_INPUT)
				return refuse(fault, 1, "text without NUL");
			if (failed(e))
				return e;
		}
		s->at += len;
		s->line++;
		if (line->len > SUBSCRIBER_LINE_MAX)
			return refuse(fault, SUBSCRIBER_LINE_MAX + 1, "the end of the line");
		if (!csv_is_blank(*line))
			return OK;
	}
}

static struct err header_read(struct source *s, struct span line, struct subscriber_fault *fault)
{
	const struct err e = csv_header_decode(line, &s->shape, fault);

	s->has_shape = !failed(e);
	s->is_useless = failed(e);
	return e;
}

struct err source_next(struct source *s, struct subscriber_row *row, struct subscriber_fault *fault)
{
	struct span line;

	if (s->is_useless)
		return ERR(ABSENT);
	struct err e = next_line(s, &line, fault);
	if (failed(e))
		return e;
	if (s->format == IMPORT_AUTO)
		s->format = line.at[0] == '{' ? IMPORT_JSONL : IMPORT_CSV;
	subscriber_row_begin(row);
	if (s->format == IMPORT_JSONL)
		return subscriber_json_decode(line, s->memory->scratch, row, fault);
	if (!s->has_shape) {
		e = header_read(s, line, fault);
		if (!failed(e))
			e = next_line(s, &line, fault);
	}
	return failed(e) ? e : csv_row_decode(line, &s->shape, row, fault);
}
