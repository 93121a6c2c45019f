// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A load of GSUP requests on an authentication centre, ours or another's: SendAuthInfo for one
 * subscriber after the other, over a few connections.
 *
 * Closed loop (`rate_per_s` 0): each connection keeps `window` requests in flight, and the answer to
 * one brings the next. That finds the peak. Open loop: requests leave at the rate, whatever comes
 * back. That shows the latency at a given load, and what is left of the peak above it.
 *
 * GSUP has no transaction number, so a subscriber has one request in flight at most. In the open
 * loop a request whose turn has come while its connection takes no more octets, or while all
 * subscribers wait, is held back: counted, not sent. One that is not answered in LOAD_LOST_MS is
 * lost.
 */
#include "base/err.h"
#include <signal.h>
#include <stdint.h>

enum { LOAD_CONNECTIONS_MAX = 64, LOAD_LOST_MS = 2000, LOAD_CAUSES = 256 };

struct load_settings {
	const char *address;
	uint16_t port;
	uint64_t imsi_first;
	uint32_t subscribers;
	unsigned connections, window;
	uint8_t vectors;
	double rate_per_s; /* 0: closed loop */
	double warm_s, seconds;
	const volatile sig_atomic_t *is_over; /* the user wants an end; NULL: nobody asks */
};

struct load_result {
	double seconds;
	uint64_t sent, ok, refused, malformed, lost, held_back, vectors;
	double ok_per_s;
	double p50_us, p90_us, p99_us,
		p999_us; /* of answers with vectors, from the moment of sending */
	uint64_t causes[LOAD_CAUSES];
};

/* Blocks for warm_s + seconds. `measured` is called when the warm-up ends, and again at the end. */
MUST_USE struct err load_run(const struct load_settings *settings,
	void (*measured)(void *ctx, bool is_end), void *ctx, struct load_result *result,
	struct complaint *c);
