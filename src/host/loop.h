// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The event loop of one process: libuv with our names. One loop a process, one thread; the only
 * other thread of a process is the store driver's. Callbacks run on the loop's thread.
 */
#include "base/env.h"
#include "base/log.h"
#include <uv.h>

struct loop_timer;
struct flush_item;

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare; /* runs before the loop sleeps: batched writes leave here */
	uv_timer_t alarm;     /* the earliest of `timers` */
	struct loop_timer *timers;
	struct flush_item *to_flush, **to_flush_tail;
	uint8_t *scratch; /* LOOP_SCRATCH octets for one callback: what was read; wiped after it */
};

enum { LOOP_SCRATCH = 64 << 10 };

/*
 * Also does what must not happen for the first time inside a sandbox: opens libuv's spare
 * descriptor, loads the time zone, and keeps libuv from io_uring, which would go round the system
 * call filter. SIGPIPE is ignored from then on.
 */
MUST_USE struct err loop_open(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop() or nothing is left to wait for */
void loop_stop(struct loop *l);
void loop_close(
	struct loop *l); /* owners have closed their streams, and the loop has told them so */

/* Called once, in the order of asking, before the loop next sleeps, however often it is asked for
 * meanwhile: how many small writes become one. The item is the owner's, zeroed at start. */
struct flush_item {
	void (*flush)(void *ctx);
	void *ctx;
	bool is_queued;
	struct flush_item *next;
};
void loop_flush_later(struct loop *l, struct flush_item *item);
void loop_flush_cancel(struct loop *l, struct flush_item *item);

/* Timers are plain memory of their owner: after loop_timer_stop() it may go. One that runs keeps
 * the loop running. */
struct loop_timer {
	struct loop *loop;
	void (*fire)(void *ctx);
	void *ctx;
	uint64_t due_ms, period_ms;
	bool is_running;
	struct loop_timer *child, *next, **link; /* pairing heap; loop.c */
};
void loop_timer_open(struct loop *l, struct loop_timer *t, void (*fire)(void *ctx), void *ctx);
void loop_timer_once(struct loop_timer *t, uint64_t delay_ms);
void loop_timer_every(struct loop_timer *t, uint64_t period_ms);
void loop_timer_stop(struct loop_timer *t); /* also of an all-zero timer */

/* The real environment (host/env_posix.c): CLOCK_BOOTTIME and CLOCK_REALTIME; getrandom(2). */
struct clock_port clock_posix(void);
/* The coarse clocks: good to some milliseconds, and several times cheaper. For limits. */
struct clock_port clock_coarse(void);
struct entropy entropy_posix(void);
/*
 * A disk in one folder (host/disk_posix.c): files by plain name, opened beneath it by openat2(2).
 * `replace` writes NAME.new, syncs it and renames. `append` is whole or not at all, short of a
 * crash.
 */
MUST_USE struct err disk_posix_open(struct disk *disk, const char *folder, struct complaint *c);
void disk_posix_close(struct disk *disk);
