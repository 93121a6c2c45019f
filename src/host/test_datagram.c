// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/datagram.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct loop loop;
static uint8_t got[DATAGRAM_MAX];
static size_t got_len;
static unsigned times;

static void echo(
	void *ctx, struct datagram_socket *s, const struct datagram_peer *from, struct span bytes)
{
	(void)ctx;
	assert_false(failed(datagram_send(s, from, bytes)));
}

static void keep_and_stop(
	void *ctx, struct datagram_socket *s, const struct datagram_peer *from, struct span bytes)
{
	(void)ctx, (void)s, (void)from;
	memcpy(got, bytes.at, bytes.len);
	got_len = bytes.len;
	times++;
	loop_stop(&loop);
}

static struct datagram_socket *open_on(const char *address, datagram_received_fn *received)
{
	struct datagram_socket *s;
	struct complaint c = {0};

	if (failed(datagram_open(&s, &loop, address, 0, received, NULL, &c)))
		fail_msg("%s", c.text);
	return s;
}

static void close_all(struct datagram_socket *a, struct datagram_socket *b)
{
	datagram_close(a);
	datagram_close(b);
	loop_run(&loop);
	loop_close(&loop);
}

static void test_a_datagram_comes_back_whole_from_4_and_6(void **state)
{
	static const char *const addresses[] = {"127.0.0.1", "::1"};
	static uint8_t bytes[60000];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct datagram_peer peer;
		assert_false(failed(loop_open(&loop)));
		struct datagram_socket *server = open_on(addresses[i], echo);
		struct datagram_socket *client = open_on(addresses[i], keep_and_stop);
		assert_false(failed(datagram_peer_of(&peer, addresses[i], datagram_port(server))));
		assert_false(failed(datagram_send(client, &peer, SPAN_ARRAY(bytes))));
		loop_run(&loop);
		assert_int_equal(got_len, sizeof bytes);
		assert_memory_equal(got, bytes, sizeof bytes);
		assert_int_equal(datagram_counts(server)->received, 1);
		assert_int_equal(datagram_counts(client)->sent, 1);
		close_all(server, client);
	}
	assert_int_equal(times, 2);
}

static void test_what_cannot_be_is_said(void **state)
{
	struct datagram_socket *first, *second;
	struct datagram_peer peer;
	struct complaint c = {0};
	char expected[80];

	(void)state;
	assert_false(failed(loop_open(&loop)));
	first = open_on("127.0.0.1", echo);
	const uint16_t port = datagram_port(first);
	assert_int_equal(
		datagram_open(&second, &loop, "127.0.0.1", port, echo, NULL, &c).kind, ERR_IO);
	snprintf(expected, sizeof expected, "port %u/udp is in use on 127.0.0.1", port);
	assert_string_equal(c.text, expected);
	c = (struct complaint){0};
	assert_int_equal(
		datagram_open(&second, &loop, "localhost", 0, echo, NULL, &c).kind, ERR_INPUT);
	assert_string_equal(c.text, "'localhost' is not an IPv4 or IPv6 address");
	assert_int_equal(datagram_peer_of(&peer, "127.0.0.1:1", 1).kind, ERR_INPUT);
	assert_false(failed(datagram_peer_of(&peer, "127.0.0.1", port)));
	assert_int_equal(datagram_send(first, &peer, span_of(got, (size_t)DATAGRAM_MAX + 1)).kind,
		ERR_LIMIT);
	datagram_close(first);
	datagram_close(first);
	loop_run(&loop);
	loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_datagram_comes_back_whole_from_4_and_6),
		cmocka_unit_test(test_what_cannot_be_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
