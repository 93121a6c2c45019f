// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blocks of quantum links over time, read back from what `merlon qkd blocks -o json` printed (qkd_blocks.h): one object a
 * line. `merlon qkd plot --blocks` draws them.
 *
 * Strict in what it uses: unix_ms, site, link, block_id, state, abort, qber, test_qber, revealed, final_bits and
 * refill_bits must each be there once, of their type and in their range. Other members are passed over. Outputs of
 * several calls may stand one behind another: a block that comes again (same site, link, time and id) counts once, as it
 * was told last.
 *
 * A line is one site's word about one link, so both ends of a link are two lines. What they may be at most is
 * named below; one more is ERR_LIMIT.
 */
#include "base/err.h"
#include "base/span.h"
#include "qkd/qkd.h"
#include <stddef.h>
#include <stdint.h>

enum {
	HISTORY_BLOCKS_MAX = 10000,
	HISTORY_SERIES_MAX = 8,
	HISTORY_NAME_MAX = 64,
	HISTORY_LINE_MAX = 4096,
	HISTORY_SCRATCH = 128 << 10,
	HISTORY_BLOCK_ID = 16
};

/* What became of a block's key. One that is pending may still become void. */
enum history_outcome { HISTORY_KEY, HISTORY_PENDING, HISTORY_VOID, HISTORY_ABORTED };

struct history_block {
	int64_t unix_ms;
	uint8_t id[HISTORY_BLOCK_ID];
	double qber;          /* of the key's basis: what error correction turned over */
	double test_qber;     /* of the test basis, where bits were revealed */
	uint64_t secret_bits; /* final without refill */
	size_t order;         /* of arrival */
	enum qkd_abort abort;
	enum history_outcome outcome;
	uint8_t series;
	bool was_tested;
};

struct history_series {
	char site[HISTORY_NAME_MAX + 1], link[HISTORY_NAME_MAX + 1];
};

struct history {
	size_t block_count, series_count;
	struct history_series series[HISTORY_SERIES_MAX];
	struct history_block blocks[HISTORY_BLOCKS_MAX];
	_Alignas(16) uint8_t scratch[HISTORY_SCRATCH]; /* of the line that is read */
};

/* What is wrong with a line: "COLUMN: field: expected is expected". */
struct history_fault {
	size_t column;
	const char *field, *expected;
	bool is_absent; /* the field is not there; the column is the line's first */
};

/* One line without its end. A line of blanks is none. */
MUST_USE struct err history_take(struct history *h, struct span line, struct history_fault *fault);
/* After the last line: blocks by series and time, each once. */
void history_end(struct history *h);
