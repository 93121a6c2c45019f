// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A hardware source of randomness beside the system's: a character device or FIFO that gives raw samples, watched by the health
 * tests of crypt/health.h.
 *
 * What is given out is the system's octets XOR HKDF-SHA-256 of fresh samples, salted with other octets of the
 * system's. So it is never worse than the system's generator alone, whatever the source does; and where the
 * source keeps its claim, whoever knows the system's generator still faces 256 bits for each RANDOM_PIECE octets.
 *
 * Fail closed: a failed health test, a source that ends, errs, or says nothing for RANDOM_WAIT_MS, and a failure of
 * the system's generator are a fault. A fault stays: nothing is given out until the source is opened anew and
 * passes the start-up test.
 *
 * Without a device it is the system's generator alone.
 */
#include "base/env.h"
#include "base/secret.h"
#include "crypt/health.h"

enum {
	RANDOM_PIECE = 255 * 32,   /* as much as HKDF gives at once [RFC 5869 §2.3] */
	RANDOM_CLAIMED_BITS = 512, /* of samples, for each piece: twice what its key can hold */
	RANDOM_SMALL = 64,         /* draws up to this come out of a stock of RANDOM_STOCK octets */
	RANDOM_STOCK = 1024,
	RANDOM_WAIT_MS = 2000,
};

struct random_source {
	int fd; /* -1: none */
	struct entropy system;
	struct health health;
	struct secret raw, piece, stock;
	size_t stock_len;  /* not given out yet; what was is wiped */
	const char *fault; /* NULL: none */
	uint64_t octets;   /* given out */
};

/*
 * Takes what it needs and runs the start-up test, for at most RANDOM_WAIT_MS. `device` NULL or empty: none. An error, with a
 * reason, for what is no source or no claim; a source that fails its start-up test is open, with a fault.
 */
MUST_USE struct err random_open(struct random_source *r, const char *device,
	const struct health_claim *claim, struct entropy system, struct complaint *c);
void random_close(struct random_source *r);
/* Answers ERR_CRYPTO in a fault, and leaves zeros. `r` must stay where it is. */
struct entropy random_entropy(struct random_source *r);
