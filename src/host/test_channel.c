// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/attr.h"
#include "host/channel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { ASKS = 1000, LATER_MAX = ASKS, TYPE = IPC_BLOCK_AUC + 1 };

/* The peer keeps what is asked and answers when the test says so. */
struct side {
	struct channel *channel;
	size_t frames, closed;
	struct err why;
	uint64_t ids[LATER_MAX];
	uint32_t first_octets[LATER_MAX], deadline_ms;
	size_t body_len;
};

static struct loop loop;
static struct side near, far;
static size_t answers[CHANNEL_ASKS_MAX], wrong;
static struct err last_err;
static size_t answered_total, expected_total;
static bool asks_again;

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct side *s = ctx;
	struct wire_fault fault = {0};
	struct reader r = reader_of(frame->body, &fault);

	assert_ptr_equal(s->channel, c);
	s->ids[s->frames % LATER_MAX] = frame->request_id;
	s->first_octets[s->frames % LATER_MAX] = reader_u32(&r, "number");
	s->deadline_ms = frame->deadline_ms;
	s->body_len = frame->body.len;
	s->frames++;
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	struct side *s = ctx;

	(void)c;
	s->closed++;
	s->why = why;
	s->channel = NULL;
}

static const struct channel_events events = {.frame = on_frame, .closed = on_closed};

static void on_answered(void *ctx, struct err err, struct span body)
{
	const size_t number = (size_t)((size_t *)ctx - answers);
	struct wire_fault fault = {0};
	struct reader r = reader_of(body, &fault);

	answers[number]++;
	answered_total++;
	last_err = err;
	if (!failed(err) && reader_u32(&r, "number") != number)
		wrong++;
	if (asks_again)
		assert_int_equal(
			channel_ask(near.channel, TYPE, body, 9, on_answered, ctx).kind, ERR_IO);
	if (answered_total == expected_total)
		loop_stop(&loop);
}

static struct err ask(uint32_t number, uint32_t timeout_ms)
{
	uint8_t body[4];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	writer_u32(&w, number);
	return channel_ask(near.channel, TYPE, writer_span_done(&w), timeout_ms, on_answered,
		&answers[number]);
}

static void answer(size_t i)
{
	uint8_t body[4];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	writer_u32(&w, far.first_octets[i]);
	channel_answer(far.channel, far.ids[i], TYPE, OK, writer_span_done(&w));
}

/* Turns of the loop until `n` is reached; a bound, so that a failure is a failure and not a hang.
 */
static void run_until(const size_t *n, size_t reached)
{
	for (int i = 0; i < 5000 && *n < reached; i++) {
		uv_run(&loop.uv, UV_RUN_NOWAIT);
		if (i > 100)
			usleep(1000);
	}
	assert_true(*n >= reached);
}

static int open_fds(int fds[2])
{
	near = far = (struct side){0};
	memset(answers, 0, sizeof answers);
	wrong = answered_total = expected_total = 0;
	asks_again = false;
	last_err = OK;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_false(failed(loop_open(&loop)));
	assert_false(failed(channel_open_fd(&near.channel, &loop, fds[0], &events, &near)));
	return 0;
}

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	open_fds(fds);
	assert_false(failed(channel_open_fd(&far.channel, &loop, fds[1], &events, &far)));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	asks_again = false;
	if (near.channel != NULL)
		channel_close(near.channel);
	if (far.channel != NULL) {
		channel_close(far.channel);
		run_until(&far.closed, 1);
	}
	run_until(&near.closed, 1);
	loop_close(&loop);
	return 0;
}

static void test_answers_may_overtake_and_each_finds_its_ask(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ASKS; i++)
		assert_false(failed(ask(i, 5000)));
	run_until(&far.frames, ASKS);
	assert_int_equal(far.deadline_ms, 5000);
	for (size_t i = ASKS; i > 0; i--)
		answer(i - 1);
	run_until(&answered_total, ASKS);
	for (size_t i = 0; i < ASKS; i++)
		assert_int_equal(answers[i], 1);
	assert_int_equal(wrong, 0);
	assert_int_equal(channel_asks(near.channel), 0);
	assert_null(channel_peer(near.channel));
}

static void test_long_frames_come_whole_among_short_ones(void **state)
{
	const size_t len = 1000 * 1000;
	uint8_t *body = calloc(1, len);

	(void)state;
	for (int i = 0; i < 3; i++) {
		channel_notice(near.channel, TYPE, span_of(body, 5));
		channel_notice(near.channel, TYPE, span_of(body, len));
	}
	run_until(&far.frames, 6);
	assert_int_equal(far.body_len, len);
	assert_int_equal(channel_ask(near.channel, TYPE, span_of(body, IPC_FRAME_MAX), 9,
				 on_answered, answers)
				 .kind,
		ERR_LIMIT);
	free(body);
}

static void test_an_ask_ends_at_its_deadline_and_a_late_answer_finds_nobody(void **state)
{
	(void)state;
	assert_false(failed(ask(0, 5)));
	assert_false(failed(ask(1, 5000)));
	run_until(&answered_total, 1);
	assert_int_equal(last_err.kind, ERR_TIMEOUT);
	assert_int_equal(answers[0], 1);
	/* The slot of ask 0 is used again: its late answer must not reach ask 2. */
	assert_false(failed(ask(2, 5000)));
	run_until(&far.frames, 3);
	answer(0);
	answer(1);
	run_until(&answered_total, 2);
	assert_int_equal(answers[0], 1);
	assert_int_equal(answers[1], 1);
	assert_int_equal(answers[2], 0);
}

static void test_an_error_travels_without_a_body(void **state)
{
	(void)state;
	assert_false(failed(ask(0, 5000)));
	run_until(&far.frames, 1);
	channel_answer(far.channel, far.ids[0], TYPE, ERR(AUTH), span_str("secret"));
	run_until(&answered_total, 1);
	assert_int_equal(last_err.kind, ERR_AUTH);
}

static void test_when_the_channel_closes_each_ask_is_answered_once(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ASKS; i++)
		assert_false(failed(ask(i, 5000)));
	run_until(&far.frames, ASKS);
	answer(7);
	run_until(&answered_total, 1);
	asks_again = true; /* from inside the callbacks: refused */
	channel_close(far.channel);
	run_until(&near.closed, 1);
	for (size_t i = 0; i < ASKS; i++)
		assert_int_equal(answers[i], 1);
	assert_int_equal(last_err.kind, ERR_IO);
	assert_int_equal(near.closed, 1);
}

static void test_closing_ones_own_end_answers_too(void **state)
{
	(void)state;
	assert_false(failed(ask(0, 5000)));
	channel_close(near.channel);
	assert_int_equal(answered_total, 0); /* later, from the loop */
	assert_int_equal(ask(1, 5000).kind, ERR_IO);
	run_until(&near.closed, 1);
	assert_int_equal(answers[0], 1);
	assert_int_equal(last_err.kind, ERR_IO);
}

static void test_asks_end_at_their_limit(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < CHANNEL_ASKS_MAX; i++)
		assert_false(failed(ask(i, 60000)));
	assert_int_equal(ask(0, 60000).kind, ERR_LIMIT);
	run_until(&far.frames, CHANNEL_ASKS_MAX);
	answer(0);
	run_until(&answered_total, 1);
	assert_false(failed(ask(0, 60000)));
	assert_int_equal(ask(0, 60000).kind, ERR_LIMIT);
}

static void test_what_is_no_frame_closes_the_channel(void **state)
{
	int fds[2];

	(void)state;
	open_fds(fds);
	assert_false(failed(ask(0, 5000)));
	assert_int_equal(write(fds[1], "\xff\xff\xff\xff", 4), 4);
	run_until(&near.closed, 1);
	assert_int_equal(near.why.kind, ERR_INPUT);
	assert_int_equal(answers[0], 1);
	close(fds[1]);
}

/* ---- The blocking face ---- */

static struct err echo(void *ctx, uint16_t type, struct span body, struct writer *answer)
{
	size_t *notices = ctx;

	if (type == TYPE + 1)
		++*notices;
	if (type == TYPE + 2)
		return ERR(AUTH);
	if (type == TYPE + 3)
		writer_u64(answer, *notices);
	else
		writer_span(answer, body);
	return OK;
}

static pid_t serve_in_child(int fds[2])
{
	const pid_t pid = fork();

	if (pid == 0) {
		size_t notices = 0;
		close(fds[0]);
		_exit(failed(channel_serve(fds[1], echo, &notices)) ? 1 : 0);
	}
	close(fds[1]);
	return pid;
}

static void on_number(void *ctx, struct err err, struct span body)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(body, &fault);

	last_err = err;
	*(uint64_t *)ctx = reader_u64(&r, "number");
	answered_total++;
}

static void test_serve_answers_what_is_pipelined_until_its_peer_closes(void **state)
{
	const struct span nothing = {0};
	uint64_t number = 0;
	int fds[2], status = -1;

	(void)state;
	open_fds(fds);
	/* The fork keeps a copy of fds[0], which serve_in_child() closes there. */
	const pid_t pid = serve_in_child(fds);
	channel_notice(near.channel, TYPE + 1, nothing);
	channel_notice(near.channel, TYPE + 1, nothing);
	for (uint32_t i = 0; i < ASKS; i++)
		assert_false(failed(ask(i, 5000)));
	run_until(&answered_total, ASKS);
	assert_int_equal(wrong, 0);
	assert_false(
		failed(channel_ask(near.channel, TYPE + 3, nothing, 5000, on_number, &number)));
	run_until(&answered_total, ASKS + 1);
	assert_int_equal(number, 2);
	assert_false(
		failed(channel_ask(near.channel, TYPE + 2, nothing, 5000, on_number, &number)));
	run_until(&answered_total, ASKS + 2);
	assert_int_equal(last_err.kind, ERR_AUTH);
	channel_close(near.channel);
	run_until(&near.closed, 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_serve_takes_frames_up_to_its_limit(void **state)
{
	const size_t len = CHANNEL_SERVE_FRAME_MAX - IPC_HEADER;
	uint8_t *body = calloc(1, len + 1);
	uint64_t number;
	int fds[2], status = -1;

	(void)state;
	open_fds(fds);
	const pid_t pid = serve_in_child(fds);
	for (size_t i = 1; i <= 3; i++) {
		assert_false(failed(channel_ask(
			near.channel, TYPE, span_of(body, len - 1), 5000, on_number, &number)));
		run_until(&answered_total, i);
		assert_int_equal(last_err.kind, ERR_NONE);
	}
	assert_false(failed(
		channel_ask(near.channel, TYPE, span_of(body, len + 1), 5000, on_number, &number)));
	run_until(&answered_total, 4);
	assert_int_equal(last_err.kind, ERR_IO);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_answers_may_overtake_and_each_finds_its_ask, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_long_frames_come_whole_among_short_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_ask_ends_at_its_deadline_and_a_late_answer_finds_nobody, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_error_travels_without_a_body, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_when_the_channel_closes_each_ask_is_answered_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_closing_ones_own_end_answers_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asks_end_at_their_limit, set_up, tear_down),
		cmocka_unit_test_teardown(test_what_is_no_frame_closes_the_channel, tear_down),
		cmocka_unit_test_teardown(
			test_serve_answers_what_is_pipelined_until_its_peer_closes, tear_down),
		cmocka_unit_test_teardown(test_serve_takes_frames_up_to_its_limit, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
