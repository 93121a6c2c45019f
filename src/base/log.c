// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "log.h"
#include "attr.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TAIL = 16 }; /* kept free for ,"cut":true} */

static const char *const level_words[LOG_LEVELS] = {"debug", "info", "notice", "warn", "error"};

const char *log_level_word(enum log_level level)
{
	return (unsigned)level < LOG_LEVELS ? level_words[level] : "error";
}

/* Appends all of it or, where it does not fit, nothing, and marks the record as cut. */
PRINTF_LIKE(2, 3) static void put(struct log_record *r, const char *format, ...)
{
	const size_t room = sizeof r->line - TAIL - r->len;
	va_list args;

	if (!r->is_wanted || r->is_cut)
		return;
	va_start(args, format);
	const int n = vsnprintf(r->line + r->len, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		r->is_cut = true;
	else
		r->len += (size_t)n;
}

/* JSON string body [RFC 8259 §7]; octets above 0x7e become \u00xx, so a line is always ASCII. */
static void escape(char *out, size_t out_size, const char *text)
{
	size_t n = 0;

	for (size_t i = 0; text[i] != '\0' && i < LOG_TEXT_MAX && n + 7 < out_size; i++) {
		const uint8_t c = (uint8_t)text[i];
		if (c == '"' || c == '\\')
			n += (size_t)snprintf(out + n, out_size - n, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			n += (size_t)snprintf(out + n, out_size - n, "\\u%04x", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

void log_begin(struct log_record *r, struct log *log, enum log_level level, const char *room,
	const char *event)
{
	r->log = log;
	r->level = level;
	r->len = 0;
	r->is_cut = false;
	r->is_wanted = log != NULL && log->line != NULL && level >= log->least;
	if (!r->is_wanted)
		return;
	put(r, "{");
	if (log->unix_ms != NULL)
		put(r, "\"unix_ms\":%" PRId64 ",", log->unix_ms(log->ctx));
	if (log->process != NULL)
		put(r, "\"process\":\"%s\",", log->process);
	put(r, "\"level\":\"%s\",\"room\":\"%s\",\"event\":\"%s\"", log_level_word(level), room,
		event);
}

void log_text(struct log_record *r, const char *name, const char *text)
{
	char escaped[6 * LOG_TEXT_MAX + 8];

	if (!r->is_wanted)
		return;
	if (text == NULL) {
		put(r, ",\"%s\":null", name);
		return;
	}
	escape(escaped, sizeof escaped, text);
	put(r, ",\"%s\":\"%s\"", name, escaped);
}

void log_u64(struct log_record *r, const char *name, uint64_t v)
{
	put(r, ",\"%s\":%" PRIu64, name, v);
}

void log_i64(struct log_record *r, const char *name, int64_t v)
{
	put(r, ",\"%s\":%" PRId64, name, v);
}

void log_f64(struct log_record *r, const char *name, double v)
{
	put(r, ",\"%s\":%.6g", name, v);
}

void log_bool(struct log_record *r, const char *name, bool v)
{
	put(r, ",\"%s\":%s", name, v ? "true" : "false");
}

void imsi_mask(char out[static 17], const char *imsi_digits)
{
	const size_t len = strnlen(imsi_digits, 16);

	for (size_t i = 0; i < len; i++)
		out[i] = len >= 8 && (i < 5 || i + 2 >= len) ? imsi_digits[i] : '*';
	out[len] = '\0';
}

void log_imsi(struct log_record *r, const char *name, const char *imsi_digits)
{
	char masked[17];

	imsi_mask(masked, imsi_digits);
	log_text(r, name, masked);
}

void log_id(struct log_record *r, const char *name, struct span id)
{
	char hex[65];

	if (id.len > 32)
		id.len = 32;
	hex_from_span(hex, id);
	put(r, ",\"%s\":\"%s\"", name, hex);
}

void log_end(struct log_record *r)
{
	if (!r->is_wanted)
		return;
	if (r->is_cut) {
		memcpy(r->line + r->len, ",\"cut\":true", 11);
		r->len += 11;
	}
	r->line[r->len++] = '}';
	r->log->lines[r->level]++;
	r->log->line(r->log->ctx, r->level, span_of(r->line, r->len));
}
