// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * `merlon subscriber export`: all subscribers without their keys, which no command can tell. It reads
 * page after page, so it is no picture of one moment: who comes or goes meanwhile is in it or not.
 */
#include "cmd/subscriber_ask.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* In this order; as the store names them. */
static const char *const columns[] = {"imsi", "msisdn", "algorithm", "disabled", "sqn", "seq_next",
	"generation", "resync", "resynced_unix", "kek", "created_unix", "changed_unix"};

struct export
{
	bool is_json;
	uint64_t rows, of;
	time_t started, told;
};

static void tell_progress(struct export *x)
{
	const time_t now = time(NULL);

	if (!isatty(STDERR_FILENO) || now == x->told)
		return;
	x->told = now;
	fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " subscribers", x->rows, x->of);
	fflush(stderr);
}

static void write_csv(yyjson_val *s)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		yyjson_val *v = yyjson_obj_get(s, columns[i]);
		if (i > 0)
			putchar_unlocked(',');
		if (yyjson_is_str(v))
			fputs(yyjson_get_str(v), stdout);
		else if (yyjson_is_bool(v))
			fputs(yyjson_get_bool(v) ? "true" : "false", stdout);
		else if (yyjson_is_int(v))
			printf("%" PRId64, yyjson_get_sint(v));
	}
	putchar_unlocked('\n');
}

static bool write_row(void *ctx, yyjson_val *s)
{
	struct export *x = ctx;
	char *text = x->is_json ? yyjson_val_write(s, 0, NULL) : NULL;

	if (text != NULL)
		puts(text);
	else
		write_csv(s);
	free(text);
	x->rows++;
	tell_progress(x);
	return ferror(stdout) == 0;
}

static void write_header(void)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		printf("%s%s", i > 0 ? "," : "", columns[i]);
	putchar('\n');
}

int subscriber_export_command(const struct invocation *in)
{
	const char *format = option_value(in, "format");
	struct export x = {.is_json = format != NULL && strcmp(format, "jsonl") == 0};
	struct site_found site;
	struct subscriber_walk walk = {
		.site = &site, .limit = UINT64_MAX, .row = write_row, .ctx = &x};

	int code = subscriber_site(in, &site);
	if (code != EXIT_OK)
		return code;
	yyjson_doc *doc = subscriber_ask(&site, "count", "", &code);
	if (doc == NULL)
		return code;
	x.of = yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(doc), "subscribers"));
	yyjson_doc_free(doc);
	if (!x.is_json)
		write_header();
	code = subscriber_walk(&walk);
	if (x.told != 0)
		fputs("\r\033[K", stderr);
	if (fflush(stdout) != 0 || ferror(stdout) != 0)
		code = fail(EXIT_FAILED, "cannot write all of it");
	return code;
}
