// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "auc/derive.h"
#include "crypt/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/*
 * Values that other projects publish with their tests; where none was found, FC and parameters as the
 * clause has them, put through the HMAC of another library.
 */
static const struct {
	enum derivation which;
	const char *source, *key, *p[KDF_PARAMETERS_MAX], *out;
} rows[] = {
	{DERIVE_KASME, "Open5GS tests/unit/security-test.c security_test3",
		"b40ba9a3c58b2a05bbf0d987b21bf8cbf769bcd751044604127672711c6d3441",
		{"024830", "57e673245c0d"},
		"238e457e0f758badbca8d34bb2612c10428d426757cb5553b2b184fa64bfc549"},
	{DERIVE_KASME, "srsRAN_4G lib/test/common/test_security_kdf.cc test_generate_k_asme",
		"7bc15d69309cf3ec5d324404edd6f0f9c15d69309cf3ec5d324404edd6f0f97b",
		{"00f110", "5d69309ce135"},
		"d5ef4d8f33266902295d42f322a2f2cf11fb2ccc124c09b4d88d361597037990"},
	{DERIVE_EPS_ALGORITHM, "srsRAN test_generate_k_nas",
		"d5ef4d8f33266902295d42f322a2f2cf11fb2ccc124c09b4d88d361597037990", {"01", "00"},
		"cf7a27beab1e78bf5bb1f95b05829a72e4cf7fecbad4b8c37db4a190e119225c"},
	{DERIVE_EPS_ALGORITHM, "srsRAN test_generate_k_nas",
		"d5ef4d8f33266902295d42f322a2f2cf11fb2ccc124c09b4d88d361597037990", {"02", "01"},
		"b855871d17d4a717e931d9a6069c6e54b79408e243dd367dc8c6392295b3b451"},
	{DERIVE_KENB, "srsRAN test_generate_k_enb",
		"6144c681d1bea9dae1b8cf6cd10a686341db8046a1e7a9ab4d1ea0e33c994ac0", {"00000000"},
		"c4c7bc798ab94e3d354cd6608e79aa92f5569df46519507850051e36f018ca5f"},
	{DERIVE_NH, "srsRAN test_generate_k_nh",
		"d5ef4d8f33266902295d42f322a2f2cf11fb2ccc124c09b4d88d361597037990",
		{"0000000000000000000000000000000000000000000000000000000000000012"},
		"c855866413071b74aba01c132b943e7698aa5c11760d9bb1162ab313b11c6051"},
	{DERIVE_RES_STAR, "srsRAN test_generate_res_star",
		"3cba902575ed80cbfa3625aff09daffcba902575ed80cbfa3625aff09daffc3c",
		{"35473a6d6e633030312e6d63633030312e336770706e6574776f726b2e6f7267",
			"fc2d98a361208bf743639c9e632d7350", "fc3cba902575ed80"},
		"b0e35b23dbd7a18c848bfad91135e3fd"},
	{DERIVE_KAUSF, "srsRAN test_generate_k_ausf",
		"561e05efbdf2efeb2d558f041c53c44501e0f2f5535431312d57279814cfcd89",
		{"35473a6d6e633037302e6d63633930312e336770706e6574776f726b2e6f7267",
			"305eb06b7307"},
		"a2ceb20f7928bf154d4b548aee6d10a97601847fd72d2bc901982c086ea0f346"},
	{DERIVE_KSEAF, "srsRAN test_generate_k_seaf",
		"d9c8ff91b69e250e256e92466acf80a1d82b65f094b7c071199c0312e067ff3b",
		{"35473a6d6e633037302e6d63633930312e336770706e6574776f726b2e6f7267"},
		"6c50bfa5f32a89ade1ee6c707de6dcfea0790afb6d14f9e55943aeda58334548"},
	{DERIVE_KAMF, "srsRAN test_generate_k_amf",
		"6c50bfa5f32a89ade1ee6c707de6dcfea0790afb6d14f9e55943aeda58334548",
		{"393031373030303030303231333039", "0000"},
		"46237ef051d6a16a3927525fa65cc39544cdfd7990b946ad796530e6d787a0da"},
	{DERIVE_KAMF, "srsRAN test_generate_k_amf_2",
		"302ab7c94fae97e043b370d3eb1f5468f6a1d455d656a4cab351eacfb9f7e136",
		{"303031303130313233343536373830", "0000"},
		"8f2a5d6c12608d8a0a8d330a719dee07226b47417b661af58490eab07aa437a4"},
	{DERIVE_5G_ALGORITHM, "srsRAN test_generate_nas_5g",
		"7d861852b42a86b596fe22c8f50b9b895a1e21716b61b8d122785e25bafc0d07", {"01", "00"},
		"83856a0181595521c9d32a193f59c8a8fc7e99b98b8c04201f4f9d81433b6b38"},
	{DERIVE_5G_ALGORITHM, "srsRAN test_generate_nas_5g",
		"7d861852b42a86b596fe22c8f50b9b895a1e21716b61b8d122785e25bafc0d07", {"02", "02"},
		"25c58e27e7d2c495f3d735293a82bffaa53ee884b98d366b0289231ec4191ed3"},
	{DERIVE_KGNB, "srsRAN test_generate_k_gnb",
		"d655f16142035d4d72ca39583d228d2dd2ec0ca7929ad007f53b382d05544405",
		{"00000000", "01"},
		"493a16c58b77b627fa3f1ac6344c183039f01ba0cb7636bbccc4365b023bd562"},
	{DERIVE_CK_IK_PRIME, "RFC 9048 Appendix E",
		"5349fbe098649f948f5d2e973a81c00f9744871ad32bf9bbd1dd5ce54e3e2e5a",
		{"574c414e", "bb52e91c747a"},
		"0093962d0dd84aa5684b045c9edffa04ccfc230ca74fcc96c0a5d61164f5a76c"},
	{DERIVE_CK_IK_PRIME, "RFC 9048 Appendix E",
		"5349fbe098649f948f5d2e973a81c00f9744871ad32bf9bbd1dd5ce54e3e2e5a",
		{"48525044", "bb52e91c747a"},
		"3820f0277fa5f77732b1fb1d90c1a0dadb94a0ab557ef6c9ab48619ca05b9a9f"},
	{DERIVE_CK_IK_PRIME, "RFC 9048 Appendix E",
		"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0",
		{"574c414e", "a0a0a0a0a0a0"},
		"cd4c8e5c68f57dd1d7d7dfd0c538e5773ece6b705dbbf7dfc459a11280c65524"},
	{DERIVE_CK_IK_PRIME, "RFC 9048 Appendix E",
		"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0",
		{"48525044", "a0a0a0a0a0a0"},
		"8310a71ce6f754889613da8f64d5fb465adf14360ae838192db23f6fcb7f8c76"},
	{DERIVE_KENB_STAR, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"0102", "0304"},
		"1b26a07db4b967ea8738a85520be105f528fbd7ed7049599aad032dfc825cfc7"},
	{DERIVE_KENB_STAR, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"0102", "010304"},
		"75197a950c2025a49d0fac563a0219cc463873e7aa11f841121fb004e9293c4a"},
	{DERIVE_CK_IK_HANDOVER, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"3a36c566c810adfe8bf566cbe5371f738f6f58beeae814356b13b96987706fa2"},
	{DERIVE_NAS_TOKEN, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"90795ae1a7f1b63eabeedfbd6bc8daec01857ffda73aa291e6042eeec868c16b"},
	{DERIVE_KASME_HANDOVER, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"75e0cb5870c1cb62d498f5f114b1236097bdd24bbf5d50a58f247bde83029aac"},
	{DERIVE_KASME_IDLE, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"01020304", "05060708"},
		"e240d901938d9610271687bdb72cdf290b31e72dd2fbdec7a985522e712da49d"},
	{DERIVE_CK_IK_SRVCC, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"4e1730370f7b7134c7b101bba49be272cbcfe700e3fa0640698d3216ce148c65"},
	{DERIVE_CK_IK_IDLE, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"f551b82136a00b759804643d94cc46a4ef037e52ad892bd046f69555db72ddd2"},
	{DERIVE_5G_NH, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
		"8a1fbe4794e8eee7ae1bdf4c8105008f943ff877bd312fccc9162e3f2eb559e5"},
	{DERIVE_KNG_RAN_STAR, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"0102", "030405"},
		"90f0005a58834f3a35db040713a5d24ad2421ca24a71e13983b386fe8e624417"},
	{DERIVE_KNG_RAN_STAR_NG, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"0102", "030405"},
		"f8897a15e9743d8f8ab23dd57a4077fb348eca4770ec5f9a1c0cf648ad45c5e0"},
	{DERIVE_KAMF_PRIME, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"01", "01020304"},
		"2154241c729f9ffdabcf0215fca05bb0cc1efb559aec57888f60b92550689d68"},
	{DERIVE_KASME_FROM_KAMF_IDLE, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"427112e2df88a6ddbb140960667748333b5fe90402d116fce7f80a4efd298df8"},
	{DERIVE_KASME_FROM_KAMF_HANDOVER, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"fd82f5e1b5f6ece2d3de7ea048249da94be27d26c7e1890c2eee3159bc495a49"},
	{DERIVE_KAMF_FROM_KASME_IDLE, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"01020304"},
		"143bac81f620e1a9f9ad5019ccf759d484c690af717690d37edc8c7bcc423b10"},
	{DERIVE_KAMF_FROM_KASME_HANDOVER, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
		"84d8428f125d0acd8e0265ee385e193385adfaf130fd537c4fcffe42cfec3bf4"},
	{DERIVE_KSN, "FC and parameters of the clause, HMAC of Python",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", {"0102"},
		"2416dc48224fcb78695a1ef9714c6efc783918f646ebe653c329eb68523b6692"},
};

/* [RFC 9048 Appendix E]: cases 1 to 4; K_encr, K_aut, K_re, MSK, EMSK in a row. */
static const struct {
	const char *identity, *ck_prime, *ik_prime, *mk;
} eap_cases[] = {
	{"0555444333222111", "0093962d0dd84aa5684b045c9edffa04", "ccfc230ca74fcc96c0a5d61164f5a76c",
		"766fa0a6c317174b812d52fbcd11a179"
		"0842ea722ff6835bfa2032499fc3ec23c2f0e388b4f07543ffc677f1696d71ea"
		"cf83aa8bc7e0aced892acc98e76a9b2095b558c7795c7094715cb3393aa7d17a"
		"67c42d9aa56c1b79e295e3459fc3d187d42be0bf818d3070e362c5e967a4d544"
		"e8ecfe19358ab3039aff03b7c930588c055babee58a02650b067ec4e9347c75a"
		"f861703cd775590e16c7679ea3874ada866311de290764d760cf76df647ea01c"
		"313f69924bdd7650ca9bac141ea075c4ef9e8029c0e290cdbad5638b63bc23fb"},
	{"0555444333222111", "3820f0277fa5f77732b1fb1d90c1a0da", "db94a0ab557ef6c9ab48619ca05b9a9f",
		"05ad73ac915fce89ac77e1520d82187b"
		"5b4acaef62c6ebb8882b2f3d534c4b35277337a00184f20ff25d224c04be2afd"
		"3f90bf5c6e5ef325ff04eb5ef6539fa8cca8398194fbd00be425b3f40dba10ac"
		"87b321570117cd6c95ab6c436fb5073ff15cf85505d2bc5bb7355fc21ea8a757"
		"57e8f86a2b138002e05752913bb43b82f868a96117e91a2d95f526677d572900"
		"c891d5f20f148a1007553e2dea555c9cb672e9675f4a66b4bafa027379f93aee"
		"539a5979d0a0042b9d2ae28bed3b17a31dc8ab75072b80bd0c1da612466e402c"},
	{"0555444333222111", "cd4c8e5c68f57dd1d7d7dfd0c538e577", "3ece6b705dbbf7dfc459a11280c65524",
		"897d302fa2847416488c28e20dcb7be4"
		"c40700e7722483ae3dc7139eb0b88bb558cb3081eccd057f9207d1286ee7dd53"
		"0a591a22dd8b5b1cf29e3d508c91dbbdb4aee23051892c42b6a2de66ea504473"
		"9f7dca9e37bb22029ed986e7cd09d4a70d1ac76d95535c5cac40a7504699bb89"
		"61a29ef6f3e90f183de5861ad1bedc81ce9916391b401aa006c98785a5756df7"
		"724de00bdb9e568187be3fe746114557d5018779537ee37f4d3c6c738cb97b9d"
		"c651bc19bfadc344ffe2b52ca78bd8316b51dacc5f2b1440cb9515521cc7ba23"},
	{"0555444333222111", "8310a71ce6f754889613da8f64d5fb46", "5adf14360ae838192db23f6fcb7f8c76",
		"745e7439ba238f50fcac4d15d47cd1d9"
		"3e1d2aa4e677025cfd862a4be18361a13a645765571463df833a9759e8099879"
		"99da835e2ae82462576fe6516fad1f802f0fa1191655dd0a273da96d04e0fcd3"
		"c6d3a6e0ceea951eb20d74f32c3061d0680a04b0b086ee8700ace3e0b95fa026"
		"83c287beee44432294ff98af26d2cc783bace75c4b0af7fdfeb5511ba8e4cbd0"
		"7fb56813838adafa99d140c2f198f6dacebfb6afee444961105402b508c7f363"
		"352cb2919644b50463e6a69354150147ae09cbc54b8a651d8787a6893ed8536d"},
};

/* [TS 33.401 §A.2 to §A.13], [TS 33.402 §A.2], [TS 33.501 §A.2 to §A.16] */
static void each_derivation_gives_what_others_computed(void **state)
{
	bool is_seen[DERIVATIONS] = {false};
	uint8_t key[DERIVE_KEY], octets[KDF_PARAMETERS_MAX][64], out[KDF_OCTETS], right[KDF_OCTETS];
	struct span p[KDF_PARAMETERS_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const size_t len = strlen(rows[i].out) / 2;
		const size_t kept = derivations[rows[i].which].kept;
		assert_true(hex_to_span(SPAN_MUT_ARRAY(key), rows[i].key));
		for (size_t j = 0; j < derivations[rows[i].which].parameters; j++) {
			p[j] = span_of(octets[j], strlen(rows[i].p[j]) / 2);
			assert_true(hex_to_span(span_mut_of(octets[j], p[j].len), rows[i].p[j]));
		}
		assert_true(hex_to_span(span_mut_of(right, len), rows[i].out));
		assert_false(failed(derive(rows[i].which, SPAN_ARRAY(key), p, out)));
		assert_true(len == KDF_OCTETS || len == kept);
		assert_memory_equal(out + KDF_OCTETS - len, right, len);
		is_seen[rows[i].which] = true;
	}
	for (size_t i = 0; i < DERIVATIONS; i++)
		assert_true(is_seen[i]);
}

/* [TS 33.220 §B.2.0]: no FC stands for two derivations. */
static void no_two_derivations_have_one_fc(void **state)
{
	(void)state;
	for (size_t i = 0; i < DERIVATIONS; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(derivations[i].fc, derivations[j].fc);
}

static void sizes_that_a_clause_lacks_are_refused(void **state)
{
	static const uint8_t zeros[256];
	uint8_t out[KDF_OCTETS];
	struct span p[KDF_PARAMETERS_MAX];

	(void)state;
	for (size_t i = 0; i < DERIVATIONS; i++) {
		const struct derivation_row *row = &derivations[i];
		for (size_t j = 0; j < row->parameters; j++)
			p[j] = span_of(zeros, row->sizes[j].max);
		assert_false(failed(derive((enum derivation)i, span_of(zeros, 32), p, out)));
		assert_int_equal(
			derive((enum derivation)i, span_of(zeros, 31), p, out).kind, ERR_INPUT);
		for (size_t j = 0; j < row->parameters; j++) {
			p[j].len = (size_t)row->sizes[j].max + 1;
			assert_int_equal(
				derive((enum derivation)i, span_of(zeros, 32), p, out).kind,
				ERR_INPUT);
			p[j].len = (size_t)row->sizes[j].min - 1;
			assert_int_equal(
				derive((enum derivation)i, span_of(zeros, 32), p, out).kind,
				ERR_INPUT);
			p[j].len = row->sizes[j].max;
		}
	}
}

/* [RFC 9048 §3.3], [RFC 9048 §3.4.1] */
static void the_keys_of_eap_aka_prime_come_out(void **state)
{
	uint8_t ck[AUTH_KEY], ik[AUTH_KEY];
	struct eap_aka_prime keys, right;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(eap_cases); i++) {
		assert_true(hex_to_span(SPAN_MUT_ARRAY(ck), eap_cases[i].ck_prime));
		assert_true(hex_to_span(SPAN_MUT_ARRAY(ik), eap_cases[i].ik_prime));
		assert_true(hex_to_span(span_mut_of(&right, sizeof right), eap_cases[i].mk));
		assert_false(failed(
			derive_eap_aka_prime(ck, ik, span_str(eap_cases[i].identity), &keys)));
		assert_memory_equal(&keys, &right, sizeof right);
	}
}

static void an_identity_has_a_limit(void **state)
{
	static const uint8_t zeros[256];
	struct eap_aka_prime keys;

	(void)state;
	assert_false(failed(derive_eap_aka_prime(zeros, zeros, span_of(zeros, 255), &keys)));
	assert_int_equal(
		derive_eap_aka_prime(zeros, zeros, span_of(zeros, 256), &keys).kind, ERR_INPUT);
}

static void a_kdf_and_a_prf_have_their_limits(void **state)
{
	static const uint8_t zeros[KDF_INPUT_MAX];
	static uint8_t long_out[PRF_PRIME_MAX + 1];
	const struct span fits = span_of(zeros, KDF_INPUT_MAX - 3),
			  over = span_of(zeros, KDF_INPUT_MAX - 2);
	uint8_t out[KDF_OCTETS];

	(void)state;
	assert_false(failed(kdf(span_of(zeros, 32), 1, &fits, 1, out)));
	assert_int_equal(kdf(span_of(zeros, 32), 1, &over, 1, out).kind, ERR_LIMIT);
	assert_false(failed(prf_prime(
		span_of(zeros, 32), span_of(zeros, 9), span_mut_of(long_out, PRF_PRIME_MAX))));
	assert_int_equal(
		prf_prime(span_of(zeros, 32), span_of(zeros, 9), SPAN_MUT_ARRAY(long_out)).kind,
		ERR_LIMIT);
	assert_int_equal(
		prf_prime(span_of(zeros, 32), SPAN_ARRAY(zeros), span_mut_of(long_out, 64)).kind,
		ERR_LIMIT);
}

/* [TS 33.501 §A.5] */
static void hres_star_is_the_last_half_of_the_digest(void **state)
{
	uint8_t s[32], digest[SHA256_OCTETS], hres_star[DERIVE_RES_STAR_OCTETS];

	(void)state;
	for (size_t i = 0; i < sizeof s; i++)
		s[i] = (uint8_t)(7 * i);
	assert_false(failed(sha256(SPAN_ARRAY(s), digest)));
	assert_false(failed(derive_hres_star(s, s + AUTH_RAND, hres_star)));
	assert_memory_equal(hres_star, digest + 16, sizeof hres_star);
}

/* [TS 33.102 §6.8.2.3]: Kc goes up to CK and IK, and by c3 down to itself again. */
static void kc_goes_up_to_ck_and_ik(void **state)
{
	const uint8_t kc[AUTH_KC] = {1, 2, 3, 4, 0x10, 0x20, 0x30, 0x40};
	const uint8_t right_ck[AUTH_KEY] = {
		1, 2, 3, 4, 0x10, 0x20, 0x30, 0x40, 1, 2, 3, 4, 0x10, 0x20, 0x30, 0x40};
	const uint8_t right_ik[AUTH_KEY] = {
		0x11, 0x22, 0x33, 0x44, 1, 2, 3, 4, 0x10, 0x20, 0x30, 0x40, 0x11, 0x22, 0x33, 0x44};
	uint8_t ck[AUTH_KEY], ik[AUTH_KEY], back[AUTH_KC];

	(void)state;
	derive_c4(kc, ck);
	derive_c5(kc, ik);
	assert_memory_equal(ck, right_ck, sizeof ck);
	assert_memory_equal(ik, right_ik, sizeof ik);
	derive_c3(ck, ik, back);
	assert_memory_equal(back, kc, sizeof kc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_derivation_gives_what_others_computed),
		cmocka_unit_test(no_two_derivations_have_one_fc),
		cmocka_unit_test(sizes_that_a_clause_lacks_are_refused),
		cmocka_unit_test(the_keys_of_eap_aka_prime_come_out),
		cmocka_unit_test(an_identity_has_a_limit),
		cmocka_unit_test(a_kdf_and_a_prf_have_their_limits),
		cmocka_unit_test(hres_star_is_the_last_half_of_the_digest),
		cmocka_unit_test(kc_goes_up_to_ck_and_ik),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
