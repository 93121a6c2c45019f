// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/store_driver.h"
#include "base/secret.h"
#include <stdalign.h>
#include <stdlib.h>

enum { CHUNK_OCTETS_MIN = 1 << 10, CHUNK_OCTETS_MAX = 256 << 10 };

struct store_chunk {
	struct store_chunk *next;
	size_t used, limit;
	alignas(max_align_t) uint8_t bytes[];
};

static bool chunk_open(struct store_batch *b, size_t octets)
{
	size_t limit = b->chunks == NULL ? CHUNK_OCTETS_MIN : 2 * b->chunks->limit;

	if (limit > CHUNK_OCTETS_MAX)
		limit = CHUNK_OCTETS_MAX;
	if (limit < octets)
		limit = octets;
	if (limit > STORE_BATCH_OCTETS_MAX - b->octets)
		return false;
	struct store_chunk *chunk = malloc(sizeof *chunk + limit);
	if (chunk == NULL)
		return false;
	chunk->next = b->chunks;
	chunk->used = 0;
	chunk->limit = limit;
	b->chunks = chunk;
	b->octets += limit;
	return true;
}

static void *take(struct store_batch *b, size_t octets)
{
	if (octets > STORE_BATCH_OCTETS_MAX)
		return NULL;
	octets = (octets + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if ((b->chunks == NULL || b->chunks->limit - b->chunks->used < octets) &&
		!chunk_open(b, octets))
		return NULL;
	void *at = b->chunks->bytes + b->chunks->used;
	b->chunks->used += octets;
	return at;
}

/* A table twice as long; the old one stays behind in its chunk until the batch goes. */
static void *grow(struct store_batch *b, const void *table, size_t *limit, size_t item_octets)
{
	const size_t longer = *limit == 0 ? 1 : 2 * *limit;
	void *copy = take(b, longer * item_octets);

	if (copy == NULL)
		return NULL;
	if (*limit > 0)
		memcpy(copy, table, *limit * item_octets);
	*limit = longer;
	return copy;
}

bool store_batch_copy(struct store_batch *b, struct span from, struct span *copy)
{
	uint8_t *at = from.len < STORE_BATCH_OCTETS_MAX ? take(b, from.len + 1) : NULL;

	if (at == NULL)
		return false;
	if (from.len > 0)
		memcpy(at, from.at, from.len);
	at[from.len] = '\0';
	*copy = span_of(at, from.len);
	return true;
}

struct store_row *store_batch_row(struct store_batch *b, struct store_op *op)
{
	if (op->row_count == op->row_limit) {
		void *longer = grow(b, op->rows, &op->row_limit, sizeof *op->rows);
		if (longer == NULL)
			return NULL;
		op->rows = longer;
	}
	struct store_row *row = take(b, sizeof *row);
	if (row == NULL)
		return NULL;
	*row = (struct store_row){0};
	op->rows[op->row_count++] = row;
	return row;
}

struct store_batch *store_batch_open(void)
{
	return calloc(1, sizeof(struct store_batch));
}

void store_batch_discard(struct store_batch *b)
{
	if (b == NULL)
		return;
	for (struct store_chunk *chunk = b->chunks; chunk != NULL;) {
		struct store_chunk *next = chunk->next;
		secret_wipe(chunk->bytes, chunk->used);
		free(chunk);
		chunk = next;
	}
	free(b);
}

static bool has_bytes(const struct store_value *v)
{
	return v->type == STORE_BLOB || v->type == STORE_TEXT;
}

static struct err add(
	struct store_batch *b, size_t statement, const struct store_value *params, size_t count)
{
	struct store_result *r = &b->result;

	if (count > STORE_PARAMS_MAX)
		return ERR(BUG);
	if (r->op_count == STORE_BATCH_MAX)
		return ERR(LIMIT);
	if (r->op_count == r->op_limit) {
		void *longer = grow(b, r->ops, &r->op_limit, sizeof *r->ops);
		if (longer == NULL)
			return ERR(LIMIT);
		r->ops = longer;
	}
	struct store_value *copy = take(b, (count + 1) * sizeof *copy);
	if (copy == NULL)
		return ERR(LIMIT);
	for (size_t i = 0; i < count; i++) {
		copy[i] = params[i];
		if (has_bytes(&params[i]) && !store_batch_copy(b, params[i].bytes, &copy[i].bytes))
			return ERR(LIMIT);
	}
	r->ops[r->op_count++] =
		(struct store_op){.statement = statement, .param_count = count, .params = copy};
	return OK;
}

struct err store_batch_add(
	struct store_batch *b, size_t statement, const struct store_value *params, size_t count)
{
	if (b == NULL)
		return ERR(LIMIT);
	if (!failed(b->refused))
		b->refused = add(b, statement, params, count);
	return b->refused;
}

static const struct store_op *op_find(const struct store_result *r, size_t op)
{
	return r != NULL && op < r->op_count ? &r->ops[op] : NULL;
}

size_t store_result_rows(const struct store_result *r, size_t op)
{
	const struct store_op *found = op_find(r, op);

	return found == NULL ? 0 : found->row_count;
}

const struct store_row *store_result_row(const struct store_result *r, size_t op, size_t row)
{
	const struct store_op *found = op_find(r, op);

	return found == NULL || row >= found->row_count ? NULL : found->rows[row];
}

int64_t store_result_changes(const struct store_result *r, size_t op)
{
	const struct store_op *found = op_find(r, op);

	return found == NULL ? 0 : found->changes;
}
