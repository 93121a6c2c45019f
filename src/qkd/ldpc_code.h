// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The codes of the mode LDPC (ldpc.h): quasi-cyclic, low-density parity checks of a frame's bits.
 *
 * Vocabulary. A frame's bits lie in `columns` of a base matrix, each column in `lifts` words of 64 bits, each bit of a word a lane. The
 * base matrix has `rows`; a row stands for lifts * 64 checks. An entry (edge) of row r in column c, with `lift` a and `turn` b, puts
 * into the check (r, q, lane l) the bit (c, (q + a) mod lifts, lane (l + b) mod 64): the lift is by the group Z_lifts x Z_64, so that a
 * check of 64 lanes is words, turned, and added.
 *
 * Columns have the degrees of a table, for the decoder and the rate (doc/qkd.md, judged by tools/ldpc-design). Edges are placed by a
 * generator with a fixed seed, alike at both ends; no two columns meet twice in the same two checks (girth at least 6), where that
 * can be had. Columns of degree two, the weakest, lie along one chain of rows, so that there is no cycle among them,
 * nor, where that can be had, of them and one other.
 *
 * Whoever changes a table or the making changes the codes, and raises LINK_VERSION (codec/qkd_link.h). `a_code_is_the_same_everywhere` in
 * test_ldpc.c has a digest of one, and says when.
 *
 * Rate adaption: a row is two halves, each half of its edges. The frame's first syndrome has the sums of the rows; what is missing then is
 * had by telling the first halves, one row after the other: a row becomes two, of half the degree, for one bit a check
 * [row splitting: the reverse of the merging of Elkouss, Martinez-Mateo, Martin, arXiv:1007.1616 and of LDPC4QKD].
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LDPC_COLUMNS_MAX = 1024,
	LDPC_LANES = 64,
	LDPC_LIFTS_MAX = 16,
	LDPC_COLUMN_EDGES_MAX = 30, /* degrees of columns */
	LDPC_ROWS_MAX = 720,
	LDPC_ROW_EDGES_MAX = 640,
	LDPC_EDGES_MAX = 8 * LDPC_COLUMNS_MAX,
	LDPC_FRAME_BITS_MAX = LDPC_COLUMNS_MAX * LDPC_LANES * LDPC_LIFTS_MAX,
	/* A code of fewer columns or rows is too short: it has words of few bits, and a frame may come out wrong. */
	LDPC_COLUMNS_MIN = 512,
	LDPC_ROWS_MIN = 40,
};

struct ldpc_edge {
	uint16_t column;
	uint8_t lift, turn;
};

struct ldpc_code {
	uint32_t columns, rows, lifts;
	/* Row r has edges[start[r]] to edges[start[r + 1]], its first half those before half[r]. */
	uint32_t start[LDPC_ROWS_MAX + 1], half[LDPC_ROWS_MAX];
	struct ldpc_edge edges[LDPC_EDGES_MAX];
};

/* Rows that a frame of `words` words gets at an error rate of `qber`, for the first syndrome. In LDPC_ROWS_MIN … LDPC_ROWS_MAX; 0: no code does it. */
uint32_t ldpc_rows_for(uint32_t words, uint32_t lifts, double qber);

/* What making a code needs besides: so many octets, aligned to 64, of whatever content. Nothing in it is secret. */
struct ldpc_growth;
size_t ldpc_growth_octets(void);

/* LDPC_COLUMNS_MIN to LDPC_COLUMNS_MAX columns, lifts of 1 to LDPC_LIFTS_MAX, rows from ldpc_rows_for(). */
void ldpc_code_make(struct ldpc_code *code, struct ldpc_growth *g, uint32_t columns, uint32_t lifts,
	uint32_t rows);

/*
 * Words of 64 checks of row r, for each q: its sum over all edges, or over those of the first half. `words` holds columns * lifts
 * words, word c * lifts + q of column c; `sums` gets `lifts`.
 */
void ldpc_row_sums(const struct ldpc_code *code, uint32_t row, bool first_half,
	const uint64_t *words, uint64_t *sums);
