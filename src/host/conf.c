// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "conf.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORD_MAX = 64, DISTANCE_MAX = 3, SCHEMA_DEPTH_MAX = 8 };

/* libcyaml tells what is wrong in log lines: a message, then a backtrace whose first place is the place. */
struct told {
	char message[256];
	int line, column;
};

/* The format is libcyaml's own; the attribute tells clang that we know. */
__attribute__((format(printf, 3, 0))) static void listen_to_cyaml(
	cyaml_log_t level, void *ctx, const char *format, va_list args)
{
	struct told *told = ctx;
	char text[256];
	int line, column;

	(void)level;
	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\n")] = '\0';
	const char *place = strstr(text, "(line: ");
	if (place == NULL) {
		const char *message = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
		if (told->message[0] == '\0' && strncmp(message, "Backtrace", 9) != 0)
			snprintf(told->message, sizeof told->message, "%s", message);
	} else if (told->line == 0 &&
		   sscanf(place, "(line: %d, column: %d)", &line, &column) == 2) {
		told->line = line;
		told->column = column;
	}
}

static size_t min3(size_t a, size_t b, size_t c)
{
	const size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Edit distance [Levenshtein 1966]: one row at a time. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	const size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			const size_t above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

struct search {
	const char *word, *best;
	size_t best_distance;
};

static void search_schema(const cyaml_schema_value_t *schema, struct search *s, int depth)
{
	if (schema->type == CYAML_SEQUENCE && depth < SCHEMA_DEPTH_MAX)
		search_schema(schema->sequence.entry, s, depth + 1);
	if (schema->type != CYAML_MAPPING || depth == SCHEMA_DEPTH_MAX)
		return;
	for (const cyaml_schema_field_t *f = schema->mapping.fields; f->key != NULL; f++) {
		const size_t d = distance(s->word, f->key);
		if (d < s->best_distance) {
			s->best = f->key;
			s->best_distance = d;
		}
		search_schema(&f->value, s, depth + 1);
	}
}

const char *conf_nearest(const cyaml_schema_value_t *schema, const char *word)
{
	struct search s = {.word = word, .best_distance = DISTANCE_MAX};

	search_schema(schema, &s, 0);
	return s.best;
}

/*
 * libcyaml places an unknown key at the element before it. The key itself is the first line from there on that
 * begins with it (after blanks and list dashes).
 */
static void place_key(const char *path, const char *word, struct told *told)
{
	char text[512];
	FILE *file = fopen(path, "r");

	for (int line = 1; file != NULL && fgets(text, sizeof text, file) != NULL; line++) {
		const size_t indent = strspn(text, " -");
		const size_t len = strlen(word);
		if (line < told->line || strncmp(text + indent, word, len) != 0 ||
			strspn(text + indent + len, " ") != strcspn(text + indent + len, ":"))
			continue;
		told->line = line;
		told->column = (int)indent + 1;
		break;
	}
	if (file != NULL)
		fclose(file);
}

static struct err explain(const char *path, const cyaml_schema_value_t *schema, struct told *told,
	cyaml_err_t why, struct complaint *c)
{
	static const char unknown[] = "Unexpected key: ";
	const char *message = told->message[0] != '\0' ? told->message : cyaml_strerror(why);

	if (why != CYAML_ERR_INVALID_KEY || strncmp(message, unknown, sizeof unknown - 1) != 0)
		return complain(
			c, ERR(INPUT), "%s:%d:%d: %s", path, told->line, told->column, message);
	const char *word = message + sizeof unknown - 1;
	const char *nearest = conf_nearest(schema, word);
	place_key(path, word, told);
	return complain(c, ERR(INPUT), "%s:%d:%d: unknown key '%s'%s%s%s", path, told->line,
		told->column, word, nearest ? " (did you mean '" : "", nearest ? nearest : "",
		nearest ? "'?)" : "");
}

static cyaml_config_t config_for(struct told *told)
{
	return (cyaml_config_t){.log_fn = listen_to_cyaml,
		.log_ctx = told,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR};
}

struct err conf_load(
	const char *path, const cyaml_schema_value_t *schema, void **out, struct complaint *c)
{
	struct told told = {0};
	const cyaml_config_t config = config_for(&told);

	*out = NULL;
	if (access(path, R_OK) != 0)
		return complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	const cyaml_err_t why = cyaml_load_file(path, &config, schema, (cyaml_data_t **)out, NULL);
	if (why != CYAML_OK)
		return explain(path, schema, &told, why, c);
	/* For libcyaml a file without a document is fine; it may be one that an editor is just
	 * writing. */
	return *out != NULL ? OK
			    : complain(c, ERR(INPUT), "%s:1:1: nothing is configured here", path);
}

void conf_free(const cyaml_schema_value_t *schema, void *loaded)
{
	struct told told = {0};
	const cyaml_config_t config = config_for(&told);

	if (loaded != NULL)
		cyaml_free(&config, schema, loaded, 0);
}
