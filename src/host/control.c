// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The asking side of the control socket. */
#include "control.h"
#include "host/fdpass.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

PRINTF_LIKE(2, 3) static struct control_reply refusal(struct err e, const char *format, ...)
{
	struct control_reply reply = {.err = e, .text = calloc(1, 512)};
	va_list args;

	if (reply.text == NULL)
		abort();
	va_start(args, format);
	vsnprintf(reply.text, 512, format, args);
	va_end(args);
	reply.len = strlen(reply.text);
	return reply;
}

static int connect_to(const char *path, uint32_t timeout_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval bound = {
		.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	const int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static struct err request_send(int socket, uint16_t type, struct span body, int fd)
{
	uint8_t bytes[CONTROL_REQUEST_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(bytes));
	struct span frame;

	ipc_encode(&w, &(struct ipc_frame){
			       .kind = IPC_REQUEST, .type = type, .request_id = 1, .body = body});
	struct err e = writer_result(&w, &frame);
	return failed(e) ? e : fdpass_send(socket, frame, fd);
}

/* All that comes until the other side closes, in a buffer of the caller's. ERR_TIMEOUT, ERR_IO,
 * ERR_LIMIT. */
static struct err read_to_end(int socket, struct span_mut out, size_t *len)
{
	*len = 0;
	while (*len < out.len) {
		const ssize_t n = read(socket, out.at + *len, out.len - *len);
		if (n == 0)
			return OK;
		if (n < 0 && errno == EAGAIN)
			return ERR(TIMEOUT);
		if (n < 0 && errno != EINTR)
			return ERR(IO);
		if (n > 0)
			*len += (size_t)n;
	}
	return ERR(LIMIT);
}

static struct control_reply reply_decode(struct span bytes)
{
	struct wire_fault fault = {0};
	struct ipc_frame frame;
	struct proc_outcome outcome;

	struct err e = ipc_decode(bytes, &frame, &fault);
	if (!failed(e) && failed(frame.err))
		return refusal(frame.err, "the site refused: %s", err_word(frame.err));
	if (!failed(e))
		e = proc_outcome_decode(frame.body, &outcome, &fault);
	if (failed(e))
		return refusal(e, "the answer does not decode: %s", fault.field);
	struct control_reply reply = {.err = outcome.err, .text = malloc(outcome.text.len + 1)};
	if (reply.text == NULL)
		abort();
	memcpy(reply.text, outcome.text.at, outcome.text.len);
	reply.text[outcome.text.len] = '\0';
	reply.len = outcome.text.len;
	return reply;
}

struct control_reply control_ask(
	const char *path, uint16_t type, struct span body, int fd, uint32_t timeout_ms)
{
	const int socket = connect_to(path, timeout_ms);
	uint8_t *bytes = malloc(IPC_FRAME_MAX + 1);
	struct control_reply reply;
	size_t len;

	if (bytes == NULL)
		abort(); /* a command, not a daemon */
	if (socket < 0) {
		const bool is_forbidden = errno == EACCES || errno == EPERM;
		reply = refusal(is_forbidden ? ERR(AUTH) : ERR(ABSENT), "no site answers on %s: %s",
			path, strerror(errno));
		reply.is_forbidden = is_forbidden;
		reply.is_unreachable = !is_forbidden;
		free(bytes);
		return reply;
	}
	struct err e = request_send(socket, type, body, fd);
	if (!failed(e))
		e = read_to_end(socket, span_mut_of(bytes, IPC_FRAME_MAX + 1), &len);
	if (failed(e))
		reply = refusal(e, "no answer from %s: %s", path, err_word(e));
	else if (len == 0)
		reply = refusal(ERR(IO), "the site closed the connection without an answer");
	else
		reply = reply_decode(span_of(bytes, len));
	close(socket);
	free(bytes);
	return reply;
}

void control_reply_free(struct control_reply *reply)
{
	free(reply->text);
	*reply = (struct control_reply){0};
}
