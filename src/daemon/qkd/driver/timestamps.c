// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Raw events of the time-tag cards of qcrypto and S-Fifteen (codec/qkd_timestamps.h), from a file, as a free-running receiver. The
 * file says nothing of the source: session and slots a second are settings, intensities and basis those of the
 * link. Times count from the file's first event; gate.offset_ps says where after it slot 0 begins.
 */
#include "driver.h"

enum { EVENTS_A_RECORD = 1024, RECORD_OCTETS = 48 << 10 };

struct err driver_timestamps_prepare(struct driver *d, struct complaint *c)
{
	const struct options *o = d->options;
	uint8_t session[16];

	if (strcmp(o->role, "bob") != 0)
		return complain(c, ERR(INPUT), "driver.kind: s15 is a receiver: role bob");
	if (!hex_to_span(SPAN_MUT_ARRAY(session), o->driver_session))
		return complain(c, ERR(INPUT),
			"driver.session: 32 hex digits, those of the other end's device");
	if (o->driver_slots_per_second < 1 || o->driver_slots_per_second > UINT32_MAX)
		return complain(c, ERR(INPUT), "driver.slots_per_second: 1 to %u", UINT32_MAX);
	return driver_tape_prepare(d, c);
}

static struct err greet(struct driver *d)
{
	const struct options *o = d->options;
	const struct qkd_link_settings link = options_link(o);
	struct driver_hello hello = {.role = DRIVER_BOB,
		.is_free_running = true,
		.slots_per_second = (uint32_t)o->driver_slots_per_second,
		.basis_x_micro = link.shared.basis_x_micro,
		.description = "recorded time stamps, 125 ps"};
	uint8_t buffer[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (!hex_to_span(SPAN_MUT_ARRAY(hello.session), o->driver_session))
		return ERR(INPUT);
	memcpy(hello.intensity_micro, link.shared.intensity_micro, sizeof hello.intensity_micro);
	memcpy(hello.probability_micro, link.shared.probability_micro,
		sizeof hello.probability_micro);
	driver_hello_encode(&w, &hello);
	d->tape.is_open = true;
	d->tape.per_second = 1e12;
	d->port.opened(d->port.ctx);
	return d->port.bytes(d->port.ctx, writer_span_done(&w));
}

/* Up to EVENTS_A_RECORD events that are due, as one record. ERR_ABSENT: none is. */
static struct err play(struct driver *d)
{
	static uint8_t buffer[RECORD_OCTETS];
	static struct driver_time times[EVENTS_A_RECORD * TIMESTAMP_DETECTORS];
	struct driver_tape *t = &d->tape;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	uint32_t count = 0, events = 0;
	uint64_t end = t->next_ps;
	size_t at = 0;
	struct err e = OK;

	for (; events < EVENTS_A_RECORD && at + TIMESTAMP_OCTETS <= t->len; events++) {
		struct timestamps after = t->timestamps;
		struct timestamp event;
		struct wire_fault fault = {0};
		e = timestamp_decode(
			&after, span_of(t->memory.bytes + at, TIMESTAMP_OCTETS), &event, &fault);
		if (failed(e))
			break;
		if (!t->timestamps.has_last)
			t->first_ps = event.time_ps;
		const uint64_t time_ps = event.time_ps - t->first_ps;
		if (!driver_tape_is_due(d, time_ps))
			break;
		t->timestamps = after;
		at += TIMESTAMP_OCTETS;
		/* An event at the very end of the record before belongs to the next unit of time. */
		const uint64_t told = time_ps < t->next_ps ? t->next_ps : time_ps;
		for (uint8_t k = 0; k < TIMESTAMP_DETECTORS; k++)
			if (event.pattern >> k & 1)
				times[count++] = (struct driver_time){told, k, 0};
		end = told + 1;
	}
	driver_tape_drop(d, at);
	if (failed(e) || events == 0)
		return failed(e) ? e : ERR(ABSENT);
	driver_times_encode(&w, t->next_ps, end - t->next_ps, times, count);
	t->next_ps = end;
	e = d->port.bytes(d->port.ctx, writer_span_done(&w));
	secret_wipe(buffer, sizeof buffer);
	secret_wipe(times, sizeof times);
	return e;
}

static void turn(void *ctx)
{
	struct driver *d = ctx;
	struct driver_tape *t = &d->tape;
	struct err e = t->is_open ? OK : greet(d);

	while (!failed(e) && !t->is_paused) {
		if (t->len < TIMESTAMP_OCTETS && !driver_tape_read(d)) {
			e = ERR(IO); /* the end */
			break;
		}
		if (t->len >= TIMESTAMP_OCTETS)
			e = play(d);
	}
	if (!failed(e) || e.kind == ERR_ABSENT)
		return;
	t->is_open = false;
	driver_tape_end(d, true);
}

struct err driver_timestamps_connect(struct driver *d)
{
	return driver_tape_begin(d, turn);
}
