// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The front door: merlon <command> [options] [arguments]. One table (commands.c) says what there is; dispatch, help, the manual
 * page and shell completion are all made from it. A command's name may be two words ("keys trace").
 *
 * Every command that shows something takes -o table|json. Exit codes are stable. There is no colour where standard output is not a
 * terminal, or where NO_COLOR is set.
 */
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* it was tried and did not succeed; the reason is on standard error */
	EXIT_USAGE = 2,  /* the command line makes no sense */
	EXIT_CONFIG = 3, /* a configuration or input file is wrong; file, line, column are told */
	EXIT_UNREACHABLE = 4, /* the site's supervisor does not answer */
	EXIT_PRIVILEGE = 5,   /* needs root or a capability */
};

struct option_row {
	const char *name;  /* "site" for --site */
	char letter;       /* 0: none */
	const char *value; /* "NAME", "table|json"; NULL: a switch */
	const char *help;
};

struct invocation;

struct command {
	const char *name;   /* "keys trace" */
	const char *syntax; /* "KEY_ID" */
	int arguments_min, arguments_max;
	const char *help; /* one line */
	const char *text; /* a paragraph for the manual page */
	const struct option_row *options;
	size_t option_count;
	/* NULL: raw. Gets what follows its name as it came. */
	int (*run)(const struct invocation *in);
	int (*run_raw)(int argc, char **argv);
};

enum { OPTIONS_MAX = 96 };

struct invocation {
	const struct command *command;
	const char *values[OPTIONS_MAX]; /* by row; "" for a switch that is on; NULL: not given */
	int argc;
	char **argv; /* arguments without options */
};

extern const struct command commands[];
extern const size_t command_count;

/* The option's value, or NULL. `name` must be a row of the command: our mistake otherwise. */
const char *option_value(const struct invocation *in, const char *name);
bool wants_json(const struct invocation *in);

/* "merlon: …" on standard error; returns `code`. */
int fail(enum exit_code code, const char *format, ...) PRINTF_LIKE(2, 3);
enum exit_code exit_code_of(struct err e);
bool has_colour(void);

int command_dispatch(int argc, char **argv);

/* The commands, one file each (or a few small ones a file). */
int help_command(const struct invocation *in);
int man_command(const struct invocation *in);
int completion_command(const struct invocation *in);
int version_command(const struct invocation *in);
int check_command(const struct invocation *in);
int run_command(const struct invocation *in);
int status_command(const struct invocation *in);
int metrics_command(const struct invocation *in);
int reload_command(const struct invocation *in);
int stop_command(const struct invocation *in);
int doctor_command(const struct invocation *in);
int keys_list_command(const struct invocation *in);
int keys_trace_command(const struct invocation *in);
int tunnel_rotate_command(const struct invocation *in);
int auc_keys_command(const struct invocation *in);
int auc_rotate_kek_command(const struct invocation *in);
int subscriber_add_command(const struct invocation *in);
int subscriber_convert_command(const struct invocation *in);
int subscriber_disable_command(const struct invocation *in);
int subscriber_enable_command(const struct invocation *in);
int subscriber_export_command(const struct invocation *in);
int subscriber_import_command(const struct invocation *in);
int subscriber_list_command(const struct invocation *in);
int subscriber_remove_command(const struct invocation *in);
int subscriber_reset_sqn_command(const struct invocation *in);
int subscriber_show_command(const struct invocation *in);
int auc_token_key_command(const struct invocation *in);
int audit_verify_command(const struct invocation *in);
int bench_command(const struct invocation *in);
int qkd_blocks_command(const struct invocation *in);
int qkd_plan_command(const struct invocation *in);
int qkd_plot_command(const struct invocation *in);
int qkd_randomness_check_command(const struct invocation *in);
