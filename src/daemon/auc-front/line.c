// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "line.h"

enum { THOUSAND = 1000 };

void bucket_set(struct bucket *b, uint64_t rate_per_s, uint64_t burst, uint64_t now_ms)
{
	*b = (struct bucket){.rate_per_s = rate_per_s,
		.burst = burst != 0 ? burst : 2 * rate_per_s,
		.filled_ms = now_ms};
	b->tokens = b->burst * THOUSAND;
}

bool bucket_take(struct bucket *b, uint64_t now_ms)
{
	const uint64_t full = b->burst * THOUSAND;

	if (b->rate_per_s == 0)
		return true;
	if (now_ms <
		b->filled_ms) /* two askers of one turn, of which one looked at the clock before */
		now_ms = b->filled_ms;
	/* After so long a rest it is full, however long: the product below stays small. */
	const uint64_t rest_ms = now_ms - b->filled_ms;
	const uint64_t gain = rest_ms > full ? full : rest_ms * b->rate_per_s;
	b->tokens = b->tokens + gain > full ? full : b->tokens + gain;
	b->filled_ms = now_ms;
	if (b->tokens < THOUSAND)
		return false;
	b->tokens -= THOUSAND;
	return true;
}

/* ---- lists of queues ---- */

static void leave(struct queue *q)
{
	struct queue_list *list = q->list;

	if (list == NULL)
		return;
	*(q->before != NULL ? &q->before->after : &list->first) = q->after;
	*(q->after != NULL ? &q->after->before : &list->last) = q->before;
	q->list = NULL;
	q->before = q->after = NULL;
}

static void enter(struct queue_list *list, struct queue *q)
{
	leave(q);
	q->list = list;
	q->before = list->last;
	*(list->last != NULL ? &list->last->after : &list->first) = q;
	list->last = q;
}

/* ---- items ---- */

void line_put(struct line *l, struct queue *q, struct line_item *item, uint64_t now_ms)
{
	item->next = NULL;
	item->since_ms = now_ms;
	*(q->last != NULL ? &q->last->next : &q->first) = item;
	q->last = item;
	q->count++;
	l->count++;
	if (q->list == NULL)
		enter(&l->ready, q);
}

struct line_item *queue_drop_oldest(struct line *l, struct queue *q)
{
	struct line_item *item = q->first;

	if (item == NULL)
		return NULL;
	q->first = item->next;
	if (q->first == NULL)
		q->last = NULL;
	item->next = NULL;
	q->count--;
	l->count--;
	if (q->count == 0)
		leave(q);
	return item;
}

struct line_item *line_next(struct line *l, uint64_t now_ms, bool *is_stale)
{
	for (struct queue *q; (q = l->ready.first) != NULL;) {
		*is_stale = now_ms - q->first->since_ms > l->wait_ms_max;
		if (!*is_stale && q->bucket != NULL && !bucket_take(q->bucket, now_ms)) {
			enter(&l->held, q);
			continue;
		}
		struct line_item *item = queue_drop_oldest(l, q);
		if (q->count > 0) /* to the end: the others' turn */
			enter(&l->ready, q);
		return item;
	}
	return NULL;
}

void line_release(struct line *l)
{
	while (l->held.first != NULL)
		enter(&l->ready, l->held.first);
}

static void list_reap(struct line *l, struct queue_list *list, uint64_t now_ms,
	void (*stale)(void *ctx, struct line_item *item), void *ctx)
{
	for (struct queue *q = list->first, *after; q != NULL; q = after) {
		after = q->after; /* a queue that runs empty leaves the list */
		while (q->first != NULL && now_ms - q->first->since_ms > l->wait_ms_max)
			stale(ctx, queue_drop_oldest(l, q));
	}
}

void line_reap(struct line *l, uint64_t now_ms, void (*stale)(void *ctx, struct line_item *item),
	void *ctx)
{
	list_reap(l, &l->ready, now_ms, stale, ctx);
	list_reap(l, &l->held, now_ms, stale, ctx);
}
