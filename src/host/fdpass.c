// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "fdpass.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
	struct cmsghdr head; /* for its alignment */
	char room[CMSG_SPACE(sizeof(int))];
};

struct err fdpass_send(int socket, struct span bytes, int fd)
{
	union control control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes.at, .iov_len = bytes.len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control.room;
		struct cmsghdr *head = CMSG_FIRSTHDR(&m);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(head), &fd, sizeof fd);
	}
	do
		n = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ERR(LIMIT) : ERR(IO);
	return (size_t)n == bytes.len ? OK : ERR(IO);
}

struct err fdpass_recv(int socket, struct span_mut buffer, size_t *len, int *fd)
{
	union control control = {0};
	struct iovec iov = {.iov_base = buffer.at, .iov_len = buffer.len};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control.room};
	ssize_t n;

	*fd = -1;
	*len = 0;
	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ERR(STATE) : ERR(IO);
	const struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
		head->cmsg_len == CMSG_LEN(sizeof *fd))
		memcpy(fd, CMSG_DATA(head), sizeof *fd);
	*len = (size_t)n;
	return OK;
}
