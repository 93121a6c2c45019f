// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Bob's work on a frame: from the syndrome of the errors (his own and Alice's, added) to the errors. Layered [Mansour, Shanbhag, 2003]: the
 * checks are worked on one row after the other, each with the posteriors that those before left (ldpc_rows.h).
 *
 * A run begins anew and goes on until the syndrome agrees, or nothing gets better: then more of the syndrome is wanted and rows are split. (To go
 * on from where a run stopped costs fewer iterations, but posteriors that have saturated are no longer the sum of their messages: of
 * frames of 65536 bits at 2 % some then never came right.) What is told of the key is fixed beforehand: nothing here chooses which rows.
 */
#include "ldpc_rows.h"

enum {
	LDPC_ITERATIONS_MAX = 200, /* of one run */
	LDPC_PATIENCE = 9,  /* iterations without a new least number of checks that do not agree */
	LDPC_TURNS_MAX = 3, /* of doubtful bits, where no more checks than the next disagree */
	LDPC_FEW_PER_LIFT = 64,
};

struct ldpc_frame {
	struct ldpc_state state;
	uint64_t *
		syndrome; /* rows * lifts words, of whole rows; behind them as many of first halves */
	uint64_t *words; /* columns * lifts: the errors */
	uint32_t split;  /* rows 0 … split - 1 are split */
	uint32_t bits;   /* of the frame; behind them there are no errors */
	int8_t ratio;    /* log-likelihood of a bit as it arrives */
	uint32_t turns;  /* of doubtful bits, in the last run */
};

/* Octets that a frame of such a code needs, aligned to 64; where LDPC_ROWS_MAX rows and LDPC_EDGES_MAX edges are enough for any. */
size_t ldpc_frame_octets(uint32_t columns, uint32_t lifts);
void ldpc_frame_place(struct ldpc_frame *f, uint8_t *memory, uint32_t columns, uint32_t lifts,
	enum ldpc_path path);

/* What the last frame under that code left behind. */
void ldpc_frame_wipe(struct ldpc_frame *f, const struct ldpc_code *code);

/* Errors of probability `qber` in the first `bits` bits, none behind them. The syndrome is all zero. */
void ldpc_frame_begin(
	struct ldpc_frame *f, const struct ldpc_code *code, uint32_t bits, double qber);

/* True: `words` has errors of that syndrome. False: it has not got there. */
bool ldpc_frame_run(struct ldpc_frame *f, const struct ldpc_code *code);
