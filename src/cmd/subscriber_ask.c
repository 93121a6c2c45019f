// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* `merlon subscriber show, list, disable, enable, remove, reset-sqn`. */
#include "cmd/subscriber_ask.h"
#include "codec/proc_msg.h"
#include "codec/subscriber_row.h"
#include "host/control.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS_MAX = 30000, PAGE_ROWS = 1000, LIST_DEFAULT = 100, PAGE_TRIES = 6 };

/* A store that writes much at the moment (an import has just ended) answers too late: what changes
 * nothing is asked again. */
static struct control_reply ask_store(const struct site_found *site, struct span body, int tries)
{
	struct control_reply reply = control_ask(site->socket, PROC_QUERY, body, -1, ASK_MS_MAX);

	while (reply.err.kind == ERR_TIMEOUT && --tries > 0) {
		control_reply_free(&reply);
		reply = control_ask(site->socket, PROC_QUERY, body, -1, ASK_MS_MAX);
	}
	return reply;
}

static bool is_harmless(const char *verb)
{
	return strcmp(verb, "show") == 0 || strcmp(verb, "list") == 0 || strcmp(verb, "count") == 0;
}

yyjson_doc *subscriber_ask(
	const struct site_found *site, const char *verb, const char *argument, int *code)
{
	uint8_t body[1024];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct proc_query query = {.process = "auc-store"};
	yyjson_doc *doc = NULL;

	snprintf(query.verb, sizeof query.verb, "%s", verb);
	snprintf(query.argument, sizeof query.argument, "%s", argument);
	proc_query_encode(&w, &query);
	struct control_reply reply =
		ask_store(site, writer_span_done(&w), is_harmless(verb) ? PAGE_TRIES : 1);
	*code = EXIT_OK;
	if (!failed(reply.err))
		doc = yyjson_read(reply.text, reply.len, 0);
	const enum exit_code refused = exit_code_of_reply(&reply);
	if (failed(reply.err)) /* a refusal is no fault of an input file */
		*code = fail(refused == EXIT_CONFIG ? EXIT_FAILED : refused, "%s: %s: %s",
			site->name, argument, reply.text);
	else if (doc == NULL)
		*code = fail(EXIT_FAILED, "%s: the answer is no JSON", site->name);
	control_reply_free(&reply);
	return doc;
}

int subscriber_walk(struct subscriber_walk *walk)
{
	char argument[64];
	bool goes_on = true;
	int code = EXIT_OK;

	while (goes_on && walk->count < walk->limit) {
		const uint64_t left = walk->limit - walk->count;
		snprintf(argument, sizeof argument, "%s %" PRIu64,
			walk->after[0] != '\0' ? walk->after : "-",
			left < PAGE_ROWS ? left : (uint64_t)PAGE_ROWS);
		yyjson_doc *doc = subscriber_ask(walk->site, "list", argument, &code);
		if (doc == NULL)
			return code;
		yyjson_val *rows = yyjson_obj_get(yyjson_doc_get_root(doc), "subscribers"), *row;
		const char *next = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "next"));
		size_t i, count;
		yyjson_arr_foreach(rows, i, count, row)
		{
			goes_on = goes_on && walk->row(walk->ctx, row);
			walk->count++;
		}
		walk->has_more = next != NULL;
		goes_on = goes_on && next != NULL && count > 0;
		snprintf(walk->after, sizeof walk->after, "%s", next != NULL ? next : "");
		yyjson_doc_free(doc);
	}
	return code;
}

/* ---- one subscriber ---- */

/* Before anything is asked. */
static int imsi_argument(const char *text)
{
	return imsi_is_valid(text) ? EXIT_OK
				   : fail(EXIT_USAGE,
					     "an IMSI of 6 to 15 digits is expected, not "
					     "'%s'",
					     text);
}

static void print_object(yyjson_val *object)
{
	size_t i, count;
	yyjson_val *key, *value;

	yyjson_obj_foreach(object, i, count, key, value)
	{
		char *text = yyjson_is_str(value) ? strdup(yyjson_get_str(value))
						  : yyjson_val_write(value, 0, NULL);
		printf("%-14s %s\n", yyjson_get_str(key), text != NULL ? text : "?");
		free(text);
	}
}

static void print_document(const struct invocation *in, yyjson_doc *doc)
{
	char *text = wants_json(in) ? yyjson_write(doc, 0, NULL) : NULL;

	if (text != NULL)
		puts(text);
	else
		print_object(yyjson_doc_get_root(doc));
	free(text);
}

static int ask_and_print(const struct invocation *in, const char *verb, const char *argument)
{
	struct site_found site;
	int code = imsi_argument(in->argv[0]);

	if (code == EXIT_OK)
		code = subscriber_site(in, &site);
	if (code != EXIT_OK)
		return code;
	yyjson_doc *doc = subscriber_ask(&site, verb, argument, &code);
	if (doc != NULL)
		print_document(in, doc);
	yyjson_doc_free(doc);
	return code;
}

int subscriber_show_command(const struct invocation *in)
{
	return ask_and_print(in, "show", in->argv[0]);
}

int subscriber_disable_command(const struct invocation *in)
{
	return ask_and_print(in, "disable", in->argv[0]);
}

int subscriber_enable_command(const struct invocation *in)
{
	return ask_and_print(in, "enable", in->argv[0]);
}

int subscriber_remove_command(const struct invocation *in)
{
	if (option_value(in, "yes") == NULL)
		return fail(EXIT_USAGE, "his keys are deleted for good: say --yes");
	return ask_and_print(in, "remove", in->argv[0]);
}

int subscriber_reset_sqn_command(const struct invocation *in)
{
	const char *sqn = option_value(in, "sqn");
	struct subscriber_fault fault;
	struct subscriber_row row;
	char argument[64];

	if (option_value(in, "yes") == NULL)
		return fail(EXIT_USAGE, "numbers may come again after it, which is safe for a new "
					"card alone: say --yes");
	subscriber_row_begin(&row);
	if (sqn != NULL &&
		failed(subscriber_row_take(&row, SUBSCRIBER_SQN, span_str(sqn), 1, &fault)))
		return fail(EXIT_USAGE, "--sqn: %s is expected", fault.expected);
	if (sqn != NULL)
		snprintf(argument, sizeof argument, "%.15s %" PRIu64, in->argv[0], row.sqn);
	else
		snprintf(argument, sizeof argument, "%.15s", in->argv[0]);
	return ask_and_print(in, "reset-sqn", argument);
}

/* ---- list ---- */

static const char *text_of(yyjson_val *object, const char *name)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, name));

	return text != NULL && text[0] != '\0' ? text : "-";
}

static bool print_row(void *ctx, yyjson_val *s)
{
	(void)ctx;
	printf("%-15s  %-15s  %-12s  %-8s  %15" PRIu64 "\n", text_of(s, "imsi"),
		text_of(s, "msisdn"), text_of(s, "algorithm"),
		yyjson_get_bool(yyjson_obj_get(s, "disabled")) ? "disabled" : "enabled",
		yyjson_get_uint(yyjson_obj_get(s, "sqn")));
	return true;
}

static bool print_json_row(void *ctx, yyjson_val *s)
{
	bool *is_first = ctx;
	char *text = yyjson_val_write(s, 0, NULL);

	printf("%s%s", *is_first ? "" : ",", text != NULL ? text : "null");
	*is_first = false;
	free(text);
	return true;
}

static int read_list_options(const struct invocation *in, struct subscriber_walk *walk)
{
	const char *after = option_value(in, "after"), *limit = option_value(in, "limit");
	char *end = NULL;

	walk->limit = limit != NULL ? strtoull(limit, &end, 10) : LIST_DEFAULT;
	if (walk->limit == 0 || (limit != NULL && (*end != '\0' || *limit == '-')))
		return fail(EXIT_USAGE, "--limit: a number from 1 is expected");
	if (after == NULL)
		return EXIT_OK;
	const int code = imsi_argument(after);
	if (code == EXIT_OK)
		snprintf(walk->after, sizeof walk->after, "%s", after);
	return code;
}

int subscriber_list_command(const struct invocation *in)
{
	bool is_first = true;
	struct site_found site;
	struct subscriber_walk walk = {.site = &site,
		.row = wants_json(in) ? print_json_row : print_row,
		.ctx = &is_first};

	int code = read_list_options(in, &walk);
	if (code == EXIT_OK)
		code = subscriber_site(in, &site);
	if (code != EXIT_OK)
		return code;
	if (wants_json(in))
		fputs("{\"subscribers\":[", stdout);
	else
		printf("%-15s  %-15s  %-12s  %-8s  %15s\n", "IMSI", "MSISDN", "algorithm", "state",
			"SQN");
	code = subscriber_walk(&walk);
	if (wants_json(in) && walk.has_more)
		printf("],\"next\":\"%s\"}\n", walk.after);
	else if (wants_json(in))
		puts("],\"next\":null}");
	else if (walk.has_more)
		printf("more: --after %s\n", walk.after);
	return code;
}
