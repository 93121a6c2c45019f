// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "import_options.h"
#include "wire/reader.h"
#include <stdio.h>

static const char *const format_words[] = {
	[IMPORT_AUTO] = "auto", [IMPORT_CSV] = "csv", [IMPORT_JSONL] = "jsonl"};

enum import_format import_format_from(struct span word, bool *known)
{
	for (size_t i = 0; i < ARRAY_LEN(format_words); i++) {
		*known = span_equal(word, span_str(format_words[i]));
		if (*known)
			return (enum import_format)i;
	}
	return IMPORT_AUTO;
}

static bool name_is_valid(const char *name)
{
	for (; *name != '\0'; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return false;
	return true;
}

bool import_transport_is_valid(const char *name)
{
	const size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789._-");

	return len > 0 && name[len] == '\0' && len < AUC_BATCH_TEXT;
}

struct err import_options_write(const struct import_options *o, char *out, size_t size)
{
	if (o->errors < 1 || o->errors > IMPORT_ERRORS_MAX || !name_is_valid(o->name) ||
		(o->transport[0] != '\0' && !import_transport_is_valid(o->transport)))
		return ERR(INPUT);
	const int len = snprintf(out, size, "format=%s errors=%u dry-run=%s%s%s name=%s",
		format_words[o->format], o->errors, o->is_dry_run ? "yes" : "no",
		o->transport[0] != '\0' ? " transport=" : "", o->transport, o->name);
	return len > 0 && (size_t)len < size ? OK : ERR(LIMIT);
}

/* ---- one word each ---- */

/* A text of less than `size` octets, none of them NUL. */
static bool take_text(struct span s, char *out, size_t size)
{
	if (s.len >= size || (s.len > 0 && memchr(s.at, '\0', s.len) != NULL))
		return false;
	memset(out, 0, size);
	if (s.len > 0)
		memcpy(out, s.at, s.len);
	return true;
}

static bool take_format(struct span s, struct import_options *o)
{
	bool known;

	o->format = import_format_from(s, &known);
	return known;
}

static bool take_errors(struct span s, struct import_options *o)
{
	o->errors = 0;
	for (size_t i = 0; i < s.len && i < 5; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		o->errors = o->errors * 10 + (uint32_t)(s.at[i] - '0');
	}
	return s.len <= 4 && o->errors >= 1 && o->errors <= IMPORT_ERRORS_MAX;
}

static bool take_dry_run(struct span s, struct import_options *o)
{
	o->is_dry_run = span_equal(s, span_str("yes"));
	return o->is_dry_run || span_equal(s, span_str("no"));
}

static bool take_transport(struct span s, struct import_options *o)
{
	return take_text(s, o->transport, sizeof o->transport) &&
	       import_transport_is_valid(o->transport);
}

static bool take_name(struct span s, struct import_options *o)
{
	return take_text(s, o->name, sizeof o->name) && name_is_valid(o->name);
}

static const struct {
	const char *word;
	bool (*take)(struct span s, struct import_options *o);
	bool is_last;
} words[] = {
	{"format", take_format, false},
	{"errors", take_errors, false},
	{"dry-run", take_dry_run, false},
	{"transport", take_transport, false},
	{"name", take_name, true},
};

/* What stands before `end`, which is skipped; all that is left where it does not come. */
static struct span cut_at(struct reader *r, char end, bool *found)
{
	struct reader ahead = *r;
	const struct span rest = reader_rest(&ahead);
	const uint8_t *at = rest.len == 0 ? NULL : memchr(rest.at, end, rest.len);

	*found = at != NULL;
	const struct span cut =
		reader_span(r, at == NULL ? rest.len : (size_t)(at - rest.at), "word");
	if (at != NULL)
		reader_u8(r, "end");
	return cut;
}

struct err import_options_read(struct span text, struct import_options *options, const char **word)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(text, &fault);
	unsigned seen = 0;

	*options = (struct import_options){.errors = IMPORT_ERRORS_DEFAULT};
	*word = "a word that is known";
	while (reader_more(&r)) {
		bool has_value, has_more;
		size_t i = 0;
		const struct span name = cut_at(&r, '=', &has_value);
		while (i < ARRAY_LEN(words) && !span_equal(name, span_str(words[i].word)))
			i++;
		if (i == ARRAY_LEN(words) || !has_value || (seen & 1u << i) != 0)
			return ERR(INPUT);
		seen |= 1u << i;
		const struct span value =
			words[i].is_last ? reader_rest(&r) : cut_at(&r, ' ', &has_more);
		if (!words[i].take(value, options)) {
			*word = words[i].word;
			return ERR(INPUT);
		}
	}
	return wire_result(&fault);
}
