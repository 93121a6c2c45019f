// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/auc-vault/vault_work.h"
#include "support/prop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* [TS 35.207] set 1. */
#define K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define OP "cdc202d5123e20f62b6d676ac72cb318"
#define OPC "cd63cb71954a9f4e48a5994e37a02baf"

static uint8_t buffer[AUC_ROWS_OCTETS], ask_buffer[AUC_ROWS_OCTETS];

struct fixture {
	struct prop prop;
	struct auc_vault vault;
};

static void open_vault(struct fixture *f, uint8_t kek)
{
	f->prop = prop_from_environment(4);
	f->vault = (struct auc_vault){.kek_id = kek};
	assert_false(failed(secret_open(&f->vault.kek, 32)));
	f->vault.kek.bytes[0] = kek;
	assert_false(failed(auc_vault_open(&f->vault, prop_entropy(&f->prop))));
}

static struct err serve(
	struct fixture *f, uint16_t type, const struct writer *ask, struct span *answer)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span body;

	assert_false(failed(writer_result(ask, &body)));
	const struct err e = auc_vault_serve(&f->vault, type, body, &w);
	*answer = writer_span_done(&w);
	return e;
}

/* Seals the keys of set 1 for `imsi`, given OP or OPc. */
static struct span seal(
	struct fixture *f, const char *imsi, bool is_op, uint8_t out[static AUC_SEALED_MAX])
{
	static struct auc_clear_rows rows;
	struct auc_clear_row *row = &rows.rows[0];
	struct writer ask = writer_of(SPAN_MUT_ARRAY(ask_buffer));
	struct span answer, sealed[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	size_t count;

	rows = (struct auc_clear_rows){.count = 1};
	*row = (struct auc_clear_row){.is_op = is_op,
		.keys = {.algorithm = AUC_MILENAGE,
			.amf = {0x80, 0x00},
			.k_len = 16,
			.opc_len = 16}};
	memcpy(row->imsi, imsi, strlen(imsi) + 1);
	assert_true(hex_to_span(span_mut_of(row->keys.k, 16), K));
	assert_true(hex_to_span(span_mut_of(row->keys.opc, 16), is_op ? OP : OPC));
	auc_clear_rows_encode(&ask, &rows);
	assert_false(failed(serve(f, AUC_SEAL, &ask, &answer)));
	assert_false(failed(auc_sealed_decode(answer, sealed, &count, &fault)));
	assert_int_equal(count, 1);
	memcpy(out, sealed[0].at, sealed[0].len);
	return span_of(out, sealed[0].len);
}

static struct err compute(struct fixture *f, const char *imsi, struct span sealed, uint8_t count,
	struct auth_vector v[static AUTH_VECTORS_MAX])
{
	struct auc_vectors_ask ask = {.sealed = sealed,
		.sqn_first = UINT64_C(0xff9bb4d0b607),
		.sqn_step = 32,
		.count = count,
		.radio = AUTH_EPS};
	struct writer w = writer_of(SPAN_MUT_ARRAY(ask_buffer));
	struct wire_fault fault = {0};
	struct span answer;
	size_t got;

	memcpy(ask.imsi, imsi, strlen(imsi) + 1);
	auc_vectors_ask_encode(&w, &ask);
	const struct err e = serve(f, AUC_VECTORS, &w, &answer);
	if (failed(e)) {
		assert_int_equal(answer.len, 0);
		return e;
	}
	assert_false(failed(auc_vectors_decode(answer, v, &got, &fault)));
	assert_int_equal(got, count);
	return OK;
}

static void a_vector_follows_from_sealed_keys_whether_op_or_opc_was_given(void **state)
{
	struct fixture f;
	uint8_t sealed[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX], right;
	struct auc_keys keys = {
		.algorithm = AUC_MILENAGE, .amf = {0x80, 0x00}, .k_len = 16, .opc_len = 16};
	const struct auc_algorithms portable = {.engine = &aes128_portable};

	(void)state;
	open_vault(&f, 1);
	assert_true(hex_to_span(span_mut_of(keys.k, 16), K));
	assert_true(hex_to_span(span_mut_of(keys.opc, 16), OPC));
	for (int is_op = 0; is_op < 2; is_op++) {
		const struct span s = seal(&f, "001010000000001", is_op, sealed);
		assert_false(failed(compute(&f, "001010000000001", s, 3, v)));
		for (uint64_t i = 0; i < 3; i++) {
			right = (struct auth_vector){0};
			memcpy(right.rand, v[i].rand, sizeof right.rand);
			assert_false(failed(vector_compute(&portable, &keys,
				UINT64_C(0xff9bb4d0b607) + 32 * i, AUTH_EPS, &right)));
			assert_memory_equal(&v[i], &right, sizeof right);
		}
		assert_memory_not_equal(v[0].rand, v[1].rand, AUTH_RAND);
	}
	auc_vault_close(&f.vault);
}

static void keys_open_for_their_subscriber_and_kek_alone(void **state)
{
	struct fixture f, other;
	uint8_t sealed[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];

	(void)state;
	open_vault(&f, 1);
	open_vault(&other, 2);
	const struct span s = seal(&f, "001010000000001", false, sealed);
	assert_int_equal(compute(&f, "001010000000002", s, 1, v).kind, ERR_AUTH);
	assert_int_equal(compute(&other, "001010000000001", s, 1, v).kind, ERR_ABSENT);
	assert_int_equal(
		compute(&f, "001010000000001", span_of(s.at, s.len - 1), 1, v).kind, ERR_AUTH);
	assert_int_equal(compute(&f, "001010000000001", span_of(s.at, 30), 1, v).kind, ERR_INPUT);
	sealed[0]++;
	assert_int_equal(compute(&f, "001010000000001", s, 1, v).kind, ERR_VERSION);
	auc_vault_close(&f.vault);
	auc_vault_close(&other.vault);
}

static void a_wrong_auts_is_told_from_a_damaged_row(void **state)
{
	struct fixture f;
	uint8_t sealed[AUC_SEALED_MAX];
	struct auc_resync_ask ask = {.imsi = "001010000000001", .auts = {1}};
	struct span answer;

	(void)state;
	open_vault(&f, 1);
	ask.sealed = seal(&f, "001010000000001", false, sealed);
	for (int is_damaged = 0; is_damaged < 2; is_damaged++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(ask_buffer));
		sealed[40] ^= (uint8_t)is_damaged;
		auc_resync_ask_encode(&w, &ask);
		assert_int_equal(serve(&f, AUC_RESYNC, &w, &answer).kind,
			is_damaged ? ERR_CRYPTO : ERR_AUTH);
		assert_int_equal(answer.len, 0);
	}
	auc_vault_close(&f.vault);
}

static struct err no_randomness(void *ctx, struct span_mut out)
{
	(void)ctx, (void)out;
	return ERR(CRYPTO);
}

static void without_randomness_no_vector_leaves(void **state)
{
	struct fixture f;
	uint8_t sealed[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];

	(void)state;
	open_vault(&f, 1);
	const struct span s = seal(&f, "001010000000001", false, sealed);
	f.vault.entropy = (struct entropy){.fill = no_randomness};
	assert_int_equal(compute(&f, "001010000000001", s, 1, v).kind, ERR_CRYPTO);
	auc_vault_close(&f.vault);
}

static void what_is_not_asked_of_a_vault_is_refused(void **state)
{
	struct fixture f;
	struct writer w = writer_of(SPAN_MUT_ARRAY(ask_buffer));
	struct span answer;

	(void)state;
	open_vault(&f, 1);
	assert_int_equal(serve(&f, AUC_AUTHENTICATE, &w, &answer).kind, ERR_INPUT);
	assert_int_equal(serve(&f, AUC_VECTORS, &w, &answer).kind, ERR_INPUT);
	assert_int_equal(serve(&f, AUC_SEAL, &w, &answer).kind, ERR_INPUT);
	auc_vault_close(&f.vault);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vector_follows_from_sealed_keys_whether_op_or_opc_was_given),
		cmocka_unit_test(keys_open_for_their_subscriber_and_kek_alone),
		cmocka_unit_test(a_wrong_auts_is_told_from_a_damaged_row),
		cmocka_unit_test(without_randomness_no_vector_leaves),
		cmocka_unit_test(what_is_not_asked_of_a_vault_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
