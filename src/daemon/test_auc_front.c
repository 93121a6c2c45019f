// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/auc-front/world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct gsup heard;

static int set_up(void **state)
{
	static bool is_open;

	(void)state;
	if (!is_open)
		world_open(PEERS_MAX);
	is_open = true;
	world.answer = WORLD_VECTORS;
	world.asks = 0;
	world_rules(NULL, 0);
	world_connect();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_check_empty();
	return 0;
}

static struct gsup request(uint8_t type)
{
	return (struct gsup){.type = type, .imsi = "001010000000007"};
}

static void say(uint8_t type)
{
	static struct gsup g;

	g = request(type);
	g.has_cause = type % 4 == 1;
	g.vector_count = type == GSUP_SEND_AUTH_INFO_RESULT;
	world_say_gsup(&g);
}

static void say_hex(const char *hex)
{
	uint8_t buffer[256];

	assert_true(hex_to_span(span_mut_of(buffer, strlen(hex) / 2), hex));
	world_say(span_of(buffer, strlen(hex) / 2));
}

static void hear(uint8_t type, uint8_t cause)
{
	if (!world_hear(&heard))
		fail_msg("no answer, type %02x expected", type);
	assert_int_equal(heard.type, type);
	assert_int_equal(heard.cause, cause);
	assert_string_equal(heard.imsi, "001010000000007");
}

static void hear_nothing(void)
{
	if (world_hear(&heard))
		fail_msg("an answer of type %02x, cause %u", heard.type, heard.cause);
}

/* ---- identity ---- */

static void before_its_name_nothing_of_a_peer_is_heard(void **state)
{
	const uint64_t before = world.front.refusals[REFUSED_EARLY];

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		world_connect();
		say((uint8_t)type);
		hear_nothing();
		assert_false(world.is_closed);
	}
	assert_int_equal(world.asks, 0);
	assert_int_equal(world.front.refusals[REFUSED_EARLY] - before, 256);
	/* And not for ever. */
	world_connect();
	for (int i = 0; i < MALFORMED_MAX - 1; i++)
		say(GSUP_SEND_AUTH_INFO_REQUEST);
	assert_false(world.is_closed);
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	assert_true(world.is_closed);
}

static void a_name_may_come_again_but_not_another(void **state)
{
	(void)state;
	world_say_name("SGSN-1");
	world_say_name("SGSN-1");
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
	world_say_name("SGSN-2");
	assert_true(world.is_closed);
}

static void who_does_not_say_his_name_in_time_goes(void **state)
{
	(void)state;
	world_wait(IDENTITY_MS_MAX);
	assert_false(world.is_closed);
	world_wait(1);
	assert_true(world.is_closed);
}

static void half_a_frame_is_not_kept_for_ever(void **state)
{
	(void)state;
	world_say_name("SGSN-1");
	say_hex("0012ee0508");
	world_wait(PARTIAL_MS_MAX - 1000);
	say_hex("01"); /* an octet now and then does not help */
	world_wait(1000);
	assert_false(world.is_closed);
	world_wait(1);
	assert_true(world.is_closed);
}

/* Under load each read ends within a frame, a new one each time. */
static void a_busy_peer_is_not_taken_for_one_that_says_half_a_frame(void **state)
{
	(void)state;
	world_say_name("SGSN-1");
	say_hex("0012ee0508010800");
	for (unsigned ms = 0; ms < 2 * PARTIAL_MS_MAX; ms += 1000) {
		world_wait(1000);
		say_hex("010100000000f75201010a01020012ee0508010800");
		hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
		assert_false(world.is_closed);
	}
	world_wait(PARTIAL_MS_MAX);
	assert_false(world.is_closed);
	world_wait(1);
	assert_true(world.is_closed);
}

static void a_silent_peer_is_pinged_and_then_dropped(void **state)
{
	static const uint8_t ping[] = {0, 1, IPA_STREAM_CCM, IPA_CCM_PING};

	(void)state;
	world_say_name("SGSN-1");
	world_hear(&heard); /* the question for the name */
	world.received_len = 0;
	world_wait(QUIET_MS_MAX + 1);
	assert_int_equal(world.received_len, sizeof ping);
	assert_memory_equal(world.received, ping, sizeof ping);
	say_hex("0001fe01");
	world_wait(DEAD_MS_MAX);
	assert_false(world.is_closed);
	world_wait(1);
	assert_true(world.is_closed);
}

static void foreign_streams_are_counted_and_end_the_connection(void **state)
{
	static const char *const frames[] = {"0001ee00", "0001ee06", "000300414243", "0001fe99"};
	const uint64_t before = world.front.refusals[REFUSED_STREAM];

	(void)state;
	world_say_name("SGSN-1");
	for (int i = 0; i < MALFORMED_MAX; i++) {
		assert_false(world.is_closed);
		say_hex(frames[i % 4]);
	}
	assert_true(world.is_closed);
	assert_int_equal(world.front.refusals[REFUSED_STREAM] - before, 12);
}

/* ---- messages ---- */

static void each_type_is_answered_or_wants_no_answer(void **state)
{
	static const uint8_t ours[] = {
		GSUP_UPDATE_LOCATION_REQUEST, GSUP_SEND_AUTH_INFO_REQUEST, GSUP_PURGE_MS_REQUEST};

	(void)state;
	world_say_name("SGSN-1");
	for (unsigned type = 0; type < 256; type++) {
		say((uint8_t)type);
		if (type == GSUP_UPDATE_LOCATION_REQUEST) {
			hear(GSUP_INSERT_DATA_REQUEST, 0);
			say(GSUP_INSERT_DATA_RESULT);
			hear(GSUP_UPDATE_LOCATION_RESULT, 0);
		} else if (memchr(ours, (int)type, sizeof ours) != NULL) {
			hear((uint8_t)(type + 2), 0);
		} else if (gsup_is_request((uint8_t)type)) {
			hear((uint8_t)(type + 1), GSUP_CAUSE_TYPE_UNKNOWN);
		}
		hear_nothing();
		assert_false(world.is_closed);
	}
}

static void the_number_of_vectors_is_kept_to(void **state)
{
	static struct gsup g;

	(void)state;
	world_say_name("SGSN-1");
	for (uint8_t n = 0; n <= AUTH_VECTORS_MAX; n++) {
		g = request(GSUP_SEND_AUTH_INFO_REQUEST);
		g.vectors_requested = n;
		world_say_gsup(&g);
		hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
		assert_int_equal(heard.vector_count, n == 0 ? AUTH_VECTORS_MAX : n);
	}
}

/* With a class behind it, which the answer carries back. */
static void a_number_of_vectors_out_of_range_is_invalid(void **state)
{
	(void)state;
	world_say_name("SGSN-1");
	for (int i = 0; i < 2; i++) {
		say_hex(i == 0 ? "0012ee0508010800010100000000f75201000a0102"
			       : "0012ee0508010800010100000000f75201060a0102");
		hear(GSUP_SEND_AUTH_INFO_ERROR, GSUP_CAUSE_INVALID_MANDATORY);
		assert_true(heard.has_message_class);
		assert_int_equal(heard.message_class, 2);
	}
}

static void every_answer_carries_back_class_session_and_name(void **state)
{
	static const struct {
		uint8_t type, answer, state;
	} rows[] = {{GSUP_SEND_AUTH_INFO_REQUEST, GSUP_SEND_AUTH_INFO_RESULT, GSUP_SESSION_END},
		{GSUP_PURGE_MS_REQUEST, GSUP_PURGE_MS_RESULT, GSUP_SESSION_END},
		{GSUP_UPDATE_LOCATION_REQUEST, GSUP_INSERT_DATA_REQUEST, GSUP_SESSION_CONTINUE},
		{0x30, 0x31, GSUP_SESSION_END}};
	static struct gsup g;

	(void)state;
	world_say_name("SGSN-1");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		g = request(rows[i].type);
		g.has_message_class = g.has_session = g.has_session_state = true;
		g.message_class = 1;
		g.session = 77;
		g.session_state = 1;
		g.source_len = 3;
		memcpy(g.source, "vlr", 3);
		world_say_gsup(&g);
		hear(rows[i].answer, rows[i].type == 0x30 ? GSUP_CAUSE_TYPE_UNKNOWN : 0);
		assert_true(heard.has_message_class && heard.message_class == 1);
		assert_true(heard.has_session && heard.session == 77);
		assert_int_equal(heard.session_state, rows[i].state);
		assert_int_equal(heard.destination_len, 3);
		assert_memory_equal(heard.destination, "vlr", 3);
	}
	assert_string_equal(world.asked.node, "vlr");
	say(GSUP_INSERT_DATA_ERROR);
	hear(GSUP_UPDATE_LOCATION_ERROR, GSUP_CAUSE_NETWORK_FAILURE);
}

static void what_the_store_refuses_has_its_cause(void **state)
{
	static const struct {
		enum err_kind kind;
		uint8_t ps, cs;
	} rows[] = {{ERR_ABSENT, 2, 2}, {ERR_STATE, 7, 11}, {ERR_AUTH, 21, 21}, {ERR_LIMIT, 22, 22},
		{ERR_CRYPTO, 17, 17}, {ERR_IO, 17, 17}};
	static struct gsup g;

	(void)state;
	world_say_name("SGSN-1");
	world.answer = WORLD_ERROR;
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const bool is_cs = i % 2 == 1;
		world.error = (struct err){rows[i / 2].kind};
		g = request(i % 4 < 2 ? GSUP_SEND_AUTH_INFO_REQUEST : GSUP_UPDATE_LOCATION_REQUEST);
		g.domain = is_cs ? AUTH_CS : AUTH_PS;
		world_say_gsup(&g);
		hear((uint8_t)(g.type + 1), is_cs ? rows[i / 2].cs : rows[i / 2].ps);
	}
}

static void a_subscriber_of_2g_gets_triplets(void **state)
{
	(void)state;
	world_say_name("SGSN-1");
	world.answer = WORLD_TRIPLETS;
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
	assert_int_equal(heard.vector_count, 5);
	assert_true(heard.vectors[0].is_triplet && heard.vectors[4].is_triplet);
}

static void a_message_for_somebody_else_is_not_passed_on(void **state)
{
	static struct gsup g;

	(void)state;
	world_say_name("SGSN-1");
	g = request(GSUP_SEND_AUTH_INFO_REQUEST);
	g.destination_len = g.source_len = 3;
	memcpy(g.destination, "far", 3);
	memcpy(g.source, "vlr", 3);
	world_say_gsup(&g);
	hear(GSUP_ROUTING_ERROR, 0);
	assert_memory_equal(heard.source, "far", 3);
	assert_memory_equal(heard.destination, "vlr", 3);
	assert_int_equal(world.asks, 0);
}

static void nodes_behind_a_peer_are_limited(void **state)
{
	static struct gsup g;

	(void)state;
	world_say_name("proxy");
	for (int i = 0; i < 2 * SOURCES_MAX + 2; i++) {
		const char name[] = {(char)('a' + i / 2), '\0'};
		g = request(GSUP_SEND_AUTH_INFO_REQUEST);
		g.source_len = (uint8_t)(1 + i % 2); /* with its NUL it is the same node */
		memcpy(g.source, name, sizeof name);
		world_say_gsup(&g);
		hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
		assert_string_equal(world.asked.node, i < 2 * SOURCES_MAX ? name : "proxy");
	}
}

/* ---- UpdateLocation ---- */

static void an_answer_of_nobodys_is_counted(void **state)
{
	const uint64_t before = world.front.unexpected;

	(void)state;
	world_say_name("SGSN-1");
	say(GSUP_INSERT_DATA_RESULT);
	say(GSUP_LOCATION_CANCEL_RESULT);
	hear_nothing();
	assert_int_equal(world.front.unexpected - before, 2);
}

static void a_location_begun_anew_ends_the_older_one(void **state)
{
	(void)state;
	world_say_name("SGSN-1");
	say(GSUP_UPDATE_LOCATION_REQUEST);
	hear(GSUP_INSERT_DATA_REQUEST, 0);
	say(GSUP_UPDATE_LOCATION_REQUEST);
	hear(GSUP_UPDATE_LOCATION_ERROR, GSUP_CAUSE_NETWORK_FAILURE);
	hear(GSUP_INSERT_DATA_REQUEST, 0);
	say(GSUP_INSERT_DATA_RESULT);
	hear(GSUP_UPDATE_LOCATION_RESULT, 0);
	say(GSUP_INSERT_DATA_RESULT);
	hear_nothing();
}

static void a_node_that_does_not_take_the_data_is_told(void **state)
{
	(void)state;
	world_say_name("SGSN-1");
	say(GSUP_UPDATE_LOCATION_REQUEST);
	hear(GSUP_INSERT_DATA_REQUEST, 0);
	world_wait(INSERT_DATA_MS_MAX);
	hear_nothing();
	world_wait(1);
	hear(GSUP_UPDATE_LOCATION_ERROR, GSUP_CAUSE_NETWORK_FAILURE);
}

/* Not those that wait for its own answer either: it could fill the pool by coming again. */
static void a_peer_that_goes_leaves_no_request(void **state)
{
	static struct gsup g;

	(void)state;
	world_say_name("SGSN-1");
	for (int i = 0; i < 100; i++) {
		g = request(GSUP_UPDATE_LOCATION_REQUEST);
		snprintf(g.imsi, sizeof g.imsi, "00101000000%04d", i);
		world_say_gsup(&g);
	}
	assert_int_equal(world.front.requests.in_use, 100);
	world.answer = WORLD_HOLD;
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	world_hang_up();
	assert_int_equal(world.front.requests.in_use, 1); /* at the store */
	world.answer = WORLD_VECTORS;
	world_release();
	assert_int_equal(world.front.requests.in_use, 0);
}

/* ---- the roster ---- */

static void who_is_not_listed_goes(void **state)
{
	static const char *const rows[] = {"0 0 0 - - SGSN-1", "0 0 0 10.0.0.1 - SGSN-2", NULL};

	(void)state;
	world_rules(rows, 0);
	world_connect();
	world_say_name("SGSN-3");
	assert_true(world.is_closed);
	world_connect();
	world_say_name("SGSN-2"); /* from another address */
	assert_true(world.is_closed);
	world_connect();
	world_say_name("SGSN-1");
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
}

static void a_peer_may_ask_for_its_plmns_alone(void **state)
{
	static const char *const other[] = {"0 0 0 - 00102,310260 SGSN-1", NULL};
	static const char *const right[] = {"0 0 2 - 00102,00101 SGSN-1", NULL};
	static const uint8_t types[] = {
		GSUP_SEND_AUTH_INFO_REQUEST, GSUP_UPDATE_LOCATION_REQUEST, GSUP_PURGE_MS_REQUEST};

	(void)state;
	world_rules(other, 0);
	world_say_name("SGSN-1");
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		say(types[i]);
		hear((uint8_t)(types[i] + 1), GSUP_CAUSE_PLMN_NOT_ALLOWED);
	}
	assert_int_equal(world.asks, 0);
	world_rules(right, 0); /* taken while it is connected */
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
	assert_int_equal(heard.vector_count, 2); /* its vectors_max */
}

/* Of nine connections of one name the one goes that has been silent longest. */
static void a_name_has_so_many_connections_and_no_more(void **state)
{
	static const char *const rows[] = {"0 0 0 - - SGSN-1", NULL};
	int before[PEERS_PER_NAME_MAX];
	uint8_t octets[64];

	(void)state;
	world_rules(rows, 0);
	for (int i = 0; i < PEERS_PER_NAME_MAX; i++, world.now_ms++) {
		world_connect();
		world_say_name("SGSN-1");
		before[i] = world.peer;
		world.peer = -1;
	}
	assert_int_equal(world.front.peers.in_use, PEERS_PER_NAME_MAX);
	world.peer = before[0];
	world_say_name("SGSN-1"); /* so that it is the second */
	world.peer = -1;
	world_connect();
	world_say_name("SGSN-1");
	assert_int_equal(world.front.peers.in_use, PEERS_PER_NAME_MAX);
	for (int i = 0; i < PEERS_PER_NAME_MAX; i++) {
		ssize_t n = 1;
		while (n > 0)
			n = recv(before[i], octets, sizeof octets, MSG_DONTWAIT);
		assert_int_equal(n, i == 1 ? 0 : -1);
		close(before[i]);
	}
}

static void who_is_struck_off_the_list_goes(void **state)
{
	static const char *const with[] = {"0 0 0 - - SGSN-1", NULL};
	static const char *const without[] = {"0 0 0 - - SGSN-2", NULL};

	(void)state;
	world_rules(with, 0);
	world_say_name("SGSN-1");
	assert_false(world.is_closed);
	world_rules(without, 0);
	world_run();
	assert_true(world.is_closed);
}

/* ---- the line ---- */

static size_t hear_all(size_t *results, size_t *congested)
{
	size_t count = 0;

	*results = *congested = 0;
	for (int i = 0; i < 50; i++, world_run()) /* a socket takes so much at a time */
		for (; world_hear(&heard); count++) {
			*results += heard.type == GSUP_SEND_AUTH_INFO_RESULT;
			*congested += heard.cause == GSUP_CAUSE_CONGESTION;
		}
	return count;
}

static void a_rate_lets_its_burst_through_and_the_rest_wait(void **state)
{
	static const char *const rows[] = {"10 5 0 - - SGSN-1", NULL};
	size_t results, congested;

	(void)state;
	world_rules(rows, 0);
	world_say_name("SGSN-1");
	for (int i = 0; i < 30; i++)
		say(GSUP_SEND_AUTH_INFO_REQUEST);
	hear_all(&results, &congested);
	assert_int_equal(results, 5);
	assert_int_equal(congested, 0);
	world_wait(500);
	hear_all(&results, &congested);
	assert_int_equal(results, 5); /* ten a second */
	assert_int_equal(congested, 0);
	world_wait(WAIT_MS_MAX - 500 + 1); /* now the rest is stale */
	hear_all(&results, &congested);
	assert_int_equal(results, 0);
	assert_int_equal(congested, 20);
}

static void many(size_t count)
{
	static uint8_t buffer[REQUESTS_MAX * 32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	static struct gsup g;

	g = request(GSUP_SEND_AUTH_INFO_REQUEST);
	for (size_t i = 0; i < count; i++) {
		const size_t mark = ipa_gsup_open(&w);
		gsup_encode(&w, &g);
		ipa_gsup_close(&w, mark);
	}
	world_say(writer_span_done(&w));
}

static void a_small_burst_leaves_the_rate_as_it_is(void **state)
{
	static const char *const rows[] = {"1000 1 0 - - SGSN-1", NULL};
	size_t results, congested;

	(void)state;
	world_rules(rows, 0);
	world_say_name("SGSN-1");
	many(200);
	for (int i = 0; i < 10; i++)
		world_wait(PACE_MS);
	hear_all(&results, &congested);
	assert_int_equal(results, 10 + 100); /* what comes in one pace at once, then for 100 ms */
	for (int i = 0; i < 10; i++)
		world_wait(PACE_MS);
	hear_all(&results, &congested);
}

/* Each is answered once, and what comes meanwhile at once; then it goes on. */
static void a_store_that_dies_is_told_to_all_who_wait(void **state)
{
	struct auc_front *f = &world.front;
	size_t count, failed_count = 0;

	(void)state;
	world_say_name("SGSN-1");
	world.answer = WORLD_HOLD;
	many(STORE_WINDOW + 500);
	assert_int_equal(f->at_store, STORE_WINDOW);
	assert_int_equal(f->line.count, 500);
	world_store_die();
	for (count = 0; world_hear(&heard) || (world_run(), world_hear(&heard)); count++)
		failed_count += heard.cause == GSUP_CAUSE_NETWORK_FAILURE;
	assert_int_equal(count, STORE_WINDOW + 500);
	assert_int_equal(failed_count, count);
	assert_int_equal(f->requests.in_use, 0);
	assert_int_equal(f->at_store, 0);
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	hear(GSUP_SEND_AUTH_INFO_ERROR, GSUP_CAUSE_NETWORK_FAILURE);
	world_store_open();
	world.answer = WORLD_VECTORS;
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	hear(GSUP_SEND_AUTH_INFO_RESULT, 0);
}

static void the_store_gets_no_more_than_its_window(void **state)
{
	size_t results, congested;

	(void)state;
	world_say_name("SGSN-1");
	world.answer = WORLD_HOLD;
	many(STORE_WINDOW + 100);
	assert_int_equal(world.held, STORE_WINDOW);
	assert_int_equal(world.front.line.count, 100);
	world.answer = WORLD_VECTORS;
	world_release();
	assert_int_equal(hear_all(&results, &congested), STORE_WINDOW + 100);
	assert_int_equal(results, STORE_WINDOW + 100);
}

static void a_peer_above_its_share_loses_its_oldest(void **state)
{
	struct auc_front *f = &world.front;
	struct pool_handle crowd[PEERS_MAX];
	size_t results, congested, count = 0;
	void *item;

	(void)state;
	/* So many others are connected that each has a share of 8. */
	while (!failed(pool_take(&f->peers, &crowd[count], &item)))
		((struct peer *)item)->is_closing = ++count > 0;
	world_say_name("SGSN-1");
	world.answer = WORLD_HOLD;
	f->at_store = STORE_WINDOW; /* all of it is taken by others */
	many(11);
	hear_all(&results, &congested);
	assert_int_equal(congested, 11 - REQUESTS_MAX / PEERS_MAX);
	f->at_store = 0;
	world.answer = WORLD_VECTORS;
	world_wait(1);
	hear_all(&results, &congested);
	assert_int_equal(results, REQUESTS_MAX / PEERS_MAX);
	while (count > 0)
		pool_give(&f->peers, crowd[--count]);
}

static void a_peer_that_floods_is_not_read_until_its_queue_is_short(void **state)
{
	struct auc_front *f = &world.front;
	size_t results, congested;

	(void)state;
	world_say_name("SGSN-1");
	f->at_store = STORE_WINDOW;
	many(QUEUE_PAUSE - 1);
	assert_int_equal(f->paused, 0);
	many(1);
	assert_int_equal(f->paused, 1);
	many(QUEUE_PAUSE); /* stays in the socket */
	assert_int_equal(f->line.count, QUEUE_PAUSE);
	f->at_store = 0;
	world_wait(1);
	world_run();
	assert_int_equal(f->paused, 0);
	assert_int_equal(hear_all(&results, &congested), 2 * QUEUE_PAUSE);
	assert_int_equal(results, 2 * QUEUE_PAUSE);
}

/* More than the test takes in, the sockets hold, and UNREAD_PAUSE. */
static void ask_and_not_read(void)
{
	for (int i = 0; i < 10 && world.front.paused == 0; i++)
		many(1000);
	assert_int_equal(world.front.paused, 1);
}

static void a_peer_that_reads_no_answers_is_not_read_and_then_goes(void **state)
{
	struct auc_front *f = &world.front;
	const uint64_t before = f->refusals[REFUSED_UNREAD];
	size_t results, congested;

	(void)state;
	world_say_name("SGSN-1");
	ask_and_not_read();
	world_wait(UNREAD_MS_MAX / 2);
	hear_all(&results, &congested);
	world_wait(1);
	assert_int_equal(f->paused, 0);
	hear_all(&results, &congested);
	ask_and_not_read();
	world_wait(1); /* where it is noticed */
	world_wait(UNREAD_MS_MAX);
	assert_int_equal(f->refusals[REFUSED_UNREAD], before);
	assert_int_equal(f->peers.in_use, 1);
	world_wait(1);
	assert_int_equal(f->refusals[REFUSED_UNREAD], before + 1);
	assert_int_equal(f->peers.in_use, 0);
}

static void who_leaves_before_the_answer_is_not_refused(void **state)
{
	const uint64_t before = world.front.refusals[REFUSED_UNREAD];

	(void)state;
	world_say_name("SGSN-1");
	world.answer = WORLD_HOLD;
	say(GSUP_SEND_AUTH_INFO_REQUEST);
	world.answer = WORLD_VECTORS;
	shutdown(world.peer, SHUT_WR);
	world_release();
	assert_true(world.is_closed);
	assert_int_equal(world.front.refusals[REFUSED_UNREAD], before);
}

static void a_flood_above_a_rate_costs_little(void **state)
{
	static const char *const rows[] = {"10 5 0 - - SGSN-1", NULL};
	struct auc_front *f = &world.front;
	struct pool_handle crowd[PEERS_MAX];
	size_t count = 0;
	void *item;

	(void)state;
	world_rules(rows, 0);
	world_say_name("SGSN-1");
	while (count < 99 && !failed(pool_take(&f->peers, &crowd[count], &item)))
		((struct peer *)item)->is_closing = ++count > 0;
	const uint64_t before = f->messages;
	for (int i = 0; i < 20; i++)
		many(2000); /* its share is 327, so it is read once and then waits */
	assert_int_equal(f->paused, 1);
	assert_true(f->messages - before < 6000);
	while (count > 0)
		pool_give(&f->peers, crowd[--count]);
}

static void refusals_do_not_flood_the_log(void **state)
{
	struct auc_front *f = &world.front;
	const uint64_t before = f->refusals_unlogged;

	(void)state;
	world_wait(10000); /* the bucket is full */
	for (int i = 0; i < 1000; i++)
		front_refuse(f, REFUSED_PLMN, "10.0.0.1:1", "SGSN-1", "001010000000007");
	assert_int_equal(f->refusals_unlogged - before, 1000 - 2 * REFUSALS_LOGGED_PER_S);
}

/* Who fills the log does not hide another's refusal. */
static void an_alarm_is_raised_however_full_the_log(void **state)
{
	struct auc_front *f = &world.front;
	const uint64_t raised = f->process->alarms.raised;

	(void)state;
	world_hang_up();
	world_wait(ALARM_MS_QUIET + 1);
	while (bucket_take(&f->refusals_logged, world.now_ms))
		continue;
	const uint64_t unlogged = f->refusals_unlogged;
	front_refuse(f, REFUSED_NAME, "10.0.0.1:1", "SGSN-1", "");
	assert_int_equal(f->refusals_unlogged, unlogged + 1);
	assert_int_equal(f->process->alarms.raised, raised + 1);
	bool is_told = false;
	for (size_t i = 0; i < ALARMS_MAX; i++)
		is_told = is_told ||
			  strcmp(f->process->alarms.standing[i].text,
				  "SGSN-1 at 10.0.0.1:1: its name is not in auc.peers") == 0;
	assert_true(is_told);
}

static void failure_reports_leave_the_log_to_refusals(void **state)
{
	static const char *const other[] = {"0 0 0 - 00102 SGSN-1", NULL};
	struct auc_front *f = &world.front;
	const uint64_t reports = f->failure_reports, refused = f->refusals[REFUSED_PLMN];

	(void)state;
	world_wait(10000);
	const uint64_t unlogged = f->refusals_unlogged;
	world_say_name("SGSN-1");
	for (int i = 0; i < 100; i++)
		say(GSUP_AUTH_FAIL_REPORT);
	assert_int_equal(f->failure_reports, reports + 100);
	world_rules(other, 0);
	say(GSUP_AUTH_FAIL_REPORT); /* of a subscriber that is none of its own */
	assert_int_equal(f->failure_reports, reports + 100);
	assert_int_equal(f->refusals[REFUSED_PLMN], refused + 1);
	assert_int_equal(f->refusals_unlogged, unlogged);
	hear_nothing();
}

static void the_alarms_end_after_a_quiet_minute(void **state)
{
	struct auc_front *f = &world.front;

	(void)state;
	world_wait(10000);
	const uint64_t cleared = f->process->alarms.cleared;
	front_refuse(f, REFUSED_PLMN, "10.0.0.1:1", "SGSN-1", "001010000000007");
	front_shed(f, SHED_STALE);
	front_alarms_tick(f, world.now_ms - 1); /* a tick that began before */
	assert_int_equal(f->process->alarms.cleared, cleared);
	world_hang_up(); /* it would be dropped for its silence */
	world_wait(ALARM_MS_QUIET);
	assert_int_equal(f->process->alarms.cleared, cleared);
	world_wait(1);
	assert_int_equal(f->process->alarms.cleared, cleared + 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(before_its_name_nothing_of_a_peer_is_heard),
		CASE(a_name_may_come_again_but_not_another),
		CASE(who_does_not_say_his_name_in_time_goes),
		CASE(half_a_frame_is_not_kept_for_ever),
		CASE(a_busy_peer_is_not_taken_for_one_that_says_half_a_frame),
		CASE(a_silent_peer_is_pinged_and_then_dropped),
		CASE(foreign_streams_are_counted_and_end_the_connection),
		CASE(each_type_is_answered_or_wants_no_answer),
		CASE(the_number_of_vectors_is_kept_to),
		CASE(a_number_of_vectors_out_of_range_is_invalid),
		CASE(every_answer_carries_back_class_session_and_name),
		CASE(what_the_store_refuses_has_its_cause),
		CASE(a_subscriber_of_2g_gets_triplets),
		CASE(a_message_for_somebody_else_is_not_passed_on),
		CASE(nodes_behind_a_peer_are_limited),
		CASE(an_answer_of_nobodys_is_counted),
		CASE(a_location_begun_anew_ends_the_older_one),
		CASE(a_node_that_does_not_take_the_data_is_told),
		CASE(a_peer_that_goes_leaves_no_request),
		CASE(who_is_not_listed_goes),
		CASE(a_peer_may_ask_for_its_plmns_alone),
		CASE(a_name_has_so_many_connections_and_no_more),
		CASE(who_is_struck_off_the_list_goes),
		CASE(a_rate_lets_its_burst_through_and_the_rest_wait),
		CASE(a_small_burst_leaves_the_rate_as_it_is),
		CASE(a_store_that_dies_is_told_to_all_who_wait),
		CASE(the_store_gets_no_more_than_its_window),
		CASE(a_peer_above_its_share_loses_its_oldest),
		CASE(a_peer_that_floods_is_not_read_until_its_queue_is_short),
		CASE(a_peer_that_reads_no_answers_is_not_read_and_then_goes),
		CASE(who_leaves_before_the_answer_is_not_refused),
		CASE(a_flood_above_a_rate_costs_little),
		CASE(refusals_do_not_flood_the_log),
		CASE(an_alarm_is_raised_however_full_the_log),
		CASE(failure_reports_leave_the_log_to_refusals),
		CASE(the_alarms_end_after_a_quiet_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
