// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Argon2id [RFC 9106] out of libcrypto: a passphrase becomes a key, at a cost in memory that who
 * guesses pays for each guess.
 *
 * The parameters are kept beside what the key seals, and come back from there: whoever can change
 * them must not make the cost smaller than what we choose, nor boundless, so they have bounds here.
 */
#include "base/err.h"
#include "base/span.h"

enum { ARGON2_SALT = 16 };
enum { ARGON2_MEMORY_KIB_MIN = 64 << 10, ARGON2_MEMORY_KIB_MAX = 1 << 20 };
enum { ARGON2_PASSES_MIN = 3, ARGON2_PASSES_MAX = 16, ARGON2_LANES_MAX = 16 };

struct argon2_cost {
	uint32_t memory_kib; /* all of it is taken for the time of the call */
	uint8_t passes, lanes;
};

/* The second of the two that [RFC 9106 §4] recommends: 64 MiB, three passes, four lanes. */
#define ARGON2_COST_DEFAULT                                                                        \
	((struct argon2_cost){                                                                     \
		.memory_kib = ARGON2_MEMORY_KIB_MIN, .passes = ARGON2_PASSES_MIN, .lanes = 4})

bool argon2_cost_is_sane(const struct argon2_cost *cost);

/* Fills `out`. ERR_LIMIT for a cost that is not sane. No thread is started. */
MUST_USE struct err argon2id(struct span passphrase, struct span salt,
	const struct argon2_cost *cost, struct span_mut out);
