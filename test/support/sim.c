// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "sim.h"
#include <assert.h>
#include <stdlib.h>

struct event {
	uint64_t at_ms,
		order; /* order breaks ties, so a run does not depend on the queue's shape */
	size_t node, from;
	uint32_t life; /* of the node when the event was made */
	bool is_timer;
	uint64_t tag;
	uint8_t *bytes;
	size_t len;
};

struct sim {
	struct prop prop;
	struct sim_network network;
	struct sim_node nodes[SIM_NODES_MAX];
	uint32_t lives[SIM_NODES_MAX];
	uint64_t now_ms, order;
	struct event *heap; /* binary heap by (at_ms, order) */
	size_t count;
};

struct sim *sim_open(uint64_t seed, struct sim_network network)
{
	struct sim *s = calloc(1, sizeof *s);

	assert(s != NULL);
	s->prop = prop_seeded(seed);
	s->network = network;
	s->heap = calloc(SIM_EVENTS_MAX, sizeof *s->heap);
	assert(s->heap != NULL);
	return s;
}

void sim_close(struct sim *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->heap[i].bytes);
	free(s->heap);
	free(s);
}

struct prop *sim_prop(struct sim *s)
{
	return &s->prop;
}

struct moment sim_now(const struct sim *s)
{
	return (struct moment){.mono_ms = s->now_ms, .unix_ms = 1800000000000 + (int64_t)s->now_ms};
}

static struct moment now_of(void *ctx)
{
	return sim_now(ctx);
}

struct clock_port sim_clock(struct sim *s)
{
	return (struct clock_port){.ctx = s, .now = now_of};
}

static bool before(const struct event *a, const struct event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
	const struct event t = *a;

	*a = *b;
	*b = t;
}

static void push(struct sim *s, struct event e)
{
	assert(s->count < SIM_EVENTS_MAX);
	size_t i = s->count++;
	e.order = s->order++;
	e.life = s->lives[e.node];
	s->heap[i] = e;
	for (; i > 0 && before(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static struct event pop(struct sim *s)
{
	const struct event first = s->heap[0];

	s->heap[0] = s->heap[--s->count];
	for (size_t i = 0;;) {
		size_t least = i;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->count; child++)
			if (before(&s->heap[child], &s->heap[least]))
				least = child;
		if (least == i)
			return first;
		swap(&s->heap[i], &s->heap[least]);
		i = least;
	}
}

void sim_node_set(struct sim *s, size_t node, struct sim_node behaviour)
{
	assert(node < SIM_NODES_MAX);
	s->nodes[node] = behaviour;
}

void sim_crash(struct sim *s, size_t node)
{
	s->lives[node]++;
	s->nodes[node] = (struct sim_node){0};
}

static void deliver_later(struct sim *s, size_t from, size_t to, struct span bytes)
{
	const uint64_t spread = s->network.delay_ms_max - s->network.delay_ms_min + 1;
	struct event e = {
		.at_ms = s->now_ms + s->network.delay_ms_min + prop_below(&s->prop, spread),
		.node = to,
		.from = from,
		.bytes = malloc(bytes.len + 1),
		.len = bytes.len};

	assert(e.bytes != NULL && bytes.len <= SIM_MESSAGE_MAX);
	if (bytes.len > 0)
		memcpy(e.bytes, bytes.at, bytes.len);
	push(s, e);
}

void sim_send(struct sim *s, size_t from, size_t to, struct span bytes)
{
	if (prop_below(&s->prop, 1000) < s->network.loss_permille)
		return;
	deliver_later(s, from, to, bytes);
	if (prop_below(&s->prop, 1000) < s->network.duplicate_permille)
		deliver_later(s, from, to, bytes);
}

void sim_timer(struct sim *s, size_t node, uint64_t delay_ms, uint64_t tag)
{
	push(s, (struct event){
			.at_ms = s->now_ms + delay_ms, .node = node, .is_timer = true, .tag = tag});
}

bool sim_step(struct sim *s)
{
	if (s->count == 0)
		return false;
	const struct event e = pop(s);
	const struct sim_node *node = &s->nodes[e.node];
	s->now_ms = e.at_ms;
	if (e.life == s->lives[e.node]) {
		if (e.is_timer && node->timer != NULL)
			node->timer(node->ctx, s, e.tag);
		else if (!e.is_timer && node->message != NULL)
			node->message(node->ctx, s, e.from, span_of(e.bytes, e.len));
	}
	free(e.bytes);
	return true;
}

void sim_run(struct sim *s, uint64_t until_ms)
{
	while (s->count > 0 && s->heap[0].at_ms <= until_ms)
		sim_step(s);
	if (s->now_ms < until_ms)
		s->now_ms = until_ms;
}
