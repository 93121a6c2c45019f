// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How much one subscriber may be asked for: a bucket of `burst`, into which one falls back
 * `per_hour` times an hour (the generic cell rate algorithm, ITU-T I.371, counted in cells, so that
 * nothing is rounded). The level that is kept is the time at which the bucket is empty again, in
 * cells of the clock that is given: 4 octets, zero for a fresh one. Cells fall at fixed times, so that
 * one may come up to a cell early; over time the rate is exact.
 *
 * Its 32 bits may come round. A level that lies further ahead than any bucket reaches is one of long
 * ago, and counts as empty.
 */
#include <stdbool.h>
#include <stdint.h>

enum { LIMIT_BURST_MAX = 1 << 24, LIMIT_PER_HOUR_MAX = 3600000 };

struct limit {
	uint32_t burst;    /* 1 to LIMIT_BURST_MAX */
	uint32_t per_hour; /* 1 to LIMIT_PER_HOUR_MAX */
};

/* False where `count` more are too many; then nothing is taken. `now_ms` only rises. */
bool limit_take(const struct limit *limit, uint64_t now_ms, uint32_t *level, uint32_t count);
