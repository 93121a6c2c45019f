// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Log records: one JSON object a line, built field by field.
 *
 *     struct log_record r;
 *     log_begin(&r, &log, LOG_WARN, "auc", "resync_refused");
 *     log_imsi(&r, "imsi", imsi);
 *     log_text(&r, "cause", err_word(e));
 *     log_end(&r);
 *
 * There is no field for octets and none for secrets. A subscriber's identity passes log_imsi(), which keeps the
 * network (MCC and MNC) and the last two digits [GSMA FS.31 data minimisation]. A record that
 * does not fit is cut at a field and says "cut":true. Where the lines go is the sink's business.
 */
#include "span.h"
#include <stdint.h>
#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARN, LOG_ERROR, LOG_LEVELS };

struct log {
	void *ctx;
	/* One whole line, without the newline. Must not fail towards the caller. */
	void (*line)(void *ctx, enum log_level level, struct span line);
	int64_t (*unix_ms)(void *ctx); /* NULL: records carry no time (tests) */
	const char *process;           /* e.g. "auc-front"; NULL: none */
	enum log_level least;          /* records below it are not built */
	uint64_t lines[LOG_LEVELS];
};

enum { LOG_LINE_MAX = 1024, LOG_TEXT_MAX = 256 };

struct log_record {
	struct log *log;
	enum log_level level;
	bool is_wanted, is_cut;
	size_t len;
	char line[LOG_LINE_MAX];
};

/* `room` and `event` are constants of the code: lower case, '_' between words. */
void log_begin(struct log_record *r, struct log *log, enum log_level level, const char *room,
	const char *event);
void log_text(
	struct log_record *r, const char *name, const char *text); /* escaped; NULL writes null */
void log_u64(struct log_record *r, const char *name, uint64_t v);
void log_i64(struct log_record *r, const char *name, int64_t v);
void log_f64(struct log_record *r, const char *name, double v);
void log_bool(struct log_record *r, const char *name, bool v);
void log_imsi(struct log_record *r, const char *name, const char *imsi_digits);
/* Public identifiers only: block, key and request ids. At most 32 octets are shown. */
void log_id(struct log_record *r, const char *name, struct span id);
void log_end(struct log_record *r);

const char *log_level_word(enum log_level level);
/* "001010000000042" -> "00101********42"; shorter than 8 digits: all hidden. `out` holds 17 octets. */
void imsi_mask(char out[static 17], const char *imsi_digits);
