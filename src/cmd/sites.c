// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/sites.h"
#include "codec/proc_msg.h"
#include "host/control.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#define SITES_FOLDER "/run/merlon"
enum { ASK_MS_MAX = 10000 };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct site_found *)a)->name, ((const struct site_found *)b)->name);
}

size_t sites_find(struct site_found found[static SITES_MAX], const char *only)
{
	DIR *folder = opendir(SITES_FOLDER);
	size_t count = 0;

	if (folder == NULL)
		return 0;
	for (struct dirent *d = readdir(folder); d != NULL && count < SITES_MAX;
		d = readdir(folder)) {
		struct site_found *f = &found[count];
		if (d->d_name[0] == '.' || strlen(d->d_name) >= sizeof f->name ||
			(only != NULL && strcmp(d->d_name, only) != 0))
			continue;
		memcpy(f->name, d->d_name, strlen(d->d_name) + 1);
		snprintf(f->socket, sizeof f->socket, SITES_FOLDER "/%s/control.sock", f->name);
		count += access(f->socket, F_OK) == 0;
	}
	closedir(folder);
	qsort(found, count, sizeof *found, by_name);
	return count;
}

static struct control_reply ask_one(const struct site_found *site, const struct site_question *q)
{
	uint8_t body[1024];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct proc_query query = {0};

	if (q->type == PROC_QUERY) {
		snprintf(query.process, sizeof query.process, "%s", q->process);
		snprintf(query.verb, sizeof query.verb, "%s", q->verb);
		snprintf(query.argument, sizeof query.argument, "%s", q->argument);
		proc_query_encode(&w, &query);
	}
	return control_ask(site->socket, q->type, writer_span_done(&w), -1, ASK_MS_MAX);
}

struct control_reply site_query(
	const struct site_found *site, const char *process, const char *verb, const char *argument)
{
	return ask_one(site, &(struct site_question){.type = PROC_QUERY,
				     .process = process,
				     .verb = verb,
				     .argument = argument});
}

enum exit_code exit_code_of_reply(const struct control_reply *reply)
{
	return reply->is_forbidden     ? EXIT_PRIVILEGE
	       : reply->is_unreachable ? EXIT_UNREACHABLE
				       : exit_code_of(reply->err);
}

/* To a question that every site is asked, a refusal is no fault of an input file. */
static enum exit_code code_of_answer(const struct control_reply *reply)
{
	const enum exit_code code = exit_code_of_reply(reply);

	return code == EXIT_CONFIG ? EXIT_FAILED : code;
}

static void print_json(const struct site_question *q, const struct control_reply *reply)
{
	yyjson_mut_doc *doc = q->is_text ? yyjson_mut_doc_new(NULL) : NULL;
	size_t len;

	if (doc == NULL) {
		printf("%.*s", (int)reply->len, reply->text);
		return;
	}
	yyjson_mut_doc_set_root(doc, yyjson_mut_strn(doc, reply->text, reply->len));
	char *text = yyjson_mut_write(doc, 0, &len);
	printf("%.*s", (int)len, text != NULL ? text : "");
	free(text);
	yyjson_mut_doc_free(doc);
}

int sites_ask(const struct invocation *in, const struct site_question *q)
{
	const bool is_json = wants_json(in);
	const char *only = option_value(in, "site");
	struct site_found found[SITES_MAX];
	const size_t count = sites_find(found, only);
	size_t answered = 0;
	int code = EXIT_OK;

	if (is_json && only == NULL)
		putchar('[');
	for (size_t i = 0; i < count; i++) {
		struct control_reply reply = ask_one(&found[i], q);
		if (failed(reply.err)) {
			/* A folder that a dead site left behind answers nothing; that is no failure of the others. */
			if (only != NULL || count == 1 || !reply.is_unreachable)
				code = fail(code_of_answer(&reply), "%s: %s", found[i].name,
					reply.text);
		} else if (is_json) {
			fputs(answered > 0 ? "," : "", stdout);
			print_json(q, &reply);
		} else {
			q->print(found[i].name, span_of(reply.text, reply.len));
		}
		answered += !failed(reply.err);
		control_reply_free(&reply);
	}
	if (is_json)
		puts(only == NULL ? "]" : "");
	if (answered == 0 && code == EXIT_OK)
		code = fail(EXIT_UNREACHABLE, "no site answers%s%s (looked in " SITES_FOLDER ")",
			only ? ": " : "", only ? only : "");
	return code;
}
