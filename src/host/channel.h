// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Channels: frames (codec/ipc.h) over a socketpair between two processes of a site, or over a TLS
 * stream between two sites. Requests are pipelined; what is asked within one turn of the loop
 * leaves as one write. Requests in flight are bounded; at the bound channel_ask() answers ERR_LIMIT
 * at once. Every ask gets exactly one `answered`: the answer, ERR_TIMEOUT at its deadline, or
 * ERR_IO when the channel closes.
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
/* The longest frame, and the longest answer's body, of channel_serve(). */
enum { CHANNEL_SERVE_FRAME_MAX = 1 << 20 };

MUST_USE struct err channel_open_fd(struct channel **out, struct loop *l, int fd,
	const struct channel_events *events, void *ctx);
/* Over a stream that is open already (stream events become the channel's). */
MUST_USE struct err channel_open_stream(struct channel **out, struct loop *l, struct stream *s,
	const struct channel_events *events, void *ctx);
const struct peer_identity *channel_peer(const struct channel *c); /* NULL on a socketpair */

/* `timeout_ms` > 0. An error at once means that `answered` will not come: ERR_LIMIT at
 * CHANNEL_ASKS_MAX, or when the peer does not read; ERR_IO once the channel is closing. */
MUST_USE struct err channel_ask(struct channel *c, uint16_t type, struct span body,
	uint32_t timeout_ms, channel_answered_fn *answered, void *ctx);
/* With an error the body stays behind. A peer that does not read its answers or notices loses the
 * channel. */
void channel_answer(
	struct channel *c, uint64_t request_id, uint16_t type, struct err err, struct span body);
void channel_notice(struct channel *c, uint16_t type, struct span body);
size_t channel_asks(const struct channel *c); /* in flight */
/* Sends what waits, then closes: no more frames; what is in flight gets ERR_IO, then `closed`
 * comes, both later, from the loop. */
void channel_close(struct channel *c);

/*
 * The blocking face, for processes without a loop (vaults). serve() reads what has come, hands over
 * frame after frame, collects the answers and writes them in one go; it returns OK when the peer
 * closes. The buffers are locked memory, and what was used of them is wiped after each round.
 * `body` and what `answer` holds are gone then. Notices are handed over with an `answer` that leads
 * nowhere.
 */
typedef struct err channel_serve_fn(
	void *ctx, uint16_t type, struct span body, struct writer *answer);
MUST_USE struct err channel_serve(int fd, channel_serve_fn *serve, void *ctx);
