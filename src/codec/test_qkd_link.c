// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/qkd_driver.h"
#include "codec/qkd_link.h"
#include "codec/qkd_pads.h"
#include "support/prop.h"
#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static uint8_t buffer[1 << 20], items[1 << 16];

/* A message with every member set; each type writes those that are its own. */
static struct link_message example(struct prop *p, uint16_t type)
{
	struct link_message m = {.first_slot = prop_u64(p),
		.mode = 1,
		.qber_ppm = 20000,
		.errors = {9, 8, 7},
		.final_bits = 1234,
		.seed_bits = 99999,
		.refill = 4,
		.pad_index = prop_u64(p),
		.reason = 2,
		.ends = {5, 6}};
	struct writer w = writer_of(SPAN_MUT_ARRAY(items));

	prop_fill(p, SPAN_MUT_ARRAY(m.block_id));
	prop_fill(p, SPAN_MUT_ARRAY(m.seed));
	prop_fill(p, SPAN_MUT_ARRAY(m.tag));
	prop_fill(p, SPAN_MUT_ARRAY(m.hash_key));
	m.count = 1 + (uint32_t)prop_below(p, 50);
	memset(items, 0, sizeof items);
	for (uint32_t i = 0; i < m.count; i++) {
		if (type == LINK_DETECTED)
			link_gap_put(&w, i * i * 12345);
		if (type == LINK_MEASURED)
			items[i / 4] |= (uint8_t)(link_measured_code((struct link_measured){
							  i % 3 == 0, i % 6 == 0})
						  << i % 4 * 2);
		if (type == LINK_SIFTED)
			items[i / 2] |=
				(uint8_t)(link_sifted_code((struct link_sifted){i % 4 > 0,
						  i % 4 > 0 ? (uint8_t)(i % 3) : 0, i % 4 == 1})
					  << i % 2 * 4);
	}
	m.items = type == LINK_DETECTED ? writer_span_done(&w)
		  : type == LINK_MEASURED
			  ? span_of(items, (m.count + 3) / 4)
			  : span_of(items, type == LINK_SIFTED ? (m.count + 1) / 2 : m.count);
	return m;
}

static struct span encode(uint16_t type, const struct link_message *m)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span body;

	link_encode(&w, type, m);
	assert_false(failed(writer_result(&w, &body)));
	return body;
}

static void assert_items(uint16_t type, const struct link_message *m)
{
	size_t at = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		if (type == LINK_DETECTED)
			assert_int_equal(link_gap_next(m, &at), i * i * 12345);
		if (type == LINK_MEASURED) {
			assert_int_equal(link_measured_at(m, i).is_test_basis, i % 3 == 0);
			assert_int_equal(link_measured_at(m, i).test_bit, i % 6 == 0);
		}
		if (type == LINK_SIFTED) {
			assert_int_equal(link_sifted_at(m, i).is_kept, i % 4 > 0);
			assert_int_equal(link_sifted_at(m, i).test_bit, i % 4 == 1);
			assert_int_equal(link_sifted_at(m, i).intensity, i % 4 > 0 ? i % 3 : 0);
		}
	}
}

/* Octets that are somebody else's to read: any length of them is a message. */
static bool is_open_ended(uint16_t type)
{
	return type == LINK_QUESTION || type == LINK_ANSWER || type == LINK_SEED;
}

static void test_each_message_reads_as_it_was_written_and_not_when_cut(void **state)
{
	struct prop p = prop_from_environment(31);

	(void)state;
	for (uint16_t type = LINK_READY; type <= LINK_ABORT; type++)
		for (int round = 0; round < 20; round++) {
			const struct link_message out = example(&p, type);
			struct link_message in;
			struct wire_fault fault = {0};
			const struct span body = encode(type, &out);
			const size_t least = is_open_ended(type) ? 16 : body.len;
			assert_false(failed(link_decode(type, body, &in, &fault)));
			if (type != LINK_READY)
				assert_memory_equal(in.block_id, out.block_id, 16);
			assert_items(type, &in);
			for (size_t len = 0; len < least; len++) {
				struct wire_fault cut = {0};
				assert_true(failed(
					link_decode(type, span_of(body.at, len), &in, &cut)));
			}
			struct wire_fault more = {0};
			assert_int_equal(failed(link_decode(
						 type, span_of(body.at, body.len + 1), &in, &more)),
				!is_open_ended(type));
		}
}

static void assert_refused(uint16_t type, struct link_message m, const char *field)
{
	struct link_message in;
	struct wire_fault fault = {0};

	assert_true(failed(link_decode(type, encode(type, &m), &in, &fault)));
	assert_string_equal(fault.field, field);
}

static void test_limits_of_messages_are_checked(void **state)
{
	struct link_message in;
	struct wire_fault fault = {0};
	uint8_t *many = calloc(LINK_PART_MAX + 1, 1);

	(void)state;
	const struct span part = span_of(many, (LINK_PART_MAX + 1 + 3) / 4);
	assert_refused(LINK_MEASURED,
		(struct link_message){.count = LINK_PART_MAX + 1, .items = part}, "count");
	assert_refused(LINK_MEASURED, (struct link_message){0}, "count");
	/* A spare bit is set. */
	assert_refused(LINK_SIFTED, (struct link_message){.count = 1, .items = span_of("\x11", 1)},
		"items");
	assert_refused(LINK_RECONCILE, (struct link_message){.qber_ppm = 500001}, "qber");
	assert_true(failed(link_decode(0x0899, span_of("", 0), &in, &fault)));
	free(many);
}

static void test_gaps_have_one_form(void **state)
{
	static const struct {
		const char *octets;
		size_t len;
		uint32_t count;
		bool is_good;
	} cases[] = {{"\x00", 1, 1, true}, {"\x7f", 1, 1, true}, {"\x80\x01", 2, 1, true},
		{"\x80\x00", 2, 1, false}, {"\xff\xff\xff\xff\x0f", 5, 1, true},
		{"\xff\xff\xff\xff\x10", 5, 1, false}, {"\x80", 1, 1, false},
		{"\x01\x02", 2, 1, false}, {"\x01", 1, 2, false},
		{"\xff\xff\xff\xff\x8f\x01", 6, 1, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct link_message m = {
			.count = cases[i].count, .items = span_of(cases[i].octets, cases[i].len)};
		struct link_message in;
		struct wire_fault fault = {0};
		assert_int_equal(
			failed(link_decode(LINK_DETECTED, encode(LINK_DETECTED, &m), &in, &fault)),
			!cases[i].is_good);
	}
	for (uint64_t gap = 0; gap <= UINT32_MAX; gap = gap * 3 + 1) {
		uint8_t entry[LINK_GAP_OCTETS_MAX];
		struct writer w = writer_of(SPAN_MUT_ARRAY(entry));
		size_t at = 0;
		link_gap_put(&w, (uint32_t)gap);
		const struct link_message m = {.count = 1, .items = writer_span_done(&w)};
		assert_int_equal(link_gap_next(&m, &at), gap);
		assert_int_equal(at, m.items.len);
	}
}

/* The definition, octet by octet, of what the decoder reads eight at a time. */
static bool are_gaps(struct span bytes, uint32_t count)
{
	uint32_t gaps = 0;

	for (size_t at = 0; at < bytes.len;) {
		uint64_t gap = 0;
		size_t octets = 0;
		do {
			if (at == bytes.len || octets == LINK_GAP_OCTETS_MAX)
				return false;
			gap |= (uint64_t)(bytes.at[at] & 0x7f) << 7 * octets++;
		} while (bytes.at[at++] >= 0x80);
		if (gap > UINT32_MAX || (octets > 1 && gap >> 7 * (octets - 1) == 0))
			return false;
		gaps++;
	}
	return gaps == count;
}

static void test_gaps_are_told_from_other_octets(void **state)
{
	static const uint8_t alphabet[] = {1, 0, 0x7f, 0x80, 0x81, 0xff, 0x0f, 0x10};
	struct prop p = prop_from_environment(45);
	uint32_t good = 0;

	(void)state;
	for (uint32_t round = 0; round < 200000; round++) {
		uint8_t octets[40];
		const size_t len = 1 + prop_below(&p, sizeof octets);
		const uint64_t of = 3 + prop_below(&p, ARRAY_LEN(alphabet) - 2);
		uint32_t count = 0;
		for (size_t i = 0; i < len; i++) {
			octets[i] = prop_below(&p, 3) == 0 ? alphabet[prop_below(&p, of)] : 5;
			count += octets[i] < 0x80;
		}
		const struct link_message m = {
			.count = count + (round % 16 == 0), .items = span_of(octets, len)};
		struct link_message in;
		struct wire_fault fault = {0};
		const bool is_good = m.count > 0 && are_gaps(m.items, m.count);
		assert_int_equal(
			failed(link_decode(LINK_DETECTED, encode(LINK_DETECTED, &m), &in, &fault)),
			!is_good);
		good += is_good;
	}
	assert_in_range(good, 20000, 180000);
}

static void test_hello_reads_as_it_was_written(void **state)
{
	struct link_hello out = {.role = LINK_BOB,
				  .link = "radio-core",
				  .parameters = {.protocol = 1,
					  .detections_per_block = 3000000,
					  .intensity_micro = {1, 2, 3},
					  .eps_sec_exponent = 10},
				  .error_correction = 2,
				  .marks = {1, 2},
				  .ends = {3, 4},
				  .block_count = 2,
				  .blocks = {{{1}, QKD_PENDING}, {{2}, QKD_FINAL}}},
			  in;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};

	(void)state;
	link_hello_encode(&w, &out);
	const struct span body = writer_span_done(&w);
	assert_false(failed(link_hello_decode(body, &in, &fault)));
	assert_int_equal(in.version, LINK_VERSION);
	assert_string_equal(in.link, out.link);
	assert_int_equal(in.parameters.intensity_micro[2], 3);
	assert_int_equal(in.error_correction, 2);
	assert_int_equal(in.ends.accept, 4);
	assert_int_equal(in.blocks[1].state, QKD_FINAL);
	struct writer again = writer_of(SPAN_MUT_ARRAY(items));
	link_hello_encode(&again, &in);
	assert_true(span_equal(writer_span_done(&again), body));
	for (size_t len = 0; len < body.len; len++) {
		struct wire_fault cut = {0};
		assert_true(failed(link_hello_decode(span_of(body.at, len), &in, &cut)));
	}
}

/* Whatever follows: another version may have any other form. */
static void test_a_hello_of_another_version_is_read_no_further(void **state)
{
	struct link_hello in;

	(void)state;
	for (size_t len = 1; len <= 2; len++)
		for (unsigned version = 0; version < 256; version++) {
			const uint8_t octets[] = {(uint8_t)version, LINK_ALICE};
			struct wire_fault fault = {0};
			const struct err e = link_hello_decode(span_of(octets, len), &in, &fault);
			assert_int_equal(e.kind, version == LINK_VERSION ? ERR_INPUT : ERR_VERSION);
			assert_int_equal(in.version, version);
		}
}

static struct err decode_record(const struct writer *w, struct driver_record *record)
{
	struct wire_fault fault = {0};

	return driver_decode(writer_span_done(w), record, &fault);
}

static void test_driver_records_read_as_they_were_written(void **state)
{
	const struct driver_hello hello = {.role = DRIVER_BOB,
		.is_simulated = true,
		.session = {7},
		.slots_per_second = 1000,
		.basis_x_micro = 700000,
		.description = "simulated, 10 km"};
	const struct driver_event events[] = {
		{100, DRIVER_X0}, {101, DRIVER_Z0 | DRIVER_Z1}, {109, DRIVER_Z1}};
	const uint8_t nibbles[] = {0x21, 0x03};
	struct driver_record in;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	size_t size;

	(void)state;
	driver_hello_encode(&w, &hello);
	assert_false(failed(decode_record(&w, &in)));
	assert_true(in.hello.is_simulated);
	assert_string_equal(in.hello.description, hello.description);
	assert_false(failed(driver_record_size(writer_span_done(&w), &size)));
	assert_int_equal(size, writer_span_done(&w).len);

	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_slots_encode(&w, 5, 3, SPAN_ARRAY(nibbles));
	assert_false(failed(decode_record(&w, &in)));
	assert_int_equal(in.first_slot, 5);
	assert_int_equal(driver_slot_at(&in, 1), 2);
	assert_int_equal(driver_slot_at(&in, 2), 3);

	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_events_encode(&w, 100, 10, events, 3);
	assert_false(failed(decode_record(&w, &in)));
	assert_int_equal(driver_event_at(&in, 2).slot, 109);
	assert_int_equal(driver_event_at(&in, 1).mask, 12);

	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_lost_encode(&w, 110, 20);
	assert_false(failed(decode_record(&w, &in)));
	assert_int_equal(in.slot_count, 20);
	for (size_t len = 0; len < w.len; len++) {
		struct wire_fault fault = {0};
		assert_true(failed(driver_decode(span_of(buffer, len), &in, &fault)));
	}
}

static void test_driver_events_that_cannot_be_are_refused(void **state)
{
	static const struct driver_event bad[][2] = {
		{{100, 1}, {100, 1}}, /* twice in a slot */
		{{105, 1}, {104, 1}}, /* backwards */
		{{99, 1}, {104, 1}},  /* before the range */
		{{100, 1}, {110, 1}}, /* after it */
		{{100, 0}, {104, 1}}, /* no detector */
		{{100, 5}, {104, 1}}, /* both bases */
		{{100, 16}, {104, 1}},
	};
	const uint8_t intensity_3 = 12;
	struct driver_record in;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		driver_events_encode(&w, 100, 10, bad[i], 2);
		assert_true(failed(decode_record(&w, &in)));
	}
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_slots_encode(&w, 0, 1, span_of(&intensity_3, 1));
	assert_true(failed(decode_record(&w, &in)));
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_lost_encode(&w, UINT64_MAX - 2, 20); /* wraps */
	assert_true(failed(decode_record(&w, &in)));
}

/* Read as doc/driver.md says it: ascending, within the range, detectors of one basis. */
static const char *wrong_field(
	const struct driver_event *e, uint32_t count, uint64_t first, uint32_t slots)
{
	for (uint32_t i = 0; i < count; i++) {
		const bool is_key = (e[i].mask & 3) != 0, is_test = (e[i].mask & 12) != 0;
		if (e[i].slot < first || e[i].slot - first >= slots ||
			(i > 0 && e[i].slot <= e[i - 1].slot))
			return "slot";
		if (e[i].mask > 15 || is_key == is_test)
			return "mask";
	}
	return NULL;
}

static void test_one_wrong_event_among_many_is_found_and_named(void **state)
{
	enum { EVENTS = 60, SLOTS = 1000 };
	static const uint8_t masks[] = {1, 2, 3, 4, 8, 12};
	struct prop p = prop_from_environment(47);
	uint32_t refused = 0;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		const uint64_t firsts[] = {0, UINT64_MAX / 2, prop_u64(&p) / 2};
		const uint64_t first = firsts[prop_below(&p, 3)];
		struct driver_event events[EVENTS];
		uint64_t slot = first;
		for (size_t i = 0; i < EVENTS; i++, slot += 1 + prop_below(&p, 15))
			events[i] = (struct driver_event){slot, masks[prop_below(&p, 6)]};
		struct driver_event *one = &events[prop_below(&p, EVENTS)];
		const uint64_t slots[] = {0, first - 1, first + SLOTS - 1, first + SLOTS,
			UINT64_MAX, one->slot ^ UINT64_C(1) << 63, prop_u64(&p),
			events[prop_below(&p, EVENTS)].slot};
		if (prop_below(&p, 2) == 0)
			one->slot = slots[prop_below(&p, ARRAY_LEN(slots))];
		if (prop_below(&p, 2) == 0)
			one->mask = (uint8_t)prop_u64(&p);
		const char *wrong = wrong_field(events, EVENTS, first, SLOTS);
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		struct driver_record in;
		struct wire_fault fault = {0};
		driver_events_encode(&w, first, SLOTS, events, EVENTS);
		assert_int_equal(
			failed(driver_decode(writer_span_done(&w), &in, &fault)), wrong != NULL);
		if (wrong != NULL)
			assert_string_equal(fault.field, wrong);
		refused += wrong != NULL;
	}
	assert_in_range(refused, 5000, 15000);
}

static void test_one_wrong_intensity_among_many_is_found(void **state)
{
	enum { SLOTS = 100 };
	struct prop p = prop_from_environment(48);

	(void)state;
	for (uint32_t round = 0; round < 2000; round++) {
		const uint64_t count = 1 + prop_below(&p, SLOTS), wrong = prop_below(&p, SLOTS);
		uint8_t nibbles[SLOTS / 2] = {0};
		for (uint64_t i = 0; i < count; i++) {
			const uint64_t nibble =
				i == wrong ? 12 + prop_below(&p, 4) : prop_below(&p, 12);
			nibbles[i / 2] |= (uint8_t)(nibble << i % 2 * 4);
		}
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		struct driver_record in;
		driver_slots_encode(&w, 7, (uint32_t)count, span_of(nibbles, (count + 1) / 2));
		assert_int_equal(failed(decode_record(&w, &in)), wrong < count);
	}
}

static void test_free_running_records_read_as_they_were_written(void **state)
{
	const struct driver_time times[] = {
		{1000, 0, 0}, {1000, 3, 0}, {1999, 7, DRIVER_OVERFLOW | DRIVER_GAP}};
	struct driver_record in;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	driver_times_encode(&w, 1000, 1000, times, 3);
	assert_false(failed(decode_record(&w, &in)));
	assert_int_equal(in.type, DRIVER_TIMES);
	assert_int_equal(in.first_ps, 1000);
	assert_int_equal(in.length_ps, 1000);
	for (uint32_t i = 0; i < 3; i++) {
		const struct driver_time t = driver_time_at(&in, i);
		assert_int_equal(t.time_ps, times[i].time_ps);
		assert_int_equal(t.channel, times[i].channel);
		assert_int_equal(t.flags, times[i].flags);
	}
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_times_lost_encode(&w, 2000, 1ull << 40);
	assert_false(failed(decode_record(&w, &in)));
	assert_int_equal(in.length_ps, 1ull << 40);
}

static void test_what_a_monitor_says_reads_as_it_was_written(void **state)
{
	const struct driver_monitor monitor = {.first = 7,
		.length = 100,
		.has_detectors = true,
		.has_intensities = true,
		.detectors = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}},
		.double_clicks = {13, 14},
		.intensity_micro = {600000, 220000, 200},
		.bin_count = 3,
		.bins = {15, 16, 17}};
	struct driver_record in;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	driver_monitor_encode(&w, &monitor);
	assert_false(failed(decode_record(&w, &in)));
	assert_memory_equal(&in.monitor, &monitor, sizeof monitor);
	for (size_t len = 0; len < w.len; len++) {
		struct wire_fault fault = {0};
		assert_true(failed(driver_decode(span_of(buffer, len), &in, &fault)));
	}
}

static void test_times_and_monitors_that_cannot_be_are_refused(void **state)
{
	static const struct driver_time bad[][2] = {
		{{1001, 0, 0}, {1000, 0, 0}}, /* backwards */
		{{999, 0, 0}, {1001, 0, 0}},  /* before the range */
		{{1001, 0, 0}, {1100, 0, 0}}, /* after it */
		{{1001, 8, 0}, {1002, 0, 0}}, /* no such channel */
		{{1001, 0, 4}, {1002, 0, 0}}, /* no such flag */
	};
	struct driver_monitor monitor = {.length = 1};
	struct driver_record in;
	struct writer w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		w = writer_of(SPAN_MUT_ARRAY(buffer));
		driver_times_encode(&w, 1000, 100, bad[i], 2);
		assert_true(failed(decode_record(&w, &in)));
	}
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_times_lost_encode(&w, UINT64_MAX - 2, 20); /* wraps */
	assert_true(failed(decode_record(&w, &in)));
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_monitor_encode(&w, &monitor);
	assert_false(failed(decode_record(&w, &in)));
	buffer[5 + 16] = 4; /* an unknown flag */
	assert_true(failed(decode_record(&w, &in)));
	monitor.length = 0;
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_monitor_encode(&w, &monitor);
	assert_true(failed(decode_record(&w, &in)));
}

static void test_a_driver_of_version_1_is_understood_and_of_another_refused(void **state)
{
	struct driver_hello hello = {.version = 1, .role = DRIVER_BOB, .description = "old"};
	struct driver_record in;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	driver_hello_encode(&w, &hello);
	assert_false(failed(decode_record(&w, &in)));
	assert_int_equal(in.hello.version, 1);
	assert_false(in.hello.is_monitored);
	assert_string_equal(in.hello.description, "old");
	buffer[7] = DRIVER_MONITORED; /* version 1 has no such flag */
	assert_int_equal(decode_record(&w, &in).kind, ERR_INPUT);
	for (unsigned version = 0; version < 256; version++) {
		if (version >= DRIVER_VERSION_LEAST && version <= DRIVER_VERSION)
			continue;
		buffer[5] = (uint8_t)version;
		assert_int_equal(decode_record(&w, &in).kind, ERR_VERSION);
	}
	hello = (struct driver_hello){.role = DRIVER_ALICE, .is_free_running = true};
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	driver_hello_encode(&w, &hello);
	assert_true(failed(decode_record(&w, &in))); /* a transmitter has no clicks */
}

static void test_pads_read_as_they_were_written(void **state)
{
	static struct pads out, in;
	struct prop p = prop_from_environment(32);
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};

	(void)state;
	prop_fill(&p, span_mut_of(&out, sizeof out));
	out.send.first = 8;
	out.accept.first = 9;
	out.send.count = PADS_MAX;
	out.accept.count = PADS_MAX;
	out.refill = PADS_REFILL_MAX;
	pads_encode(&w, &out);
	const struct span blob = writer_span_done(&w);
	assert_true(blob.len > 0 && blob.len <= PADS_BLOB_MAX);
	assert_false(failed(pads_decode(blob, &in, &fault)));
	assert_memory_equal(in.send.pads, out.send.pads, sizeof in.send.pads);
	assert_memory_equal(in.refill_accept, out.refill_accept, sizeof in.refill_accept);
	assert_int_equal(in.accept.first, 9);
	for (size_t len = 0; len < blob.len; len += 7) {
		struct wire_fault cut = {0};
		assert_true(failed(pads_decode(span_of(blob.at, len), &in, &cut)));
	}
	buffer[0] = PADS_VERSION + 1;
	assert_int_equal(pads_decode(blob, &in, &fault).kind, ERR_VERSION);
}

static void test_a_bootstrap_secret_is_cut_alike_at_both_ends(void **state)
{
	static struct pads a, b;
	struct prop p = prop_from_environment(33);
	uint8_t secret[BOOTSTRAP_OCTETS_MAX + 32];

	(void)state;
	prop_fill(&p, SPAN_MUT_ARRAY(secret));
	for (size_t len = 0; len <= sizeof secret; len++) {
		const bool is_good =
			len >= BOOTSTRAP_OCTETS_MIN && len <= BOOTSTRAP_OCTETS_MAX && len % 32 == 0;
		assert_int_equal(
			!failed(pads_from_bootstrap(&a, true, span_of(secret, len))), is_good);
		assert_int_equal(
			!failed(pads_from_bootstrap(&b, false, span_of(secret, len))), is_good);
		if (!is_good)
			continue;
		assert_int_equal(a.send.count, (len - 32) / 32);
		assert_memory_equal(&a.send, &b.accept, sizeof a.send);
		assert_memory_equal(&a.accept, &b.send, sizeof a.accept);
		/* No octet serves both directions. */
		assert_memory_equal(a.accept.pads[a.accept.count - 1], secret + len - 16, 16);
		assert_memory_equal(a.send.pads[0], secret + 32, 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_message_reads_as_it_was_written_and_not_when_cut),
		cmocka_unit_test(test_limits_of_messages_are_checked),
		cmocka_unit_test(test_gaps_have_one_form),
		cmocka_unit_test(test_gaps_are_told_from_other_octets),
		cmocka_unit_test(test_hello_reads_as_it_was_written),
		cmocka_unit_test(test_a_hello_of_another_version_is_read_no_further),
		cmocka_unit_test(test_driver_records_read_as_they_were_written),
		cmocka_unit_test(test_driver_events_that_cannot_be_are_refused),
		cmocka_unit_test(test_one_wrong_event_among_many_is_found_and_named),
		cmocka_unit_test(test_one_wrong_intensity_among_many_is_found),
		cmocka_unit_test(test_free_running_records_read_as_they_were_written),
		cmocka_unit_test(test_what_a_monitor_says_reads_as_it_was_written),
		cmocka_unit_test(test_times_and_monitors_that_cannot_be_are_refused),
		cmocka_unit_test(test_a_driver_of_version_1_is_understood_and_of_another_refused),
		cmocka_unit_test(test_pads_read_as_they_were_written),
		cmocka_unit_test(test_a_bootstrap_secret_is_cut_alike_at_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
