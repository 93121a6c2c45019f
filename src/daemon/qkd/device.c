// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/qkd/device.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEVICE_BUFFER = DRIVER_RECORD_MAX + STREAM_READ_MAX };

/* Recording. */

static struct err recording_open(struct device *d, struct complaint *c)
{
	const struct options *o = d->options;
	struct stat s;

	d->record_fd = -1;
	if (o->driver_record[0] == '\0')
		return OK;
	if (!o->driver_record_allowed)
		return complain(c, ERR(INPUT),
			"driver.record: the recording holds raw key material; needs "
			"driver.record_allowed");
	d->record_fd = open(
		o->driver_record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->record_fd < 0 || fstat(d->record_fd, &s) != 0)
		return complain(
			c, ERR(IO), "driver.record: %s: %s", o->driver_record, strerror(errno));
	if (!S_ISREG(s.st_mode) || (s.st_mode & 077) != 0)
		return complain(c, ERR(INPUT),
			"driver.record: %s: others may read or write it; mode 0600 is expected",
			o->driver_record);
	return OK;
}

/* Half a record would be the end of every replay: what of it was written is cut off again. Answers the cause. */
static int recording_end(struct device *d, ssize_t written)
{
	int error = written < 0 ? errno : ENOSPC;
	const off_t end = lseek(d->record_fd, 0, SEEK_END);

	if (written > 0 && (end < written || ftruncate(d->record_fd, end - written) != 0))
		error = errno;
	close(d->record_fd);
	d->record_fd = -1;
	return error;
}

/* A full disk ends the recording, not the link. */
static void recording_write(struct device *d, struct span record)
{
	if (d->record_fd < 0)
		return;
	const ssize_t written = write(d->record_fd, record.at, record.len);
	if (written == (ssize_t)record.len)
		d->recorded += record.len;
	else
		d->port.unrecorded(d->port.ctx, recording_end(d, written));
}

/* Records. */

static struct err to_link(void *ctx, const struct driver_record *record)
{
	struct device *d = ctx;

	return d->port.record(d->port.ctx, record);
}

static struct err hello(struct device *d, const struct driver_record *record)
{
	const struct options *o = d->options;
	struct gate_settings s = {.period_ps = 1e12 / record->hello.slots_per_second,
		.offset_ps = o->gate_offset_ps,
		.window = o->gate_window,
		.drift_ppm_max = o->gate_drift_ppm};

	d->is_free_running = record->hello.is_free_running;
	if (d->is_free_running) {
		options_channels(o, s.mask);
		struct err e =
			gate_open(&d->gate, &s, (struct gate_port){d, to_link}, d->entropy, NULL);
		if (failed(e))
			return e;
	}
	return to_link(d, record);
}

static struct err take(struct device *d, const struct driver_record *record)
{
	if (record->type == DRIVER_HELLO)
		return hello(d, record);
	if (d->is_free_running)
		return gate_record(&d->gate, record);
	return to_link(d, record);
}

/* Hands over whole records and keeps the rest. */
static struct err records(struct device *d)
{
	uint8_t *bytes = d->memory.bytes;
	size_t at = 0;
	struct err e = OK;

	while (!failed(e)) {
		const struct span rest = span_of(bytes + at, d->len - at);
		struct wire_fault fault = {0};
		struct driver_record record;
		size_t size;
		e = driver_record_size(rest, &size);
		if (failed(e) || size == 0 || size > rest.len)
			break;
		e = driver_decode(span_of(rest.at, size), &record, &fault);
		if (!failed(e)) {
			recording_write(d, span_of(rest.at, size));
			e = take(d, &record);
		}
		at += size;
	}
	memmove(bytes, bytes + at, d->len - at);
	secret_wipe(bytes + d->len - at, at);
	d->len -= at;
	return e;
}

/* The driver. */

static void on_opened(void *ctx)
{
	struct device *d = ctx;

	d->is_there = true;
	d->is_paused = d->is_free_running = false;
	d->len = 0;
	d->port.opened(d->port.ctx);
}

static struct err on_bytes(void *ctx, struct span bytes)
{
	struct device *d = ctx;

	d->why = bytes.len > d->memory.len - d->len ? ERR(INPUT) : OK;
	if (!failed(d->why)) {
		memcpy(d->memory.bytes + d->len, bytes.at, bytes.len);
		d->len += bytes.len;
		d->why = records(d);
	}
	return d->why;
}

static void on_closed(void *ctx, bool is_over)
{
	struct device *d = ctx;
	const struct err why = d->why;

	d->is_there = false;
	d->why = OK;
	secret_wipe(d->memory.bytes, d->len);
	d->len = 0;
	d->port.closed(d->port.ctx, is_over, why);
}

struct err device_open(struct device *d, struct process *p, const struct options *options,
	struct device_port port, struct entropy entropy, struct complaint *c)
{
	*d = (struct device){.options = options, .port = port, .entropy = entropy};
	d->driver = (struct driver){.options = options,
		.loop = &p->loop,
		.clock = p->clock,
		.port = {d, on_opened, on_bytes, on_closed}};
	struct err e = recording_open(d, c);
	if (!failed(e))
		e = driver_prepare(&d->driver, c);
	return failed(e) ? e : secret_open(&d->memory, DEVICE_BUFFER);
}

struct err device_connect(struct device *d)
{
	return d->driver.kind->connect(&d->driver);
}

void device_pause(struct device *d, bool is_paused)
{
	if (!d->is_there || is_paused == d->is_paused)
		return;
	d->is_paused = is_paused;
	d->driver.kind->pause(&d->driver, is_paused);
}
