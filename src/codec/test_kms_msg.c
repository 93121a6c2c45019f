// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/kms_msg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static uint8_t buffer[KMS_ANSWER_MAX];

static struct span written(const struct writer *w)
{
	struct span message;

	assert_false(failed(writer_result(w, &message)));
	return message;
}

static struct kms_enc_request enc_sample(void)
{
	struct kms_enc_request m = {.slave_count = 2, .number = 3, .size_bits = 256};

	assert_true(kms_name_set(&m.master, "sae-radio-1"));
	assert_true(kms_name_set(&m.slaves[0], "sae-core-1"));
	assert_true(kms_name_set(&m.slaves[1], "sae-core-2"));
	return m;
}

static struct err enc_again(const struct kms_enc_request *m, struct kms_enc_request *again)
{
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	kms_enc_request_encode(&w, m);
	return kms_enc_request_decode(again, written(&w), &fault);
}

static void test_enc_request_round_trip(void **state)
{
	const struct kms_enc_request m = enc_sample();
	struct kms_enc_request again = {0};

	(void)state;
	assert_false(failed(enc_again(&m, &again)));
	assert_int_equal(again.slave_count, 2);
	assert_string_equal(again.master.text, "sae-radio-1");
	assert_string_equal(again.slaves[1].text, "sae-core-2");
	assert_int_equal(again.number, 3);
	assert_int_equal(again.size_bits, 256);
}

static void test_enc_request_refuses_what_no_store_can_give(void **state)
{
	struct kms_enc_request m, again;

	(void)state;
	m = enc_sample(), m.number = 0;
	assert_int_equal(enc_again(&m, &again).kind, ERR_INPUT);
	m = enc_sample(), m.number = KMS_KEYS_MAX + 1;
	assert_int_equal(enc_again(&m, &again).kind, ERR_INPUT);
	m = enc_sample(), m.size_bits = 12;
	assert_int_equal(enc_again(&m, &again).kind, ERR_INPUT);
	m = enc_sample(), m.size_bits = 8 * KMS_KEY_OCTETS_MAX + 8;
	assert_int_equal(enc_again(&m, &again).kind, ERR_INPUT);
	m = enc_sample(), m.slave_count = 0;
	assert_int_equal(enc_again(&m, &again).kind, ERR_INPUT);
	m = enc_sample(), m.slaves[1] = (struct kms_name){0};
	assert_int_equal(enc_again(&m, &again).kind, ERR_INPUT);
}

static void test_most_keys_of_the_greatest_size_fit_one_answer(void **state)
{
	static struct kms_keys m, again;
	static uint8_t keys[KMS_KEYS_MAX][KMS_KEY_OCTETS_MAX];
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	m.count = KMS_KEYS_MAX;
	for (size_t i = 0; i < m.count; i++) {
		memset(keys[i], (int)i, sizeof keys[i]);
		memset(m.items[i].id.octets, (int)(255 - i), KMS_KEY_ID_OCTETS);
		m.items[i].key = SPAN_ARRAY(keys[i]);
	}
	kms_keys_encode(&w, &m);
	const struct span message = written(&w);
	assert_false(failed(kms_keys_decode(&again, message, &fault)));
	assert_int_equal(again.count, m.count);
	for (size_t i = 0; i < m.count; i++) {
		assert_true(span_equal(again.items[i].key, m.items[i].key));
		assert_memory_equal(&again.items[i].id, &m.items[i].id, KMS_KEY_ID_OCTETS);
	}
	for (size_t cut = 1; cut < message.len; cut += 97) {
		fault = (struct wire_fault){0};
		assert_true(failed(
			kms_keys_decode(&again, span_of(message.at, message.len - cut), &fault)));
	}
}

static void test_a_name_holds_no_nul_and_no_more_than_its_limit(void **state)
{
	struct kms_status_request m;
	struct wire_fault fault = {0};
	const uint8_t with_nul[] = {1, 'a', 2, 'b', 0};
	char text[KMS_SAE_MAX + 2];

	(void)state;
	assert_int_equal(
		kms_status_request_decode(&m, SPAN_ARRAY(with_nul), &fault).kind, ERR_INPUT);
	assert_string_equal(fault.field, "slave");
	memset(text, 'x', sizeof text);
	text[KMS_SAE_MAX + 1] = '\0';
	assert_false(kms_name_set(&m.slave, text));
	text[KMS_SAE_MAX] = '\0';
	assert_true(kms_name_set(&m.slave, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enc_request_round_trip),
		cmocka_unit_test(test_enc_request_refuses_what_no_store_can_give),
		cmocka_unit_test(test_most_keys_of_the_greatest_size_fit_one_answer),
		cmocka_unit_test(test_a_name_holds_no_nul_and_no_more_than_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
