// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What the sites say of themselves, for people. */
#include "cmd/command.h"
#include "cmd/sites.h"
#include "codec/proc_msg.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static const char *text_of(yyjson_val *object, const char *name)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, name));

	return text != NULL ? text : "-";
}

static const char *severity_colour(const char *severity)
{
	if (!has_colour())
		return "";
	return strcmp(severity, "critical") == 0 || strcmp(severity, "major") == 0 ? "\033[31m"
										   : "\033[33m";
}

static void print_alarm(yyjson_val *alarm)
{
	const char *severity = text_of(alarm, "severity");

	printf("  %s%-8s %s %s%s: %s\n", severity_colour(severity), severity,
		text_of(alarm, "alarm"), text_of(alarm, "resource"), has_colour() ? "\033[0m" : "",
		text_of(alarm, "text"));
}

enum { LINE_MAX_COLUMNS = 100, INDENT = 15 };

/* What a process says beyond what every process says: small values, wrapped behind its name. */
static void print_members(yyjson_val *process)
{
	static const char *const common[] = {"name", "pid", "state", "restarts", "hangs",
		"uptime_s", "sandbox", "secret_protection", "log_level"};
	yyjson_obj_iter iter = yyjson_obj_iter_with(process);
	int column = LINE_MAX_COLUMNS;

	for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
		key = yyjson_obj_iter_next(&iter)) {
		yyjson_val *value = yyjson_obj_iter_get_val(key);
		char *text = yyjson_is_ctn(value) ? NULL : yyjson_val_write(value, 0, NULL);
		bool is_shown = text != NULL;
		for (size_t i = 0; i < ARRAY_LEN(common); i++)
			is_shown &= strcmp(yyjson_get_str(key), common[i]) != 0;
		const int len =
			is_shown ? (int)(strlen(yyjson_get_str(key)) + strlen(text) + 2) : 0;
		if (is_shown && column + len > LINE_MAX_COLUMNS)
			column = printf("\n%*s", INDENT, "") - 1;
		if (is_shown)
			column += printf("%s=%s ", yyjson_get_str(key), text);
		free(text);
	}
}

static void print_process(yyjson_val *process)
{
	printf("  %-12s %-10s pid %-8" PRIu64 " restarts %-3" PRIu64, text_of(process, "name"),
		text_of(process, "state"), yyjson_get_uint(yyjson_obj_get(process, "pid")),
		yyjson_get_uint(yyjson_obj_get(process, "restarts")));
	print_members(process);
	putchar('\n');
}

static void print_status(const char *site, struct span json)
{
	yyjson_doc *doc = yyjson_read((const char *)json.at, json.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_arr_iter iter;

	printf("site %s, up %" PRIu64 " s\n", site,
		yyjson_get_uint(yyjson_obj_get(root, "uptime_s")));
	iter = yyjson_arr_iter_with(yyjson_obj_get(root, "processes"));
	for (yyjson_val *p = yyjson_arr_iter_next(&iter); p != NULL;
		p = yyjson_arr_iter_next(&iter))
		print_process(p);
	iter = yyjson_arr_iter_with(yyjson_obj_get(root, "alarms"));
	for (yyjson_val *a = yyjson_arr_iter_next(&iter); a != NULL;
		a = yyjson_arr_iter_next(&iter))
		print_alarm(a);
	yyjson_doc_free(doc);
}

/* Any JSON value as indented lines, `name  value`; a list's objects are set apart by a dash. */
static void print_value(const char *name, yyjson_val *value, int depth)
{
	size_t i, count;
	yyjson_val *key, *item;

	if (!yyjson_is_ctn(value)) {
		char *text = yyjson_is_str(value) ? strdup(yyjson_get_str(value))
						  : yyjson_val_write(value, 0, NULL);
		printf("%*s%-*s %s\n", 2 * depth, "", 20 - 2 * depth, name, text ? text : "?");
		free(text);
		return;
	}
	if (name[0] != '\0')
		printf("%*s%s\n", 2 * depth, "", name);
	depth += name[0] != '\0';
	if (yyjson_is_arr(value)) {
		yyjson_arr_foreach(value, i, count, item) print_value("-", item, depth);
	} else {
		yyjson_obj_foreach(value, i, count, key, item)
			print_value(yyjson_get_str(key), item, depth);
	}
}

static void print_json(const char *site, struct span json)
{
	yyjson_doc *doc = yyjson_read((const char *)json.at, json.len, 0);

	printf("site %s\n", site);
	print_value("", yyjson_doc_get_root(doc), 1);
	yyjson_doc_free(doc);
}

static void print_as_it_is(const char *site, struct span text)
{
	(void)site;
	fwrite(text.at, 1, text.len, stdout);
	if (text.len == 0 || text.at[text.len - 1] != '\n')
		putchar('\n');
}

int status_command(const struct invocation *in)
{
	return sites_ask(in, &(struct site_question){.type = PROC_STATUS, .print = print_status});
}

int metrics_command(const struct invocation *in)
{
	return sites_ask(
		in, &(struct site_question){
			    .type = PROC_METRICS, .print = print_as_it_is, .is_text = true});
}

static void print_done(const char *site, struct span text)
{
	printf("%s: %s%.*s\n", site, text.len > 0 ? "" : "done", (int)text.len,
		text.len > 0 ? (const char *)text.at : "");
}

int reload_command(const struct invocation *in)
{
	return sites_ask(in, &(struct site_question){.type = PROC_RELOAD, .print = print_done});
}

int stop_command(const struct invocation *in)
{
	return sites_ask(in, &(struct site_question){.type = PROC_STOP, .print = print_done});
}

int keys_list_command(const struct invocation *in)
{
	return sites_ask(in, &(struct site_question){.type = PROC_QUERY,
				     .process = "kms-store",
				     .verb = "list",
				     .argument = "",
				     .print = print_json});
}

int keys_trace_command(const struct invocation *in)
{
	return sites_ask(in, &(struct site_question){.type = PROC_QUERY,
				     .process = "kms-store",
				     .verb = "trace",
				     .argument = in->argv[0],
				     .print = print_json});
}

int tunnel_rotate_command(const struct invocation *in)
{
	return sites_ask(in, &(struct site_question){.type = PROC_QUERY,
				     .process = "gateway",
				     .verb = "rotate",
				     .argument = "",
				     .print = print_json});
}
