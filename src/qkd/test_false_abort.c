// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Aborts of blocks that nobody touched, against the rate that false_abort.h states. Blocks are drawn from the model (multinomial, exactly)
 * and judged by what judges the link's blocks. A stated rate fails here where so many aborts, or more, would come by chance in at most
 * 10^-6 of such tests. Where the rate is large enough to be seen, so must be aborts; and what lies outside is refused.
 */
#include "qkd/amplify.h"
#include "qkd/cascade.h"
#include "qkd/false_abort.h"
#include "qkd/optics_model.h"
#include "qkd/plan.h"
#include "qkd/verify.h"
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "support/reconcile_pair.h"

#if defined(__SANITIZE_ADDRESS__)
enum { PARTS = 10 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
enum { PARTS = 10 };
#else
enum { PARTS = 1 };
#endif
#else
enum { PARTS = 1 };
#endif

static const double block_count = 5000 / (double)PARTS;
static const double block_count_corrected = 1000 / (double)PARTS;
static const double block_count_weighted = 8000 / (double)PARTS;
static const double block_count_of_light = 20 / (double)PARTS;

static const double stated = 1e-6;     /* of all blocks, all reasons together */
static const double confidence = 1e-6; /* that this test fails though the rate is right */

struct line {
	struct rate_channel channel;
	struct qkd_parameters p;
	struct rate rate;
	struct false_abort_block block;
	double key_bits;
};

static void line_cut(struct line *l, double key_bits)
{
	l->key_bits = key_bits;
	l->p.qber_max = qkd_qber_max;
	qkd_limits(&l->p, (uint32_t)key_bits);
	rate_expect(&l->channel, &l->p, key_bits, &l->rate);
	false_abort_block(&l->channel, &l->p, key_bits, &l->block);
}

/* What `merlon qkd plan --distance-km KM --block BITS` gives for the lab's link. */
static struct line line_plan(enum qkd_protocol protocol, double km, double key_bits)
{
	const struct plan_set *lab = plan_set_find("lab");
	struct line l = {.channel = lab->channel,
		.p = {.protocol = protocol, .eps_sec = 1e-10, .eps_cor = 1e-15}};

	l.channel.loss_db = km * lab->attenuation_db_km;
	l.channel.is_two_way = true;
	assert_true(plan_optimise(&l.channel, key_bits, &l.p, &l.rate));
	line_cut(&l, key_bits);
	return l;
}

/* A plan takes longer than what is done with it. */
static struct line line_planned(enum qkd_protocol protocol, double km, double key_bits)
{
	static struct {
		enum qkd_protocol protocol;
		double km, key_bits;
		struct line line;
	} known[16];
	static size_t count;

	for (size_t i = 0; i < count; i++)
		if (known[i].protocol == protocol && known[i].km == km &&
			known[i].key_bits == key_bits)
			return known[i].line;
	const struct line l = line_plan(protocol, km, key_bits);
	assert_true(count < ARRAY_LEN(known));
	known[count].protocol = protocol;
	known[count].km = km;
	known[count].key_bits = key_bits;
	known[count++].line = l;
	return l;
}

/* The defaults of CONFIG. */
static struct line line_default(double km)
{
	struct line l = line_planned(QKD_TWO_DECOY, km, 1e5);
	const struct qkd_parameters p = {.protocol = QKD_TWO_DECOY,
		.intensity = {0.6, 0.22, 2e-4},
		.probability = {0.2, 0.55, 0.25},
		.basis_x = 0.75,
		.eps_sec = 1e-10,
		.eps_cor = 1e-15};

	l.p = p;
	line_cut(&l, 120000);
	return l;
}

/* Drawing. */

static double draw_normal(struct prop *random)
{
	return sqrt(-2 * log(1 - prop_unit(random))) * cos(2 * M_PI * prop_unit(random));
}

/* Binomial, exactly: from the middle outwards, less likely numbers later. */
static double draw_binomial(struct prop *random, double n, double p)
{
	if (n <= 0 || p <= 0)
		return 0;
	if (p >= 1)
		return n;
	const double odds = p / (1 - p), middle = floor((n + 1) * p);
	const double top = exp(lgamma(n + 1) - lgamma(middle + 1) - lgamma(n - middle + 1) +
			       middle * log(p) + (n - middle) * log1p(-p));
	double low = middle, high = middle, at_low = top, at_high = top;
	double u = prop_unit(random) - top;

	while (u >= 0 && (at_low > 0 || at_high > 0)) {
		at_high *= high < n ? (n - high) / (high + 1) * odds : 0;
		u -= at_high;
		high++;
		if (u < 0)
			return high;
		at_low *= low > 0 ? low / ((n - low + 1) * odds) : 0;
		u -= at_low;
		low--;
		if (u < 0)
			return low;
	}
	return middle;
}

static struct false_abort_point draw_block(
	struct prop *random, const struct false_abort_block *b, const double *share)
{
	struct false_abort_point x = {.parities = draw_normal(random)};
	double left = b->detections, part = 1;

	for (size_t c = 0; c < FALSE_ABORT_CELLS; c++) {
		const bool is_last = c == FALSE_ABORT_CELLS - 1;
		x.count[c] = is_last ? left : draw_binomial(random, left, share[c] / part);
		left -= x.count[c];
		part -= share[c];
	}
	return x;
}

static struct qkd_counts counts_of(const struct false_abort_point *x)
{
	struct qkd_counts n;

	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		const double *at = x->count + k;
		n.key_errors[k] = (uint32_t)at[QKD_INTENSITIES];
		n.key[k] = (uint32_t)at[0] + n.key_errors[k];
		n.test_errors[k] = (uint32_t)at[3 * QKD_INTENSITIES];
		n.test[k] = (uint32_t)at[2 * QKD_INTENSITIES] + n.test_errors[k];
	}
	return n;
}

/* Judging, as link_block.c and link_final.c do. */

static enum qkd_abort judge(
	const struct qkd_parameters *p, const struct qkd_counts *n, uint64_t parities)
{
	struct estimate e;
	struct qkd_ledger ledger = {.sifted = qkd_sum(n->key),
		.parities = parities,
		.answers = parities,
		.tag_bits = VERIFY_TAG_BITS};
	uint32_t bits;
	enum qkd_abort reason = estimate_early(n, p, &e);

	if (reason == QKD_GOES_ON)
		reason = estimate_block(n, p, &e);
	if (reason != QKD_GOES_ON)
		return reason;
	for (size_t k = 0; k < QKD_INTENSITIES; k++)
		for (uint32_t most = n->key[k]; most > 0; most >>= 1)
			ledger.answers++;
	return amplify_length(&e, p, &ledger, UINT32_MAX, &bits);
}

static enum qkd_abort judge_drawn(const struct line *l, const struct false_abort_point *x)
{
	const struct qkd_counts n = counts_of(x);
	const double bits = qkd_sum(n.key), qber = qkd_sum(n.key_errors) / fmax(1, bits);
	const double parities = false_abort_parities(&l->block, bits, qber) +
				x->parities * false_abort_parities_deviation(bits, qber);

	return judge(&l->p, &n, (uint64_t)ceil(fmax(0, parities)));
}

static void draw_many(const struct line *l, uint64_t seed, double blocks, double of[QKD_ABORTS])
{
	struct prop random = prop_from_environment(seed);

	for (double i = 0; i < blocks; i++) {
		const struct false_abort_point x = draw_block(&random, &l->block, l->block.share);
		of[judge_drawn(l, &x)]++;
	}
}

/* Most that a rate gives in so many blocks, but for `confidence`. */
static double allowed(double rate, double blocks)
{
	const double mean = rate * blocks;
	double term = exp(-mean), above = 1 - term, n = 0;

	while (above > confidence && n < blocks) {
		term *= mean / ++n;
		above -= term;
	}
	return n;
}

static void assert_seen(double aborted, double rate, double blocks)
{
	assert_true(aborted <= allowed(rate, blocks));
	/* A bound far from what it bounds would be no statement; where a hundred are allowed, some must be seen. */
	if (rate * blocks >= 100)
		assert_true(aborted >= rate * blocks / 100);
}

/* The tests. */

static double chance_of_all(const struct line *l)
{
	return false_abort_chance(&l->block, &l->p, QKD_TOO_FEW_COUNTS) +
	       false_abort_chance(&l->block, &l->p, QKD_QBER_TOO_HIGH) +
	       false_abort_chance(&l->block, &l->p, QKD_DECOY_INCONSISTENT) +
	       false_abort_chance(&l->block, &l->p, QKD_NO_SECRET);
}

static double nominal_aborts(const struct line *l, const char *what, double km, uint64_t seed)
{
	double of[QKD_ABORTS] = {0};

	draw_many(l, seed, block_count, of);
	print_message("  %-10s %g bits, %3g km: few %.1e, qber %.1e, decoy %.1e, no secret %.1e; "
		      "aborted %.0f of %.0f; %.0f bits, fixed %u\n",
		what, l->key_bits, km, false_abort_chance(&l->block, &l->p, QKD_TOO_FEW_COUNTS),
		false_abort_chance(&l->block, &l->p, QKD_QBER_TOO_HIGH),
		false_abort_chance(&l->block, &l->p, QKD_DECOY_INCONSISTENT),
		false_abort_chance(&l->block, &l->p, QKD_NO_SECRET), block_count - of[QKD_GOES_ON],
		block_count, l->rate.final_bits, false_abort_length(&l->block, &l->p, stated));
	assert_true(chance_of_all(l) <= stated);
	return block_count - of[QKD_GOES_ON];
}

static const double kilometres[] = {10, 50, 100};

static void nominal_blocks_are_not_aborted(void **state)
{
	double aborted = 0, blocks = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kilometres); i++) {
		const double km = kilometres[i];
		for (double bits = 1e5; bits <= 1e6; bits *= 10) {
			const struct line two = line_planned(QKD_TWO_DECOY, km, bits);
			const struct line one = line_planned(QKD_ONE_DECOY, km, bits);
			aborted += nominal_aborts(&two, "two-decoy", km, 400 + i);
			aborted += nominal_aborts(&one, "one-decoy", km, 500 + i);
			blocks += 2 * block_count;
		}
		const struct line as_is = line_default(km);
		aborted += nominal_aborts(&as_is, "default", km, 600 + i);
		blocks += block_count;
	}
	assert_true(aborted <= allowed(stated, blocks));
}

static void assert_rate(const struct line *l, enum qkd_abort reason, double rate, uint64_t seed)
{
	double of[QKD_ABORTS] = {0};

	draw_many(l, seed, block_count, of);
	print_message("  %s: stated %.4f, seen %.4f\n", qkd_abort_word(reason), rate,
		of[reason] / block_count);
	assert_seen(of[reason], rate, block_count);
}

static void a_fixed_length_is_missed_as_rarely_as_stated(void **state)
{
	static const double rates[] = {0.3, 0.1, 0.03};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		for (size_t k = 0; k < ARRAY_LEN(kilometres); k++) {
			struct line two = line_planned(QKD_TWO_DECOY, kilometres[k], 1e5);
			struct line one = line_planned(QKD_ONE_DECOY, kilometres[k], 1e5);
			two.p.final_bits_fixed = false_abort_length(&two.block, &two.p, rates[i]);
			one.p.final_bits_fixed = false_abort_length(&one.block, &one.p, rates[i]);
			assert_rate(&two, QKD_NO_SECRET, rates[i], 700 + i);
			assert_rate(&one, QKD_NO_SECRET, rates[i], 800 + i);
		}
}

/* The other reasons, with limits so near that chance crosses them. */
static void limits_near_the_mean_are_crossed_as_rarely_as_stated(void **state)
{
	struct line l = line_planned(QKD_TWO_DECOY, 10, 1e5);
	const struct qkd_parameters p = l.p;

	(void)state;
	l.p.test_bits_min = (uint32_t)(l.block.detections * pow(1 - p.basis_x, 2) * 0.985);
	assert_rate(&l, QKD_TOO_FEW_COUNTS, false_abort_chance(&l.block, &l.p, QKD_TOO_FEW_COUNTS),
		900);
	l.p = p;
	l.p.key_bits_min = 99600;
	assert_rate(&l, QKD_TOO_FEW_COUNTS, false_abort_chance(&l.block, &l.p, QKD_TOO_FEW_COUNTS),
		901);
	l.p = p;
	l.p.qber_max = l.rate.qber * 1.15;
	assert_rate(
		&l, QKD_QBER_TOO_HIGH, false_abort_chance(&l.block, &l.p, QKD_QBER_TOO_HIGH), 902);
}

/* So few detections that the bounds show no single photons. */
static void small_blocks_show_no_single_photons_as_often_as_stated(void **state)
{
	(void)state;
	for (int protocol = QKD_TWO_DECOY; protocol <= QKD_ONE_DECOY; protocol++) {
		struct line l = line_planned((enum qkd_protocol)protocol, 10, 1e5);
		double rate = 1, shown = 0, called_attacked = 0;
		for (double key_bits = 2000; rate > 0.1; key_bits *= 1.02) {
			line_cut(&l, key_bits);
			rate = 0;
			for (int m = MARGIN_KEY_SINGLE; m <= MARGIN_OTHERS; m++)
				rate += false_abort_margin_chance(
					&l.block, &l.p, (enum false_abort_margin)m);
		}
		struct prop random = prop_from_environment(1000);
		for (double i = 0; i < block_count; i++) {
			const struct false_abort_point x =
				draw_block(&random, &l.block, l.block.share);
			const struct qkd_counts n = counts_of(&x);
			struct estimate e;
			const enum qkd_abort reason = estimate_block(&n, &l.p, &e);
			shown += reason == QKD_GOES_ON;
			called_attacked += reason == QKD_DECOY_INCONSISTENT;
		}
		print_message("  %.0f bits: stated %.4f, seen %.4f\n", l.key_bits, rate,
			1 - shown / block_count);
		assert_seen(block_count - shown, rate, block_count);
		assert_true(called_attacked == 0);
	}
}

/* Whatever the size of a block: want of counts is no eavesdropper. */
static void no_honest_block_of_any_size_looks_attacked(void **state)
{
	(void)state;
	for (size_t set = 0; set < PLAN_SETS; set++)
		for (double loss_db = 0; loss_db <= 20; loss_db += 10) {
			struct line l = {.channel = plan_sets[set].channel,
				.p = {.protocol = plan_sets[set].protocol,
					.eps_sec = 1e-10,
					.eps_cor = 1e-15}};
			double worst = 0, at = 0;
			l.channel.loss_db = loss_db;
			l.channel.is_two_way = true;
			if (!plan_optimise(&l.channel, 1e6, &l.p, &l.rate))
				continue;
			for (double key_bits = 2000; key_bits < 2e6; key_bits *= 1.3) {
				line_cut(&l, key_bits);
				const double c =
					false_abort_chance(&l.block, &l.p, QKD_DECOY_INCONSISTENT);
				if (c > worst)
					at = key_bits;
				worst = fmax(worst, c);
			}
			print_message("  %-10s %2g dB: %.1e at %.0f bits\n", plan_sets[set].name,
				loss_db, worst, at);
			assert_true(worst <= 1e-11);
		}
}

/*
 * One in a million is not drawn but weighed: blocks are drawn about the nearest that fails, and each counts for as much as it is rarer
 * in truth.
 */
static double weight(const struct false_abort_block *b, const struct false_abort_point *about,
	const struct false_abort_point *x)
{
	double log_of = (about->parities * about->parities) / 2 - about->parities * x->parities;

	for (size_t c = 0; c < FALSE_ABORT_CELLS; c++)
		if (x->count[c] > 0)
			log_of += x->count[c] * log(b->share[c] * b->detections / about->count[c]);
	return exp(log_of);
}

static void weigh(struct line *l, uint64_t seed)
{
	struct prop random = prop_from_environment(seed);
	struct false_abort_point about;
	double share[FALSE_ABORT_CELLS], sum = 0, squares = 0;

	l->p.final_bits_fixed = false_abort_length(&l->block, &l->p, stated);
	false_abort_least(&l->block, &l->p, MARGIN_LENGTH, -log(stated), &about);
	for (size_t c = 0; c < FALSE_ABORT_CELLS; c++)
		share[c] = about.count[c] / l->block.detections;
	for (double i = 0; i < block_count_weighted; i++) {
		struct false_abort_point x = draw_block(&random, &l->block, share);
		x.parities += about.parities;
		if (judge_drawn(l, &x) == QKD_GOES_ON)
			continue;
		const double w = weight(&l->block, &about, &x);
		sum += w;
		squares += w * w;
	}
	const double rate = sum / block_count_weighted;
	const double deviation =
		sqrt(squares / block_count_weighted - rate * rate) / sqrt(block_count_weighted);
	print_message("  %g bits, fixed %u of %.0f: %.2e +- %.1e\n", l->key_bits,
		l->p.final_bits_fixed, l->rate.final_bits, rate, deviation);
	assert_true(rate + 5 * deviation <= stated);
	assert_true(rate >= stated / 100);
}

static void one_in_a_million_is_one_in_a_million(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kilometres); i++)
		for (double bits = 1e5; bits <= 1e6; bits *= 10) {
			struct line two = line_planned(QKD_TWO_DECOY, kilometres[i], bits);
			struct line one = line_planned(QKD_ONE_DECOY, kilometres[i], bits);
			weigh(&two, 1100 + i);
			weigh(&one, 1200 + i);
		}
}

/* The parities of false_abort.h are Cascade's. */

/* So many errors, as the block was drawn with. */
static void errors_put(struct pair *p, struct prop *random, uint32_t errors)
{
	while (p->errors < errors) {
		const uint64_t i = prop_below(random, p->b.bits), at = (uint64_t)1 << i % 64;
		if (((p->a.words[i / 64] ^ p->b.words[i / 64]) & at) != 0)
			continue;
		key_flip(p->b, i);
		p->errors++;
	}
}

static void corrected_blocks_reach_the_fixed_length(void **state)
{
	static const double rate = 0.3;
	struct line l = line_planned(QKD_TWO_DECOY, 10, 1e5);
	struct prop random = prop_from_environment(1300);
	struct pair pair;
	double refused = 0, sum = 0, squares = 0, before = l.rate.qber;

	(void)state;
	l.p.final_bits_fixed = false_abort_length(&l.block, &l.p, rate);
	pair_open(&pair, &reconciler_cascade, 200000, 64);
	for (double i = 0; i < block_count_corrected; i++) {
		const struct false_abort_point x = draw_block(&random, &l.block, l.block.share);
		const struct qkd_counts n = counts_of(&x);
		const uint32_t bits = qkd_sum(n.key), errors = qkd_sum(n.key_errors);
		keys_draw(&pair, &random, bits, 0);
		errors_put(&pair, &random, errors);
		const double parities = (double)pair_correct(&pair, &random, before).parities;
		assert_true(keys_equal(&pair));
		before = (double)errors / bits;
		const double off = (parities - false_abort_parities(&l.block, bits, before)) /
				   false_abort_parities_deviation(bits, before);
		refused += judge(&l.p, &n, (uint64_t)parities) != QKD_GOES_ON;
		sum += off;
		squares += off * off;
	}
	pair_close(&pair);
	const double mean = sum / block_count_corrected;
	const double spread = sqrt(squares / block_count_corrected - mean * mean);
	print_message(
		"  parities: %.2f +- %.2f of their deviation; refused: stated %.2f, seen %.3f\n",
		mean, spread, rate, refused / block_count_corrected);
	/* Four deviations of mean and spread themselves. */
	assert_true(mean <= 4 * spread / sqrt(block_count_corrected));
	assert_true(spread <= 1 + 4 / sqrt(2.0 * block_count_corrected));
	assert_seen(refused, rate, block_count_corrected);
}

/* Photon by photon: the simulated device of the lab, not the formulae of rate.h. */

static void light_counted(
	struct qkd_counts *n, struct prop *random, unsigned sent, const struct driver_event *event)
{
	const bool is_z = event->mask > 3;
	const unsigned clicks = (unsigned)event->mask >> (is_z ? 2 : 0);
	const bool is_wrong = clicks == 3 ? prop_below(random, 2) == 1 : clicks != 1u + (sent & 1);

	if ((sent >> 1 & 1) != is_z)
		return;
	(is_z ? n->test : n->key)[sent >> 2]++;
	(is_z ? n->test_errors : n->key_errors)[sent >> 2] += is_wrong;
}

static struct qkd_counts light_block(struct optics *o, struct prop *random, double detections)
{
	static uint8_t nibbles[OPTICS_SLOTS_MAX / 2];
	static struct driver_event events[OPTICS_SLOTS_MAX];
	struct qkd_counts n = {.key = {0}};

	for (double seen = 0; seen < detections;) {
		const uint64_t first = o->next_slot;
		uint32_t count;
		assert_false(failed(optics_run(o, OPTICS_SLOTS_MAX, nibbles, events, &count)));
		for (uint32_t i = 0; i < count && seen < detections; i++, seen++) {
			const uint64_t at = events[i].slot - first;
			light_counted(&n, random, nibbles[at / 2] >> at % 2 * 4 & 15, &events[i]);
		}
	}
	return n;
}

static void blocks_of_simulated_light_reach_the_fixed_length(void **state)
{
	static struct optics o;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct line l = line_planned(QKD_TWO_DECOY, kilometres[i], 1e5);
		struct optics_settings s = {.distance_km = kilometres[i],
			.attenuation_db_km = 0.2,
			.detector_efficiency = l.channel.efficiency,
			.dark_count = l.channel.dark_count,
			.misalignment = l.channel.misalignment,
			.basis_x = l.p.basis_x};
		struct prop random = prop_from_environment(1400);
		memcpy(s.intensity, l.p.intensity, sizeof s.intensity);
		memcpy(s.probability, l.p.probability, sizeof s.probability);
		assert_false(failed(optics_open(&o, &s, prop_entropy(&random), NULL)));
		l.p.final_bits_fixed = false_abort_length(&l.block, &l.p, stated);
		for (double b = 0; b < block_count_of_light; b++) {
			const struct qkd_counts n = light_block(&o, &random, l.block.detections);
			const double bits = qkd_sum(n.key);
			const double parities =
				false_abort_parities(&l.block, bits, qkd_sum(n.key_errors) / bits);
			assert_int_equal(judge(&l.p, &n, (uint64_t)parities), QKD_GOES_ON);
		}
	}
}

/* Just outside of what is tolerated: refused, or nothing here would say anything. */

static void assert_refused(
	const struct line *judged, const struct line *drawn, enum qkd_abort reason, uint64_t seed)
{
	struct prop random = prop_from_environment(seed);

	for (int i = 0; i < 200 / PARTS; i++) {
		const struct false_abort_point x =
			draw_block(&random, &drawn->block, drawn->block.share);
		assert_int_equal(judge_drawn(judged, &x), reason);
	}
}

static void blocks_outside_are_refused(void **state)
{
	const struct line l = line_planned(QKD_TWO_DECOY, 50, 1e5);
	struct line off = l;
	double sum = 0;

	(void)state;
	off.channel.misalignment = 0.09; /* limit: 0.08 */
	line_cut(&off, off.key_bits);
	assert_refused(&l, &off, QKD_QBER_TOO_HIGH, 1500);
	off = l;
	line_cut(&off, off.key_bits * 0.39); /* limit: 40 per cent */
	assert_refused(&l, &off, QKD_TOO_FEW_COUNTS, 1501);
	/* Bright pulses alone come through: single photons are stopped. */
	off = l;
	for (size_t c = 0; c + 1 < FALSE_ABORT_CELLS; c++)
		sum += off.block.share[c] *= l.p.intensity[c % QKD_INTENSITIES];
	for (size_t c = 0; c + 1 < FALSE_ABORT_CELLS; c++)
		off.block.share[c] *= (1 - l.block.share[FALSE_ABORT_CELLS - 1]) / sum;
	assert_refused(&l, &off, QKD_DECOY_INCONSISTENT, 1502);
	off = l;
	off.p.final_bits_fixed = (uint32_t)l.rate.final_bits / 8 * 9;
	assert_refused(&off, &l, QKD_NO_SECRET, 1503);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nominal_blocks_are_not_aborted),
		cmocka_unit_test(a_fixed_length_is_missed_as_rarely_as_stated),
		cmocka_unit_test(limits_near_the_mean_are_crossed_as_rarely_as_stated),
		cmocka_unit_test(small_blocks_show_no_single_photons_as_often_as_stated),
		cmocka_unit_test(no_honest_block_of_any_size_looks_attacked),
		cmocka_unit_test(one_in_a_million_is_one_in_a_million),
		cmocka_unit_test(corrected_blocks_reach_the_fixed_length),
		cmocka_unit_test(blocks_of_simulated_light_reach_the_fixed_length),
		cmocka_unit_test(blocks_outside_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
