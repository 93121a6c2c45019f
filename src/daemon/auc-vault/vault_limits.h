// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a vault grants, whoever asks: so that a stolen store, which may ask for anything, gets vectors
 * no faster than this. Three limits: vectors of all subscribers, vectors of one, AUTS of one.
 *
 * Each is a burst and a rate, kept as the time at which the asker would have nothing left to pay
 * (the generic cell rate algorithm [ITU-T I.371 Annex A]): one number, which ages by itself.
 *
 * For subscribers these numbers stand in a table of fixed size, which is a count-min sketch: an IMSI
 * has two cells, found by AES under a key that nobody else knows, and what counts is the lower of
 * the two. A limit can come early for one who shares both cells with others that have used up
 * theirs (one in fifty, where a hundred thousand have), and never late.
 *
 * A vault that is started again begins with full bursts; the supervisor starts one that keeps dying
 * at most every 10 s.
 */
#include "base/env.h"
#include "codec/auth.h"
#include "crypt/aes128.h"

enum { METER_LINE = 8, METER_LINES_BITS_VECTORS = 17, METER_LINES_BITS_AUTS = 13 };

struct vault_limits_settings {
	uint64_t rate_per_s; /* vectors of all; as many at once. 0: no limit */
	uint64_t subscriber_burst, subscriber_per_hour; /* vectors. 0: no limit */
	uint64_t auts_burst, auts_per_hour;             /* AUTS of a subscriber. 0: no limit */
};

/* Above what the store grants by itself: 4096 at once, then one a second. */
#define VAULT_LIMITS_DEFAULT                                                                       \
	((struct vault_limits_settings){.rate_per_s = 1000000,                                     \
		.subscriber_burst = 8192,                                                          \
		.subscriber_per_hour = 3600,                                                       \
		.auts_burst = 256,                                                                 \
		.auts_per_hour = 360})

struct meter {
	uint64_t period_ns,
		tolerance_ns; /* what one costs; how far ahead of now one may be. 0: none */
	uint64_t *cells;      /* METER_LINE to a line: both of an IMSI in one line */
	unsigned lines_bits;
};

struct vault_limits {
	struct clock_port clock;
	const struct aes128_engine *engine;
	struct aes128 hash;
	uint64_t open_ms;
	struct meter total, vectors, auts;
	uint64_t refused; /* by any of them */
};

/* Takes all memory that it will need: 8 MiB for vectors, 512 KiB for AUTS. */
MUST_USE struct err vault_limits_open(struct vault_limits *l,
	const struct vault_limits_settings *settings, struct clock_port clock,
	const struct entropy *entropy);
void vault_limits_close(struct vault_limits *l);

/* OK, and counted; or ERR_LIMIT, and not counted. */
MUST_USE struct err vault_limits_vectors(
	struct vault_limits *l, const char imsi[static IMSI_TEXT], unsigned count);
MUST_USE struct err vault_limits_auts(struct vault_limits *l, const char imsi[static IMSI_TEXT]);
