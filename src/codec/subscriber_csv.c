// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "subscriber_csv.h"

bool csv_line(struct span text, bool is_end, struct span *line, size_t *len)
{
	const uint8_t *end = text.len == 0 ? NULL : memchr(text.at, '\n', text.len);

	if (end == NULL && !(is_end && text.len > 0))
		return false;
	*len = end == NULL ? text.len : (size_t)(end - text.at) + 1;
	*line = span_of(text.at, end == NULL ? text.len : *len - 1);
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

bool csv_is_blank(struct span line)
{
	return line.len == 0 || line.at[0] == '#';
}

static struct err refuse(struct subscriber_fault *fault, size_t column, const char *expected)
{
	*fault = (struct subscriber_fault){.column = column, .expected = expected};
	return ERR(INPUT);
}

/* The next field of a line: what stands before the next comma, or the end. False after the last. */
struct fields {
	struct span line;
	size_t next; /* where the next begins; line.len + 1: none left */
	size_t column;
	struct span field;
};

static bool next_field(struct fields *f)
{
	if (f->next > f->line.len)
		return false;
	struct wire_fault none = {0};
	struct reader r = reader_of(f->line, &none);
	reader_cut(&r, f->next, "fields before");
	const struct span rest = reader_rest(&r);
	const uint8_t *comma = rest.len == 0 ? NULL : memchr(rest.at, ',', rest.len);
	f->field = span_of(rest.at, comma == NULL ? rest.len : (size_t)(comma - rest.at));
	f->column = f->next + 1;
	f->next += f->field.len + 1;
	return true;
}

struct err csv_header_decode(
	struct span line, struct csv_shape *shape, struct subscriber_fault *fault)
{
	struct fields f = {.line = line};
	uint32_t seen = 0;

	*shape = (struct csv_shape){0};
	if (line.len >= 3 && memcmp(line.at, "\xef\xbb\xbf", 3) == 0)
		return refuse(fault, 1, "text without a byte order mark (UTF-8 BOM)");
	while (next_field(&f)) {
		const size_t field = subscriber_field_named(f.field);
		if (field == SUBSCRIBER_FIELDS)
			return refuse(fault, f.column, "one of " SUBSCRIBER_FIELD_NAMES);
		if ((seen & 1u << field) != 0)
			return refuse(fault, f.column, "each field once");
		seen |= 1u << field;
		shape->fields[shape->count++] = (uint8_t)field;
	}
	if ((seen & 1u << SUBSCRIBER_K) == 0)
		return refuse(fault, 1, "a header with imsi and k");
	return OK;
}

struct err csv_row_decode(struct span line, const struct csv_shape *shape,
	struct subscriber_row *row, struct subscriber_fault *fault)
{
	struct fields f = {.line = line};
	size_t column = 0;

	for (; next_field(&f); column++) {
		if (column == shape->count)
			return refuse(fault, f.column, "as many fields as the header has");
		if (f.field.len == 0)
			continue; /* not given, as if the header did not name it */
		const struct err e =
			subscriber_row_take(row, shape->fields[column], f.field, f.column, fault);
		if (failed(e))
			return e;
	}
	if (column != shape->count)
		return refuse(fault, line.len + 1, "as many fields as the header has");
	return subscriber_row_end(row, fault);
}
