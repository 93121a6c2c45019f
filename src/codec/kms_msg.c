// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kms_msg.h"

bool kms_name_set(struct kms_name *name, const char *text)
{
	const size_t len = strlen(text);

	*name = (struct kms_name){0};
	if (len > KMS_SAE_MAX)
		return false;
	name->len = len;
	memcpy(name->text, text, len);
	return true;
}

void kms_name_write(struct writer *w, const struct kms_name *name)
{
	writer_u8(w, (uint8_t)name->len);
	writer_span(w, span_of(name->text, name->len));
}

void kms_name_read(struct reader *r, struct kms_name *name, const char *field)
{
	const uint8_t len = reader_u8(r, field);

	*name = (struct kms_name){0};
	if (!reader_require(r, len <= KMS_SAE_MAX, field, NULL))
		return;
	reader_copy(r, span_mut_of(name->text, len), field);
	name->len = len;
	if (!reader_require(r, memchr(name->text, '\0', len) == NULL, field, NULL))
		*name = (struct kms_name){0};
}

/* A name that must say something. */
static void name_read(struct reader *r, struct kms_name *name, const char *field)
{
	kms_name_read(r, name, field);
	reader_require(r, name->len > 0, field, NULL);
}

void kms_key_id_read(struct reader *r, struct kms_key_id *id)
{
	reader_copy(r, SPAN_MUT_ARRAY(id->octets), "key_id");
}

/* A count in 1..max; 0 after a fault, so that loops over it stop. */
static size_t count_read(struct reader *r, size_t max, const char *field)
{
	const uint8_t count = reader_u8(r, field);

	return reader_require(r, count > 0 && count <= max, field, NULL) ? count : 0;
}

void kms_status_request_encode(struct writer *w, const struct kms_status_request *m)
{
	kms_name_write(w, &m->caller);
	kms_name_write(w, &m->slave);
}

struct err kms_status_request_decode(
	struct kms_status_request *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	kms_name_read(&r, &m->caller, "caller");
	name_read(&r, &m->slave, "slave");
	reader_end(&r, "kms_status");
	return wire_result(fault);
}

void kms_status_answer_encode(struct writer *w, const struct kms_status_answer *m)
{
	kms_name_write(w, &m->source_kme);
	kms_name_write(w, &m->target_kme);
	kms_name_write(w, &m->master);
	kms_name_write(w, &m->slave);
	writer_u32(w, m->key_size_bits);
	writer_u32(w, m->stored_key_count);
	writer_u32(w, m->max_key_count);
	writer_u32(w, m->max_key_per_request);
	writer_u32(w, m->max_key_size_bits);
	writer_u32(w, m->min_key_size_bits);
	writer_u32(w, m->max_sae_id_count);
}

struct err kms_status_answer_decode(
	struct kms_status_answer *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	kms_name_read(&r, &m->source_kme, "source_kme");
	kms_name_read(&r, &m->target_kme, "target_kme");
	kms_name_read(&r, &m->master, "master");
	kms_name_read(&r, &m->slave, "slave");
	m->key_size_bits = reader_u32(&r, "key_size");
	m->stored_key_count = reader_u32(&r, "stored_key_count");
	m->max_key_count = reader_u32(&r, "max_key_count");
	m->max_key_per_request = reader_u32(&r, "max_key_per_request");
	m->max_key_size_bits = reader_u32(&r, "max_key_size");
	m->min_key_size_bits = reader_u32(&r, "min_key_size");
	m->max_sae_id_count = reader_u32(&r, "max_sae_id_count");
	reader_end(&r, "kms_status");
	return wire_result(fault);
}

void kms_enc_request_encode(struct writer *w, const struct kms_enc_request *m)
{
	kms_name_write(w, &m->master);
	writer_u8(w, (uint8_t)m->slave_count);
	for (size_t i = 0; i < m->slave_count; i++)
		kms_name_write(w, &m->slaves[i]);
	writer_u32(w, m->number);
	writer_u32(w, m->size_bits);
}

struct err kms_enc_request_decode(
	struct kms_enc_request *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	kms_name_read(&r, &m->master, "master");
	m->slave_count = count_read(&r, KMS_SLAVES_MAX, "slaves");
	for (size_t i = 0; i < m->slave_count; i++)
		name_read(&r, &m->slaves[i], "slave");
	m->number = reader_u32(&r, "number");
	reader_require(&r, m->number > 0 && m->number <= KMS_KEYS_MAX, "number", NULL);
	m->size_bits = reader_u32(&r, "size");
	reader_require(
		&r, m->size_bits % 8 == 0 && m->size_bits / 8 <= KMS_KEY_OCTETS_MAX, "size", NULL);
	reader_end(&r, "kms_enc_keys");
	return wire_result(fault);
}

void kms_dec_request_encode(struct writer *w, const struct kms_dec_request *m)
{
	kms_name_write(w, &m->master);
	kms_name_write(w, &m->caller);
	writer_u8(w, (uint8_t)m->count);
	for (size_t i = 0; i < m->count; i++)
		writer_span(w, SPAN_ARRAY(m->ids[i].octets));
}

struct err kms_dec_request_decode(
	struct kms_dec_request *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	name_read(&r, &m->master, "master");
	kms_name_read(&r, &m->caller, "caller");
	m->count = count_read(&r, KMS_KEYS_MAX, "count");
	for (size_t i = 0; i < m->count; i++)
		kms_key_id_read(&r, &m->ids[i]);
	reader_end(&r, "kms_dec_keys");
	return wire_result(fault);
}

void kms_keys_encode(struct writer *w, const struct kms_keys *m)
{
	writer_u8(w, (uint8_t)m->count);
	for (size_t i = 0; i < m->count; i++) {
		writer_span(w, SPAN_ARRAY(m->items[i].id.octets));
		writer_u8(w, (uint8_t)m->items[i].key.len);
		writer_span(w, m->items[i].key);
	}
}

struct err kms_keys_decode(struct kms_keys *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	m->count = count_read(&r, KMS_KEYS_MAX, "count");
	for (size_t i = 0; i < m->count; i++) {
		kms_key_id_read(&r, &m->items[i].id);
		const uint8_t len = reader_u8(&r, "key_length");
		reader_require(&r, len > 0 && len <= KMS_KEY_OCTETS_MAX, "key_length", NULL);
		m->items[i].key = reader_span(&r, len, "key");
	}
	reader_end(&r, "kms_keys");
	return wire_result(fault);
}
