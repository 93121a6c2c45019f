// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_plot.h"
#include "qkd_history_draw.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of a line longer than `size` so much as shows that it is. False: no more lines. */
static bool line_read(FILE *in, char *line, size_t size, size_t *len)
{
	int c;

	*len = 0;
	while ((c = getc(in)) != EOF && c != '\n') {
		if (*len == size)
			return true;
		line[(*len)++] = (char)c;
	}
	return c != EOF || (*len > 0 && !ferror(in));
}

static int refuse(const char *name, size_t number, const struct history_fault *fault)
{
	return fail(EXIT_CONFIG, "%s:%zu:%zu: %s: %s%s is expected", name, number, fault->column,
		fault->field, fault->is_absent ? "it is not there; " : "", fault->expected);
}

static int history_read(struct history *h, FILE *in, const char *name)
{
	static char line[HISTORY_LINE_MAX + 1];
	struct history_fault fault = {0};
	size_t len;

	for (size_t number = 1; line_read(in, line, sizeof line, &len); number++)
		if (failed(history_take(h, span_of(line, len), &fault)))
			return refuse(name, number, &fault);
	if (ferror(in))
		return fail(EXIT_CONFIG, "%s: %s", name, strerror(errno));
	if (h->block_count == 0)
		return fail(EXIT_CONFIG,
			"%s: no block: lines of `merlon qkd blocks -o json` are expected", name);
	history_end(h);
	return EXIT_OK;
}

static int history_load(struct history *h, const char *path)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(path, "re");

	if (in == NULL)
		return fail(EXIT_CONFIG, "%s: %s", path, strerror(errno));
	const int code = history_read(h, in, is_stdin ? "standard input" : path);
	if (!is_stdin)
		fclose(in);
	return code;
}

int qkd_plot_blocks(const struct invocation *in, const char *path)
{
	static struct history history;

	for (size_t i = 0; i < in->command->option_count; i++)
		if (in->values[i] != NULL && in->values[i] != path)
			return fail(EXIT_USAGE,
				"qkd plot: --blocks draws no plan: --%s has no place",
				in->command->options[i].name);
	memset(&history, 0, sizeof history);
	const int code = history_load(&history, path);
	if (code != EXIT_OK)
		return code;
	history_draw(stdout, &history);
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail(EXIT_FAILED, "qkd plot: writing failed");
	return EXIT_OK;
}
