// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/vici.h"
#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static uint8_t buffer[VICI_PACKET_MAX + 4096];

/* The message octets in the frame of a response. */
static struct err response_decode(struct span message, struct vici_packet *packet)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct span bytes;
	const size_t mark = vici_begin(&w, VICI_CMD_RESPONSE, NULL);

	writer_span(&w, message);
	vici_end(&w, mark);
	assert_false(failed(writer_result(&w, &bytes)));
	return vici_decode(bytes, packet, &fault);
}

/* The example of the protocol's README, section "Examples". */
static void test_example_of_the_readme_encodes_octet_for_octet(void **state)
{
	static const char *const items[] = {"item1", "item2"};
	static const uint8_t expected[] = {3, 4, 'k', 'e', 'y', '1', 0, 6, 'v', 'a', 'l', 'u', 'e',
		'1', 1, 8, 's', 'e', 'c', 't', 'i', 'o', 'n', '1', 1, 11, 's', 'u', 'b', '-', 's',
		'e', 'c', 't', 'i', 'o', 'n', 3, 4, 'k', 'e', 'y', '2', 0, 6, 'v', 'a', 'l', 'u',
		'e', '2', 2, 4, 5, 'l', 'i', 's', 't', '1', 5, 0, 5, 'i', 't', 'e', 'm', '1', 5, 0,
		5, 'i', 't', 'e', 'm', '2', 6, 2};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	vici_value_text(&w, "key1", "value1");
	vici_section_open(&w, "section1");
	vici_section_open(&w, "sub-section");
	vici_value_text(&w, "key2", "value2");
	vici_section_close(&w);
	vici_list(&w, "list1", items, 2);
	vici_section_close(&w);
	const struct span got = writer_span_done(&w);
	assert_int_equal(got.len, sizeof(expected));
	assert_memory_equal(got.at, expected, sizeof(expected));
}

static void test_walk_sees_one_level_and_find_goes_by_name_and_kind(void **state)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct vici_packet packet;
	struct vici_walk walk;
	struct vici_element e;
	struct span bytes, sa, item;
	char text[4];

	(void)state;
	const size_t mark = vici_begin(&w, VICI_EVENT, "ike-updown");
	vici_value_text(&w, "up", "yes");
	vici_section_open(&w, "t1");
	vici_value_text(&w, "uniqueid", "17");
	vici_value_text(&w, "up", "no");
	vici_list_of_one(&w, "ts", span_str("10.0.0.0/8"));
	vici_section_close(&w);
	vici_end(&w, mark);
	assert_false(failed(writer_result(&w, &bytes)));
	assert_false(failed(vici_decode(bytes, &packet, &fault)));
	assert_int_equal(packet.type, VICI_EVENT);
	assert_true(span_equal(packet.name, span_str("ike-updown")));
	assert_true(vici_is(packet.message, "up", "yes"));
	assert_int_equal(vici_u64(packet.message, "uniqueid", 99), 99);
	assert_true(vici_find(packet.message, VICI_SECTION, "t1", &sa));
	assert_false(vici_find(packet.message, VICI_VALUE, "t1", &item));
	assert_int_equal(vici_u64(sa, "uniqueid", 0), 17);
	assert_int_equal(vici_u64(sa, "up", 5), 5);
	assert_true(vici_find(sa, VICI_LIST, "ts", &item));
	vici_walk_begin(&walk, item);
	assert_true(vici_next(&walk, &e));
	assert_int_equal(e.kind, VICI_ITEM);
	assert_true(span_equal(e.value, span_str("10.0.0.0/8")));
	assert_false(vici_next(&walk, &e));
	assert_true(vici_text(packet.message, "up", text, sizeof(text)));
	assert_string_equal(text, "yes");
	assert_true(vici_text(sa, "uniqueid", text, 2));
	assert_string_equal(text, "1");
	vici_walk_begin(&walk, packet.message);
	size_t elements = 0;
	while (vici_next(&walk, &e))
		elements++;
	assert_int_equal(elements, 2);
}

static void test_elements_in_wrong_places_are_refused(void **state)
{
	static const struct {
		uint8_t len;
		uint8_t bytes[12];
	} cases[] = {
		{1, {2}},                             /* end of nothing */
		{1, {6}},                             /* list end of nothing */
		{4, {5, 0, 1, 'x'}},                  /* item outside a list */
		{3, {1, 1, 's'}},                     /* section without end */
		{3, {4, 1, 'l'}},                     /* list without end */
		{7, {4, 1, 'l', 4, 1, 'm', 6}},       /* list in a list */
		{8, {4, 1, 'l', 1, 1, 's', 2, 6}},    /* section in a list */
		{9, {4, 1, 'l', 3, 1, 'k', 0, 0, 6}}, /* named value in a list */
		{4, {4, 1, 'l', 2}},                  /* section end in a list */
		{4, {3, 0, 0, 0}},                    /* no name */
		{5, {3, 1, 0, 0, 0}},                 /* NUL in a name */
		{5, {3, 1, 'k', 0, 1}},               /* value cut short */
		{3, {3, 5, 'k'}},                     /* name cut short */
		{1, {0}}, {1, {7}},                   /* no such type */
	};
	struct vici_packet packet;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
			response_decode(span_of(cases[i].bytes, cases[i].len), &packet).kind,
			ERR_INPUT);
}

static void test_nesting_is_bounded_at_its_limit(void **state)
{
	uint8_t bytes[4 * (VICI_DEPTH_MAX + 1)];
	struct vici_packet packet;

	(void)state;
	for (size_t depth = VICI_DEPTH_MAX; depth <= VICI_DEPTH_MAX + 1; depth++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(bytes));
		for (size_t i = 0; i < depth; i++)
			vici_section_open(&w, "s");
		for (size_t i = 0; i < depth; i++)
			vici_section_close(&w);
		assert_int_equal(response_decode(writer_span_done(&w), &packet).kind,
			depth > VICI_DEPTH_MAX ? ERR_LIMIT : ERR_NONE);
	}
}

static void test_elements_are_bounded_at_their_limit(void **state)
{
	static uint8_t bytes[5 * (VICI_ELEMENTS_MAX + 1)];
	struct vici_packet packet;

	(void)state;
	for (size_t count = VICI_ELEMENTS_MAX; count <= VICI_ELEMENTS_MAX + 1; count++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(bytes));
		for (size_t i = 0; i < count; i++)
			vici_value_text(&w, "k", "");
		assert_int_equal(response_decode(writer_span_done(&w), &packet).kind,
			count > VICI_ELEMENTS_MAX ? ERR_LIMIT : ERR_NONE);
	}
}

static void test_packet_sizes_are_bounded(void **state)
{
	const uint8_t empty[] = {0, 0, 0, 0}, most[] = {0, 8, 0, 0}, more[] = {0, 8, 0, 1};
	size_t size;

	(void)state;
	assert_false(failed(vici_packet_size(span_of(empty, 3), &size)));
	assert_int_equal(size, 0);
	assert_true(failed(vici_packet_size(SPAN_ARRAY(empty), &size)));
	assert_false(failed(vici_packet_size(SPAN_ARRAY(most), &size)));
	assert_int_equal(size, VICI_PACKET_MAX + 4);
	assert_true(failed(vici_packet_size(SPAN_ARRAY(more), &size)));
}

static void test_encoder_refuses_what_the_format_cannot_carry(void **state)
{
	static char name[257], value[65537];
	struct span bytes;

	(void)state;
	memset(name, 'n', 256);
	memset(value, 'v', 65536);
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	vici_value_text(&w, name, "");
	assert_true(failed(writer_result(&w, &bytes)));
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	vici_value_text(&w, "k", value);
	assert_true(failed(writer_result(&w, &bytes)));
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	const size_t mark = vici_begin(&w, VICI_CMD_REQUEST, "c");
	for (size_t i = 0; i < 8; i++)
		vici_value(&w, "k", span_of(value, 65535));
	vici_end(&w, mark);
	assert_true(failed(writer_result(&w, &bytes)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_of_the_readme_encodes_octet_for_octet),
		cmocka_unit_test(test_walk_sees_one_level_and_find_goes_by_name_and_kind),
		cmocka_unit_test(test_elements_in_wrong_places_are_refused),
		cmocka_unit_test(test_nesting_is_bounded_at_its_limit),
		cmocka_unit_test(test_elements_are_bounded_at_their_limit),
		cmocka_unit_test(test_packet_sizes_are_bounded),
		cmocka_unit_test(test_encoder_refuses_what_the_format_cannot_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
