// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The event loop of one process: libuv with our names. One loop a process, one thread; the only other
 * thread of a process is the store driver's. Callbacks run on the loop's thread.
 */
#include "base/env.h"
#include "base/log.h"
#include <uv.h>

struct loop {
	uv_loop_t uv;
	uv_prepare_t flush; /* runs before the loop sleeps: batched writes leave here */
	struct flush_item *to_flush;
};

MUST_USE struct err loop_open(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop() or nothing is left to wait for */
void loop_stop(struct loop *l);
void loop_close(struct loop *l);

/* Called once before the loop next sleeps, however often it is asked for meanwhile: how many small
 * writes become one. The item is the owner's, zeroed at start. */
struct flush_item {
	void (*flush)(void *ctx);
	void *ctx;
	bool is_queued;
	struct flush_item *next;
};
void loop_flush_later(struct loop *l, struct flush_item *item);
void loop_flush_cancel(struct loop *l, struct flush_item *item);

struct loop_timer {
	uv_timer_t uv;
	void (*fire)(void *ctx);
	void *ctx;
};
void loop_timer_open(struct loop *l, struct loop_timer *t, void (*fire)(void *ctx), void *ctx);
void loop_timer_once(struct loop_timer *t, uint64_t delay_ms);
void loop_timer_every(struct loop_timer *t, uint64_t period_ms);
void loop_timer_stop(struct loop_timer *t);

/* The real environment (host/env_posix.c): CLOCK_BOOTTIME and CLOCK_REALTIME; getrandom(2). */
struct clock_port clock_posix(void);
struct entropy entropy_posix(void);
/* A disk in one folder: append and replace by openat2 beneath it, fsync of file and folder. */
MUST_USE struct err disk_posix_open(struct disk *disk, const char *folder, struct complaint *c);
void disk_posix_close(struct disk *disk);
