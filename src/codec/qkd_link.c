// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_link.h"

/* Which members a message carries, in this order on the wire, and what its items are. */
enum member {
	SLOTS = 1,
	MODE = 2,
	ERRORS = 4,
	HASH = 8,
	LENGTH = 16,
	TAG = 32,
	REASON = 64,
	ENDS = 128,
	NO_BLOCK = 256,
};

enum items { NO_ITEMS, GAPS, PACKED, OCTETS };

static const struct shape {
	uint16_t type;
	unsigned members;
	enum items items;
	uint32_t item_bits; /* PACKED */
} shapes[] = {
	{LINK_READY, NO_BLOCK | ENDS, NO_ITEMS, 0},
	{LINK_DETECTED, SLOTS, GAPS, 0},
	{LINK_MEASURED, 0, PACKED, 2},
	{LINK_SIFTED, 0, PACKED, 4},
	{LINK_RECONCILE, MODE, NO_ITEMS, 0},
	{LINK_QUESTION, 0, OCTETS, 0},
	{LINK_ANSWER, 0, OCTETS, 0},
	{LINK_CORRECTED, ERRORS, NO_ITEMS, 0},
	{LINK_VERIFY, HASH, NO_ITEMS, 0},
	{LINK_VERIFIED, 0, NO_ITEMS, 0},
	{LINK_AMPLIFY, LENGTH, NO_ITEMS, 0},
	{LINK_SEED, 0, OCTETS, 0},
	{LINK_TAG, TAG, NO_ITEMS, 0},
	{LINK_FINAL, 0, NO_ITEMS, 0},
	{LINK_ABORT, REASON, NO_ITEMS, 0},
};

static const struct shape *shape_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

static size_t packed_octets(const struct shape *shape, uint32_t count)
{
	return ((size_t)count * shape->item_bits + 7) / 8;
}

/* Exactly `count` gaps of 32 bits, each in its shortest form: octet by octet. */
static bool are_gaps_slow(struct span items, uint32_t count)
{
	uint32_t gaps = 0, octets = 0;

	for (size_t i = 0; i < items.len; i++) {
		const uint8_t octet = items.at[i];
		octets++;
		if (octets == LINK_GAP_OCTETS_MAX && octet > 0x0f)
			return false;
		if (octet >= 0x80)
			continue;
		if (octet == 0 && octets > 1)
			return false;
		gaps++;
		octets = 0;
	}
	return octets == 0 && gaps == count;
}

#define EVERY_TOP UINT64_C(0x8080808080808080)

/* Of each octet the one `n` before it, with those of the word before. */
static inline uint64_t octets_before(uint64_t word, uint64_t word_before, unsigned n)
{
	return word << 8 * n | word_before >> (64 - 8 * n);
}

/*
 * The same, eight octets at a time: a set top bit says that the gap goes on, an octet of zero may not follow one. Gaps of five octets,
 * 2^28 slots or more, are left to the slow way: they make a run of four set bits.
 */
static bool are_gaps(struct span items, uint32_t count)
{
	const size_t filler = (0 - items.len) % 8; /* octets of one, each a gap, in the last word */
	uint64_t going_on = 0, gaps = 0;

	if (items.len == 0 || items.at[items.len - 1] >= 0x80)
		return false;
	for (size_t i = 0; i < items.len; i += 8) {
		const size_t left = items.len - i;
		const uint64_t before = going_on;
		uint64_t word = UINT64_C(0x0101010101010101);
		memcpy(&word, items.at + i, left < 8 ? left : 8);
		going_on = word & EVERY_TOP;
		const uint64_t follows = octets_before(going_on, before, 1);
		const uint64_t is_zero = ~(((word & ~EVERY_TOP) + ~EVERY_TOP) | word) & EVERY_TOP;
		if (going_on & follows & octets_before(going_on, before, 2) &
			octets_before(going_on, before, 3))
			return are_gaps_slow(items, count);
		if (is_zero & follows)
			return false;
		gaps += ((~going_on & EVERY_TOP) >> 7) * UINT64_C(0x0101010101010101) >> 56;
	}
	return gaps - filler == count;
}
static void take_items(struct reader *r, const struct shape *shape, struct link_message *m)
{
	if (shape->items == OCTETS) {
		m->items = reader_rest(r);
		m->count = (uint32_t)m->items.len;
		return;
	}
	m->count = reader_u32(r, "count");
	if (!reader_require(r, m->count >= 1 && m->count <= LINK_PART_MAX, "count", NULL))
		return;
	if (shape->items == GAPS) {
		m->items = reader_rest(r);
		reader_require(r, are_gaps(m->items, m->count), "gaps", NULL);
		return;
	}
	m->items = reader_span(r, packed_octets(shape, m->count), "items");
	/* Spare bits of the last octet are zero: one message, one form. */
	const uint32_t used = m->count * shape->item_bits % 8;
	if (!reader_failed(r) && used != 0)
		reader_require(r, m->items.at[m->items.len - 1] >> used == 0, "items", NULL);
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
	}
	if (members & MODE) {
		m->mode = reader_u8(r, "mode");
		reader_copy(r, SPAN_MUT_ARRAY(m->seed), "seed");
		m->qber_ppm = reader_u32(r, "qber");
		reader_require(r, m->qber_ppm <= 500000, "qber", NULL);
	}
	for (size_t k = 0; (members & ERRORS) && k < 3; k++)
		m->errors[k] = reader_u32(r, "errors");
	if (members & HASH) {
		reader_copy(r, SPAN_MUT_ARRAY(m->hash_key), "hash_key");
		reader_copy(r, SPAN_MUT_ARRAY(m->verify_tag), "verify_tag");
	}
	if (members & LENGTH) {
		m->final_bits = reader_u32(r, "final_bits");
		m->seed_bits = reader_u32(r, "seed_bits");
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
	}
	if (members & MODE) {
		writer_u8(w, m->mode);
		writer_span(w, SPAN_ARRAY(m->seed));
		writer_u32(w, m->qber_ppm);
	}
	for (size_t k = 0; (members & ERRORS) && k < 3; k++)
		writer_u32(w, m->errors[k]);
	if (members & HASH) {
		writer_span(w, SPAN_ARRAY(m->hash_key));
		writer_span(w, SPAN_ARRAY(m->verify_tag));
	}
	if (members & LENGTH) {
		writer_u32(w, m->final_bits);
		writer_u32(w, m->seed_bits);
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
	if (shape->items != NO_ITEMS)
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
	if (shape->items == GAPS || shape->items == PACKED)
		writer_u32(w, m->count);
	if (shape->items != NO_ITEMS)
		writer_span(w, m->items);
}

static void take_parameters(struct reader *r, struct link_parameters *p)
{
	p->protocol = reader_u8(r, "protocol");
	p->detections_per_block = reader_u32(r, "detections_per_block");
	reader_require(r,
		p->detections_per_block >= 1 && p->detections_per_block <= LINK_DETECTIONS_MAX,
		"detections_per_block", NULL);
	p->final_bits_fixed = reader_u32(r, "final_bits_fixed");
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
	writer_u8(w, p->protocol);
	writer_u32(w, p->detections_per_block);
	writer_u32(w, p->final_bits_fixed);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, p->intensity_micro[i]);
	for (size_t i = 0; i < 3; i++)
		writer_u32(w, p->probability_micro[i]);
	writer_u32(w, p->basis_x_micro);
	writer_u8(w, p->eps_sec_exponent);
	writer_u8(w, p->eps_cor_exponent);
}

struct err link_hello_decode(struct span body, struct link_hello *hello, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*hello = (struct link_hello){.version = reader_u8(&r, "version")};
	if (!reader_failed(&r) && hello->version != LINK_VERSION) {
		reader_refuse(&r, ERR(VERSION), "version", NULL);
		return wire_result(fault);
	}
	hello->role = (enum link_role)reader_u8(&r, "role");
	reader_require(&r, hello->role == LINK_ALICE || hello->role == LINK_BOB, "role", NULL);
	const size_t len = reader_u8(&r, "link_length");
	if (reader_require(&r, len >= 1 && len <= QKD_LINK_MAX, "link_length", NULL))
		reader_copy(&r, span_mut_of(hello->link, len), "link");
	reader_require(&r, strlen(hello->link) == len, "link", NULL);
	take_parameters(&r, &hello->parameters);
	hello->error_correction = reader_u8(&r, "error_correction");
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

	writer_u8(w, LINK_VERSION);
	writer_u8(w, (uint8_t)hello->role);
	writer_u8(w, (uint8_t)link.len);
	writer_span(w, link);
	put_parameters(w, &hello->parameters);
	writer_u8(w, hello->error_correction);
	put_marks(w, hello->marks);
	put_marks(w, hello->ends);
	writer_u8(w, (uint8_t)hello->block_count);
	for (size_t i = 0; i < hello->block_count; i++) {
		writer_span(w, SPAN_ARRAY(hello->blocks[i].id));
		writer_u8(w, (uint8_t)hello->blocks[i].state);
	}
}
