// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A model of what kms-store promises to qkd (codec/qkd_msg.h), for tests of the qkd side alone: what is applied is kept,
 * marks never fall, a block goes PENDING -> FINAL or VOID and nowhere else.
 */
#include "codec/qkd_msg.h"
#include "codec/qkd_pads.h"

enum { BLOCKS_KEPT = 512, KEY_KEPT = 8 << 10 };

struct stored_block {
	uint8_t id[QKD_BLOCK_ID], key[KEY_KEPT];
	size_t len;
	enum qkd_block_state state;
	bool is_void;
};

struct stored {
	uint8_t state[PADS_BLOB_MAX];
	size_t state_len;
	struct qkd_marks marks;
	size_t count;
	struct stored_block blocks[BLOCKS_KEPT];
};

static inline struct stored_block *stored_find(struct stored *s, const uint8_t *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (memcmp(s->blocks[i].id, id, QKD_BLOCK_ID) == 0)
			return &s->blocks[i];
	return NULL;
}

static inline struct err stored_set_marks(struct stored *s, struct qkd_marks marks)
{
	if (marks.send < s->marks.send || marks.accept < s->marks.accept)
		return ERR(STATE);
	s->marks = marks;
	return OK;
}

static inline struct err stored_apply(struct stored *s, uint16_t type, const struct qkd_request *q)
{
	struct stored_block *block = stored_find(s, q->block_id);

	switch ((enum qkd_type)type) {
	case QKD_OPEN:
		return OK;
	case QKD_MARK:
		return stored_set_marks(s, q->marks);
	case QKD_BLOCK_PENDING:
		if (block != NULL || s->count == BLOCKS_KEPT || q->key.len > KEY_KEPT)
			return ERR(STATE);
		block = &s->blocks[s->count++];
		*block = (struct stored_block){.len = q->key.len, .state = QKD_PENDING};
		memcpy(block->id, q->block_id, QKD_BLOCK_ID);
		memcpy(block->key, q->key.at, q->key.len);
		return OK;
	case QKD_BLOCK_FINAL:
		if (block == NULL || block->state != QKD_PENDING || block->is_void)
			return ERR(STATE);
		block->state = QKD_FINAL;
		break;
	case QKD_BLOCK_VOID:
		if (block == NULL)
			return ERR(ABSENT);
		block->is_void = true;
		return OK;
	case QKD_STATE:
		break;
	}
	memcpy(s->state, q->state.at, q->state.len);
	s->state_len = q->state.len;
	return stored_set_marks(s, q->marks);
}

static inline struct span stored_opened(const struct stored *s, struct span_mut out)
{
	struct qkd_opened opened = {.marks = s->marks, .state = span_of(s->state, s->state_len)};
	struct writer w = writer_of(out);

	for (size_t i = s->count; i > 0 && opened.block_count < QKD_BLOCKS_MAX; i--) {
		if (s->blocks[i - 1].is_void)
			continue;
		struct qkd_block *b = &opened.blocks[opened.block_count++];
		memcpy(b->id, s->blocks[i - 1].id, QKD_BLOCK_ID);
		b->state = s->blocks[i - 1].state;
	}
	qkd_opened_encode(&w, &opened);
	return writer_span_done(&w);
}

static inline size_t stored_finals(const struct stored *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->blocks[i].state == QKD_FINAL && !s->blocks[i].is_void;
	return n;
}

/* Blocks that two ends do not hold alike: final here and not there, pending anywhere, or with other keys. */
static inline size_t stored_unequal(struct stored *one, struct stored *other)
{
	struct stored *const pair[2] = {one, other};
	size_t unequal = 0;

	for (size_t i = 0; i < 2; i++)
		for (size_t n = 0; n < pair[i]->count; n++) {
			const struct stored_block *a = &pair[i]->blocks[n],
						  *b = stored_find(pair[1 - i], a->id);
			if (!a->is_void && (a->state != QKD_FINAL || b == NULL || b->is_void ||
						   b->state != QKD_FINAL || a->len != b->len ||
						   memcmp(a->key, b->key, a->len) != 0))
				unequal++;
		}
	return unequal;
}
