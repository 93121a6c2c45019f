// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ldpc_code.h"
#include "estimate.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
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
	{0.155, {{2, 165}, {3, 486}, {6, 87}, {8, 108}, {11, 58}, {16, 7}, {22, 48}, {30, 41}}},
	{0.2138, {{2, 203}, {3, 471}, {4, 12}, {6, 105}, {8, 62}, {16, 103}, {22, 9}, {30, 35}}},
	{0.315, {{2, 220}, {3, 515}, {4, 21}, {6, 56}, {8, 33}, {11, 51}, {16, 44}, {22, 46},
			{30, 14}}},
	{0.45, {{2, 232}, {3, 588}, {4, 4}, {6, 24}, {8, 18}, {11, 23}, {16, 91}, {22, 17},
		       {30, 3}}},
	{0.56, {{2, 293}, {3, 544}, {4, 6}, {6, 31}, {8, 15}, {11, 13}, {16, 78}, {22, 16},
		       {30, 4}}},
	{0.66, {{2, 312}, {3, 569}, {6, 4}, {8, 25}, {11, 2}, {16, 75}, {22, 9}, {30, 4}}},
};

static const double FRAME_BITS_SMALL = 65536, FIRST_F = 1.086, SMALL_F = 0.026;
static const double ROWS_MIN = LDPC_ROWS_MIN, ROWS_MAX = LDPC_ROWS_MAX, RATE_MAX = 0.6;

/*
 * Both ends find the same, though the last bits of log2 are their own: over all lengths of a frame and all error rates in millionths no
 * product comes nearer to a half than 5.8e-10, some thousand times what a double may be off.
 */
uint32_t ldpc_rows_for(uint32_t words, uint32_t lifts, double qber)
{
	const double columns = (double)words / lifts;
	const double f = FIRST_F + SMALL_F * sqrt(FRAME_BITS_SMALL / (words * 64.0));
	const double rows = round(f * estimate_entropy(qber) * columns);

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

enum { ORDERS = 6 }; /* of three edges */
#define NO_PIECES UINT32_MAX

/* By columns, while the code grows. */
struct ldpc_growth {
	uint64_t state;
	uint32_t columns, rows, lifts;
	uint32_t chain_columns; /* those of degree two */
	/* Where the chain, begun at row 0 and lane 0, comes to each row: so far along the group, as distance() says. */
	uint32_t chain_at[LDPC_ROWS_MAX];
	/* Where the next edge of a column would close a cycle: a bit for each turn. */
	uint64_t taken[LDPC_ROWS_MAX][LDPC_LIFTS_MAX];
	uint32_t apart[LDPC_COLUMNS_MAX]
		      [ORDERS]; /* of columns of three edges: pieces_apart(), in each order */
	uint8_t degree[LDPC_COLUMNS_MAX];
	struct place at[LDPC_COLUMNS_MAX][LDPC_COLUMN_EDGES_MAX];
	uint8_t nth[LDPC_COLUMNS_MAX]
		   [LDPC_ROWS_MAX]; /* which of a column's edges is in that row, from 1; 0: none */
	uint32_t row_edges[LDPC_ROWS_MAX];
	uint16_t row_columns[LDPC_ROWS_MAX][LDPC_ROW_EDGES_MAX];
};

/* A code does well with the columns for up to a third more checks than it has, and badly with those for fewer: seen in codes. */
static const struct design *design_for(uint32_t columns, uint32_t rows)
{
	static const double least = 0.76;
	const double wanted = (double)rows / columns;
	const struct design *best = designs;

	for (const struct design *d = designs; d < designs + sizeof designs / sizeof *designs; d++)
		if (wanted >= least * d->checks_a_bit)
			best = d;
	return best;
}

/*
 * Degrees in ascending order; the few rows of a short code limit them. Columns of degree two lie along one chain, column i from row i to row
 * i + 1, and so there are fewer of them than rows. More of them, or the one that makes the chain a ring, would close cycles, whose
 * turns add up to nothing for one in lifts * 64, and such a cycle is a word of as few bits (of three and seven, seen: one frame in
 * thirty came out wrong).
 */
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
		if (g->degree[c] == 2 && c + 1 >= g->rows)
			g->degree[c] = 3;
		else if (g->degree[c] > g->rows / 2)
			g->degree[c] = (uint8_t)(g->rows / 2);
}

/* Of degree two: the next of the chain. Others: one of the rows with the fewest edges that the column does not have yet. */
static uint32_t row_choose(struct ldpc_growth *g, uint32_t column, uint32_t count)
{
	uint32_t fewest = UINT32_MAX, found = 0, chosen = 0;

	if (g->degree[column] == 2)
		return column + count;
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
	return (a.lift + g->lifts - b.lift) % g->lifts * LDPC_LANES +
	       (a.turn + 64u - b.turn) % LDPC_LANES;
}

/* Sum of two places in the group, or so much less. */
static uint32_t sum(const struct ldpc_growth *g, uint32_t a, uint32_t b)
{
	return (a / LDPC_LANES + b / LDPC_LANES) % g->lifts * LDPC_LANES + (a + b) % LDPC_LANES;
}

/* The piece of the chain on which an edge ends, as far from that of row 0 and lane 0 as an edge there would be. */
static struct place piece_of(const struct ldpc_growth *g, struct place p)
{
	const uint32_t s = sum(g, g->chain_at[p.row], (uint32_t)p.lift * LDPC_LANES + p.turn);

	return (struct place){p.row, (uint8_t)(s / LDPC_LANES), (uint8_t)(s % LDPC_LANES)};
}

/*
 * Whether the chain comes from one of a column's edges to the other: the column and the piece between would be a cycle that only the
 * checks of the column's other edges hold against, and of three edges that is one. With errors on it a decoder stops one check short.
 */
static bool is_on_chain(const struct ldpc_growth *g, struct place a, struct place b)
{
	return a.row <= g->chain_columns && b.row <= g->chain_columns &&
	       distance(g, piece_of(g, a), piece_of(g, b)) == 0;
}

static const uint8_t orders[ORDERS][3] = {
	{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* How far apart the pieces are on which a column's three edges end, taken in an order; NO_PIECES where one is on none. */
static uint32_t pieces_apart(
	const struct ldpc_growth *g, const struct place at[static 3], const uint8_t order[static 3])
{
	struct place piece[3];

	for (uint32_t e = 0; e < 3; e++) {
		if (at[e].row > g->chain_columns)
			return NO_PIECES;
		piece[e] = piece_of(g, at[e]);
	}
	return distance(g, piece[order[0]], piece[order[1]]) << 16 |
	       distance(g, piece[order[0]], piece[order[2]]);
}

/*
 * Whether a column's three edges end on the same three pieces of the chain as an earlier one's: the two, and the bits of the chain between, are
 * a word of the code. Of short ones some are taken for an error that was not there: one frame of 13,000, with words of 13 bits.
 */
static bool has_twin(const struct ldpc_growth *g, uint32_t column, const struct place at[static 3])
{
	enum { WORD_BITS_MIN = 32 };
	const uint32_t apart = pieces_apart(g, at, orders[0]);

	for (uint32_t c = g->chain_columns; apart != NO_PIECES && c < column; c++)
		for (uint32_t o = 0; o < ORDERS; o++) {
			int bits = 2;
			if (g->apart[c][o] != apart)
				continue;
			for (uint32_t e = 0; e < 3; e++)
				bits += abs(at[e].row - g->at[c][orders[o][e]].row);
			if (bits < WORD_BITS_MIN)
				return true;
		}
	return false;
}

static bool makes_cycle(
	const struct ldpc_growth *g, uint32_t column, uint32_t count, struct place p)
{
	const struct place *at = g->at[column];

	if (g->taken[p.row][p.lift] >> p.turn & 1)
		return true;
	for (uint32_t e = 0; g->degree[column] > 2 && e < count; e++)
		if (is_on_chain(g, at[e], p))
			return true;
	return g->degree[column] == 3 && count == 2 &&
	       has_twin(g, column, (struct place[3]){at[0], at[1], p});
}

/*
 * A column has an edge at `from`: marks where another of its edges would close a cycle, with a single column, whatever its degree, or
 * through more that cost their degree less one each, together within `budget`. A cycle has as many ways out as that: the fewer, the worse
 * for a decoder [Tian, Jones, Villasenor, Wesel, IEEE Trans. Commun. 52 (2004) 1242].
 */
static void cycles_mark(
	struct ldpc_growth *g, struct place from, uint32_t but, int budget, bool is_single)
{
	const uint32_t at_from = (uint32_t)from.lift * LDPC_LANES + from.turn;

	for (uint32_t i = 0; i < g->row_edges[from.row]; i++) {
		const uint32_t column = g->row_columns[from.row][i];
		const struct place *at = g->at[column];
		const struct place in_row = at[g->nth[column][from.row] - 1];
		const int left = budget - g->degree[column] + 1;
		if (left < 0 && !is_single)
			return; /* the next have no lower degrees */
		for (uint32_t e = 0; column != but && e < g->degree[column]; e++) {
			const uint32_t s = sum(g, distance(g, at[e], in_row), at_from);
			const struct place to = {
				at[e].row, (uint8_t)(s / LDPC_LANES), (uint8_t)(s % LDPC_LANES)};
			if (to.row == from.row)
				continue;
			g->taken[to.row][to.lift] |= (uint64_t)1 << to.turn;
			if (left > 0)
				cycles_mark(g, to, column, left, false);
		}
	}
}

/* Marks what the next edge of a column must not do; of columns of many edges cycles do no harm, and in a short code there must be some. */
static void taken_mark(struct ldpc_growth *g, uint32_t column, struct place p)
{
	enum { LIGHT = 3, BUDGET = 4, HEAVY = 9 };
	const uint8_t degree = g->degree[column];

	if (degree < HEAVY)
		cycles_mark(g, p, column, degree <= LIGHT ? BUDGET : 0, true);
}

static void column_place(struct ldpc_growth *g, uint32_t column)
{
	enum { TRIES = 40 };

	memset(g->taken, 0, g->rows * sizeof *g->taken);
	for (uint32_t e = 0; e < g->degree[column]; e++) {
		struct place p = {.row = (uint16_t)row_choose(g, column, e)};
		for (uint32_t t = 0; t < TRIES; t++) {
			p.lift = (uint8_t)below(&g->state, g->lifts);
			p.turn = (uint8_t)below(&g->state, LDPC_LANES);
			if (!makes_cycle(g, column, e, p))
				break;
		}
		g->at[column][e] = p;
		g->nth[column][p.row] = (uint8_t)(e + 1);
		if (e + 1u < g->degree[column])
			taken_mark(g, column, p);
	}
	if (g->degree[column] == 2) {
		g->chain_columns = column + 1;
		g->chain_at[column + 1] = sum(
			g, g->chain_at[column], distance(g, g->at[column][0], g->at[column][1]));
	}
	for (uint32_t o = 0; g->degree[column] == 3 && o < ORDERS; o++)
		g->apart[column][o] = pieces_apart(g, g->at[column], orders[o]);
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
 * By rows, in steps of about the golden section: rows are split in the order of the code, and so the chain of columns of degree two is cut
 * at places far apart. Every other edge is of the first half, so that the halves have columns of all degrees, and neighbours
 * on the chain part.
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
