// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "stream_inner.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512 };

/* Lives until it is closed and its last accepted stream is gone. */
struct listener {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	struct loop *loop;
	bool is_unix, is_closed;
	struct tls_profile *tls;
	uint32_t streams, streams_max, handshake_ms_max;
	uint64_t refused;
	struct stream *shaking, **shaking_tail; /* whose handshake is not done, oldest first */
	stream_accepted_fn *accepted;
	void *ctx;
};

static void release(struct listener *l)
{
	if (!l->is_closed || l->streams > 0)
		return;
	if (l->tls != NULL)
		tls_profile_close(l->tls);
	free(l);
}

void listener_stream_gone(struct listener *l)
{
	l->streams--;
	release(l);
}

/* ---- Handshakes that are not done ---- */

static void shaking_add(struct listener *l, struct stream *s)
{
	s->shaking_link = l->shaking_tail;
	*l->shaking_tail = s;
	l->shaking_tail = &s->next_shaking;
}

void listener_stream_shaken(struct stream *s)
{
	if (s->shaking_link == NULL)
		return;
	*s->shaking_link = s->next_shaking;
	if (s->next_shaking != NULL)
		s->next_shaking->shaking_link = s->shaking_link;
	else
		s->listener->shaking_tail = s->shaking_link;
	s->shaking_link = NULL;
	s->next_shaking = NULL;
}

/*
 * Whether one more may come. Those who connect and then say nothing must not keep out who has a
 * certificate: with all places taken, the oldest that is not through its handshake makes room. A
 * real handshake takes milliseconds; to win against it, one would have to fill all places as fast.
 */
static bool has_room(struct listener *l)
{
	if (l->streams < l->streams_max)
		return true;
	if (l->shaking == NULL)
		return false;
	l->refused++;
	complain(&l->shaking->complaint, ERR(LIMIT), "others wait, and TLS handshake is not done");
	stream_end(l->shaking, ERR(LIMIT));
	return true;
}

/* ---- Accepting ---- */

static int handle_init(struct listener *l, struct stream *s)
{
	const int status = l->is_unix ? uv_pipe_init(&l->loop->uv, &s->uv.pipe, 0)
				      : uv_tcp_init(&l->loop->uv, &s->uv.tcp);

	s->uv.handle.data = s;
	return status;
}

static struct stream *stream_for(struct listener *l)
{
	struct stream *s = stream_new(l->loop, NULL, NULL);

	if (s == NULL)
		return NULL;
	if (l->tls != NULL && failed(tls_session_open(&s->tls, l->tls, true, NULL))) {
		stream_free(s);
		return NULL;
	}
	s->handshake_ms_max = l->handshake_ms_max;
	return s;
}

/* Takes one from the kernel's queue and closes it: left there, it would wake us for ever. */
static void refuse(struct listener *l)
{
	struct stream *s = stream_new(l->loop, NULL, NULL);

	l->refused++;
	if (s == NULL)
		return;
	handle_init(l, s);
	(void)uv_accept(&l->uv.stream, &s->uv.stream);
	stream_end(s, ERR(LIMIT));
}

static void on_connection(uv_stream_t *server, int status)
{
	struct listener *l = server->data;

	if (status != 0)
		return;
	struct stream *s = has_room(l) ? stream_for(l) : NULL;
	if (s == NULL) {
		refuse(l);
		return;
	}
	handle_init(l, s);
	s->listener = l;
	l->streams++;
	if (uv_accept(&l->uv.stream, &s->uv.stream) != 0) {
		stream_end(s, ERR(IO));
		return;
	}
	if (!l->is_unix)
		uv_tcp_nodelay(&s->uv.tcp, 1);
	if (l->tls != NULL)
		shaking_add(l, s);
	stream_connected(s);
	l->accepted(l->ctx, s);
}

/* ---- Opening. Sockets are made here and not by libuv, for its answers come too late to say why.
 * ---- */

static struct err why_not(struct complaint *c, const char *address, uint16_t port)
{
	switch (errno) {
	case EADDRINUSE:
		return complain(c, ERR(IO), "port %u is in use on %s", port, address);
	case EACCES:
		return complain(
			c, ERR(IO), "port %u on %s needs more rights than we have", port, address);
	case EADDRNOTAVAIL:
		return complain(c, ERR(IO), "this machine has no address %s", address);
	default:
		return complain(c, ERR(IO), "cannot listen on %s port %u: %s", address, port,
			strerror(errno));
	}
}

static struct err tcp_listen(int *fd, const char *address, uint16_t port, struct complaint *c)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(struct sockaddr_in);
	const int on = 1;

	if (uv_ip4_addr(address, port, (struct sockaddr_in *)&at) != 0) {
		len = sizeof(struct sockaddr_in6);
		if (uv_ip6_addr(address, port, (struct sockaddr_in6 *)&at) != 0)
			return complain(c, ERR(INPUT), "%s is no IPv4 or IPv6 address", address);
	}
	*fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return why_not(c, address, port);
	setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (at.ss_family == AF_INET6)
		setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(*fd, (struct sockaddr *)&at, len) != 0 || listen(*fd, BACKLOG) != 0) {
		const struct err e = why_not(c, address, port);
		close(*fd);
		return e;
	}
	return OK;
}

/* An old socket that nobody serves any more may go; anything else at that path is not ours. */
static struct err unix_path_clear(const struct sockaddr_un *at, struct complaint *c)
{
	struct stat st;

	if (lstat(at->sun_path, &st) != 0)
		return OK;
	if (!S_ISSOCK(st.st_mode))
		return complain(c, ERR(IO), "%s is there and is no socket", at->sun_path);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const bool is_served =
		fd >= 0 &&
		(connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN);
	if (fd >= 0)
		close(fd);
	if (is_served)
		return complain(c, ERR(IO), "socket %s is in use", at->sun_path);
	if (unlink(at->sun_path) != 0)
		return complain(c, ERR(IO), "cannot remove old socket %s: %s", at->sun_path,
			strerror(errno));
	return OK;
}

static struct err unix_listen(int *fd, const char *path, struct complaint *c)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof at.sun_path)
		return complain(c, ERR(INPUT), "path of socket is too long: %s", path);
	memcpy(at.sun_path, path, strlen(path));
	const struct err e = unix_path_clear(&at, c);
	if (failed(e))
		return e;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Mode 0660 from its first moment: by the mask, for chmod() comes later. */
	const mode_t mask = umask(0117);
	const bool is_bound = *fd >= 0 && bind(*fd, (struct sockaddr *)&at, sizeof at) == 0;
	umask(mask);
	if (is_bound && listen(*fd, BACKLOG) == 0)
		return OK;
	complain(c, ERR(IO), "cannot listen on %s: %s", path, strerror(errno));
	if (*fd >= 0)
		close(*fd);
	return ERR(IO);
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	l->is_closed = true;
	release(l);
}

static struct err serve(struct listener *l, int fd)
{
	int status;

	if (l->is_unix) {
		uv_pipe_init(&l->loop->uv, &l->uv.pipe, 0);
		status = uv_pipe_open(&l->uv.pipe, fd);
	} else {
		uv_tcp_init(&l->loop->uv, &l->uv.tcp);
		status = uv_tcp_open(&l->uv.tcp, fd);
	}
	l->uv.handle.data = l;
	if (status != 0)
		close(fd);
	else
		status = uv_listen(&l->uv.stream, BACKLOG, on_connection);
	return status == 0 ? OK : ERR(IO);
}

struct err listener_open(struct listener **out, struct loop *loop,
	const struct listener_settings *settings, stream_accepted_fn *accepted, void *ctx,
	struct complaint *c)
{
	int fd = -1;
	struct err e = settings->unix_path != NULL
			       ? unix_listen(&fd, settings->unix_path, c)
			       : tcp_listen(&fd, settings->address, settings->port, c);

	if (failed(e))
		return e;
	struct listener *l = calloc(1, sizeof *l);
	if (l == NULL) {
		close(fd);
		return ERR(LIMIT);
	}
	*l = (struct listener){.loop = loop,
		.is_unix = settings->unix_path != NULL,
		.tls = settings->tls,
		.streams_max = settings->streams_max,
		.handshake_ms_max = settings->handshake_ms_max > 0 ? settings->handshake_ms_max
								   : STREAM_CONNECT_MS_MAX,
		.accepted = accepted,
		.ctx = ctx};
	l->shaking_tail = &l->shaking;
	if (l->tls != NULL)
		tls_profile_keep(l->tls);
	e = serve(l, fd);
	if (failed(e)) {
		listener_close(l);
		return complain(c, e, "cannot listen");
	}
	*out = l;
	return OK;
}

uint64_t listener_refused(const struct listener *l)
{
	return l->refused;
}

uint16_t listener_port(const struct listener *l)
{
	struct sockaddr_storage at = {0};
	int len = sizeof at;

	if (l->is_unix || uv_tcp_getsockname(&l->uv.tcp, (struct sockaddr *)&at, &len) != 0)
		return 0;
	return ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
					     : ((struct sockaddr_in6 *)&at)->sin6_port);
}

void listener_close(struct listener *l)
{
	if (!uv_is_closing(&l->uv.handle))
		uv_close(&l->uv.handle, on_closed);
}
