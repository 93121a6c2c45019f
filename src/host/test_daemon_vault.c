// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "test_daemon.h"

static struct test_settings now;

static struct err open_vault(void **state, const struct settings *settings, struct complaint *c)
{
	*state = &now;
	return test_settings_read(settings, &now, c);
}

static struct err serve(void *ctx, uint16_t type, struct span body, struct writer *answer)
{
	const struct test_settings *s = ctx;

	if (type != TEST_ECHO)
		return ERR(INPUT);
	writer_span(answer, span_str(s->word));
	writer_span(answer, body);
	return OK;
}

int main(int argc, char **argv)
{
	static const struct vault_kind vault = {
		.name = "test-vault", .open = open_vault, .serve = serve};

	return process_vault_main(argc, argv, &vault);
}
