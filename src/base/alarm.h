// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Alarms are states, not log lines [ITU-T X.733; RFC 8632]: raised when a condition begins, cleared when it ends,
 * listed while it holds. A condition is named by a row of a constant table (kind) and by what it concerns
 * (resource: a link, a peer, a table). Raising an alarm that stands already changes its text and
 * count, nothing else.
 */
#include "err.h"
#include "env.h"

enum alarm_severity { ALARM_WARNING, ALARM_MINOR, ALARM_MAJOR, ALARM_CRITICAL };

struct alarm_kind {
	const char *name; /* "qkd_eavesdropping_suspected" */
	enum alarm_severity severity;
	const char *meaning; /* one sentence for the operator: what it means and what to do */
};

enum { ALARMS_MAX = 128, ALARM_RESOURCE_MAX = 48, ALARM_TEXT_MAX = 160 };

struct alarm {
	const struct alarm_kind *kind; /* NULL: free slot */
	char resource[ALARM_RESOURCE_MAX];
	char text[ALARM_TEXT_MAX];
	struct moment since;
	uint64_t times;
};

struct alarm_registry {
	struct alarm standing[ALARMS_MAX];
	uint64_t raised, cleared;
	uint64_t lost; /* could not be kept: the registry was full. Shown as an alarm of its own. */
	/* Told at each change (not at repeats); may be NULL. */
	void *ctx;
	void (*changed)(void *ctx, const struct alarm *alarm, bool is_raised);
};

void alarm_raise(struct alarm_registry *r, const struct alarm_kind *kind, const char *resource,
	struct moment now, const char *format, ...) PRINTF_LIKE(5, 6);
void alarm_clear(struct alarm_registry *r, const struct alarm_kind *kind, const char *resource);
bool alarm_stands(
	const struct alarm_registry *r, const struct alarm_kind *kind, const char *resource);
const char *alarm_severity_word(enum alarm_severity severity);
