// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * A quantum link over a line: Alice here, Bob in another network namespace, 10 ms away. Between them mutual TLS 1.3; and Bob's device
 * is at this end too, so that its records (simulated light) cross the line in TLS as well.
 *
 *     qkd_apart BUILD_ROOT          equal keys; the round trip that Bob measures is the line's; a line that is down for longer than any
 *                                   time-out costs blocks, makes no key, and the link comes back by itself
 *
 * Exit status: 0 shown, 77 skipped (no network namespaces), else failed.
 */
#include "host/stream.h"
#include "support/apart.h"
#include "support/qkd_ends.h"

enum { DELAY_MS = 10, DOWN_S = 13, DEVICE_PORT = 7000, BRIDGE_QUEUE = 1 << 20, BRIDGE_MS = 10 };

/* Bob's device as one that is reached over a network: its Unix socket handed on by TLS, to one end at a time. */
static struct bridge {
	struct loop loop;
	struct loop_timer timer;
	struct stream *device, *end;
	char path[64];
} bridge;

/* Of which no event is wanted any more. */
static void let_go(struct stream **s)
{
	static const struct stream_events none = {0};

	if (*s != NULL) {
		stream_set_context(*s, &none, NULL);
		stream_abort(*s);
	}
	*s = NULL;
}

static void bridge_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	(void)ctx, (void)why, (void)c;
	bridge.device = s == bridge.device ? NULL : bridge.device;
	bridge.end = s == bridge.end ? NULL : bridge.end;
	let_go(&bridge.device);
	let_go(&bridge.end);
}

static void device_says(void *ctx, struct stream *s, struct span bytes)
{
	(void)ctx, (void)s;
	if (bridge.end != NULL && failed(stream_send(bridge.end, bytes)))
		stream_abort(bridge.end);
}

static void end_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	static const struct stream_events events = {NULL, device_says, bridge_closed};

	(void)ctx, (void)id;
	if (failed(stream_connect_unix(&bridge.device, &bridge.loop, bridge.path, &events, NULL)))
		stream_abort(s);
}

static void end_accepted(void *ctx, struct stream *s)
{
	static const struct stream_events events = {end_opened, NULL, bridge_closed};

	(void)ctx;
	let_go(&bridge.device);
	let_go(&bridge.end);
	bridge.end = s;
	stream_set_context(s, &events, NULL);
}

static void bridge_pace(void *ctx)
{
	(void)ctx;
	if (bridge.device != NULL && bridge.end != NULL)
		stream_pause(bridge.device, stream_queued(bridge.end) > BRIDGE_QUEUE);
}

static void bridge_run(void)
{
	char files[3][96];
	const char *const names[3] = {"radio.crt", "radio.key", "ca.crt"};
	struct tls_profile *tls;
	struct listener *listener;
	struct complaint c = {{0}};

	for (size_t i = 0; i < 3; i++)
		snprintf(files[i], sizeof files[i], "%s/%s", folder, names[i]);
	snprintf(bridge.path, sizeof bridge.path, "%s/bob.sock", folder);
	struct err e = loop_open(&bridge.loop);
	if (!failed(e))
		e = tls_profile_open(&tls,
			&(struct tls_settings){.certificate_file = files[0],
				.key_file = files[1],
				.ca_file = files[2],
				.require_hybrid = true},
			&c);
	if (!failed(e))
		e = listener_open(&listener, &bridge.loop,
			&(struct listener_settings){.address = APART_NEAR,
				.port = DEVICE_PORT,
				.tls = tls,
				.streams_max = 4,
				.handshake_ms_max = 5000},
			end_accepted, NULL, &c);
	if (failed(e)) {
		fprintf(stderr, "the device's bridge: %s\n", c.text);
		_exit(1);
	}
	loop_timer_open(&bridge.loop, &bridge.timer, bridge_pace, NULL);
	loop_timer_every(&bridge.timer, BRIDGE_MS);
	loop_run(&bridge.loop);
	_exit(1);
}

static void devices_start(void)
{
	static char alice[64], bob[64];
	const char *argv[] = {
		"merlon-optics", "--alice", alice, "--bob", bob, "--rate", "3e6", NULL};

	snprintf(alice, sizeof alice, "%s/alice.sock", folder);
	snprintf(bob, sizeof bob, "%s/bob.sock", folder);
	optics = spawn("merlon-optics", argv, (const int[3]){-1, -1, -1}, "optics");
	if (child_in(near_space) == 0)
		bridge_run();
}

static void must_be_post_quantum(const struct end *e)
{
	MUST(run_in(near_space, "grep -q '\"peer_connected\".*X25519MLKEM768' %s/%s", folder,
		     e->role),
		"%s did not come to X25519MLKEM768", e->role);
}

/* What Bob tells is the least of late: on a busy machine it takes a few blocks until one question was answered without delay. */
static void round_trip_must_be_the_lines(void)
{
	const double line = 2 * DELAY_MS * 1e-3, compute = 10e-3, clock = 2e-3;
	const double end = seconds() + 20;
	double measured = metric(&ends[BOB], "merlon_qkd_round_trip_seconds", "");

	for (; measured > line + compute && seconds() < end; run_for(0.5))
		measured = metric(&ends[BOB], "merlon_qkd_round_trip_seconds", "");
	printf("round trip after %zu blocks: %.1f ms measured, %.1f ms of the line\n", blocks(),
		measured * 1e3, line * 1e3);
	MUST(measured > line - clock && measured < line + compute, "not the line's");
}

static double aborted(struct end *e)
{
	return metric(e, "merlon_qkd_blocks_total", "end=\"aborted\"");
}

/* At the worst moment: Bob holds a block that Alice does not know to be stored, and his tag has not left yet. */
static void interrupt_the_line(void)
{
	const double at_alice = aborted(&ends[ALICE]), at_bob = aborted(&ends[BOB]);
	const struct stored *bob = &ends[BOB].kept;
	const size_t pending = bob->count;

	while (bob->count == pending)
		turn();
	MUST(line_set(false), "the line does not go down");
	const size_t at_cut = blocks();
	run_for(DOWN_S);
	MUST(blocks() == at_cut, "key over a line that is down");
	MUST(line_set(true), "the line does not come up");
	const double up = seconds();
	wait_blocks(at_cut + 2, 40);
	const double back = seconds() - up;
	MUST(bob->blocks[pending].is_void, "the block that one end alone had is not void");
	MUST(aborted(&ends[ALICE]) == at_alice + 1 && aborted(&ends[BOB]) == at_bob + 1,
		"one block is what it costs");
	printf("%d s without a line: one block, void at both ends; key again %.1f s after\n",
		DOWN_S, back);
}

int main(int argc, char **argv)
{
	static char device[32];
	const char *alice[] = {"channel.address", APART_FAR, NULL};
	const char *bob[] = {"channel.address", APART_FAR, "driver.kind", "tcp", "driver.socket",
		device, "driver.name", "radio.merlon.test", NULL};

	MUST(argc == 2, "usage: qkd_apart BUILD_ROOT");
	apart_make(DELAY_MS);
	ends_prepare(argv[1]);
	snprintf(device, sizeof device, "%s:%d", APART_NEAR, DEVICE_PORT);
	ends[ALICE].extra = alice;
	ends[BOB].extra = bob;
	ends[BOB].space = far_space;
	devices_start();
	ends_start();
	wait_blocks(3, 40);
	must_be_post_quantum(&ends[ALICE]);
	must_be_post_quantum(&ends[BOB]);
	round_trip_must_be_the_lines();
	interrupt_the_line();
	ends_stop();
	printf("%zu blocks, equal at both ends\n", blocks());
	return 0;
}
