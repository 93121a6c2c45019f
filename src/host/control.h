// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The control socket of a site: a Unix socket (mode 0660) on which the supervisor answers the
 * operator's commands. One connection, one request (codec/proc_msg.h), which may bring a descriptor
 * along, one answer (proc_outcome). Who may open the socket file may ask, but for the site's own
 * processes: those that face the network may connect to Unix sockets, and one that was taken over
 * must not become an operator.
 */
#include "codec/proc_msg.h"
#include "host/loop.h"

enum { CONTROL_CLIENTS_MAX = 32, CONTROL_REQUEST_MAX = 8 << 10, CONTROL_REQUEST_MS_MAX = 5000 };

/* ---- The asking side: blocking, for commands ---- */
struct control_reply {
	struct err err; /* what the site answered, or why it could not be asked */
	char *text;     /* result, or with an error a sentence; NUL-terminated, never NULL */
	size_t len;
	/* Nobody answers there; or it is the asker who may not open the socket. */
	bool is_unreachable, is_forbidden;
};
/* `fd` < 0: none. `timeout_ms` 0: waits as long as it takes. */
struct control_reply control_ask(
	const char *path, uint16_t type, struct span body, int fd, uint32_t timeout_ms);
void control_reply_free(struct control_reply *reply);

/* ---- The answering side ---- */
struct control_server;
struct control_client; /* answered exactly once */
/* `fd` (or -1) is the callee's to close. */
typedef void control_request_fn(
	void *ctx, struct control_client *client, uint16_t type, struct span body, int fd);
struct control_access {
	int group;       /* gid_t of the socket file; -1: kept */
	int uid_refused; /* uid_t; -1: nobody */
};
/* Complains where another supervisor answers on `path`. */
MUST_USE struct err control_server_open(struct control_server **out, struct loop *l,
	const char *path, struct control_access access, control_request_fn *request, void *ctx,
	struct complaint *c);
void control_answer(struct control_client *client, struct err err, struct span text);
void control_server_close(struct control_server *server); /* removes the socket file */
