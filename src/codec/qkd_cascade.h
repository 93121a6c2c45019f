// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The bodies of Cascade's questions and answers (qkd/cascade.h says what they mean).
 *
 * A question is about one batch of frames:
 *   batch u32, then for each frame of it that is not done yet, in order, one part:
 *     kind u8
 *     CASCADE_PASS     pass u8
 *     CASCADE_SEARCH   pass u8, node count u16, group count u16, nodes {column u16, node u8}, groups {depth u8, index u16}
 *     CASCADE_SUBSETS
 *     CASCADE_RANGE    subset u8, first word u16, end word u16
 *     CASCADE_WORD     word u16, mask u64
 *     CASCADE_DONE     failed u8 (0 or 1)
 * An answer is one bit a parity, a part's bits from the least significant bit of an octet of its own; spare bits are zero.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum cascade_kind {
	CASCADE_PASS = 1,
	CASCADE_SEARCH,
	CASCADE_SUBSETS,
	CASCADE_RANGE,
	CASCADE_WORD,
	CASCADE_DONE,
};

enum {
	CASCADE_NODES_MAX = 8192,
	CASCADE_GROUPS_MAX = 1024,
	CASCADE_NODE_OCTETS = 3,
	CASCADE_GROUP_OCTETS = 3,
	CASCADE_PART_MAX = 6 + CASCADE_NODES_MAX * CASCADE_NODE_OCTETS +
			   CASCADE_GROUPS_MAX * CASCADE_GROUP_OCTETS,
};

struct cascade_node {
	uint16_t column;
	uint8_t node;
};

struct cascade_group {
	uint8_t depth;
	uint16_t index;
};

/* Each kind uses the members that the table above gives it. */
struct cascade_part {
	enum cascade_kind kind;
	uint8_t pass, subset;
	uint16_t node_count, group_count, first, end, word;
	uint64_t mask;
	bool has_failed;
	struct span nodes, groups;
};

static inline struct cascade_node cascade_node_at(const struct cascade_part *p, size_t i)
{
	const uint8_t *at = p->nodes.at + i * CASCADE_NODE_OCTETS;

	return (struct cascade_node){(uint16_t)(at[0] << 8 | at[1]), at[2]};
}

static inline struct cascade_group cascade_group_at(const struct cascade_part *p, size_t i)
{
	const uint8_t *at = p->groups.at + i * CASCADE_GROUP_OCTETS;

	return (struct cascade_group){at[0], (uint16_t)(at[1] << 8 | at[2])};
}

static inline void cascade_node_put(struct writer *w, struct cascade_node n)
{
	writer_u24(w, (uint32_t)n.column << 8 | n.node);
}

static inline void cascade_group_put(struct writer *w, struct cascade_group g)
{
	writer_u24(w, (uint32_t)g.depth << 16 | g.index);
}

/* Stand behind the batch number, at the first part; and at the first bits. */
struct reader cascade_question_reader(
	struct span question, uint32_t *batch, struct wire_fault *fault);
struct reader cascade_answer_reader(struct span answer, struct wire_fault *fault);

/* The next part of a question. False: a fault, or no more. */
MUST_USE bool cascade_part_decode(struct reader *r, struct cascade_part *part);
/* All but the items of a search, which the caller puts after it, nodes first. */
void cascade_part_encode(struct writer *w, const struct cascade_part *part);

/* The next `count` bits of an answer, as octets. A wrong length or spare bits that are set are a fault. */
struct span cascade_bits_decode(struct reader *r, size_t count);
/* Room for `count` bits, zero; NULL when the writer is full. */
uint8_t *cascade_bits_room(struct writer *w, size_t count);
