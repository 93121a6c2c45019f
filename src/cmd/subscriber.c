// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* `merlon subscriber import` and `add`: what they are given, and where it stands. */
#include "base/secret.h"
#include "cmd/subscriber.h"
#include "codec/subscriber_csv.h"
#include "codec/subscriber_json.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- options ---- */

static bool has_suffix(const char *name, const char *suffix)
{
	const size_t len = strlen(name), end = strlen(suffix);

	return len > end && strcmp(name + len - end, suffix) == 0;
}

/* What --format says; else what the file's name says; else the site looks at the first octet. */
static enum import_format format_of(const char *said, const char *path)
{
	bool known;

	if (said != NULL)
		return import_format_from(span_str(said), &known);
	if (has_suffix(path, ".csv"))
		return IMPORT_CSV;
	return has_suffix(path, ".jsonl") || has_suffix(path, ".ndjson") ? IMPORT_JSONL
									 : IMPORT_AUTO;
}

static int read_options(const struct invocation *in, const char *path, struct import_options *o)
{
	const char *errors = option_value(in, "errors");
	const char *transport = option_value(in, "transport");
	const char *slash = strrchr(path, '/');
	char *end = NULL;

	const unsigned long listed =
		errors == NULL ? IMPORT_ERRORS_DEFAULT : strtoul(errors, &end, 10);
	if (listed < 1 || listed > IMPORT_ERRORS_MAX || (end != NULL && *end != '\0'))
		return fail(EXIT_USAGE, "--errors: a number from 1 to %d", IMPORT_ERRORS_MAX);
	if (transport != NULL && !import_transport_is_valid(transport))
		return fail(EXIT_USAGE,
			"--transport: a name of letters, digits, '.', '_' and '-', at most %d",
			AUC_BATCH_TEXT - 1);
	o->errors = (uint32_t)listed;
	o->is_dry_run = option_value(in, "dry-run") != NULL;
	snprintf(o->transport, sizeof o->transport, "%s", transport != NULL ? transport : "");
	snprintf(o->name, sizeof o->name, "%s",
		strcmp(path, "-") == 0 ? "stdin"
		: slash != NULL        ? slash + 1
				       : path);
	return EXIT_OK;
}

/* ---- import ---- */

/* The file is opened here, with the operator's own rights; the import process gets the descriptor
 * and reads nothing else. */
static int import_path(struct subscriber_import *import, const char *path)
{
	static int fd; /* the feed may outlive this call */
	struct stat about;

	fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &about) != 0)
		return fail(EXIT_CONFIG, "%s: %s", path, strerror(errno));
	if (S_ISDIR(about.st_mode))
		return fail(EXIT_CONFIG, "%s: is a folder", path);
	if (S_ISREG(about.st_mode) && fd != STDIN_FILENO) {
		import->fd = fd;
	} else {
		import->feed = subscriber_feed_copy;
		import->ctx = &fd;
	}
	return subscriber_import_run(import);
}

struct conversion {
	const char *path;
	struct migration migration;
	bool is_whole; /* all of it was taken, or was to be skipped */
};

static bool feed_conversion(void *ctx, int out)
{
	struct conversion *c = ctx;

	c->migration.out = out;
	c->is_whole =
		c->migration.read(c->path, &c->migration) && migration_is_whole(&c->migration);
	return c->is_whole;
}

static int import_from(
	struct subscriber_import *import, const struct invocation *in, const char *from)
{
	struct conversion c = {.path = in->argv[0],
		.migration = {.read = migration_named(from),
			.is_skipping = option_value(in, "skip") != NULL}};

	import->options.format = IMPORT_JSONL;
	import->feed = feed_conversion;
	import->ctx = &c;
	const int code = subscriber_import_run(import);
	return c.is_whole ? code : EXIT_CONFIG;
}

int subscriber_import_command(const struct invocation *in)
{
	struct site_found site;
	struct subscriber_import import = {.site = &site, .fd = -1, .wants_json = wants_json(in)};
	const char *from = option_value(in, "from"), *format = option_value(in, "format");

	if (failed(secret_forbid_dumps()))
		return fail(EXIT_FAILED, "cannot forbid core dumps");
	import.options.format = format_of(format, in->argv[0]);
	int code = read_options(in, in->argv[0], &import.options);
	if (code == EXIT_OK && from != NULL && format != NULL)
		code = fail(EXIT_USAGE, "--from and --format: one of them");
	if (code == EXIT_OK && from == NULL && option_value(in, "skip") != NULL)
		code = fail(EXIT_USAGE, "--skip goes with --from");
	if (code == EXIT_OK)
		code = subscriber_site(in, &site);
	if (code != EXIT_OK)
		return code;
	return from != NULL ? import_from(&import, in, from) : import_path(&import, in->argv[0]);
}

/* ---- add: one subscriber, whose keys stand in a file ---- */

enum { KEY_FILE_MAX = 2 * SUBSCRIBER_LINE_MAX };

struct one {
	_Alignas(16) uint8_t scratch[SUBSCRIBER_JSON_SCRATCH];
	uint8_t file[KEY_FILE_MAX], line[SUBSCRIBER_JSON_MAX];
	struct subscriber_row row;
	size_t len, line_len;
};

static struct err key_file_load(const char *path, struct one *one)
{
	const int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0 && one->len < sizeof one->file) {
		n = read(fd, one->file + one->len, sizeof one->file - one->len);
		one->len += n > 0 ? (size_t)n : 0;
	}
	if (fd > STDIN_FILENO)
		close(fd);
	return n < 0 ? ERR(IO) : n > 0 ? ERR(LIMIT) : OK;
}

/* The file's next line that says something, and its number. */
static bool line_take(struct span *text, struct span *line, uint32_t *number)
{
	size_t len;

	while (csv_line(*text, true, line, &len)) {
		*text = span_of(text->at + len, text->len - len);
		++*number;
		if (!csv_is_blank(*line))
			return true;
	}
	return false;
}

/* One JSON line, or a CSV header and one row. */
static struct err key_file_decode(struct one *one, uint32_t *number, struct subscriber_fault *fault)
{
	struct span text = span_of(one->file, one->len), line;
	struct csv_shape shape;
	struct err e;

	*fault = (struct subscriber_fault){.column = 1, .expected = "a subscriber's keys"};
	if (!line_take(&text, &line, number))
		return ERR(INPUT);
	if (line.at[0] == '{') {
		e = subscriber_json_decode(line, one->scratch, &one->row, fault);
	} else {
		e = csv_header_decode(line, &shape, fault);
		if (!failed(e) && !line_take(&text, &line, number)) {
			*fault = (struct subscriber_fault){.column = 1, .expected = "one row"};
			return ERR(INPUT);
		}
		if (!failed(e))
			e = csv_row_decode(line, &shape, &one->row, fault);
	}
	if (!failed(e) && line_take(&text, &line, number)) {
		*fault = (struct subscriber_fault){.column = 1, .expected = "one subscriber alone"};
		return ERR(INPUT);
	}
	return e;
}

static bool feed_one(void *ctx, int out)
{
	const struct one *one = ctx;

	return subscriber_write(out, span_of(one->line, one->line_len));
}

/* What stands on the command line: it is not secret. */
static int take_option(struct one *one, enum subscriber_field field, const char *text)
{
	struct subscriber_fault fault;

	if (text == NULL ||
		!failed(subscriber_row_take(&one->row, field, span_str(text), 1, &fault)))
		return EXIT_OK;
	return fail(
		EXIT_USAGE, "--%s: %s is expected", subscriber_field_name(field), fault.expected);
}

static int read_one(const struct invocation *in, struct one *one)
{
	const char *path = option_value(in, "key-file");
	struct writer w = writer_of(SPAN_MUT_ARRAY(one->line));
	struct subscriber_fault fault = {0};
	uint32_t number = 0;

	if (option_value(in, "imsi") == NULL || path == NULL)
		return fail(EXIT_USAGE,
			"subscriber add: --imsi and --key-file are wanted; keys are "
			"never on the command line");
	subscriber_row_begin(&one->row);
	int code = take_option(one, SUBSCRIBER_IMSI, option_value(in, "imsi"));
	if (code == EXIT_OK)
		code = take_option(one, SUBSCRIBER_MSISDN, option_value(in, "msisdn"));
	if (code != EXIT_OK)
		return code;
	const struct err e = key_file_load(path, one);
	if (failed(e))
		return fail(EXIT_CONFIG, "%s: %s", path,
			e.kind == ERR_LIMIT ? "too long for one subscriber" : strerror(errno));
	if (failed(key_file_decode(one, &number, &fault)))
		return fail(EXIT_CONFIG, "%s:%u:%zu: %s is expected", path, number, fault.column,
			fault.expected);
	subscriber_json_encode(&w, &one->row);
	one->line_len = w.len;
	return EXIT_OK;
}

int subscriber_add_command(const struct invocation *in)
{
	struct site_found site;
	struct secret secret;
	struct subscriber_import import = {.site = &site,
		.fd = -1,
		.options = {.format = IMPORT_JSONL, .errors = 1, .name = "key file"},
		.feed = feed_one,
		.wants_json = wants_json(in)};
	const char *transport = option_value(in, "transport");

	if (failed(secret_forbid_dumps()))
		return fail(EXIT_FAILED, "cannot forbid core dumps");
	if (transport != NULL && !import_transport_is_valid(transport))
		return fail(EXIT_USAGE, "--transport: no such name");
	snprintf(import.options.transport, sizeof import.options.transport, "%s",
		transport != NULL ? transport : "");
	if (failed(secret_open(&secret, sizeof(struct one))))
		return fail(EXIT_FAILED, "no memory for secrets");
	struct one *one = (struct one *)(void *)secret.bytes;
	import.ctx = one;
	int code = read_one(in, one);
	if (code == EXIT_OK)
		code = subscriber_site(in, &site);
	if (code == EXIT_OK)
		code = subscriber_import_run(&import);
	secret_close(&secret);
	return code;
}
