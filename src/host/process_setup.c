// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "process_setup.h"
#include "crypt/openssl.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = IPC_HEADER + SETTINGS_ENCODED_MAX + 3 * (2 + PROC_NAME_MAX) + 1 };

static void log_line(void *ctx, enum log_level level, struct span line)
{
	const struct iovec parts[] = {
		{.iov_base = (void *)(uintptr_t)line.at, .iov_len = line.len},
		{.iov_base = (void *)(uintptr_t)"\n", .iov_len = 1},
	};

	(void)ctx;
	(void)level;
	/* One call, so that lines of several processes do not mix. Nobody is there to tell of a
	 * failure. */
	const ssize_t n = writev(STDERR_FILENO, parts, 2);
	(void)n;
}

static int64_t log_unix_ms(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct log log_stderr(const char *process, enum log_level least)
{
	return (struct log){
		.line = log_line, .unix_ms = log_unix_ms, .process = process, .least = least};
}

static bool argument_read(struct process_argument *a, const char *text)
{
	const char *equals = strchr(text, '=');
	char *end;

	if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof a->peer)
		return false;
	snprintf(a->peer, sizeof a->peer, "%.*s", (int)(equals - text), text);
	const long fd = strtol(equals + 1, &end, 10);
	a->fd = (int)fd;
	return equals[1] != '\0' && *end == '\0' && fd > PROCESS_CONTROL_FD && fd < 1024;
}

static bool arguments_read(struct process_setup *setup, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc || strcmp(argv[i], "--channel") != 0 ||
			setup->channel_count == PROCESS_CHANNELS_MAX ||
			!argument_read(&setup->channels[setup->channel_count++], argv[i + 1]))
			return false;
	return true;
}

static bool read_whole(struct span_mut out)
{
	for (size_t len = 0; len < out.len;) {
		const ssize_t n = read(PROCESS_CONTROL_FD, out.at + len, out.len - len);
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		if (n > 0)
			len += (size_t)n;
	}
	return true;
}

/* The first frame, from a buffer that must outlive `setup`. */
static struct err setup_read(
	struct process_setup *setup, struct settings *settings, struct span_mut buffer)
{
	struct wire_fault fault = {0};
	struct ipc_frame frame;
	size_t size;

	if (!read_whole(span_mut_of(buffer.at, 4)))
		return ERR(IO);
	struct err e = ipc_frame_size(span_of(buffer.at, 4), &size);
	if (failed(e))
		return e;
	if (size > buffer.len)
		return ERR(LIMIT);
	if (!read_whole(span_mut_of(buffer.at + 4, size - 4)))
		return ERR(IO);
	e = ipc_decode(span_of(buffer.at, size), &frame, &fault);
	if (failed(e))
		return e;
	if (frame.kind != IPC_NOTICE || frame.type != PROC_SETUP)
		return ERR(STATE);
	e = proc_setup_decode(frame.body, &setup->message, &fault);
	if (failed(e))
		return e;
	return settings_decode(settings, setup->message.settings);
}

struct err process_setup_receive(
	struct process_setup *setup, struct settings *settings, int argc, char **argv)
{
	static uint8_t buffer[FRAME_MAX];
	int type;
	socklen_t len = sizeof type;

	*setup = (struct process_setup){0};
	if (getsockopt(PROCESS_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
		!arguments_read(setup, argc, argv)) {
		fprintf(stderr, "%s is started by `merlon run`, not by hand.\n", argv[0]);
		return ERR(STATE);
	}
	return setup_read(setup, settings, SPAN_MUT_ARRAY(buffer));
}

void process_ready_send(struct err err, const char *text)
{
	uint8_t body[512], frame[600];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct writer f = writer_of(SPAN_MUT_ARRAY(frame));

	proc_outcome_encode(&w, &(struct proc_outcome){.err = err, .text = span_str(text)});
	ipc_encode(
		&f, &(struct ipc_frame){
			    .kind = IPC_NOTICE, .type = PROC_READY, .body = writer_span_done(&w)});
	/* Short, and the first in its direction: it fits. If the supervisor has gone, so are we
	 * soon. */
	const ssize_t n = write(PROCESS_CONTROL_FD, frame, f.len);
	(void)n;
}

struct err process_crypto_warm_up(void)
{
	uint8_t octet;

	/* No configuration file: what it could load is neither ours nor tested. */
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_CIPHERS |
					   OPENSSL_INIT_ADD_ALL_DIGESTS |
					   OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
		       NULL) == 1 &&
			       RAND_bytes(&octet, 1) == 1 && RAND_priv_bytes(&octet, 1) == 1
		       ? OK
		       : ERR(CRYPTO);
}
