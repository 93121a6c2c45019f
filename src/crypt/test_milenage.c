// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "crypt/milenage.h"
#include "crypt/openssl.h"
#include "support/prop.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct published {
	const char *set, *k, *rand, *sqn, *amf, *op, *opc;
	const char *f1, *f1_star, *f2, *f3, *f4, *f5, *f5_star;
};

static const struct published few[] = {
	{"TS 35.207 set 1", "465b5ce8b199b49faa5f0a2ee238a6bc", "23553cbe9637a89d218ae64dae47bf35",
		"ff9bb4d0b607", "b9b9", "cdc202d5123e20f62b6d676ac72cb318",
		"cd63cb71954a9f4e48a5994e37a02baf", "4a9ffac354dfafb3", "01cfaf9ec4e871e9",
		"a54211d5e3ba50bf", "b40ba9a3c58b2a05bbf0d987b21bf8cb",
		"f769bcd751044604127672711c6d3441", "aa689c648370", "451e8beca43b"},
	{"TS 35.207 set 2", "0396eb317b6d1c36f19c1c84cd6ffd16", "c00d603103dcee52c4478119494202e8",
		"fd8eef40df7d", "af17", "ff53bade17df5d4e793073ce9d7579fa",
		"53c15671c60a4b731c55b4a441c0bde2", "5df5b31807e258b0", "a8c016e51ef4a343",
		"d3a628ed988620f0", "58c433ff7a7082acd424220f2b67c556",
		"21a8c1f929702adb3e738488b9f5c5da", "c47783995f72", "30f1197061c1"},
	{"TS 35.207 set 3", "fec86ba6eb707ed08905757b1bb44b8f", "9f7c8d021accf4db213ccff0c7f71a6a",
		"9d0277595ffc", "725c", "dbc59adcb6f9a0ef735477b7fadf8374",
		"1006020f0a478bf6b699f15c062e42b3", "9cabc3e99baf7281", "95814ba2b3044324",
		"8011c48c0c214ed2", "5dbdbb2954e8f3cde665b046179a5098",
		"59a92d3b476a0443487055cf88b2307b", "33484dc2136b", "deacdd848cc6"},
	{"TS 35.207 set 4", "9e5944aea94b81165c82fbf9f32db751", "ce83dbc54ac0274a157c17f80d017bd6",
		"0b604a81eca8", "9e09", "223014c5806694c007ca1eeef57f004f",
		"a64a507ae1a2a98bb88eb4210135dc87", "74a58220cba84c49", "ac2cc74a96871837",
		"f365cd683cd92e96", "e203edb3971574f5a94b0d61b816345d",
		"0c4524adeac041c4dd830d20854fc46b", "f0b9c08ad02e", "6085a86c6f63"},
	{"TS 35.208 set 9", "d9151cf04896e25830bf2e08267b8360", "f761e5e93d603feb730e27556cb8a2ca",
		"47ee0199820a", "9113", "75fc2233a44294ee8e6de25c4353d26b",
		"c4c93effe8a08138c203d4c27ce4e3d9", "66cc4be44862af1f", "7a4b8d7a8753f246",
		"4a90b2171ac83a76", "71236b7129f9b22ab77ea7a54c96da22",
		"90527ebaa5588968db41727325a04d9e", "82a0f5287a71", "527dbf41f35f"},
	{"TS 35.208 set 10", "a0e2971b6822e8d354a18cc235624ecb", "08eff828b13fdb562722c65c7f30a9b2",
		"db5c066481e0", "716b", "323792faca21fb4d5d6f13c145a9d2c1",
		"82a26f22bba9e9488f949a10d98e9cc4", "9485fe24621cb9f6", "bce325ce03e2e9b9",
		"4bc2212d8624910a", "08cef6d004ec61471a3c3cda048137fa",
		"ed0318ca5deb9206272f6e8fa64ba411", "a2f858aa9e5d", "74e76fbbec38"},
};

static void same(const uint8_t *at, size_t len, const char *hex)
{
	uint8_t right[16];

	assert_true(hex_to_span(span_mut_of(right, len), hex));
	assert_memory_equal(at, right, len);
}

static void read_hex(uint8_t *at, size_t len, const char *hex)
{
	assert_true(hex_to_span(span_mut_of(at, len), hex));
}

static void check(const struct aes128_engine *engine, const struct published *p)
{
	struct milenage_output out;
	uint8_t k[16], opc[16], op[16], rand[16], sqn[6], amf[2], ak_star[6];
	const struct milenage m = {
		.engine = engine, .constants = &milenage_standard, .k = k, .opc = opc};

	read_hex(k, 16, p->k);
	read_hex(op, 16, p->op);
	read_hex(rand, 16, p->rand);
	read_hex(sqn, 6, p->sqn);
	read_hex(amf, 2, p->amf);
	milenage_opc(engine, k, op, opc);
	same(opc, 16, p->opc);
	milenage_compute(&m, rand, sqn, amf, &out);
	same(out.mac_a, 8, p->f1);
	same(out.mac_s, 8, p->f1_star);
	same(out.res, 8, p->f2);
	same(out.ck, 16, p->f3);
	same(out.ik, 16, p->f4);
	same(out.ak, 6, p->f5);
	same(out.ak_star, 6, p->f5_star);
	milenage_ak_star(&m, rand, ak_star);
	same(ak_star, 6, p->f5_star);
}

static void check_on_each_engine(const struct published *p)
{
	check(&aes128_portable, p);
	if (aes128_native() != NULL)
		check(aes128_native(), p);
}

/* [TS 35.206], [TS 35.206 §4.1] */
static void published_sets_come_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(few); i++)
		check_on_each_engine(&few[i]);
}

/* A reader just good enough for the flat objects of that one file: the text after "name": in
 * `object`. */
static const char *member(
	char *out, size_t size, const char *object, const char *end, const char *name)
{
	char pattern[32];

	snprintf(pattern, sizeof pattern, "\"%s\": \"", name);
	const char *at = strstr(object, pattern);
	if (at == NULL || at > end)
		return NULL;
	at += strlen(pattern);
	const size_t len = strcspn(at, "\"");
	assert_true(len < size);
	snprintf(out, size, "%.*s", (int)len, at);
	return out;
}

static size_t check_file(const char *text)
{
	char hex[13][40];
	size_t count = 0;

	for (const char *at = strchr(text, '{'); at != NULL; at = strchr(at + 1, '{')) {
		const char *end = at + strcspn(at + 1, "{}");
		const struct published p = {.set = "file",
			.k = member(hex[0], 40, at, end, "k"),
			.rand = member(hex[1], 40, at, end, "rand"),
			.sqn = member(hex[2], 40, at, end, "sqn"),
			.amf = member(hex[3], 40, at, end, "amf"),
			.op = member(hex[4], 40, at, end, "op"),
			.opc = member(hex[5], 40, at, end, "opc"),
			.f1 = member(hex[6], 40, at, end, "f1"),
			.f1_star = member(hex[7], 40, at, end, "f1star"),
			.f2 = member(hex[8], 40, at, end, "f2"),
			.f3 = member(hex[9], 40, at, end, "f3"),
			.f4 = member(hex[10], 40, at, end, "f4"),
			.f5 = member(hex[11], 40, at, end, "f5"),
			.f5_star = member(hex[12], 40, at, end, "f5star")};
		if (p.k == NULL || p.f5_star == NULL)
			continue;
		check_on_each_engine(&p);
		count++;
	}
	return count;
}

/* All sets that the project's people have at hand, where they are: not part of this tree. */
static void sets_of_the_shared_folder_come_out(void **state)
{
	static char text[64 << 10];
	const char *shared = getenv("MERLON_SHARED");
	char path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/vectors/milenage.json", shared ? shared : "../../shared");
	FILE *file = fopen(path, "r");
	if (file == NULL) {
		fprintf(stderr, "SKIPPED: %s is not there; set MERLON_SHARED\n", path);
		skip();
	}
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	const size_t count = check_file(text);
	print_message("%zu sets of %s\n", count, path);
	assert_true(count >= 10);
}

/* The formulas of [TS 35.206 §4.1] a second time, bit by bit, on libcrypto's AES. */
static void block_of(EVP_CIPHER_CTX *c, const uint8_t *in, uint8_t *out)
{
	int len;

	assert_int_equal(EVP_EncryptUpdate(c, out, &len, in, 16), 1);
}

static void out_by_hand(EVP_CIPHER_CTX *c, const struct milenage *m, const uint8_t *rand,
	const uint8_t *in1, size_t which, uint8_t out[static 16])
{
	uint8_t temp[16], from[16], in[16] = {0};

	for (size_t i = 0; i < 16; i++)
		in[i] = rand[i] ^ m->opc[i];
	block_of(c, in, temp);
	for (size_t i = 0; i < 16; i++)
		from[i] = (which == 0 ? in1[i] : temp[i]) ^ m->opc[i];
	memset(in, 0, sizeof in);
	for (size_t bit = 0; bit < 128; bit++) {
		const size_t at = (bit + m->constants->r[which]) % 128;
		in[bit / 8] |= (uint8_t)((from[at / 8] >> (7 - at % 8) & 1) << (7 - bit % 8));
	}
	for (size_t i = 0; i < 16; i++)
		in[i] ^= m->constants->c[which][i] ^ (which == 0 ? temp[i] : 0);
	block_of(c, in, out);
	for (size_t i = 0; i < 16; i++)
		out[i] ^= m->opc[i];
}

static void is_by_hand(EVP_CIPHER_CTX *c, const struct milenage *m, const uint8_t *rand,
	const uint8_t *sqn, const uint8_t *amf, const struct milenage_output *f)
{
	uint8_t in1[16], out[5][16];

	for (size_t i = 0; i < 16; i++)
		in1[i] = i % 8 < 6 ? sqn[i % 8] : amf[i % 8 - 6];
	for (size_t i = 0; i < 5; i++)
		out_by_hand(c, m, rand, in1, i, out[i]);
	assert_memory_equal(f->mac_a, out[0], 8);
	assert_memory_equal(f->mac_s, out[0] + 8, 8);
	assert_memory_equal(f->ak, out[1], 6);
	assert_memory_equal(f->res, out[1] + 8, 8);
	assert_memory_equal(f->ck, out[2], 16);
	assert_memory_equal(f->ik, out[3], 16);
	assert_memory_equal(f->ak_star, out[4], 6);
}

struct inputs {
	uint8_t k[16], opc[16], rand[16], sqn[6], amf[2];
	struct milenage_constants constants;
};

static void inputs_drawn(struct prop *prop, struct inputs *in, bool is_own)
{
	prop_fill(prop, span_mut_of(in, sizeof *in));
	for (size_t i = 0; i < MILENAGE_OUTS; i++)
		in->constants.r[i] %= 128;
	if (!is_own)
		in->constants = milenage_standard;
}

/* [TS 35.206 §5.3]: constants of the operator's own, on both engines; every tenth by hand as well. */
static void engines_agree_on_any_constants(void **state)
{
	struct prop prop = prop_from_environment(2);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	struct milenage_output a, b;
	struct inputs in;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		inputs_drawn(&prop, &in, i % 2 == 0);
		struct milenage m = {.engine = &aes128_portable,
			.constants = &in.constants,
			.k = in.k,
			.opc = in.opc};
		milenage_compute(&m, in.rand, in.sqn, in.amf, &a);
		m.engine = aes128_engine();
		milenage_compute(&m, in.rand, in.sqn, in.amf, &b);
		assert_memory_equal(&a, &b, sizeof a);
		if (i % 10 > 1)
			continue;
		assert_int_equal(EVP_EncryptInit_ex2(c, EVP_aes_128_ecb(), in.k, NULL, NULL), 1);
		is_by_hand(c, &m, in.rand, in.sqn, in.amf, &a);
	}
	EVP_CIPHER_CTX_free(c);
}

/* [TS 35.206 §5.3] */
static void constants_that_make_two_functions_one_are_refused(void **state)
{
	struct milenage_constants m = milenage_standard;

	(void)state;
	assert_false(failed(milenage_constants_check(&m)));
	m.r[4] = 128;
	assert_int_equal(milenage_constants_check(&m).kind, ERR_INPUT);
	m.r[4] = 127;
	assert_false(failed(milenage_constants_check(&m)));
	m.r[2] = m.r[1];
	assert_false(failed(milenage_constants_check(&m)));
	memcpy(m.c[2], m.c[1], sizeof m.c[2]);
	assert_int_equal(milenage_constants_check(&m).kind, ERR_INPUT);
}

static void first_block_is(const struct aes128_engine *engine, const uint8_t *key,
	const uint8_t *in, const uint8_t *right)
{
	struct aes128 aes, alone;
	uint8_t block[16];

	memcpy(block, in, sizeof block);
	engine->expand(&alone, key);
	engine->expand_encrypt(&aes, key, block);
	assert_memory_equal(block, right, sizeof block);
	assert_memory_equal(&aes, &alone, sizeof aes);
}

/* [FIPS 197] */
static void engines_agree_with_openssl(void **state)
{
	struct prop prop = prop_from_environment(1);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	(void)state;
	for (int i = 0; i < 2000; i++) {
		uint8_t key[16], in[7 * 16], out[7 * 16], right[7 * 16];
		const size_t blocks = 1 + prop_below(&prop, 7);
		struct aes128 aes;
		int len;
		prop_fill(&prop, SPAN_MUT_ARRAY(key));
		prop_fill(&prop, SPAN_MUT_ARRAY(in));
		assert_int_equal(EVP_EncryptInit_ex2(c, EVP_aes_128_ecb(), key, NULL, NULL), 1);
		assert_int_equal(EVP_EncryptUpdate(c, right, &len, in, (int)blocks * 16), 1);
		aes128_portable.expand(&aes, key);
		aes128_portable.encrypt(&aes, in, out, blocks);
		assert_memory_equal(out, right, blocks * 16);
		first_block_is(&aes128_portable, key, in, right);
		if (aes128_native() == NULL)
			continue;
		aes128_native()->expand(&aes, key);
		aes128_native()->encrypt(&aes, in, out, blocks);
		assert_memory_equal(out, right, blocks * 16);
		first_block_is(aes128_native(), key, in, right);
	}
	EVP_CIPHER_CTX_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_sets_come_out),
		cmocka_unit_test(sets_of_the_shared_folder_come_out),
		cmocka_unit_test(engines_agree_on_any_constants),
		cmocka_unit_test(constants_that_make_two_functions_one_are_refused),
		cmocka_unit_test(engines_agree_with_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
