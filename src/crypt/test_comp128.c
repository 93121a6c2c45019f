// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/span.h"
#include "crypt/comp128.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* There is no official test data; two independent implementations in the field agree on these. */
static const struct {
	int version;
	const char *k, *rand, *sres, *kc;
} cases[] = {
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "00000000000000000000000000000000", "34b4225b",
		"f16b96e118a85800"},
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ccb8caa7dc27af527f75385bc9cc943a", "2a43b559",
		"362a6dded82e4800"},
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "eb41290abede397978c898b02219908d", "5eb704a7",
		"37fd1c97848cc400"},
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "8c901d0043f0660c0a9bc60171abdab8", "148a92ff",
		"28dbb5cb7012dc00"},
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "6d2ff6cd3c9a5038b9b33755c6ddb410", "4a047503",
		"796c5af0a83d7800"},
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "75ef82fbcc14256470722fadf3776ae5", "cd3dde9a",
		"a2529dd7a8c8f800"},
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "4809694a853437cebc1430403f2c0ac1", "8b52048d",
		"ace2b2426e64d400"},
	{2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "4a68c3fbd3a74468d486308dd1412d31", "77249441",
		"df2502778ff3e400"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "00000000000000000000000000000000", "34b4225b",
		"f16b96e118a85986"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "fa3c9311948c43a88a81f9f151218628", "dcaa5f8a",
		"bae6fd1fe3d994a9"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a6d10f7561451f50b85255ad5bd912d3", "66862241",
		"4c3922d25727f3c7"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a5c0d212fd189818bed2b980cd771710", "21777b0f",
		"52239d696f7bee2f"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "c891c1dde6d0688136a82b79cb8dd541", "e6e6cbf5",
		"49bac1bcc230dc82"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1a7ef4a0f0c6f89dfa9020d69425b363", "bfa69834",
		"4e2ec5c260d3a3ca"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "fd49f0326311dc823d757f635197572e", "907e8d9e",
		"a29c29d0dd4fab21"},
	{3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "69cb46c66fec0563177c54a92389b55c", "266b6c7f",
		"eb0a70ed61325a02"},
};

static void known_answers_come_out(void **state)
{
	uint8_t k[COMP128_KEY], rand[COMP128_RAND], sres[COMP128_SRES], kc[COMP128_KC];
	uint8_t right[COMP128_SRES + COMP128_KC];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(hex_to_span(SPAN_MUT_ARRAY(k), cases[i].k));
		assert_true(hex_to_span(SPAN_MUT_ARRAY(rand), cases[i].rand));
		assert_true(hex_to_span(span_mut_of(right, COMP128_SRES), cases[i].sres));
		assert_true(
			hex_to_span(span_mut_of(right + COMP128_SRES, COMP128_KC), cases[i].kc));
		(cases[i].version == 2 ? comp128_v2 : comp128_v3)(k, rand, sres, kc);
		assert_memory_equal(sres, right, COMP128_SRES);
		assert_memory_equal(kc, right + COMP128_SRES, COMP128_KC);
	}
}

/* Version 2 is version 3 with ten bits of Kc zero. */
static void version_2_has_54_bits_of_kc(void **state)
{
	uint8_t k[COMP128_KEY] = {1}, rand[COMP128_RAND] = {2}, sres[2][COMP128_SRES],
		kc[2][COMP128_KC];

	(void)state;
	comp128_v2(k, rand, sres[0], kc[0]);
	comp128_v3(k, rand, sres[1], kc[1]);
	assert_memory_equal(sres[0], sres[1], COMP128_SRES);
	assert_memory_equal(kc[0], kc[1], COMP128_KC - 2);
	assert_int_equal(kc[0][6], kc[1][6] & 0xfc);
	assert_int_equal(kc[0][7], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers_come_out),
		cmocka_unit_test(version_2_has_54_bits_of_kc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
