// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_driver.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode_again(struct writer *w, const struct driver_record *record)
{
	struct driver_event *events;
	struct driver_time *times;

	switch (record->type) {
	case DRIVER_HELLO:
		driver_hello_encode(w, &record->hello);
		break;
	case DRIVER_SLOTS:
		driver_slots_encode(w, record->first_slot, record->slot_count, record->items);
		break;
	case DRIVER_EVENTS:
		events = malloc((record->event_count + 1) * sizeof *events);
		for (uint32_t i = 0; i < record->event_count; i++)
			events[i] = driver_event_at(record, i);
		driver_events_encode(
			w, record->first_slot, record->slot_count, events, record->event_count);
		free(events);
		break;
	case DRIVER_LOST:
		driver_lost_encode(w, record->first_slot, record->slot_count);
		break;
	case DRIVER_TIMES:
		times = malloc((record->event_count + 1) * sizeof *times);
		for (uint32_t i = 0; i < record->event_count; i++)
			times[i] = driver_time_at(record, i);
		driver_times_encode(
			w, record->first_ps, record->length_ps, times, record->event_count);
		free(times);
		break;
	case DRIVER_TIMES_LOST:
		driver_times_lost_encode(w, record->first_ps, record->length_ps);
		break;
	case DRIVER_MONITOR:
		driver_monitor_encode(w, &record->monitor);
		break;
	}
}

/* What decodes encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct driver_record record;
	struct span again;
	size_t expected;

	if (failed(driver_record_size(span_of(data, size), &expected)) ||
		failed(driver_decode(span_of(data, size), &record, &fault)))
		return 0;
	uint8_t *buffer = malloc(size);
	struct writer w = writer_of(span_mut_of(buffer, size));
	encode_again(&w, &record);
	if (expected != size || failed(writer_result(&w, &again)) ||
		!span_equal(again, span_of(data, size)))
		abort();
	free(buffer);
	return 0;
}
