// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/span.h"
#include "crypt/keccak.h"
#include "crypt/tuak.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Implementers' test data [TS 35.232] */
static const struct {
	const char *in, *out;
} permutations[] = {
	{"2476d2dac59e2e9349df3255a9dab1b69eb5c208f151c7309e8c8f17db456d0b5eb0afb6c73e37ce"
	 "8ccccf20b79d8a67294149174809e429709330c4ad231d3e5211ae0bd80520c43ad4b436625792a7"
	 "6c52089d0f739271151a37594df66de4429f3c970a3456b6ce2c78cd1128717f4bdb731a4c97dbe5"
	 "eb7353fe81e37c33ac60b82122eac611a98e0e7442b99964752293e4f9c696ba05f07a21451f9073"
	 "0c9678c645ad4be44c4d2d981a3412081c9c6b05c993ff1c561a0d242b4706d501c34765b37a0b50",
		"2fdc58d4d94a884c1cb03a8e63acab8375e856b561ba3a0625e830acdb55734286646f87189b4354"
		"25b5d6654e228228b697b81cbead655b71aaccc25e3d7e51b5cb5ac227f67f2ad8a062976782b08a"
		"7ec3f1b538d6008c0babef83da64366b62a53f88a3dc0629bded795f3220f3c65c76bdd01243e88f"
		"63d6912e5fb5cda167b71f9baaa742dc193ff78c1767a38a1c96408cce169239b077f2903a07b8c4"
		"6a048d66318e595ea4bb92992c7c2d3dcd381975b6e05f85ba18152096cc30ed22140ff3b6711ea7"},
	{"80000000000000000000000000000000000000000000000000000000000000000000000000000000"
	 "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	 "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	 "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
	 "00000000000000000000000000000000000000000000000000000000000000000000000000000000",
		"44e0e58ca968975c4c2592a157f53f2124519b010b89e15e301ef58f76501db59cde067f1fde09c0"
		"a4b5c210a6a19f06ba4c8f0c6fc868f0fc80a63b2553791e41c82278ad115efc70f71d641ff0774a"
		"a5d547b6d9914914022c514c45fceca61cb66b0f0313e34988ae0d36737e2c0529907fe653fc4e18"
		"5d07f3961f826bb88031af844d9e7d9876170363fde76786c58ccbcf5c3a01bb914c1b0208a27c7b"
		"e3bbbbbb9976e040317afc2afbfadc7ba7fc237235c65551aa3139641fa8db2e6483f28740b31b61"},
	{"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728"
	 "292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f50"
	 "5152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778"
	 "797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0"
	 "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8",
		"5dd0e3dd9e46db2187a9e1a444427d7a832fef29913990e015ea8d1f3f1fa6413ffbbc586f5a4d69"
		"4dd60668fbf3b4bbda4945c9ea0cbee211735ebfa8399b613aff34d1dd47fa398c78f48a91a6657d"
		"29036c87f7735f43e2abb76a135045b70e42c59d809214a4cd301f1857300a55d01d32365b6abda5"
		"1ead7541db7beddc46e485727c3b2b5d83b59e5a7a62e0131614ba0d7bfacd4eba716232808859f0"
		"03855f5c47010a50e1262f9e9e812e6cb3dd52d9adb7be1910427634025231968de0b43fa24b4b3e"},
};

/* [TS 35.233 §6.3 to §6.8]: all six sets. Lengths follow from the figures. */
static const struct published {
	const char *set, *k, *top, *rand, *sqn, *amf;
	unsigned iterations;
	const char *topc, *f1, *f1_star, *f2, *f3, *f4, *f5, *f5_star;
} sets[] = {
	{"TS 35.233 Section 6.3 Test Set 1", "abababababababababababababababab",
		"5555555555555555555555555555555555555555555555555555555555555555",
		"42424242424242424242424242424242", "111111111111", "ffff", 1,
		"bd04d9530e87513c5d837ac2ad954623a8e2330c115305a73eb45d1f40cccbff",
		"f9a54e6aeaa8618d", "e94b4dc6c7297df3", "657acd64",
		"d71a1e5c6caffe986a26f783e5c78be1", "be849fa2564f869aecee6f62d4337e72",
		"719f1e9b9054", "e7af6b3d0e38"},
	{"TS 35.233 Section 6.4 Test Set 2",
		"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0",
		"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
		"0123456789abcdef0123456789abcdef", "0123456789ab", "abcd", 1,
		"305425427e18c503c8a4b294ea72c95d0c36c6c6b29d0c65de5974d5977f8524",
		"c0b8c2d4148ec7aa5f1d78a97e4d1d58", "ef81af7290f7842c6ceafa537fa0745b",
		"e9d749dc4eea0035", "a4cb6f6529ab17f8337f27baa8234d47",
		"2274155ccf4199d5e2abcbf621907f90", "480a9345cc1e", "f84eb338848c"},
	{"TS 35.233 Section 6.5 Test Set 3",
		"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0",
		"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
		"0123456789abcdef0123456789abcdef", "0123456789ab", "abcd", 1,
		"305425427e18c503c8a4b294ea72c95d0c36c6c6b29d0c65de5974d5977f8524",
		"d97b75a1776065271b1e212bc3b1bf173f438b21e6c64a55a96c372e085e5cc5",
		"427bbf07c6e3a86c54f8c5216499f3909a6fd4a164c9fe235b1550258111b821",
		"07021c73e7635c7d", "4d59ac796834eb85d11fa148a5058c3c",
		"126d47500136fdc5ddfd14f19ebf16749ce4b6435323fbb5715a3a796a6082bd", "1d6622c4e59a",
		"f84eb338848c"},
	{"TS 35.233 Section 6.6 Test Set 4", "b8da837a50652d6ac7c97da14f6acc61",
		"0952be13556c32ebc58195d9dd930493e12a9003669988ffde5fa1f0fe35cc01",
		"6887e55425a966bd86c9661a5fa72be8", "0dea2ee2c5af", "df1e", 1,
		"2bc16eb657a68e1f446f08f57c0efb1d493527a2e652ce281eb6ca0e4487760a",
		"749214087958dd8f58bfcdf869d8ae3f", "619e865afe80e382aee13063f9dfb56d",
		"4041ce438e3e38e8aa96562eed83ac43", "3e3bc01bea0cd914c4c2c83ce2d92757",
		"666a8e6f577b1aa77b7fd53cebb8a3d6", "1f880d005119", "45e617d77fe5"},
};

static void same(const uint8_t *at, const char *hex)
{
	uint8_t right[TUAK_LONG];
	const size_t len = strlen(hex) / 2;

	assert_true(hex_to_span(span_mut_of(right, len), hex));
	assert_memory_equal(at, right, len);
}

/* [FIPS 202 §3.3] */
static void the_permutation_is_as_published(void **state)
{
	union {
		uint8_t octets[KECCAK_OCTETS];
		uint64_t lanes[KECCAK_LANES];
	} s;
	uint8_t right[KECCAK_OCTETS];

	(void)state;
	for (size_t i = 0; i < sizeof permutations / sizeof permutations[0]; i++) {
		assert_true(hex_to_span(SPAN_MUT_ARRAY(s.octets), permutations[i].in));
		assert_true(hex_to_span(SPAN_MUT_ARRAY(right), permutations[i].out));
		keccak_f1600(s.lanes);
		assert_memory_equal(s.octets, right, sizeof right);
	}
}

static void check(const struct published *p)
{
	uint8_t k[32], top[32], topc[32], rand[16], sqn[6], amf[2];
	const struct tuak t = {.k = k,
		.topc = topc,
		.lengths = {.k = (uint8_t)(strlen(p->k) / 2),
			.mac = (uint8_t)(strlen(p->f1) / 2),
			.res = (uint8_t)(strlen(p->f2) / 2),
			.ck = (uint8_t)(strlen(p->f3) / 2),
			.ik = (uint8_t)(strlen(p->f4) / 2)},
		.iterations = p->iterations};
	struct tuak_output out;

	assert_false(failed(tuak_check(&t)));
	assert_true(hex_to_span(span_mut_of(k, t.lengths.k), p->k));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(top), p->top));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(rand), p->rand));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(sqn), p->sqn));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(amf), p->amf));
	tuak_topc(&t, top, topc);
	same(topc, p->topc);
	tuak_f1(&t, rand, sqn, amf, &out);
	tuak_f1_star(&t, rand, sqn, amf, &out);
	tuak_f2345(&t, rand, &out);
	tuak_f5_star(&t, rand, &out);
	same(out.mac_a, p->f1);
	same(out.mac_s, p->f1_star);
	same(out.res, p->f2);
	same(out.ck, p->f3);
	same(out.ik, p->f4);
	same(out.ak, p->f5);
	same(out.ak_star, p->f5_star);
}

/* [TS 35.231 §6] */
static void published_sets_come_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		check(&sets[i]);
}

/* [TS 35.231 §5.1] */
static void lengths_that_the_standard_lacks_are_refused(void **state)
{
	const struct tuak right = {
		.lengths = {.k = 16, .mac = 8, .res = 8, .ck = 16, .ik = 16}, .iterations = 1};
	struct tuak t = right;

	(void)state;
	assert_false(failed(tuak_check(&t)));
	t.iterations = 0;
	assert_int_equal(tuak_check(&t).kind, ERR_INPUT);
	for (size_t field = 0; field < sizeof t.lengths; field++) {
		for (unsigned octets = 0; octets < 256; octets++) {
			const bool is_right = octets == 32 || (octets == 16) ||
					      (octets == 8 && (field == 1 || field == 2)) ||
					      (octets == 4 && field == 2);
			t = right;
			((uint8_t *)&t.lengths)[field] = (uint8_t)octets;
			assert_int_equal(failed(tuak_check(&t)), !is_right);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_permutation_is_as_published),
		cmocka_unit_test(published_sets_come_out),
		cmocka_unit_test(lengths_that_the_standard_lacks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
