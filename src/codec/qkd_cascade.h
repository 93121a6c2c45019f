// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The bodies of Cascade's questions and answers (qkd/cascade.h says what they mean).
 *
 * A question is about one lane of frames:
 *   lane u16, then for each frame in work there, by seat, one part; behind CASCADE_DONE one of the frame that takes the seat, if one
 *   is left:
 *     kind u8
 *     CASCADE_PASS     pass u8
 *     CASCADE_SWEEP    level u8, words u16, masks {u64, least significant octet first}
 *     CASCADE_SEARCH   pass u8, node count u16, group count u16, nodes {column 10 bits, node 6 bits}, groups {depth 4 bits, index 12 bits}
 *     CASCADE_SUBSETS
 *     CASCADE_RANGE    subset u8, first word u16, end word u16
 *     CASCADE_WORD     word u16, mask u64
 *     CASCADE_DONE     failed u8 (0 or 1)
 * An answer is one bit a parity, a part's bits from the least significant bit of an octet of its own; spare bits are zero. To a
 * sweep it is words, where bits that were not asked for are zero.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum cascade_kind {
	CASCADE_PASS = 1,
	CASCADE_SWEEP,
	CASCADE_SEARCH,
	CASCADE_SUBSETS,
	CASCADE_RANGE,
	CASCADE_WORD,
	CASCADE_DONE,
};

enum {
	CASCADE_NODES_MAX = 8192, /* of a part */
	CASCADE_GROUPS_MAX = 512,
	CASCADE_MASKS_MAX = 512, /* words */
	CASCADE_ITEM_OCTETS = 2,
	CASCADE_PART_MAX = 6 + (CASCADE_NODES_MAX + CASCADE_GROUPS_MAX) * CASCADE_ITEM_OCTETS,
};

/* Each kind uses the members that the table above gives it. */
struct cascade_part {
	enum cascade_kind kind;
	uint8_t pass, level, subset;
	uint16_t first, end, word, mask_words;
	uint64_t mask;
	bool has_failed;
	uint16_t node_count, group_count;
	struct span items, masks;
};

static inline uint16_t cascade_node_item(uint32_t column, uint32_t node)
{
	return (uint16_t)(column << 6 | node);
}

static inline uint16_t cascade_group_item(uint32_t depth, uint32_t index)
{
	return (uint16_t)(depth << 12 | index);
}

static inline uint16_t cascade_item_at(const uint8_t *items, size_t i)
{
	return (uint16_t)(items[2 * i] << 8 | items[2 * i + 1]);
}

/* Stand behind the lane, at the first part; and at the first bits. */
struct reader cascade_question_reader(
	struct span question, uint16_t *lane, struct wire_fault *fault);
struct reader cascade_answer_reader(struct span answer, struct wire_fault *fault);

/* The next part of a question. False: a fault, or no more. */
MUST_USE bool cascade_part_decode(struct reader *r, struct cascade_part *part);
/* All but the items of a search and the masks of a sweep, which the caller puts after it. */
void cascade_part_encode(struct writer *w, const struct cascade_part *part);

void cascade_items_encode(struct writer *w, const uint16_t *items, size_t count);
void cascade_words_encode(struct writer *w, const uint64_t *words, size_t count);
/* `from` holds `count` words. */
void cascade_words_decode(struct span from, uint64_t *words, size_t count);

/* The next `count` bits of an answer, as octets. A wrong length or spare bits that are set are a fault. */
struct span cascade_bits_decode(struct reader *r, size_t count);
/* Room for `count` bits, zero; NULL when the writer is full. */
uint8_t *cascade_bits_room(struct writer *w, size_t count);
