// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Files that are played: opened before the sandbox, read at the pace at which they were recorded (driver.pace times as fast). */
#include "driver.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TURN_MS = 10 };

struct err driver_tape_prepare(struct driver *d, struct complaint *c)
{
	struct driver_tape *t = &d->tape;

	t->fd = open(d->options->driver, O_RDONLY | O_CLOEXEC);
	if (t->fd < 0)
		return complain(c, ERR(IO), "driver: %s: %s", d->options->driver, strerror(errno));
	struct err e = secret_open(&t->memory, DRIVER_RECORD_MAX);
	return failed(e) ? complain(c, e, "no memory for a recording") : OK;
}

void driver_tape_pause(struct driver *d, bool is_paused)
{
	d->tape.is_paused = is_paused;
}

struct err driver_tape_begin(struct driver *d, void (*turn)(void *ctx))
{
	struct driver_tape *t = &d->tape;

	t->is_paused = false;
	loop_timer_open(d->loop, &t->timer, turn, d);
	loop_timer_every(&t->timer, TURN_MS);
	return OK;
}

void driver_tape_end(struct driver *d, bool is_over)
{
	struct driver_tape *t = &d->tape;

	loop_timer_stop(&t->timer);
	t->has_begun = false;
	if (is_over)
		secret_wipe(t->memory.bytes, t->memory.len);
	d->port.closed(d->port.ctx, is_over);
}

bool driver_tape_read(struct driver *d)
{
	struct driver_tape *t = &d->tape;
	const ssize_t n = read(t->fd, t->memory.bytes + t->len, t->memory.len - t->len);

	if (n > 0)
		t->len += (size_t)n;
	return n > 0;
}

void driver_tape_drop(struct driver *d, size_t octets)
{
	struct driver_tape *t = &d->tape;

	memmove(t->memory.bytes, t->memory.bytes + octets, t->len - octets);
	t->len -= octets;
}

bool driver_tape_is_due(struct driver *d, uint64_t at)
{
	struct driver_tape *t = &d->tape;
	const uint64_t now = clock_now(&d->clock).mono_ms;

	if (!t->has_begun) {
		t->has_begun = true;
		t->begun_ms = now;
		t->begun_at = at;
	}
	if (d->options->driver_pace == 0 || at <= t->begun_at)
		return true;
	return (double)(at - t->begun_at) * 1000 <=
	       (double)(now - t->begun_ms) * t->per_second * d->options->driver_pace;
}
