// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the test daemons of test_supervisor.c say to each other: front -> store -> vault, and back.
 */
#include "host/process.h"

enum {
	TEST_ECHO = IPC_BLOCK_AUC + 1
}; /* request: a text; answer: the vault's word, then the text */
enum { TEST_WORD_MAX = 32, TEST_ASK_MS = 1000 };

struct test_settings {
	char word[TEST_WORD_MAX];
};

static const struct setting_row test_rows[] = {
	SETTING_ROW("word", SETTING_TEXT, false, struct test_settings, word),
};

static inline struct err test_settings_read(
	const struct settings *s, struct test_settings *out, struct complaint *c)
{
	struct err e = settings_read(s, test_rows, ARRAY_LEN(test_rows), out, c);
	if (!failed(e) && strcmp(out->word, "bad") == 0)
		e = complain(c, ERR(INPUT), "the word is bad");
	return e;
}
