// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_blocks.h"
#include "qkd/estimate.h"
#include "sites.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LAST_DEFAULT = 20, LAST_MAX = 256, SOURCES = 2, SHOWN_MAX = SITES_MAX * SOURCES * LAST_MAX };

/* ---- one block ---- */

static uint64_t count_of(yyjson_val *block, const char *name)
{
	return yyjson_get_uint(yyjson_obj_get(block, name));
}

static double real_of(yyjson_val *block, const char *name)
{
	return yyjson_get_num(yyjson_obj_get(block, name));
}

static const char *text_of(yyjson_val *block, const char *name)
{
	const char *text = yyjson_get_str(yyjson_obj_get(block, name));

	return text != NULL ? text : "-";
}

static void time_write(yyjson_val *block, char out[static 32])
{
	const time_t seconds = (time_t)(yyjson_get_sint(yyjson_obj_get(block, "unix_ms")) / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
}

double qkd_block_f(yyjson_val *block)
{
	const double least = real_of(block, "sifted") * estimate_entropy(real_of(block, "qber"));

	return least > 0 ? real_of(block, "parities") / least : -1;
}

void qkd_block_print_json(FILE *out, const char *site, yyjson_val *block)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *all = doc == NULL ? NULL : yyjson_val_mut_copy(doc, block);
	const double f = qkd_block_f(block);
	char when[32];

	if (all == NULL)
		return;
	time_write(block, when);
	yyjson_mut_doc_set_root(doc, all);
	yyjson_mut_obj_add_str(doc, all, "time", when);
	yyjson_mut_obj_add_str(doc, all, "site", site);
	if (yyjson_obj_get(block, "f") == NULL)
		yyjson_mut_obj_add_val(
			doc, all, "f", f < 0 ? yyjson_mut_null(doc) : yyjson_mut_real(doc, f));
	if (yyjson_obj_get(block, "mode") == NULL)
		yyjson_mut_obj_add_null(doc, all, "mode");
	char *text = yyjson_mut_write(doc, 0, NULL);
	if (text != NULL)
		fprintf(out, "%s\n", text);
	free(text);
	yyjson_mut_doc_free(doc);
}

void qkd_block_print_row(FILE *out, const char *site, yyjson_val *block)
{
	static const char *const counts[] = {"sifted", "revealed", "corrected"};
	static const char *const leaks[] = {
		"parities", "answers", "tag_bits", "seed_bits", "final_bits", "refill_bits"};
	char when[32], f[16] = "-";

	if (block == NULL) {
		fprintf(out,
			"%-20s %-10s %-12s %-8s %-18s %9s %9s %9s %7s %9s %9s %4s %9s %9s %7s %6s "
			"%s\n",
			"time", "site", "block", "state", "abort", "sifted", "revealed",
			"corrected", "qber", "parities", "answers", "tag", "seed", "final",
			"refill", "f", "mode");
		return;
	}
	time_write(block, when);
	if (qkd_block_f(block) >= 0)
		snprintf(f, sizeof f, "%.3f", qkd_block_f(block));
	fprintf(out, "%-20s %-10s %-12.12s %-8s %-18s", when, site, text_of(block, "block_id"),
		text_of(block, "state"), text_of(block, "abort"));
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		fprintf(out, " %9llu", (unsigned long long)count_of(block, counts[i]));
	fprintf(out, " %7.4f", real_of(block, "qber"));
	for (size_t i = 0; i < ARRAY_LEN(leaks); i++)
		fprintf(out, " %*llu",
			i == 2   ? 4
			: i == 5 ? 7
				 : 9,
			(unsigned long long)count_of(block, leaks[i]));
	fprintf(out, " %6s %s\n", f, text_of(block, "mode"));
}

/* ---- all ---- */

struct shown {
	const char *site;
	yyjson_val *block;
	size_t order; /* of arrival, where times are equal: newer first */
};

struct blocks {
	size_t count, answer_count;
	struct shown shown[SHOWN_MAX];
	yyjson_doc *answers[SITES_MAX * SOURCES];
};

static int by_time(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;
	const int64_t left = yyjson_get_sint(yyjson_obj_get(x->block, "unix_ms")),
		      right = yyjson_get_sint(yyjson_obj_get(y->block, "unix_ms"));

	if (left != right)
		return left < right ? -1 : 1;
	return x->order > y->order ? -1 : 1;
}

static void answer_take(struct blocks *b, const char *site, const struct control_reply *reply)
{
	yyjson_doc *doc = yyjson_read(reply->text, reply->len, 0);
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_doc_get_root(doc));

	if (doc == NULL)
		return;
	b->answers[b->answer_count++] = doc;
	for (yyjson_val *block = yyjson_arr_iter_next(&iter); block != NULL && b->count < SHOWN_MAX;
		block = yyjson_arr_iter_next(&iter)) {
		b->shown[b->count] = (struct shown){site, block, b->count};
		b->count++;
	}
}

/* A site without a quantum link has no such processes, and that is no fault. */
static int site_take(
	struct blocks *b, const struct site_found *site, const char *argument, size_t *answered)
{
	static const char *const sources[SOURCES] = {"kms-store", "qkd"};
	int code = EXIT_OK;

	for (size_t i = 0; i < SOURCES; i++) {
		struct control_reply reply = site_query(site, sources[i], "blocks", argument);
		if (!failed(reply.err)) {
			answer_take(b, site->name, &reply);
			++*answered;
		} else if (reply.err.kind != ERR_ABSENT) {
			code = fail(exit_code_of_reply(&reply), "%s: %s: %s", site->name,
				sources[i], reply.text);
		}
		control_reply_free(&reply);
	}
	return code;
}

static bool last_read(const struct invocation *in, unsigned long *last)
{
	const char *text = option_value(in, "last");
	char *end;

	*last = LAST_DEFAULT;
	if (text == NULL)
		return true;
	errno = 0;
	*last = strtoul(text, &end, 10);
	return errno == 0 && *text >= '1' && *text <= '9' && *end == '\0' && *last <= LAST_MAX;
}

static void show(const struct invocation *in, struct blocks *b, unsigned long last)
{
	qsort(b->shown, b->count, sizeof b->shown[0], by_time);
	if (!wants_json(in))
		qkd_block_print_row(stdout, NULL, NULL);
	for (size_t i = b->count > last ? b->count - last : 0; i < b->count; i++)
		if (wants_json(in))
			qkd_block_print_json(stdout, b->shown[i].site, b->shown[i].block);
		else
			qkd_block_print_row(stdout, b->shown[i].site, b->shown[i].block);
}

int qkd_blocks_command(const struct invocation *in)
{
	static struct blocks blocks;
	const char *link = option_value(in, "link") != NULL ? option_value(in, "link") : "";
	struct site_found found[SITES_MAX];
	char argument[128];
	unsigned long last;
	size_t answered = 0;
	int code = EXIT_OK;

	if (!last_read(in, &last))
		return fail(EXIT_USAGE, "qkd blocks: --last: a number from 1 to %d is expected",
			LAST_MAX);
	if (strlen(link) > 64)
		return fail(EXIT_USAGE, "qkd blocks: --link: at most 64 characters");
	snprintf(argument, sizeof argument, "%lu %s", last, link);
	const size_t count = sites_find(found, option_value(in, "site"));
	for (size_t i = 0; i < count; i++) {
		const int c = site_take(&blocks, &found[i], argument, &answered);
		code = code == EXIT_OK ? c : code;
	}
	if (answered == 0 && code == EXIT_OK)
		code = fail(EXIT_UNREACHABLE, "no site with a quantum link answers");
	if (answered > 0)
		show(in, &blocks, last);
	for (size_t i = 0; i < blocks.answer_count; i++)
		yyjson_doc_free(blocks.answers[i]);
	return code;
}
