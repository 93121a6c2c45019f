// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/stream.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* One side of a stream as a test sees it: what it got, how it ended. */
struct side {
	struct loop *loop;
	struct stream *s;
	size_t opened, chunks, got, closed;
	size_t stop_at; /* octets; 0: never */
	bool echoes, closes_at_once, pauses_at_each;
	uint32_t sum;
	struct err why;
	struct complaint complaint;
	char address[64];
};

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct side *side = ctx;

	assert_int_equal(side->got, 0);
	side->s = s;
	side->opened++;
	snprintf(side->address, sizeof side->address, "%s", id->address);
	if (side->closes_at_once)
		stream_close(s);
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	struct side *side = ctx;

	side->chunks++;
	side->got += bytes.len;
	for (size_t i = 0; i < bytes.len; i++)
		side->sum = side->sum * 31 + bytes.at[i];
	if (side->pauses_at_each)
		stream_pause(s, true);
	if (side->echoes)
		assert_false(failed(stream_send(s, bytes)));
	if (side->stop_at > 0 && side->got >= side->stop_at)
		loop_stop(side->loop);
}

static void on_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct side *side = ctx;

	(void)s;
	side->closed++;
	side->why = why;
	side->complaint = *c;
	side->s = NULL;
	loop_stop(side->loop);
}

static const struct stream_events events = {on_opened, on_bytes, on_closed};

struct world {
	struct loop loop;
	struct side a, b;
	struct listener *listener;
	struct loop_timer alarm;
	bool is_late;
};

static void on_alarm(void *ctx)
{
	struct world *w = ctx;

	w->is_late = true;
	loop_stop(&w->loop);
}

static void on_accepted(void *ctx, struct stream *s)
{
	struct world *w = ctx;

	stream_set_context(s, &events, &w->b);
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	assert_false(failed(loop_open(&w->loop)));
	w->a.loop = w->b.loop = &w->loop;
	loop_timer_open(&w->loop, &w->alarm, on_alarm, w);
	*state = w;
	return 0;
}

/* Runs until a side says stop; a test that hangs fails after 5 s. */
static void run(struct world *w)
{
	w->is_late = false;
	loop_timer_once(&w->alarm, 5000);
	loop_run(&w->loop);
	loop_timer_stop(&w->alarm);
	assert_false(w->is_late);
}

static void run_for(struct world *w, uint64_t ms)
{
	loop_timer_once(&w->alarm, ms);
	loop_run(&w->loop);
	loop_timer_stop(&w->alarm);
	w->is_late = false;
}

static int world_close(void **state)
{
	struct world *w = *state;

	if (w->listener != NULL)
		listener_close(w->listener);
	if (w->a.s != NULL)
		stream_abort(w->a.s);
	if (w->b.s != NULL)
		stream_abort(w->b.s);
	for (int i = 0; i < 4; i++) /* each `closed` stops the loop */
		run_for(w, 10);
	loop_close(&w->loop);
	free(w);
	return 0;
}

static void listen_tcp(struct world *w, uint32_t streams_max)
{
	const struct listener_settings settings = {
		.address = "127.0.0.1", .streams_max = streams_max};
	struct complaint c = {0};

	assert_false(failed(listener_open(&w->listener, &w->loop, &settings, on_accepted, w, &c)));
}

static void connect_a(struct world *w)
{
	assert_false(failed(stream_connect_tcp(&w->a.s, &w->loop, "127.0.0.1",
		listener_port(w->listener), NULL, NULL, &events, &w->a)));
}

static void test_small_sends_of_one_turn_leave_as_one_write(void **state)
{
	struct world *w = *state;

	listen_tcp(w, 4);
	connect_a(w);
	for (int i = 0; i < 1000; i++)
		assert_false(failed(stream_send(w->a.s, span_str("0123456789"))));
	w->b.stop_at = 10000;
	run(w);
	assert_int_equal(w->a.opened, 1);
	assert_int_equal(w->b.opened, 1);
	assert_int_equal(w->b.got, 10000);
	assert_in_range(w->b.chunks, 1, 3);
	assert_memory_equal(w->b.address, "127.0.0.1:", 10);
}

static void test_close_sends_what_waits_and_is_told_once(void **state)
{
	struct world *w = *state;
	const size_t len = 8 << 20;
	uint8_t *bytes = calloc(1, len);

	listen_tcp(w, 4);
	connect_a(w);
	assert_false(failed(stream_send(w->a.s, span_of(bytes, len))));
	assert_int_equal(stream_queued(w->a.s), len);
	w->b.stop_at = 1;
	run(w);
	w->b.stop_at = 0;
	stream_close(w->a.s);
	assert_int_equal(stream_send(w->a.s, span_str("x")).kind, ERR_STATE);
	while (w->a.closed == 0 || w->b.closed == 0)
		run(w);
	assert_int_equal(w->b.got, len);
	assert_int_equal(w->a.closed + w->b.closed, 2);
	assert_false(failed(w->a.why));
	assert_false(failed(w->b.why));
	free(bytes);
}

static void test_queue_at_its_limit_refuses_and_stays_whole(void **state)
{
	struct world *w = *state;
	uint8_t *bytes = calloc(1, STREAM_QUEUE_MAX);

	listen_tcp(w, 4);
	connect_a(w);
	assert_false(failed(stream_send(w->a.s, span_of(bytes, STREAM_QUEUE_MAX - 1))));
	assert_int_equal(stream_send(w->a.s, span_of(bytes, 2)).kind, ERR_LIMIT);
	assert_false(failed(stream_send(w->a.s, span_of(bytes, 1))));
	assert_int_equal(stream_send(w->a.s, span_of(bytes, 1)).kind, ERR_LIMIT);
	w->b.stop_at = STREAM_QUEUE_MAX;
	run(w);
	assert_int_equal(w->b.got, STREAM_QUEUE_MAX);
	free(bytes);
}

static void test_pause_holds_octets_back(void **state)
{
	struct world *w = *state;

	listen_tcp(w, 4);
	connect_a(w);
	assert_false(failed(stream_send(w->a.s, span_str("first"))));
	w->b.stop_at = 5;
	run(w);
	stream_pause(w->b.s, true);
	run_for(w, 20);
	assert_false(failed(stream_send(w->a.s, span_str("second"))));
	run_for(w, 50);
	assert_int_equal(w->b.got, 5);
	stream_pause(w->b.s, false);
	w->b.stop_at = 11;
	run(w);
	assert_int_equal(w->b.got, 11);
}

/* libuv would read on, up to 32 times, before the turn of the loop ends. */
static void test_a_pause_while_octets_come_holds_the_rest_back(void **state)
{
	struct world *w = *state;
	const size_t len = 1 << 20;
	uint8_t *bytes = calloc(1, len);

	listen_tcp(w, 4);
	connect_a(w);
	assert_false(failed(stream_send(w->a.s, span_str("first"))));
	w->b.stop_at = 5;
	run(w);
	stream_pause(w->b.s, true);
	assert_false(failed(stream_send(w->a.s, span_of(bytes, len))));
	run_for(w, 50); /* now the kernel holds more than one read takes */
	w->b.pauses_at_each = true;
	w->b.stop_at = 0;
	w->b.chunks = 0;
	stream_pause(w->b.s, false);
	run_for(w, 50);
	assert_int_equal(w->b.chunks, 1);
	w->b.pauses_at_each = false;
	w->b.stop_at = 5 + len;
	stream_pause(w->b.s, false);
	run(w);
	assert_int_equal(w->b.got, 5 + len);
	free(bytes);
}

static void test_abort_drops_what_waits(void **state)
{
	struct world *w = *state;

	listen_tcp(w, 4);
	connect_a(w);
	assert_false(failed(stream_send(w->a.s, span_str("never"))));
	stream_abort(w->a.s);
	assert_int_equal(w->a.closed, 0); /* not from inside the call */
	run(w);
	assert_int_equal(w->a.closed, 1);
	run_for(w, 50);
	assert_int_equal(w->b.got, 0);
}

static void test_streams_over_the_limit_are_closed_and_counted(void **state)
{
	struct world *w = *state;
	struct side third = {.loop = &w->loop}, second = {.loop = &w->loop};

	listen_tcp(w, 1);
	connect_a(w);
	run_for(w, 50);
	assert_int_equal(w->b.opened, 1);
	assert_false(failed(stream_connect_tcp(&second.s, &w->loop, "127.0.0.1",
		listener_port(w->listener), NULL, NULL, &events, &second)));
	run(w);
	assert_int_equal(second.closed, 1);
	assert_int_equal(listener_refused(w->listener), 1);
	/* The place of one that is gone is free again. */
	stream_abort(w->a.s);
	while (w->b.closed == 0)
		run(w);
	assert_false(failed(stream_connect_tcp(&third.s, &w->loop, "127.0.0.1",
		listener_port(w->listener), NULL, NULL, &events, &third)));
	run_for(w, 50);
	assert_int_equal(w->b.opened, 2);
	assert_int_equal(listener_refused(w->listener), 1);
	stream_abort(third.s);
	run(w);
}

static void test_nobody_listens(void **state)
{
	struct world *w = *state;
	struct listener *gone;

	listen_tcp(w, 1);
	const uint16_t port = listener_port(w->listener);
	gone = w->listener;
	w->listener = NULL;
	listener_close(gone);
	run_for(w, 10);
	assert_false(failed(stream_connect_tcp(
		&w->a.s, &w->loop, "127.0.0.1", port, NULL, NULL, &events, &w->a)));
	run(w);
	assert_int_equal(w->a.why.kind, ERR_IO);
	assert_string_equal(w->a.complaint.text, "cannot connect: connection refused");
	assert_int_equal(
		stream_connect_tcp(&w->a.s, &w->loop, "localhost", port, NULL, NULL, &events, &w->a)
			.kind,
		ERR_INPUT);
}

static void test_port_in_use_is_said_with_its_number(void **state)
{
	struct world *w = *state;
	struct complaint c = {0};
	struct listener *second;
	char expected[64];

	listen_tcp(w, 1);
	const struct listener_settings settings = {
		.address = "127.0.0.1", .port = listener_port(w->listener), .streams_max = 1};
	snprintf(expected, sizeof expected, "port %u is in use on 127.0.0.1", settings.port);
	assert_true(failed(listener_open(&second, &w->loop, &settings, on_accepted, w, &c)));
	assert_string_equal(c.text, expected);
	const struct listener_settings nowhere = {.address = "192.0.2.1", .port = 4222};
	c.text[0] = '\0';
	assert_true(failed(listener_open(&second, &w->loop, &nowhere, on_accepted, w, &c)));
	assert_string_equal(c.text, "this machine has no address 192.0.2.1");
}

static void test_unix_socket_replaces_its_own_kind_alone(void **state)
{
	struct world *w = *state;
	struct complaint c = {0};
	struct listener *second;
	struct stat st;
	char path[] = "/tmp/merlon-stream-XXXXXX";

	const int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	const struct listener_settings settings = {.unix_path = path, .streams_max = 4};
	assert_true(failed(listener_open(&w->listener, &w->loop, &settings, on_accepted, w, &c)));
	assert_non_null(strstr(c.text, "is no socket"));
	unlink(path);
	c.text[0] = '\0';
	assert_false(failed(listener_open(&w->listener, &w->loop, &settings, on_accepted, w, &c)));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_true(failed(listener_open(&second, &w->loop, &settings, on_accepted, w, &c)));
	assert_non_null(strstr(c.text, "is in use"));

	assert_false(failed(stream_connect_unix(&w->a.s, &w->loop, path, &events, &w->a)));
	w->b.echoes = true;
	w->a.stop_at = 5;
	assert_false(failed(stream_send(w->a.s, span_str("hello"))));
	run(w);
	assert_string_equal(w->a.address, "unix");
	/* Left behind by a process that is gone: replaced. */
	listener_close(w->listener);
	run_for(w, 20);
	c.text[0] = '\0';
	assert_false(failed(listener_open(&w->listener, &w->loop, &settings, on_accepted, w, &c)));
	unlink(path);
}

static void test_adopted_pair_talks_and_ends_in_order(void **state)
{
	struct world *w = *state;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_false(failed(stream_adopt(&w->a.s, &w->loop, fds[0], &events, &w->a)));
	assert_false(failed(stream_adopt(&w->b.s, &w->loop, fds[1], &events, &w->b)));
	assert_int_equal(w->a.opened, 0);
	assert_false(failed(stream_send(w->a.s, span_str("to b"))));
	w->b.echoes = true;
	w->a.stop_at = 4;
	run(w);
	assert_int_equal(w->a.opened + w->b.opened, 2);
	stream_close(w->a.s);
	while (w->a.closed == 0 || w->b.closed == 0)
		run(w);
	assert_false(failed(w->a.why));
	assert_false(failed(w->b.why));
	assert_int_equal(w->a.closed + w->b.closed, 2);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_small_sends_of_one_turn_leave_as_one_write),
		IN_WORLD(test_close_sends_what_waits_and_is_told_once),
		IN_WORLD(test_queue_at_its_limit_refuses_and_stays_whole),
		IN_WORLD(test_pause_holds_octets_back),
		IN_WORLD(test_a_pause_while_octets_come_holds_the_rest_back),
		IN_WORLD(test_abort_drops_what_waits),
		IN_WORLD(test_streams_over_the_limit_are_closed_and_counted),
		IN_WORLD(test_nobody_listens),
		IN_WORLD(test_port_in_use_is_said_with_its_number),
		IN_WORLD(test_unix_socket_replaces_its_own_kind_alone),
		IN_WORLD(test_adopted_pair_talks_and_ends_in_order),
	};
	return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
