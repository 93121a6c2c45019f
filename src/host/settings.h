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

MUST_USE struct err settings_set(struct settings *s, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
const char *settings_find(const struct settings *s, const char *name); /* NULL when absent */

enum setting_type { SETTING_TEXT, SETTING_U64, SETTING_BOOL, SETTING_F64 };

struct setting_row {
	const char *name;
	enum setting_type type;
	bool is_optional;
	size_t offset, size; /* of the field: char[], uint64_t, bool, double */
};
#define SETTING_ROW(name, type, optional, structure, field) \
	{ (name), (type), (optional), offsetof(structure, field), sizeof(((structure *)0)->field) }

/* Fills `out` by the rows. Optional and absent: the field keeps what it has. */
MUST_USE struct err settings_read(const struct settings *s, const struct setting_row *rows, size_t row_count,
	void *out, struct complaint *c);
void settings_encode(const struct settings *s, struct span_mut buffer, struct span *bytes);
MUST_USE struct err settings_decode(struct settings *s, struct span bytes);
