// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What a line of `merlon auc compute` is answered. */
#include "auc/compute.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct compute c;
static struct compute_fault fault;

static struct err run(const char *line)
{
	fault = (struct compute_fault){0};
	const struct err e = compute_decode(&c, span_str(line), &fault);
	return failed(e) ? e : compute_run(aes128_engine(), &c, &fault);
}

static const char *answer(void)
{
	static uint8_t text[COMPUTE_ANSWER_MAX + 1];
	struct writer w = writer_of(span_mut_of(text, COMPUTE_ANSWER_MAX));

	compute_encode_answer(&w, &c);
	assert_false(w.is_full);
	text[w.len] = '\0';
	return (const char *)text;
}

static void holds(const char *line, const char *part)
{
	assert_false(failed(run(line)));
	if (strstr(answer(), part) == NULL)
		print_message("%s\nlacks %s\n", answer(), part);
	assert_non_null(strstr(answer(), part));
}

#define SET_1                                                                                      \
	"\"k\":\"465b5ce8b199b49faa5f0a2ee238a6bc\",\"rand\":\"23553cbe9637a89d218ae64dae47bf35\""
#define OP_1 ",\"op\":\"cdc202d5123e20f62b6d676ac72cb318\""
#define OPC_1 ",\"opc\":\"cd63cb71954a9f4e48a5994e37a02baf\""
#define SQN_1 ",\"sqn\":\"ff9bb4d0b607\",\"amf\":\"b9b9\""
#define MILENAGE "{\"algorithm\":\"milenage\"," SET_1

/* [TS 35.207 §4.3], [TS 33.102 §6.3.2] */
static void milenage_answers_with_the_standards_names(void **state)
{
	(void)state;
	holds(MILENAGE OP_1 SQN_1 "}",
		"{\"algorithm\":\"milenage\",\"opc\":\"cd63cb71954a9f4e48a5994e37a02baf\","
		"\"mac_a\":\"4a9ffac354dfafb3\",\"mac_s\":\"01cfaf9ec4e871e9\","
		"\"res\":\"a54211d5e3ba50bf\",\"xres\":\"a54211d5e3ba50bf\","
		"\"ck\":\"b40ba9a3c58b2a05bbf0d987b21bf8cb\","
		"\"ik\":\"f769bcd751044604127672711c6d3441\",\"ak\":\"aa689c648370\","
		"\"ak_star\":\"451e8beca43b\",\"sqn_xor_ak\":\"55f328b43577\","
		"\"autn\":\"55f328b43577b9b94a9ffac354dfafb3\",\"sres\":\"46f8416a\","
		"\"kc\":\"eae4be823af9a08b\"}");
	holds("{\"algorithm\":\"gsm-milenage\"," SET_1 OPC_1 "}",
		"\"sres\":\"46f8416a\",\"sres2\":\"a54211d5\",\"kc\":\"eae4be823af9a08b\"}");
}

static void what_is_not_given_is_not_computed(void **state)
{
	(void)state;
	assert_false(failed(run(MILENAGE OPC_1 "}")));
	assert_null(strstr(answer(), "mac_a"));
	assert_null(strstr(answer(), "autn"));
	assert_null(strstr(answer(), "\"opc\""));
	assert_non_null(strstr(answer(), "a54211d5e3ba50bf"));
}

/* [TS 33.401 §A.2], [TS 33.501 §A.2 to §A.7]: from K to KAMF in one line, and by MCC and MNC. */
static void a_serving_network_brings_its_keys(void **state)
{
	static const char *const members[] = {"\"kasme\"", "\"xres_star\"", "\"hxres_star\"",
		"\"kausf\"", "\"kseaf\"", "\"kamf\"", "\"ck_prime\"", "\"ik_prime\"", "\"kgnb\"",
		"\"knas5g_int\"", "\"emsk\"", "\"kausf_eap\"",
		"\"snn\":\"5G:mnc093.mcc208.3gppnetwork.org\"", "\"snid\":\"02f839\""};

	(void)state;
	assert_false(failed(run(MILENAGE OPC_1 SQN_1
		",\"mcc\":\"208\",\"mnc\":\"93\",\"supi\":\"imsi-208930000000001\",\"count\":0,"
		"\"int_alg\":2,\"identity\":\"x\"}")));
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		assert_non_null(strstr(answer(), members[i]));
	assert_false(failed(run(MILENAGE OPC_1 SQN_1 ",\"snid\":\"02f839\"}")));
	assert_non_null(strstr(answer(), "\"kasme\""));
	assert_null(strstr(answer(), "\"kausf\""));
	holds("{\"algorithm\":\"5g_aka\",\"ck\":\"00000000000000000000000000000000\","
	      "\"ik\":\"00000000000000000000000000000000\",\"mcc\":\"310\",\"mnc\":\"410\","
	      "\"autn\":\"00000000000000000000000000000000\","
	      "\"rand\":\"00000000000000000000000000000000\",\"res\":\"00000000\"}",
		"\"hxres_star\"");
}

/* [TS 33.501 §A.7.0]: a prefix is not part of P0. */
static void derivations_have_names_of_their_own(void **state)
{
#define KAMF_OF(supi)                                                                              \
	"{\"algorithm\":\"kamf\",\"kseaf\":"                                                       \
	"\"6c50bfa5f32a89ade1ee6c707de6dcfea0790afb6d14f9e55943aeda58334548\",\"supi\":\"" supi    \
	"\"}"
	static const char right[] =
		"{\"algorithm\":\"kamf\",\"kamf\":"
		"\"46237ef051d6a16a3927525fa65cc39544cdfd7990b946ad796530e6d787a0da\"}";

	(void)state;
	holds(KAMF_OF("901700000021309"), right);
	holds(KAMF_OF("imsi-901700000021309"), right);
	holds("{\"algorithm\":\"KNAS\",\"key\":"
	      "\"d5ef4d8f33266902295d42f322a2f2cf11fb2ccc124c09b4d88d361597037990\",\"type\":1,"
	      "\"alg\":0}",
		"\"knas\":\"e4cf7fecbad4b8c37db4a190e119225c");
#undef KAMF_OF
}

/* [TS 33.102 §6.3.3]: AUTS of a card goes back to its SQN; a wrong one is told. */
static void auts_is_made_and_opened(void **state)
{
	char line[512];

	(void)state;
	assert_false(failed(run(MILENAGE OPC_1 ",\"sqn_ms\":23}")));
	const char *auts = strstr(answer(), "\"auts\":\"");
	assert_non_null(auts);
	snprintf(line, sizeof line, MILENAGE OPC_1 ",%.*s}", 37, auts);
	holds(line, "\"sqn_ms\":\"000000000017\"");
	holds(line, "\"mac_s_ok\":true");
	char *last = strrchr(line, '"') - 1;
	*last = *last == '0' ? '1' : '0';
	holds(line, "\"mac_s_ok\":false");
	assert_null(strstr(answer(), "sqn_ms"));
}

static void what_disagrees_is_refused(void **state)
{
	(void)state;
	assert_false(failed(run(MILENAGE OP_1 OPC_1 "}")));
	assert_int_equal(run(MILENAGE OP_1 ",\"opc\":\"00000000000000000000000000000000\"}").kind,
		ERR_INPUT);
	assert_string_equal(fault.field, "opc");
	assert_int_equal(run(MILENAGE OPC_1 ",\"res\":\"a54211d5e3ba50be\"}").kind, ERR_INPUT);
	assert_string_equal(fault.field, "res");
}

static void a_missing_or_wrong_member_is_named(void **state)
{
	static const struct {
		const char *line, *field, *said;
	} rows[] = {
		{"{}", "algorithm", "expected"},
		{"{\"algorithm\":\"rot13\"}", "algorithm", "--list"},
		{"{\"algorithm\":\"comp128v1\"," SET_1 "}", "algorithm", "broken"},
		{"{\"algorithm\":\"milenage\"}", "k", "expected"},
		{MILENAGE "}", "opc", "op or opc"},
		{"{\"algorithm\":\"tuak\"," SET_1 "}", "topc", "top or topc"},
		{"{\"algorithm\":\"milenage\",\"k\":\"465b5ce8b199b49faa5f0a2ee238a6bc\"" OPC_1 "}",
			"rand", "expected"},
		{MILENAGE OPC_1 ",\"r\":\"64,0,32,64\"}", "r", "five"},
		{MILENAGE OPC_1 ",\"r\":\"64,0,32,64,128\"}", "r", "127"},
		{MILENAGE OPC_1 ",\"r\":\"64,0,32,64,96,1\"}", "r", "five"},
		{MILENAGE OPC_1 ",\"c\":\"00\"}", "c", "32 hex digits"},
		{"{\"algorithm\":\"kasme\",\"ck\":\"00000000000000000000000000000000\"}", "ik",
			"expected"},
		{"{\"algorithm\":\"kamf\",\"supi\":\"1\"}", "kseaf", "expected"},
		{MILENAGE OPC_1 ",\"mcc\":\"2x8\",\"mnc\":\"93\"}", "mcc", "digits"},
		{"{\"algorithm\":\"tuak\"," SET_1
		 ",\"topc\":\"0000000000000000000000000000000000000000000000000000000000000000\","
		 "\"res_bits\":40}",
			"res_bits", "32, 64, 128 or 256"},
		{"{\"algorithm\":\"xor\"," SET_1 ",\"res_bits\":256}", "res_bits", "128"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(run(rows[i].line).kind, ERR_INPUT);
		assert_string_equal(fault.field, rows[i].field);
		assert_non_null(strstr(fault.text, rows[i].said));
		assert_null(strstr(fault.text, "465b"));
	}
}

#define NOUGHT_16 "00000000000000000000000000000000"
#define NOUGHT_32 NOUGHT_16 NOUGHT_16

/* Nothing computed is an answer for nobody. */
static void a_size_that_nothing_follows_from_is_told(void **state)
{
	static const struct {
		const char *line, *field;
	} rows[] = {
		{"{\"algorithm\":\"c2\",\"res\":\"" NOUGHT_32 "\"}", "res"},
		{"{\"algorithm\":\"c3\",\"ck\":\"" NOUGHT_32 "\",\"ik\":\"" NOUGHT_32 "\"}", "ck"},
		{"{\"algorithm\":\"5g_aka\",\"ck\":\"" NOUGHT_32 "\",\"ik\":\"" NOUGHT_32
		 "\",\"snn\":\"5G:x\",\"sqn_xor_ak\":\"000000000000\",\"rand\":\"" NOUGHT_16
		 "\",\"res\":\"00000000\"}",
			"ck"},
		{"{\"algorithm\":\"kasme\",\"ck\":\"" NOUGHT_32 "\",\"ik\":\"" NOUGHT_32
		 "\",\"snid\":\"00f110\",\"sqn_xor_ak\":\"000000000000\"}",
			"ck"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(run(rows[i].line).kind, ERR_INPUT);
		assert_string_equal(fault.field, rows[i].field);
		assert_non_null(strstr(fault.text, "size"));
	}
	holds("{\"algorithm\":\"tuak\"," SET_1 SQN_1 ",\"topc\":\"" NOUGHT_32
	      "\",\"ck_bits\":256,\"snid\":\"00f110\"}",
		"\"warning\":\"kasme, and what follows from it, is left out");
	assert_null(strstr(answer(), "\"kasme\":"));
	holds("{\"algorithm\":\"5g_aka\",\"key\":\"" NOUGHT_32 "\",\"snn\":\"5G:x\",\"sqn_xor_ak\":"
	      "\"000000000000\",\"rand\":\"" NOUGHT_16 "\",\"res\":\"" NOUGHT_32 "\"}",
		"; res_star, and what follows from it, is left out");
	assert_false(failed(run("{\"algorithm\":\"tuak\"," SET_1 SQN_1 ",\"topc\":\"" NOUGHT_32
				"\",\"ck_bits\":256}")));
	assert_null(strstr(answer(), "warning"));
}

/* AUTN, SQN xor AK, and SQN with AK say the same in three ways. */
static void concealed_numbers_that_disagree_are_refused(void **state)
{
#define KAUSF "{\"algorithm\":\"kausf\",\"key\":\"" NOUGHT_32 "\",\"snn\":\"5G:x\""
#define AUTN                                                                                       \
	",\"autn\":\"010203040506"                                                                 \
	"80000000000000000000"                                                                     \
	"\""
	(void)state;
	assert_false(failed(run(KAUSF AUTN ",\"sqn_xor_ak\":\"010203040506\"}")));
	assert_int_equal(run(KAUSF AUTN ",\"sqn_xor_ak\":\"010203040507\"}").kind, ERR_INPUT);
	assert_string_equal(fault.field, "sqn_xor_ak");
	assert_false(failed(run(KAUSF AUTN ",\"sqn\":0,\"ak\":\"010203040506\"}")));
	assert_int_equal(run(KAUSF AUTN ",\"sqn\":0,\"ak\":\"010203040507\"}").kind, ERR_INPUT);
	assert_string_equal(fault.field, "autn");
#undef KAUSF
#undef AUTN
}

/* Whoever still has such cards is to read why, not which digit is wrong. */
static void comp128v1_is_refused_before_all_else(void **state)
{
	static const char *const lines[] = {
		"{\"algorithm\":\"comp128v1\"}",
		"{\"algorithm\":\"COMP128V1\",\"k\":\"23\",\"rand\":1}",
		"{\"foo\":1,\"k\":\"465b\",\"algorithm\":\"comp128\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		fault = (struct compute_fault){0};
		const struct err e = compute_decode(&c, span_str(lines[i]), &fault);
		assert_int_equal(failed(e), i > 0);
		assert_true(compute_refuses(&c, &fault));
		assert_string_equal(fault.field, "algorithm");
		assert_non_null(strstr(fault.text, "broken"));
	}
	assert_true(failed(run("{\"k\":\"23\",\"algorithm\":\"comp128v2\"}")));
	assert_false(compute_refuses(&c, &fault));
	assert_true(failed(run("{\"k\":\"23\"}"))); /* c has the algorithm of the line before */
	assert_false(compute_refuses(&c, &fault));
}

/* [RFC 9048 §3.3]: whatever the name is written like; and what to give for what is not there. */
static void eap_aka_prime_is_found_by_its_names(void **state)
{
	static const char *const words[] = {
		"eap_aka_prime", "eap-aka-prime", "EAP-AKA'", "EapAkaPrime"};
	char line[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		snprintf(line, sizeof line,
			"{\"algorithm\":\"%s\",\"ck'\":\"" NOUGHT_16 "\",\"ik'\":\"" NOUGHT_16
			"\",\"identity\":\"0123\"}",
			words[i]);
		holds(line, "\"emsk\":\"");
	}
	assert_int_equal(run("{\"algorithm\":\"eap_aka_prime\",\"ck\":\"" NOUGHT_16
			     "\",\"ik\":\"" NOUGHT_16 "\",\"identity\":\"0123\"}")
				 .kind,
		ERR_INPUT);
	assert_non_null(strstr(fault.text, "network_name or snn"));
}

/* [TS 24.501 §9.12.1]: two digits of MNC are the mistake that costs an integrator a day. */
static void an_sn_name_with_two_digits_comes_with_a_warning(void **state)
{
#define KSEAF(snn) "{\"algorithm\":\"kseaf\",\"key\":\"" NOUGHT_32 "\",\"snn\":\"" snn "\"}"
	static const char *const right[] = {KSEAF("5G:mnc001.mcc001.3gppnetwork.org"),
		KSEAF("5G:mnc410.mcc310.3gppnetwork.org:000007ed9d5"), KSEAF("5G:NSWO"),
		"{\"algorithm\":\"kseaf\",\"key\":\"" NOUGHT_32
		"\",\"mcc\":\"001\",\"mnc\":\"01\"}"};
	static const char *const wrong[] = {KSEAF("5G:mnc01.mcc001.3gppnetwork.org"),
		KSEAF("mnc001.mcc001.3gppnetwork.org"), KSEAF("5G:mnc001.mcc001.3gppnetwork.orga"),
		KSEAF("5G:mnc001.mcc001.3gppnetwork.or"), KSEAF("5G:mcc001.mnc001.3gppnetwork.org"),
		KSEAF("5G:mnc0a1.mcc001.3gppnetwork.org"), KSEAF("5")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		holds(right[i], "\"kseaf\":\"");
		assert_null(strstr(answer(), "warning"));
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		holds(wrong[i], "\"kseaf\":\"");
		assert_non_null(strstr(answer(), "\"warning\":\"snn is taken as it is"));
	}
	holds("{\"algorithm\":\"xor\"," SET_1 ",\"snn\":\"5G:x\"}", "has K; snn is taken");
#undef KSEAF
}

/* [TS 35.206 §5.3] */
static void own_constants_change_what_they_should(void **state)
{
	(void)state;
	holds(MILENAGE OPC_1 ",\"r\":[64,0,32,64,96]}",
		"\"ik\":\"f769bcd751044604127672711c6d3441\"");
	assert_false(failed(run(MILENAGE OPC_1 ",\"r\":[64,0,32,65,96]}")));
	assert_null(strstr(answer(), "f769bcd751044604127672711c6d3441"));
	assert_non_null(strstr(answer(), "\"ck\":\"b40ba9a3c58b2a05bbf0d987b21bf8cb\""));
}

static void those_to_be_replaced_come_with_a_warning(void **state)
{
	(void)state;
	holds("{\"algorithm\":\"comp128v2\"," SET_1 "}",
		"\"warning\":\"COMP128v2 is for migration");
	holds("{\"algorithm\":\"xor\"," SET_1 "}", "\"warning\":\"XOR is for test cards");
	assert_false(failed(run(MILENAGE OPC_1 "}")));
	assert_null(strstr(answer(), "warning"));
}

static void the_list_names_each_word_once(void **state)
{
	struct compute_listed a, b;
	size_t count = 0;

	(void)state;
	for (; compute_list(count, &a); count++) {
		assert_non_null(a.word);
		assert_true(strlen(a.needs) + 1 < sizeof a.needs &&
			    strlen(a.gives) + 1 < sizeof a.gives);
		for (size_t j = 0; j < count; j++) {
			assert_true(compute_list(j, &b));
			assert_false(compute_word_equal(a.word, span_str(b.word)));
		}
	}
	assert_true(count > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(milenage_answers_with_the_standards_names),
		cmocka_unit_test(what_is_not_given_is_not_computed),
		cmocka_unit_test(a_serving_network_brings_its_keys),
		cmocka_unit_test(derivations_have_names_of_their_own),
		cmocka_unit_test(auts_is_made_and_opened),
		cmocka_unit_test(what_disagrees_is_refused),
		cmocka_unit_test(a_missing_or_wrong_member_is_named),
		cmocka_unit_test(a_size_that_nothing_follows_from_is_told),
		cmocka_unit_test(concealed_numbers_that_disagree_are_refused),
		cmocka_unit_test(comp128v1_is_refused_before_all_else),
		cmocka_unit_test(eap_aka_prime_is_found_by_its_names),
		cmocka_unit_test(an_sn_name_with_two_digits_comes_with_a_warning),
		cmocka_unit_test(own_constants_change_what_they_should),
		cmocka_unit_test(those_to_be_replaced_come_with_a_warning),
		cmocka_unit_test(the_list_names_each_word_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
