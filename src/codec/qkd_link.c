// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_link.h"

/* Which members a message carries, in this order on the wire, and the size of an item in bits. */
enum member {
	SLOTS = 1,
	PASS = 2,
	ERRORS = 4,
	HASH = 8,
	LENGTH = 16,
	TAG = 32,
	REASON = 64,
	ENDS = 128,
	NO_BLOCK = 256,
};

static const struct shape {
	uint16_t type;
	unsigned members;
	uint32_t item_bits, items_max;
} shapes[] = {
	{LINK_READY, NO_BLOCK | ENDS, 0, 0},
	{LINK_DETECTIONS, SLOTS, 24, LINK_DETECTIONS_MAX},
	{LINK_SIFTED, 0, 8, LINK_DETECTIONS_MAX},
	{LINK_PASS, PASS, 0, 0},
	{LINK_RANGES, 0, 56, LINK_RANGES_MAX},
	{LINK_PARITIES, 0, 1, LINK_BITS_MAX},
	{LINK_CORRECTED, ERRORS, 0, 0},
	{LINK_VERIFY, HASH, 0, 0},
	{LINK_VERIFIED, 0, 0, 0},
	{LINK_AMPLIFY, LENGTH, 1, LINK_BITS_MAX},
	{LINK_TAG, TAG, 0, 0},
	{LINK_FINAL, 0, 0, 0},
	{LINK_ABORT, REASON, 0, 0},
};

static const struct shape *shape_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

static size_t octets_of(const struct shape *shape, uint32_t count)
{
	return (size_t)(((uint64_t)count * shape->item_bits + 7) / 8);
}

static void take_items(struct reader *r, const struct shape *shape, struct link_message *m)
{
	m->count = reader_u32(r, "count");
	if (!reader_require(r, m->count <= shape->items_max, "count", NULL))
		return;
	m->items = reader_span(r, octets_of(shape, m->count), "items");
	/* Spare bits of the last octet are zero: one message, one form. */
	if (!reader_failed(r) && shape->item_bits == 1 && m->count % 8 != 0)
		reader_require(
			r, m->items.at[m->items.len - 1] >> m->count % 8 == 0, "items", NULL);
}

static struct qkd_marks take_marks(struct reader *r)
{
	const uint64_t send = reader_u64(r, "mark_send");

	return (struct qkd_marks){.send = send, .accept = reader_u64(r, "mark_accept")};
}

static void put_marks(struct writer *w, struct qkd_marks marks)
{
	writer_u64(w, marks.send);
	writer_u64(w, marks.accept);
}

static void take_members(struct reader *r, unsigned members, struct link_message *m)
{
	if (members & SLOTS) {
		reader_copy(r, SPAN_MUT_ARRAY(m->session), "session");
		m->first_slot = reader_u64(r, "first_slot");
		m->slot_count = reader_u32(r, "slot_count");
		reader_require(r, m->slot_count <= LINK_SLOTS_MAX, "slot_count", NULL);
	}
	if (members & PASS) {
		m->pass = reader_u8(r, "pass");
		m->pass_block_bits = reader_u32(r, "pass_block_bits");
		m->permutation = reader_u64(r, "permutation");
	}
	if (members & ERRORS)
		m->errors = reader_u32(r, "errors");
	if (members & HASH) {
		reader_copy(r, SPAN_MUT_ARRAY(m->hash_key), "hash_key");
		reader_copy(r, SPAN_MUT_ARRAY(m->verify_tag), "verify_tag");
	}
	if (members & LENGTH) {
		m->final_bits = reader_u32(r, "final_bits");
		m->refill = reader_u16(r, "refill");
		reader_require(r, m->refill <= LINK_REFILL_MAX, "refill", NULL);
	}
	if (members & TAG) {
		m->pad_index = reader_u64(r, "pad_index");
		reader_copy(r, SPAN_MUT_ARRAY(m->tag), "tag");
	}
	if (members & REASON)
		m->reason = reader_u8(r, "reason");
	if (members & ENDS)
		m->ends = take_marks(r);
}

static void put_members(struct writer *w, unsigned members, const struct link_message *m)
{
	if (members & SLOTS) {
		writer_span(w, SPAN_ARRAY(m->session));
		writer_u64(w, m->first_slot);
		writer_u32(w, m->slot_count);
	}
	if (members & PASS) {
		writer_u8(w, m->pass);
		writer_u32(w, m->pass_block_bits);
		writer_u64(w, m->permutation);
	}
	if (members & ERRORS)
		writer_u32(w, m->errors);
	if (members & HASH) {
		writer_span(w, SPAN_ARRAY(m->hash_key));
		writer_span(w, SPAN_ARRAY(m->verify_tag));
	}
	if (members & LENGTH) {
		writer_u32(w, m->final_bits);
		writer_u16(w, m->refill);
	}
	if (members & TAG) {
		writer_u64(w, m->pad_index);
		writer_span(w, SPAN_ARRAY(m->tag));
	}
	if (members & REASON)
		writer_u8(w, m->reason);
	if (members & ENDS)
		put_marks(w, m->ends);
}

struct err link_decode(
	uint16_t type, struct span body, struct link_message *m, struct wire_fault *fault)
{
	const struct shape *shape = shape_of(type);
	struct reader r = reader_of(body, fault);

	*m = (struct link_message){0};
	if (!reader_require(&r, shape != NULL, "type", NULL))
		return wire_result(fault);
	if (!(shape->members & NO_BLOCK))
		reader_copy(&r, SPAN_MUT_ARRAY(m->block_id), "block_id");
	take_members(&r, shape->members, m);
	if (shape->item_bits > 0)
		take_items(&r, shape, m);
	reader_end(&r, "message");
	return wire_result(fault);
}

void link_encode(struct writer *w, uint16_t type, const struct link_message *m)
{
	const struct shape *shape = shape_of(type);

	if (!(shape->members & NO_BLOCK))
		writer_span(w, SPAN_ARRAY(m->block_id));
	put_members(w, shape->members, m);
	if (shape->item_bits > 0) {
		writer_u32(w, m->count);
		writer_span(w, span_of(m->items.at, octets_of(shape, m->count)));
	}
}

static struct reader item_at(
	const struct link_message *m, size_t octets, uint32_t i, struct wire_fault *fault)
{
	struct reader r = reader_of(m->items, fault);

	reader_cut(&r, octets * i, "items");
	return reader_cut(&r, octets, "item");
}

struct link_detection link_detection_at(const struct link_message *m, uint32_t i)
{
	struct wire_fault fault = {0};
	struct reader r = item_at(m, 3, i, &fault);
	const uint32_t v = reader_u24(&r, "detection");
	const bool is_test = v & 1;

	/* LINK_SLOTS_MAX is such that a gap fits beside the bits of the test basis. */
	return (struct link_detection){.gap = is_test ? v >> 2 : v >> 1,
		.is_test_basis = is_test,
		.test_bit = is_test ? v >> 1 & 1 : 0};
}

void link_detection_put(struct writer *w, struct link_detection d)
{
	const uint32_t gap =
		d.is_test_basis ? d.gap << 2 | (uint32_t)d.test_bit << 1 | 1 : d.gap << 1;

	if (gap >> 24 != 0)
		w->is_full = true;
	writer_u24(w, gap);
}

struct link_range link_range_at(const struct link_message *m, uint32_t i)
{
	struct wire_fault fault = {0};
	struct reader r = item_at(m, 7, i, &fault);
	const uint8_t pass = reader_u8(&r, "pass");
	const uint32_t start = reader_u24(&r, "start");

	return (struct link_range){.pass = pass, .start = start, .len = reader_u24(&r, "len")};
}

void link_range_put(struct writer *w, struct link_range range)
{
	writer_u8(w, range.pass);
	writer_u24(w, range.start);
	writer_u24(w, range.len);
}

struct link_sifted link_sifted_at(const struct link_message *m, uint32_t i)
{
	struct wire_fault fault = {0};
	struct reader r = item_at(m, 1, i, &fault);
	const uint8_t v = reader_u8(&r, "sifted");

	return (struct link_sifted){.is_kept = (v & 3) != 0,
		.intensity = (uint8_t)((v & 3) - ((v & 3) != 0)),
		.test_bit = v >> 2 & 1};
}

void link_sifted_put(struct writer *w, struct link_sifted s)
{
	writer_u8(w, s.is_kept ? (uint8_t)((s.intensity + 1) | s.test_bit << 2) : 0);
}

bool link_bit_at(const struct link_message *m, uint32_t i)
{
	struct wire_fault fault = {0};
	struct reader r = item_at(m, 1, i / 8, &fault);

	return reader_u8(&r, "bit") >> i % 8 & 1;
}

static void take_parameters(struct reader *r, struct link_parameters *p)
{
	p->slots_per_block = reader_u32(r, "slots_per_block");
	reader_require(r, p->slots_per_block >= 1 && p->slots_per_block <= LINK_SLOTS_MAX,
		"slots_per_block", NULL);
	for (size_t i = 0; i < 3; i++)
		p->intensity_micro[i] = reader_u32(r, "intensity");
	for (size_t i = 0; i < 3; i++)
		p->probability_micro[i] = reader_u32(r, "probability");
	p->basis_x_micro = reader_u32(r, "basis_x");
	p->eps_sec_exponent = reader_u8(r, "eps_sec");
	p->eps_cor_exponent = reader_u8(r, "eps_cor");
}

static void put_parameters(struct writer *w, const struct link_parameters *p)
{
	writer_u32(w, p->slots_per_block);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, p->intensity_micro[i]);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, p->probability_micro[i]);
	writer_u32(w, p->basis_x_micro);
	writer_u8(w, p->eps_sec_exponent);
	writer_u8(w, p->eps_cor_exponent);
}

bool link_parameters_equal(const struct link_parameters *a, const struct link_parameters *b)
{
	return a->slots_per_block == b->slots_per_block &&
	       memcmp(a->intensity_micro, b->intensity_micro, sizeof a->intensity_micro) == 0 &&
	       memcmp(a->probability_micro, b->probability_micro, sizeof a->probability_micro) ==
		       0 &&
	       a->basis_x_micro == b->basis_x_micro && a->eps_sec_exponent == b->eps_sec_exponent &&
	       a->eps_cor_exponent == b->eps_cor_exponent;
}

struct err link_hello_decode(struct span body, struct link_hello *hello, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*hello = (struct link_hello){.role = (enum link_role)reader_u8(&r, "role")};
	reader_require(&r, hello->role == LINK_ALICE || hello->role == LINK_BOB, "role", NULL);
	const size_t len = reader_u8(&r, "link_length");
	if (reader_require(&r, len >= 1 && len <= QKD_LINK_MAX, "link_length", NULL))
		reader_copy(&r, span_mut_of(hello->link, len), "link");
	reader_require(&r, strlen(hello->link) == len, "link", NULL);
	take_parameters(&r, &hello->parameters);
	hello->marks = take_marks(&r);
	hello->ends = take_marks(&r);
	const size_t count = reader_u8(&r, "block_count");
	reader_require(&r, count <= QKD_BLOCKS_MAX, "block_count", NULL);
	for (size_t i = 0; i < count && !reader_failed(&r); i++) {
		struct qkd_block *block = &hello->blocks[hello->block_count++];
		reader_copy(&r, SPAN_MUT_ARRAY(block->id), "block_id");
		block->state = (enum qkd_block_state)reader_u8(&r, "block_state");
		reader_require(&r, block->state == QKD_PENDING || block->state == QKD_FINAL,
			"block_state", NULL);
	}
	reader_end(&r, "hello");
	return wire_result(fault);
}

void link_hello_encode(struct writer *w, const struct link_hello *hello)
{
	const struct span link = span_str(hello->link);

	writer_u8(w, (uint8_t)hello->role);
	writer_u8(w, (uint8_t)link.len);
	writer_span(w, link);
	put_parameters(w, &hello->parameters);
	put_marks(w, hello->marks);
	put_marks(w, hello->ends);
	writer_u8(w, (uint8_t)hello->block_count);
	for (size_t i = 0; i < hello->block_count; i++) {
		writer_span(w, SPAN_ARRAY(hello->blocks[i].id));
		writer_u8(w, (uint8_t)hello->blocks[i].state);
	}
}
