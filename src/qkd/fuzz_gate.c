// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever a free-running receiver may say, the gate's slots must be true. The input is the gate's settings (slots a second u32; window u8,
 * in 512ths of a slot, less one; drift u16 in ppm; offset u64 in ps; channels u32, a half octet each, the last one first: its detector), then
 * steps, each an octet: what in the upper three bits, a click's flags in the next two, its channel in the lower three.
 *   0 to 3  a click: slots ahead u8, phase u8 in 256ths of a slot
 *   4       a click after a silence: slots ahead u32, phase u8
 *   5       many of them: count u16, slots ahead u8, phase of the first u8, and what each adds to it i8, in 65536ths of a slot
 *   6       the range ends, slots ahead u32, phase u8; with a flag: what comes until then was lost
 *   7       what the instruments say, from where they stopped on: length u64 in ps; with a flag, from the next range on
 *
 * Such a session is told twice: as it stands, and cut as small as it can be. What must hold:
 *   - ranges of slots, and those of instruments, follow each other; instruments that do not are refused; events are such as a gated device says;
 *   - no slot is said to be seen of which anything was lost;
 *   - a click in the gate is an event of its slot, unless that was lost or is over; of two bases all of the one or all of the other;
 *   - no event without a click; each click is counted once;
 *   - both tellings come to the same (without flags: what a flag says reaches back to the range's beginning, and so depends on the cut).
 *
 * Seeds are written by hand, with printf: fuzz/corpus/gate, `lit` for one:
 *   printf '\0\x2d\xc6\xc0\xff\0\x64\0\0\0\0\0\0\0\0\0\0\x84\x21''\xa0\4\0\3\x80\0' >lit
 * 3 MHz, half a slot, 100 ppm, no offset, channels X0 X1 Z0 Z1; then 1024 clicks, three slots apart, in the middle.
 */
#include "qkd/gate.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAX = 4096, CLICKS_MAX = 6144, TOLD_MAX = 2 * CLICKS_MAX };

#define MUST(holds)                                                                                \
	do {                                                                                       \
		if (!(holds))                                                                      \
			abort();                                                                   \
	} while (0)

/* A session: what was clicked, and the records that tell it. */
struct piece {
	enum driver_type type;
	uint64_t first, end;
	uint32_t from, to; /* of the clicks */
};

static struct {
	struct driver_time clicks[CLICKS_MAX];
	struct piece pieces[PIECES_MAX];
	uint32_t click_count, piece_count;
	bool has_flags;
} session;

/* What the gate handed over. */
struct range {
	uint64_t from, to;
};

struct told {
	struct driver_event events[TOLD_MAX];
	struct range lost[TOLD_MAX]; /* neighbours are one */
	uint32_t event_count, lost_count;
	uint64_t first, next, monitored_to;
	bool has_slots, has_monitor;
	unsigned coins;
};

static struct told told[2];

/* What was clicked in a slot, as far as the gate's counters and anchor tell it of clicks that are told one by one. */
static struct {
	struct seen_slot {
		uint64_t slot;
		uint8_t sure, may;
	} slots[CLICKS_MAX];
	uint32_t count;
	uint64_t wired; /* clicks of channels that have a detector */
} seen;

/* The port. */

static void take_lost(struct told *t, uint64_t from, uint64_t to)
{
	struct range *last = t->lost_count == 0 ? NULL : &t->lost[t->lost_count - 1];

	if (last != NULL && last->to == from)
		last->to = to;
	else if (t->lost_count < TOLD_MAX)
		t->lost[t->lost_count++] = (struct range){from, to};
}

static void take_monitor(struct told *t, const struct driver_monitor *m)
{
	MUST(m->length > 0);
	MUST(!t->has_monitor || m->first == t->monitored_to);
	t->has_monitor = true;
	t->monitored_to = m->first + m->length;
}

static struct err take(void *ctx, const struct driver_record *r)
{
	struct told *t = ctx;

	if (r->type == DRIVER_MONITOR) {
		take_monitor(t, &r->monitor);
		return OK;
	}
	MUST(r->type == DRIVER_EVENTS || r->type == DRIVER_LOST);
	MUST(!t->has_slots || r->first_slot == t->next);
	t->first = t->has_slots ? t->first : r->first_slot;
	t->has_slots = true;
	t->next = r->first_slot + r->slot_count;
	if (r->type == DRIVER_LOST)
		take_lost(t, r->first_slot, t->next);
	for (uint32_t i = 0; i < r->event_count; i++) {
		MUST(t->event_count < TOLD_MAX);
		t->events[t->event_count++] = driver_event_at(r, i);
	}
	return OK;
}

/* Coins that fall alike in both tellings, but not all on one side. */
static struct err toss(void *ctx, struct span_mut out)
{
	struct told *t = ctx;

	for (size_t i = 0; i < out.len; i++)
		out.at[i] = (uint8_t)(++t->coins * 181 >> 3);
	return OK;
}

/* Telling. */

static uint64_t slot_of(const struct gate *g, uint64_t ps)
{
	const double since =
		ps >= g->anchor_ps ? (double)(ps - g->anchor_ps) : -(double)(g->anchor_ps - ps);
	const double slots = floor((since - g->anchor_rest) / g->period_ps);

	return slots < 0 && -slots > (double)g->anchor_slot
		       ? 0
		       : g->anchor_slot + (uint64_t)(int64_t)slots;
}

/* Slots that [from, to) touches, and that are not over. Nothing has been said of such instants before the gate has a position. */
static struct range touched(const struct gate *g, uint64_t from, uint64_t to)
{
	struct range r = {0};

	if (!g->has_position || from == to)
		return r;
	r = (struct range){slot_of(g, from), slot_of(g, to - 1) + 1};
	r.from = r.from < g->next_slot ? g->next_slot : r.from;
	return r;
}

static void must_be_lost(const struct told *t, struct range r)
{
	if (r.from >= r.to)
		return;
	MUST(t->lost_count > 0);
	MUST(t->lost[t->lost_count - 1].from <= r.from && t->lost[t->lost_count - 1].to >= r.to);
}

static struct err say(struct gate *g, const struct piece *p)
{
	static uint8_t buffer[CLICKS_MAX * 10 + 64];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct driver_monitor monitor = {.first = p->first, .length = p->end - p->first};
	struct driver_record record;
	struct wire_fault fault = {0};

	if (p->type == DRIVER_TIMES)
		driver_times_encode(
			&w, p->first, p->end - p->first, session.clicks + p->from, p->to - p->from);
	else if (p->type == DRIVER_TIMES_LOST)
		driver_times_lost_encode(&w, p->first, p->end - p->first);
	else
		driver_monitor_encode(&w, &monitor);
	struct err e = driver_decode(writer_span_done(&w), &record, &fault);
	return failed(e) ? e : gate_record(g, &record);
}

static struct err tell(struct gate *g, const struct piece *p)
{
	const bool follows =
		p->type != DRIVER_MONITOR || !g->has_monitor || p->first == g->monitor_ps;
	struct err e = say(g, p);

	MUST(follows || failed(e));
	return e;
}

static void note(uint64_t slot, uint8_t mask, bool is_sure)
{
	if (seen.count == 0 || seen.slots[seen.count - 1].slot != slot)
		seen.slots[seen.count++] = (struct seen_slot){slot, 0, 0};
	seen.slots[seen.count - 1].may |= mask;
	seen.slots[seen.count - 1].sure |= is_sure ? mask : 0;
}

/* A range that ends with the clicks of one instant, and has no others. */
static struct err tell_instant(struct gate *g, struct told *t, const struct piece *p)
{
	const uint64_t in = g->in_gate, late = g->late, next = g->next_slot;
	const struct driver_time *first = &session.clicks[p->from];
	const struct range lost =
		touched(g, p->first, first->flags != 0 ? first->time_ps : p->first);
	uint8_t mask = 0;
	uint32_t count = 0;

	for (uint32_t i = p->from; i < p->to; i++) {
		const uint8_t m = g->settings.mask[session.clicks[i].channel];
		mask |= m;
		count += m != 0;
	}
	struct err e = tell(g, p);
	if (failed(e))
		return e;
	must_be_lost(t, lost);
	seen.wired += count;
	/* Of some of them nobody knows which; so of those that came too late, or that a flag took along. */
	const uint64_t in_now = g->in_gate - in;
	if (in_now > 0 && g->anchor_slot >= next)
		note(g->anchor_slot, mask, in_now == count && g->late == late);
	return OK;
}

static struct err tell_loss(struct gate *g, struct told *t, const struct piece *p)
{
	const uint64_t middle = p->first + (p->end - p->first) / 2;
	const struct range lost = touched(g, p->first, p->end);
	struct piece half = *p;
	struct err e = OK;

	half.end = middle;
	if (middle > p->first)
		e = tell(g, &half);
	half.first = middle;
	half.end = p->end;
	if (!failed(e))
		e = tell(g, &half);
	if (!failed(e))
		must_be_lost(t, lost);
	return e;
}

/* As small as it can be: each instant with clicks is the end of a range. */
static struct err tell_cut(struct gate *g, struct told *t, const struct piece *p)
{
	struct piece part = {p->type, p->first, p->first, p->from, p->from};
	struct err e = OK;

	if (p->type == DRIVER_TIMES_LOST)
		return tell_loss(g, t, p);
	if (p->type == DRIVER_MONITOR)
		return tell(g, p);
	for (uint32_t i = p->from; i < p->to && !failed(e); i++) {
		const uint64_t at = session.clicks[i].time_ps;
		part.to = i + 1;
		part.end = at + 1;
		if (part.to < p->to && session.clicks[part.to].time_ps == at)
			continue;
		e = tell_instant(g, t, &part);
		part.first = part.end;
		part.from = part.to;
	}
	part.end = p->end;
	return failed(e) || part.first == part.end ? e : tell(g, &part);
}

static struct err tell_all(
	struct gate *g, const struct gate_settings *settings, struct told *t, bool is_cut)
{
	t->event_count = t->lost_count = 0;
	t->first = t->next = t->monitored_to = 0;
	t->has_slots = t->has_monitor = false;
	t->coins = 0;
	struct err e = gate_open(
		g, settings, (struct gate_port){t, take}, (struct entropy){t, toss}, NULL);
	for (uint32_t i = 0; i < session.piece_count && !failed(e); i++)
		e = is_cut ? tell_cut(g, t, &session.pieces[i]) : tell(g, &session.pieces[i]);
	if (failed(e))
		return e;
	MUST(t->next == g->next_slot || !t->has_slots);
	MUST(fabs(gate_drift_ppm(g)) <= settings->drift_ppm_max + 1e-6);
	uint64_t lost = 0;
	for (uint32_t i = 0; i < t->lost_count; i++)
		lost += t->lost[i].to - t->lost[i].from;
	MUST(lost == g->slots_lost);
	return e;
}

/* What must hold. */

static bool is_of_slot(uint8_t mask, uint8_t sure, uint8_t may)
{
	const uint8_t basis =
		mask & (DRIVER_X0 | DRIVER_X1) ? DRIVER_X0 | DRIVER_X1 : DRIVER_Z0 | DRIVER_Z1;

	return (mask & ~may) == 0 && (sure & basis & ~mask) == 0;
}

/* Slot by slot: clicks that were seen against what was told. */
static void must_agree(const struct told *t)
{
	uint32_t event = 0, lost = 0;

	for (uint32_t i = 0; i < seen.count && seen.slots[i].slot < t->next; i++) {
		const uint64_t slot = seen.slots[i].slot;
		while (lost < t->lost_count && t->lost[lost].to <= slot)
			lost++;
		if (lost < t->lost_count && t->lost[lost].from <= slot)
			continue;
		const bool is_told = event < t->event_count && t->events[event].slot == slot;
		MUST(is_told || seen.slots[i].sure == 0);
		if (is_told)
			MUST(is_of_slot(
				t->events[event++].mask, seen.slots[i].sure, seen.slots[i].may));
	}
	MUST(event == t->event_count);
}

static void must_be_alike(const struct gate *a, const struct gate *b)
{
	MUST(told[0].event_count == told[1].event_count);
	for (uint32_t i = 0; i < told[0].event_count; i++)
		MUST(told[0].events[i].slot == told[1].events[i].slot &&
			told[0].events[i].mask == told[1].events[i].mask);
	MUST(told[0].lost_count == told[1].lost_count);
	MUST(memcmp(told[0].lost, told[1].lost, told[0].lost_count * sizeof told[0].lost[0]) == 0);
	MUST(told[0].next == told[1].next && told[0].monitored_to == told[1].monitored_to);
	MUST(a->in_gate == b->in_gate && a->out_of_gate == b->out_of_gate);
	MUST(a->cross_basis == b->cross_basis && a->late == b->late);
	MUST(gate_drift_ppm(a) == gate_drift_ppm(b));
}

/* Reading the input. */

struct script {
	struct reader r;
	struct gate_settings settings;
	double slot;   /* where the light is */
	uint64_t last; /* the last click's time */
	uint64_t monitored_to;
	struct piece piece;
};

static void piece_add(struct script *s, enum driver_type type, uint64_t end)
{
	if (session.piece_count == PIECES_MAX || end <= s->piece.first)
		return;
	s->piece.type = type;
	s->piece.end = end;
	s->piece.to = session.click_count;
	session.pieces[session.piece_count++] = s->piece;
	s->piece.first = s->last = end;
	s->piece.from = session.click_count;
}

static void monitor_add(struct script *s, uint64_t first, uint64_t length)
{
	if (session.piece_count == PIECES_MAX || length == 0)
		return;
	s->monitored_to = first + length;
	session.pieces[session.piece_count++] =
		(struct piece){.type = DRIVER_MONITOR, .first = first, .end = s->monitored_to};
}

/* No earlier than what was clicked before. */
static uint64_t instant(const struct script *s)
{
	const double ps = s->settings.offset_ps + s->slot * s->settings.period_ps;

	return ps > (double)s->last && ps < 0x1p63 ? (uint64_t)ps : s->last;
}

static void click(struct script *s, uint8_t channel, uint8_t flags)
{
	if (session.click_count == CLICKS_MAX)
		return;
	s->last = instant(s);
	session.has_flags |= flags != 0;
	session.clicks[session.click_count++] = (struct driver_time){s->last, channel, flags};
}

static void ahead(struct script *s, uint32_t slots, uint8_t phase)
{
	s->slot = floor(s->slot) + slots + phase / 256.0;
}

static void many(struct script *s, uint8_t channel)
{
	const uint16_t count = reader_u16(&s->r, "count");
	const uint8_t slots = reader_u8(&s->r, "slots"), phase = reader_u8(&s->r, "phase");
	const int8_t each = (int8_t)reader_u8(&s->r, "each");

	ahead(s, 0, phase);
	for (uint32_t i = 0; i < count && session.click_count < CLICKS_MAX; i++) {
		s->slot += slots + each / 65536.0;
		click(s, channel, 0);
	}
}

static void step(struct script *s)
{
	const uint8_t what = reader_u8(&s->r, "what"), flags = what >> 3 & 3;
	const bool is_far = what >> 5 == 4 || what >> 5 == 6;
	uint32_t slots;

	if (what >> 5 == 5) {
		many(s, what & 7);
		return;
	}
	if (what >> 5 == 7) {
		const uint64_t length = reader_u64(&s->r, "length");
		piece_add(s, DRIVER_TIMES, s->last + 1); /* the instruments speak between ranges */
		monitor_add(s, flags != 0 ? s->piece.first : s->monitored_to,
			length % (UINT64_MAX / 8));
		return;
	}
	slots = is_far ? reader_u32(&s->r, "slots") : reader_u8(&s->r, "slots");
	if (what >> 5 == 6 && flags != 0)
		piece_add(s, DRIVER_TIMES, s->last + 1);
	ahead(s, slots, reader_u8(&s->r, "phase"));
	if (what >> 5 != 6)
		click(s, what & 7, flags);
	else
		piece_add(s, flags != 0 ? DRIVER_TIMES_LOST : DRIVER_TIMES, instant(s));
}

static bool read_session(struct span input, struct gate_settings *settings)
{
	struct wire_fault fault = {0};
	struct script s = {.r = reader_of(input, &fault)};

	s.settings.period_ps = 1e12 / reader_u32(&s.r, "slots_per_second");
	s.settings.window = (1 + reader_u8(&s.r, "window")) / 512.0;
	s.settings.drift_ppm_max = reader_u16(&s.r, "drift");
	s.settings.offset_ps = (double)reader_u64(&s.r, "offset");
	const uint32_t masks = reader_u32(&s.r, "channels");
	for (size_t i = 0; i < DRIVER_CHANNELS; i++) {
		const unsigned detector = masks >> 4 * i & 15;
		s.settings.mask[i] = (detector & (detector - 1)) == 0 ? (uint8_t)detector : 0;
	}
	if (reader_failed(&s.r) || s.settings.offset_ps > 1e18)
		return false;
	session.click_count = session.piece_count = 0;
	session.has_flags = false;
	s.piece.first = s.last = s.monitored_to = (uint64_t)s.settings.offset_ps;
	while (reader_more(&s.r))
		step(&s);
	piece_add(&s, DRIVER_TIMES, s.last + 1);
	*settings = s.settings;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gate whole, cut;
	struct gate_settings settings;

	if (!read_session(span_of(data, size), &settings))
		return 0;
	seen.count = 0;
	seen.wired = 0;
	const struct err of_whole = tell_all(&whole, &settings, &told[0], false);
	const struct err of_cut = tell_all(&cut, &settings, &told[1], true);
	if (!failed(of_cut)) {
		must_agree(&told[1]);
		MUST(cut.in_gate + cut.out_of_gate == seen.wired);
	}
	/* Not the other way round: a range that reaches too far is refused whole, though its parts would pass. */
	if (!session.has_flags && !failed(of_whole)) {
		MUST(!failed(of_cut));
		must_be_alike(&whole, &cut);
	}
	return 0;
}
