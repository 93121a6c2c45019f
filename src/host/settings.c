// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "settings.h"
#include "wire/reader.h"
#include "wire/writer.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct setting *find(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].name, name) == 0)
			return (struct setting *)&s->items[i];
	return NULL;
}

const char *settings_find(const struct settings *s, const char *name)
{
	const struct setting *item = find(s, name);

	return item == NULL ? NULL : item->text;
}

struct err settings_set(struct settings *s, const char *name, const char *format, ...)
{
	struct setting *item = find(s, name);
	char text[SETTING_TEXT_MAX];
	va_list args;

	va_start(args, format);
	const int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof text || strlen(name) >= SETTING_NAME_MAX)
		return ERR(LIMIT);
	if (item == NULL) {
		if (s->count == SETTINGS_MAX)
			return ERR(LIMIT);
		item = &s->items[s->count++];
		snprintf(item->name, sizeof item->name, "%s", name);
	}
	memcpy(item->text, text, (size_t)len + 1);
	return OK;
}

/* One reading of one list: which settings were asked for, so that the others can be named. */
struct reading {
	const struct settings *settings;
	struct complaint *complaint;
	bool is_used[SETTINGS_MAX];
};

static struct err text_store(const char *text, const struct setting_row *row, char *field,
	struct reading *g, const char *name)
{
	if (strlen(text) >= row->size)
		return complain(g->complaint, ERR(INPUT), "setting %s is longer than %zu octets",
			name, row->size - 1);
	memcpy(field, text, strlen(text) + 1);
	return OK;
}

static struct err u64_store(const char *text, uint64_t *field, struct reading *g, const char *name)
{
	char *end;

	errno = 0;
	const unsigned long long v = strtoull(text, &end, 10);
	/* strtoull() takes signs and blanks; a setting is digits. */
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		return complain(g->complaint, ERR(INPUT), "setting %s is not a whole number: %.64s",
			name, text);
	*field = v;
	return OK;
}

static struct err f64_store(const char *text, double *field, struct reading *g, const char *name)
{
	char *end;
	const double v = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(v))
		return complain(
			g->complaint, ERR(INPUT), "setting %s is not a number: %.64s", name, text);
	*field = v;
	return OK;
}

static struct err bool_store(const char *text, bool *field, struct reading *g, const char *name)
{
	const bool v = strcmp(text, "true") == 0;

	if (!v && strcmp(text, "false") != 0)
		return complain(g->complaint, ERR(INPUT),
			"setting %s is neither true nor false: %.64s", name, text);
	*field = v;
	return OK;
}

static struct err rows_read(struct reading *g, const char *prefix, const struct setting_row *rows,
	size_t row_count, uint8_t *out);

/* Whether any setting is `prefix` itself or lies below it. */
static bool is_element(const struct settings *s, const char *prefix)
{
	const size_t len = strlen(prefix);

	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->items[i].name, prefix, len) == 0 &&
			(s->items[i].name[len] == '.' || s->items[i].name[len] == '\0'))
			return true;
	return false;
}

static struct err list_read(
	struct reading *g, const char *name, const struct setting_row *row, uint8_t *out)
{
	const size_t limit = row->size / row->item_size;
	char prefix[2 * SETTING_NAME_MAX];
	size_t n = 0;

	for (;; n++) {
		snprintf(prefix, sizeof prefix, "%.100s.%zu", name, n);
		if (!is_element(g->settings, prefix))
			break;
		if (n == limit)
			return complain(g->complaint, ERR(LIMIT),
				"setting %s has more than %zu elements", name, limit);
		struct err e = rows_read(g, prefix, row->rows, row->row_count,
			out + row->offset + n * row->item_size);
		if (failed(e))
			return e;
	}
	if (n == 0 && !row->is_optional)
		return complain(g->complaint, ERR(INPUT), "setting %s.0 is missing", name);
	memcpy(out + row->count_offset, &n, sizeof n);
	return OK;
}

static struct err row_read(
	struct reading *g, const char *name, const struct setting_row *row, uint8_t *out)
{
	void *field = out + row->offset;

	if (row->type == SETTING_LIST)
		return list_read(g, name, row, out);
	const struct setting *item = find(g->settings, name);
	if (item == NULL)
		return row->is_optional
			       ? OK
			       : complain(g->complaint, ERR(INPUT), "setting %s is missing", name);
	g->is_used[item - g->settings->items] = true;
	switch (row->type) {
	case SETTING_TEXT:
		return text_store(item->text, row, field, g, name);
	case SETTING_U64:
		return u64_store(item->text, field, g, name);
	case SETTING_BOOL:
		return bool_store(item->text, field, g, name);
	case SETTING_F64:
		return f64_store(item->text, field, g, name);
	case SETTING_LIST:
		break;
	}
	return ERR(BUG);
}

static struct err rows_read(struct reading *g, const char *prefix, const struct setting_row *rows,
	size_t row_count, uint8_t *out)
{
	for (size_t i = 0; i < row_count; i++) {
		char name[3 * SETTING_NAME_MAX];
		snprintf(name, sizeof name, "%.128s%s%.60s", prefix,
			prefix[0] != '\0' && rows[i].name[0] != '\0' ? "." : "", rows[i].name);
		struct err e = row_read(g, name, &rows[i], out);
		if (failed(e))
			return e;
	}
	return OK;
}

struct err settings_read(const struct settings *s, const struct setting_row *rows, size_t row_count,
	void *out, struct complaint *c)
{
	struct reading g = {.settings = s, .complaint = c};

	struct err e = rows_read(&g, "", rows, row_count, out);
	if (failed(e))
		return e;
	for (size_t i = 0; i < s->count; i++)
		if (!g.is_used[i])
			return complain(
				c, ERR(INPUT), "setting %s is not known here", s->items[i].name);
	return OK;
}

static bool is_listed(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *difference_find(
	const struct settings *a, const struct settings *b, const char *const *names, size_t count)
{
	const struct settings *const sides[] = {a, b};

	for (size_t side = 0; side < 2; side++) {
		for (size_t i = 0; i < sides[side]->count; i++) {
			const struct setting *item = &sides[side]->items[i];
			const char *other = settings_find(sides[1 - side], item->name);
			if ((other == NULL || strcmp(other, item->text) != 0) &&
				!is_listed(item->name, names, count))
				return item->name;
		}
	}
	return NULL;
}

bool settings_equal(const struct settings *a, const struct settings *b, const char **different)
{
	const char *name = difference_find(a, b, NULL, 0);

	if (name != NULL && different != NULL)
		*different = name;
	return name == NULL;
}

struct err settings_equal_but(const struct settings *a, const struct settings *b,
	const char *const *names, size_t count, struct complaint *c)
{
	const char *name = difference_find(a, b, names, count);

	return name == NULL ? OK : complain(c, ERR(STATE), "a change of %s needs a restart", name);
}

void settings_encode(const struct settings *s, struct span_mut buffer, struct span *bytes)
{
	struct writer w = writer_of(buffer);

	writer_u16(&w, (uint16_t)s->count);
	for (size_t i = 0; i < s->count; i++) {
		const struct span name = span_str(s->items[i].name),
				  text = span_str(s->items[i].text);
		writer_u8(&w, (uint8_t)name.len);
		writer_span(&w, name);
		writer_u16(&w, (uint16_t)text.len);
		writer_span(&w, text);
	}
	*bytes = writer_span_done(&w);
}

static void text_take(struct reader *r, char *out, size_t size, size_t len, const char *field)
{
	if (!reader_require(r, len < size, field, NULL))
		return;
	const struct span bytes = reader_span(r, len, field);
	reader_require(r, bytes.len == 0 || memchr(bytes.at, '\0', bytes.len) == NULL, field, NULL);
	if (bytes.len > 0)
		memcpy(out, bytes.at, bytes.len);
	out[bytes.len] = '\0';
}

struct err settings_decode(struct settings *s, struct span bytes)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);

	s->count = 0;
	const size_t count = reader_u16(&r, "count");
	reader_require(&r, count <= SETTINGS_MAX, "count", NULL);
	for (size_t i = 0; i < count && !reader_failed(&r); i++) {
		struct setting item;
		text_take(&r, item.name, sizeof item.name, reader_u8(&r, "name"), "name");
		text_take(&r, item.text, sizeof item.text, reader_u16(&r, "text"), "text");
		if (reader_failed(&r))
			break;
		reader_require(&r, find(s, item.name) == NULL, "name", NULL); /* twice */
		s->items[s->count++] = item;
	}
	reader_end(&r, "settings");
	if (reader_failed(&r))
		s->count = 0;
	return wire_result(&fault);
}
