// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * For the test and the fuzzer of the front alone: a front in this process, with a clock that is set,
 * a store that answers as it is told, and one connection, all over real sockets and the real loop.
 */
#include "daemon/auc-front/peer.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORLD_HELD_MAX = REQUESTS_MAX, WORLD_TURNS = 4 };

/* What the store answers; HOLD keeps the request until world_release(). */
enum world_answer { WORLD_VECTORS, WORLD_TRIPLETS, WORLD_ERROR, WORLD_HOLD };

static struct {
	struct process process;
	struct auc_front front;
	struct channel *store_end; /* the store's */
	int peer;                  /* the client's socket; < 0: none */
	uint64_t now_ms;
	enum world_answer answer;
	struct err error;
	struct auth_request asked; /* the last */
	size_t asks, held;
	struct {
		uint64_t id;
		uint16_t type;
	} held_ids[WORLD_HELD_MAX];
	uint8_t received[1 << 20];
	size_t received_len;
	bool is_closed;
} world;

static struct moment world_clock(void *ctx)
{
	(void)ctx;
	return (struct moment){.mono_ms = world.now_ms};
}

static void world_answer(struct channel *c, uint64_t id, uint16_t type)
{
	static struct auth_vector vectors[AUTH_VECTORS_MAX];
	uint8_t buffer[AUC_VECTORS_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (world.answer == WORLD_ERROR) {
		channel_answer(c, id, type, world.error, span_of(NULL, 0));
		return;
	}
	for (size_t i = 0; i < AUTH_VECTORS_MAX; i++)
		vectors[i] = (struct auth_vector){.is_triplet = world.answer == WORLD_TRIPLETS,
			.rand = {(uint8_t)(i + 1)},
			.res_len = world.answer == WORLD_TRIPLETS ? 0 : 8};
	if (type == AUC_AUTHENTICATE)
		auc_vectors_encode(&w, vectors, world.asked.vectors);
	else
		auc_text_encode(&w, "4900000000001");
	channel_answer(c, id, type, OK, writer_span_done(&w));
}

static void world_on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct wire_fault fault = {0};

	(void)ctx;
	world.asks++;
	if (frame->type == AUC_AUTHENTICATE &&
		failed(auc_request_decode(frame->body, &world.asked, &fault)))
		abort(); /* the front asked what no store can read */
	if (world.answer != WORLD_HOLD)
		world_answer(c, frame->request_id, frame->type);
	else if (world.held < WORLD_HELD_MAX) {
		world.held_ids[world.held].id = frame->request_id;
		world.held_ids[world.held++].type = frame->type;
	}
}

static void world_on_answer_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx, (void)c, (void)frame;
}

static void world_on_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)why;
	if (world.front.store == c) /* as the process does */
		world.front.store = NULL;
}

/* Lets everybody do what is to be done now. */
static inline void world_run(void)
{
	for (int i = 0; i < WORLD_TURNS; i++) {
		uv_run(&world.process.loop.uv, UV_RUN_NOWAIT);
		if (world.peer < 0 || world.received_len == sizeof world.received)
			continue;
		const ssize_t n = recv(world.peer, world.received + world.received_len,
			sizeof world.received - world.received_len, MSG_DONTWAIT);
		world.received_len += n > 0 ? (size_t)n : 0;
		world.is_closed = world.is_closed || n == 0;
	}
}

static inline void world_release(void)
{
	for (size_t i = 0; i < world.held; i++)
		world_answer(world.store_end, world.held_ids[i].id, world.held_ids[i].type);
	world.held = 0;
	world_run();
}

static inline void world_wait(uint64_t ms)
{
	world.now_ms += ms;
	serve_expire(&world.front, world.now_ms);
	peers_tick(&world.front, world.now_ms);
	front_alarms_tick(&world.front, world.now_ms);
	serve_pace(&world.front);
	world_run();
}

static inline void world_hang_up(void)
{
	if (world.peer >= 0)
		close(world.peer);
	world.peer = -1;
	world_run();
}

/* A connection; what the one before got is forgotten. */
static inline void world_connect(void)
{
	struct stream *s;
	int fds[2];

	world_hang_up();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0 ||
		failed(stream_adopt(&s, &world.process.loop, fds[0], NULL, NULL)))
		abort();
	world.peer = fds[1];
	world.received_len = 0;
	world.is_closed = false;
	peer_accept(&world.front, s);
	world_run();
}

/* `rows`: of the roster, NULL at the end; NULL: none. */
static inline void world_rules(const char *const *rows, uint64_t rate_per_s)
{
	struct front_rules *next = &world.front.next_rules;
	struct complaint c = {0};

	*next = (struct front_rules){.rate_per_s = rate_per_s};
	for (size_t i = 0; rows != NULL && rows[i] != NULL; i++)
		if (failed(roster_row_read(&next->roster.rows[next->roster.count++], rows[i], &c)))
			abort();
	front_rules_commit(&world.front);
}

static inline void world_store_open(void)
{
	static const struct channel_events near = {world_on_answer_frame, world_on_closed};
	static const struct channel_events far = {world_on_frame, world_on_closed};
	struct loop *l = &world.process.loop;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0 ||
		failed(channel_open_fd(&world.front.store, l, fds[0], &near, NULL)) ||
		failed(channel_open_fd(&world.store_end, l, fds[1], &far, NULL)))
		abort();
}

/* With all that it was asked. */
static inline void world_store_die(void)
{
	channel_close(world.store_end);
	world.held = 0;
	world_run();
}

static inline void world_open(uint32_t peers_max)
{
	struct process *p = &world.process;
	struct auc_front *f = &world.front;

	world.peer = -1;
	world.now_ms = 1000000;
	p->name = "test";
	p->log.least = LOG_LEVELS;
	p->clock = (struct clock_port){.now = world_clock};
	if (failed(loop_open(&p->loop)) || failed(front_open(f, p)) ||
		failed(pool_open(&f->peers, peers_max, sizeof(struct peer))))
		abort();
	world_store_open();
}

static inline void world_say(struct span bytes)
{
	while (bytes.len > 0 && world.peer >= 0) {
		const ssize_t n =
			send(world.peer, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		world_run();
		if (n <= 0)
			return; /* it was closed, or it is not read any more */
		bytes = span_of(bytes.at + n, bytes.len - (size_t)n);
	}
}

static inline void world_say_name(const char *name)
{
	struct ipa_identity id = {.unit_id = "0/0/0"};
	uint8_t buffer[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	snprintf(id.serial, sizeof id.serial, "%s", name);
	ipa_id_resp_encode(&w, &id);
	world_say(writer_span_done(&w));
}

static inline void world_say_gsup(const struct gsup *g)
{
	static uint8_t buffer[IPA_FRAME_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	const size_t mark = ipa_gsup_open(&w);

	gsup_encode(&w, g);
	ipa_gsup_close(&w, mark);
	world_say(writer_span_done(&w));
}

/* The next GSUP message that came back; other frames are skipped. */
static inline bool world_hear(struct gsup *g)
{
	struct wire_fault fault = {0};
	struct ipa_frame frame;
	size_t size = 0;

	for (;;) {
		if (failed(ipa_frame_size(span_of(world.received, world.received_len), &size)) ||
			size == 0 || size > world.received_len ||
			failed(ipa_decode(span_of(world.received, size), &frame, &fault)))
			return false;
		memset(g, 0, sizeof *g);
		const bool is_gsup = frame.kind == IPA_GSUP;
		const struct err e = is_gsup ? gsup_decode(frame.payload, g, &fault) : OK;
		if (failed(e))
			abort(); /* the front answers what nobody can read */
		memmove(world.received, world.received + size, world.received_len - size);
		world.received_len -= size;
		if (is_gsup)
			return true;
	}
}

/* Everybody has gone and every answer has come: nothing may be left. */
static inline void world_check_empty(void)
{
	const struct auc_front *f = &world.front;

	world_hang_up();
	world.answer = WORLD_VECTORS;
	world_release();
	world_wait(INSERT_DATA_MS_MAX + 1);
	if (f->requests.in_use != 0 || f->line.count != 0 || f->at_store != 0 || f->paused != 0 ||
		f->oldest_location != NULL || f->peers.in_use != 0)
		abort();
}
