// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Between store.c (queue, thread, completions), store_batch.c (memory) and a driver (SQL): private to the store.
 * A driver is called by one thread at a time, not always the same one.
 */
#include "host/store.h"

struct store_op {
	size_t statement;
	size_t param_count, row_count, row_limit;
	struct store_value *params;
	struct store_row **rows;
	int64_t changes;
};

struct store_result {
	size_t op_count, op_limit;
	struct store_op *ops;
};

/* All its memory is a list of chunks, so that one walk wipes and frees parameters, rows and tables. */
struct store_chunk;
struct store_batch {
	struct store_result result;
	struct store_chunk *chunks;
	size_t octets;
	struct err refused; /* the first failure while it was built */
	struct err outcome;
	store_done_fn *done;
	void *ctx;
	bool is_awaited, is_finished; /* by store_run() */
	struct store_batch *next;
};

/* A row to fill, appended to the op's rows; NULL at the limit of octets. */
struct store_row *store_batch_row(struct store_batch *b, struct store_op *op);
/* Copies bytes, adds a NUL. False at the limit of octets. */
bool store_batch_copy(struct store_batch *b, struct span from, struct span *copy);

struct store_driver {
	struct err (*open)(void **db, const struct store_settings *settings, struct complaint *c);
	/*
	 * Commits the list as one transaction and fills each batch's outcome. An error says that the driver's
	 * state is unknown: it is not called again but to close.
	 */
	struct err (*commit)(void *db, struct store_batch *first, struct complaint *why);
	/* Work that may wait until the completions are out. Errors as above. *did: there was some. */
	struct err (*tidy)(void *db, bool *did, struct complaint *why);
	/* `is_dead`: frees memory and handles, and writes nothing more. */
	void (*close)(void *db, bool is_dead);
};

extern const struct store_driver store_sqlite;
