// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A marked flow: UDP from the radio site's inner address to the core site's, each datagram with the
 * same random marker. It goes on while charon is killed: what the tunnel does not carry may not go
 * out in clear, so the marker must not be on the tap.
 */
#include "base/err.h"
#include <stdint.h>
#include <sys/types.h>

enum { FLOW_MARKER = 32, FLOW_PORT = 5555, FLOW_PERIOD_MS = 5 };

struct flow_ends {
	pid_t source, sink;
	int report[2]; /* of source and sink: one uint64_t each, at the end */
	uint8_t marker[FLOW_MARKER];
};

struct flow_counts {
	uint64_t sent, refused, received; /* refused: the kernel had no way for it */
};

MUST_USE struct err flow_start(struct flow_ends *f, const char *source_space, const char *source,
	const char *sink_space, const char *sink, struct complaint *c);
/* Ends both. Safe to call on one that was not started. */
void flow_stop(struct flow_ends *f, struct flow_counts *counts);
