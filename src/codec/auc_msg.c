// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "auc_msg.h"

/* ---- parts ---- */

static void put_text(struct writer *w, const char *text)
{
	const size_t length = writer_mark(w, 1);

	writer_span(w, span_str(text));
	writer_close(w, length, 1);
}

static void take_text(struct reader *r, char *text, size_t size, const char *field)
{
	const struct span s = reader_span(r, reader_u8(r, field), field);

	text[0] = '\0';
	if (!reader_require(r, s.len < size, field, NULL))
		return;
	/* Names of nodes come from outside: what is not printable stops here at the latest. */
	for (size_t i = 0; i < s.len; i++)
		if (!reader_require(r, s.at[i] >= 0x20 && s.at[i] <= 0x7e, field, NULL))
			return;
	if (s.len > 0)
		memcpy(text, s.at, s.len);
	text[s.len] = '\0';
}

static void take_imsi(struct reader *r, char imsi[static IMSI_TEXT])
{
	const struct span s = reader_span(r, reader_u8(r, "imsi"), "imsi");
	const size_t len = s.len < IMSI_TEXT ? s.len : 0;

	memset(imsi, 0, IMSI_TEXT);
	memcpy(imsi, s.at, len);
	if (!reader_require(
		    r, strlen(imsi) == s.len && imsi_is_valid(imsi), "imsi", "TS 23.003 §2.2"))
		imsi[0] = '\0';
}

static void put_bytes(struct writer *w, struct span bytes)
{
	const size_t length = writer_mark(w, 1);

	writer_span(w, bytes);
	writer_close(w, length, 1);
}

static struct span take_sealed(struct reader *r)
{
	const struct span s = reader_span(r, reader_u8(r, "sealed"), "sealed");

	reader_require(r, s.len > 0 && s.len <= AUC_SEALED_MAX, "sealed", NULL);
	return s;
}

static size_t take_count(struct reader *r)
{
	const size_t count = reader_u16(r, "count");

	return reader_require(r, count <= AUC_ROWS_MAX, "count", NULL) ? count : 0;
}

static bool take_bool(struct reader *r, const char *field)
{
	const uint8_t v = reader_u8(r, field);

	reader_require(r, v <= 1, field, NULL);
	return v == 1;
}

static struct err end_of(struct reader *r)
{
	reader_end(r, "body");
	return wire_result(r->fault);
}

/* ---- front <-> store ---- */

void auc_request_encode(struct writer *w, const struct auth_request *q)
{
	put_text(w, q->imsi);
	writer_u8(w, (uint8_t)q->domain);
	writer_u8(w, (uint8_t)q->radio);
	put_text(w, q->node);
	writer_u8(w, q->vectors);
	writer_u8(w, q->has_resync);
	if (q->has_resync) {
		writer_span(w, SPAN_ARRAY(q->rand));
		writer_span(w, SPAN_ARRAY(q->auts));
	}
}

static enum auth_radio take_radio(struct reader *r)
{
	const uint8_t radio = reader_u8(r, "radio");

	reader_require(r, radio == AUTH_UTRAN || radio == AUTH_EPS, "radio", NULL);
	return radio == AUTH_EPS ? AUTH_EPS : AUTH_UTRAN;
}

static uint8_t take_vector_count(struct reader *r)
{
	const uint8_t count = reader_u8(r, "vectors");

	reader_require(r, count >= 1 && count <= AUTH_VECTORS_MAX, "vectors", NULL);
	return count;
}

struct err auc_request_decode(struct span body, struct auth_request *q, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*q = (struct auth_request){0};
	take_imsi(&r, q->imsi);
	const uint8_t domain = reader_u8(&r, "domain");
	reader_require(&r, domain == AUTH_PS || domain == AUTH_CS, "domain", NULL);
	q->domain = domain == AUTH_CS ? AUTH_CS : AUTH_PS;
	q->radio = take_radio(&r);
	take_text(&r, q->node, sizeof q->node, "node");
	reader_require(&r, q->node[0] != '\0', "node", NULL);
	q->vectors = take_vector_count(&r);
	q->has_resync = take_bool(&r, "has_resync");
	if (q->has_resync) {
		reader_copy(&r, SPAN_MUT_ARRAY(q->rand), "rand");
		reader_copy(&r, SPAN_MUT_ARRAY(q->auts), "auts");
	}
	return end_of(&r);
}

void auc_vectors_encode(struct writer *w, const struct auth_vector *v, size_t count)
{
	writer_u8(w, (uint8_t)count);
	for (size_t i = 0; i < count; i++) {
		writer_u8(w, v[i].is_triplet);
		writer_span(w, SPAN_ARRAY(v[i].rand));
		if (!v[i].is_triplet) {
			writer_span(w, SPAN_ARRAY(v[i].autn));
			writer_span(w, SPAN_ARRAY(v[i].ck));
			writer_span(w, SPAN_ARRAY(v[i].ik));
			put_bytes(w, span_of(v[i].res, v[i].res_len));
		}
		writer_span(w, SPAN_ARRAY(v[i].sres));
		writer_span(w, SPAN_ARRAY(v[i].kc));
	}
}

static void take_quintuplet(struct reader *r, struct auth_vector *v)
{
	reader_copy(r, SPAN_MUT_ARRAY(v->autn), "autn");
	reader_copy(r, SPAN_MUT_ARRAY(v->ck), "ck");
	reader_copy(r, SPAN_MUT_ARRAY(v->ik), "ik");
	v->res_len = reader_u8(r, "res");
	if (reader_require(
		    r, v->res_len >= 4 && v->res_len <= AUTH_RES_MAX, "res", "TS 33.102 §6.3.7"))
		reader_copy(r, span_mut_of(v->res, v->res_len), "res");
}

static void take_vector(struct reader *r, struct auth_vector *v)
{
	*v = (struct auth_vector){0};
	v->is_triplet = take_bool(r, "is_triplet");
	reader_copy(r, SPAN_MUT_ARRAY(v->rand), "rand");
	if (!v->is_triplet)
		take_quintuplet(r, v);
	reader_copy(r, SPAN_MUT_ARRAY(v->sres), "sres");
	reader_copy(r, SPAN_MUT_ARRAY(v->kc), "kc");
}

struct err auc_vectors_decode(struct span body, struct auth_vector v[static AUTH_VECTORS_MAX],
	size_t *count, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*count = 0;
	const uint8_t announced = take_vector_count(&r);
	while (!reader_failed(&r) && *count < announced)
		take_vector(&r, &v[(*count)++]);
	return end_of(&r);
}

void auc_text_encode(struct writer *w, const char *text)
{
	put_text(w, text);
}

struct err auc_text_decode(struct span body, char *text, size_t size, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	take_text(&r, text, size, "text");
	return end_of(&r);
}

/* ---- store <-> vault ---- */

void auc_vectors_ask_encode(struct writer *w, const struct auc_vectors_ask *ask)
{
	put_text(w, ask->imsi);
	put_bytes(w, ask->sealed);
	writer_u64(w, ask->sqn_first);
	writer_u32(w, ask->sqn_step);
	writer_u8(w, ask->count);
	writer_u8(w, (uint8_t)ask->radio);
}

struct err auc_vectors_ask_decode(
	struct span body, struct auc_vectors_ask *ask, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*ask = (struct auc_vectors_ask){0};
	take_imsi(&r, ask->imsi);
	ask->sealed = take_sealed(&r);
	ask->sqn_first = reader_u64(&r, "sqn_first");
	ask->sqn_step = reader_u32(&r, "sqn_step");
	ask->count = take_vector_count(&r);
	reader_require(&r, ask->sqn_first >> 48 == 0 && ask->sqn_step > 0 && ask->sqn_step <= 256,
		"sqn", "TS 33.102 §6.3.2");
	ask->radio = take_radio(&r);
	return end_of(&r);
}

void auc_resync_ask_encode(struct writer *w, const struct auc_resync_ask *ask)
{
	put_text(w, ask->imsi);
	put_bytes(w, ask->sealed);
	writer_span(w, SPAN_ARRAY(ask->rand));
	writer_span(w, SPAN_ARRAY(ask->auts));
}

struct err auc_resync_ask_decode(
	struct span body, struct auc_resync_ask *ask, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*ask = (struct auc_resync_ask){0};
	take_imsi(&r, ask->imsi);
	ask->sealed = take_sealed(&r);
	reader_copy(&r, SPAN_MUT_ARRAY(ask->rand), "rand");
	reader_copy(&r, SPAN_MUT_ARRAY(ask->auts), "auts");
	return end_of(&r);
}

void auc_u64_encode(struct writer *w, uint64_t v)
{
	writer_u64(w, v);
}

struct err auc_u64_decode(struct span body, uint64_t *v, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*v = reader_u64(&r, "value");
	return end_of(&r);
}

/* ---- key-encryption keys ---- */

void auc_wrapped_keys_encode(struct writer *w, const struct auc_wrapped_keys *keys)
{
	writer_u8(w, (uint8_t)keys->count);
	for (size_t i = 0; i < keys->count; i++) {
		writer_u32(w, keys->keys[i].id);
		put_bytes(w, keys->keys[i].wrapped);
	}
}

static void take_wrapped_key(struct reader *r, struct auc_wrapped_key *key, uint32_t id_before)
{
	key->id = reader_u32(r, "key_id");
	reader_require(r, key->id > id_before, "key_id", NULL);
	key->wrapped = reader_span(r, reader_u8(r, "wrapped"), "wrapped");
	reader_require(
		r, key->wrapped.len > 0 && key->wrapped.len <= AUC_WRAPPED_MAX, "wrapped", NULL);
}

struct err auc_wrapped_keys_decode(
	struct span body, struct auc_wrapped_keys *keys, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);
	const size_t announced = reader_u8(&r, "count");
	uint32_t id = 0;

	reader_require(&r, announced <= AUC_WRAPPED_KEYS_MAX, "count", NULL);
	for (keys->count = 0; !reader_failed(&r) && keys->count < announced; keys->count++) {
		take_wrapped_key(&r, &keys->keys[keys->count], id);
		id = keys->keys[keys->count].id;
	}
	return end_of(&r);
}

void auc_sealed_rows_encode(struct writer *w, const struct auc_sealed_rows *rows)
{
	writer_u16(w, (uint16_t)rows->count);
	for (size_t i = 0; i < rows->count; i++) {
		put_text(w, rows->rows[i].imsi);
		put_bytes(w, rows->rows[i].sealed);
	}
}

struct err auc_sealed_rows_decode(
	struct span body, struct auc_sealed_rows *rows, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);
	const size_t announced = take_count(&r);

	for (rows->count = 0; !reader_failed(&r) && rows->count < announced; rows->count++) {
		take_imsi(&r, rows->rows[rows->count].imsi);
		rows->rows[rows->count].sealed = take_sealed(&r);
	}
	return end_of(&r);
}

/* ---- import ---- */

void auc_clear_rows_encode(struct writer *w, const struct auc_clear_rows *rows)
{
	put_text(w, rows->transport);
	writer_u16(w, (uint16_t)rows->count);
	for (size_t i = 0; i < rows->count; i++) {
		put_text(w, rows->rows[i].imsi);
		writer_u8(w, rows->rows[i].is_op);
		auc_keys_encode(w, &rows->rows[i].keys);
	}
}

static void take_clear_row(struct reader *r, struct auc_clear_row *row)
{
	take_imsi(r, row->imsi);
	row->is_op = take_bool(r, "is_op");
	auc_keys_take(r, &row->keys);
}

struct err auc_clear_rows_decode(
	struct span body, struct auc_clear_rows *rows, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	take_text(&r, rows->transport, sizeof rows->transport, "transport");
	const size_t announced = take_count(&r);
	for (rows->count = 0; !reader_failed(&r) && rows->count < announced; rows->count++)
		take_clear_row(&r, &rows->rows[rows->count]);
	return end_of(&r);
}

void auc_import_result_encode(struct writer *w, const struct auc_import_result *result)
{
	writer_u64(w, result->added);
	writer_u64(w, result->replaced);
}

struct err auc_import_result_decode(
	struct span body, struct auc_import_result *result, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	result->added = reader_u64(&r, "added");
	result->replaced = reader_u64(&r, "replaced");
	return end_of(&r);
}

void auc_sealed_encode(struct writer *w, const struct span *sealed, size_t count)
{
	writer_u16(w, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_bytes(w, sealed[i]);
}

struct err auc_sealed_decode(struct span body, struct span sealed[static AUC_ROWS_MAX],
	size_t *count, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);
	const size_t announced = take_count(&r);

	for (*count = 0; !reader_failed(&r) && *count < announced; (*count)++)
		sealed[*count] = take_sealed(&r);
	return end_of(&r);
}

void auc_import_encode(struct writer *w, const struct auc_import *import)
{
	writer_u64(w, import->id);
	writer_u16(w, (uint16_t)import->count);
	for (size_t i = 0; i < import->count; i++) {
		const struct auc_import_row *row = &import->rows[i];
		put_text(w, row->imsi);
		put_text(w, row->msisdn);
		writer_u8(w, row->has_sqn);
		writer_u64(w, row->sqn);
		writer_u8(w, row->algorithm);
		put_bytes(w, row->sealed);
	}
}

static void take_import_row(struct reader *r, struct auc_import_row *row)
{
	*row = (struct auc_import_row){0};
	take_imsi(r, row->imsi);
	take_text(r, row->msisdn, sizeof row->msisdn, "msisdn");
	row->has_sqn = take_bool(r, "has_sqn");
	row->sqn = reader_u64(r, "sqn");
	reader_require(r, row->sqn >> 48 == 0, "sqn", "TS 33.102 §6.3.2");
	row->algorithm = reader_u8(r, "algorithm");
	reader_require(r, row->algorithm >= AUC_MILENAGE && row->algorithm <= AUC_COMP128_V3,
		"algorithm", NULL);
	row->sealed = take_sealed(r);
}

struct err auc_import_decode(struct span body, struct auc_import *import, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	import->id = reader_u64(&r, "import_id");
	const size_t announced = take_count(&r);
	for (import->count = 0; !reader_failed(&r) && import->count < announced; import->count++)
		take_import_row(&r, &import->rows[import->count]);
	return end_of(&r);
}
