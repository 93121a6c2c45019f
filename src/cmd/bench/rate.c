// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench/rate.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WALL_FACTOR = 10 }; /* a busy machine does not stretch a row without end */

/* Of one worker, in memory that it shares with its parent. */
struct worker {
	struct bench_account account;
	struct err err;
	uint64_t turns;
	struct bench_clocks took;
	double peak_mib;
	double rates[BENCH_TURNS_KEPT]; /* Mbit a processor second, of the first turns */
};

static double seconds_of(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct bench_clocks bench_clocks(void)
{
	return (struct bench_clocks){.cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID),
		.wall_s = seconds_of(CLOCK_MONOTONIC)};
}

static struct bench_clocks since(struct bench_clocks from)
{
	const struct bench_clocks t = bench_clocks();

	return (struct bench_clocks){t.cpu_s - from.cpu_s, t.wall_s - from.wall_s};
}

void bench_aside_begin(struct bench_account *a)
{
	a->aside_from = bench_clocks();
}

void bench_aside_end(struct bench_account *a)
{
	const struct bench_clocks took = since(a->aside_from);

	a->aside.cpu_s += took.cpu_s;
	a->aside.wall_s += took.wall_s;
}

/* ---- one worker ---- */

static void one_turn(struct worker *w, unsigned number, bench_turn_fn *turn, void *ctx)
{
	const struct bench_account before = w->account;
	const struct bench_clocks from = bench_clocks();

	w->err = turn(ctx, number, &w->account);
	struct bench_clocks took = since(from);
	took.cpu_s -= w->account.aside.cpu_s - before.aside.cpu_s;
	took.wall_s -= w->account.aside.wall_s - before.aside.wall_s;
	w->took.cpu_s += took.cpu_s;
	w->took.wall_s += took.wall_s;
	if (w->turns < BENCH_TURNS_KEPT)
		w->rates[w->turns] =
			took.cpu_s > 0 ? (double)(w->account.bits - before.bits) * 1e-6 / took.cpu_s
				       : 0;
	w->turns++;
}

static void work(const struct bench_options *o, uint64_t turns_min, bench_turn_fn *turn, void *ctx,
	unsigned number, struct worker *w)
{
	const double from = bench_clocks().wall_s;
	struct rusage usage;

	while (!failed(w->err) && !*o->is_over) {
		const bool is_long =
			w->took.cpu_s >= o->seconds ||
			bench_clocks().wall_s - from >= (double)(o->seconds * WALL_FACTOR);
		if (is_long && w->turns >= turns_min)
			break;
		one_turn(w, number, turn, ctx);
	}
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		w->peak_mib = (double)usage.ru_maxrss / 1024;
}

/* ---- several ---- */

/* The n-th core that this process may use; -1 where there are fewer. */
static int core_at(unsigned n)
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		return -1;
	for (unsigned core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &allowed) && n-- == 0)
			return (int)core;
	return -1;
}

static bool pin(unsigned number)
{
	const int core = core_at(number);
	cpu_set_t one;

	if (core < 0)
		return false;
	CPU_ZERO(&one);
	CPU_SET((unsigned)core, &one);
	return sched_setaffinity(0, sizeof one, &one) == 0;
}

/* The child of one core: waits until its parent closes the gate, so that all begin at once. */
static void child(const struct bench_options *o, uint64_t turns_min, bench_turn_fn *turn, void *ctx,
	unsigned number, struct worker *w, const int gate[2])
{
	char none;

	close(gate[1]);
	if (!pin(number))
		w->err = ERR(ABSENT);
	if (read(gate[0], &none, 1) != 0)
		w->err = ERR(BUG);
	work(o, turns_min, turn, ctx, number, w);
	_exit(0);
}

static struct err work_on_cores(const struct bench_options *o, uint64_t turns_min,
	bench_turn_fn *turn, void *ctx, struct worker *workers)
{
	pid_t pids[BENCH_CORES_MAX];
	unsigned started = 0;
	int gate[2];
	struct err e = OK;

	if (pipe(gate) != 0)
		return ERR(IO);
	for (unsigned i = 0; i < o->cores && !failed(e); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			child(o, turns_min, turn, ctx, i, &workers[i], gate);
		e = pids[i] < 0 ? ERR(IO) : OK;
		started += pids[i] > 0;
	}
	close(gate[0]);
	close(gate[1]);
	for (unsigned i = 0; i < started; i++) {
		int status = 0;
		pid_t got;
		do
			got = waitpid(pids[i], &status, 0);
		while (got < 0 && errno == EINTR); /* a signal ends the measurement */
		if (status != 0 && !failed(e))
			e = ERR(BUG);
	}
	return e;
}

/* ---- the sum ---- */

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the turns' rates: done with them in their order. */
static void add_turns(struct worker *w, struct bench_rate *out)
{
	const size_t kept = w->turns < BENCH_TURNS_KEPT ? (size_t)w->turns : BENCH_TURNS_KEPT;

	if (kept == 0)
		return;
	qsort(w->rates, kept, sizeof w->rates[0], by_value);
	if (w->rates[kept - 1] > out->best_mbit_per_s)
		out->best_mbit_per_s = w->rates[kept - 1];
	out->median_mbit_per_s += w->rates[kept / 2] / out->cores;
}

static struct err add_up(struct worker *workers, unsigned cores, struct bench_rate *out)
{
	*out = (struct bench_rate){.cores = cores};
	for (unsigned i = 0; i < cores; i++) {
		struct worker *w = &workers[i];
		if (failed(w->err))
			return w->err;
		out->turns += w->turns;
		out->bits += w->account.bits;
		out->cpu_s += w->took.cpu_s;
		out->wall_s = w->took.wall_s > out->wall_s ? w->took.wall_s : out->wall_s;
		out->peak_mib = w->peak_mib > out->peak_mib ? w->peak_mib : out->peak_mib;
		if (w->took.wall_s > 0)
			out->wall_mbit_per_s += (double)w->account.bits * 1e-6 / w->took.wall_s;
		for (size_t k = 0; k < BENCH_SUMS; k++)
			out->sum[k] += w->account.sum[k];
		add_turns(w, out);
	}
	out->mbit_per_s = out->cpu_s > 0 ? (double)out->bits * 1e-6 / out->cpu_s : 0;
	return OK;
}

struct err bench_rate(const struct bench_options *o, uint64_t turns_min, bench_turn_fn *turn,
	void *ctx, struct bench_rate *out)
{
	const unsigned cores = o->cores == 0 ? 1 : o->cores;
	const size_t size = cores * sizeof(struct worker);

	if (cores > BENCH_CORES_MAX)
		return ERR(LIMIT);
	struct worker *workers =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (workers == MAP_FAILED)
		return ERR(LIMIT);
	struct err e = OK;
	if (cores == 1)
		work(o, turns_min, turn, ctx, 0, &workers[0]);
	else
		e = work_on_cores(o, turns_min, turn, ctx, workers);
	if (!failed(e))
		e = add_up(workers, cores, out);
	munmap(workers, size);
	return e;
}

void bench_rate_write(const struct bench_rate *r, struct json_writer *j)
{
	json_f64(j, "mbit_per_s", r->mbit_per_s);
	json_f64(j, "best_mbit_per_s", r->best_mbit_per_s);
	json_f64(j, "median_mbit_per_s", r->median_mbit_per_s);
	json_u64(j, "turns", r->turns);
	json_f64(j, "cpu_s", r->cpu_s);
	if (r->cores > 1) {
		json_u64(j, "cores", r->cores);
		json_f64(j, "wall_mbit_per_s", r->wall_mbit_per_s);
	}
}
