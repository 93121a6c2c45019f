// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* merlon auc token-key: the root key of an authentication centre, made in its token. */
#include "base/secret.h"
#include "cmd/command.h"
#include "cmd/site.h"
#include "host/metrics.h"
#include "host/token.h"
#include <stdio.h>

static struct token_question question_of(const struct site *site)
{
	const struct site_token *t = site->auc->token;
	struct token_question q = {.module = t->module,
		.token = t->token,
		.key = t->key,
		.pin_file = t->pin_file,
		.user = site->user};

	for (size_t i = 0; i < t->environment_count; i++)
		q.environment[i] = t->environment[i];
	return q;
}

static void print_made(const struct invocation *in, const struct site_token *t)
{
	char buffer[512];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(buffer));

	json_open(&json, NULL, '{');
	json_text(&json, "token", t->token);
	json_text(&json, "key", t->key);
	json_bool(&json, "made", true);
	json_close(&json, '}');
	if (wants_json(in))
		printf("%.*s\n", (int)json.len, json.at);
	else
		printf("token %s: secret key %s is made; it never leaves the token\n", t->token,
			t->key);
}

int auc_token_key_command(const struct invocation *in)
{
	struct complaint c = {0};
	struct site *site;
	int code = EXIT_OK;

	if (failed(secret_forbid_dumps()))
		return fail(EXIT_FAILED, "cannot forbid core dumps");
	if (failed(site_load(in->argv[0], false, &site, &c)))
		return fail(EXIT_CONFIG, "%s", c.text);
	if (site->auc == NULL || site->auc->token == NULL) {
		code = fail(EXIT_CONFIG, "%s: auc.token: is needed: it names the token and the key",
			in->argv[0]);
	} else {
		const struct token_question q = question_of(site);
		const struct err e = token_key_make(&q, &c);
		if (failed(e))
			code = fail(EXIT_FAILED, "%s", c.text);
		else
			print_made(in, site->auc->token);
	}
	site_free(site);
	return code;
}
