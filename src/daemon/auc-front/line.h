// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The line at the door of the store: requests that wait, a queue for each peer, served in turn, so
 * that one peer that floods waits behind itself alone.
 *
 *   line_put      at the end of its peer's queue
 *   line_next     the first of the queue whose turn it is; a queue whose bucket is empty is held
 *   line_release  held queues take part again: call it now and then, as tokens grow with time
 *
 * Who has waited longest has most likely been given up: where there is no room it is the oldest that
 * goes (queue_drop_oldest), and line_next hands out what is older than `wait_ms_max` as stale, which
 * costs no token. Pure: the clock is an argument; items and queues are their owners' memory.
 */
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* Tokens in thousandths of a request. rate_per_s 0: no limit. */
struct bucket {
	uint64_t rate_per_s, burst, tokens, filled_ms;
};
/* Full. burst 0: twice the rate. */
void bucket_set(struct bucket *b, uint64_t rate_per_s, uint64_t burst, uint64_t now_ms);
bool bucket_take(struct bucket *b, uint64_t now_ms);

struct line_item {
	struct line_item *next;
	uint64_t since_ms;
};

struct queue {
	struct line_item *first, *last;
	uint32_t count;
	struct bucket *bucket; /* may serve several queues; NULL: no limit */
	struct queue_list *list;
	struct queue *before, *after;
};

struct queue_list {
	struct queue *first, *last;
};

struct line {
	struct queue_list ready, held;
	uint32_t count; /* items, over all queues */
	uint64_t wait_ms_max;
};

/* Not twice, and not in two lines; item and queue zeroed at start. */
void line_put(struct line *l, struct queue *q, struct line_item *item, uint64_t now_ms);
/* NULL: nobody who may go now. */
struct line_item *line_next(struct line *l, uint64_t now_ms, bool *is_stale);
void line_release(struct line *l);
/* Hands out all that is stale, held or not; `stale` puts nothing into the line. */
void line_reap(struct line *l, uint64_t now_ms, void (*stale)(void *ctx, struct line_item *item),
	void *ctx);
/* NULL: nothing waits. */
struct line_item *queue_drop_oldest(struct line *l, struct queue *q);
