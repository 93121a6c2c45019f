// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon qkd plan, merlon qkd plot: what a link of given optics would give (qkd/plan.h), and which parameters it should have, as
 * they stand in CONFIG; and the same over the loss as a picture.
 * Blocks over time as a picture: qkd_plot.h.
 */
#include "command.h"
#include "host/metrics.h"
#include "qkd/efficiency.h"
#include "qkd/false_abort.h"
#include "qkd/plan.h"
#include "qkd_plot.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned eps_sec_default = 10, eps_cor_default = 15; /* of CONFIG */

struct wish {
	const struct plan_set *set;
	struct rate_channel channel;
	struct qkd_parameters p;
	double key_bits, abort_exponent;
	unsigned eps_sec_exponent, eps_cor_exponent;
	bool is_published; /* one way, with the set's f: as published rates count */
	struct plan_correction wished, taken; /* taken: by the plan made last */
};

/* What chance does to the blocks of such a link (qkd/false_abort.h), with the limits that CONFIG has by default. */
struct chances {
	double too_few_counts, qber_too_high, decoy_inconsistent, no_secret;
	uint32_t final_bits_fixed;
};

/* False: it was complained of. Absent: *value stays. */
static bool real_option(
	const struct invocation *in, const char *name, double least, double most, double *value)
{
	const char *text = option_value(in, name);
	char *end;

	if (text == NULL)
		return true;
	errno = 0;
	const double v = strtod(text, &end);
	if (errno == 0 && end != text && *end == '\0' && v >= least && v <= most) {
		*value = v;
		return true;
	}
	fail(EXIT_USAGE, "--%s: a number from %g to %g is expected: '%s'", name, least, most, text);
	return false;
}

/* CONFIG has whole ones alone. */
static bool exponent_option(
	const struct invocation *in, const char *name, double most, unsigned *value)
{
	double v = *value;

	if (!real_option(in, name, 1, most, &v))
		return false;
	*value = (unsigned)v;
	return v == *value || fail(EXIT_USAGE, "--%s: a whole number is expected: '%s'", name,
				      option_value(in, name)) == 0;
}

static bool protocol_option(const struct invocation *in, enum qkd_protocol *protocol)
{
	const char *text = option_value(in, "protocol");

	if (text == NULL || qkd_protocol_read(text, protocol))
		return true;
	return fail(EXIT_USAGE, "--protocol: two-decoy or one-decoy, not '%s'", text) == 0;
}

static bool set_option(const struct invocation *in, struct wish *w)
{
	const char *name = option_value(in, "set");

	w->set = plan_set_find(name == NULL ? plan_sets[0].name : name);
	if (w->set != NULL)
		return true;
	fprintf(stderr, "merlon: --set: there is no '%s':\n", name);
	for (size_t i = 0; i < PLAN_SETS; i++)
		fprintf(stderr, "  %-12s %s\n", plan_sets[i].name, plan_sets[i].text);
	return false;
}

static bool correction_option(const struct invocation *in, struct wish *w)
{
	const char *text = option_value(in, "error-correction");

	w->is_published = option_value(in, "one-way") != NULL;
	if (text != NULL && w->is_published)
		return fail(EXIT_USAGE, "--one-way counts as published rates do: "
					"--error-correction has no place") == 0;
	return text == NULL || reconcile_mode_read(text, &w->wished.mode);
}

static bool wish_read(const struct invocation *in, struct wish *w)
{
	w->eps_sec_exponent = eps_sec_default;
	w->eps_cor_exponent = eps_cor_default;
	if (!set_option(in, w))
		return false;
	w->channel = w->set->channel;
	w->p.protocol = w->set->protocol;
	if (!protocol_option(in, &w->p.protocol) || !correction_option(in, w) ||
		!real_option(in, "rate", 1, 1e12, &w->channel.clock_hz) ||
		!real_option(in, "misalignment", 0, 0.5, &w->channel.misalignment) ||
		!real_option(in, "efficiency", 1e-6, 1, &w->channel.efficiency) ||
		!real_option(in, "dark-count", 0, 0.1, &w->channel.dark_count) ||
		!real_option(in, "correction-f", 1, 3, &w->wished.f) ||
		!exponent_option(in, "eps-sec-exponent", 30, &w->eps_sec_exponent) ||
		!exponent_option(in, "eps-cor-exponent", 16, &w->eps_cor_exponent))
		return false;
	w->p.eps_sec = pow(10, -(double)w->eps_sec_exponent);
	w->p.eps_cor = pow(10, -(double)w->eps_cor_exponent);
	return true;
}

/* How long the line is, one way or the other; and the block. */
static bool line_read(const struct invocation *in, struct wish *w)
{
	double km = -1, attenuation = w->set->attenuation_db_km;

	w->channel.loss_db = -1;
	w->key_bits = 1e6;
	w->abort_exponent = 6;
	if (!real_option(in, "loss-db", 0, 100, &w->channel.loss_db) ||
		!real_option(in, "distance-km", 0, 1000, &km) ||
		!real_option(in, "attenuation", 0.01, 10, &attenuation) ||
		!real_option(in, "block", 1e3, 1e12, &w->key_bits) ||
		!real_option(in, "abort-exponent", 1, 15, &w->abort_exponent))
		return false;
	const bool has_loss = w->channel.loss_db >= 0;
	if (km >= 0 && has_loss)
		return fail(EXIT_USAGE, "qkd plan: --loss-db or --distance-km, not both of them") ==
		       0;
	if (km < 0 && option_value(in, "attenuation") != NULL)
		return fail(EXIT_USAGE, "qkd plan: --attenuation goes with --distance-km") == 0;
	if (km < 0 && !has_loss)
		return fail(EXIT_USAGE, "qkd plan: --loss-db or --distance-km is needed") == 0;
	if (!has_loss)
		w->channel.loss_db = km * attenuation;
	return true;
}

/* What the engine would refuse is no plan; published rates know no such limit. */
static bool plan_make(struct wish *w, double key_bits, struct rate *r)
{
	w->taken = w->wished;
	if (!w->is_published) {
		qkd_limits(&w->p, (uint32_t)fmin(key_bits, UINT32_MAX));
		return plan_optimise_corrected(&w->channel, key_bits, &w->taken, &w->p, r);
	}
	if (w->wished.f > 0)
		w->channel.correction_f = w->wished.f;
	return plan_optimise(&w->channel, key_bits, &w->p, r);
}

/*
 * With what Cascade tells, whatever the mode: a link that chooses falls back to it, and how much LDPC tells of one block in a million is not
 * known. Of most blocks it is half; Cascade's account has room for four fifths of a frame's rows to be told again.
 */
static struct chances chances_of(const struct wish *w, const struct rate *r)
{
	const uint32_t key_bits = (uint32_t)fmin(w->key_bits, UINT32_MAX);
	struct rate_channel channel = w->channel;
	struct qkd_parameters p = w->p;
	struct false_abort_block block;

	if (w->taken.mode != RECONCILE_CASCADE)
		channel.correction_f = efficiency_of(RECONCILE_CASCADE, key_bits, r->qber);
	p.qber_max = qkd_qber_max;
	qkd_limits(&p, key_bits);
	false_abort_block(&channel, &p, w->key_bits, &block);
	return (struct chances){
		.too_few_counts = false_abort_chance(&block, &p, QKD_TOO_FEW_COUNTS),
		.qber_too_high = false_abort_chance(&block, &p, QKD_QBER_TOO_HIGH),
		.decoy_inconsistent = false_abort_chance(&block, &p, QKD_DECOY_INCONSISTENT),
		.no_secret = false_abort_chance(&block, &p, QKD_NO_SECRET),
		.final_bits_fixed = false_abort_length(&block, &p, pow(10, -w->abort_exponent))};
}

static const char *correction_word(const struct wish *w, const struct plan_correction *c)
{
	return w->is_published ? "published" : reconcile_mode_word(c->mode);
}

static double total(const double n[QKD_INTENSITIES])
{
	return n[0] + n[1] + n[2];
}

static bool fits_config(const struct wish *w)
{
	return w->key_bits >= (double)QKD_BLOCK_BITS_MIN &&
	       w->key_bits <= (double)QKD_BLOCK_BITS_MAX;
}

static void write_config(struct json_writer *j, const struct wish *w)
{
	json_open(j, "config", '{');
	json_f64(j, "block_bits", w->key_bits);
	if (w->wished.mode != 0)
		json_text(j, "error_correction", reconcile_mode_word(w->wished.mode));
	json_open(j, "protocol", '{');
	json_text(j, "kind", qkd_protocol_word(w->p.protocol));
	json_f64(j, "mu1", w->p.intensity[0]);
	json_f64(j, "mu2", w->p.intensity[1]);
	json_f64(j, "mu3", w->p.intensity[2]);
	json_f64(j, "p1", w->p.probability[0]);
	json_f64(j, "p2", w->p.probability[1]);
	json_f64(j, "p3", w->p.probability[2]);
	json_f64(j, "basis_x", w->p.basis_x);
	if (w->eps_sec_exponent != eps_sec_default)
		json_u64(j, "eps_sec_exponent", w->eps_sec_exponent);
	if (w->eps_cor_exponent != eps_cor_default)
		json_u64(j, "eps_cor_exponent", w->eps_cor_exponent);
	json_close(j, '}');
	json_close(j, '}');
}

static void write_chances(struct json_writer *j, const struct wish *w, const struct chances *c)
{
	json_f64(j, "abort_exponent", w->abort_exponent);
	json_u64(j, "final_bits_fixed", c->final_bits_fixed);
	json_open(j, "false_aborts", '{');
	json_f64(j, "too_few_counts", c->too_few_counts);
	json_f64(j, "qber_too_high", c->qber_too_high);
	json_f64(j, "decoy_inconsistent", c->decoy_inconsistent);
	json_f64(j, "no_secret_bits", c->no_secret);
	json_close(j, '}');
}

static void print_json(const struct wish *w, const struct rate *r)
{
	const struct chances c = chances_of(w, r);

	static char text[4096];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(text));

	json_open(&j, NULL, '{');
	json_text(&j, "set", w->set->name);
	json_f64(&j, "loss_db", w->channel.loss_db);
	json_text(&j, "error_correction", correction_word(w, &w->taken));
	json_f64(&j, "correction_f", w->channel.correction_f);
	json_bool(&j, "two_way_leak", w->channel.is_two_way);
	json_f64(&j, "bits_per_s", r->bits_per_s);
	json_f64(&j, "bits_per_pulse", r->bits_per_pulse);
	json_f64(&j, "secret_fraction", r->final_bits / w->key_bits);
	json_f64(&j, "final_bits", r->final_bits);
	json_f64(&j, "block_seconds", r->pulses / w->channel.clock_hz);
	json_f64(&j, "sifted_bits", total(r->counts.key));
	json_f64(&j, "test_bits", total(r->counts.test));
	json_f64(&j, "detections", r->detections);
	json_f64(&j, "qber", r->qber);
	json_f64(&j, "phase_error", r->estimate.phase_error);
	write_chances(&j, w, &c);
	if (fits_config(w))
		write_config(&j, w);
	json_close(&j, '}');
	printf("%.*s\n", (int)json_done(&j).len, (const char *)json_done(&j).at);
}

static void print_chances(const struct wish *w, const struct rate *r, const struct chances *c)
{
	printf("# false aborts of a block, at most: too_few_counts %.2g, qber_too_high %.2g, "
	       "decoy_inconsistent %.2g, no_secret_bits %.2g\n",
		c->too_few_counts, c->qber_too_high, c->decoy_inconsistent, c->no_secret);
	if (c->final_bits_fixed == 0)
		printf("# no one length of key is reached by all but 1e-%g of the blocks\n",
			w->abort_exponent);
	else
		printf("# for one length of key, in protocol: 'final_bits_fixed: %u'; all but "
		       "1e-%g of the blocks reach it%s, %.0f bits is the mean\n",
			c->final_bits_fixed, w->abort_exponent,
			w->taken.mode == RECONCILE_LDPC ? ", even by Cascade" : "", r->final_bits);
}

static void print_config(const struct wish *w)
{
	printf("# for CONFIG, at both ends; the device must send just these\nqkd:\n");
	printf("  block_bits: %.0f\n", w->key_bits);
	if (w->wished.mode != 0)
		printf("  error_correction: %s\n", reconcile_mode_word(w->wished.mode));
	printf("  protocol:\n    kind: %s\n", qkd_protocol_word(w->p.protocol));
	printf("    mu1: %.6f\n    mu2: %.6f\n    mu3: %.6f\n", w->p.intensity[0],
		w->p.intensity[1], w->p.intensity[2]);
	printf("    p1: %.6f\n    p2: %.6f\n    p3: %.6f\n    basis_x: %.6f\n", w->p.probability[0],
		w->p.probability[1], w->p.probability[2], w->p.basis_x);
	if (w->eps_sec_exponent != eps_sec_default)
		printf("    eps_sec_exponent: %u\n", w->eps_sec_exponent);
	if (w->eps_cor_exponent != eps_cor_default)
		printf("    eps_cor_exponent: %u\n", w->eps_cor_exponent);
}

static void print_text(const struct wish *w, const struct rate *r)
{
	const struct chances c = chances_of(w, r);

	printf("# %s, %g dB, %g sifted bits a block: %.4g bit/s, %.4g a pulse\n", w->set->name,
		w->channel.loss_db, w->key_bits, r->bits_per_s, r->bits_per_pulse);
	printf("# a block takes %.3g s; %.3g detections, %.3g test bits, QBER %.2f %%, %.1f %% of "
	       "the sifted bits are secret\n",
		r->pulses / w->channel.clock_hz, r->detections, total(r->counts.test),
		100 * r->qber, 100 * r->final_bits / w->key_bits);
	printf("# error correction: %s, f %.3f, counted %s\n", correction_word(w, &w->taken),
		w->channel.correction_f, w->channel.is_two_way ? "both ways" : "one way");
	print_chances(w, r, &c);
	if (fits_config(w))
		print_config(w);
	else
		printf("# not for CONFIG: it takes %d to %d block_bits\n", QKD_BLOCK_BITS_MIN,
			QKD_BLOCK_BITS_MAX);
}

static int refuse(const struct wish *w, const struct rate *r)
{
	if (w->channel.correction_f == 0)
		return fail(EXIT_FAILED,
			"LDPC has no code for keys of %g bits with %.2g %% errors: "
			"--error-correction auto or cascade would do",
			w->key_bits, 100 * r->qber);
	return fail(EXIT_FAILED,
		"no parameters give key over %g dB with blocks of %g bits: larger blocks, "
		"better detectors or less loss would",
		w->channel.loss_db, w->key_bits);
}

int qkd_plan_command(const struct invocation *in)
{
	struct wish w = {0};
	struct rate r;

	if (!wish_read(in, &w) || !line_read(in, &w))
		return EXIT_USAGE;
	if (!plan_make(&w, w.key_bits, &r))
		return refuse(&w, &r);
	if (wants_json(in))
		print_json(&w, &r);
	else
		print_text(&w, &r);
	return EXIT_OK;
}

/* ---- the picture: rate over loss, one curve a block size ---- */

enum { WIDTH = 760, HEIGHT = 480, LEFT = 80, RIGHT = 150, TOP = 40, BOTTOM = 60, CURVES = 5 };
static const double loss_step_db = 0.5;

struct axes {
	double loss_max, low, high; /* powers of ten */
};

static double x_at(const struct axes *a, double loss_db)
{
	const int width = WIDTH - LEFT - RIGHT;

	return (int)LEFT + loss_db / a->loss_max * width;
}

static double y_at(const struct axes *a, double bits_per_s)
{
	const int height = HEIGHT - TOP - BOTTOM, foot = HEIGHT - BOTTOM;

	return foot - (log10(bits_per_s) - a->low) / (a->high - a->low) * height;
}

static void draw_axes(const struct axes *a, const struct wish *w)
{
	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
	       "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" "
	       "height=\"100%%\" "
	       "fill=\"white\"/>\n<text x=\"%d\" y=\"22\" font-size=\"14\">Secret key rate, %s, "
	       "%s, "
	       "error correction %s</text>\n",
		WIDTH, HEIGHT, LEFT, w->set->name, qkd_protocol_word(w->p.protocol),
		correction_word(w, &w->wished));
	for (double loss = 0; loss <= a->loss_max + 0.01; loss += 10)
		printf("<path d=\"M%.1f %d V%d\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"%d\" "
		       "text-anchor=\"middle\">%g</text>\n",
			x_at(a, loss), TOP, HEIGHT - BOTTOM, x_at(a, loss), HEIGHT - BOTTOM + 18,
			loss);
	for (double e = a->low; e <= a->high + 0.01; e++)
		printf("<path d=\"M%d %.1f H%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
		       "text-anchor=\"end\">1e%g</text>\n",
			LEFT, y_at(a, pow(10, e)), WIDTH - RIGHT, LEFT - 8, y_at(a, pow(10, e)) + 4,
			e);
	printf("<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">loss, dB</text>\n<text x=\"18\" "
	       "y=\"%d\" "
	       "text-anchor=\"middle\" transform=\"rotate(-90 18 %d)\">bit/s</text>\n",
		(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 18, HEIGHT / 2, HEIGHT / 2);
}

static void draw_curve(const struct axes *a, struct wish *w, double key_bits, int number)
{
	static const char *const colours[CURVES] = {
		"#1b6ca8", "#2a9d4e", "#c77c11", "#b3262e", "#6b3fa0"};
	bool is_begun = false;

	printf("<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", colours[number]);
	for (double loss = 0; loss <= a->loss_max; loss += loss_step_db) {
		struct rate r;
		w->channel.loss_db = loss;
		if (!plan_make(w, key_bits, &r) || r.bits_per_s < pow(10, a->low))
			break;
		printf("%s%.1f %.1f", is_begun ? " L" : "M", x_at(a, loss), y_at(a, r.bits_per_s));
		is_begun = true;
	}
	printf("%s\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">%g bits</text>\n",
		is_begun ? "" : "M0 0", WIDTH - RIGHT + 12, TOP + 20 + 20 * number, colours[number],
		key_bits);
}

int qkd_plot_command(const struct invocation *in)
{
	struct wish w = {0};
	struct axes a = {.loss_max = 40};
	struct rate best;

	if (option_value(in, "blocks") != NULL)
		return qkd_plot_blocks(in, option_value(in, "blocks"));
	if (!wish_read(in, &w) || !real_option(in, "loss-max", 10, 100, &a.loss_max))
		return EXIT_USAGE;
	w.channel.loss_db = 0;
	if (!plan_make(&w, 1e8, &best))
		return fail(EXIT_FAILED, "qkd plot: such a link gives no key even without loss");
	a.high = ceil(log10(best.bits_per_s));
	a.low = a.high - 7;
	draw_axes(&a, &w);
	for (int i = 0; i < CURVES; i++)
		draw_curve(&a, &w, pow(10, 4 + i), i);
	puts("</svg>");
	return EXIT_OK;
}
