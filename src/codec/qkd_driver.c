// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_driver.h"

enum { EVENT_OCTETS = 9 };

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
	const uint8_t version = reader_u8(r, "version");

	if (!reader_failed(r) && version != DRIVER_VERSION)
		reader_refuse(r, ERR(VERSION), "version", NULL);
	hello->role = reader_u8(r, "role");
	reader_require(r, hello->role == DRIVER_ALICE || hello->role == DRIVER_BOB, "role", NULL);
	const uint8_t flags = reader_u8(r, "flags");
	reader_require(r, flags <= DRIVER_SIMULATED, "flags", NULL);
	hello->is_simulated = flags & DRIVER_SIMULATED;
	reader_copy(r, SPAN_MUT_ARRAY(hello->session), "session");
	hello->slots_per_second = reader_u32(r, "slots_per_second");
	for (size_t i = 0; i < 3; i++)
		hello->intensity_micro[i] = reader_u32(r, "intensity");
	for (size_t i = 0; i < 3; i++)
		hello->probability_micro[i] = reader_u32(r, "probability");
	hello->basis_x_micro = reader_u32(r, "basis_x");
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

static void take_slots(struct reader *r, struct driver_record *record)
{
	take_range(r, record);
	reader_require(r, record->slot_count <= DRIVER_SLOTS_MAX, "slot_count", NULL);
	record->items = reader_span(r, (record->slot_count + 1) / 2, "slots");
	for (uint32_t i = 0; i < record->slot_count && !reader_failed(r); i++)
		reader_require(r, driver_slot_at(record, i) >> 2 <= 2, "intensity", NULL);
	if (!reader_failed(r) && record->slot_count % 2 == 1)
		reader_require(r, driver_slot_at(record, record->slot_count) == 0, "slots", NULL);
}

/* Detectors of one basis, at least one of them. */
static bool is_mask(uint8_t mask)
{
	const unsigned key = mask & (DRIVER_X0 | DRIVER_X1), test = mask & (DRIVER_Z0 | DRIVER_Z1);

	return mask < 16 && (key == 0) != (test == 0);
}

static void take_events(struct reader *r, struct driver_record *record)
{
	take_range(r, record);
	record->event_count = reader_u32(r, "event_count");
	reader_require(r, record->event_count <= record->slot_count, "event_count", NULL);
	if (reader_failed(r))
		return;
	record->items = reader_span(r, (size_t)record->event_count * EVENT_OCTETS, "events");
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
	default:
		reader_refuse(&r, ERR(INPUT), "type", NULL);
	}
	reader_end(&r, "record");
	reader_end(&whole, "record");
	return wire_result(fault);
}

struct driver_event driver_event_at(const struct driver_record *record, uint32_t i)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(record->items, &fault);

	reader_cut(&r, (size_t)i * EVENT_OCTETS, "events");
	const uint64_t slot = reader_u64(&r, "slot");
	return (struct driver_event){.slot = slot, .mask = reader_u8(&r, "mask")};
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

	writer_u8(w, DRIVER_VERSION);
	writer_u8(w, hello->role);
	writer_u8(w, hello->is_simulated ? DRIVER_SIMULATED : 0);
	writer_span(w, SPAN_ARRAY(hello->session));
	writer_u32(w, hello->slots_per_second);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, hello->intensity_micro[i]);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, hello->probability_micro[i]);
	writer_u32(w, hello->basis_x_micro);
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
