// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How a file of subscribers is to be read: what `merlon subscriber import` hands to the import
 * process as the argument of PROC_RUN_ONCE. Words with one space between them, each once and in any
 * order, but that `name` is the last and takes all that follows, spaces too:
 *
 *     format=jsonl errors=50 dry-run=yes transport=vendor-2026 name=batch 7.jsonl
 *
 *   format     csv, jsonl, or auto (not given): the first octet decides, '{' is jsonl
 *   errors     how many mistakes are listed, 1 to 1000; 10 where not given. All are counted
 *   dry-run    yes or no (not given)
 *   transport  the vendor's key under which the keys of this file are encrypted; none: they are clear
 *   name       the file's, for messages
 */
#include "base/err.h"
#include "base/span.h"
#include "codec/auc_msg.h"

enum import_format { IMPORT_AUTO, IMPORT_CSV, IMPORT_JSONL };
enum { IMPORT_ERRORS_DEFAULT = 10, IMPORT_ERRORS_MAX = 1000, IMPORT_NAME_TEXT = 256 };

struct import_options {
	enum import_format format;
	uint32_t errors;
	bool is_dry_run;
	char transport[AUC_BATCH_TEXT]; /* "": none; letters, digits, '.', '_', '-' */
	char name[IMPORT_NAME_TEXT];    /* no control characters */
};

/* Into `out` of `size` octets; ERR_LIMIT where it does not fit, ERR_INPUT where `options` are none. */
MUST_USE struct err import_options_write(
	const struct import_options *options, char *out, size_t size);
/* ERR_INPUT, and `word` says which: a constant of the code. */
MUST_USE struct err import_options_read(
	struct span text, struct import_options *options, const char **word);

/* IMPORT_AUTO for an unknown word as well: `known` says which. */
enum import_format import_format_from(struct span word, bool *known);
bool import_transport_is_valid(const char *name);
