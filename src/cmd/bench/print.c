// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* A result for people: members one a line, and a list of objects as a table. */
#include "cmd/bench/bench.h"
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { NAME_WIDTH = 30, COLUMN_WIDTH = 12 };

static void print_members(yyjson_val *object, int indent);

static void print_cell(yyjson_val *value, int width)
{
	char text[128];

	if (yyjson_is_str(value))
		snprintf(text, sizeof text, "%s", yyjson_get_str(value));
	else if (yyjson_is_bool(value))
		snprintf(text, sizeof text, "%s", yyjson_get_bool(value) ? "yes" : "no");
	else if (yyjson_is_num(value))
		snprintf(text, sizeof text, "%.6g", yyjson_get_num(value));
	else
		snprintf(text, sizeof text, "-");
	printf(" %*s", width, text);
}

static int column_width(const char *name)
{
	const int len = (int)strlen(name);

	return len > COLUMN_WIDTH ? len : COLUMN_WIDTH;
}

static bool same_columns(yyjson_val *a, yyjson_val *b)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(a);

	if (a == NULL || yyjson_obj_size(a) != yyjson_obj_size(b))
		return false;
	for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
		key = yyjson_obj_iter_next(&iter))
		if (yyjson_obj_get(b, yyjson_get_str(key)) == NULL)
			return false;
	return true;
}

/* A new head where the rows begin to have other columns. */
static void print_row(yyjson_val *row, yyjson_val *before, int indent)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(row);

	if (!same_columns(before, row)) {
		printf("%*s", indent, "");
		for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
			key = yyjson_obj_iter_next(&iter))
			printf(" %*s", column_width(yyjson_get_str(key)), yyjson_get_str(key));
		putchar('\n');
		before = row;
	}
	printf("%*s", indent, "");
	iter = yyjson_obj_iter_with(before); /* the columns' order is the head's */
	for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
		key = yyjson_obj_iter_next(&iter))
		print_cell(yyjson_obj_get(row, yyjson_get_str(key)),
			column_width(yyjson_get_str(key)));
	putchar('\n');
}

static void print_list(yyjson_val *list, int indent)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(list);
	yyjson_val *head = NULL;

	for (yyjson_val *item = yyjson_arr_iter_next(&iter); item != NULL;
		item = yyjson_arr_iter_next(&iter)) {
		if (!yyjson_is_obj(item)) {
			printf("%*s", indent, "");
			print_cell(item, 0);
			putchar('\n');
			continue;
		}
		print_row(item, head, indent);
		if (!same_columns(head, item))
			head = item;
	}
}

static void print_members(yyjson_val *object, int indent)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(object);

	for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
		key = yyjson_obj_iter_next(&iter)) {
		yyjson_val *value = yyjson_obj_iter_get_val(key);
		printf("%*s%-*s", indent, "", NAME_WIDTH - indent, yyjson_get_str(key));
		if (yyjson_is_ctn(value))
			putchar('\n');
		if (yyjson_is_obj(value)) {
			print_members(value, indent + 2);
		} else if (yyjson_is_arr(value)) {
			print_list(value, indent + 2);
		} else {
			print_cell(value, 0);
			putchar('\n');
		}
	}
}

void bench_print(struct span json)
{
	yyjson_doc *doc = yyjson_read((const char *)json.at, json.len, 0);

	print_members(yyjson_doc_get_root(doc), 0);
	yyjson_doc_free(doc);
}
