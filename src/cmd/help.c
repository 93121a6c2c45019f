// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Help, manual page and shell completion, all from the command table. */
#include "command.h"
#include "site.h"
#include <stdio.h>
#include <string.h>

static void list_commands(void)
{
	puts("merlon raises an existing mobile network to international security standards,\n"
	     "and makes it safe against quantum computers.\n\nusage: merlon COMMAND [OPTIONS] "
	     "[ARGUMENTS]\n");
	for (size_t i = 0; i < command_count; i++)
		printf("  %-18s %s\n", commands[i].name, commands[i].help);
	puts("\nmerlon help COMMAND tells more. Exit codes: 0 done, 1 failed, 2 usage, 3 "
	     "configuration,\n"
	     "4 the site does not answer, 5 missing privilege.");
}

static void describe(const struct command *c)
{
	printf("usage: merlon %s%s %s\n\n%s\n", c->name, c->option_count > 0 ? " [options]" : "",
		c->syntax, c->text != NULL ? c->text : c->help);
	if (c->option_count > 0)
		puts("\noptions:");
	for (size_t i = 0; i < c->option_count; i++) {
		const struct option_row *o = &c->options[i];
		char left[64];
		snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "",
			o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
			o->value ? " " : "", o->value ? o->value : "");
		printf("  %-30s %s\n", left, o->help);
	}
}

int help_command(const struct invocation *in)
{
	char name[64] = "";
	size_t len = 0;

	for (int i = 0; i < in->argc && len < sizeof name; i++)
		len += (size_t)snprintf(
			name + len, sizeof name - len, "%s%s", i ? " " : "", in->argv[i]);
	if (in->argc == 0) {
		list_commands();
		return EXIT_OK;
	}
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			describe(&commands[i]);
			return EXIT_OK;
		}
	}
	return fail(EXIT_USAGE, "no command '%s'; `merlon help` lists them", name);
}

/* roff: a line that begins with '.' or ''' would be a request. */
static void put_roff(const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '-')
			fputs("\\-", stdout);
		else if (*at == '\\')
			fputs("\\e", stdout);
		else
			putchar(*at);
	}
	putchar('\n');
}

static void man_key(void *ctx, const struct site_key *key)
{
	(void)ctx;
	printf(".RS %d\n.TP\n\\fB%s\\fR (%s%s)\n", key->depth * 4, key->key, key->type,
		key->is_optional ? ", optional" : "");
	put_roff(key->help != NULL ? key->help : "");
	puts(".RE");
}

int man_command(const struct invocation *in)
{
	(void)in;
	puts(".TH MERLON 8 \"\" \"Merlon " MERLON_VERSION
	     "\"\n.SH NAME\nmerlon \\- security core for mobile networks\n"
	     ".SH SYNOPSIS\n.B merlon\nCOMMAND [OPTIONS] [ARGUMENTS]\n.SH COMMANDS");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		printf(".TP\n.B %s \\fR%s\n", c->name, c->syntax);
		put_roff(c->text != NULL ? c->text : c->help);
		for (size_t j = 0; j < c->option_count; j++) {
			printf(".br\n\\fB\\-\\-%s\\fR %s: ", c->options[j].name,
				c->options[j].value ? c->options[j].value : "");
			put_roff(c->options[j].help);
		}
	}
	puts(".SH CONFIGURATION\nYAML. Unknown keys are errors. A section that is not there does "
	     "not run.");
	site_describe(man_key, NULL);
	puts(".SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 configuration, 4 the site does not "
	     "answer, 5 missing "
	     "privilege.\n.SH ENVIRONMENT\n.B NO_COLOR\nswitches colours off.");
	return EXIT_OK;
}

int completion_command(const struct invocation *in)
{
	(void)in;
	puts("# bash completion for merlon: eval \"$(merlon completion)\"\n_merlon() {\n\tlocal "
	     "word=${COMP_WORDS[COMP_CWORD]} line"
	     "=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\" reply=''\n\tcase \"$line\" in");
	for (size_t i = 0; i < command_count; i++) {
		printf("\t'%s'*) reply='", commands[i].name);
		for (size_t j = 0; j < commands[i].option_count; j++)
			printf("%s--%s", j ? " " : "", commands[i].options[j].name);
		puts("' ;;");
	}
	fputs("\t*) reply='", stdout);
	for (size_t i = 0; i < command_count; i++)
		printf("%s%s", i ? " " : "", commands[i].name);
	puts("' ;;\n\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$reply\" -- \"$word\"; compgen "
	     "-f -- \"$word\")\n}\n"
	     "complete -F _merlon merlon ./merlon");
	return EXIT_OK;
}
