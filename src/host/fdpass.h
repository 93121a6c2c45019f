// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Descriptors over Unix sockets (SCM_RIGHTS): at most one a message. */
#include "base/err.h"
#include "base/span.h"

/* `fd` < 0: none. Does not close it. ERR_LIMIT when the socket is full (non-blocking ones). */
MUST_USE struct err fdpass_send(int socket, struct span bytes, int fd);

/* One recvmsg(2). *fd: the descriptor that came along, close-on-exec, or -1. *len 0: the peer
 * closed. ERR_STATE: nothing there yet (non-blocking sockets). */
MUST_USE struct err fdpass_recv(int socket, struct span_mut buffer, size_t *len, int *fd);
