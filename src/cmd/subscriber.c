// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/command.h"
#include "cmd/sites.h"
#include "codec/proc_msg.h"
#include "host/control.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

enum { IMPORT_MS_MAX = 600000 };

static void print_imported(const char *json, size_t len)
{
	yyjson_doc *doc = yyjson_read(json, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);

	printf("%llu subscribers imported in %.1f s\n",
		(unsigned long long)yyjson_get_uint(yyjson_obj_get(root, "subscribers")),
		yyjson_get_num(yyjson_obj_get(root, "seconds")));
	yyjson_doc_free(doc);
}

/* The file is opened here, with the operator's own rights; the import process gets the descriptor and reads
 * nothing else. */
static int import_into(const struct invocation *in, const struct site_found *site)
{
	uint8_t body[1024];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct proc_run_once ask = {.process = "auc-import"};
	const char *name = strrchr(in->argv[0], '/');
	const int fd = open(in->argv[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail(EXIT_CONFIG, "%s: %s", in->argv[0], strerror(errno));
	snprintf(ask.argument, sizeof ask.argument, "%s", name != NULL ? name + 1 : in->argv[0]);
	proc_run_once_encode(&w, &ask);
	struct control_reply reply =
		control_ask(site->socket, PROC_RUN_ONCE, writer_span_done(&w), fd, IMPORT_MS_MAX);
	close(fd);
	const int code =
		failed(reply.err) ? fail(exit_code_of_reply(&reply), "%s", reply.text) : EXIT_OK;
	if (code == EXIT_OK && wants_json(in))
		puts(reply.text);
	else if (code == EXIT_OK)
		print_imported(reply.text, reply.len);
	control_reply_free(&reply);
	return code;
}

int subscriber_import_command(const struct invocation *in)
{
	struct site_found found[SITES_MAX];
	const size_t count = sites_find(found, option_value(in, "site"));

	if (count == 0)
		return fail(EXIT_UNREACHABLE, "no site runs on this machine");
	if (count > 1)
		return fail(EXIT_USAGE, "several sites run here: choose one with --site");
	return import_into(in, &found[0]);
}
