// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inside of a stream, shared by stream.c (octets, states, closing), stream_open.c (connecting,
 * taking over) and listener.c (accepting).
 *
 *   CONNECTING -> HANDSHAKING (TLS alone) -> OPEN -> DRAINING -> LINGERING -> ENDED
 *
 * DRAINING sends what waits. LINGERING has told the other side that nothing follows and reads,
 * unheard, until it ends too: closing at once would make the kernel throw away what is under way
 * [RFC 1122 §4.2.2.13]. Any state goes to ENDED on an error; `closed` comes from libuv's close
 * callback.
 */
#include "host/octets.h"
#include "host/stream.h"
#include "host/tls.h"

enum stream_state {
	STREAM_CONNECTING,
	STREAM_HANDSHAKING,
	STREAM_OPEN,
	STREAM_DRAINING,
	STREAM_LINGERING,
	STREAM_ENDED
};

struct stream {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	struct loop *loop;
	enum stream_state state;
	bool is_paused, is_writing, is_told_open;
	const struct stream_events *events;
	void *ctx;
	struct tls_session *tls;                     /* NULL: clear */
	struct listener *listener;                   /* NULL: not accepted */
	struct stream *next_shaking, **shaking_link; /* of the listener's; link NULL: not in it */
	struct octets pending;                       /* what the owner sent */
	struct octets out; /* what goes on the wire; with TLS, encrypted */
	uv_connect_t connect;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct flush_item flush;
	struct loop_timer deadline; /* of the state */
	uint32_t handshake_ms_max;
	struct peer_identity peer;
	struct err why;
	struct complaint complaint;
};

/* A stream without its libuv handle's state: init with uv_tcp_init or uv_pipe_init next. */
struct stream *stream_new(struct loop *l, const struct stream_events *events, void *ctx);
void stream_free(struct stream *s); /* before libuv knows it */
/* It is connected: handshake, or open. */
void stream_connected(struct stream *s);
/* Ends it; the first reason counts. */
void stream_end(struct stream *s, struct err why);
/* "10.9.0.1:1234" or "unix" */
void stream_address_take(struct stream *s);
/* Told when an accepted stream is gone (listener.c). */
void listener_stream_gone(struct listener *l);
/* Told when its handshake is over, well or not; again does nothing. */
void listener_stream_shaken(struct stream *s);
