// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/usim.h"
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* [TS 35.208 §4.3.1] test set 1: RES, the key stream of AUTN and its MAC. */
static const char k[] = "465b5ce8b199b49faa5f0a2ee238a6bc";
static const char opc[] = "cd63cb71954a9f4e48a5994e37a02baf";
static const char rand_hex[] = "23553cbe9637a89d218ae64dae47bf35";
/* SQN ff9bb4d0b607 ^ AK aa689c648370, AMF b9b9, MAC-A 4a9ffac354dfafb3 */
static const char autn_hex[] = "55f328b43577b9b94a9ffac354dfafb3";
/* SQN_MS ff9bb4d0b607 ^ AK* 451e8beca43b */
static const char auts_start[] = "ba853f3c123c";

static void card(struct usim *usim, uint8_t rand[16], uint8_t autn[16])
{
	*usim = (struct usim){0};
	assert_true(hex_to_span(SPAN_MUT_ARRAY(usim->k), k));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(usim->opc), opc));
	assert_true(hex_to_span(span_mut_of(rand, 16), rand_hex));
	assert_true(hex_to_span(span_mut_of(autn, 16), autn_hex));
}

/* [TS 35.206 §4.1] */
static void test_standard_challenge_gives_standard_res(void **state)
{
	uint8_t rand[16], autn[16], res[8];
	struct usim usim;
	struct usim_answer a;

	(void)state;
	card(&usim, rand, autn);
	assert_false(failed(usim_challenge(&usim, rand, autn, &a)));
	assert_int_equal(a.verdict, USIM_ACCEPTED);
	assert_true(hex_to_span(SPAN_MUT_ARRAY(res), "a54211d5e3ba50bf"));
	assert_memory_equal(a.res, res, sizeof res);
	assert_int_equal(a.sqn, 0xff9bb4d0b607);
}

/* [TS 33.102 §6.3.3] */
static void test_wrong_mac_is_refused_without_a_response(void **state)
{
	uint8_t rand[16], autn[16];
	const uint8_t none[8] = {0};
	struct usim usim;
	struct usim_answer a;

	(void)state;
	card(&usim, rand, autn);
	autn[15] ^= 1;
	assert_false(failed(usim_challenge(&usim, rand, autn, &a)));
	assert_int_equal(a.verdict, USIM_MAC_FAILURE);
	assert_memory_equal(a.res, none, sizeof none);
	assert_int_equal(usim.sqn_highest, 0);
}

/* [TS 33.102 §6.3.5] */
static void test_same_challenge_twice_is_a_synch_failure_with_auts(void **state)
{
	uint8_t rand[16], autn[16], start[6];
	struct usim usim;
	struct usim_answer a;

	(void)state;
	card(&usim, rand, autn);
	assert_false(failed(usim_challenge(&usim, rand, autn, &a)));
	assert_false(failed(usim_challenge(&usim, rand, autn, &a)));
	assert_int_equal(a.verdict, USIM_SYNCH_FAILURE);
	assert_true(hex_to_span(SPAN_MUT_ARRAY(start), auts_start));
	assert_memory_equal(a.auts, start, sizeof start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard_challenge_gives_standard_res),
		cmocka_unit_test(test_wrong_mac_is_refused_without_a_response),
		cmocka_unit_test(test_same_challenge_twice_is_a_synch_failure_with_auts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
