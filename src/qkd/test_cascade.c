// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Cascade by its face: two ends, messages as octets between them. */
#include "qkd/cascade.h"
#include "qkd/cascade_frame.h"
#include "qkd/estimate.h"
#include "base/secret.h"
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "support/reconcile_pair.h"

static uint8_t question[RECONCILE_BODY_MAX], reply[RECONCILE_BODY_MAX];

static double shannon_limit(const struct pair *p)
{
	return p->a.bits * estimate_entropy((double)p->errors / p->a.bits);
}

static void keys_of_any_length_become_equal(void **state)
{
	static const uint32_t sizes[] = {1, 63, 64, 65, 1000, 4096, 4097, 10000, 65535, 65536,
		65537, 100000, 131072, 300001, 1 << 20};
	static const double qbers[] = {0, 0.001, 0.005, 0.01, 0.03, 0.05, 0.11};
	struct prop random = prop_from_environment(11);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_cascade, 1 << 20, 64);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t k = 0; k < ARRAY_LEN(qbers); k++) {
			keys_draw(&p, &random, sizes[i], qbers[k]);
			const struct reconcile_account leak = pair_correct(&p, &random, qbers[k]);
			if (!keys_equal(&p) || leak.corrected != p.errors)
				fail_msg("%u bits at %g: not equal", sizes[i], qbers[k]);
			assert_int_equal(leak.frames_failed, 0);
		}
	pair_close(&p);
}

static void a_wrong_expectation_costs_parities_not_the_key(void **state)
{
	static const struct {
		double expected, real;
	} cases[] = {
		{0.01, 0.02}, {0.02, 0.01}, {0.02, 0.05}, {0.06, 0.03}, {0.0, 0.02}, {0.1, 0.001}};
	struct prop random = prop_from_environment(12);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_cascade, 200000, 32);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		keys_draw(&p, &random, 200000, cases[i].real);
		pair_correct(&p, &random, cases[i].expected);
		assert_true(keys_equal(&p));
	}
	pair_close(&p);
}

static void errors_that_come_in_bursts_are_corrected(void **state)
{
	static const uint32_t bursts[] = {2, 3, 8, 64, 65, 300};
	struct prop random = prop_from_environment(13);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_cascade, 131072, 32);
	for (size_t i = 0; i < ARRAY_LEN(bursts); i++) {
		keys_draw(&p, &random, 131072, 0);
		errors_draw(&p, &random, 0.02, bursts[i]);
		pair_correct(&p, &random, 0.02);
		assert_true(keys_equal(&p));
	}
	pair_close(&p);
}

/* A key of many frames through a window of few: batches follow each other in the same memory. */
static void frames_beyond_the_window_wait_their_turn(void **state)
{
	static const uint32_t windows[] = {1, 2, 3, 33};
	struct prop random = prop_from_environment(14);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
		const struct reconcile_settings settings = {.is_bob = true,
			.key_bits_max = 70 * CASCADE_FRAME_BITS_MAX,
			.frames_in_flight = windows[i]};
		struct pair p;
		const size_t before = secret_octets_open();
		pair_open(&p, &reconciler_cascade, settings.key_bits_max, windows[i]);
		assert_true(secret_octets_open() - before <= 2 * cascade_octets(&settings));
		keys_draw(&p, &random, settings.key_bits_max, 0.01);
		assert_int_equal(pair_correct(&p, &random, 0.01).frames, 70);
		assert_true(keys_equal(&p));
		pair_close(&p);
	}
}

/*
 * No account of Alice's parities that lets Bob find the errors can lie below log2 C(n, errors) on the average: that one does is how
 * keys get too long. And not far above: the published curves of the literature [Martinez-Mateo et al. arXiv:1407.3257, as
 * measured with cascade-cpp at 1e5 bits] have 1.046 to 1.065 between 1 and 5 %.
 */
static void the_leak_lies_between_shannon_and_the_literature(void **state)
{
	static const struct {
		double qber, most;
	} points[] = {{0.01, 1.046}, {0.02, 1.058}, {0.03, 1.060}, {0.05, 1.065}, {0.08, 1.075}};
	struct prop random = prop_from_environment(15);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_cascade, 32 * CASCADE_FRAME_BITS_MAX, 64);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		keys_draw(&p, &random, 32 * CASCADE_FRAME_BITS_MAX, points[i].qber);
		const double parities = (double)pair_correct(&p, &random, points[i].qber).parities;
		assert_true(keys_equal(&p));
		if (parities < leak_least(&p) || parities > points[i].most * shannon_limit(&p))
			fail_msg("%g: %.0f parities, floor %.0f", points[i].qber, parities,
				leak_least(&p));
	}
	pair_close(&p);
}

/* The best of the literature's variants at 1e4 bits, measured the same way; theirs failed up to one frame in a hundred. */
static void short_keys_cost_no_more_than_in_the_literature(void **state)
{
	static const struct {
		double qber, most;
	} points[] = {{0.01, 1.092}, {0.02, 1.082}, {0.03, 1.080}, {0.05, 1.077}};
	struct prop random = prop_from_environment(22);
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_cascade, 10000, 1);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		double parities = 0, shannon = 0, floor_bits = 0;
		for (uint32_t k = 0; k < 1000; k++) {
			keys_draw(&p, &random, 10000, points[i].qber);
			parities += (double)pair_correct(&p, &random, points[i].qber).parities;
			assert_true(keys_equal(&p));
			shannon += shannon_limit(&p);
			floor_bits += leak_least(&p);
		}
		if (parities < floor_bits || parities > points[i].most * shannon)
			fail_msg("%g: f %.4f", points[i].qber, parities / shannon);
	}
	pair_close(&p);
}

/* Tables. */

static struct cascade_shape shape_with(uint32_t words, double qber)
{
	return cascade_shape_of(words * 64 * CASCADE_PLANES, qber);
}

/* Every parity from its definition: the bits that the permutation brings below a node. */
static bool node_parity(const struct cascade_shape *s, const struct cascade_permutation *p,
	uint32_t pass, const uint64_t *planes, uint32_t column, uint32_t node)
{
	const unsigned level = 31u - (unsigned)__builtin_clz(node);
	const uint32_t leaves = CASCADE_PLANES >> level, first = node * leaves - CASCADE_PLANES;
	bool sum = false;

	for (uint32_t q = first; q < first + leaves; q++) {
		const struct cascade_place at = cascade_place_of(s, p, pass, column, q);
		assert_int_equal(cascade_column_in(s, p, pass, at.plane, at.column), column);
		sum ^= cascade_bit(planes + (size_t)at.plane * s->words, at.column);
	}
	return sum;
}

static uint64_t planes[CASCADE_PLANES * CASCADE_WORDS_MAX];
static const uint32_t widths[] = {1, 2, 3, 4, 5, 7, 8, 15, 16};
static const double table_qbers[] = {0.0005, 0.02, 0.05, 0.11};

static bool row_bit(const struct cascade_shape *s, const struct cascade_rows *rows, uint32_t column,
	uint32_t node)
{
	return cascade_bit(rows->at + (size_t)node * s->words, column);
}

static void group_rows_check(const struct cascade_shape *s, uint32_t pass,
	const struct cascade_rows *rows, const struct cascade_group_rows *groups)
{
	const struct cascade_pass_shape *shape = &s->pass[pass];

	for (uint32_t d = 0; shape->log_columns > 0 && d <= shape->log_columns; d++)
		for (uint32_t x = 0; x < (uint32_t)shape->blocks << d; x++) {
			bool sum = false;
			for (uint32_t v = x; v < s->columns; v += (uint32_t)shape->blocks << d)
				sum ^= row_bit(s, rows, v, 1);
			assert_int_equal(cascade_bit(groups->at[d], x), sum);
		}
}

static void every_parity_of_a_table_is_what_its_node_says(void **state)
{
	static struct cascade_rows rows[2];
	static struct cascade_group_rows groups[2];
	static struct cascade_column columns[2][CASCADE_COLUMNS_MAX];
	struct prop random = prop_from_environment(16);
	struct cascade_permutation p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(widths) * ARRAY_LEN(table_qbers) * CASCADE_PASSES; i++) {
		const uint32_t pass = (uint32_t)(i % CASCADE_PASSES);
		const struct cascade_shape s =
			shape_with(widths[i / CASCADE_PASSES / ARRAY_LEN(table_qbers)],
				table_qbers[i / CASCADE_PASSES % ARRAY_LEN(table_qbers)]);
		prop_fill(&random, span_mut_of((uint8_t *)planes, s.frame_bits / 8));
		cascade_permutation_draw(&p, &s, prop_u64(&random));
		for (size_t k = 0; k < 2; k++) {
			const enum cascade_path path = k == 0 ? CASCADE_PORTABLE : cascade_best();
			cascade_rows_build(path, &s, &p, pass, planes, &rows[k], &groups[k]);
			cascade_rows_to_columns(path, &s, &rows[k], NULL, columns[k]);
			group_rows_check(&s, pass, &rows[k], &groups[k]);
		}
		assert_memory_equal(rows[0].at, rows[1].at, s.frame_bits / 8 * 2);
		assert_memory_equal(columns[0], columns[1], s.columns * sizeof columns[0][0]);
		for (uint32_t k = 0; k < 300; k++) {
			const uint32_t v = (uint32_t)prop_below(&random, s.columns);
			const uint32_t h = 1 + (uint32_t)prop_below(&random, 127);
			const bool sum = node_parity(&s, &p, pass, planes, v, h);
			assert_int_equal(row_bit(&s, &rows[0], v, h), sum);
			if (h < CASCADE_NODES)
				assert_int_equal(columns[0][v].value >> h & 1, sum);
			assert_true(columns[0][v].known == 0);
		}
	}
}

/* The sweep on whole rows against one column after the other. */
static void a_sweep_finds_what_a_search_by_hand_finds(void **state)
{
	static struct cascade_rows rows[2], known[2];
	static uint64_t bits[2][CASCADE_PLANES * CASCADE_WORDS_MAX],
		certain[2][CASCADE_PLANES * CASCADE_WORDS_MAX], trails[CASCADE_TRAIL_WORDS_MAX];
	struct prop random = prop_from_environment(21);
	struct cascade_permutation p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(widths) * 3; i++) {
		const struct cascade_shape s = shape_with(widths[i / 3], table_qbers[1 + i % 3]);
		const uint32_t top_level = s.pass[0].top_level;
		const uint32_t each = cascade_trail_words(&s, CASCADE_LEVELS);
		uint64_t out[2][CASCADE_WORDS_MAX];
		cascade_permutation_draw(&p, &s, prop_u64(&random));
		prop_fill(&random, span_mut_of((uint8_t *)planes, s.frame_bits / 8));
		prop_fill(&random, span_mut_of((uint8_t *)trails, sizeof trails));
		cascade_rows_build(CASCADE_PORTABLE, &s, &p, 0, planes, &rows[0], NULL);
		for (uint32_t k = 0; k < 400; k++) {
			const uint32_t v = (uint32_t)prop_below(&random, s.columns);
			const uint32_t top = (uint32_t)prop_below(&random, 1u << top_level);
			const uint32_t level = top_level + (uint32_t)prop_below(&random,
								   CASCADE_LEVELS - top_level);
			const uint64_t *trail = trails + (size_t)top * each;
			uint32_t h = (1u << top_level) + top;
			for (uint32_t d = 1; d <= level - top_level; d++)
				h = 2 * h + cascade_bit(trail + (size_t)d * s.words, v);
			cascade_rows_choose(
				CASCADE_PORTABLE, &s, &rows[0], top, level, trail, out[0]);
			cascade_rows_choose(
				cascade_best(), &s, &rows[0], top, level, trail, out[1]);
			assert_memory_equal(out[0], out[1], s.words * 8);
			assert_int_equal(cascade_bit(out[0], v), row_bit(&s, &rows[0], v, 2 * h));
		}
		for (size_t k = 0; k < 2; k++) {
			const enum cascade_path path = k == 0 ? CASCADE_PORTABLE : cascade_best();
			memcpy(bits[k], planes, sizeof planes);
			cascade_rows_settle(
				path, &s, trails, bits[k], certain[k], &rows[k], &known[k]);
		}
		assert_memory_equal(bits[0], bits[1], s.frame_bits / 8);
		assert_memory_equal(certain[0], certain[1], s.frame_bits / 8);
		assert_memory_equal(rows[0].at, rows[1].at, s.frame_bits / 8);
		assert_memory_equal(known[0].at, known[1].at, s.frame_bits / 8);
		for (uint32_t k = 0; k < 1000; k++) {
			const uint32_t v = (uint32_t)prop_below(&random, s.columns);
			const uint32_t top = (uint32_t)prop_below(&random, 1u << top_level);
			const uint64_t *trail = trails + (size_t)top * each;
			const bool is_odd = cascade_bit(trail, v);
			uint32_t h = (1u << top_level) + top;
			for (uint32_t d = 1; d <= CASCADE_LEVELS - top_level; d++) {
				assert_int_equal(d == 1 || is_odd, row_bit(&s, &known[0], v, h));
				h = 2 * h + cascade_bit(trail + (size_t)d * s.words, v);
			}
			const size_t leaf = (size_t)(h - CASCADE_PLANES) * s.words;
			assert_int_equal(cascade_bit(bits[0] + leaf, v),
				cascade_bit(planes + leaf, v) ^ is_odd);
			if (is_odd)
				assert_true(cascade_bit(certain[0] + leaf, v));
		}
	}
}

/* Two bits that share a block in every pass could both be wrong and never be seen: it must be rare, for any two. */
static void two_bits_seldom_share_a_block_in_every_pass(void **state)
{
	const struct cascade_shape s = shape_with(16, 0.02);
	struct prop random = prop_from_environment(17);
	uint32_t shared = 0, tries = 0;

	(void)state;
	for (uint32_t draw = 0; draw < 200; draw++) {
		struct cascade_permutation p;
		cascade_permutation_draw(&p, &s, prop_u64(&random));
		for (uint32_t k = 0; k < 2000; k++, tries++) {
			/* One block of the first pass: a column. */
			const uint32_t column = (uint32_t)prop_below(&random, s.columns);
			const uint32_t a = (uint32_t)prop_below(&random, 64);
			const uint32_t b = (a + 1 + (uint32_t)prop_below(&random, 63)) % 64;
			bool is_shared = true;
			for (uint32_t pass = 1; pass < CASCADE_PASSES; pass++)
				is_shared &= cascade_column_in(&s, &p, pass, a, column) %
						     s.pass[pass].blocks ==
					     cascade_column_in(&s, &p, pass, b, column) %
						     s.pass[pass].blocks;
			shared += is_shared;
		}
	}
	/* By chance: one in blocks(2) * blocks(3), here 256 * 16. */
	const double expected = (double)tries / (s.pass[1].blocks * s.pass[2].blocks);
	assert_true(shared < expected + 6 * sqrt(expected));
}

/* Paths. */

static enum cascade_path path_taken;

static struct err open_by_path(struct reconcile **out, const struct reconcile_settings *settings)
{
	return cascade_open_by(path_taken, out, settings);
}

/* Blocks of the first pass are parts of a column, columns, groups; some frames end with subsets that differ. */
static const struct said_case {
	uint32_t bits;
	double expected, real;
} said_cases[] = {{10000, 0.02, 0.02}, {1000003, 0.02, 0.02}, {1000003, 0.11, 0.11},
	{1000003, 0.0005, 0.001}, {300001, 0.01, 0.04}, {8 << 20, 0.03, 0.03}};

/* All that both ends say when one path does all of their work. The same draws give the same keys. */
static struct span said_by(
	enum cascade_path path, const struct said_case *c, struct prop random, struct span_mut room)
{
	struct reconciler mode = reconciler_cascade;
	struct writer said = writer_of(room);
	struct pair p;

	path_taken = path;
	mode.open = open_by_path;
	pair_open(&p, &mode, c->bits, 20);
	p.said = &said;
	keys_draw(&p, &random, c->bits, c->real);
	pair_correct(&p, &random, c->expected);
	assert_true(keys_equal(&p));
	pair_close(&p);
	return writer_span_done(&said);
}

static void every_path_says_the_same_octets(void **state)
{
	static uint8_t room[2][1 << 23];
	struct prop random = prop_from_environment(23);

	(void)state;
	if (cascade_best() == CASCADE_PORTABLE)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(said_cases); i++, prop_u64(&random)) {
		const struct said_case *c = &said_cases[i];
		const struct span portable =
			said_by(CASCADE_PORTABLE, c, random, SPAN_MUT_ARRAY(room[0]));
		for (enum cascade_path path = 1; path <= cascade_best(); path++)
			assert_true(span_equal(
				portable, said_by(path, c, random, SPAN_MUT_ARRAY(room[1]))));
	}
}

/* Hostile peers. */

static void questions_that_nobody_fair_asks_are_refused(void **state)
{
	struct prop random = prop_from_environment(18);
	const uint8_t seed[RECONCILE_SEED] = {1};
	uint32_t refused = 0;
	struct pair p;

	(void)state;
	pair_open(&p, &reconciler_cascade, 200000, 64);
	keys_draw(&p, &random, 200000, 0.02);
	for (uint32_t i = 0; i < 3000; i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(question));
		assert_false(failed(reconciler_cascade.begin(p.alice, p.a, 0.02, seed)));
		writer_u16(&w, (uint16_t)prop_below(&random, 3));
		for (uint32_t k = 0; k < 4; k++) {
			struct cascade_part part = {
				.kind = (enum cascade_kind)(1 + prop_below(&random, 7)),
				.pass = (uint8_t)prop_below(&random, 5),
				.level = (uint8_t)prop_below(&random, 8),
				.mask_words = (uint16_t)(1 + prop_below(&random, 100)),
				.subset = (uint8_t)prop_below(&random, 20),
				.first = 3,
				.end = (uint16_t)(4 + prop_below(&random, 2000)),
				.word = (uint16_t)prop_below(&random, 2000),
				.mask = 1 + prop_below(&random, 9),
				.node_count = 2,
				.group_count = 1};
			cascade_part_encode(&w, &part);
			for (uint32_t n = 0; part.kind == CASCADE_SEARCH && n < 3; n++)
				writer_u16(&w, (uint16_t)prop_u64(&random));
			for (uint32_t n = 0; part.kind == CASCADE_SWEEP && n < part.mask_words; n++)
				writer_u64(&w, prop_u64(&random));
		}
		struct writer a = writer_of(SPAN_MUT_ARRAY(reply));
		const enum qkd_abort reason =
			reconciler_cascade.answer(p.alice, writer_span_done(&w), &a);
		refused += reason == QKD_PROTOCOL;
		if (reason == QKD_PROTOCOL)
			assert_int_equal(a.len, 0);
	}
	assert_true(refused > 2900);
	pair_close(&p);
}

/* Alice answers at random: Bob stops at his limits, whatever comes, and says which frames failed. */
static void answers_at_random_end(void **state)
{
	struct prop random = prop_from_environment(19);
	const uint8_t seed[RECONCILE_SEED] = {2};
	struct pair p;
	uint64_t messages = 0;

	(void)state;
	pair_open(&p, &reconciler_cascade, 20000, 2);
	keys_draw(&p, &random, 20000, 0.02);
	pair_begin(&p, 0.02, seed);
	while (!reconciler_cascade.is_done(p.bob)) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(question));
		struct writer a = writer_of(SPAN_MUT_ARRAY(reply));
		assert_true(reconciler_cascade.ask(p.bob, &w));
		if (reconciler_cascade.answer(p.alice, writer_span_done(&w), &a) != QKD_GOES_ON)
			break; /* Bob is led where Alice does not follow */
		for (size_t i = 0; i + 1 < a.len; i++)
			reply[i] = (uint8_t)prop_u64(&random);
		assert_int_not_equal(
			reconciler_cascade.learn(p.bob, writer_span_done(&a)), QKD_BLINDED);
		assert_true(++messages < 4 * CASCADE_ROUNDS_MAX);
	}
	assert_false(keys_equal(&p));
	pair_close(&p);
}

static void an_answer_of_another_length_is_none(void **state)
{
	struct prop random = prop_from_environment(20);
	const uint8_t seed[RECONCILE_SEED] = {3};

	(void)state;
	for (int delta = -1; delta <= 1; delta++) {
		struct pair p;
		struct writer w = writer_of(SPAN_MUT_ARRAY(question));
		struct writer a = writer_of(SPAN_MUT_ARRAY(reply));
		pair_open(&p, &reconciler_cascade, 20000, 2);
		keys_draw(&p, &random, 20000, 0.02);
		assert_int_equal(reconciler_cascade.learn(p.bob, span_of(NULL, 0)), QKD_PROTOCOL);
		pair_begin(&p, 0.02, seed);
		assert_true(reconciler_cascade.ask(p.bob, &w));
		assert_int_equal(
			reconciler_cascade.answer(p.alice, writer_span_done(&w), &a), QKD_GOES_ON);
		assert_int_equal(reconciler_cascade.learn(
					 p.bob, span_of(reply, (size_t)((int)a.len + delta))),
			delta == 0 ? QKD_GOES_ON : QKD_PROTOCOL);
		pair_close(&p);
	}
}

static void settings_beyond_the_limits_are_refused(void **state)
{
	struct reconcile *r;
	struct reconcile_settings settings = {.key_bits_max = 1, .frames_in_flight = 1025};

	(void)state;
	assert_int_equal(reconciler_cascade.open(&r, &settings).kind, ERR_INPUT);
	settings.frames_in_flight = 0;
	assert_int_equal(reconciler_cascade.open(&r, &settings).kind, ERR_INPUT);
	settings = (struct reconcile_settings){
		.key_bits_max = RECONCILE_BITS_MAX + 1, .frames_in_flight = 1};
	assert_int_equal(reconciler_cascade.open(&r, &settings).kind, ERR_INPUT);
}

/* Who has these words and the public seed has the final key. */
static void what_is_forgotten_is_nowhere_in_memory(void **state)
{
	enum { FRAMES = 4, BITS = 3 * 65536 };
	struct reconcile_settings settings = {.key_bits_max = BITS, .frames_in_flight = FRAMES};
	const size_t of_alice = cascade_octets(&settings);
	struct prop random = prop_from_environment(29);
	const uint8_t seed[RECONCILE_SEED] = {29};
	struct pair p;

	(void)state;
	settings.is_bob = true;
	const size_t of_bob = cascade_octets(&settings);
	pair_open(&p, &reconciler_cascade, BITS, FRAMES);
	for (int is_given_up = 0; is_given_up < 2; is_given_up++) {
		keys_draw(&p, &random, BITS, 0.02);
		if (is_given_up)
			pair_begin(&p, 0.02, seed);
		else
			pair_correct(&p, &random, 0.02);
		assert_true(key_remains(p.a, p.alice, of_alice) > 0);
		assert_true(key_remains(p.b, p.bob, of_bob) > 0);
		p.mode->forget(p.alice);
		p.mode->forget(p.bob);
		assert_int_equal(key_remains(p.a, p.alice, of_alice), 0);
		assert_int_equal(key_remains(p.b, p.bob, of_bob), 0);
	}
	/* And the next key is corrected as ever. */
	keys_draw(&p, &random, BITS, 0.02);
	pair_correct(&p, &random, 0.02);
	assert_true(keys_equal(&p));
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_any_length_become_equal),
		cmocka_unit_test(what_is_forgotten_is_nowhere_in_memory),
		cmocka_unit_test(a_wrong_expectation_costs_parities_not_the_key),
		cmocka_unit_test(errors_that_come_in_bursts_are_corrected),
		cmocka_unit_test(frames_beyond_the_window_wait_their_turn),
		cmocka_unit_test(the_leak_lies_between_shannon_and_the_literature),
		cmocka_unit_test(short_keys_cost_no_more_than_in_the_literature),
		cmocka_unit_test(every_parity_of_a_table_is_what_its_node_says),
		cmocka_unit_test(a_sweep_finds_what_a_search_by_hand_finds),
		cmocka_unit_test(two_bits_seldom_share_a_block_in_every_pass),
		cmocka_unit_test(every_path_says_the_same_octets),
		cmocka_unit_test(questions_that_nobody_fair_asks_are_refused),
		cmocka_unit_test(answers_at_random_end),
		cmocka_unit_test(an_answer_of_another_length_is_none),
		cmocka_unit_test(settings_beyond_the_limits_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
