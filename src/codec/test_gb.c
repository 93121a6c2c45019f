// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/gb.h"
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static struct span octets(struct span_mut buffer, const char *hex)
{
	const struct span_mut exact = {buffer.at, strlen(hex) / 2};

	assert_true(hex_to_span(exact, hex));
	return span_read(exact);
}

/* What Debian's osmo-sgsn 1.13 sent on loopback, but for RAND and AUTN, which are made up. */
static const char auth_request[] =
	"0812102021a14c000102030405060708090a0b0c0d8028100102030405060708090a0b0c0d0e0f10";

/* [TS 24.008 §9.4] */
static void test_auth_request_gives_rand_autn_and_reference(void **state)
{
	uint8_t buffer[128];
	struct wire_fault fault = {0};
	struct gb_gmm gmm;

	(void)state;
	assert_false(
		failed(gb_gmm_decode(octets(SPAN_MUT_ARRAY(buffer), auth_request), &gmm, &fault)));
	assert_true(gmm.is_gmm && gmm.has_rand && gmm.has_autn && gmm.wants_imeisv);
	assert_int_equal(gmm.type, GB_GMM_AUTH_REQUEST);
	assert_int_equal(gmm.reference, 2);
	assert_int_equal(gmm.rand[0], 0xa1);
	assert_int_equal(gmm.autn[15], 0x10);
}

static void test_auth_request_cut_anywhere_is_refused_or_lacks_autn(void **state)
{
	uint8_t buffer[128];
	const struct span whole = octets(SPAN_MUT_ARRAY(buffer), auth_request);

	(void)state;
	for (size_t len = 0; len < whole.len; len++) {
		struct wire_fault fault = {0};
		struct gb_gmm gmm;
		const struct err e = gb_gmm_decode(span_of(whole.at, len), &gmm, &fault);
		assert_true(failed(e) || !gmm.has_autn);
	}
}

static void test_autn_of_another_length_is_refused(void **state)
{
	uint8_t buffer[64];
	struct wire_fault fault = {0};
	struct gb_gmm gmm;

	(void)state;
	const struct span m =
		octets(SPAN_MUT_ARRAY(buffer), "081210202811000102030405060708090a0b0c0d0e0f1011");
	assert_int_equal(gb_gmm_decode(m, &gmm, &fault).kind, ERR_INPUT);
	assert_string_equal(fault.field, "autn");
}

/* [TS 44.064] */
static void test_llc_round_trip_and_a_flipped_bit_is_refused(void **state)
{
	const uint8_t text[] = "nine bits of sequence";
	uint8_t buffer[64];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct span frame;
	struct gb_llc llc;

	(void)state;
	gb_llc_encode(&w, &(struct gb_llc){.sapi = 1, .nu = 300, .information = SPAN_ARRAY(text)});
	assert_false(failed(writer_result(&w, &frame)));
	assert_false(failed(gb_llc_decode(frame, &llc, &fault)));
	assert_true(llc.is_ui && !llc.is_ciphered);
	assert_int_equal(llc.nu, 300);
	assert_true(span_equal(llc.information, SPAN_ARRAY(text)));
	for (size_t bit = 8 * 3; bit < 8 * frame.len; bit++) {
		buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
		fault = (struct wire_fault){0};
		assert_true(failed(gb_llc_decode(frame, &llc, &fault)));
		buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* [TS 48.016], [TS 48.018] */
static void test_ns_and_bssgp_round_trip(void **state)
{
	const uint8_t cell[GB_CELL_OCTETS] = {0, 0xf1, 0x10, 0, 1, 0, 0, 1};
	const uint8_t long_llc[300] = {1};
	uint8_t inner[400], outer[420];
	struct writer w = writer_of(SPAN_MUT_ARRAY(inner));
	struct gb_bssgp bssgp = {.type = GB_BSSGP_UL_UNITDATA,
		.tlli = 0x78a1b2c3,
		.has_cell = true,
		.llc = SPAN_ARRAY(long_llc)};
	struct wire_fault fault = {0};
	struct gb_ns ns;
	struct span message;

	(void)state;
	memcpy(bssgp.cell, cell, sizeof cell);
	gb_bssgp_encode(&w, &bssgp);
	struct writer w2 = writer_of(SPAN_MUT_ARRAY(outer));
	gb_ns_encode(&w2, &(struct gb_ns){.bvci = 2, .bssgp = writer_span_done(&w)});
	assert_false(failed(writer_result(&w2, &message)));
	assert_false(failed(gb_ns_decode(message, &ns, &fault)));
	assert_int_equal(ns.bvci, 2);
	assert_false(failed(gb_bssgp_decode(ns.bssgp, &bssgp, &fault)));
	assert_int_equal(bssgp.tlli, 0x78a1b2c3);
	assert_memory_equal(bssgp.cell, cell, sizeof cell);
	assert_true(span_equal(bssgp.llc, SPAN_ARRAY(long_llc)));
}

/* [TS 48.016 §7.3, §7.4] */
static void test_ns_reset_round_trip(void **state)
{
	uint8_t buffer[32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct span message;
	struct gb_ns ns;

	(void)state;
	gb_ns_encode(&w, &(struct gb_ns){.type = GB_NS_RESET, .cause = 1, .nsvci = 101, .nsei = 7});
	assert_false(failed(writer_result(&w, &message)));
	assert_false(failed(gb_ns_decode(message, &ns, &fault)));
	assert_int_equal(ns.type, GB_NS_RESET);
	assert_int_equal(ns.cause, 1);
	assert_int_equal(ns.nsvci, 101);
	assert_int_equal(ns.nsei, 7);
}

/* [TS 24.008 §10.5.1.4] */
static void test_imsi_is_written_low_half_first(void **state)
{
	uint8_t buffer[64], expected[16];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span message;

	(void)state;
	gb_identity_response_encode(&w, GB_IMSI, "001010000000042");
	assert_false(failed(writer_result(&w, &message)));
	assert_true(
		span_equal(message, octets(SPAN_MUT_ARRAY(expected), "0816080910100000000024")));
}

/* [TS 24.008 §10.5.3.2.1] */
static void test_res_of_eight_octets_is_split_in_two_elements(void **state)
{
	const uint8_t res[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t buffer[64], expected[32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span message;

	(void)state;
	gb_auth_response_encode(&w, 2, SPAN_ARRAY(res), NULL);
	assert_false(failed(writer_result(&w, &message)));
	assert_true(span_equal(message, octets(SPAN_MUT_ARRAY(expected), "08130222010203042904"
									 "05060708")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auth_request_gives_rand_autn_and_reference),
		cmocka_unit_test(test_auth_request_cut_anywhere_is_refused_or_lacks_autn),
		cmocka_unit_test(test_autn_of_another_length_is_refused),
		cmocka_unit_test(test_llc_round_trip_and_a_flipped_bit_is_refused),
		cmocka_unit_test(test_ns_and_bssgp_round_trip),
		cmocka_unit_test(test_ns_reset_round_trip),
		cmocka_unit_test(test_imsi_is_written_low_half_first),
		cmocka_unit_test(test_res_of_eight_octets_is_split_in_two_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
