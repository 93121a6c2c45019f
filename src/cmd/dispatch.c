// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "command.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fail(enum exit_code code, const char *format, ...)
{
	va_list args;

	fputs("merlon: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return (int)code;
}

enum exit_code exit_code_of(struct err e)
{
	switch (e.kind) {
	case ERR_NONE:
		return EXIT_OK;
	case ERR_INPUT:
	case ERR_VERSION:
		return EXIT_CONFIG;
	case ERR_AUTH: /* of what was asked for; the caller's own privilege is seen before (EXIT_PRIVILEGE) */
	case ERR_STATE:
	case ERR_LIMIT:
	case ERR_ABSENT:
	case ERR_TIMEOUT:
	case ERR_IO:
	case ERR_CRYPTO:
	case ERR_BUG:
	case ERR_KINDS:
		return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

bool has_colour(void)
{
	return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

/* '-' and '_' are the same in the name of an option: JSON members have '_'. */
static bool is_named(const char *option, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (option[i] == '\0' ||
			(option[i] == '_' ? '-' : option[i]) != (name[i] == '_' ? '-' : name[i]))
			return false;
	return option[len] == '\0';
}

static size_t option_row_of(const struct command *c, const char *name, size_t len)
{
	size_t i = 0;

	while (i < c->option_count && !is_named(c->options[i].name, name, len))
		i++;
	return i;
}

const char *option_value(const struct invocation *in, const char *name)
{
	const size_t i = option_row_of(in->command, name, strlen(name));

	assert(i < in->command->option_count);
	return in->values[i];
}

bool wants_json(const struct invocation *in)
{
	const char *output = option_value(in, "output");

	return output != NULL && strcmp(output, "json") == 0;
}

static int misuse(const struct command *c, const char *what, const char *which)
{
	fail(EXIT_USAGE, "%s: %s: %s", c->name, what, which);
	fprintf(stderr, "usage: merlon %s%s%s%s\n", c->name,
		c->option_count > 0 ? " [options]" : "", c->syntax[0] != '\0' ? " " : "",
		c->syntax);
	return EXIT_USAGE;
}

/* "table|json" admits two words; any other value name admits all. */
static bool value_is_allowed(const struct option_row *row, const char *value)
{
	const size_t len = strlen(value);

	if (strchr(row->value, '|') == NULL)
		return true;
	for (const char *at = row->value; at != NULL; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, value, len) == 0 && (at[len] == '|' || at[len] == '\0'))
			return true;
	}
	return false;
}

/* One option at argv[*at]; moves *at past it. */
static int parse_option(struct invocation *in, int argc, char **argv, int *at)
{
	const struct command *c = in->command;
	const char *word = argv[(*at)++];
	const char *equals = strchr(word, '=');
	size_t i;

	if (word[1] == '-') {
		const size_t len = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
		i = option_row_of(c, word + 2, len);
	} else {
		equals = NULL;
		for (i = 0; i < c->option_count &&
			    (c->options[i].letter != word[1] || word[2] != '\0');)
			i++;
	}
	if (i == c->option_count)
		return misuse(c, "unknown option", word);
	if (c->options[i].value == NULL) {
		in->values[i] = "";
		return equals == NULL ? EXIT_OK : misuse(c, "takes no value", word);
	}
	in->values[i] = equals != NULL ? equals + 1 : *at < argc ? argv[(*at)++] : NULL;
	if (in->values[i] == NULL)
		return misuse(c, "a value is missing", word);
	return value_is_allowed(&c->options[i], in->values[i])
		       ? EXIT_OK
		       : misuse(c, c->options[i].value, in->values[i]);
}

static int parse(struct invocation *in, int argc, char **argv)
{
	bool options_end = false;

	in->argv = argv;
	for (int at = 0; at < argc;) {
		if (!options_end && strcmp(argv[at], "--") == 0) {
			options_end = true;
			at++;
		} else if (!options_end && argv[at][0] == '-' && argv[at][1] != '\0') {
			const int code = parse_option(in, argc, argv, &at);
			if (code != EXIT_OK)
				return code;
		} else {
			argv[in->argc++] = argv[at++];
		}
	}
	if (in->argc < in->command->arguments_min)
		return misuse(in->command, "missing argument", in->command->syntax);
	if (in->argc > in->command->arguments_max)
		return misuse(
			in->command, "too many arguments", in->argv[in->command->arguments_max]);
	return EXIT_OK;
}

/* How many words of argv are the command's name: 0 where it is another. */
static int words_matched(const char *name, int argc, char **argv)
{
	int words = 0;

	for (const char *at = name; *at != '\0'; words++) {
		const size_t len = strcspn(at, " ");
		if (words == argc || strlen(argv[words]) != len ||
			memcmp(argv[words], at, len) != 0)
			return 0;
		at += len + (at[len] == ' ');
	}
	return words;
}

static const struct command *find(int argc, char **argv, int *words)
{
	for (size_t i = 0; i < command_count; i++) {
		*words = words_matched(commands[i].name, argc, argv);
		if (*words > 0)
			return &commands[i];
	}
	return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int run_found(const struct command *c, int argc, char **argv)
{
	struct invocation in = {.command = c};

	if (c->run_raw != NULL)
		return c->run_raw(argc + 1, argv - 1); /* with its own name, as main() has it */
	if (asks_for_help(argc, argv)) {
		in.argv = (char *[]){(char *)(uintptr_t)c->name};
		in.argc = 1;
		return help_command(&in);
	}
	const int code = parse(&in, argc, argv);
	return code == EXIT_OK ? c->run(&in) : code;
}

int command_dispatch(int argc, char **argv)
{
	int words = 0;

	if (argc < 2 || (argc == 2 && asks_for_help(argc - 1, argv + 1)))
		return help_command(&(struct invocation){0});
	if (strcmp(argv[1], "--version") == 0)
		argv[1] += 2;
	const struct command *c = find(argc - 1, argv + 1, &words);
	if (c == NULL)
		return fail(EXIT_USAGE, "no command '%s'; `merlon help` lists them", argv[1]);
	return run_found(c, argc - 1 - words, argv + 1 + words);
}
