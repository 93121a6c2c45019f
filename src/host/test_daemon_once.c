// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Level IMPORT: reads the file that it was given, shows it to a vault of its own, tells the result.
 */
#include "test_daemon.h"
#include <unistd.h>

static struct {
	struct process *process;
	char content[64], argument[32];
	size_t len;
	struct channel *vault;
} the;

static const struct setting_row rows[] = {
	{.name = "argument",
		.type = SETTING_TEXT,
		.is_optional = true,
		.size = sizeof the.argument},
};

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx, (void)c, (void)frame;
}

static const struct channel_events events = {.frame = on_frame};

static struct err start(struct process *p, struct complaint *c)
{
	the.process = p;
	return settings_read(&p->settings, rows, ARRAY_LEN(rows), the.argument, c);
}

static void on_answer(void *ctx, struct err err, struct span body)
{
	char text[128], json[256];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(json));

	(void)ctx;
	snprintf(text, sizeof text, "%.*s", (int)body.len, (const char *)body.at);
	json_open(&j, NULL, '{');
	json_text(&j, "vault_said", text);
	json_text(&j, "argument", the.argument);
	json_close(&j, '}');
	process_result(the.process, err, json_done(&j));
}

static void channel(struct process *p, const char *peer, int fd)
{
	if (strcmp(peer, "file") == 0) {
		const ssize_t n = read(fd, the.content, sizeof the.content);
		the.len = n < 0 ? 0 : (size_t)n;
		close(fd);
	} else if (failed(channel_open_fd(&the.vault, &p->loop, fd, &events, NULL)) ||
		   failed(channel_ask(the.vault, TEST_ECHO, span_of(the.content, the.len),
			   TEST_ASK_MS, on_answer, NULL))) {
		process_fail(p, "no vault");
	}
}

static const struct process_kind once = {
	.name = "test-once", .sandbox = SANDBOX_IMPORT, .start = start, .channel = channel};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &once);
}
