// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "alarm.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

const char *alarm_severity_word(enum alarm_severity severity)
{
	static const char *const words[] = {"warning", "minor", "major", "critical"};

	return (unsigned)severity < ARRAY_LEN(words) ? words[severity] : "critical";
}

static struct alarm *find(
	const struct alarm_registry *r, const struct alarm_kind *kind, const char *resource)
{
	for (size_t i = 0; i < ALARMS_MAX; i++) {
		const struct alarm *a = &r->standing[i];
		if (a->kind == kind && (kind == NULL || strncmp(a->resource, resource,
								sizeof a->resource - 1) == 0))
			return (struct alarm *)a;
	}
	return NULL;
}

void alarm_raise(struct alarm_registry *r, const struct alarm_kind *kind, const char *resource,
	struct moment now, const char *format, ...)
{
	struct alarm *a = find(r, kind, resource);
	const bool is_new = a == NULL;
	va_list args;

	assert(format != NULL);
	if (is_new)
		a = find(r, NULL, "");
	if (a == NULL) {
		r->lost++;
		return;
	}
	if (is_new) {
		*a = (struct alarm){.kind = kind, .since = now};
		snprintf(a->resource, sizeof a->resource, "%s", resource);
		r->raised++;
	}
	a->times++;
	va_start(args, format);
	vsnprintf(a->text, sizeof a->text, format, args);
	va_end(args);
	if (is_new && r->changed != NULL)
		r->changed(r->ctx, a, true);
}

void alarm_clear(struct alarm_registry *r, const struct alarm_kind *kind, const char *resource)
{
	struct alarm *a = find(r, kind, resource);

	if (a == NULL)
		return;
	if (r->changed != NULL)
		r->changed(r->ctx, a, false);
	*a = (struct alarm){0};
	r->cleared++;
}

bool alarm_stands(
	const struct alarm_registry *r, const struct alarm_kind *kind, const char *resource)
{
	return find(r, kind, resource) != NULL;
}
