// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Stands where merlon-qkd stands: brings a site's key store blocks, the same at both sites, as a quantum link would. The octets
 * come from a seeded generator: there is nothing quantum here. For the scenario test alone.
 *
 * Settings: blocks, block_octets, seed.
 */
#include "codec/qkd_msg.h"
#include "host/process.h"
#include "support/prop.h"

struct options {
	uint64_t blocks, block_octets, seed;
};

static const struct setting_row rows[] = {
	SETTING_ROW("blocks", SETTING_U64, false, struct options, blocks),
	SETTING_ROW("block_octets", SETTING_U64, false, struct options, block_octets),
	SETTING_ROW("seed", SETTING_U64, false, struct options, seed),
};

static struct {
	struct process *process;
	struct options options;
	struct channel *store;
	struct loop_timer next;
	uint64_t block, kept;
	bool is_pending, is_open;
	struct qkd_marks marks;
} state;

static void ask(uint16_t type, const struct qkd_request *m, channel_answered_fn *answered)
{
	static uint8_t out[QKD_REQUEST_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	qkd_request_encode(&w, type, m);
	if (state.store == NULL ||
		failed(channel_ask(state.store, type, writer_span_done(&w), 5000, answered, NULL)))
		loop_timer_once(&state.next, 500);
}

static void on_opened(void *ctx, struct err e, struct span body)
{
	static struct qkd_opened m;
	struct wire_fault fault = {0};

	(void)ctx;
	if (!failed(e) && !failed(qkd_opened_decode(body, &m, &fault))) {
		state.is_open = true;
		state.marks = m.marks;
	}
	loop_timer_once(&state.next, state.is_open ? 1 : 500);
}

static void on_kept(void *ctx, struct err e, struct span body)
{
	(void)ctx, (void)body;
	/* ERR_STATE: this end had brought it before it was restarted. */
	if (!failed(e) || e.kind == ERR_STATE) {
		state.block += state.is_pending;
		state.kept += state.is_pending;
		state.is_pending = !state.is_pending;
	}
	loop_timer_once(&state.next, failed(e) ? 300 : 5);
}

static void bring(void *ctx)
{
	static uint8_t key[QKD_KEY_MAX];
	struct prop p = prop_seeded(state.options.seed + state.block);
	struct qkd_request m = {.link = "feeder",
		.state = span_str("pads"),
		.report = span_str("{\"qber\":0.021,\"simulated\":true}")};

	(void)ctx;
	if (!state.is_open) {
		ask(QKD_OPEN, &m, on_opened);
		return;
	}
	if (state.block == state.options.blocks)
		return;
	prop_fill(&p, SPAN_MUT_ARRAY(m.block_id));
	prop_fill(&p, span_mut_of(key, state.options.block_octets));
	m.key = span_of(key, state.options.block_octets);
	m.marks = (struct qkd_marks){++state.marks.send, ++state.marks.accept};
	ask(state.is_pending ? QKD_BLOCK_FINAL : QKD_BLOCK_PENDING, &m, on_kept);
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx, (void)c, (void)frame;
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)why;
	if (state.store == c)
		state.store = NULL;
}

static const struct channel_events events = {.frame = on_frame, .closed = on_closed};

static void channel(struct process *p, const char *peer, int fd)
{
	(void)peer;
	if (failed(channel_open_fd(&state.store, &p->loop, fd, &events, NULL)))
		return;
	/* A store that comes anew may have forgotten what was not durable: from the start. */
	state.is_open = state.is_pending = false;
	state.block = 0;
	loop_timer_once(&state.next, 1);
}

static struct err start(struct process *p, struct complaint *c)
{
	state.process = p;
	p->state = &state;
	const struct err e = settings_read(&p->settings, rows, ARRAY_LEN(rows), &state.options, c);
	if (!failed(e) && state.options.block_octets > QKD_KEY_MAX)
		return complain(c, ERR(INPUT), "block_octets is at most %d", QKD_KEY_MAX);
	loop_timer_open(&p->loop, &state.next, bring, NULL);
	return e;
}

static const struct process_kind feeder = {
	.name = "qkd", .sandbox = SANDBOX_LINK, .start = start, .channel = channel};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &feeder);
}
