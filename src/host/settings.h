// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Settings of one process: a flat list of names and texts that the supervisor derives from the
 * site's configuration and sends first of all. Children never parse YAML. A daemon reads them by
 * a table of rows; a missing, unknown or ill-formed setting is an error at start, not a default.
 */
#include "base/err.h"
#include "base/span.h"

enum { SETTINGS_MAX = 256, SETTING_NAME_MAX = 64, SETTING_TEXT_MAX = 1024 };

struct setting {
	char name[SETTING_NAME_MAX]; /* "listen.address"; lists: "peers.0.name" */
	char text[SETTING_TEXT_MAX];
};

struct settings {
	size_t count;
	struct setting items[SETTINGS_MAX];
};

/* A name that is there already gets the new text. ERR_LIMIT: too many, or too long. */
MUST_USE struct err settings_set(struct settings *s, const char *name, const char *format, ...)
	PRINTF_LIKE(3, 4);
const char *settings_find(const struct settings *s, const char *name); /* NULL when absent */

enum setting_type { SETTING_TEXT, SETTING_U64, SETTING_BOOL, SETTING_F64, SETTING_LIST };

struct setting_row {
	const char *name; /* "" in a list's rows: the element itself, "slaves.0" */
	enum setting_type type;
	bool is_optional;
	size_t offset,
		size; /* of the field: char[], uint64_t, bool, double, or the array of a list */
	/* SETTING_LIST alone: "peers" has elements "peers.0.name", "peers.1.name" … without a gap,
	 * each read by `rows` into one item of the array; optional: there may be none. */
	const struct setting_row *rows;
	size_t row_count, item_size, count_offset;
};
#define SETTING_ROW(name_, type_, optional_, structure, field)                                     \
	{.name = (name_),                                                                          \
		.type = (type_),                                                                   \
		.is_optional = (optional_),                                                        \
		.offset = offsetof(structure, field),                                              \
		.size = sizeof(((structure *)0)->field)}
#define SETTING_LIST_ROW(name_, optional_, structure, array, count_field, rows_)                   \
	{.name = (name_),                                                                          \
		.type = SETTING_LIST,                                                              \
		.is_optional = (optional_),                                                        \
		.offset = offsetof(structure, array),                                              \
		.size = sizeof(((structure *)0)->array),                                           \
		.rows = (rows_),                                                                   \
		.row_count = ARRAY_LEN(rows_),                                                     \
		.item_size = sizeof(((structure *)0)->array[0]),                                   \
		.count_offset = offsetof(structure, count_field)} /* count_field is a size_t */

/* Fills `out` by the rows. Optional and absent: the field keeps what it has. A setting that no row
 * names is refused too, so one table must name them all. */
MUST_USE struct err settings_read(const struct settings *s, const struct setting_row *rows,
	size_t row_count, void *out, struct complaint *c);

/* Whether both say the same, in whatever order. `different` (may be NULL) gets the first name that
 * differs. */
bool settings_equal(const struct settings *a, const struct settings *b, const char **different);

/* The same, but for what `names` lists: settings that a process takes while it runs. OK, or ERR_STATE
 * with a sentence that names the first other that differs. */
MUST_USE struct err settings_equal_but(const struct settings *a, const struct settings *b,
	const char *const *names, size_t count, struct complaint *c);

enum { SETTINGS_ENCODED_MAX = 2 + SETTINGS_MAX * (1 + SETTING_NAME_MAX + 2 + SETTING_TEXT_MAX) };
void settings_encode(const struct settings *s, struct span_mut buffer,
	struct span *bytes); /* empty: too small */
MUST_USE struct err settings_decode(struct settings *s, struct span bytes);
