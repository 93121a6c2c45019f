// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "err.h"
#include <stdarg.h>
#include <stdio.h>

static const char *const words[ERR_KINDS] = {
	[ERR_NONE] = "none",
	[ERR_INPUT] = "input",
	[ERR_STATE] = "state",
	[ERR_AUTH] = "auth",
	[ERR_LIMIT] = "limit",
	[ERR_ABSENT] = "absent",
	[ERR_VERSION] = "version",
	[ERR_TIMEOUT] = "timeout",
	[ERR_IO] = "io",
	[ERR_CRYPTO] = "crypto",
	[ERR_BUG] = "bug",
};

const char *err_word(struct err e)
{
	return (unsigned)e.kind < ERR_KINDS ? words[e.kind] : "bug";
}

struct err complain(struct complaint *c, struct err e, const char *format, ...)
{
	va_list args;

	if (c == NULL || c->text[0] != '\0')
		return e;
	va_start(args, format);
	vsnprintf(c->text, sizeof c->text, format, args);
	va_end(args);
	return e;
}
