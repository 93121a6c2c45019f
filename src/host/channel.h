// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Channels: frames (codec/ipc.h) over a socketpair between two processes of a site, or over a TLS stream
 * between two sites. Requests are pipelined; what is asked within one turn of the loop leaves as one
 * write. Requests in flight are bounded; at the bound channel_ask() answers ERR_LIMIT at once.
 * Every ask gets exactly one `answered`: the answer, ERR_TIMEOUT at its deadline, or ERR_IO
 * when the channel closes.
 */
#include "codec/ipc.h"
#include "host/stream.h"

struct channel;
typedef void channel_answered_fn(void *ctx, struct err err, struct span body);
struct channel_events {
	/* A request (answer it with channel_answer, now or later) or a notice. */
	void (*frame)(void *ctx, struct channel *c, const struct ipc_frame *frame);
	/* Last call; the channel is gone after it. */
	void (*closed)(void *ctx, struct channel *c, struct err why);
};

enum { CHANNEL_ASKS_MAX = 65536 };

MUST_USE struct err channel_open_fd(struct channel **out, struct loop *l, int fd,
	const struct channel_events *events, void *ctx);
/* Over a stream that is open already (stream events become the channel's). */
MUST_USE struct err channel_open_stream(struct channel **out, struct loop *l, struct stream *s,
	const struct channel_events *events, void *ctx);
const struct peer_identity *channel_peer(const struct channel *c); /* NULL on a socketpair */

MUST_USE struct err channel_ask(struct channel *c, uint16_t type, struct span body, uint32_t timeout_ms,
	channel_answered_fn *answered, void *ctx);
void channel_answer(struct channel *c, uint64_t request_id, uint16_t type, struct err err, struct span body);
void channel_notice(struct channel *c, uint16_t type, struct span body);
void channel_close(struct channel *c);

/*
 * The blocking face, for processes without a loop (vaults). serve() reads what has come, hands over frame
 * after frame, collects the answers and writes them in one go; it returns when the peer closes.
 * `bodies` are secrets-capable: the buffers are locked memory and wiped after each round.
 */
typedef struct err channel_serve_fn(
	void *ctx, uint16_t type, struct span body, struct writer *answer);
MUST_USE struct err channel_serve(int fd, channel_serve_fn *serve, void *ctx);
