// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/auc-vault/vault_work.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "support/auc_vault_pair.h"

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
	close_vaults(&f);
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
	close_vaults(&f);
	close_vaults(&other);
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
	close_vaults(&f);
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
	/* Neither is what was drawn before given out once drawing has failed. */
	f.vault.random.source = (struct entropy){.fill = no_randomness};
	f.vault.random.at = VAULT_RANDOM_OCTETS - AUTH_RAND;
	assert_false(failed(compute(&f, "001010000000001", s, 1, v)));
	assert_int_equal(compute(&f, "001010000000001", s, 1, v).kind, ERR_CRYPTO);
	assert_int_equal(compute(&f, "001010000000001", s, 1, v).kind, ERR_CRYPTO);
	close_vaults(&f);
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
	close_vaults(&f);
}

static void each_vault_does_its_own_work_alone(void **state)
{
	static const struct {
		uint16_t type;
		bool serves, imports;
	} rows[] = {{AUC_VECTORS, true, false}, {AUC_RESYNC, true, false},
		{AUC_KEY_MAKE, true, false}, {AUC_RESEAL, true, false}, {AUC_SEAL, false, true},
		{AUC_KEYS_LOAD, true, true}};
	static struct auc_clear_rows clear;
	static struct auc_sealed_rows none;
	struct fixture f;
	struct span answer;
	uint8_t sealed[AUC_SEALED_MAX];

	(void)state;
	open_vault(&f, 1);
	struct auc_vectors_ask vectors = {.imsi = "001010000000001",
		.sealed = seal(&f, "001010000000001", false, sealed),
		.sqn_step = 32,
		.count = 1,
		.radio = AUTH_EPS};
	struct auc_resync_ask resync = {.imsi = "001010000000001", .sealed = vectors.sealed};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct writer ask = writer_of(SPAN_MUT_ARRAY(ask_buffer));
		if (rows[i].type == AUC_VECTORS)
			auc_vectors_ask_encode(&ask, &vectors);
		if (rows[i].type == AUC_RESYNC)
			auc_resync_ask_encode(&ask, &resync);
		if (rows[i].type == AUC_KEY_MAKE)
			auc_u64_encode(&ask, 3);
		if (rows[i].type == AUC_RESEAL)
			auc_sealed_rows_encode(&ask, &none);
		if (rows[i].type == AUC_SEAL)
			auc_clear_rows_encode(&ask, &clear);
		if (rows[i].type == AUC_KEYS_LOAD)
			auc_wrapped_keys_encode(&ask, &(struct auc_wrapped_keys){0});
		assert_int_equal(serve_by(&f.vault, rows[i].type, &ask, &answer).kind == ERR_INPUT,
			!rows[i].serves);
		assert_int_equal(
			serve_by(&f.importing, rows[i].type, &ask, &answer).kind == ERR_INPUT,
			!rows[i].imports);
	}
	close_vaults(&f);
}

/* ---- canary ---- */

static void must_not_hold(struct span answer, struct span secret)
{
	for (size_t i = 0; i + 8 <= answer.len; i++)
		for (size_t k = 0; k + 8 <= secret.len; k++)
			assert_memory_not_equal(answer.at + i, secret.at + k, 8);
}

static void no_answer_carries_a_key(void **state)
{
	struct fixture f;
	struct kept kept = {0};
	uint8_t sealed[AUC_SEALED_MAX], k[16], opc[16], op[16], root[32], out[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];
	struct span anew;
	size_t count;

	(void)state;
	assert_true(hex_to_span(SPAN_MUT_ARRAY(k), K));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(opc), OPC));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(op), OP));
	root_octets(root, 1);
	open_vault(&f, 1);
	const struct span secrets[] = {SPAN_ARRAY(k), SPAN_ARRAY(opc), SPAN_ARRAY(op),
		SPAN_ARRAY(root), secret_span(&f.vault.roots.items[0].wrapping),
		secret_span(&f.vault.keys.items[0].octets),
		secret_span(&f.vault.keys.items[1].octets)};
	for (size_t step = 0; step < 5; step++) {
		struct span s = {0};
		memset(buffer, 0, sizeof buffer);
		if (step == 0)
			assert_false(failed(make_key(&f.vault, 2, &kept)));
		if (step == 1)
			assert_false(failed(load_keys(&f.vault, &kept, &count)));
		if (step >= 2)
			s = seal(&f, "001010000000001", step == 2, sealed);
		if (step == 3)
			assert_false(failed(reseal(&f, "001010000000001", s, out, &anew)));
		if (step == 4)
			assert_false(failed(compute(&f, "001010000000001", s, 5, v)));
		/* `buffer` holds the answer. */
		for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
			must_not_hold(span_of(buffer, 1024), secrets[i]);
	}
	const struct auc_keys *left = (const struct auc_keys *)(const void *)f.vault.scratch.bytes;
	for (size_t i = 0; i < sizeof *left; i++)
		assert_int_equal(((const uint8_t *)left)[i], 0);
	close_vaults(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vector_follows_from_sealed_keys_whether_op_or_opc_was_given),
		cmocka_unit_test(keys_open_for_their_subscriber_and_kek_alone),
		cmocka_unit_test(a_wrong_auts_is_told_from_a_damaged_row),
		cmocka_unit_test(without_randomness_no_vector_leaves),
		cmocka_unit_test(what_is_not_asked_of_a_vault_is_refused),
		cmocka_unit_test(each_vault_does_its_own_work_alone),
		cmocka_unit_test(no_answer_carries_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
