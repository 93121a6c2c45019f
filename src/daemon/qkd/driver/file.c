// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Our own recordings (driver.record), replayed octet for octet. Each HELLO in the file begins a connection, as it did when it
 * was recorded.
 */
#include "driver.h"

enum { RECORDS_A_TURN_MAX = 256 };

/* *record and *size of the next one; false: the file is over, or no recording. */
static bool next(struct driver *d, struct driver_record *record, size_t *size, bool *is_broken)
{
	struct driver_tape *t = &d->tape;
	struct wire_fault fault = {0};

	for (*is_broken = false;;) {
		const struct span rest = span_of(t->memory.bytes, t->len);
		if (failed(driver_record_size(rest, size))) {
			*is_broken = true;
			return false;
		}
		if (*size > 0 && *size <= rest.len) {
			*is_broken = failed(driver_decode(span_of(rest.at, *size), record, &fault));
			return !*is_broken;
		}
		if (!driver_tape_read(d))
			return false;
	}
}

static bool is_due(struct driver *d, const struct driver_record *r)
{
	const bool is_time = r->type == DRIVER_TIMES || r->type == DRIVER_TIMES_LOST;

	if (r->type == DRIVER_HELLO || r->type == DRIVER_MONITOR)
		return true;
	return driver_tape_is_due(d, is_time ? r->first_ps : r->first_slot);
}

/* A new connection: the one before is closed first. False: the rest waits for it. */
static bool hello(struct driver *d, const struct driver_record *r)
{
	struct driver_tape *t = &d->tape;

	if (t->is_open) {
		t->is_open = false;
		driver_tape_end(d, false);
		return false;
	}
	t->is_open = true;
	t->per_second = r->hello.is_free_running ? 1e12 : r->hello.slots_per_second;
	d->port.opened(d->port.ctx);
	return true;
}

static void turn(void *ctx)
{
	struct driver *d = ctx;
	struct driver_record record;
	size_t size;
	bool is_broken;

	for (int i = 0; i < RECORDS_A_TURN_MAX && !d->tape.is_paused; i++) {
		if (!next(d, &record, &size, &is_broken)) {
			d->tape.is_open = false;
			driver_tape_end(d, true);
			return;
		}
		if (!is_due(d, &record) || (record.type == DRIVER_HELLO && !hello(d, &record)))
			return;
		struct err e = d->port.bytes(d->port.ctx, span_of(d->tape.memory.bytes, size));
		driver_tape_drop(d, size);
		if (failed(e)) {
			d->tape.is_open = false;
			driver_tape_end(d, true); /* what was refused once is no better again */
			return;
		}
	}
}

struct err driver_file_connect(struct driver *d)
{
	return driver_tape_begin(d, turn);
}
