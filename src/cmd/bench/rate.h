// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How fast a piece of work is, in this process or in one process a core.
 *
 * A turn does a piece of work once (a batch of frames, one product) and adds what it did to its account. Turns
 * follow one another until the seconds asked for are over and at least so many were done. What only
 * makes the input is put aside: bench_aside_begin() and _end() stop the clocks for it.
 *
 * Processor time is what counts: a shared machine stretches wall time as it likes. Besides the rate over all turns there
 * are the best turn's and the median's; on a shared machine the best is nearest to the truth. With several cores each
 * worker is a child pinned to a core of its own, with a copy of the context as it was; all begin at
 * once; the sum of their wall rates is what the machine does, and tells whether work is linear in cores.
 */
#include "cmd/bench/bench.h"

enum { BENCH_CORES_MAX = 256, BENCH_SUMS = 12, BENCH_TURNS_KEPT = 1024 };

struct bench_clocks {
	double cpu_s, wall_s;
};

/* What turns did; sums are the row's own: frames, failures, leak … of all workers. */
struct bench_account {
	uint64_t bits;
	double sum[BENCH_SUMS];
	struct bench_clocks aside, aside_from; /* by bench_aside_*() */
};

/* `worker`: 0 and up; for seeds that differ. Turns of a worker share the context. */
typedef struct err bench_turn_fn(void *ctx, unsigned worker, struct bench_account *account);

struct bench_rate {
	unsigned cores;
	uint64_t turns, bits;
	double cpu_s, wall_s; /* all turns of all workers; wall_s of the slowest worker */
	double mbit_per_s;    /* of a processor second, over all turns: what one core does */
	double best_mbit_per_s, median_mbit_per_s; /* the same, by turn */
	double wall_mbit_per_s;                    /* of a wall second, all workers together */
	double peak_mib;                           /* resident, of the largest worker */
	double sum[BENCH_SUMS];
};

struct bench_clocks bench_clocks(void); /* of this process */
void bench_aside_begin(struct bench_account *a);
void bench_aside_end(struct bench_account *a);

/* o->seconds, o->cores and o->is_over hold. A turn's error ends it. */
MUST_USE struct err bench_rate(const struct bench_options *o, uint64_t turns_min,
	bench_turn_fn *turn, void *ctx, struct bench_rate *out);
/* Members mbit_per_s, best_, median_, turns; with several cores also cores and wall_mbit_per_s. */
void bench_rate_write(const struct bench_rate *r, struct json_writer *j);
