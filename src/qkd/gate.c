// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gate.h"
#include <math.h>

/* From the offset to the first range, and from the last click in the gate on: slots are still told apart exactly. */
#define FAR_PS_MAX 0x1p52

enum { RANGE_SLOTS_MAX = 1 << 30 }; /* of one record that is handed over */

struct err gate_open(struct gate *g, const struct gate_settings *settings, struct gate_port port,
	struct entropy entropy, struct complaint *c)
{
	*g = (struct gate){.settings = *settings, .port = port, .entropy = entropy};
	g->period_ps = settings->period_ps;
	if (!(settings->period_ps >= 100 && settings->period_ps <= 1e12))
		return complain(c, ERR(INPUT), "a slot takes 100 ps to 1 s");
	if (!(settings->window > 0 && settings->window <= 0.5))
		return complain(c, ERR(INPUT), "the gate is at most half a slot");
	if (!(settings->drift_ppm_max >= 0 && settings->drift_ppm_max <= 1000))
		return complain(c, ERR(INPUT), "clocks differ by 0 to 1000 ppm");
	if (!(settings->offset_ps >= 0 && settings->offset_ps <= 1e18))
		return complain(c, ERR(INPUT), "the offset is 0 to 1e18 ps");
	return OK;
}

double gate_drift_ppm(const struct gate *g)
{
	return (g->period_ps / g->settings.period_ps - 1) * 1e6;
}

/* Slots since the anchor, as a real number; times before it are a little below 0. */
static double slots_since(const struct gate *g, uint64_t ps)
{
	const double whole =
		ps >= g->anchor_ps ? (double)(ps - g->anchor_ps) : -(double)(g->anchor_ps - ps);

	return (whole - g->anchor_rest) / g->period_ps;
}

static uint64_t slot_plus(uint64_t slot, double slots)
{
	const int64_t whole = (int64_t)slots;

	return whole < 0 && (uint64_t)-whole > slot ? 0 : slot + (uint64_t)whole;
}

/* The slot in which an instant lies, and the one that begins at it or next. */
static uint64_t slot_at(const struct gate *g, uint64_t ps)
{
	return slot_plus(g->anchor_slot, floor(slots_since(g, ps)));
}

static uint64_t slot_from(const struct gate *g, uint64_t ps)
{
	return slot_plus(g->anchor_slot, ceil(slots_since(g, ps)));
}

/* No light for so long that clocks have drifted apart anyway. */
static bool is_far(const struct gate *g, uint64_t ps)
{
	return ps > g->anchor_ps && (double)(ps - g->anchor_ps) > FAR_PS_MAX;
}

static uint64_t end_ps(const struct driver_record *record)
{
	return record->type == DRIVER_MONITOR ? record->monitor.first + record->monitor.length
					      : record->first_ps + record->length_ps;
}

/* Handing over. */

static struct err deliver(struct gate *g, const struct writer *w)
{
	struct driver_record record;
	struct wire_fault fault = {0};
	struct err e = driver_decode(writer_span_done(w), &record, &fault);

	return failed(e) ? e : g->port.record(g->port.ctx, &record);
}

static bool is_one_basis(unsigned mask)
{
	return (mask & (DRIVER_X0 | DRIVER_X1)) == 0 || (mask & (DRIVER_Z0 | DRIVER_Z1)) == 0;
}

/* The coin is tossed when the slot is over, so that three and four clicks are treated alike, whatever records they came in. */
static struct err settle_bases(struct gate *g, uint32_t count)
{
	uint8_t coin;

	for (uint32_t i = 0; i < count; i++) {
		if (is_one_basis(g->events[i].mask))
			continue;
		struct err e = entropy_fill(&g->entropy, span_mut_of(&coin, 1));
		if (failed(e))
			return e;
		g->cross_basis++;
		g->events[i].mask &= coin & 1 ? DRIVER_X0 | DRIVER_X1 : DRIVER_Z0 | DRIVER_Z1;
	}
	return OK;
}

/* One record up to `end`, of the events before it; what lies behind it stays. */
static struct err emit_some(struct gate *g, uint64_t end)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(g->buffer));
	uint32_t count = 0;

	while (count < g->event_count && g->events[count].slot < end)
		count++;
	struct err e = settle_bases(g, count);
	if (failed(e))
		return e;
	driver_events_encode(&w, g->next_slot, (uint32_t)(end - g->next_slot), g->events, count);
	g->next_slot = end;
	g->event_count -= count;
	memmove(g->events, g->events + count, g->event_count * sizeof g->events[0]);
	return deliver(g, &w);
}

static struct err emit(struct gate *g, uint64_t end)
{
	while (g->next_slot < end) {
		const uint64_t left = end - g->next_slot;
		struct err e =
			emit_some(g, left > RANGE_SLOTS_MAX ? g->next_slot + RANGE_SLOTS_MAX : end);
		if (failed(e))
			return e;
	}
	return OK;
}

/* Every slot that the time [from, to) touches. */
static struct err lose(struct gate *g, uint64_t from_ps, uint64_t to_ps)
{
	const uint64_t from = slot_at(g, from_ps), to = slot_from(g, to_ps);
	struct err e = emit(g, from);

	g->late += g->event_count;
	g->event_count = 0;
	while (!failed(e) && g->next_slot < to) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(g->buffer));
		const uint64_t left = to - g->next_slot;
		const uint32_t count =
			left > RANGE_SLOTS_MAX ? (uint32_t)RANGE_SLOTS_MAX : (uint32_t)left;
		driver_lost_encode(&w, g->next_slot, count);
		g->next_slot += count;
		g->slots_lost += count;
		e = deliver(g, &w);
	}
	return e;
}

/* Clicks. */

static double clamp(double v, double most)
{
	return v > most ? most : v < -most ? -most : v;
}

/* The slot that was found at `ps`, `residual` behind its middle, is where we count from now on. */
static void track(struct gate *g, uint64_t ps, uint64_t slot, double residual)
{
	const double behind = residual + g->period_ps / 2;

	g->anchor_slot = slot;
	g->anchor_ps = ps;
	g->anchor_rest = -behind;
	if (g->residual_count == 0)
		g->residual_from = slot;
	g->residual_sum += residual;
	if (++g->residual_count < GATE_CLICKS)
		return;
	const double mean = g->residual_sum / (double)g->residual_count;
	const uint64_t slots = slot - g->residual_from + 1;
	const double nominal = g->settings.period_ps,
		     limit = nominal * g->settings.drift_ppm_max * 1e-6;
	g->anchor_rest += mean;
	g->period_ps = nominal + clamp(g->period_ps + mean / 2 / (double)slots - nominal, limit);
	g->residual_sum = 0;
	g->residual_count = 0;
}

/* Whether the gate sees more than chance would put into it. */
static struct err watch(struct gate *g, bool is_in)
{
	const double w = g->settings.window, n = GATE_WATCHED;

	g->in_gate += is_in;
	g->out_of_gate += !is_in;
	g->watched_in += is_in;
	if (++g->watched < GATE_WATCHED)
		return OK;
	const bool is_lost = g->watched_in <= n * w + 3 * sqrt(n * w * (1 - w));
	g->watched = g->watched_in = 0;
	return is_lost ? ERR(INPUT) : OK;
}

static struct err keep(struct gate *g, uint64_t slot, uint8_t mask)
{
	struct driver_event *last = g->event_count == 0 ? NULL : &g->events[g->event_count - 1];

	if (slot < g->next_slot || (last != NULL && slot < last->slot)) {
		g->late++;
		return OK;
	}
	if (last != NULL && last->slot == slot) {
		last->mask |= mask;
		return OK;
	}
	if (g->event_count == GATE_EVENTS) {
		struct err e = emit(g, slot);
		if (failed(e))
			return e;
	}
	g->events[g->event_count++] = (struct driver_event){slot, mask};
	return OK;
}

static struct err click(struct gate *g, const struct driver_time *t)
{
	const uint8_t mask = g->settings.mask[t->channel];

	if (mask == 0)
		return OK;
	const double at = slots_since(g, t->time_ps), whole = floor(at);
	const double residual = (at - whole - 0.5) * g->period_ps;
	const bool is_in = fabs(residual) <= g->settings.window / 2 * g->period_ps;
	struct err e = watch(g, is_in);
	if (failed(e) || !is_in)
		return e;
	const uint64_t slot = slot_plus(g->anchor_slot, whole);
	track(g, t->time_ps, slot, residual);
	return keep(g, slot, mask);
}

static struct err take_times(struct gate *g, const struct driver_record *record)
{
	struct err e = OK;

	for (uint32_t i = 0; !failed(e) && i < record->event_count; i++) {
		const struct driver_time t = driver_time_at(record, i);
		if (t.flags != 0)
			e = lose(g, g->last_ps, t.time_ps);
		if (!failed(e))
			e = click(g, &t);
		g->last_ps = t.time_ps;
	}
	/* The slot in which the record ends may have clicks in the next one. */
	return failed(e) ? e : emit(g, slot_at(g, end_ps(record)));
}

static struct err begin(struct gate *g, uint64_t first_ps)
{
	const double after = (double)first_ps - g->settings.offset_ps;

	if (after < 0 || after > FAR_PS_MAX)
		return ERR(INPUT);
	g->anchor_slot = (uint64_t)ceil(after / g->period_ps);
	const double begins = g->settings.offset_ps + (double)g->anchor_slot * g->period_ps;
	g->anchor_ps = (uint64_t)begins;
	g->anchor_rest = begins - (double)g->anchor_ps;
	g->next_slot = g->anchor_slot;
	g->next_ps = g->last_ps = first_ps;
	g->has_position = true;
	return OK;
}

/* Each range begins in the slot where the one before ended, though meanwhile the gate may see slots elsewhere. */
static struct err take_monitor(struct gate *g, const struct driver_record *record)
{
	struct driver_record out = *record;
	const uint64_t end = end_ps(record);

	if (g->has_monitor && record->monitor.first != g->monitor_ps)
		return ERR(INPUT);
	out.monitor.first = g->has_monitor ? g->monitor_slot : slot_at(g, record->monitor.first);
	g->monitor_slot = slot_from(g, end) + 1;
	g->monitor_ps = end;
	g->has_monitor = true;
	if (g->monitor_slot <= out.monitor.first)
		g->monitor_slot = out.monitor.first + 1;
	out.monitor.length = g->monitor_slot - out.monitor.first;
	return g->port.record(g->port.ctx, &out);
}

struct err gate_record(struct gate *g, const struct driver_record *record)
{
	const bool is_range = record->type == DRIVER_TIMES || record->type == DRIVER_TIMES_LOST;
	struct err e = OK;

	if (!is_range && record->type != DRIVER_MONITOR)
		return ERR(INPUT);
	if (!g->has_position)
		e = begin(g, is_range ? record->first_ps : record->monitor.first);
	if (failed(e))
		return e;
	if (is_far(g, end_ps(record)))
		return ERR(INPUT);
	if (!is_range)
		return take_monitor(g, record);
	if (record->first_ps != g->next_ps)
		return ERR(INPUT);
	if (record->type == DRIVER_TIMES)
		e = take_times(g, record);
	else
		e = lose(g, record->first_ps, end_ps(record));
	g->next_ps = g->last_ps = end_ps(record);
	return e;
}
