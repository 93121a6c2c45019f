// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_cascade.h"
#include <assert.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words travel as they lie in memory");

struct reader cascade_question_reader(
	struct span question, uint16_t *lane, struct wire_fault *fault)
{
	struct reader r = reader_of(question, fault);

	*lane = reader_u16(&r, "lane");
	return r;
}

struct reader cascade_answer_reader(struct span answer, struct wire_fault *fault)
{
	return reader_of(answer, fault);
}

static void take_sweep(struct reader *r, struct cascade_part *part)
{
	part->level = reader_u8(r, "level");
	part->mask_words = reader_u16(r, "words");
	reader_require(
		r, part->mask_words >= 1 && part->mask_words <= CASCADE_MASKS_MAX, "words", NULL);
	part->masks = reader_span(r, (size_t)part->mask_words * 8, "masks");
}

static void take_search(struct reader *r, struct cascade_part *part)
{
	part->pass = reader_u8(r, "pass");
	part->node_count = reader_u16(r, "node_count");
	part->group_count = reader_u16(r, "group_count");
	reader_require(r, part->node_count <= CASCADE_NODES_MAX, "node_count", NULL);
	reader_require(r, part->group_count <= CASCADE_GROUPS_MAX, "group_count", NULL);
	const size_t items = (size_t)part->node_count + part->group_count;
	reader_require(r, items > 0, "node_count", NULL);
	part->items = reader_span(r, items * CASCADE_ITEM_OCTETS, "items");
}

static void take_range(struct reader *r, struct cascade_part *part)
{
	part->subset = reader_u8(r, "subset");
	part->first = reader_u16(r, "first");
	part->end = reader_u16(r, "end");
	reader_require(r, part->first < part->end, "end", NULL);
}

static void take_word(struct reader *r, struct cascade_part *part)
{
	part->word = reader_u16(r, "word");
	part->mask = reader_u64(r, "mask");
	reader_require(r, part->mask != 0, "mask", NULL);
}

static void take_done(struct reader *r, struct cascade_part *part)
{
	const uint8_t v = reader_u8(r, "failed");

	reader_require(r, v <= 1, "failed", NULL);
	part->has_failed = v == 1;
}

bool cascade_part_decode(struct reader *r, struct cascade_part *part)
{
	*part = (struct cascade_part){0};
	if (!reader_more(r))
		return false;
	part->kind = (enum cascade_kind)reader_u8(r, "kind");
	switch (part->kind) {
	case CASCADE_PASS:
		part->pass = reader_u8(r, "pass");
		break;
	case CASCADE_SWEEP:
		take_sweep(r, part);
		break;
	case CASCADE_SEARCH:
		take_search(r, part);
		break;
	case CASCADE_SUBSETS:
		break;
	case CASCADE_RANGE:
		take_range(r, part);
		break;
	case CASCADE_WORD:
		take_word(r, part);
		break;
	case CASCADE_DONE:
		take_done(r, part);
		break;
	default:
		reader_refuse(r, ERR(INPUT), "kind", NULL);
	}
	return !reader_failed(r);
}

void cascade_part_encode(struct writer *w, const struct cascade_part *part)
{
	writer_u8(w, (uint8_t)part->kind);
	switch (part->kind) {
	case CASCADE_PASS:
		writer_u8(w, part->pass);
		break;
	case CASCADE_SWEEP:
		writer_u8(w, part->level);
		writer_u16(w, part->mask_words);
		break;
	case CASCADE_SEARCH:
		writer_u8(w, part->pass);
		writer_u16(w, part->node_count);
		writer_u16(w, part->group_count);
		break;
	case CASCADE_SUBSETS:
		break;
	case CASCADE_RANGE:
		writer_u8(w, part->subset);
		writer_u16(w, part->first);
		writer_u16(w, part->end);
		break;
	case CASCADE_WORD:
		writer_u16(w, part->word);
		writer_u64(w, part->mask);
		break;
	case CASCADE_DONE:
		writer_u8(w, part->has_failed);
		break;
	}
}

void cascade_items_encode(struct writer *w, const uint16_t *items, size_t count)
{
	const uint64_t low = 0x00ff00ff00ff00ffu;
	uint8_t *at = writer_grow(w, count * CASCADE_ITEM_OCTETS);
	size_t i = 0;

	if (at == NULL)
		return;
	for (; i + 4 <= count; i += 4) {
		uint64_t four;
		memcpy(&four, items + i, sizeof four);
		four = (four & low) << 8 | (four >> 8 & low);
		memcpy(at + CASCADE_ITEM_OCTETS * i, &four, sizeof four);
	}
	for (; i < count; i++) {
		at[CASCADE_ITEM_OCTETS * i] = (uint8_t)(items[i] >> 8);
		at[CASCADE_ITEM_OCTETS * i + 1] = (uint8_t)items[i];
	}
}

void cascade_words_encode(struct writer *w, const uint64_t *words, size_t count)
{
	uint8_t *at = writer_grow(w, count * 8);

	if (at != NULL)
		memcpy(at, words, count * 8);
}

void cascade_words_decode(struct span from, uint64_t *words, size_t count)
{
	assert(from.len == count * 8);
	memcpy(words, from.at, count * 8);
}

struct span cascade_bits_decode(struct reader *r, size_t count)
{
	const struct span bits = reader_span(r, (count + 7) / 8, "bits");

	if (bits.len > 0 && count % 8 != 0)
		reader_require(r, bits.at[bits.len - 1] >> count % 8 == 0, "bits", NULL);
	return bits;
}

uint8_t *cascade_bits_room(struct writer *w, size_t count)
{
	uint8_t *at = writer_grow(w, (count + 7) / 8);

	if (at != NULL)
		memset(at, 0, (count + 7) / 8);
	return at;
}
