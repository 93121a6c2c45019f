// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/inner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20, ASK_DEADLINE_MS = 5000, PROGRAM_BUFFERS = 4 };

const char *lab_program(const struct lab *lab, const char *name)
{
	static char paths[PROGRAM_BUFFERS][2 * CHILD_PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % PROGRAM_BUFFERS];

	snprintf(path, sizeof paths[0], "%s/%s", lab->programs, name);
	return path;
}

yyjson_doc *lab_answer_read(const char *text, size_t len)
{
	return yyjson_read(text, len, 0);
}

yyjson_doc *lab_json(const struct lab *lab, const char *space, const char *const argv[],
	unsigned deadline_ms, struct complaint *c)
{
	char *answer = malloc(ANSWER_MAX);
	yyjson_doc *doc = NULL;

	(void)lab;
	if (answer == NULL)
		return NULL;
	if (!failed(child_run(space, LAB_FOLDER "/logs/commands.log", argv, answer, ANSWER_MAX,
		    deadline_ms, c))) {
		doc = lab_answer_read(answer, strlen(answer));
		if (doc == NULL)
			(void)complain(c, ERR(INPUT), "%s did not answer in JSON: %.100s", argv[0],
				answer);
	}
	free(answer);
	return doc;
}

yyjson_doc *lab_status(const struct lab *lab, const struct lab_site *site, struct complaint *c)
{
	const char *const argv[] = {
		lab_program(lab, "merlon"), "status", "--site", site->name, "-o", "json", NULL};

	return lab_json(lab, NULL, argv, ASK_DEADLINE_MS, c);
}

static yyjson_val *process_of(yyjson_doc *status, const char *process)
{
	yyjson_arr_iter iter =
		yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(status), "processes"));

	for (yyjson_val *p = yyjson_arr_iter_next(&iter); p != NULL;
		p = yyjson_arr_iter_next(&iter)) {
		const char *name = yyjson_get_str(yyjson_obj_get(p, "name"));
		if (name != NULL && strcmp(name, process) == 0)
			return p;
	}
	return NULL;
}

yyjson_val *lab_member(yyjson_doc *status, const char *process, const char *pointer)
{
	yyjson_val *p = process_of(status, process);

	return p == NULL ? NULL : yyjson_ptr_get(p, pointer);
}

pid_t lab_pid(yyjson_doc *status, const char *process)
{
	yyjson_val *pid = lab_member(status, process, "/pid");

	/* It will be given to kill(): a negative one would mean a whole group. */
	return yyjson_is_uint(pid) && yyjson_get_uint(pid) <= INT32_MAX
		       ? (pid_t)yyjson_get_uint(pid)
		       : 0;
}
