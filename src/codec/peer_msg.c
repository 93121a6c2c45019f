// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "peer_msg.h"

void peer_exchange_write(struct writer *w, const struct peer_exchange *m)
{
	writer_span(w, SPAN_ARRAY(m->block_id));
	writer_span(w, SPAN_ARRAY(m->exchange_id));
	kms_name_write(w, &m->initiator);
	kms_name_write(w, &m->responder);
	writer_span(w, SPAN_ARRAY(m->mlkem));
	writer_span(w, SPAN_ARRAY(m->x25519));
}

void peer_exchange_read(struct reader *r, struct peer_exchange *m)
{
	reader_copy(r, SPAN_MUT_ARRAY(m->block_id), "block_id");
	reader_copy(r, SPAN_MUT_ARRAY(m->exchange_id), "exchange_id");
	kms_name_read(r, &m->initiator, "initiator");
	kms_name_read(r, &m->responder, "responder");
	reader_copy(r, SPAN_MUT_ARRAY(m->mlkem), "mlkem");
	reader_copy(r, SPAN_MUT_ARRAY(m->x25519), "x25519");
}

void peer_exchange_answer_write(struct writer *w, const struct peer_exchange_answer *m)
{
	writer_span(w, SPAN_ARRAY(m->mlkem));
	writer_span(w, SPAN_ARRAY(m->x25519));
	writer_span(w, SPAN_ARRAY(m->proof));
}

void peer_exchange_answer_read(struct reader *r, struct peer_exchange_answer *m)
{
	reader_copy(r, SPAN_MUT_ARRAY(m->mlkem), "mlkem");
	reader_copy(r, SPAN_MUT_ARRAY(m->x25519), "x25519");
	reader_copy(r, SPAN_MUT_ARRAY(m->proof), "proof");
}

struct err peer_exchange_decode(struct peer_exchange *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	peer_exchange_read(&r, m);
	reader_end(&r, "peer_exchange");
	return wire_result(fault);
}

struct err peer_exchange_answer_decode(
	struct peer_exchange_answer *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	peer_exchange_answer_read(&r, m);
	reader_end(&r, "peer_exchange_answer");
	return wire_result(fault);
}

void peer_confirm_encode(struct writer *w, const struct peer_confirm *m)
{
	writer_span(w, SPAN_ARRAY(m->block_id));
	writer_span(w, SPAN_ARRAY(m->exchange_id));
	writer_span(w, SPAN_ARRAY(m->proof));
}

struct err peer_confirm_decode(struct peer_confirm *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	reader_copy(&r, SPAN_MUT_ARRAY(m->block_id), "block_id");
	reader_copy(&r, SPAN_MUT_ARRAY(m->exchange_id), "exchange_id");
	reader_copy(&r, SPAN_MUT_ARRAY(m->proof), "proof");
	reader_end(&r, "peer_confirm");
	return wire_result(fault);
}

static void slots_write(struct writer *w, const struct peer_slot *slots, size_t count)
{
	writer_u8(w, (uint8_t)count);
	for (size_t i = 0; i < count; i++) {
		writer_span(w, SPAN_ARRAY(slots[i].block_id));
		writer_u32(w, slots[i].slot);
	}
}

/* A count in 1..max; 0 after a fault, so that loops over it stop. */
static size_t count_read(struct reader *r, size_t max, const char *field)
{
	const uint8_t count = reader_u8(r, field);

	return reader_require(r, count > 0 && count <= max, field, NULL) ? count : 0;
}

static size_t slots_read(struct reader *r, struct peer_slot *slots)
{
	const size_t count = count_read(r, KMS_KEYS_MAX, "keys");

	for (size_t i = 0; i < count; i++) {
		reader_copy(r, SPAN_MUT_ARRAY(slots[i].block_id), "block_id");
		slots[i].slot = reader_u32(r, "slot");
	}
	return count;
}

void peer_offer_encode(struct writer *w, const struct peer_offer *m)
{
	kms_name_write(w, &m->master);
	writer_u8(w, (uint8_t)m->slave_count);
	for (size_t i = 0; i < m->slave_count; i++)
		kms_name_write(w, &m->slaves[i]);
	writer_u32(w, m->size_bits);
	slots_write(w, m->keys, m->count);
}

struct err peer_offer_decode(struct peer_offer *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	kms_name_read(&r, &m->master, "master");
	m->slave_count = count_read(&r, KMS_SLAVES_MAX, "slaves");
	for (size_t i = 0; i < m->slave_count; i++)
		kms_name_read(&r, &m->slaves[i], "slave");
	m->size_bits = reader_u32(&r, "size");
	m->count = slots_read(&r, m->keys);
	reader_end(&r, "peer_offer");
	return wire_result(fault);
}

void peer_void_encode(struct writer *w, const struct peer_void *m)
{
	slots_write(w, m->keys, m->count);
}

struct err peer_void_decode(struct peer_void *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	m->count = slots_read(&r, m->keys);
	reader_end(&r, "peer_void");
	return wire_result(fault);
}

void peer_reconcile_encode(struct writer *w, const struct peer_reconcile *m)
{
	writer_u8(w, (uint8_t)m->count);
	for (size_t i = 0; i < m->count; i++) {
		writer_span(w, SPAN_ARRAY(m->blocks[i].block_id));
		writer_span(w, SPAN_ARRAY(m->blocks[i].transcript));
	}
}

struct err peer_reconcile_decode(
	struct peer_reconcile *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	m->count = count_read(&r, PEER_BLOCKS_MAX, "blocks");
	for (size_t i = 0; i < m->count; i++) {
		reader_copy(&r, SPAN_MUT_ARRAY(m->blocks[i].block_id), "block_id");
		reader_copy(&r, SPAN_MUT_ARRAY(m->blocks[i].transcript), "transcript");
	}
	reader_end(&r, "peer_reconcile");
	return wire_result(fault);
}

void peer_reconciled_encode(struct writer *w, const struct peer_reconciled *m)
{
	writer_u8(w, (uint8_t)m->count);
	for (size_t i = 0; i < m->count; i++) {
		writer_u8(w, (uint8_t)m->blocks[i].verdict);
		writer_u32(w, m->blocks[i].mark);
	}
}

struct err peer_reconciled_decode(
	struct peer_reconciled *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	m->count = count_read(&r, PEER_BLOCKS_MAX, "blocks");
	for (size_t i = 0; i < m->count; i++) {
		const uint8_t verdict = reader_u8(&r, "verdict");
		reader_require(
			&r, verdict >= PEER_SAME && verdict <= PEER_DIFFERENT, "verdict", NULL);
		m->blocks[i].verdict = (enum peer_verdict)verdict;
		m->blocks[i].mark = reader_u32(&r, "mark");
	}
	reader_end(&r, "peer_reconciled");
	return wire_result(fault);
}

void peer_link_encode(struct writer *w, bool is_up)
{
	writer_u8(w, is_up);
}

struct err peer_link_decode(bool *is_up, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);
	const uint8_t value = reader_u8(&r, "is_up");

	reader_require(&r, value <= 1, "is_up", NULL);
	*is_up = value == 1;
	reader_end(&r, "peer_link");
	return wire_result(fault);
}
