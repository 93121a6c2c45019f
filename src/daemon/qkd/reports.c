// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/qkd/reports.h"
#include <stdlib.h>
#include <string.h>

void reports_add(struct reports *r, int64_t unix_ms, const char *report)
{
	const size_t len = strlen(report);

	if (len < 2 || len >= REPORT_TEXT_MAX)
		return;
	r->items[r->count % REPORTS_MAX].unix_ms = unix_ms;
	memcpy(r->items[r->count % REPORTS_MAX].text, report, len + 1);
	r->count++;
}

void reports_query(const struct reports *r, const char *link, const char *verb,
	const char *argument, struct process_query *q)
{
	static uint8_t out[REPORTS_MAX * (REPORT_TEXT_MAX + 64)];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(out));
	char *wanted;
	const unsigned long count = strtoul(argument, &wanted, 10);

	if (strcmp(verb, "blocks") != 0 || count == 0 || *wanted != ' ') {
		process_query_answer(q, ERR(INPUT), span_str("qkd answers blocks: COUNT LINK"));
		return;
	}
	json_open(&j, NULL, '[');
	const bool is_ours = wanted[1] == '\0' || strcmp(wanted + 1, link) == 0;
	for (uint64_t i = 0; is_ours && i < count && i < r->count && i < REPORTS_MAX; i++) {
		const size_t at = (r->count - 1 - i) % REPORTS_MAX;
		const char *text = r->items[at].text;
		json_open(&j, NULL, '{');
		json_i64(&j, "unix_ms", r->items[at].unix_ms);
		json_text(&j, "state", "aborted");
		json_raw(&j, span_of(text + 1, strlen(text) - 2));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	process_query_answer(q, j.is_full ? ERR(LIMIT) : OK, json_done(&j));
}
