// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kvault_msg.h"

static void blob_write(struct writer *w, struct span bytes)
{
	writer_u32(w, (uint32_t)bytes.len);
	writer_span(w, bytes);
}

static struct span blob_read(struct reader *r, size_t max, const char *field)
{
	const uint32_t len = reader_u32(r, field);

	reader_require(r, len <= max, field, NULL);
	return reader_span(r, len, field);
}

void kvault_named_encode(struct writer *w, const struct kvault_named *m)
{
	kms_name_write(w, &m->link);
	blob_write(w, m->bytes);
}

struct err kvault_named_decode(struct kvault_named *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	kms_name_read(&r, &m->link, "link");
	m->bytes = blob_read(&r, KVAULT_STATE_OCTETS_MAX, "state");
	reader_end(&r, "kvault_state");
	return wire_result(fault);
}

void kvault_block_encode(struct writer *w, const struct kvault_block *m)
{
	writer_span(w, SPAN_ARRAY(m->block_id));
	blob_write(w, m->key);
}

struct err kvault_block_decode(struct kvault_block *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	reader_copy(&r, SPAN_MUT_ARRAY(m->block_id), "block_id");
	m->key = blob_read(&r, KVAULT_BLOCK_OCTETS_MAX, "key");
	reader_end(&r, "kvault_block");
	return wire_result(fault);
}

void kvault_segments_encode(struct writer *w, const struct kvault_segments *m)
{
	writer_u8(w, (uint8_t)m->count);
	for (size_t i = 0; i < m->count; i++) {
		writer_span(w, SPAN_ARRAY(m->items[i].wrapped));
		blob_write(w, m->items[i].sealed);
	}
}

struct err kvault_segments_decode(
	struct kvault_segments *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);
	const uint8_t count = reader_u8(&r, "count");

	m->count = reader_require(&r, count <= KVAULT_SEGMENTS_MAX, "count", NULL) ? count : 0;
	for (size_t i = 0; i < m->count; i++) {
		reader_copy(&r, SPAN_MUT_ARRAY(m->items[i].wrapped), "wrapped");
		m->items[i].sealed = blob_read(&r, KVAULT_SEALED_MAX, "sealed");
	}
	reader_end(&r, "kvault_segments");
	return wire_result(fault);
}

static void segment_write(struct writer *w, const struct kvault_segment *s)
{
	writer_span(w, SPAN_ARRAY(s->block_id));
	writer_u32(w, s->slots);
	writer_u32(w, s->number);
	blob_write(w, s->wrapped);
	blob_write(w, s->sealed);
}

static void segment_read(struct reader *r, struct kvault_segment *s)
{
	reader_copy(r, SPAN_MUT_ARRAY(s->block_id), "block_id");
	s->slots = reader_u32(r, "slots");
	s->number = reader_u32(r, "segment");
	reader_require(r, s->number < KVAULT_SEGMENTS_MAX, "segment", NULL);
	s->wrapped = blob_read(r, KVAULT_WRAPPED, "wrapped");
	s->sealed = blob_read(r, KVAULT_SEALED_MAX, "sealed");
}

void kvault_opened_encode(struct writer *w, const struct kvault_opened *m)
{
	peer_exchange_write(w, &m->public);
	writer_span(w, SPAN_ARRAY(m->private));
}

struct err kvault_opened_decode(struct kvault_opened *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	peer_exchange_read(&r, &m->public);
	reader_copy(&r, SPAN_MUT_ARRAY(m->private), "private");
	reader_end(&r, "kvault_opened");
	return wire_result(fault);
}

void kvault_answer_encode(struct writer *w, const struct kvault_answer *m)
{
	segment_write(w, &m->segment);
	peer_exchange_write(w, &m->public);
}

struct err kvault_answer_decode(struct kvault_answer *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	segment_read(&r, &m->segment);
	peer_exchange_read(&r, &m->public);
	reader_end(&r, "kvault_answer");
	return wire_result(fault);
}

static void agreed_read(struct reader *r, struct kvault_agreed *m)
{
	reader_copy(r, SPAN_MUT_ARRAY(m->secrets), "secrets");
	reader_copy(r, SPAN_MUT_ARRAY(m->transcript), "transcript");
	reader_copy(r, SPAN_MUT_ARRAY(m->proof), "proof");
}

void kvault_answered_encode(struct writer *w, const struct kvault_answered *m)
{
	peer_exchange_answer_write(w, &m->answer);
	kvault_agreed_encode(w, &m->agreed);
}

struct err kvault_answered_decode(
	struct kvault_answered *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	peer_exchange_answer_read(&r, &m->answer);
	agreed_read(&r, &m->agreed);
	reader_end(&r, "kvault_answered");
	return wire_result(fault);
}

void kvault_finish_encode(struct writer *w, const struct kvault_finish *m)
{
	segment_write(w, &m->segment);
	peer_exchange_write(w, &m->public);
	peer_exchange_answer_write(w, &m->answer);
	writer_span(w, SPAN_ARRAY(m->private));
}

struct err kvault_finish_decode(struct kvault_finish *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	segment_read(&r, &m->segment);
	peer_exchange_read(&r, &m->public);
	peer_exchange_answer_read(&r, &m->answer);
	reader_copy(&r, SPAN_MUT_ARRAY(m->private), "private");
	reader_end(&r, "kvault_finish");
	return wire_result(fault);
}

void kvault_agreed_encode(struct writer *w, const struct kvault_agreed *m)
{
	writer_span(w, SPAN_ARRAY(m->secrets));
	writer_span(w, SPAN_ARRAY(m->transcript));
	writer_span(w, SPAN_ARRAY(m->proof));
}

struct err kvault_agreed_decode(struct kvault_agreed *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	agreed_read(&r, m);
	reader_end(&r, "kvault_agreed");
	return wire_result(fault);
}

void kvault_run_write(struct writer *w, const struct kvault_run *run)
{
	segment_write(w, &run->segment);
	writer_span(w, SPAN_ARRAY(run->exchange_id));
	blob_write(w, run->secrets);
	writer_u8(w, (uint8_t)run->count);
	for (size_t i = 0; i < run->count; i++) {
		writer_u32(w, run->keys[i].slot);
		writer_u16(w, run->keys[i].size_bits);
	}
}

void kvault_run_read(struct reader *r, struct kvault_run *run)
{
	segment_read(r, &run->segment);
	reader_copy(r, SPAN_MUT_ARRAY(run->exchange_id), "exchange_id");
	run->secrets = blob_read(r, KVAULT_SECRETS, "secrets");
	const uint8_t count = reader_u8(r, "keys");
	run->count =
		reader_require(r, count > 0 && count <= KMS_KEYS_MAX, "keys", NULL) ? count : 0;
	for (size_t i = 0; i < run->count; i++) {
		run->keys[i].slot = reader_u32(r, "slot");
		run->keys[i].size_bits = reader_u16(r, "size");
		reader_require(r,
			run->keys[i].size_bits > 0 && run->keys[i].size_bits % 8 == 0 &&
				run->keys[i].size_bits <= 8 * KMS_KEY_OCTETS_MAX,
			"size", NULL);
	}
}
