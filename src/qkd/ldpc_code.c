// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ldpc_code.h"
#include "estimate.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* Parts in a thousand of the columns that have a degree, for the checks a bit; doc/qkd.md says how they were found, tools/ldpc-design judges them. */
struct share {
	uint8_t degree;
	uint16_t permille;
};

enum { SHARES_MAX = 10 };

static const struct design {
	double checks_a_bit;
	struct share shares[SHARES_MAX];
} designs[] = {
	{0.05, {{2, 65}, {3, 501}, {6, 76}, {8, 179}, {11, 38}, {22, 90}, {30, 51}}},
	{0.0889, {{2, 130}, {3, 463}, {4, 25}, {6, 53}, {8, 155}, {11, 68}, {22, 50}, {30, 56}}},
	{0.155, {{2, 198}, {3, 458}, {4, 21}, {6, 12}, {8, 176}, {11, 13}, {16, 46}, {22, 54},
			{30, 22}}},
	{0.2138, {{2, 203}, {3, 471}, {4, 12}, {6, 105}, {8, 62}, {16, 103}, {22, 9}, {30, 35}}},
	{0.315, {{2, 160}, {3, 587}, {4, 68}, {6, 2}, {8, 7}, {11, 26}, {16, 91}, {22, 50},
			{30, 9}}},
	{0.45, {{2, 232}, {3, 588}, {4, 4}, {6, 24}, {8, 18}, {11, 23}, {16, 91}, {22, 17},
		       {30, 3}}},
	{0.56, {{2, 293}, {3, 544}, {4, 6}, {6, 31}, {8, 15}, {11, 13}, {16, 78}, {22, 16},
		       {30, 4}}},
};

static const double FRAME_BITS_SMALL = 65536, FIRST_F = 1.074, SMALL_F = 0.036;
static const double ROWS_MIN = LDPC_ROWS_MIN, ROWS_MAX = LDPC_ROWS_MAX, RATE_MAX = 0.6;

uint32_t ldpc_rows_for(uint32_t words, uint32_t lifts, double qber)
{
	const double columns = (double)words / lifts;
	const double f = FIRST_F + SMALL_F * sqrt(FRAME_BITS_SMALL / (words * 64.0));
	const double rows = ceil(f * estimate_entropy(qber) * columns);

	return rows < ROWS_MIN || rows > ROWS_MAX || rows > RATE_MAX * columns ? 0 : (uint32_t)rows;
}

/* The generator of the codes: not of secrets, alike everywhere [Steele, Lea, Flood, OOPSLA 2014: SplitMix64]. */
static uint32_t below(uint64_t *state, uint32_t limit)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z >> 32) * limit >> 32);
}

struct place {
	uint16_t row;
	uint8_t lift, turn;
};

/* By columns, while the code grows. */
struct ldpc_growth {
	uint64_t state;
	uint32_t columns, rows, lifts;
	uint8_t degree[LDPC_COLUMNS_MAX];
	struct place at[LDPC_COLUMNS_MAX][LDPC_COLUMN_EDGES_MAX];
	uint8_t nth[LDPC_COLUMNS_MAX]
		   [LDPC_ROWS_MAX]; /* which of a column's edges is in that row, from 1; 0: none */
	uint32_t row_edges[LDPC_ROWS_MAX];
	uint16_t row_columns[LDPC_ROWS_MAX][LDPC_ROW_EDGES_MAX];
};

static const struct design *design_for(uint32_t columns, uint32_t rows)
{
	const double wanted = (double)rows / columns;
	const struct design *best = designs;

	for (const struct design *d = designs; d < designs + sizeof designs / sizeof *designs; d++)
		if (fabs(log(d->checks_a_bit / wanted)) < fabs(log(best->checks_a_bit / wanted)))
			best = d;
	return best;
}

/* Degrees in ascending order; the few rows of a short code limit them. */
static void degrees_choose(struct ldpc_growth *g)
{
	const struct design *d = design_for(g->columns, g->rows);
	uint32_t done = 0, sum = 0;

	for (uint32_t i = 0; i < SHARES_MAX; i++) {
		sum += d->shares[i].permille;
		const uint32_t end = (g->columns * sum + 500) / 1000;
		for (; done < end && done < g->columns; done++)
			g->degree[done] = d->shares[i].degree;
	}
	for (; done < g->columns; done++)
		g->degree[done] = g->degree[done - 1];
	for (uint32_t c = 0; c < g->columns; c++)
		if (g->degree[c] == 2 && c >= g->rows)
			g->degree[c] = 3;
		else if (g->degree[c] > g->rows / 2)
			g->degree[c] = (uint8_t)(g->rows / 2);
}

/*
 * Columns of degree two lie along one ring of all rows: row i to row i + 1. There are no more of them than rows: chords across the ring
 * would close short cycles, whose turns add up to nothing for one in lifts * 64, and such a cycle is a word of as few bits (of three and
 * seven, seen: one frame in thirty came out wrong).
 */
static uint32_t ring_row(const struct ldpc_growth *g, uint32_t column, uint32_t edge)
{
	return (column + edge) % g->rows;
}

/* One of the rows with the fewest edges that the column does not have yet. */
static uint32_t row_choose(struct ldpc_growth *g, uint32_t column, uint32_t count)
{
	uint32_t fewest = UINT32_MAX, found = 0, chosen = 0;

	if (g->degree[column] == 2) {
		chosen = ring_row(g, column, count);
		if (g->nth[column][chosen] == 0)
			return chosen;
	}
	for (uint32_t r = 0; r < g->rows; r++) {
		if (g->row_edges[r] > fewest || g->nth[column][r] != 0)
			continue;
		if (g->row_edges[r] < fewest)
			found = 0;
		fewest = g->row_edges[r];
		if (below(&g->state, ++found) == 0)
			chosen = r;
	}
	return chosen;
}

/* How far apart, in the group, two edges of a column are. */
static uint32_t distance(const struct ldpc_growth *g, struct place a, struct place b)
{
	return (a.lift + g->lifts - b.lift) % g->lifts * 64 + (a.turn + 64u - b.turn) % 64;
}

/* Whether an earlier column has two edges in the rows of `a` and `b` as far apart as these: the four would be a cycle. */
static bool is_cycle(const struct ldpc_growth *g, struct place a, struct place b)
{
	const uint32_t apart = distance(g, a, b);

	for (uint32_t i = 0; i < g->row_edges[a.row]; i++) {
		const uint32_t column = g->row_columns[a.row][i];
		const uint32_t nth_a = g->nth[column][a.row], nth_b = g->nth[column][b.row];
		const struct place *at = g->at[column];
		if (nth_b != 0 && distance(g, at[nth_a - 1], at[nth_b - 1]) == apart)
			return true;
	}
	return false;
}

static bool makes_cycle(
	const struct ldpc_growth *g, uint32_t column, uint32_t count, struct place p)
{
	for (uint32_t e = 0; e < count; e++)
		if (is_cycle(g, g->at[column][e], p))
			return true;
	return false;
}

static void column_place(struct ldpc_growth *g, uint32_t column)
{
	/* Cycles of four through columns of many edges do no harm, and in a short code there must be some. */
	enum { TRIES = 40, TRIES_HEAVY = 3, HEAVY = 9 };
	const uint32_t tries = g->degree[column] < HEAVY ? TRIES : TRIES_HEAVY;

	for (uint32_t e = 0; e < g->degree[column]; e++) {
		struct place p = {.row = (uint16_t)row_choose(g, column, e)};
		for (uint32_t t = 0; t < tries; t++) {
			p.lift = (uint8_t)below(&g->state, g->lifts);
			p.turn = (uint8_t)below(&g->state, LDPC_LANES);
			if (!makes_cycle(g, column, e, p))
				break;
		}
		g->at[column][e] = p;
		g->nth[column][p.row] = (uint8_t)(e + 1);
	}
	for (uint32_t e = 0; e < g->degree[column]; e++) {
		const uint32_t row = g->at[column][e].row;
		assert(g->row_edges[row] < LDPC_ROW_EDGES_MAX);
		g->row_columns[row][g->row_edges[row]++] = (uint16_t)column;
	}
}

static void edge_add(struct ldpc_code *code, uint32_t *count, const struct ldpc_growth *g,
	uint32_t row, uint32_t i)
{
	const uint32_t column = g->row_columns[row][i];
	const struct place p = g->at[column][g->nth[column][row] - 1];

	code->edges[(*count)++] = (struct ldpc_edge){(uint16_t)column, p.lift, p.turn};
}

static uint32_t step_coprime(uint32_t rows)
{
	uint32_t step = rows * 618 / 1000;

	for (;; step++) {
		uint32_t a = rows, b = step;
		while (b != 0) {
			const uint32_t rest = a % b;
			a = b;
			b = rest;
		}
		if (a == 1)
			return step;
	}
}

/*
 * By rows, in steps of about the golden section: rows are split in the order of the code, and so the ring of columns of degree two is cut
 * at places far apart. Every other edge is of the first half, so that the halves have columns of all degrees, and neighbours
 * on the ring part.
 */
static void rows_write(struct ldpc_code *code, const struct ldpc_growth *g)
{
	const uint32_t step = step_coprime(g->rows);
	uint32_t count = 0;

	for (uint32_t r = 0; r < g->rows; r++) {
		const uint32_t row = r * step % g->rows;
		code->start[r] = count;
		for (uint32_t i = 0; i < g->row_edges[row]; i += 2)
			edge_add(code, &count, g, row, i);
		code->half[r] = count;
		for (uint32_t i = 1; i < g->row_edges[row]; i += 2)
			edge_add(code, &count, g, row, i);
	}
	code->start[g->rows] = count;
}

size_t ldpc_growth_octets(void)
{
	return (sizeof(struct ldpc_growth) + 63) / 64 * 64;
}

void ldpc_code_make(struct ldpc_code *code, struct ldpc_growth *g, uint32_t columns, uint32_t lifts,
	uint32_t rows)
{
	assert(columns >= LDPC_COLUMNS_MIN && columns <= LDPC_COLUMNS_MAX);
	assert(lifts >= 1 && lifts <= LDPC_LIFTS_MAX);
	assert(rows >= LDPC_ROWS_MIN && rows <= LDPC_ROWS_MAX);
	memset(g, 0, sizeof *g);
	g->columns = columns;
	g->rows = rows;
	g->lifts = lifts;
	degrees_choose(g);
	for (uint32_t c = 0; c < columns; c++)
		column_place(g, c);
	code->columns = columns;
	code->rows = rows;
	code->lifts = lifts;
	rows_write(code, g);
}

void ldpc_row_sums(const struct ldpc_code *code, uint32_t row, bool first_half,
	const uint64_t *words, uint64_t *sums)
{
	const uint32_t end = first_half ? code->half[row] : code->start[row + 1];

	memset(sums, 0, code->lifts * sizeof *sums);
	for (uint32_t e = code->start[row]; e < end; e++) {
		const struct ldpc_edge edge = code->edges[e];
		const uint64_t *column = words + (size_t)edge.column * code->lifts;
		for (uint32_t q = 0; q < code->lifts; q++) {
			const uint32_t at = q + edge.lift;
			const uint64_t w = column[at < code->lifts ? at : at - code->lifts];
			sums[q] ^= edge.turn == 0 ? w : w >> edge.turn | w << (64 - edge.turn);
		}
	}
}
