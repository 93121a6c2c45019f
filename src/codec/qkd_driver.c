// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_driver.h"
#include <string.h>

enum { EVENT_OCTETS = DRIVER_EVENT_OCTETS, TIME_OCTETS = 10 };

struct err driver_record_size(struct span stream, size_t *size)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(stream, &fault);

	*size = 0;
	if (stream.len < 4)
		return OK;
	const uint32_t length = reader_u32(&r, "length");
	if (length < 1 || length > DRIVER_RECORD_MAX - 4)
		return ERR(INPUT);
	*size = (size_t)length + 4;
	return OK;
}

static void take_hello(struct reader *r, struct driver_hello *hello)
{
	hello->version = reader_u8(r, "version");
	if (!reader_failed(r) &&
		(hello->version < DRIVER_VERSION_LEAST || hello->version > DRIVER_VERSION))
		reader_refuse(r, ERR(VERSION), "version", NULL);
	hello->role = reader_u8(r, "role");
	reader_require(r, hello->role == DRIVER_ALICE || hello->role == DRIVER_BOB, "role", NULL);
	const uint8_t flags = reader_u8(r, "flags");
	const uint8_t known = hello->version == 1
				      ? DRIVER_SIMULATED
				      : DRIVER_SIMULATED | DRIVER_MONITORED | DRIVER_FREE_RUNNING;
	reader_require(r, flags <= known, "flags", NULL);
	hello->is_simulated = flags & DRIVER_SIMULATED;
	hello->is_monitored = flags & DRIVER_MONITORED;
	hello->is_free_running = flags & DRIVER_FREE_RUNNING;
	reader_require(r, !hello->is_free_running || hello->role == DRIVER_BOB, "flags", NULL);
	reader_copy(r, SPAN_MUT_ARRAY(hello->session), "session");
	hello->slots_per_second = reader_u32(r, "slots_per_second");
	for (size_t i = 0; i < 3; i++)
		hello->intensity_micro[i] = reader_u32(r, "intensity");
	for (size_t i = 0; i < 3; i++)
		hello->probability_micro[i] = reader_u32(r, "probability");
	hello->basis_x_micro = reader_u32(r, "basis_x");
	if (hello->version >= 2) {
		hello->bias_na_max = reader_u32(r, "bias_max");
		hello->power_pw_max = reader_u32(r, "power_max");
		reader_copy(r, SPAN_MUT_ARRAY(hello->calibration), "calibration");
	}
	const size_t len = reader_u8(r, "description_length");
	if (reader_require(r, len <= DRIVER_TEXT_MAX, "description_length", NULL))
		reader_copy(r, span_mut_of(hello->description, len), "description");
	reader_require(r, strlen(hello->description) == len, "description", NULL);
}

static void take_range(struct reader *r, struct driver_record *record)
{
	record->first_slot = reader_u64(r, "first_slot");
	record->slot_count = reader_u32(r, "slot_count");
	/* A range that wraps around would pass every later comparison. */
	reader_require(r, record->slot_count >= 1 && record->first_slot <= UINT64_MAX / 2,
		"slot_count", NULL);
}

/* There are intensities 0, 1 and 2; sixteen slots at a time, the rest by take_slots(). Answers how many slots were looked at. */
static uint32_t good_slots(const struct driver_record *record)
{
	const uint64_t tops = UINT64_C(0x8888888888888888);
	const uint32_t words = record->slot_count / 16;
	uint64_t threes = 0;

	for (uint32_t i = 0; i < words; i++) {
		uint64_t word;
		memcpy(&word, record->items.at + (size_t)8 * i, sizeof word);
		threes |= word & word << 1;
	}
	return (threes & tops) == 0 ? 16 * words : 0;
}

static void take_slots(struct reader *r, struct driver_record *record)
{
	take_range(r, record);
	reader_require(r, record->slot_count <= DRIVER_SLOTS_MAX, "slot_count", NULL);
	record->items = reader_span(r, (record->slot_count + 1) / 2, "slots");
	if (reader_failed(r))
		return;
	for (uint32_t i = good_slots(record); i < record->slot_count && !reader_failed(r); i++)
		reader_require(r, driver_slot_at(record, i) >> 2 <= 2, "intensity", NULL);
	if (!reader_failed(r) && record->slot_count % 2 == 1)
		reader_require(r, driver_slot_at(record, record->slot_count) == 0, "slots", NULL);
}

/* Detectors of one basis, at least one of them: a bit for each such mask. */
static const uint32_t MASKS = 1u << DRIVER_X0 | 1u << DRIVER_X1 | 1u << (DRIVER_X0 | DRIVER_X1) |
			      1u << DRIVER_Z0 | 1u << DRIVER_Z1 | 1u << (DRIVER_Z0 | DRIVER_Z1);

static bool is_mask(uint8_t mask)
{
	return mask < 16 && (MASKS >> mask & 1) != 0;
}

/*
 * All that take_events() asks of each event, in one question: a device has millions a second, and seldom a wrong one. Slots end below
 * 2^63 + 2^32, so where a slot is too small or too large one of the two differences has its top bit set.
 */
static bool are_events_good(const struct driver_record *record)
{
	const uint64_t last = record->first_slot + record->slot_count - 1;
	const uint8_t *at = record->items.at;
	uint64_t least = record->first_slot, differences = 0;
	uint32_t odd_masks = 0;

	for (uint32_t i = 0; i < record->event_count; i++, at += EVENT_OCTETS) {
		const struct driver_event event = driver_event_of(at);
		differences |= (event.slot - least) | (last - event.slot);
		odd_masks |= (~MASKS >> event.mask % 16 & 1) | event.mask / 16;
		least = event.slot + 1;
	}
	return (differences >> 63 | odd_masks) == 0;
}

static void take_events(struct reader *r, struct driver_record *record)
{
	take_range(r, record);
	record->event_count = reader_u32(r, "event_count");
	reader_require(r, record->event_count <= record->slot_count, "event_count", NULL);
	if (reader_failed(r))
		return;
	record->items = reader_span(r, (size_t)record->event_count * EVENT_OCTETS, "events");
	if (reader_failed(r) || are_events_good(record))
		return;
	uint64_t least = record->first_slot;
	for (uint32_t i = 0; i < record->event_count && !reader_failed(r); i++) {
		const struct driver_event event = driver_event_at(record, i);
		reader_require(r, event.slot >= least, "slot", NULL);
		reader_require(
			r, event.slot < record->first_slot + record->slot_count, "slot", NULL);
		reader_require(r, is_mask(event.mask), "mask", NULL);
		least = event.slot + 1;
	}
}

static void take_time_range(struct reader *r, struct driver_record *record)
{
	record->first_ps = reader_u64(r, "first_time");
	record->length_ps = reader_u64(r, "length");
	reader_require(r,
		record->length_ps >= 1 && record->length_ps <= UINT64_MAX / 4 &&
			record->first_ps <= UINT64_MAX / 4,
		"length", NULL);
}

static void take_times(struct reader *r, struct driver_record *record)
{
	take_time_range(r, record);
	record->event_count = reader_u32(r, "event_count");
	if (!reader_require(
		    r, record->event_count <= DRIVER_RECORD_MAX / TIME_OCTETS, "event_count", NULL))
		return;
	record->items = reader_span(r, (size_t)record->event_count * TIME_OCTETS, "events");
	uint64_t least = record->first_ps;
	for (uint32_t i = 0; i < record->event_count && !reader_failed(r); i++) {
		const struct driver_time event = driver_time_at(record, i);
		reader_require(r,
			event.time_ps >= least &&
				event.time_ps < record->first_ps + record->length_ps,
			"time", NULL);
		reader_require(r, event.channel < DRIVER_CHANNELS, "channel", NULL);
		reader_require(r, event.flags <= (DRIVER_OVERFLOW | DRIVER_GAP), "flags", NULL);
		least = event.time_ps;
	}
}

static void take_monitor(struct reader *r, struct driver_monitor *m)
{
	m->first = reader_u64(r, "first");
	m->length = reader_u64(r, "length");
	reader_require(r,
		m->length >= 1 && m->length <= UINT64_MAX / 4 && m->first <= UINT64_MAX / 4,
		"length", NULL);
	const uint8_t flags = reader_u8(r, "flags");
	reader_require(r, flags <= (DRIVER_HAS_DETECTORS | DRIVER_HAS_INTENSITIES), "flags", NULL);
	m->has_detectors = flags & DRIVER_HAS_DETECTORS;
	m->has_intensities = flags & DRIVER_HAS_INTENSITIES;
	m->bin_count = reader_u8(r, "bins");
	if (!reader_require(r, m->bin_count <= DRIVER_BINS_MAX, "bins", NULL))
		return;
	for (size_t i = 0; m->has_detectors && i < DRIVER_DETECTORS; i++) {
		m->detectors[i].bias_na = reader_u32(r, "bias");
		m->detectors[i].power_pw = reader_u32(r, "power");
		m->detectors[i].clicks = reader_u32(r, "clicks");
	}
	for (size_t i = 0; m->has_detectors && i < 2; i++)
		m->double_clicks[i] = reader_u32(r, "double_clicks");
	for (size_t i = 0; m->has_intensities && i < 3; i++)
		m->intensity_micro[i] = reader_u32(r, "intensity");
	for (size_t i = 0; i < m->bin_count; i++)
		m->bins[i] = reader_u32(r, "bins");
}

struct err driver_decode(struct span bytes, struct driver_record *record, struct wire_fault *fault)
{
	struct reader whole = reader_of(bytes, fault);
	struct reader r = reader_cut(&whole, reader_u32(&whole, "length"), "record");

	*record = (struct driver_record){.type = (enum driver_type)reader_u8(&r, "type")};
	switch (record->type) {
	case DRIVER_HELLO:
		take_hello(&r, &record->hello);
		break;
	case DRIVER_SLOTS:
		take_slots(&r, record);
		break;
	case DRIVER_EVENTS:
		take_events(&r, record);
		break;
	case DRIVER_LOST:
		take_range(&r, record);
		break;
	case DRIVER_TIMES:
		take_times(&r, record);
		break;
	case DRIVER_TIMES_LOST:
		take_time_range(&r, record);
		break;
	case DRIVER_MONITOR:
		take_monitor(&r, &record->monitor);
		break;
	default:
		reader_refuse(&r, ERR(INPUT), "type", NULL);
	}
	reader_end(&r, "record");
	reader_end(&whole, "record");
	return wire_result(fault);
}

struct driver_time driver_time_at(const struct driver_record *record, uint32_t i)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(record->items, &fault);

	reader_cut(&r, (size_t)i * TIME_OCTETS, "events");
	const uint64_t time_ps = reader_u64(&r, "time");
	const uint8_t channel = reader_u8(&r, "channel");
	return (struct driver_time){time_ps, channel, reader_u8(&r, "flags")};
}

static size_t begin(struct writer *w, enum driver_type type)
{
	const size_t mark = writer_mark(w, 4);

	writer_u8(w, (uint8_t)type);
	return mark;
}

void driver_hello_encode(struct writer *w, const struct driver_hello *hello)
{
	const size_t mark = begin(w, DRIVER_HELLO);
	const struct span text = span_str(hello->description);
	const uint8_t version = hello->version == 0 ? DRIVER_VERSION : hello->version;

	writer_u8(w, version);
	writer_u8(w, hello->role);
	writer_u8(w, (uint8_t)((hello->is_simulated ? DRIVER_SIMULATED : 0) |
			       (hello->is_monitored ? DRIVER_MONITORED : 0) |
			       (hello->is_free_running ? DRIVER_FREE_RUNNING : 0)));
	writer_span(w, SPAN_ARRAY(hello->session));
	writer_u32(w, hello->slots_per_second);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, hello->intensity_micro[i]);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, hello->probability_micro[i]);
	writer_u32(w, hello->basis_x_micro);
	if (version >= 2) {
		writer_u32(w, hello->bias_na_max);
		writer_u32(w, hello->power_pw_max);
		writer_span(w, SPAN_ARRAY(hello->calibration));
	}
	writer_u8(w, (uint8_t)text.len);
	writer_span(w, text);
	writer_close(w, mark, 4);
}

void driver_slots_encode(struct writer *w, uint64_t first_slot, uint32_t count, struct span nibbles)
{
	const size_t mark = begin(w, DRIVER_SLOTS);

	writer_u64(w, first_slot);
	writer_u32(w, count);
	writer_span(w, nibbles);
	writer_close(w, mark, 4);
}

void driver_events_encode(struct writer *w, uint64_t first_slot, uint32_t slot_count,
	const struct driver_event *events, uint32_t event_count)
{
	const size_t mark = begin(w, DRIVER_EVENTS);

	writer_u64(w, first_slot);
	writer_u32(w, slot_count);
	writer_u32(w, event_count);
	for (uint32_t i = 0; i < event_count; i++) {
		writer_u64(w, events[i].slot);
		writer_u8(w, events[i].mask);
	}
	writer_close(w, mark, 4);
}

void driver_lost_encode(struct writer *w, uint64_t first_slot, uint32_t count)
{
	const size_t mark = begin(w, DRIVER_LOST);

	writer_u64(w, first_slot);
	writer_u32(w, count);
	writer_close(w, mark, 4);
}

void driver_times_encode(struct writer *w, uint64_t first_ps, uint64_t length_ps,
	const struct driver_time *times, uint32_t count)
{
	const size_t mark = begin(w, DRIVER_TIMES);

	writer_u64(w, first_ps);
	writer_u64(w, length_ps);
	writer_u32(w, count);
	for (uint32_t i = 0; i < count; i++) {
		writer_u64(w, times[i].time_ps);
		writer_u8(w, times[i].channel);
		writer_u8(w, times[i].flags);
	}
	writer_close(w, mark, 4);
}

void driver_times_lost_encode(struct writer *w, uint64_t first_ps, uint64_t length_ps)
{
	const size_t mark = begin(w, DRIVER_TIMES_LOST);

	writer_u64(w, first_ps);
	writer_u64(w, length_ps);
	writer_close(w, mark, 4);
}

void driver_monitor_encode(struct writer *w, const struct driver_monitor *m)
{
	const size_t mark = begin(w, DRIVER_MONITOR);

	writer_u64(w, m->first);
	writer_u64(w, m->length);
	writer_u8(w, (uint8_t)((m->has_detectors ? DRIVER_HAS_DETECTORS : 0) |
			       (m->has_intensities ? DRIVER_HAS_INTENSITIES : 0)));
	writer_u8(w, (uint8_t)m->bin_count);
	for (size_t i = 0; m->has_detectors && i < DRIVER_DETECTORS; i++) {
		writer_u32(w, m->detectors[i].bias_na);
		writer_u32(w, m->detectors[i].power_pw);
		writer_u32(w, m->detectors[i].clicks);
	}
	for (size_t i = 0; m->has_detectors && i < 2; i++)
		writer_u32(w, m->double_clicks[i]);
	for (size_t i = 0; m->has_intensities && i < 3; i++)
		writer_u32(w, m->intensity_micro[i]);
	for (size_t i = 0; i < m->bin_count; i++)
		writer_u32(w, m->bins[i]);
	writer_close(w, mark, 4);
}
