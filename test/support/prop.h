// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Property tests: a seeded generator (xoshiro256**, public domain algorithm by Blackman and Vigna). Not
 * for keys. Print the seed where a property fails; MERLON_SEED in the environment repeats it.
 */
#include "base/env.h"

struct prop {
	uint64_t state[4];
	uint64_t seed;
};

struct prop prop_seeded(uint64_t seed);
/* MERLON_SEED, or `fallback` where it is not set. */
struct prop prop_from_environment(uint64_t fallback);
uint64_t prop_u64(struct prop *p);
/* Uniform in [0, bound); bound > 0. */
uint64_t prop_below(struct prop *p, uint64_t bound);
double prop_unit(struct prop *p); /* [0, 1) */
void prop_fill(struct prop *p, struct span_mut out);
/* A `struct entropy` that draws from this generator: deterministic, for tests alone. */
struct entropy prop_entropy(struct prop *p);
