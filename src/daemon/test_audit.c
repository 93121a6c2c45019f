// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The audit process from outside: the real executable in its sandbox, spoken to as supervisor and as kms-store. */
#include "codec/audit_msg.h"
#include "codec/proc_msg.h"
#include "host/audit_log.h"
#include "host/loop.h"
#include "host/settings.h"
#include <stdarg.h>
#include <setjmp.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { CONTROL, HANDOVER, STORE, CHANNELS };

struct child {
	pid_t pid;
	int ends[CHANNELS];
};

static char folder[] = "/tmp/merlon-audit-XXXXXX";

static void executable_find(char *out, size_t octets)
{
	char self[1024];
	const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	assert_true(len > 0);
	self[len] = '\0';
	snprintf(out, octets, "%s/merlon-audit", dirname(self));
}

static struct child child_start(void)
{
	struct child c;
	int theirs[CHANNELS];
	char path[1100];

	executable_find(path, sizeof path);
	for (int i = 0; i < CHANNELS; i++) {
		int pair[2];
		const int type = i == HANDOVER ? SOCK_SEQPACKET : SOCK_STREAM;
		assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
		c.ends[i] = pair[0];
		theirs[i] = fcntl(pair[1], F_DUPFD_CLOEXEC, 20);
		close(pair[1]);
	}
	c.pid = fork();
	if (c.pid == 0) {
		for (int i = 0; i < CHANNELS; i++)
			dup2(theirs[i], 3 + i);
		execl(path, path, "--channel", "kms-store=5", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < CHANNELS; i++)
		close(theirs[i]);
	return c;
}

static int child_end(struct child *c, int signal_number)
{
	int status;

	if (signal_number != 0)
		kill(c->pid, signal_number);
	waitpid(c->pid, &status, 0);
	for (int i = 0; i < CHANNELS; i++)
		close(c->ends[i]);
	return status;
}

static void frame_send(int fd, const struct ipc_frame *frame)
{
	static uint8_t bytes[64 << 10];
	struct writer w = writer_of(SPAN_MUT_ARRAY(bytes));
	struct span message;

	ipc_encode(&w, frame);
	assert_false(failed(writer_result(&w, &message)));
	assert_int_equal(write(fd, message.at, message.len), message.len);
}

static bool bytes_read(int fd, uint8_t *out, size_t len)
{
	for (size_t done = 0; done < len;) {
		const ssize_t n = read(fd, out + done, len - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static struct ipc_frame frame_read(int fd)
{
	static uint8_t bytes[64 << 10];
	struct wire_fault fault = {0};
	struct ipc_frame frame;
	size_t size;

	assert_true(bytes_read(fd, bytes, 4));
	assert_false(failed(ipc_frame_size(span_of(bytes, 4), &size)));
	assert_true(size <= sizeof bytes && bytes_read(fd, bytes + 4, size - 4));
	assert_false(failed(ipc_decode(span_of(bytes, size), &frame, &fault)));
	return frame;
}

static struct proc_outcome child_set_up(struct child *c)
{
	static struct settings settings;
	static uint8_t encoded[32 << 10], body[40 << 10];
	struct wire_fault fault = {0};
	struct proc_setup setup = {.process = "audit", .site = "test", .log_least = LOG_ERROR};
	struct proc_outcome outcome;

	settings = (struct settings){0};
	assert_false(failed(settings_set(&settings, "folder", "%s", folder)));
	settings_encode(&settings, SPAN_MUT_ARRAY(encoded), &setup.settings);
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	proc_setup_encode(&w, &setup);
	frame_send(c->ends[CONTROL],
		&(struct ipc_frame){
			.kind = IPC_NOTICE, .type = PROC_SETUP, .body = writer_span_done(&w)});
	struct ipc_frame ready = frame_read(c->ends[CONTROL]);
	while (ready.type == PROC_ALARM)
		ready = frame_read(c->ends[CONTROL]);
	assert_int_equal(ready.type, PROC_READY);
	assert_false(failed(proc_outcome_decode(ready.body, &outcome, &fault)));
	return outcome;
}

static void event_send(struct child *c, uint64_t id, const char *event)
{
	uint8_t body[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	audit_append_encode(&w, &(struct audit_append){.event = span_str(event)});
	frame_send(c->ends[STORE], &(struct ipc_frame){.kind = IPC_REQUEST,
					   .type = AUDIT_APPEND,
					   .request_id = id,
					   .deadline_ms = 1000,
					   .body = writer_span_done(&w)});
}

static uint64_t answer_read(struct child *c, uint64_t id, enum err_kind kind)
{
	const struct ipc_frame answer = frame_read(c->ends[STORE]);
	struct audit_appended appended = {0};
	struct wire_fault fault = {0};

	assert_int_equal(answer.kind, IPC_ANSWER);
	assert_int_equal(answer.request_id, id);
	assert_int_equal(answer.err.kind, kind);
	if (kind == ERR_NONE)
		assert_false(failed(audit_appended_decode(answer.body, &appended, &fault)));
	return appended.seq;
}

static struct audit_summary log_summary(void)
{
	struct audit_summary summary;
	struct complaint c = {0};
	struct disk disk;

	assert_false(failed(disk_posix_open(&disk, folder, &c)));
	if (failed(audit_log_verify(&disk, &summary, &c)))
		fail_msg("%s", c.text);
	disk_posix_close(&disk);
	return summary;
}

static void test_events_are_answered_when_they_are_in_the_log(void **state)
{
	struct child c = child_start();

	(void)state;
	const struct proc_outcome ready = child_set_up(&c);
	if (failed(ready.err))
		fail_msg("%.*s", (int)ready.text.len, (const char *)ready.text.at);
	for (uint64_t i = 1; i <= 100; i++)
		event_send(&c, i, "{\"what\":\"key_delivered\"}");
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(answer_read(&c, i, ERR_NONE), i);
	event_send(&c, 101, "{\"not\":json}");
	answer_read(&c, 101, ERR_INPUT);
	frame_send(c.ends[STORE],
		&(struct ipc_frame){.kind = IPC_REQUEST, .type = 0x0599, .request_id = 102});
	answer_read(&c, 102, ERR_INPUT);
	assert_true(WIFSIGNALED(child_end(&c, SIGKILL)));
	assert_int_equal(log_summary().records, 100);
}

static void test_after_a_kill_the_chain_goes_on_and_a_torn_end_is_cut(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "%s/%s", folder, AUDIT_FILE);
	FILE *f = fopen(path, "a");
	fputs("{\"seq\":101,\"unix", f);
	fclose(f);
	struct child c = child_start();
	assert_false(failed(child_set_up(&c).err));
	event_send(&c, 1, "{}");
	assert_int_equal(answer_read(&c, 1, ERR_NONE), 101);
	const int status = child_end(&c, SIGTERM);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(log_summary().records, 101);
}

static void test_a_changed_log_is_refused_at_start(void **state)
{
	char path[64], text[512] = "";

	(void)state;
	snprintf(path, sizeof path, "%s/%s", folder, AUDIT_FILE);
	FILE *f = fopen(path, "r+");
	fseek(f, 30, SEEK_SET);
	const int digit = fgetc(f); /* of the time: it must become another one */
	fseek(f, 30, SEEK_SET);
	fputc(digit == '9' ? '8' : '9', f);
	fclose(f);
	struct child c = child_start();
	const struct proc_outcome ready = child_set_up(&c);
	snprintf(text, sizeof text, "%.*s", (int)ready.text.len, (const char *)ready.text.at);
	assert_int_equal(ready.err.kind, ERR_STATE);
	assert_non_null(strstr(text, "audit.jsonl is broken: the record at octet 0 has a hash"));
	assert_int_equal(WEXITSTATUS(child_end(&c, 0)), 78);
	unlink(path);
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_are_answered_when_they_are_in_the_log),
		cmocka_unit_test(test_after_a_kill_the_chain_goes_on_and_a_torn_end_is_cut),
		cmocka_unit_test(test_a_changed_log_is_refused_at_start),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
