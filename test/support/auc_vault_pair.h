// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A site's two vaults of the authentication centre in a test: one root, a clock that stands, and what a store
 * and an import would ask of them. To be included after cmocka. */
#include "daemon/auc-vault/vault_work.h"
#include "host/kek_file.h"
#include "support/prop.h"

/* [TS 35.207] set 1. */
#define K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define OP "cdc202d5123e20f62b6d676ac72cb318"
#define OPC "cd63cb71954a9f4e48a5994e37a02baf"

static uint8_t buffer[AUC_ROWS_OCTETS], ask_buffer[AUC_ROWS_OCTETS];

/* A site's two vaults, with one root, and a clock. */
struct fixture {
	struct prop prop;
	struct moment now;
	struct auc_vault vault, importing;
};

static inline struct moment fixture_now(void *ctx)
{
	return ((struct fixture *)ctx)->now;
}

static inline void open_one(struct fixture *f, struct auc_vault *v, enum auc_vault_role role,
	const struct vault_limits_settings *limits)
{
	const struct auc_vault_options options = {.role = role,
		.limits = *limits,
		.entropy = prop_entropy(&f->prop),
		.clock = {.ctx = f, .now = fixture_now}};

	assert_false(failed(auc_vault_open(v, &options)));
}

static inline void root_octets(uint8_t octets[static 32], uint8_t root)
{
	memset(octets, root, 32);
}

static inline void add_root(struct auc_vault *v, uint8_t root)
{
	uint8_t octets[32];

	root_octets(octets, root);
	assert_false(failed(vault_roots_add(&v->roots, AUC_ROOT_FILE, SPAN_ARRAY(octets))));
	assert_false(failed(auc_vault_former_key_add(v, SPAN_ARRAY(octets))));
}

static inline void open_vaults(
	struct fixture *f, uint8_t root, const struct vault_limits_settings *limits)
{
	f->prop = prop_from_environment(4);
	f->now = (struct moment){.mono_ms = 1000};
	open_one(f, &f->vault, AUC_VAULT_SERVES, limits);
	open_one(f, &f->importing, AUC_VAULT_IMPORTS, limits);
	add_root(&f->vault, root);
	add_root(&f->importing, root);
}

static inline void close_vaults(struct fixture *f)
{
	auc_vault_close(&f->vault);
	auc_vault_close(&f->importing);
}

static inline struct err serve_by(
	struct auc_vault *v, uint16_t type, const struct writer *ask, struct span *answer)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span body;

	assert_false(failed(writer_result(ask, &body)));
	const struct err e = auc_vault_serve(v, type, body, &w);
	*answer = writer_span_done(&w);
	return e;
}

static inline struct err serve(
	struct fixture *f, uint16_t type, const struct writer *ask, struct span *answer)
{
	return serve_by(&f->vault, type, ask, answer);
}

/* ---- key-encryption keys, as the store would keep them ---- */

struct kept {
	size_t count;
	struct {
		uint32_t id;
		uint8_t octets[AUC_WRAPPED_MAX];
		size_t len;
	} keys[AUC_WRAPPED_KEYS_MAX];
};

static inline void keep(struct kept *kept, const struct auc_wrapped_key *key)
{
	size_t at = 0;

	while (at < kept->count && kept->keys[at].id != key->id)
		at++;
	kept->count += at == kept->count;
	kept->keys[at].id = key->id;
	kept->keys[at].len = key->wrapped.len;
	memcpy(kept->keys[at].octets, key->wrapped.at, key->wrapped.len);
}

static inline struct err make_key(struct auc_vault *v, uint64_t id, struct kept *kept)
{
	struct writer ask = writer_of(SPAN_MUT_ARRAY(ask_buffer));
	struct auc_wrapped_keys made;
	struct wire_fault fault = {0};
	struct span answer;

	auc_u64_encode(&ask, id);
	const struct err e = serve_by(v, AUC_KEY_MAKE, &ask, &answer);
	if (failed(e))
		return e;
	assert_false(failed(auc_wrapped_keys_decode(answer, &made, &fault)));
	assert_int_equal(made.count, 1);
	assert_int_equal(made.keys[0].id, id);
	keep(kept, &made.keys[0]);
	return OK;
}

/* What is answered wrapped anew is kept. */
static inline struct err load_keys(struct auc_vault *v, struct kept *kept, size_t *anew_count)
{
	struct writer ask = writer_of(SPAN_MUT_ARRAY(ask_buffer));
	struct auc_wrapped_keys keys = {.count = kept->count}, anew;
	struct wire_fault fault = {0};
	struct span answer;

	for (size_t i = 0; i < kept->count; i++)
		keys.keys[i] = (struct auc_wrapped_key){.id = kept->keys[i].id,
			.wrapped = span_of(kept->keys[i].octets, kept->keys[i].len)};
	auc_wrapped_keys_encode(&ask, &keys);
	const struct err e = serve_by(v, AUC_KEYS_LOAD, &ask, &answer);
	if (failed(e))
		return e;
	assert_false(failed(auc_wrapped_keys_decode(answer, &anew, &fault)));
	*anew_count = anew.count;
	for (size_t i = 0; i < anew.count; i++)
		keep(kept, &anew.keys[i]);
	return OK;
}

/* A site with limits of its own and one key, loaded by both. */
static inline void open_limited(
	struct fixture *f, uint8_t root, const struct vault_limits_settings *limits)
{
	struct kept kept = {0};
	size_t anew;

	open_vaults(f, root, limits);
	assert_false(failed(make_key(&f->vault, root, &kept)));
	assert_false(failed(load_keys(&f->vault, &kept, &anew)));
	assert_int_equal(anew, 0);
	assert_false(failed(load_keys(&f->importing, &kept, &anew)));
}

static inline void open_vault(struct fixture *f, uint8_t root)
{
	open_limited(f, root, &VAULT_LIMITS_DEFAULT);
}

/* Seals the keys of set 1 for `imsi`, given OP or OPc. */
static inline struct span seal(
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
	assert_false(failed(serve_by(&f->importing, AUC_SEAL, &ask, &answer)));
	assert_false(failed(auc_sealed_decode(answer, sealed, &count, &fault)));
	assert_int_equal(count, 1);
	memcpy(out, sealed[0].at, sealed[0].len);
	return span_of(out, sealed[0].len);
}

static inline struct err compute(struct fixture *f, const char *imsi, struct span sealed,
	uint8_t count, struct auth_vector v[static AUTH_VECTORS_MAX])
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

static inline struct err reseal(struct fixture *f, const char *imsi, struct span sealed,
	uint8_t out[static AUC_SEALED_MAX], struct span *anew)
{
	static struct auc_sealed_rows rows;
	struct writer ask = writer_of(SPAN_MUT_ARRAY(ask_buffer));
	struct span answer, spans[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	size_t count;

	rows = (struct auc_sealed_rows){.count = 1, .rows[0].sealed = sealed};
	memcpy(rows.rows[0].imsi, imsi, strlen(imsi) + 1);
	auc_sealed_rows_encode(&ask, &rows);
	const struct err e = serve(f, AUC_RESEAL, &ask, &answer);
	if (failed(e)) {
		assert_int_equal(answer.len, 0);
		return e;
	}
	assert_false(failed(auc_sealed_decode(answer, spans, &count, &fault)));
	assert_int_equal(count, 1);
	memcpy(out, spans[0].at, spans[0].len);
	*anew = span_of(out, spans[0].len);
	return OK;
}
