// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/gateway_msg.h"
#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct gateway_activated sample = {
	.which = {.rotation = 7, .key_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
	.spi_initiator = 0x36b4ba5d94a83fcc,
	.spi_responder = 0x54a5797137deeb85,
};

static struct span sample_encode(struct span_mut buffer)
{
	struct writer w = writer_of(buffer);
	struct span body;

	gateway_activated_encode(&w, &sample);
	assert_false(failed(writer_result(&w, &body)));
	return body;
}

static void test_messages_come_back_as_they_went(void **state)
{
	uint8_t buffer[GATEWAY_MSG_MAX];
	struct wire_fault fault = {0};
	struct gateway_activated activated;
	struct gateway_rotation rotation;
	const struct span body = sample_encode(SPAN_MUT_ARRAY(buffer));

	(void)state;
	assert_false(failed(gateway_activated_decode(&activated, body, &fault)));
	assert_memory_equal(&activated, &sample, sizeof(sample));
	assert_false(failed(gateway_rotation_decode(&rotation, span_of(body.at, 20), &fault)));
	assert_int_equal(rotation.rotation, 7);
	assert_memory_equal(rotation.key_id, sample.which.key_id, 16);
}

static void test_any_other_length_is_refused(void **state)
{
	uint8_t buffer[GATEWAY_MSG_MAX] = {0};
	struct gateway_activated activated;
	struct gateway_rotation rotation;

	(void)state;
	sample_encode(SPAN_MUT_ARRAY(buffer));
	for (size_t len = 0; len <= sizeof(buffer); len++) {
		struct wire_fault fault = {0}, other = {0};
		const struct span body = span_of(buffer, len);
		assert_int_equal(
			failed(gateway_activated_decode(&activated, body, &fault)), len != 36);
		assert_int_equal(
			failed(gateway_rotation_decode(&rotation, body, &other)), len != 20);
	}
}

/* SPIs of an established IKE SA are not zero [RFC 7296 §3.1]. */
static void test_zero_rotation_and_zero_spi_are_refused(void **state)
{
	static const size_t zeroed_at[] = {0, 20, 28}, zeroed_len[] = {4, 8, 8};
	struct gateway_activated activated;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(zeroed_at); i++) {
		uint8_t buffer[GATEWAY_MSG_MAX];
		struct wire_fault fault = {0};
		const struct span body = sample_encode(SPAN_MUT_ARRAY(buffer));
		memset(buffer + zeroed_at[i], 0, zeroed_len[i]);
		assert_int_equal(
			gateway_activated_decode(&activated, body, &fault).kind, ERR_INPUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_come_back_as_they_went),
		cmocka_unit_test(test_any_other_length_is_refused),
		cmocka_unit_test(test_zero_rotation_and_zero_spi_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
