// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/vici.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void name_copy(char out[static 256], struct span name)
{
	memcpy(out, name.at, name.len);
	out[name.len] = '\0';
}

/* Writes what a walk finds. Items only come within lists, which hold nothing else. */
static void inside_encode(struct writer *w, struct span inside)
{
	struct vici_walk walk, items;
	struct vici_element e, item;
	char name[256];

	vici_walk_begin(&walk, inside);
	while (vici_next(&walk, &e)) {
		name_copy(name, e.name);
		if (e.kind == VICI_VALUE) {
			vici_value(w, name, e.value);
		} else if (e.kind == VICI_SECTION) {
			vici_section_open(w, name);
			inside_encode(w, e.value);
			vici_section_close(w);
		} else {
			vici_list(w, name, NULL, 0);
			w->len--; /* the list's end, written again below */
			vici_walk_begin(&items, e.value);
			while (vici_next(&items, &item)) {
				writer_u8(w, 5);
				writer_u16(w, (uint16_t)item.value.len);
				writer_span(w, item.value);
			}
			writer_u8(w, 6);
		}
	}
	if (failed(walk.fault.err))
		abort();
}

/* What validates can be walked without a fault, and encodes to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct vici_packet packet;
	struct span message;
	size_t expected;
	char name[256];

	if (failed(vici_packet_size(span_of(data, size), &expected)) ||
		failed(vici_decode(span_of(data, size), &packet, &fault)))
		return 0;
	uint8_t *again = malloc(size);
	struct writer w = writer_of(span_mut_of(again, size));
	const bool is_named = vici_type_is_named(packet.type);
	if (is_named)
		name_copy(name, packet.name);
	const size_t mark = vici_begin(&w, packet.type, is_named ? name : NULL);
	inside_encode(&w, packet.message);
	vici_end(&w, mark);
	if (expected != size || failed(writer_result(&w, &message)) ||
		!span_equal(message, span_of(data, size)))
		abort();
	free(again);
	return 0;
}
