// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What the vault of an import does with a batch: transport keys, own constants, what it refuses to seal. */
#include "daemon/auc-vault/vault_profiles.h"
#include "daemon/auc-vault/vault_transport.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "support/auc_vault_pair.h"

static char key_path[] = "/tmp/merlon-transport-XXXXXX";

static void write_key(const char *text)
{
	FILE *file = fopen(key_path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

#define KEY16 "00112233445566778899aabbccddeeff"
#define KEY32 KEY16 KEY16

/* As a vendor does it: each field by itself. */
static void encrypt(const struct vault_transport *t, uint8_t *field, size_t len)
{
	uint8_t out[32];

	assert_false(failed(block_mode_encrypt(
		t->mode, secret_span(&t->key), t->iv, span_of(field, len), out)));
	memcpy(field, out, len);
}

static struct auc_clear_rows *one_row(const char *transport, bool is_op)
{
	static struct auc_clear_rows rows;
	struct auc_keys *keys = &rows.rows[0].keys;

	rows = (struct auc_clear_rows){.count = 1};
	snprintf(rows.transport, sizeof rows.transport, "%s", transport);
	snprintf(rows.rows[0].imsi, sizeof rows.rows[0].imsi, "001010000000001");
	rows.rows[0].is_op = is_op;
	*keys = (struct auc_keys){
		.algorithm = AUC_MILENAGE, .amf = {0x80, 0}, .k_len = 16, .opc_len = 16};
	assert_true(hex_to_span(span_mut_of(keys->k, 16), K));
	assert_true(hex_to_span(span_mut_of(keys->opc, 16), is_op ? OP : OPC));
	return &rows;
}

static struct err seal_rows(struct fixture *f, const struct auc_clear_rows *rows,
	uint8_t out[static AUC_SEALED_MAX], struct span *sealed)
{
	struct writer ask = writer_of(SPAN_MUT_ARRAY(ask_buffer));
	struct span answer, spans[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	size_t count;

	auc_clear_rows_encode(&ask, rows);
	const struct err e = serve_by(&f->importing, AUC_SEAL, &ask, &answer);
	if (failed(e)) {
		assert_int_equal(answer.len, 0);
		return e;
	}
	assert_false(failed(auc_sealed_decode(answer, spans, &count, &fault)));
	memcpy(out, spans[0].at, spans[0].len);
	*sealed = span_of(out, spans[0].len);
	return OK;
}

/* The vector is that of the keys in clear. */
static void must_be_set_1(struct fixture *f, struct span sealed)
{
	const struct auc_algorithms portable = {.engine = &aes128_portable};
	struct auth_vector v[AUTH_VECTORS_MAX], right = {0};

	assert_false(failed(compute(f, "001010000000001", sealed, 1, v)));
	memcpy(right.rand, v[0].rand, sizeof right.rand);
	assert_false(failed(vector_compute(&portable, &one_row("", false)->rows[0].keys,
		UINT64_C(0xff9bb4d0b607), AUTH_EPS, &right)));
	assert_memory_equal(&v[0], &right, sizeof right);
}

static void a_batch_is_decrypted_under_its_transport_key(void **state)
{
	static const struct {
		struct vault_transport_setting setting;
		const char *key;
	} rows[] = {
		{{"a", "aes-128-ecb", "", "", "k,opc", ""}, KEY16},
		{{"b", "aes-256-ecb", "", "", "k", ""}, KEY32},
		{{"c", "aes-128-cbc", "", "0f0e0d0c0b0a09080706050403020100", "k,opc", ""}, KEY16},
		{{"d", "aes-256-cbc", "", "", "k,opc", ""}, KEY32},
		{{"e", "3des-ecb", "", "", "k,opc", ""}, KEY16},
		{{"f", "3des-cbc", "", "0102030405060708", "k", ""}, KEY16 "0123456789abcdef"},
	};
	struct fixture f;
	uint8_t out[AUC_SEALED_MAX];
	struct span sealed;

	(void)state;
	open_vault(&f, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct vault_transport_setting s = rows[i].setting;
		struct complaint c = {0};
		write_key(rows[i].key);
		snprintf(s.key_file, sizeof s.key_file, "%s", key_path);
		if (failed(vault_transport_add(&f.importing.transports, &s, &c)))
			fail_msg("%s", c.text);
		const struct vault_transport *t = &f.importing.transports.items[i];
		for (int is_op = 0; is_op < 2; is_op++) {
			struct auc_clear_rows *batch = one_row(s.name, is_op);
			encrypt(t, batch->rows[0].keys.k, 16);
			if (t->covers_opc)
				encrypt(t, batch->rows[0].keys.opc, 16);
			assert_false(failed(seal_rows(&f, batch, out, &sealed)));
			must_be_set_1(&f, sealed);
		}
	}
	assert_int_equal(seal_rows(&f, one_row("unknown", false), out, &sealed).kind, ERR_ABSENT);
	close_vaults(&f);
}

static void a_transport_key_that_makes_no_sense_is_refused_by_name(void **state)
{
	static const struct {
		struct vault_transport_setting setting;
		const char *key, *word;
	} rows[] = {
		{{"", "aes-128-ecb", "", "", "k", ""}, KEY16, "name"},
		{{"x", "aes-128-gcm", "", "", "k", ""}, KEY16, "aes-128-ecb"},
		{{"x", "aes-128-ecb", "", "", "opc", ""}, KEY16, "fields"},
		{{"x", "aes-128-cbc", "", "0f", "k", ""}, KEY16, "iv: 32 hex digits"},
		{{"x", "3des-cbc", "", "0f0e0d0c0b0a09080706050403020100", "k", ""}, KEY16,
			"iv: 16 hex digits"},
		{{"x", "aes-256-ecb", "", "", "k", ""}, KEY16 "00", "64 hex digits"},
		{{"x", "aes-256-ecb", "", "", "k", ""}, KEY16, "32 hex digits, too few"},
		{{"x", "3des-ecb", "", "", "k", ""}, KEY32, "16 or 24 octets"},
		{{"x", "aes-128-ecb", "", "", "k", "66e94"}, KEY16, "kcv"},
		{{"x", "aes-128-ecb", "", "", "k", "66e94b"}, KEY16, "another key"},
	};
	struct vault_transports transports = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct vault_transport_setting s = rows[i].setting;
		struct complaint c = {0};
		write_key(rows[i].key);
		snprintf(s.key_file, sizeof s.key_file, "%s", key_path);
		assert_int_equal(vault_transport_add(&transports, &s, &c).kind, ERR_INPUT);
		assert_non_null(strstr(c.text, rows[i].word));
		assert_null(strstr(c.text, "0011223344"));
		assert_int_equal(transports.count, 0);
	}
	struct vault_transport_setting good = {"x", "aes-128-ecb", "", "", "k", "66e94b"};
	write_key("00000000000000000000000000000000\n");
	snprintf(good.key_file, sizeof good.key_file, "%s", key_path);
	for (int i = 0; i < VAULT_TRANSPORTS_MAX; i++) {
		struct complaint c = {0};
		snprintf(good.name, sizeof good.name, "batch %d", i);
		assert_false(failed(vault_transport_add(&transports, &good, &c)));
		assert_int_equal(vault_transport_add(&transports, &good, &c).kind, ERR_INPUT);
	}
	snprintf(good.name, sizeof good.name, "one more");
	assert_int_equal(vault_transport_add(&transports, &good, NULL).kind, ERR_LIMIT);
	vault_transports_close(&transports);
}

/* Constants of an operator, not the standard's. [TS 35.206 §5.3] */
#define C5                                                                                         \
	"00000000000000000000000000000000,00000000000000000000000000000001,"                       \
	"00000000000000000000000000000002,00000000000000000000000000000004,"                       \
	"00000000000000000000000000000018"

static void own_constants_come_from_settings(void **state)
{
	static const struct {
		struct vault_profile_setting setting;
		const char *word;
	} rows[] = {
		{{0, "64,0,32,64,96", C5}, "1 to 15"},
		{{16, "64,0,32,64,96", C5}, "1 to 15"},
		{{1, "64,0,32,64", C5}, "five numbers"},
		{{1, "64,0,32,64,96,1", C5}, "five numbers"},
		{{1, "64,0,32,64,128", C5}, "five numbers"},
		{{1, "64,0,32,64,96", "00"}, "32 hex digits"},
	};
	struct milenage_constants constants[AUC_PROFILES_MAX];
	struct auc_algorithms algorithms = {.engine = aes128_engine()};
	const struct vault_profile_setting good = {3, "8,16,24,40,56", C5};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct complaint c = {0};
		assert_int_equal(
			vault_profile_add(&algorithms, constants, &rows[i].setting, &c).kind,
			ERR_INPUT);
		assert_non_null(strstr(c.text, rows[i].word));
	}
	struct complaint c = {0};
	assert_false(failed(vault_profile_add(&algorithms, constants, &good, &c)));
	assert_ptr_equal(algorithms.profiles[3], &constants[3]);
	assert_int_equal(constants[3].r[4], 56);
	assert_int_equal(constants[3].c[4][15], 0x18);
	assert_int_equal(vault_profile_add(&algorithms, constants, &good, &c).kind, ERR_INPUT);
}

/* A row that could not be computed with is found at the import, not at the first attach. */
static void what_cannot_be_computed_with_is_not_sealed(void **state)
{
	struct fixture f;
	uint8_t out[AUC_SEALED_MAX];
	struct span sealed;

	(void)state;
	open_vault(&f, 1);
	struct auc_clear_rows *rows = one_row("", false);
	rows->rows[0].keys.profile = 3;
	assert_int_equal(seal_rows(&f, rows, out, &sealed).kind, ERR_INPUT);
	const struct vault_profile_setting profile = {3, "8,16,24,40,56", C5};
	assert_false(failed(
		vault_profile_add(&f.importing.algorithms, f.importing.constants, &profile, NULL)));
	assert_false(failed(seal_rows(&f, rows, out, &sealed)));
	rows = one_row("", false);
	rows->rows[0].keys = (struct auc_keys){.algorithm = AUC_XOR, .k_len = 16};
	assert_int_equal(seal_rows(&f, rows, out, &sealed).kind, ERR_INPUT);
	f.importing.algorithms.is_xor_allowed = true;
	assert_false(failed(seal_rows(&f, rows, out, &sealed)));
	close_vaults(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_is_decrypted_under_its_transport_key),
		cmocka_unit_test(a_transport_key_that_makes_no_sense_is_refused_by_name),
		cmocka_unit_test(own_constants_come_from_settings),
		cmocka_unit_test(what_cannot_be_computed_with_is_not_sealed),
	};

	close(mkstemp(key_path));
	const int status = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(key_path);
	return status;
}
