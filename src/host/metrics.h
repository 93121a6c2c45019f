// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Counters and gauges, shown as OpenMetrics text; and the one JSON writer for status and API
 * answers.
 */
#include "base/err.h"
#include "base/span.h"

enum { METRICS_MAX = 96 };
enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_REAL /* a gauge whose value is a double, in the unit that its name ends with */
};

struct metric {
	const char *name; /* "merlon_auc_vectors"; OpenMetrics adds _total to counters */
	const char *help;
	const char *labels; /* "cause=\"unknown_imsi\"" or NULL */
	enum metric_type type;
	const void *
		value; /* uint64_t or double, read at scrape; the owner just increments or sets it */
};

struct metrics {
	size_t count;
	struct metric items[METRICS_MAX];
};

void metrics_add(
	struct metrics *m, struct metric metric); /* a full table is our mistake: asserts */
size_t metrics_text(
	const struct metrics *m, const char *process, struct span_mut out); /* without # EOF */

/* Writes JSON into a buffer: commas by itself, sticky when full. */
struct json_writer {
	char *at;
	size_t len, limit;
	bool is_full, needs_comma;
};
struct json_writer json_writer_of(struct span_mut buffer);
void json_open(struct json_writer *j, const char *name,
	char bracket);                                /* '{' or '['; name NULL inside lists */
void json_close(struct json_writer *j, char bracket); /* '}' or ']' */
void json_text(struct json_writer *j, const char *name, const char *text); /* NULL text: null */
void json_u64(struct json_writer *j, const char *name, uint64_t v);
void json_i64(struct json_writer *j, const char *name, int64_t v);
void json_f64(struct json_writer *j, const char *name, double v);
void json_bool(struct json_writer *j, const char *name, bool v);
void json_hex(struct json_writer *j, const char *name, struct span public_bytes);
/* Members written elsewhere by another json_writer. */
void json_raw(struct json_writer *j, struct span members);
/* A whole value written elsewhere. */
void json_value(struct json_writer *j, const char *name, struct span json);
/* What was written; empty when full. */
struct span json_done(const struct json_writer *j);
