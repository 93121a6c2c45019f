// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Questions to the store about its subscribers (doc/auc.md, What an operator asks). */
#include "cmd/subscriber.h"
#include <yyjson.h>

/* The answer's document, to be freed; NULL: the failure was told, and *code is the exit code. */
yyjson_doc *subscriber_ask(
	const struct site_found *site, const char *verb, const char *argument, int *code);

/* Page after page, in the order of IMSIs, until `limit` rows or the end. */
struct subscriber_walk {
	const struct site_found *site;
	char after[IMSI_TEXT]; /* "": from the beginning; then the last that was seen */
	uint64_t limit, count;
	bool has_more;
	/* False: enough. */
	bool (*row)(void *ctx, yyjson_val *subscriber);
	void *ctx;
};
/* An exit code. */
int subscriber_walk(struct subscriber_walk *walk);
