// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Streams: TCP, Unix sockets, and mutual TLS 1.3 over TCP, behind one face.
 *
 * A stream hands over octets as they come and takes octets to send; what waits to be sent is
 * bounded (STREAM_QUEUE_MAX), and at the bound stream_send() answers ERR_LIMIT: the owner decides
 * whom to shed. A stream reports `closed` exactly once, and nothing after it; then its memory is
 * gone. No event comes from inside a call: all come from the loop. Members of the events may be
 * NULL.
 *
 * TLS is TLS 1.3 alone, both sides with certificates [ETSI GS QKD 014 §5.1]. `require_hybrid`
 * refuses any key exchange but X25519MLKEM768: it is required between Merlon's own sites, not
 * preferred. The peer's identity (`struct peer_identity`) is handed to whoever handles the stream:
 * subject CN and the first DNS and URI subject alternative names.
 */
#include "host/loop.h"

enum { STREAM_QUEUE_MAX = 16 << 20, STREAM_READ_MAX = 64 << 10, IDENTITY_NAME_MAX = 128 };
/* How long a stream may take to connect and agree on TLS when no listener says so; to send what
 * waits at its close; and then to hear the end of the other side. */
enum { STREAM_CONNECT_MS_MAX = 10000, STREAM_DRAIN_MS_MAX = 5000, STREAM_LINGER_MS_MAX = 500 };

struct peer_identity {
	bool is_authenticated; /* by a certificate that chains to the profile's CA */
	char common_name[IDENTITY_NAME_MAX];
	char dns_name[IDENTITY_NAME_MAX]; /* first SAN dNSName, or "" */
	char uri[IDENTITY_NAME_MAX];      /* first SAN URI, or "" */
	char address[64];                 /* "10.9.0.1:1234"; "unix" */
	char tls_group[32];               /* "X25519MLKEM768" */
	char alpn[16];                    /* "h2", "http/1.1", "" */
};

struct tls_settings {
	const char *certificate_file, *key_file,
		*ca_file;    /* PEM; read once, at tls_profile_open() */
	bool require_hybrid; /* X25519MLKEM768 or nothing */
	const char *alpn;    /* comma-separated, best first: "h2,http/1.1"; NULL: none */
};
struct tls_profile; /* an SSL_CTX and its rules; many streams share one */
MUST_USE struct err tls_profile_open(
	struct tls_profile **p, const struct tls_settings *settings, struct complaint *c);
void tls_profile_close(struct tls_profile *p); /* streams that use it keep it alive */

struct stream;
struct stream_events {
	/*
	 * Connected (and, with TLS, authenticated). `id` lives as long as the stream. In TLS 1.3
	 * the side that connects is done first [RFC 8446 §2]: that it is open does not mean yet
	 * that the other accepted our certificate; a refusal comes as `closed` with ERR_AUTH.
	 */
	void (*opened)(void *ctx, struct stream *s, const struct peer_identity *id);
	void (*bytes)(void *ctx, struct stream *s, struct span bytes);
	/* Last call. `why` is OK for an orderly end; `c` tells more (e.g. "peer certificate has
	 * expired"). */
	void (*closed)(void *ctx, struct stream *s, struct err why, const struct complaint *c);
};

/* `tls` NULL: clear. `expect_name`: the peer's certificate must carry it as CN or DNS SAN (NULL:
 * any certificate of the CA). Answers come by events; an immediate error means no event will come.
 */
MUST_USE struct err stream_connect_tcp(struct stream **s, struct loop *l, const char *address,
	uint16_t port, struct tls_profile *tls, const char *expect_name,
	const struct stream_events *events, void *ctx);
MUST_USE struct err stream_connect_unix(struct stream **s, struct loop *l, const char *path,
	const struct stream_events *events, void *ctx);
/* Takes over a connected stream socket. */
MUST_USE struct err stream_adopt(
	struct stream **s, struct loop *l, int fd, const struct stream_events *events, void *ctx);

MUST_USE struct err stream_send(
	struct stream *s, struct span bytes); /* copies; batched per loop turn */
size_t stream_queued(const struct stream *s);
void stream_pause(struct stream *s, bool is_paused); /* stops reading: back-pressure */
void stream_set_context(struct stream *s, const struct stream_events *events, void *ctx);
const struct peer_identity *stream_peer(const struct stream *s);
void stream_close(
	struct stream *s); /* sends what waits, then closes; `closed` still comes, later */
void stream_abort(struct stream *s); /* drops what waits */

struct listener;
struct listener_settings {
	const char *address; /* IPv4 or IPv6 literal; NULL with unix_path */
	uint16_t port;
	const char *
		unix_path; /* mode 0660; an old socket file is replaced, another file is an error */
	struct tls_profile *tls;
	/* More are closed at once and counted; with TLS, first those that are not through their
	 * handshake, the oldest first. */
	uint32_t streams_max;
	uint32_t handshake_ms_max;
};
/* Each accepted stream gets `accepted` once (before opened) to choose events and context for it. */
typedef void stream_accepted_fn(void *ctx, struct stream *s);
MUST_USE struct err listener_open(struct listener **out, struct loop *l,
	const struct listener_settings *settings, stream_accepted_fn *accepted, void *ctx,
	struct complaint *c); /* "port 4222 is in use on 0.0.0.0" */
uint64_t listener_refused(const struct listener *l);
uint16_t listener_port(const struct listener *l); /* the one that was given where settings said 0 */
void listener_close(struct listener *l);          /* accepted streams live on */
