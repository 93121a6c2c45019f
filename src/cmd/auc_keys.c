// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The key-encryption keys of the authentication centre, which wrap subscribers' keys: never the keys
 * themselves, they do not leave the vault. */
#include "cmd/sites.h"
#include "codec/proc_msg.h"
#include <stdio.h>
#include <time.h>
#include <yyjson.h>

static uint64_t number_of(yyjson_val *object, const char *name)
{
	return yyjson_get_uint(yyjson_obj_get(object, name));
}

static void print_key(yyjson_val *key)
{
	const time_t made = (time_t)number_of(key, "made_unix");
	struct tm utc = {0};
	char text[32];

	gmtime_r(&made, &utc);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
	printf("%8llu  %-20s  %10llu  %s\n", (unsigned long long)number_of(key, "id"), text,
		(unsigned long long)number_of(key, "rows"),
		yyjson_get_bool(yyjson_obj_get(key, "seals")) ? "seals" : "opens");
}

static void print_keys(const char *site, struct span json)
{
	yyjson_doc *doc = yyjson_read((const char *)json.at, json.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc), *key;
	size_t i, count;

	printf("site %s%s\n", site,
		yyjson_get_bool(yyjson_obj_get(root, "ready")) ? "" : ": the vault is not ready");
	printf("%8s  %-20s  %10s\n", "key", "made (UTC)", "rows");
	yyjson_arr_foreach(yyjson_obj_get(root, "keys"), i, count, key) print_key(key);
	if (number_of(root, "rows_of_unknown_keys") > 0)
		printf("%llu rows are sealed under keys that are not here\n",
			(unsigned long long)number_of(root, "rows_of_unknown_keys"));
	if (number_of(root, "rows_left") > 0)
		printf("%llu rows are still to be sealed under the newest\n",
			(unsigned long long)number_of(root, "rows_left"));
	if (number_of(root, "rows_failed") > 0)
		printf("%llu attempts at rows that the vault could not open\n",
			(unsigned long long)number_of(root, "rows_failed"));
	yyjson_doc_free(doc);
}

static int ask(const struct invocation *in, const char *verb)
{
	return sites_ask(in, &(struct site_question){.type = PROC_QUERY,
				     .process = "auc-store",
				     .verb = verb,
				     .argument = "",
				     .print = print_keys});
}

int auc_keys_command(const struct invocation *in)
{
	return ask(in, "keys");
}

int auc_rotate_kek_command(const struct invocation *in)
{
	return ask(in, "rotate-kek");
}
