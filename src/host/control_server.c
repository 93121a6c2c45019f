// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The answering side of the control socket. */
#include "control.h"
#include "host/fdpass.h"
#include "host/stream.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct control_client {
	struct control_server *server; /* NULL: the server has closed */
	struct control_client *next;
	uv_poll_t poll;
	struct loop_timer deadline;
	int socket, passed;
	uint16_t type;
	uint64_t request_id;
	size_t len;
	uint8_t bytes[CONTROL_REQUEST_MAX];
};

struct control_server {
	struct loop *loop;
	uv_poll_t poll;
	int socket, uid_refused;
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
	control_request_fn *request;
	void *ctx;
	struct control_client *clients;
	size_t client_count;
};

static void on_client_closed(uv_handle_t *handle)
{
	struct control_client *client = handle->data;

	close(client->socket);
	free(client);
}

static void client_end(struct control_client *client)
{
	if (client->server != NULL) {
		struct control_client **at = &client->server->clients;
		while (*at != client)
			at = &(*at)->next;
		*at = client->next;
		client->server->client_count--;
	}
	loop_timer_stop(&client->deadline);
	if (client->passed >= 0)
		close(client->passed);
	uv_close((uv_handle_t *)&client->poll, on_client_closed);
}

static void on_client_deadline(void *ctx)
{
	client_end(ctx);
}

/* A stream of its own carries the answer, so that a command that does not read holds up nobody. */
static void answer_send(struct loop *l, const struct control_client *client, struct span frame)
{
	struct stream *s;
	const int fd = fcntl(client->socket, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (failed(stream_adopt(&s, l, fd, NULL, NULL))) {
		close(fd);
		return;
	}
	if (failed(stream_send(s, frame)))
		stream_abort(s);
	else
		stream_close(s);
}

void control_answer(struct control_client *client, struct err err, struct span text)
{
	const size_t size = IPC_HEADER + 1 + text.len;
	uint8_t *bytes = size > IPC_FRAME_MAX ? NULL : malloc(size);

	if (bytes != NULL && client->server != NULL) {
		struct writer w = writer_of(span_mut_of(bytes, size));
		/* The head counts a body that follows it: a proc_outcome, encoded in place. */
		ipc_encode_head(&w, &(struct ipc_frame){.kind = IPC_ANSWER,
					    .type = client->type,
					    .request_id = client->request_id,
					    .body = span_of(NULL, 1 + text.len)});
		proc_outcome_encode(&w, &(struct proc_outcome){.err = err, .text = text});
		answer_send(client->server->loop, client, writer_span_done(&w));
	}
	free(bytes);
	client_end(client);
}

/* Whether the one request has come whole. */
static struct err client_read(struct control_client *client, size_t *size)
{
	size_t len;
	int fd;

	struct err e = fdpass_recv(client->socket,
		span_mut_of(client->bytes + client->len, sizeof client->bytes - client->len), &len,
		&fd);
	*size = 0;
	if (e.kind == ERR_STATE)
		return OK;
	if (failed(e))
		return e;
	if (fd >= 0 && client->passed >= 0)
		close(fd);
	else if (fd >= 0)
		client->passed = fd;
	if (len == 0)
		return ERR(IO);
	client->len += len;
	e = ipc_frame_size(span_of(client->bytes, client->len), size);
	if (failed(e) || *size > sizeof client->bytes)
		return ERR(INPUT);
	if (client->len < *size)
		*size = 0;
	return OK;
}

static void on_client_readable(uv_poll_t *poll, int status, int events)
{
	struct control_client *client = poll->data;
	struct control_server *server = client->server;
	struct wire_fault fault = {0};
	struct ipc_frame frame;
	size_t size;

	(void)events;
	/* The server may have closed before the request was whole. */
	struct err e = status < 0 || server == NULL ? ERR(IO) : client_read(client, &size);
	if (!failed(e) && size == 0)
		return;
	if (!failed(e))
		e = ipc_decode(span_of(client->bytes, client->len), &frame, &fault);
	if (failed(e) || frame.kind != IPC_REQUEST) {
		client_end(client);
		return;
	}
	uv_poll_stop(poll);
	loop_timer_stop(&client->deadline);
	client->type = frame.type;
	client->request_id = frame.request_id;
	const int fd = client->passed;
	client->passed = -1;
	server->request(server->ctx, client, frame.type, frame.body, fd);
}

/* The kernel's word for who it is, not the client's [unix(7) SO_PEERCRED]. */
static bool is_refused(const struct control_server *server, int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	if (server->uid_refused < 0)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 ||
	       who.uid == (uid_t)server->uid_refused;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct control_server *server = poll->data;

	(void)status, (void)events;
	const int fd = accept4(server->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct control_client *client =
		server->client_count == CONTROL_CLIENTS_MAX || is_refused(server, fd)
			? NULL
			: calloc(1, sizeof *client);
	if (client == NULL || uv_poll_init(&server->loop->uv, &client->poll, fd) != 0) {
		free(client);
		close(fd);
		return;
	}
	client->server = server;
	client->socket = fd;
	client->passed = -1;
	client->poll.data = client;
	client->next = server->clients;
	server->clients = client;
	server->client_count++;
	loop_timer_open(server->loop, &client->deadline, on_client_deadline, client);
	loop_timer_once(&client->deadline, CONTROL_REQUEST_MS_MAX);
	uv_poll_start(&client->poll, UV_READABLE, on_client_readable);
}

/* ERR_STATE when somebody answers there; a socket file that nobody serves is removed. */
static struct err path_clear(const struct sockaddr_un *address, struct complaint *c)
{
	struct stat st;

	if (lstat(address->sun_path, &st) != 0)
		return OK;
	if (!S_ISSOCK(st.st_mode))
		return complain(c, ERR(STATE), "%s is there and is no socket", address->sun_path);
	const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool is_served = probe >= 0 && connect(probe, (const struct sockaddr *)address,
						     sizeof *address) == 0;
	if (probe >= 0)
		close(probe);
	if (is_served)
		return complain(
			c, ERR(STATE), "the site runs already: %s answers", address->sun_path);
	unlink(address->sun_path);
	return OK;
}

static struct err listen_on(struct control_server *server, int group, struct complaint *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, server->path, sizeof address.sun_path);
	struct err e = path_clear(&address, c);
	if (failed(e))
		return e;
	server->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const mode_t old = umask(0117);
	const int status = server->socket < 0 ? -1
					      : bind(server->socket, (struct sockaddr *)&address,
							sizeof address);
	umask(old);
	if (status != 0 || listen(server->socket, CONTROL_CLIENTS_MAX) != 0)
		return complain(c, ERR(IO), "control socket %s: %s", server->path, strerror(errno));
	if (group >= 0 && chown(server->path, (uid_t)-1, (gid_t)group) != 0)
		return complain(c, ERR(IO), "control socket %s: %s", server->path, strerror(errno));
	return OK;
}

struct err control_server_open(struct control_server **out, struct loop *l, const char *path,
	struct control_access access, control_request_fn *request, void *ctx, struct complaint *c)
{
	struct control_server *server = calloc(1, sizeof *server);

	*out = NULL;
	if (server == NULL)
		return ERR(LIMIT);
	*server = (struct control_server){.loop = l,
		.socket = -1,
		.uid_refused = access.uid_refused,
		.request = request,
		.ctx = ctx};
	if (strlen(path) >= sizeof server->path) {
		free(server);
		return complain(c, ERR(INPUT), "path of the control socket is too long: %s", path);
	}
	memcpy(server->path, path, strlen(path));
	struct err e = listen_on(server, access.group, c);
	if (!failed(e) && uv_poll_init(&l->uv, &server->poll, server->socket) != 0)
		e = ERR(IO);
	if (failed(e)) {
		if (server->socket >= 0)
			close(server->socket);
		free(server);
		return e;
	}
	server->poll.data = server;
	uv_poll_start(&server->poll, UV_READABLE, on_connection);
	*out = server;
	return OK;
}

static void on_server_closed(uv_handle_t *handle)
{
	struct control_server *server = handle->data;

	close(server->socket);
	free(server);
}

void control_server_close(struct control_server *server)
{
	/* Who still waits for an answer is let go; its owner answers into nothing. */
	for (struct control_client *client = server->clients; client != NULL; client = client->next)
		client->server = NULL;
	unlink(server->path);
	uv_close((uv_handle_t *)&server->poll, on_server_closed);
}
