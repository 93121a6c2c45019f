// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void metrics_add(struct metrics *m, struct metric metric)
{
	assert(m->count < METRICS_MAX);
	m->items[m->count++] = metric;
}

/* Appends a whole line or nothing. */
PRINTF_LIKE(3, 4) static void line(struct span_mut out, size_t *len, const char *format, ...)
{
	const size_t room = out.len - *len;
	va_list args;

	va_start(args, format);
	const int n = vsnprintf((char *)out.at + *len, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		*len += (size_t)n;
}

static void sample_text(
	const struct metric *s, const char *process, struct span_mut out, size_t *len)
{
	char value[32];

	if (s->type == METRIC_REAL)
		snprintf(value, sizeof value, "%.9g", *(const double *)s->value);
	else
		snprintf(value, sizeof value, "%" PRIu64, *(const uint64_t *)s->value);
	line(out, len, "%s%s{process=\"%s\"%s%s} %s\n", s->name,
		s->type == METRIC_COUNTER ? "_total" : "", process, s->labels == NULL ? "" : ",",
		s->labels == NULL ? "" : s->labels, value);
}

/* Samples of one family must stand together, below their TYPE [OpenMetrics 1.0 "MetricFamily"]. */
static void family_text(const struct metrics *m, size_t first, const char *process,
	struct span_mut out, size_t *len)
{
	const struct metric *head = &m->items[first];
	const bool is_counter = head->type == METRIC_COUNTER;

	line(out, len, "# TYPE %s %s\n", head->name, is_counter ? "counter" : "gauge");
	line(out, len, "# HELP %s %s\n", head->name, head->help);
	for (size_t i = first; i < m->count; i++)
		if (strcmp(m->items[i].name, head->name) == 0)
			sample_text(&m->items[i], process, out, len);
}

size_t metrics_text(const struct metrics *m, const char *process, struct span_mut out)
{
	size_t len = 0;

	for (size_t i = 0; i < m->count; i++) {
		bool is_first = true;
		for (size_t k = 0; k < i && is_first; k++)
			is_first = strcmp(m->items[k].name, m->items[i].name) != 0;
		if (is_first)
			family_text(m, i, process, out, &len);
	}
	return len;
}

struct json_writer json_writer_of(struct span_mut buffer)
{
	return (struct json_writer){.at = (char *)buffer.at, .limit = buffer.len};
}

static void put(struct json_writer *j, const char *text, size_t len)
{
	if (j->is_full || len >= j->limit - j->len) { /* one octet stays for a NUL */
		j->is_full = true;
		return;
	}
	memcpy(j->at + j->len, text, len);
	j->len += len;
	j->at[j->len] = '\0';
}

static void put_text(struct json_writer *j, const char *text)
{
	put(j, text, strlen(text));
}

/* JSON string [RFC 8259 §7]. UTF-8 passes as it is. */
static void put_string(struct json_writer *j, const char *text)
{
	put(j, "\"", 1);
	for (const char *at = text; *at != '\0' && !j->is_full; at++) {
		char escaped[8];
		if (*at == '"' || *at == '\\')
			put(j, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\%c", *at));
		else if ((uint8_t)*at < 0x20 || *at == 0x7f)
			put(j, escaped,
				(size_t)snprintf(
					escaped, sizeof escaped, "\\u%04x", (unsigned)*at));
		else
			put(j, at, 1);
	}
	put(j, "\"", 1);
}

static void begin(struct json_writer *j, const char *name)
{
	if (j->needs_comma)
		put(j, ",", 1);
	j->needs_comma = true;
	if (name != NULL) {
		put_string(j, name);
		put(j, ":", 1);
	}
}

PRINTF_LIKE(3, 4)
static void value(struct json_writer *j, const char *name, const char *format, ...)
{
	char text[64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	begin(j, name);
	put_text(j, text);
}

void json_open(struct json_writer *j, const char *name, char bracket)
{
	begin(j, name);
	put(j, &bracket, 1);
	j->needs_comma = false;
}

void json_close(struct json_writer *j, char bracket)
{
	put(j, &bracket, 1);
	j->needs_comma = true;
}

void json_text(struct json_writer *j, const char *name, const char *text)
{
	begin(j, name);
	if (text == NULL)
		put_text(j, "null");
	else
		put_string(j, text);
}

void json_u64(struct json_writer *j, const char *name, uint64_t v)
{
	value(j, name, "%" PRIu64, v);
}

void json_i64(struct json_writer *j, const char *name, int64_t v)
{
	value(j, name, "%" PRId64, v);
}

void json_f64(struct json_writer *j, const char *name, double v)
{
	if (isfinite(v))
		value(j, name, "%.10g", v);
	else
		value(j, name, "null"); /* JSON has no infinity [RFC 8259 §6] */
}

void json_bool(struct json_writer *j, const char *name, bool v)
{
	value(j, name, "%s", v ? "true" : "false");
}

void json_hex(struct json_writer *j, const char *name, struct span public_bytes)
{
	char hex[2 * 16 + 1];

	begin(j, name);
	put(j, "\"", 1);
	for (size_t i = 0; i < public_bytes.len; i += 16) {
		const size_t n = public_bytes.len - i < 16 ? public_bytes.len - i : 16;
		hex_from_span(hex, span_of(public_bytes.at + i, n));
		put_text(j, hex);
	}
	put(j, "\"", 1);
}

void json_raw(struct json_writer *j, struct span members)
{
	if (members.len == 0)
		return;
	begin(j, NULL);
	put(j, (const char *)members.at, members.len);
}

void json_value(struct json_writer *j, const char *name, struct span json)
{
	begin(j, name);
	put(j, (const char *)json.at, json.len);
}

struct span json_done(const struct json_writer *j)
{
	return span_of(j->at, j->is_full ? 0 : j->len);
}
