// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/auc_msg.h"
#include "codec/gsup.h"
#include "codec/ipa.h"
#include "support/prop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { BUFFER = 8192 };

static struct span bytes_of(uint8_t *buffer, const char *hex)
{
	const size_t len = strlen(hex) / 2;

	assert_true(len <= BUFFER && hex_to_span(span_mut_of(buffer, len), hex));
	return span_of(buffer, len);
}

/* ---- IPA ---- */

/* As clients of this protocol send it: names end with a NUL, and items that we do not go by stand between. */
static void an_identity_is_read(void **state)
{
	uint8_t buffer[BUFFER];
	struct ipa_frame frame;
	struct ipa_identity id;
	struct wire_fault fault = {0};
	const struct span bytes = bytes_of(buffer, "0033fe05000708302f302f3000"
						   "00130730303a30303a30303a30303a30303a303000"
						   "0008015347534e2d31000008005347534e2d3200");
	size_t size;

	(void)state;
	assert_false(failed(ipa_frame_size(bytes, &size)));
	assert_int_equal(size, bytes.len);
	assert_false(failed(ipa_decode(bytes, &frame, &fault)));
	assert_int_equal(frame.kind, IPA_CCM);
	assert_int_equal(frame.ccm_type, IPA_CCM_ID_RESP);
	assert_false(failed(ipa_id_resp_decode(frame.payload, &id, &fault)));
	assert_string_equal(id.unit_id, "0/0/0");
	assert_string_equal(id.unit_name, "SGSN-1");
	assert_string_equal(id.serial, "SGSN-2");
}

static void a_name_that_is_not_text_is_refused(void **state)
{
	static const char *const payloads[] = {"00050053005300", "0004000a5300", "000400ff5300"};
	uint8_t buffer[BUFFER];
	struct ipa_identity id;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		struct wire_fault fault = {0};
		assert_int_equal(
			ipa_id_resp_decode(bytes_of(buffer, payloads[i]), &id, &fault).kind,
			ERR_INPUT);
		assert_string_equal(fault.field, "name");
	}
}

static void identities_travel(void **state)
{
	const struct ipa_identity id = {
		.serial = "SGSN-00-00-00-00-00-00", .unit_name = "SGSN-1", .unit_id = "0/0/0"};
	struct ipa_identity again;
	uint8_t buffer[BUFFER], tags[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct ipa_frame frame;
	struct wire_fault fault = {0};
	size_t count;

	(void)state;
	ipa_id_resp_encode(&w, &id);
	assert_false(failed(ipa_decode(writer_span_done(&w), &frame, &fault)));
	assert_false(failed(ipa_id_resp_decode(frame.payload, &again, &fault)));
	assert_memory_equal(&id, &again, sizeof id);
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	ipa_id_get_encode(&w);
	assert_false(failed(ipa_decode(writer_span_done(&w), &frame, &fault)));
	assert_int_equal(frame.ccm_type, IPA_CCM_ID_GET);
	assert_false(
		failed(ipa_id_get_decode(frame.payload, SPAN_MUT_ARRAY(tags), &count, &fault)));
	assert_int_equal(count, 3);
	assert_int_equal(tags[2], IPA_TAG_SERIAL);
}

static void ping_and_pong_are_four_octets(void **state)
{
	uint8_t buffer[BUFFER], right[BUFFER];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	ipa_ccm_encode(&w, IPA_CCM_PONG);
	assert_true(span_equal(writer_span_done(&w), bytes_of(right, "0001fe01")));
}

static void impossible_frames_are_refused(void **state)
{
	static const struct {
		const char *hex;
		enum err_kind size_err, decode_err;
	} rows[] = {
		{"1001fe", ERR_LIMIT, ERR_INPUT},   /* longer than we take */
		{"0000fe", ERR_NONE, ERR_INPUT},    /* empty payload */
		{"0002fe00", ERR_NONE, ERR_INPUT},  /* cut short */
		{"0001fe0000", ERR_NONE, ERR_INPUT} /* too much */
	};
	uint8_t buffer[BUFFER];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct span bytes = bytes_of(buffer, rows[i].hex);
		struct wire_fault fault = {0};
		struct ipa_frame frame;
		size_t size;
		assert_int_equal(ipa_frame_size(bytes, &size).kind, rows[i].size_err);
		assert_int_equal(ipa_decode(bytes, &frame, &fault).kind, rows[i].decode_err);
	}
}

/* ---- GSUP ---- */

static void a_request_for_vectors_is_read(void **state)
{
	uint8_t buffer[BUFFER];
	struct gsup g;
	struct wire_fault fault = {0};

	(void)state;
	assert_false(failed(
		gsup_decode(bytes_of(buffer, "08010800010100000000f0520101280101"), &g, &fault)));
	assert_int_equal(g.type, GSUP_SEND_AUTH_INFO_REQUEST);
	assert_string_equal(g.imsi, "001010000000000");
	assert_int_equal(g.vectors_requested, 1);
	assert_int_equal(g.domain, AUTH_PS);
}

static void subscriber_data_has_the_documented_form(void **state)
{
	uint8_t buffer[BUFFER], right[BUFFER];
	struct gsup g = {.type = GSUP_INSERT_DATA_REQUEST,
		.imsi = "001010000000000",
		.msisdn = "4900000000000",
		.is_pdp_info_complete = true,
		.domain = AUTH_PS,
		.pdp_count = 1,
		.pdps = {{.context_id = 1, .apn_len = 2, .apn = {1, '*'}}}};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	(void)state;
	gsup_encode(&w, &g);
	assert_true(span_equal(
		writer_span_done(&w), bytes_of(right, "10010800010100000000f0080807940000000000f0"
						      "040005071001011202012a280101")));
}

static void text_of_prop(struct prop *prop, char *text, size_t len_max)
{
	const size_t len = 6 + prop_below(prop, len_max - 5);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('0' + prop_below(prop, 10));
	text[len] = '\0';
}

static void random_vector(struct prop *prop, struct auth_vector *v)
{
	prop_fill(prop, SPAN_MUT_ARRAY(v->rand));
	prop_fill(prop, SPAN_MUT_ARRAY(v->sres));
	prop_fill(prop, SPAN_MUT_ARRAY(v->kc));
	v->is_triplet = prop_below(prop, 3) == 0;
	if (v->is_triplet)
		return;
	prop_fill(prop, SPAN_MUT_ARRAY(v->autn));
	prop_fill(prop, SPAN_MUT_ARRAY(v->ck));
	prop_fill(prop, SPAN_MUT_ARRAY(v->ik));
	v->res_len = (uint8_t)(4 + prop_below(prop, 13));
	prop_fill(prop, span_mut_of(v->res, v->res_len));
}

/* One of each message that we speak, with all that may stand in it. */
static const uint8_t types[] = {GSUP_UPDATE_LOCATION_REQUEST, GSUP_UPDATE_LOCATION_ERROR,
	GSUP_UPDATE_LOCATION_RESULT, GSUP_SEND_AUTH_INFO_REQUEST, GSUP_SEND_AUTH_INFO_ERROR,
	GSUP_SEND_AUTH_INFO_RESULT, GSUP_AUTH_FAIL_REPORT, GSUP_PURGE_MS_REQUEST,
	GSUP_PURGE_MS_ERROR, GSUP_PURGE_MS_RESULT, GSUP_INSERT_DATA_REQUEST, GSUP_INSERT_DATA_ERROR,
	GSUP_INSERT_DATA_RESULT, GSUP_LOCATION_CANCEL_REQUEST, GSUP_LOCATION_CANCEL_ERROR,
	GSUP_LOCATION_CANCEL_RESULT};

static void random_message(struct prop *prop, struct gsup *g)
{
	memset(g, 0, sizeof *g);
	g->type = types[prop_below(prop, ARRAY_LEN(types))];
	text_of_prop(prop, g->imsi, IMSI_DIGITS_MAX);
	g->has_cause = true;
	g->cause = (uint8_t)prop_u64(prop);
	g->vector_count = (uint8_t)(1 + prop_below(prop, AUTH_VECTORS_MAX));
	for (size_t i = 0; i < g->vector_count; i++)
		random_vector(prop, &g->vectors[i]);
	g->has_rand = g->has_auts = prop_below(prop, 2);
	if (g->has_rand) {
		prop_fill(prop, SPAN_MUT_ARRAY(g->rand));
		prop_fill(prop, SPAN_MUT_ARRAY(g->auts));
	}
	g->vectors_requested = (uint8_t)prop_below(prop, 6);
	g->domain = (uint8_t)prop_below(prop, 3);
	g->is_pdp_info_complete = prop_below(prop, 2);
	g->is_freeze_ptmsi = prop_below(prop, 2);
	g->has_session = prop_below(prop, 2);
	g->session = g->has_session ? (uint32_t)prop_u64(prop) : 0;
	g->source_len = (uint8_t)prop_below(prop, GSUP_NAME_MAX + 1);
	prop_fill(prop, span_mut_of(g->source, g->source_len));
	g->pdp_count = (uint8_t)prop_below(prop, 3);
	for (size_t i = 0; i < g->pdp_count; i++) {
		g->pdps[i] = (struct gsup_pdp){.context_id = (uint8_t)i};
		g->pdps[i].apn_len = (uint8_t)prop_below(prop, GSUP_APN_MAX + 1);
		prop_fill(prop, span_mut_of(g->pdps[i].apn, g->pdps[i].apn_len));
	}
}

static void messages_travel(void **state)
{
	struct prop prop = prop_from_environment(3);
	static struct gsup g, again;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		uint8_t buffer[BUFFER];
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		struct wire_fault fault = {0};
		struct span message;
		random_message(&prop, &g);
		gsup_encode(&w, &g);
		assert_false(failed(writer_result(&w, &message)));
		memset(&again, 0, sizeof again);
		assert_false(failed(gsup_decode(message, &again, &fault)));
		assert_memory_equal(&g, &again, sizeof g);
		/* A message cut anywhere is refused, or (between two elements) is a smaller whole
		 * one. */
		const size_t cut = prop_below(&prop, message.len);
		fault = (struct wire_fault){0};
		if (!failed(gsup_decode(span_of(message.at, cut), &again, &fault)))
			assert_memory_not_equal(&g, &again, sizeof g);
	}
}

static void broken_messages_are_refused_with_the_field(void **state)
{
	static const struct {
		const char *hex, *field;
	} rows[] = {
		{"", "message_type"},
		{"08", "imsi"},
		{"08280101", "cn_domain"},           /* the IMSI does not come first */
		{"0801080001010000a000f0", "digit"}, /* a digit above 9 */
		{"08010800010100000000f0010800010100000000f0", "imsi"}, /* twice */
		{"08010900010100000000f000", "imsi"},                   /* too long */
		{"08010200f1", "imsi"},                                 /* too short */
		{"08010800010100000000f0520100", "vectors_requested"},
		{"08010800010100000000f0520106", "vectors_requested"},
		{"08010800010100000000f0280103", "cn_domain"},
		{"08010800010100000000f0260e0102030405060708090a0b0c0d0e", "rand"}, /* AUTS alone */
		{"08010800010100000000f0260d0102030405060708090a0b0c0d", "auts"},
		{"08010800010100000000f02010", "rand"},
		{"09010800010100000000f0", "cause"},
		{"0a010800010100000000f0", "auth_tuple"},
		{"0a010800010100000000f00300", "auth_tuple"},
		/* a triplet and an IK: neither the one nor the other */
		{"0a010800010100000000f0033420100102030405060708090a0b0c0d0e0f102104010203042208010"
		 "20"
		 "3040506070823100102030405060708090a0b0c0d0e0f10",
			"auth_tuple"},
	};
	uint8_t buffer[BUFFER];
	static struct gsup g;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_fault fault = {0};
		const struct err e = gsup_decode(bytes_of(buffer, rows[i].hex), &g, &fault);
		if (!failed(e) || strcmp(fault.field, rows[i].field) != 0)
			fail_msg("%s: %s, field %s, expected %s", rows[i].hex, err_word(e),
				fault.field ? fault.field : "-", rows[i].field);
	}
}

static void unknown_elements_and_types_pass(void **state)
{
	uint8_t buffer[BUFFER];
	static struct gsup g;
	struct wire_fault fault = {0};

	(void)state;
	assert_false(failed(
		gsup_decode(bytes_of(buffer, "30010800010100000000f07f03010203"), &g, &fault)));
	assert_int_equal(g.type, 0x30);
	assert_string_equal(gsup_type_name(g.type), "unknown type");
}

static void a_triplet_travels_alone(void **state)
{
	static const char hex[] = "0a010800010100000000f0032220100102030405060708090a0b0c0d0e0f10"
				  "21040102030422080102030405060708";
	uint8_t buffer[BUFFER], again[BUFFER];
	static struct gsup g;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	(void)state;
	const struct span message = bytes_of(buffer, hex);
	assert_false(failed(gsup_decode(message, &g, &fault)));
	assert_int_equal(g.vector_count, 1);
	assert_true(g.vectors[0].is_triplet);
	assert_int_equal(g.vectors[0].kc[7], 8);
	gsup_encode(&w, &g);
	assert_true(span_equal(writer_span_done(&w), message));
}

static void an_answer_carries_back_what_it_must(void **state)
{
	static const struct {
		uint8_t type, session_state;
	} rows[] = {{GSUP_SEND_AUTH_INFO_RESULT, GSUP_SESSION_END},
		{GSUP_SEND_AUTH_INFO_ERROR, GSUP_SESSION_END},
		{GSUP_INSERT_DATA_REQUEST, GSUP_SESSION_CONTINUE}};
	static struct gsup request, answer;
	struct gsup_origin origin = {0};

	(void)state;
	request = (struct gsup){.type = GSUP_SEND_AUTH_INFO_REQUEST,
		.imsi = "001010000000007",
		.has_message_class = true,
		.message_class = 1,
		.has_session = true,
		.session = 77,
		.has_session_state = true,
		.session_state = 1,
		.source_len = 3,
		.source = "msc"};
	gsup_origin_of(&origin, &request);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gsup_answer_start(&answer, &origin, rows[i].type);
		assert_string_equal(answer.imsi, request.imsi);
		assert_true(answer.has_message_class && answer.has_session);
		assert_int_equal(answer.message_class, 1);
		assert_int_equal(answer.session, 77);
		assert_int_equal(answer.session_state, rows[i].session_state);
		assert_int_equal(answer.destination_len, 3);
		assert_memory_equal(answer.destination, "msc", 3);
		assert_int_equal(answer.source_len, 0);
	}
}

/* A request with a fault in the middle is answered, with all that an answer carries back. */
static void of_a_broken_request_the_asker_is_saved(void **state)
{
	static const struct {
		const char *hex;
		bool is_saved, has_class;
	} rows[] = {
		/* 6 vectors are asked for; then come class 1, session 77, source "msc" */
		{"08010800010100000000f05201060a010130040000004d60036d7363", true, true},
		{"0801080001010000", false, false},
		{"08010800010100000000f00a0101ff", true, true},
		{"08", false, false},
		{"", false, false},
		{"08010200f1", false, false},
		/* a digit that is none, after enough for an IMSI: whoever that is, he did not ask */
		{"080108000101000000a0f00a0101", false, false},
		{"08010900010100000000002120", false, false},
	};
	uint8_t buffer[BUFFER];
	static struct gsup g;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_fault fault = {0};
		const struct span message = bytes_of(buffer, rows[i].hex);
		assert_true(failed(gsup_decode(message, &g, &fault)));
		assert_int_equal(gsup_salvage(message, &g), rows[i].is_saved);
		assert_int_equal(g.has_message_class, rows[i].has_class);
	}
	assert_true(gsup_salvage(bytes_of(buffer, rows[0].hex), &g));
	assert_int_equal(g.session, 77);
	assert_int_equal(g.source_len, 3);
	assert_string_equal(g.imsi, "001010000000000");
}

/* ---- between our processes: fuzz_auc_msg.c shows the round trips ---- */

static void the_largest_bodies_fit_their_buffers(void **state)
{
	static struct auc_import import;
	static struct auc_clear_rows clear;
	static uint8_t buffer[AUC_ROWS_OCTETS];
	uint8_t sealed[AUC_SEALED_MAX] = {1};
	struct auth_vector vectors[AUTH_VECTORS_MAX] = {0};
	struct auth_request q = {.imsi = "123456789012345",
		.domain = AUTH_CS,
		.radio = AUTH_EPS,
		.vectors = 5,
		.has_resync = true};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct span body;

	(void)state;
	import.count = AUC_ROWS_MAX;
	for (size_t i = 0; i < AUC_ROWS_MAX; i++) {
		import.rows[i] = (struct auc_import_row){.imsi = "123456789012345",
			.msisdn = "123456789012345",
			.algorithm = AUC_MILENAGE,
			.sealed = SPAN_ARRAY(sealed)};
		clear.rows[i] = (struct auc_clear_row){.imsi = "123456789012345",
			.keys = {.algorithm = AUC_TUAK,
				.k_len = AUC_K_MAX,
				.opc_len = AUC_OPC_MAX,
				.res_octets = 16,
				.iterations = 1}};
	}
	auc_import_encode(&w, &import);
	assert_false(failed(writer_result(&w, &body)));
	assert_false(failed(auc_import_decode(body, &import, &fault)));
	w = writer_of(SPAN_MUT_ARRAY(buffer));
	clear.count = AUC_ROWS_MAX;
	memset(clear.transport, 't', sizeof clear.transport - 1);
	auc_clear_rows_encode(&w, &clear);
	assert_false(failed(writer_result(&w, &body)));
	assert_false(failed(auc_clear_rows_decode(body, &clear, &fault)));
	assert_int_equal(clear.count, AUC_ROWS_MAX);

	w = writer_of(span_mut_of(buffer, AUC_VECTORS_OCTETS));
	for (size_t i = 0; i < AUTH_VECTORS_MAX; i++)
		vectors[i].res_len = AUTH_RES_MAX;
	auc_vectors_encode(&w, vectors, AUTH_VECTORS_MAX);
	assert_false(failed(writer_result(&w, &body)));
	w = writer_of(span_mut_of(buffer, AUC_REQUEST_OCTETS));
	memset(q.node, 'n', sizeof q.node - 1);
	auc_request_encode(&w, &q);
	assert_false(failed(writer_result(&w, &body)));
	assert_false(failed(auc_request_decode(body, &q, &fault)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identity_is_read),
		cmocka_unit_test(a_name_that_is_not_text_is_refused),
		cmocka_unit_test(identities_travel),
		cmocka_unit_test(ping_and_pong_are_four_octets),
		cmocka_unit_test(impossible_frames_are_refused),
		cmocka_unit_test(a_request_for_vectors_is_read),
		cmocka_unit_test(subscriber_data_has_the_documented_form),
		cmocka_unit_test(messages_travel),
		cmocka_unit_test(broken_messages_are_refused_with_the_field),
		cmocka_unit_test(unknown_elements_and_types_pass),
		cmocka_unit_test(a_triplet_travels_alone),
		cmocka_unit_test(an_answer_carries_back_what_it_must),
		cmocka_unit_test(of_a_broken_request_the_asker_is_saved),
		cmocka_unit_test(the_largest_bodies_fit_their_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
