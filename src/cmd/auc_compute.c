// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon auc compute: one computation from options, or one a line from standard input. What is
 * computed is decided in auc/compute.c; here is how it comes in and goes out. Answers are flushed
 * before each wait for input, so that a program may write a line and read its answer.
 */
#include "auc_compute.h"
#include "auc/compute.h"
#include "base/secret.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static_assert((int)AUC_COMPUTE_OPTIONS <= (int)OPTIONS_MAX, "every member has an option");

#define VALUE_HEX "HEX"
#define VALUE_SQN "HEX"
#define VALUE_NUMBER "N"
#define VALUE_TEXT "TEXT"
#define VALUE_BOOL NULL
#define OPTION_GIVEN(word, kind, help) {#word, 0, VALUE_##kind, help},
#define OPTION_ANSWER(word, kind, help)
#define M(word, kind, min, max, role, help) OPTION_##role(word, kind, help)
const struct option_row auc_compute_options[AUC_COMPUTE_OPTIONS] = {
	{"output", 'o', "json|table", "how to print (default: json, one object a line)"},
	{"list", 0, NULL, "the algorithms and derivations, with what each needs and gives"},
	COMPUTE_MEMBERS(M)};
#undef M

enum { FIRST_MEMBER_OPTION = 2 };

static int list_all(bool is_json)
{
	struct compute_listed l;

	for (size_t i = 0; compute_list(i, &l); i++)
		if (is_json)
			printf("{\"algorithm\":\"%s\",\"clause\":\"%s\",\"needs\":\"%s\","
			       "\"gives\":\"%s\"}\n",
				l.word, l.clause, l.needs, l.gives);
		else
			printf("%-24s %-22s %s -> %s\n", l.word, l.clause, l.needs, l.gives);
	return EXIT_OK;
}

/* ---- from options ---- */

static bool has_members(const struct invocation *in)
{
	for (size_t i = FIRST_MEMBER_OPTION; i < in->command->option_count; i++)
		if (in->values[i] != NULL)
			return true;
	return false;
}

static void print_table(const struct compute *c)
{
	char hex[2 * COMPUTE_OCTETS_MAX + 1];

	for (size_t m = COMPUTE_NONE + 1; m < COMPUTE_MEMBERS_END; m++) {
		const enum compute_kind kind = compute_rows[m].kind;
		if (!c->is_computed[m])
			continue;
		if (kind == COMPUTE_TEXT)
			snprintf(hex, sizeof hex, "%.*s", (int)c->len[m],
				(const char *)c->octets[m]);
		else if (kind == COMPUTE_BOOL)
			snprintf(hex, sizeof hex, "%s", c->octets[m][0] ? "true" : "false");
		else
			hex_from_span(hex, span_of(c->octets[m], c->len[m]));
		printf("%-12s %s\n", compute_rows[m].word, hex);
	}
	secret_wipe(hex, sizeof hex);
}

static struct err options_taken(
	const struct invocation *in, struct compute *c, struct compute_fault *fault)
{
	struct err e = OK;

	for (size_t i = FIRST_MEMBER_OPTION; i < in->command->option_count && !failed(e); i++)
		if (in->values[i] != NULL)
			e = compute_set(c, compute_member_of(span_str(auc_compute_options[i].name)),
				in->values[i], fault);
	return e;
}

/* The one refusal that comes before any other; then what was wrong already; then the computation. */
static struct err computed(struct compute *c, struct err e, struct compute_fault *fault)
{
	if (compute_refuses(c, fault))
		return ERR(INPUT);
	return failed(e) ? e : compute_run(aes128_engine(), c, fault);
}

static int from_options(const struct invocation *in, struct compute *c, bool is_json)
{
	static uint8_t answer[COMPUTE_ANSWER_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(answer));
	struct compute_fault fault = {0};

	const struct err e = computed(c, options_taken(in, c, &fault), &fault);
	if (failed(e))
		return fail(e.kind == ERR_INPUT ? EXIT_USAGE : exit_code_of(e),
			"auc compute: %s%s%s%s", fault.field[0] != '\0' ? "--" : "", fault.field,
			fault.field[0] != '\0' ? ": " : "", fault.text);
	if (is_json) {
		compute_encode_answer(&w, c);
		writer_u8(&w, '\n');
		fwrite(answer, 1, w.len, stdout);
		secret_wipe(answer, w.len);
	} else {
		print_table(c);
	}
	return fflush(stdout) == 0 && !ferror(stdout)
		       ? EXIT_OK
		       : fail(EXIT_FAILED, "auc compute: writing failed");
}

/* ---- from lines ---- */

struct lines {
	struct compute c;
	uint64_t line, faults;
	bool is_too_long; /* the rest of a line that was refused is skipped */
	size_t len;
	char text[8 * COMPUTE_LINE_MAX];
	uint8_t out[8 * COMPUTE_ANSWER_MAX];
	struct writer w;
};

static void flush(struct lines *l)
{
	fwrite(l->out, 1, l->w.len, stdout);
	fflush(stdout);
	l->w = writer_of(SPAN_MUT_ARRAY(l->out));
}

static void answer(struct lines *l, struct span line)
{
	struct compute_fault fault = {0};

	if (sizeof l->out - l->w.len < COMPUTE_ANSWER_MAX)
		flush(l);
	const struct err e = computed(&l->c, compute_decode(&l->c, line, &fault), &fault);
	if (failed(e)) {
		l->faults++;
		compute_encode_fault(&l->w, &l->c, &fault, l->line);
	} else {
		compute_encode_answer(&l->w, &l->c);
	}
	writer_u8(&l->w, '\n');
}

/* One line without its end; an empty one is passed over. */
static void line_done(struct lines *l, const char *text, size_t len)
{
	size_t blank = 0;

	l->line++;
	if (l->is_too_long) {
		l->is_too_long = false;
		return;
	}
	while (blank < len && (text[blank] == ' ' || text[blank] == '\t' || text[blank] == '\r'))
		blank++;
	if (blank < len)
		answer(l, span_of(text, len));
}

/* All whole lines of what is there; what is left moves to the front. */
static void lines_done(struct lines *l)
{
	size_t at = 0;
	const char *end;

	while ((end = memchr(l->text + at, '\n', l->len - at)) != NULL) {
		const size_t len = (size_t)(end - (l->text + at));
		line_done(l, l->text + at, len);
		at += len + 1;
	}
	memmove(l->text, l->text + at, l->len - at);
	l->len -= at;
	if (l->len <= COMPUTE_LINE_MAX)
		return;
	if (!l->is_too_long) {
		l->line++;
		answer(l, span_of(l->text, l->len)); /* refused for its length */
		l->line--;
	}
	l->is_too_long = true;
	l->len = 0;
}

static int from_lines(struct lines *l)
{
	ssize_t n;

	l->w = writer_of(SPAN_MUT_ARRAY(l->out));
	do {
		flush(l);
		assert(l->len <= COMPUTE_LINE_MAX); /* all else was taken as lines */
		n = read(STDIN_FILENO, l->text + l->len, sizeof l->text - l->len);
		l->len += n > 0 ? (size_t)n : 0;
		lines_done(l);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (l->len > 0)
		line_done(l, l->text, l->len);
	flush(l);
	if (n < 0 || ferror(stdout))
		return fail(EXIT_FAILED, "auc compute: reading or writing failed");
	return l->faults > 0 ? EXIT_CONFIG : EXIT_OK;
}

int auc_compute_command(const struct invocation *in)
{
	static struct lines lines;
	const char *output = option_value(in, "output");
	const bool is_json = output == NULL || strcmp(output, "json") == 0;
	const bool has_input = in->argc > 0;

	if (option_value(in, "list") != NULL)
		return list_all(output != NULL && is_json);
	if (has_input && strcmp(in->argv[0], "-") != 0)
		return fail(EXIT_USAGE, "auc compute: '%s': only '-' is taken, standard input",
			in->argv[0]);
	if (has_input && has_members(in))
		return fail(EXIT_USAGE,
			"auc compute: members come from options or from lines, not both");
	if (!is_json && !has_members(in))
		return fail(EXIT_USAGE, "auc compute: lines are answered in JSON");
	const int code = has_members(in) ? from_options(in, &lines.c, is_json) : from_lines(&lines);
	secret_wipe(&lines, sizeof lines);
	return code;
}
