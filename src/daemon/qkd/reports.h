// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Reports of aborted blocks: the key store keeps none of them, so the newest stay here until the process ends. What the
 * operator asks with `merlon qkd blocks`.
 */
#include "host/process.h"

enum { REPORTS_MAX = 256, REPORT_TEXT_MAX = 1536 };

struct reports {
	uint64_t count; /* since the start; the newest REPORTS_MAX are kept */
	struct {
		int64_t unix_ms;
		char text[REPORT_TEXT_MAX]; /* a JSON object */
	} items[REPORTS_MAX];
};

/* A report that is too long is not kept. */
void reports_add(struct reports *r, int64_t unix_ms, const char *report);
/* ("blocks", "COUNT LINK"): the newest first, as kms-store answers it for its blocks. */
void reports_query(const struct reports *r, const char *link, const char *verb,
	const char *argument, struct process_query *q);
