// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "fdpass.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Padding to the alignment of the next header has room for a second descriptor, and the kernel
 * fills it when a peer sends two. */
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

/* The first of those that came; the others are closed: nobody knows of them, and they would pile
 * up until the process has none left. */
static int descriptor_take(struct msghdr *m)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(m);
	int first = -1;

	if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return -1;
	for (size_t at = CMSG_LEN(0); at + sizeof(int) <= head->cmsg_len; at += sizeof(int)) {
		int fd;
		memcpy(&fd, (const uint8_t *)head + at, sizeof fd);
		if (first < 0)
			first = fd;
		else
			close(fd);
	}
	return first;
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
	*fd = descriptor_take(&m);
	*len = (size_t)n;
	return OK;
}
