// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * TLS 1.3 as a machine between two queues of octets: no socket, no file, no loop. A stream puts in
 * what came from the wire and takes out what goes there. Rules of the profile (both sides with
 * certificates, groups, name) are enforced here, after OpenSSL was told of them too.
 */
#include "host/octets.h"
#include "host/stream.h"

/* One more user; each calls tls_profile_close() once. */
void tls_profile_keep(struct tls_profile *p);

struct tls_session;

/* `expect_name` is copied; NULL: any certificate of the CA. */
MUST_USE struct err tls_session_open(
	struct tls_session **out, struct tls_profile *p, bool is_server, const char *expect_name);
void tls_session_close(struct tls_session *t);

/* Octets from the wire. */
MUST_USE struct err tls_put(struct tls_session *t, struct span wire);
/* Goes on with the handshake. *is_done: the peer is authenticated and `peer` filled. ERR_AUTH: `c`
 * says why. */
MUST_USE struct err tls_handshake(
	struct tls_session *t, bool *is_done, struct peer_identity *peer, struct complaint *c);
/* Decrypts: *len octets, 0 where more must come first. *is_end: the peer closed in order. */
MUST_USE struct err tls_read(
	struct tls_session *t, struct span_mut out, size_t *len, bool *is_end, struct complaint *c);
MUST_USE struct err tls_write(struct tls_session *t, struct span clear);
void tls_end(struct tls_session *t); /* says that nothing follows (close_notify) */
/* Moves what must go on the wire to the end of `out`. */
MUST_USE struct err tls_take(struct tls_session *t, struct octets *out);
/* Octets that tls_take() would move. */
size_t tls_waiting(const struct tls_session *t);
