// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Vectors, triplets and AUTS with each algorithm, and who is refused. */
#include "auc/aka.h"
#include "auc/resync.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct auc_algorithms test_network(void)
{
	return (struct auc_algorithms){.engine = aes128_engine(), .is_xor_allowed = true};
}

static struct auc_keys keys_of(uint8_t algorithm, const char *k, const char *op)
{
	struct auc_keys keys = {.algorithm = algorithm,
		.k_len = (uint8_t)(strlen(k) / 2),
		.opc_len = (uint8_t)auc_opc_octets(algorithm)};

	assert_true(hex_to_span(span_mut_of(keys.k, keys.k_len), k));
	assert_true(hex_to_span(span_mut_of(keys.opc, keys.opc_len), op));
	return keys;
}

static void is_hex(const uint8_t *at, size_t len, const char *right)
{
	char hex[2 * AUTH_KEY + 1];

	hex_from_span(hex, span_of(at, len));
	assert_string_equal(hex, right);
}

static struct auth_vector computed(const struct auc_keys *keys, const char *rand, uint64_t sqn)
{
	const struct auc_algorithms algorithms = test_network();
	struct auth_vector v;

	memset(&v, 0xee, sizeof v); /* nothing of it is left */
	assert_true(hex_to_span(SPAN_MUT_ARRAY(v.rand), rand));
	assert_false(failed(vector_compute(&algorithms, keys, sqn, AUTH_EPS, &v)));
	return v;
}

/* [TS 35.233 §6.3], with AMF ffff; RES of 64 and 128 bits by an independent implementation. */
static void tuak_gives_quintuplets_with_each_length_of_res(void **state)
{
	static const struct {
		uint8_t octets;
		const char *autn, *res, *ck, *ik, *sres, *kc;
	} rows[] = {
		{4, "608e0f8a8145fffff9a54e6aeaa8618d", "657acd64",
			"d71a1e5c6caffe986a26f783e5c78be1", "be849fa2564f869aecee6f62d4337e72",
			"657acd64", "ef56191f0b148d91"},
		{8, "bbc306548b74fffff9a54e6aeaa8618d", "7abd06d3fff7f634",
			"144269a4bd882a02026ddbb13243404b", "52c2ecdcb90878d9eaa7ae82add046c0",
			"854af0e7", "ae4af04b9b135450"},
		{16, "7d5f4aa81d41fffff9a54e6aeaa8618d", "eb0e7c45323c7e5952bb077be7300a10",
			"b5f8aedf2b5db5f8edb098dfe9f01264", "bc29f8739f47287659256ff2fca4c307",
			"6cb90f77", "bd44a181a14e4ced"},
	};
	const struct auc_algorithms algorithms = test_network();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct auc_keys keys = keys_of(AUC_TUAK, "abababababababababababababababab",
			"5555555555555555555555555555555555555555555555555555555555555555");
		memset(keys.amf, 0xff, sizeof keys.amf);
		keys.res_octets = rows[i].octets;
		keys.iterations = 1;
		assert_false(failed(auc_keys_derive_opc(&algorithms, &keys)));
		is_hex(keys.opc, 16, "bd04d9530e87513c5d837ac2ad954623");
		const struct auth_vector v = computed(
			&keys, "42424242424242424242424242424242", UINT64_C(0x111111111111));
		assert_false(v.is_triplet);
		is_hex(v.autn, AUTH_AUTN, rows[i].autn);
		is_hex(v.res, v.res_len, rows[i].res);
		is_hex(v.ck, AUTH_KEY, rows[i].ck);
		is_hex(v.ik, AUTH_KEY, rows[i].ik);
		is_hex(v.sres, AUTH_SRES, rows[i].sres);
		is_hex(v.kc, AUTH_KC, rows[i].kc);
	}
}

static void is_triplet_alone(const struct auth_vector *v)
{
	static const struct auth_vector none;

	assert_true(v->is_triplet);
	assert_int_equal(v->res_len, 0);
	assert_memory_equal(v->autn, none.autn, sizeof none.autn);
	assert_memory_equal(v->res, none.res, sizeof none.res);
	assert_memory_equal(v->ck, none.ck, sizeof none.ck);
	assert_memory_equal(v->ik, none.ik, sizeof none.ik);
}

/* [TS 55.205]: sets 1 and 2, SRES#1 */
static void gsm_milenage_gives_triplets_alone(void **state)
{
	const struct auc_algorithms algorithms = test_network();
	struct auc_keys keys = keys_of(AUC_GSM_MILENAGE, "465b5ce8b199b49faa5f0a2ee238a6bc",
		"cdc202d5123e20f62b6d676ac72cb318");

	(void)state;
	assert_false(failed(auc_keys_derive_opc(&algorithms, &keys)));
	struct auth_vector v = computed(&keys, "23553cbe9637a89d218ae64dae47bf35", 77);
	is_triplet_alone(&v);
	is_hex(v.sres, AUTH_SRES, "46f8416a");
	is_hex(v.kc, AUTH_KC, "eae4be823af9a08b");
	keys = keys_of(AUC_GSM_MILENAGE, "fec86ba6eb707ed08905757b1bb44b8f",
		"1006020f0a478bf6b699f15c062e42b3");
	v = computed(&keys, "9f7c8d021accf4db213ccff0c7f71a6a", 77);
	is_hex(v.sres, AUTH_SRES, "8c308a5e");
	is_hex(v.kc, AUTH_KC, "aa01739b8caa976d");
}

static void comp128_gives_triplets_alone(void **state)
{
	struct auc_keys keys = keys_of(AUC_COMP128_V2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "");

	(void)state;
	struct auth_vector v = computed(&keys, "00000000000000000000000000000000", 77);
	is_triplet_alone(&v);
	is_hex(v.sres, AUTH_SRES, "34b4225b");
	is_hex(v.kc, AUTH_KC, "f16b96e118a85800");
	keys.algorithm = AUC_COMP128_V3;
	v = computed(&keys, "00000000000000000000000000000000", 77);
	is_hex(v.kc, AUTH_KC, "f16b96e118a85986");
}

/* [TS 34.108 §8.1.2] */
static void xor_is_for_those_who_allow_it(void **state)
{
	struct auc_algorithms algorithms = test_network();
	struct auc_keys keys = keys_of(AUC_XOR, "00112233445566778899aabbccddeeff", "");
	struct auth_vector v;
	uint8_t auts[AUTH_AUTS];
	uint64_t sqn_ms;

	(void)state;
	memcpy(keys.amf, (const uint8_t[]){0x90, 0x01}, sizeof keys.amf);
	v = computed(&keys, "f96ae36e2d65fa8464c498ffc830380f", 0x12d9);
	is_hex(v.res, v.res_len, "f97bc15d69309cf3");
	is_hex(v.ck, AUTH_KEY, "7bc15d69309cf3ec5d324404edd6f0f9");
	is_hex(v.ik, AUTH_KEY, "c15d69309cf3ec5d324404edd6f0f97b");
	is_hex(v.autn, AUTH_AUTN, "5d69309ce1359001f97bc15d7be90cf2");
	/* AUTS of the same SQN: AK, and MAC over AMF 0, by hand. */
	assert_true(hex_to_span(SPAN_MUT_ARRAY(auts), "5d69309ce135f97bc15d7be99cf3"));
	assert_false(failed(resync_open(&algorithms, &keys, v.rand, auts, &sqn_ms)));
	assert_int_equal(sqn_ms, 0x12d9);
	algorithms.is_xor_allowed = false;
	assert_non_null(auc_keys_refusal(&algorithms, &keys));
	assert_int_equal(vector_compute(&algorithms, &keys, 1, AUTH_EPS, &v).kind, ERR_VERSION);
	assert_int_equal(auc_keys_derive_opc(&algorithms, &keys).kind, ERR_VERSION);
	assert_int_equal(
		resync_open(&algorithms, &keys, v.rand, v.autn, &sqn_ms).kind, ERR_VERSION);
}

/* TS 51.010-1 Annex 4 */
static void xor_of_gsm_takes_what_stands_there(void **state)
{
	uint8_t k[XOR_OCTETS], rand[AUTH_RAND], sres[AUTH_SRES], kc[AUTH_KC];

	(void)state;
	assert_true(hex_to_span(SPAN_MUT_ARRAY(k), "000102030405060708090a0b0c0d0e0f"));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(rand), "00102030405060708090a0b0c0d0e0f0"));
	xor_2g_compute(k, rand, sres, kc);
	is_hex(sres, sizeof sres, "00112233");
	is_hex(kc, sizeof kc, "445566778899aabb");
}

/* [TS 33.102 §6.3.3]: with every algorithm that has AUTS, a card's is opened, and no other. */
static void auts_is_opened_with_each_algorithm(void **state)
{
	static const uint8_t algorithms_with[] = {AUC_MILENAGE, AUC_TUAK, AUC_XOR};
	static const uint8_t amf[AMF_OCTETS];
	const struct auc_algorithms algorithms = test_network();
	const uint8_t rand[AUTH_RAND] = {7}, sqn[SQN_OCTETS] = {1, 2, 3, 4, 5, 6};
	uint8_t auts[AUTH_AUTS];
	uint64_t sqn_ms;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithms_with); i++) {
		struct auc_keys keys = {.algorithm = algorithms_with[i],
			.k_len = 16,
			.k = {9},
			.opc = {8},
			.res_octets = 8,
			.iterations = 1};
		aka_ak_star(&algorithms, &keys, rand, auts);
		for (size_t j = 0; j < SQN_OCTETS; j++)
			auts[j] ^= sqn[j];
		aka_mac_s(&algorithms, &keys, rand, sqn, amf, auts + SQN_OCTETS);
		assert_false(failed(resync_open(&algorithms, &keys, rand, auts, &sqn_ms)));
		assert_true(sqn_ms == UINT64_C(0x010203040506));
		auts[13] ^= 1;
		assert_int_equal(
			resync_open(&algorithms, &keys, rand, auts, &sqn_ms).kind, ERR_AUTH);
		assert_int_equal(sqn_ms, 0);
	}
}

/* [TS 35.233 §6.3]: f5* and, with AMF 0, f1* of a card with TUAK, by an independent implementation. */
static void tuak_auts_is_as_computed_elsewhere(void **state)
{
	const struct auc_algorithms algorithms = test_network();
	struct auc_keys keys = keys_of(AUC_TUAK, "abababababababababababababababab",
		"bd04d9530e87513c5d837ac2ad954623a8e2330c115305a73eb45d1f40cccbff");
	uint8_t rand[AUTH_RAND], auts[AUTH_AUTS];
	uint64_t sqn_ms;

	(void)state;
	keys.res_octets = 4;
	keys.iterations = 1;
	memset(rand, 0x42, sizeof rand);
	/* 000000000123 xor e7af6b3d0e38 || f1* */
	assert_true(hex_to_span(SPAN_MUT_ARRAY(auts), "e7af6b3d0f1b92d15421a8f15eaa"));
	assert_false(failed(resync_open(&algorithms, &keys, rand, auts, &sqn_ms)));
	assert_int_equal(sqn_ms, 0x123);
}

static void a_subscriber_of_triplets_has_no_auts(void **state)
{
	static const uint8_t alone[] = {AUC_GSM_MILENAGE, AUC_COMP128_V2, AUC_COMP128_V3};
	const struct auc_algorithms algorithms = test_network();
	const uint8_t rand[AUTH_RAND] = {7}, auts[AUTH_AUTS] = {1};
	uint64_t sqn_ms = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
		const struct auc_keys keys = {.algorithm = alone[i], .k_len = 16};
		assert_int_equal(
			resync_open(&algorithms, &keys, rand, auts, &sqn_ms).kind, ERR_STATE);
		assert_int_equal(sqn_ms, 0);
	}
}

/* [TS 35.206 §5.3] */
static void a_profile_is_used_where_it_is_and_refused_where_not(void **state)
{
	struct milenage_constants own = milenage_standard;
	struct auc_algorithms algorithms = test_network();
	struct auc_keys keys = {.algorithm = AUC_MILENAGE, .k_len = 16, .k = {1}, .opc = {2}};
	struct auth_vector standard = {.rand = {3}}, v = {.rand = {3}};

	(void)state;
	own.c[3][0] = 0x5a;
	algorithms.profiles[AUC_PROFILES_MAX - 1] = &own;
	assert_false(failed(vector_compute(&algorithms, &keys, 1, AUTH_EPS, &standard)));
	keys.profile = AUC_PROFILES_MAX - 1;
	assert_false(failed(vector_compute(&algorithms, &keys, 1, AUTH_EPS, &v)));
	assert_memory_equal(v.autn, standard.autn, sizeof v.autn);
	assert_memory_not_equal(v.ik, standard.ik, sizeof v.ik);
	for (unsigned i = 1; i < 256; i++) {
		keys.profile = (uint8_t)i;
		assert_int_equal(
			vector_compute(&algorithms, &keys, 1, AUTH_EPS, &v).kind == ERR_VERSION,
			i != AUC_PROFILES_MAX - 1);
	}
}

static void keys_that_make_no_sense_are_refused(void **state)
{
	static const struct auc_keys wrong[] = {{.algorithm = 0, .k_len = 16},
		{.algorithm = AUC_COMP128_V3 + 1, .k_len = 16},
		{.algorithm = AUC_MILENAGE, .k_len = 32},
		{.algorithm = AUC_COMP128_V2, .k_len = 15}, {.algorithm = AUC_XOR},
		{.algorithm = AUC_TUAK, .k_len = 16, .res_octets = 8},
		{.algorithm = AUC_TUAK, .k_len = 16, .res_octets = 32, .iterations = 1},
		{.algorithm = AUC_TUAK, .k_len = 24, .res_octets = 8, .iterations = 1}};
	const struct auc_algorithms algorithms = test_network();
	struct auth_vector v = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_non_null(auc_keys_refusal(&algorithms, &wrong[i]));
		assert_int_equal(
			vector_compute(&algorithms, &wrong[i], 1, AUTH_EPS, &v).kind, ERR_VERSION);
	}
}

static void those_to_be_replaced_come_with_a_warning(void **state)
{
	(void)state;
	for (uint8_t i = AUC_MILENAGE; i <= AUC_COMP128_V3; i++)
		assert_int_equal(auc_algorithm_warning(i) != NULL, i >= AUC_XOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tuak_gives_quintuplets_with_each_length_of_res),
		cmocka_unit_test(gsm_milenage_gives_triplets_alone),
		cmocka_unit_test(comp128_gives_triplets_alone),
		cmocka_unit_test(xor_is_for_those_who_allow_it),
		cmocka_unit_test(xor_of_gsm_takes_what_stands_there),
		cmocka_unit_test(auts_is_opened_with_each_algorithm),
		cmocka_unit_test(tuak_auts_is_as_computed_elsewhere),
		cmocka_unit_test(a_subscriber_of_triplets_has_no_auts),
		cmocka_unit_test(a_profile_is_used_where_it_is_and_refused_where_not),
		cmocka_unit_test(keys_that_make_no_sense_are_refused),
		cmocka_unit_test(those_to_be_replaced_come_with_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
