// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The mode LDPC: its codes, the paths of its decoder, and two ends with messages as octets between them. */
#include "base/secret.h"
#include "qkd/estimate.h"
#include "qkd/ldpc.h"
#include "qkd/ldpc_decode.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>
#include "support/reconcile_pair.h"

/* Codes. */

static struct ldpc_code code;
static struct ldpc_growth *growth;

static void the_tables_are_those_of_phi(void **state)
{
	static const double fine = 1000, coarse = 80, steps = LDPC_STEPS_A_NAT, octet_max = 255;

	(void)state;
	assert_int_equal(ldpc_fine_phi[0], 255);
	assert_int_equal(ldpc_coarse_phi[0], 255);
	for (int m = 1; m < 32; m++) {
		const double phi = -log(tanh(m / steps / 2));
		assert_int_equal(ldpc_fine_phi[m], (int)fmin(octet_max, round(fine * phi)));
		assert_int_equal(ldpc_coarse_phi[m], (int)fmin(octet_max, round(coarse * phi)));
	}
	for (int k = 1; k <= LDPC_MESSAGE_MAX; k++) {
		const double phi = -log(tanh((k - 0.5) / steps / 2));
		if (k <= LDPC_COARSE_LIMITS)
			assert_int_equal(ldpc_coarse_limits[k - 1], (int)(coarse * phi));
		else
			assert_int_equal(
				ldpc_fine_limits[k - 1 - LDPC_COARSE_LIMITS], (int)(fine * phi));
	}
}

static int limits_kept(int sum, const uint8_t *limits, size_t count)
{
	int kept = 0;

	for (size_t k = 0; k < count; k++)
		kept += sum <= limits[k];
	return kept;
}

static void the_tables_of_messages_say_what_the_limits_say(void **state)
{
	(void)state;
	for (int sum = 0; sum < LDPC_SUMS_IN_TABLE; sum++) {
		assert_int_equal(ldpc_coarse_messages[sum],
			limits_kept(sum, ldpc_coarse_limits, LDPC_COARSE_LIMITS));
		assert_int_equal(ldpc_fine_messages[sum],
			limits_kept(sum, ldpc_fine_limits, LDPC_FINE_LIMITS));
	}
}

static bool bit_of(const uint64_t *words, uint32_t column, uint32_t lift, uint32_t lane)
{
	return words[(size_t)column * code.lifts + lift] >> lane & 1;
}

/* The definition in ldpc_code.h, a bit at a time. */
static bool check_plain(const uint64_t *words, uint32_t row, bool half, uint32_t q, uint32_t lane)
{
	const uint32_t end = half ? code.half[row] : code.start[row + 1];
	bool sum = false;

	for (uint32_t e = code.start[row]; e < end; e++)
		sum ^= bit_of(words, code.edges[e].column, (q + code.edges[e].lift) % code.lifts,
			(lane + code.edges[e].turn) % LDPC_LANES);
	return sum;
}

static void syndromes_are_those_of_the_plain_definition(void **state)
{
	static const uint32_t shapes[][3] = {
		{1024, 1, 162}, {938, 5, 90}, {512, 1, 40}, {600, 16, 110}};
	static uint64_t words[LDPC_COLUMNS_MAX * LDPC_LIFTS_MAX];
	struct prop random = prop_from_environment(41);

	(void)state;
	for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
		uint64_t sums[LDPC_LIFTS_MAX];
		ldpc_code_make(&code, growth, shapes[s][0], shapes[s][1], shapes[s][2]);
		prop_fill(&random, span_mut_of((uint8_t *)words, sizeof words));
		for (uint32_t i = 0; i < 2 * code.rows; i++) {
			ldpc_row_sums(&code, i / 2, i % 2, words, sums);
			for (uint32_t q = 0; q < code.lifts; q++)
				for (uint32_t l = 0; l < LDPC_LANES; l++)
					assert_int_equal(sums[q] >> l & 1,
						check_plain(words, i / 2, i % 2, q, l));
		}
	}
}

/* FNV-1a, of words. */
static uint64_t fnv_add(uint64_t sum, uint64_t v)
{
	return (sum ^ v) * 0x100000001b3u;
}

#define FNV_BEGIN 0xcbf29ce484222325u

static uint64_t code_add(uint64_t sum, uint32_t columns, uint32_t lifts, uint32_t rows)
{
	ldpc_code_make(&code, growth, columns, lifts, rows);
	for (uint32_t r = 0; r < rows; r++)
		sum = fnv_add(sum, code.start[r] | (uint64_t)code.half[r] << 32);
	for (uint32_t e = 0; e < code.start[rows]; e++) {
		const struct ldpc_edge d = code.edges[e];
		sum = fnv_add(sum, d.column | (uint64_t)d.lift << 16 | (uint64_t)d.turn << 24);
	}
	return sum;
}

/*
 * At both sides of where one design ends and the next begins, and where not all cycles can be avoided. Ends that make different codes
 * correct nothing: another sum here wants another LINK_VERSION.
 */
static void codes_are_the_same_everywhere(void **state)
{
	static const uint32_t shapes[][3] = {{1024, 1, 40}, {512, 1, 60}, {1000, 16, 67},
		{1000, 16, 68}, {1000, 5, 117}, {1000, 5, 118}, {1000, 1, 162}, {1000, 1, 163},
		{1000, 2, 239}, {1000, 2, 240}, {1000, 3, 341}, {1000, 3, 342}, {904, 9, 384},
		{904, 9, 385}, {1000, 1, 501}, {1000, 1, 502}, {1024, 16, 158}, {1024, 16, 614}};
	uint64_t sum = FNV_BEGIN;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		sum = code_add(sum, shapes[i][0], shapes[i][1], shapes[i][2]);
	assert_int_equal(code.start[code.rows], 4191);
	assert_int_equal(sum, 0xa0d7e1345d01e71eu);
}

/* From the key's length, and the error rate that Bob says in millionths, each end finds the rows by itself. */
static void rows_are_the_same_everywhere(void **state)
{
	uint64_t sum = FNV_BEGIN;

	(void)state;
	for (uint32_t words = LDPC_COLUMNS_MIN; words <= LDPC_COLUMNS_MAX * LDPC_LIFTS_MAX;
		words += 61)
		for (uint32_t ppm = 2000; ppm < 140000; ppm += 499)
			sum = fnv_add(sum, ldpc_rows_for(words, (words - 1) / LDPC_COLUMNS_MAX + 1,
						   ppm * 1e-6));
	assert_int_equal(sum, 0x800d68e1287f45e2u);
}

/* Two columns of few edges that meet twice in the same two checks: at most as many as a code of so few lanes must have. */
static uint32_t light_cycles(void)
{
	enum { LIGHT = 9 };
	static uint32_t count[LDPC_COLUMNS_MAX], at[LDPC_COLUMNS_MAX][LDPC_COLUMN_EDGES_MAX];
	static uint32_t row_of[LDPC_EDGES_MAX];
	uint32_t cycles = 0;

	memset(count, 0, sizeof count);
	for (uint32_t r = 0; r < code.rows; r++)
		for (uint32_t e = code.start[r]; e < code.start[r + 1]; e++) {
			const uint32_t c = code.edges[e].column;
			for (uint32_t i = 0; i < count[c]; i++)
				assert_int_not_equal(row_of[at[c][i]], r);
			row_of[e] = r;
			at[c][count[c]++] = e;
		}
	for (uint32_t a = 0; a < code.columns; a++)
		for (uint32_t b = 0; b < a; b++) {
			int apart[LDPC_COLUMN_EDGES_MAX], n = 0;
			for (uint32_t i = 0; count[a] < LIGHT && count[b] < LIGHT && i < count[a];
				i++)
				for (uint32_t j = 0; j < count[b]; j++) {
					const struct ldpc_edge x = code.edges[at[a][i]],
							       y = code.edges[at[b][j]];
					if (row_of[at[a][i]] == row_of[at[b][j]])
						apart[n++] = (x.lift + (int)code.lifts - y.lift) %
								     (int)code.lifts * 64 +
							     (x.turn + 64 - y.turn) % 64;
				}
			for (int i = 0; i < n; i++)
				for (int j = 0; j < i; j++)
					cycles += apart[i] == apart[j];
		}
	return cycles;
}

/* More would close cycles, three columns long with the worst of chords: a word of weight three in one code of sixty-four. */
static void there_are_fewer_columns_of_degree_two_than_rows(void **state)
{
	(void)state;
	for (uint32_t rows = LDPC_ROWS_MIN; rows < 400; rows += 9) {
		uint32_t edges[LDPC_COLUMNS_MAX] = {0}, of_two = 0;
		ldpc_code_make(&code, growth, 944, 2, rows);
		for (uint32_t e = 0; e < code.start[rows]; e++)
			edges[code.edges[e].column]++;
		for (uint32_t c = 0; c < 944; c++)
			of_two += edges[c] == 2;
		assert_in_range(of_two, 1, rows - 1);
	}
}

static void light_columns_make_no_cycles_of_four(void **state)
{
	(void)state;
	/* 162 rows had words of weight four when all chords had one length: 11 of 150 frames came out wrong. */
	for (uint32_t rows = 155; rows < 170; rows++) {
		ldpc_code_make(&code, growth, 1024, 1, rows);
		assert_int_equal(light_cycles(), 0);
	}
	ldpc_code_make(&code, growth, 1024, 16, 90);
	assert_int_equal(light_cycles(), 0);
}

static uint32_t piece_of[LDPC_ROWS_MAX * LDPC_LIFTS_MAX *
			 LDPC_LANES]; /* a check's, by a check before it; its own: the first */

static uint32_t piece(uint32_t check)
{
	while (piece_of[check] != check)
		check = piece_of[check] = piece_of[piece_of[check]];
	return check;
}

/* Returns how many. */
static uint32_t checks_of_bit(uint32_t column, uint32_t lift, uint32_t lane, uint32_t *checks)
{
	uint32_t count = 0;

	for (uint32_t r = 0; r < code.rows; r++)
		for (uint32_t e = code.start[r]; e < code.start[r + 1]; e++)
			if (code.edges[e].column == column)
				checks[count++] =
					(r * code.lifts + (lift + code.lifts - code.edges[e].lift) %
								  code.lifts) *
						LDPC_LANES +
					(lane + LDPC_LANES - code.edges[e].turn) % LDPC_LANES;
	return count;
}

/* Bits of two checks join these to pieces of chain. */
static void pieces_join(void)
{
	uint32_t checks[LDPC_COLUMN_EDGES_MAX];

	for (uint32_t i = 0; i < code.rows * code.lifts * LDPC_LANES; i++)
		piece_of[i] = i;
	for (uint32_t c = 0; c < code.columns; c++)
		for (uint32_t i = 0; i < code.lifts * LDPC_LANES; i++)
			if (checks_of_bit(c, i / LDPC_LANES, i % LDPC_LANES, checks) == 2)
				piece_of[piece(checks[0])] = piece(checks[1]);
}

/* Of a light bit, no two checks may lie on one piece. */
static uint32_t bits_on_one_piece(void)
{
	enum { LIGHT = 9 };
	uint32_t checks[LDPC_COLUMN_EDGES_MAX], found = 0;

	pieces_join();
	for (uint32_t c = 0; c < code.columns; c++) {
		const uint32_t count = checks_of_bit(c, 0, 0, checks);
		for (uint32_t i = 0; count > 2 && count < LIGHT && i < count; i++)
			for (uint32_t j = 0; j < i; j++)
				found += piece(checks[i]) == piece(checks[j]);
	}
	return found;
}

/* Of 500 frames of 65,536 bits at 3 %, 43 stopped one check short before this was so. */
static void no_light_column_closes_a_cycle_with_the_chain(void **state)
{
	static const uint32_t shapes[][3] = {{1024, 1, 221}, {1024, 1, 161}, {900, 2, 130}};

	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		ldpc_code_make(&code, growth, shapes[i][0], shapes[i][1], shapes[i][2]);
		assert_int_equal(bits_on_one_piece(), 0);
	}
}

/* A bit of three checks: the pieces that these are on, in order, and where. */
struct bit_of_three {
	uint32_t piece[3], row[3];
};

static int by_pieces(const void *a, const void *b)
{
	const struct bit_of_three *x = a, *y = b;

	return memcmp(x->piece, y->piece, sizeof x->piece);
}

static void checks_sort(uint32_t checks[static 3])
{
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t j = 0; j < 2 - i; j++)
			if (piece(checks[j]) > piece(checks[j + 1])) {
				const uint32_t c = checks[j];
				checks[j] = checks[j + 1];
				checks[j + 1] = c;
			}
}

/* Of one lift: all bits of three checks, those on the same pieces side by side; returns how many. */
static uint32_t bits_of_three(struct bit_of_three *bits)
{
	uint32_t checks[LDPC_COLUMN_EDGES_MAX], count = 0;

	pieces_join();
	for (uint32_t c = 0; c < code.columns; c++)
		for (uint32_t lane = 0; lane < LDPC_LANES; lane++) {
			if (checks_of_bit(c, 0, lane, checks) != 3)
				continue;
			checks_sort(checks);
			for (uint32_t i = 0; i < 3; i++) {
				bits[count].piece[i] = piece(checks[i]);
				bits[count].row[i] = checks[i] / LDPC_LANES;
			}
			count++;
		}
	qsort(bits, count, sizeof *bits, by_pieces);
	return count;
}

/* Where rows lie along the chain, give or take one: by the last column of two edges in each. */
static void chain_places(uint32_t *place)
{
	uint32_t checks[LDPC_COLUMN_EDGES_MAX];

	for (uint32_t c = 0; checks_of_bit(c, 0, 0, checks) == 2; c++)
		place[checks[0] / LDPC_LANES] = place[checks[1] / LDPC_LANES] = c;
}

/* Two bits whose checks lie on the same three pieces are, with what lies between, a word. Of 65,000 frames of the first shape five came out wrong. */
static void words_of_two_columns_of_three_edges_are_not_short(void **state)
{
	static const uint32_t shapes[][3] = {{512, 1, 165}, {1024, 1, 221}};
	static struct bit_of_three bits[LDPC_COLUMNS_MAX * LDPC_LANES];
	uint32_t words = 0, place[LDPC_ROWS_MAX];

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
		ldpc_code_make(&code, growth, shapes[s][0], shapes[s][1], shapes[s][2]);
		const uint32_t count = bits_of_three(bits);
		chain_places(place);
		for (uint32_t i = 1; i < count; i++) {
			if (by_pieces(&bits[i - 1], &bits[i]) != 0)
				continue;
			int between = 0;
			for (uint32_t e = 0; e < 3; e++)
				between += abs((int)place[bits[i - 1].row[e]] -
					       (int)place[bits[i].row[e]]);
			assert_in_range(between, 27, 3 * LDPC_ROWS_MAX);
			words++;
		}
	}
	assert_true(words > 0);
}

/* Marks the other checks of the light bits of a check; returns how many had another mark. */
static uint32_t neighbours_mark(uint32_t check, uint32_t column, uint8_t *marks, uint8_t mark)
{
	enum { LIGHT = 3 };
	const uint32_t row = check / LDPC_LANES / code.lifts,
		       lift = check / LDPC_LANES % code.lifts;
	uint32_t checks[LDPC_COLUMN_EDGES_MAX], sum = 0;

	for (uint32_t e = code.start[row]; e < code.start[row + 1]; e++) {
		const struct ldpc_edge edge = code.edges[e];
		const uint32_t count = checks_of_bit(edge.column, (lift + edge.lift) % code.lifts,
			(check + edge.turn) % LDPC_LANES, checks);
		for (uint32_t i = 0; edge.column != column && count <= LIGHT && i < count; i++)
			if (checks[i] != check) {
				sum += marks[checks[i]] != 0 && marks[checks[i]] != mark;
				marks[checks[i]] = mark;
			}
	}
	return sum;
}

/* Four such columns that met in five checks held some frames of a thousand for a dozen questions. */
static void columns_of_three_edges_make_no_cycles_of_six(void **state)
{
	static uint8_t marks[LDPC_ROWS_MAX * LDPC_LANES];
	uint32_t checks[LDPC_COLUMN_EDGES_MAX], columns = 0;

	(void)state;
	ldpc_code_make(&code, growth, 1024, 1, 161);
	for (uint32_t c = 0; c < code.columns; c++) {
		const uint32_t count = checks_of_bit(c, 0, 0, checks);
		if (count != 3)
			continue;
		columns++;
		memset(marks, 0, sizeof marks);
		for (uint8_t i = 0; i < 3; i++)
			assert_int_equal(neighbours_mark(checks[i], c, marks, (uint8_t)(i + 1)), 0);
	}
	assert_in_range(columns, 300, 700);
}

/* Decoder. */

static void paths_give_the_same_octets(void **state)
{
	enum { COLUMNS = 520 };
	struct prop random = prop_from_environment(41);
	static _Alignas(64) uint8_t memory[2][LDPC_COLUMNS_MAX * 3 * LDPC_POSTERIOR_OCTETS +
					      LDPC_EDGES_MAX * 3 * LDPC_LANES +
					      LDPC_COLUMNS_MAX * 64 + (1 << 17)];
	struct ldpc_frame f[2];

	(void)state;
	ldpc_code_make(&code, growth, COLUMNS, 3, 61);
	assert_true(ldpc_frame_octets(COLUMNS, 3) <= sizeof memory[0]);
	for (enum ldpc_path path = LDPC_AVX2; path < LDPC_PATHS; path++) {
		const size_t each = ldpc_posterior_octets(path);
		if (!ldpc_can(path))
			continue;
		for (int i = 0; i < 2; i++) {
			ldpc_frame_place(
				&f[i], memory[i], COLUMNS, 3, i == 0 ? LDPC_PORTABLE : path);
			memset(memory[i], 0, sizeof memory[i]);
		}
		for (size_t i = 0; i < COLUMNS * 3; i++) {
			uint8_t *p = (uint8_t *)f[0].state.posteriors + i * LDPC_POSTERIOR_OCTETS;
			prop_fill(&random, span_mut_of(p, LDPC_LANES));
			for (int k = 0; k < LDPC_LANES; k++)
				p[k + LDPC_LANES] = p[k];
			memcpy(f[1].state.posteriors + i * each, p, each);
		}
		/* Twice, so that what was kept of messages shows; some rows are split, one half of them is worked on. */
		for (uint32_t r = 0; r < 6 * code.rows; r++) {
			const uint32_t row = r % code.rows, q = r % 3;
			const uint64_t syndrome = prop_u64(&random);
			uint32_t different[2];
			for (int i = 0; i < 2; i++)
				different[i] = ldpc_check(&code, &f[i].state, code.start[row],
					row < 20 ? code.half[row] : code.start[row + 1], q,
					syndrome);
			assert_int_equal(different[0], different[1]);
		}
		assert_memory_equal(f[0].state.messages, f[1].state.messages,
			(size_t)code.start[code.rows] * 3 * LDPC_LANES);
		assert_memory_equal(f[0].state.turned, f[1].state.turned, COLUMNS * 3);
		for (size_t i = 0; i < COLUMNS * 3; i++)
			assert_memory_equal(f[0].state.posteriors + i * LDPC_POSTERIOR_OCTETS,
				f[1].state.posteriors + i * each, LDPC_LANES);
	}
}

static bool is_zero(const void *at, size_t len)
{
	const uint8_t *octets = at;

	return len == 0 || (octets[0] == 0 && memcmp(octets, octets + 1, len - 1) == 0);
}

/* Seldom does a trapping set hold a frame: of 400 seeds two do so, and this is one. Turning doubtful bits frees it. */
static void a_trapping_set_is_left_without_a_further_bit_and_wiped(void **state)
{
	enum { LIFTS = 8, BITS = LDPC_COLUMNS_MAX * LIFTS * LDPC_LANES };
	static const double qber = 0.015;
	static uint64_t errors[BITS / 64];
	uint8_t *memory = aligned_alloc(64, ldpc_frame_octets(LDPC_COLUMNS_MAX, LIFTS));
	struct pair drawn = {.b = {errors, BITS}};
	struct prop random = prop_seeded(57);
	struct ldpc_frame f;

	(void)state;
	assert_non_null(memory);
	errors_draw(&drawn, &random, qber, 1);
	ldpc_code_make(
		&code, growth, LDPC_COLUMNS_MAX, LIFTS, ldpc_rows_for(BITS / 64, LIFTS, qber));
	ldpc_frame_place(&f, memory, LDPC_COLUMNS_MAX, LIFTS, ldpc_best());
	ldpc_frame_begin(&f, &code, BITS, qber);
	for (uint32_t r = 0; r < code.rows; r++)
		ldpc_row_sums(&code, r, false, errors, f.syndrome + (size_t)r * LIFTS);
	assert_true(ldpc_frame_run(&f, &code));
	assert_true(f.turns > 0);
	assert_memory_equal(f.words, errors, sizeof errors);
	ldpc_frame_wipe(&f, &code);
	assert_true(is_zero(f.words, sizeof errors));
	assert_true(is_zero(f.state.posteriors, BITS / 64 * ldpc_posterior_octets(f.state.path)));
	assert_true(is_zero(f.state.messages, (size_t)code.start[code.rows] * LIFTS * LDPC_LANES));
	free(memory);
}

/* Two ends. */

static uint8_t question[RECONCILE_BODY_MAX], reply[RECONCILE_BODY_MAX];
static const uint8_t seed[RECONCILE_SEED] = {1, 2, 3};

static void keys_come_out_equal_and_the_leak_is_no_less_than_it_must_be(void **state)
{
	static const struct {
		uint32_t bits;
		double qber, f_max;
	} rows[] = {{65536, 0.004, 1.6}, {65536, 0.01, 1.5}, {65536, 0.02, 1.4}, {65536, 0.03, 1.3},
		{65536, 0.05, 1.25}, {65536, 0.08, 1.2}, {65536, 0.11, 1.2}, {32768, 0.03, 1.5},
		{40011, 0.02, 1.5}, {300001, 0.02, 1.2}, {1 << 20, 0.03, 1.15}};
	struct prop random = prop_from_environment(41);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pair p;
		pair_open(&p, &reconciler_ldpc, rows[i].bits, 4);
		keys_draw(&p, &random, rows[i].bits, rows[i].qber);
		const struct reconcile_account leak = pair_correct(&p, &random, rows[i].qber);
		assert_true(keys_equal(&p));
		assert_int_equal(leak.corrected, p.errors);
		assert_int_equal(leak.frames_failed, 0);
		assert_true((double)leak.parities >= leak_least(&p));
		assert_true((double)leak.parities <=
			    rows[i].f_max * rows[i].bits * estimate_entropy(rows[i].qber));
		pair_close(&p);
	}
}

static void a_long_key_is_cut_in_frames_that_are_worked_on_side_by_side(void **state)
{
	struct prop random = prop_from_environment(41);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_ldpc, 2400007, 4);
	keys_draw(&p, &random, 2400007, 0.02);
	const struct reconcile_account leak = pair_correct(&p, &random, 0.02);
	assert_true(keys_equal(&p));
	assert_int_equal(leak.frames, 3);
	/* And another key, shorter, with the same memory. */
	keys_draw(&p, &random, 100003, 0.01);
	assert_int_equal(pair_correct(&p, &random, 0.01).frames, 1);
	assert_true(keys_equal(&p));
	const struct reconcile_settings bob = {true, 2400007, 4}, alice = {false, 2400007, 4};
	assert_true(secret_octets_open() <= 2 * (ldpc_octets(&alice) + ldpc_octets(&bob)));
	pair_close(&p);
}

static void keys_of_many_error_rates_come_out_equal_one_after_the_other(void **state)
{
	struct prop random = prop_from_environment(43);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_ldpc, 32768, 4);
	for (int i = 0; i < 24; i++) {
		const double qber = 0.015 + 0.003 * (i % 12); /* more codes than are kept */
		keys_draw(&p, &random, 32768, qber);
		pair_correct(&p, &random, qber);
		assert_true(keys_equal(&p));
	}
	pair_close(&p);
}

static void more_errors_than_expected_cost_rounds_not_the_key(void **state)
{
	struct prop random = prop_from_environment(41);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_ldpc, 65536, 4);
	keys_draw(&p, &random, 65536, 0.03);
	const struct reconcile_account leak = pair_correct(&p, &random, 0.02);
	assert_true(keys_equal(&p));
	assert_in_range(leak.rounds, 2, 20);
	assert_int_equal(leak.answers, leak.rounds);
	pair_close(&p);
}

static void a_hopeless_frame_is_told_as_failed_and_left_as_it_was(void **state)
{
	struct prop random = prop_from_environment(41);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_ldpc, 65536, 4);
	keys_draw(&p, &random, 65536, 0.2);
	uint64_t *before = malloc(65536 / 8);
	memcpy(before, p.b.words, 65536 / 8);
	const struct reconcile_account leak = pair_correct(&p, &random, 0.01);
	assert_int_equal(leak.frames_failed, 1);
	assert_int_equal(leak.corrected, 0);
	assert_int_equal(leak.parities, 2 * 64 * ldpc_rows_for(1024, 1, 0.01));
	assert_memory_equal(before, p.b.words, 65536 / 8);
	free(before);
	pair_close(&p);
}

static void a_key_too_short_or_too_bad_is_refused(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_ldpc, 65536, 4);
	p.a.bits = LDPC_KEY_BITS_MIN - 1;
	assert_int_equal(reconciler_ldpc.begin(p.alice, p.a, 0.02, seed).kind, ERR_INPUT);
	p.a.bits = 65537;
	assert_int_equal(reconciler_ldpc.begin(p.alice, p.a, 0.02, seed).kind, ERR_INPUT);
	p.a.bits = 65536;
	assert_int_equal(reconciler_ldpc.begin(p.alice, p.a, 0.3, seed).kind, ERR_INPUT);
	assert_int_equal(reconciler_ldpc.begin(p.alice, p.a, NAN, seed).kind, ERR_INPUT);
	pair_close(&p);
}

static enum qkd_abort asked(struct pair *p, unsigned frame, unsigned first, unsigned count)
{
	const uint8_t q[] = {(uint8_t)(frame >> 8), (uint8_t)frame, (uint8_t)(first >> 8),
		(uint8_t)first, (uint8_t)(count >> 8), (uint8_t)count};
	struct writer a = writer_of(SPAN_MUT_ARRAY(reply));
	const enum qkd_abort reason = reconciler_ldpc.answer(p->alice, SPAN_ARRAY(q), &a);

	assert_true(reason == QKD_GOES_ON || a.len == 0);
	return reason;
}

static void alice_tells_each_unit_once_and_in_order(void **state)
{
	struct prop random = prop_from_environment(41);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_ldpc, 65536, 4);
	keys_draw(&p, &random, 65536, 0.02);
	pair_begin(&p, 0.02, seed);
	const unsigned rows = ldpc_rows_for(1024, 1, 0.02);
	assert_int_equal(asked(&p, 1, 0, rows), QKD_PROTOCOL);
	assert_int_equal(asked(&p, 0, 0, rows - 1), QKD_PROTOCOL);
	assert_int_equal(asked(&p, 0, 0, rows + 1), QKD_PROTOCOL);
	assert_int_equal(asked(&p, 0, 0, 0), QKD_PROTOCOL);
	assert_int_equal(asked(&p, 0, rows, 1), QKD_PROTOCOL);
	assert_int_equal(reconciler_ldpc.account(p.alice).parities, 0);
	assert_int_equal(asked(&p, 0, 0, rows), QKD_GOES_ON);
	assert_int_equal(asked(&p, 0, 0, rows), QKD_PROTOCOL);
	assert_int_equal(asked(&p, 0, rows, rows + 1), QKD_PROTOCOL);
	assert_int_equal(asked(&p, 0, rows, 3), QKD_GOES_ON);
	assert_int_equal(asked(&p, 0, rows + 3, rows - 3), QKD_GOES_ON);
	assert_int_equal(asked(&p, 0, 2 * rows, 1), QKD_PROTOCOL);
	assert_int_equal(reconciler_ldpc.account(p.alice).parities, 2 * rows * 64);
	pair_close(&p);
}

static void bob_takes_no_answer_that_he_did_not_ask_for_or_of_another_length(void **state)
{
	struct prop random = prop_from_environment(41);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_ldpc, 65536, 4);
	keys_draw(&p, &random, 65536, 0.02);
	for (int change = -1; change <= 1; change += 2) {
		struct writer q = writer_of(SPAN_MUT_ARRAY(question)),
			      a = writer_of(SPAN_MUT_ARRAY(reply));
		pair_begin(&p, 0.02, seed);
		assert_int_equal(reconciler_ldpc.learn(p.bob, span_of(reply, 8)), QKD_PROTOCOL);
		assert_true(reconciler_ldpc.ask(p.bob, &q));
		assert_false(reconciler_ldpc.ask(p.bob, &q));
		assert_int_equal(
			reconciler_ldpc.answer(p.alice, writer_span_done(&q), &a), QKD_GOES_ON);
		const size_t len = (size_t)((int)writer_span_done(&a).len + change);
		assert_int_equal(reconciler_ldpc.learn(p.bob, span_of(reply, len)), QKD_PROTOCOL);
	}
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_are_those_of_phi),
		cmocka_unit_test(the_tables_of_messages_say_what_the_limits_say),
		cmocka_unit_test(syndromes_are_those_of_the_plain_definition),
		cmocka_unit_test(codes_are_the_same_everywhere),
		cmocka_unit_test(rows_are_the_same_everywhere),
		cmocka_unit_test(there_are_fewer_columns_of_degree_two_than_rows),
		cmocka_unit_test(light_columns_make_no_cycles_of_four),
		cmocka_unit_test(no_light_column_closes_a_cycle_with_the_chain),
		cmocka_unit_test(words_of_two_columns_of_three_edges_are_not_short),
		cmocka_unit_test(columns_of_three_edges_make_no_cycles_of_six),
		cmocka_unit_test(paths_give_the_same_octets),
		cmocka_unit_test(a_trapping_set_is_left_without_a_further_bit_and_wiped),
		cmocka_unit_test(keys_come_out_equal_and_the_leak_is_no_less_than_it_must_be),
		cmocka_unit_test(a_long_key_is_cut_in_frames_that_are_worked_on_side_by_side),
		cmocka_unit_test(keys_of_many_error_rates_come_out_equal_one_after_the_other),
		cmocka_unit_test(more_errors_than_expected_cost_rounds_not_the_key),
		cmocka_unit_test(a_hopeless_frame_is_told_as_failed_and_left_as_it_was),
		cmocka_unit_test(a_key_too_short_or_too_bad_is_refused),
		cmocka_unit_test(alice_tells_each_unit_once_and_in_order),
		cmocka_unit_test(bob_takes_no_answer_that_he_did_not_ask_for_or_of_another_length),
	};

	growth = aligned_alloc(64, ldpc_growth_octets());
	const int failures = cmocka_run_group_tests(tests, NULL, NULL);
	free(growth);
	return failures;
}
