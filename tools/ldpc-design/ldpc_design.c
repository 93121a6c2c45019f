// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * ldpc-design: which columns an LDPC code for reconciliation should have. For checks a bit R it searches the shares of columns of degrees
 * 2, 3, 4, 6, 8, 11, 16, 22 and 30 with the lowest f = R / h(p), where p is the highest error rate at which density evolution of the
 * quantised decoder goes below 10^-6 errors. What density evolution is, and where the real decoder differs, says evolution.h.
 *
 * Iterations are limited: their number times the columns' mean degree, what decoding costs for each bit, stays within a budget of edges.
 * Without it the search would find columns of many edges that gain in the fourth digit of f and decode in a thousand iterations.
 *
 * The search is differential evolution [Storn, Price, "Differential evolution: a simple and efficient heuristic for global optimization
 * over continuous spaces", J. Global Optimization 11 (1997) 341]: each of a population of designs is tried against a mixture of itself
 * and base + F (one - other), of designs drawn anew each time; the better one stays. The base is the best design in every other trial, and
 * F is drawn between 0.3 and 0.9. A trial is first evolved at the error rate of the design it is tried against, and nothing more where
 * that fails: most do. The first population are random changes of shares that an earlier search had found. Columns of degree 2 are
 * held to 1.5 checks' worth: more of them among themselves make words of low weight, which density evolution does not see.
 *
 * The same options give the same output. f is that of the shares as printed, in parts per thousand.
 *
 *   ldpc-design --checks-a-bit 0.155 --seed 3
 *   ldpc-design --checks-a-bit 0.155 --evaluate 2:198,3:458,4:21,6:12,8:176,11:13,16:46,22:54,30:22 -o json
 *
 * Exit status: 0, 1 where no design converges, 2 for wrong options.
 */
#include "evolution.h"
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONE_FOUND = 1,
	WRONG_OPTIONS = 2,
	POPULATION = 24,
	ITERATIONS_WITHOUT_BUDGET = 1000,
	/* Bounds and defaults of options. */
	EDGES_BUDGET = 900,
	EDGES_BUDGET_MIN = 10,
	EDGES_BUDGET_MAX = 30000,
	GENERATIONS = 12,
	GENERATIONS_MAX = 10000,
	DEGREE_LIMIT_MIN = 3,
};

static const double PARTS = 1000; /* of a share, as printed */
static const double CHECKS_A_BIT_MIN = 0.01, CHECKS_A_BIT_MAX = 0.9;
static const double WEIGHT_MIN = 0.3, WEIGHT_RANGE = 0.6;     /* F */
static const double BASE_IS_BEST = 0.5, SHARE_IS_MIXED = 0.8; /* probabilities */
static const double DEGREE_2_PER_CHECK_MAX = 1.5;

static const unsigned degrees[] = {2, 3, 4, 6, 8, 11, 16, 22, 30};
enum { DEGREES = sizeof degrees / sizeof degrees[0] };

/* Where the search begins: shares for START_CHECKS_A_BIT; degree 2 grows with the checks. Each times 2^-1.5 to 2^1.5. */
static const double start_shares[DEGREES] = {.2, .46, .05, .04, .10, .04, .11, .02, .01};
static const double START_CHECKS_A_BIT = 0.155, START_DOUBLINGS = 3;

struct options {
	double checks_a_bit;
	unsigned edges_budget, generations, degree_max, seed;
	bool is_json, is_evaluation;
	struct evolution_columns given; /* of an evaluation */
};

static unsigned iterations_of(const struct options *o, const struct evolution_columns *columns)
{
	return (unsigned)(o->edges_budget / evolution_mean_degree(columns));
}

/* The search. */

struct design {
	double share[DEGREES];
	double qber; /* its threshold, 0: none */
};

struct search {
	const struct options *options;
	struct evolution *evolution;
	unsigned degrees; /* used */
	unsigned short random[3];
	struct design population[POPULATION], best;
};

static double uniform(struct search *s)
{
	return erand48(s->random);
}

static unsigned one_of_population(struct search *s)
{
	return (unsigned)(uniform(s) * (double)POPULATION);
}

static struct evolution_columns columns_of(const struct design *design)
{
	struct evolution_columns columns = {{0}};

	for (unsigned i = 0; i < DEGREES; i++)
		columns.share[degrees[i]] = design->share[i];
	return columns;
}

static void drawn_first(struct search *s, struct design *d)
{
	const double growth = s->options->checks_a_bit / START_CHECKS_A_BIT;

	for (unsigned i = 0; i < s->degrees; i++)
		d->share[i] = start_shares[i] * (degrees[i] == 2 ? growth : 1) *
			      pow(2, START_DOUBLINGS * (uniform(s) - 0.5));
}

static void mixed(struct search *s, struct design *d, const struct design *with)
{
	const struct design *any = &s->population[one_of_population(s)];
	const struct design *one = &s->population[one_of_population(s)];
	const struct design *other = &s->population[one_of_population(s)];
	const double weight = WEIGHT_MIN + WEIGHT_RANGE * uniform(s);
	const struct design *base = uniform(s) < BASE_IS_BEST ? &s->best : any;

	for (unsigned i = 0; i < s->degrees; i++) {
		const double share = base->share[i] + weight * (one->share[i] - other->share[i]);
		d->share[i] = fmax(0, uniform(s) < SHARE_IS_MIXED ? share : with->share[i]);
	}
}

/* Makes the shares add to 1. False: there are none. */
static bool made_whole(const struct search *s, struct design *d)
{
	const double limit = DEGREE_2_PER_CHECK_MAX * s->options->checks_a_bit;
	double sum = 0;

	for (unsigned i = 0; i < DEGREES; i++)
		sum += d->share[i];
	if (!(sum > 0))
		return false;
	for (unsigned i = 0; i < DEGREES; i++)
		d->share[i] /= sum;
	if (d->share[0] > limit) {
		d->share[1] += d->share[0] - limit;
		d->share[0] = limit;
	}
	return true;
}

static void try_against(struct search *s, struct design *d, struct design *rival)
{
	const struct evolution_columns columns = columns_of(d);
	const unsigned iterations = iterations_of(s->options, &columns);

	if (rival->qber > 0 &&
		!evolution_converges(s->evolution, &columns, rival->qber, iterations))
		return;
	d->qber = evolution_threshold(s->evolution, &columns, iterations);
	if (d->qber >= rival->qber)
		*rival = *d;
	if (d->qber > s->best.qber)
		s->best = *d;
}

static void search_run(struct search *s)
{
	for (unsigned generation = 0; generation < s->options->generations; generation++) {
		for (unsigned i = 0; i < POPULATION; i++) {
			struct design d = {.qber = 0};
			if (generation == 0)
				drawn_first(s, &d);
			else
				mixed(s, &d, &s->population[i]);
			if (made_whole(s, &d))
				try_against(s, &d, &s->population[i]);
		}
	}
}

/* Shares in whole parts: down, and then up those that lost most, as many as are missing. */
static struct evolution_columns rounded(struct evolution_columns columns)
{
	double lost[EVOLUTION_DEGREE_MAX + 1];
	unsigned missing = (unsigned)PARTS;

	for (unsigned d = 0; d <= EVOLUTION_DEGREE_MAX; d++) {
		const double parts = floor(columns.share[d] * PARTS);
		lost[d] = columns.share[d] * PARTS - parts;
		columns.share[d] = parts;
		missing -= (unsigned)parts;
	}
	for (; missing > 0; missing--) {
		unsigned most = 0;
		for (unsigned d = 1; d <= EVOLUTION_DEGREE_MAX; d++)
			most = lost[d] > lost[most] ? d : most;
		columns.share[most]++;
		lost[most] = 0;
	}
	for (unsigned d = 0; d <= EVOLUTION_DEGREE_MAX; d++)
		columns.share[d] /= PARTS;
	return columns;
}

static bool searched(
	const struct options *o, struct evolution *evolution, struct evolution_columns *columns)
{
	/* As srand48 would. */
	struct search s = {.options = o,
		.evolution = evolution,
		.random = {0x330e, (unsigned short)(o->seed & 0xffff),
			(unsigned short)(o->seed >> 16)}};

	while (s.degrees < DEGREES && degrees[s.degrees] <= o->degree_max)
		s.degrees++;
	search_run(&s);
	if (!(s.best.qber > 0))
		return false;
	*columns = rounded(columns_of(&s.best));
	return true;
}

/* Output. */

static void print_shares(const struct evolution_columns *columns, const char *quote)
{
	const char *before = "";

	for (unsigned d = 0; d <= EVOLUTION_DEGREE_MAX; d++) {
		if (columns->share[d] > 0) {
			printf("%s%s%u%s:%.0f", before, quote, d, quote, columns->share[d] * PARTS);
			before = ",";
		}
	}
}

struct verdict {
	unsigned channel, iterations;
	double mean_degree;
	double qber, f, qber_without, f_without; /* within the budget, and without it */
};

/* False: it does not converge. */
static bool judged(const struct options *o, struct evolution *evolution,
	const struct evolution_columns *columns, struct verdict *v)
{
	*v = (struct verdict){.channel = evolution_channel(evolution),
		.iterations = iterations_of(o, columns),
		.mean_degree = evolution_mean_degree(columns)};
	v->qber = evolution_threshold(evolution, columns, v->iterations);
	if (!(v->qber > 0))
		return false;
	v->qber_without = evolution_threshold(evolution, columns,
		v->iterations > ITERATIONS_WITHOUT_BUDGET ? v->iterations
							  : ITERATIONS_WITHOUT_BUDGET);
	v->f = o->checks_a_bit / evolution_entropy(v->qber);
	v->f_without = o->checks_a_bit / evolution_entropy(v->qber_without);
	return true;
}

static void print_text(
	const struct options *o, const struct evolution_columns *columns, const struct verdict *v)
{
	printf("shares          ");
	print_shares(columns, "");
	printf("\nchecks a bit    %g\nchannel         %u steps\nmean degree     %.3f\n",
		o->checks_a_bit, v->channel, v->mean_degree);
	printf("within budget   f %.4f  qber %.5f  %u iterations\n", v->f, v->qber, v->iterations);
	printf("without         f %.4f  qber %.5f\n", v->f_without, v->qber_without);
}

static void print_json(
	const struct options *o, const struct evolution_columns *columns, const struct verdict *v)
{
	printf("{\"checks_a_bit\":%g,\"edges_budget\":%u,", o->checks_a_bit, o->edges_budget);
	if (!o->is_evaluation)
		printf("\"generations\":%u,\"degree_max\":%u,\"seed\":%u,", o->generations,
			o->degree_max, o->seed);
	printf("\"shares\":{");
	print_shares(columns, "\"");
	printf("},\"channel_steps\":%u,\"mean_degree\":%.3f,\"iterations\":%u,", v->channel,
		v->mean_degree, v->iterations);
	printf("\"f\":%.4f,\"qber\":%.5f,\"f_without_budget\":%.4f,\"qber_without_budget\":%.5f}\n",
		v->f, v->qber, v->f_without, v->qber_without);
}

/* Options. */

static const char usage[] =
	"usage: ldpc-design --checks-a-bit R [--edges-budget N] [--generations N] [--degree-max "
	"N]\n"
	"                   [--seed N] [-o text|json]\n"
	"       ldpc-design --checks-a-bit R --evaluate DEGREE:PARTS,... [--edges-budget N]\n"
	"                   [-o text|json]\n"
	"R checks a bit, 0.01 to 0.9; N edges times iterations a bit, 10 to 30000 (900); "
	"generations,\n"
	"1 to 10000 (12); highest degree, 3 to 30 (30); seed, below 2^32 (1). PARTS of 1000.\n";

static _Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void refuse(const char *format, ...)
{
	va_list more;

	va_start(more, format);
	fputs("ldpc-design: ", stderr);
	vfprintf(stderr, format, more);
	fputs("\n", stderr);
	va_end(more);
	exit(WRONG_OPTIONS);
}

/* A whole number that ends at *end. */
static unsigned number_at(
	const char *what, const char *text, char **end, unsigned min, unsigned max)
{
	errno = 0;
	const unsigned long long value = strtoull(text, end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0 || value < min || value > max)
		refuse("%s: a whole number from %u to %u, not '%s'", what, min, max, text);
	return (unsigned)value;
}

static unsigned number(const char *what, const char *text, unsigned min, unsigned max)
{
	char *end;
	const unsigned value = number_at(what, text, &end, min, max);

	if (*end != '\0')
		refuse("%s: a whole number from %u to %u, not '%s'", what, min, max, text);
	return value;
}

static double checks_a_bit(const char *text)
{
	char *end;
	const double value = strtod(text, &end);

	if (end == text || *end != '\0' ||
		!(value >= CHECKS_A_BIT_MIN && value <= CHECKS_A_BIT_MAX))
		refuse("--checks-a-bit: from %g to %g, not '%s'", CHECKS_A_BIT_MIN,
			CHECKS_A_BIT_MAX, text);
	return value;
}

/* DEGREE:PARTS,... of which the parts add to 1000. */
static struct evolution_columns columns_given(const char *text)
{
	static const char what[] = "--evaluate";
	struct evolution_columns columns = {{0}};
	unsigned sum = 0;
	char *at = (char *)(uintptr_t)text;

	for (;;) {
		const unsigned degree =
			number_at(what, at, &at, EVOLUTION_DEGREE_MIN, EVOLUTION_DEGREE_MAX);
		if (*at != ':')
			refuse("%s: ':' after degree %u, not '%s'", what, degree, at);
		if (columns.share[degree] > 0)
			refuse("%s: degree %u twice", what, degree);
		const unsigned parts = number_at(what, at + 1, &at, 1, (unsigned)PARTS);
		columns.share[degree] = parts / PARTS;
		sum += parts;
		if (*at == '\0')
			break;
		if (*at++ != ',')
			refuse("%s: ',' between degrees, not '%s'", what, at - 1);
	}
	if (sum != (unsigned)PARTS)
		refuse("%s: the parts add to %u, not to %.0f", what, sum, PARTS);
	return columns;
}

static bool is_json(const char *text)
{
	if (strcmp(text, "json") != 0 && strcmp(text, "text") != 0)
		refuse("-o: text or json, not '%s'", text);
	return strcmp(text, "json") == 0;
}

static void option_take(struct options *o, int option, const char *text)
{
	switch (option) {
	case 'r':
		o->checks_a_bit = checks_a_bit(text);
		break;
	case 'b':
		o->edges_budget =
			number("--edges-budget", text, EDGES_BUDGET_MIN, EDGES_BUDGET_MAX);
		break;
	case 'g':
		o->generations = number("--generations", text, 1, GENERATIONS_MAX);
		break;
	case 'd':
		o->degree_max =
			number("--degree-max", text, DEGREE_LIMIT_MIN, EVOLUTION_DEGREE_MAX);
		break;
	case 's':
		o->seed = number("--seed", text, 0, UINT32_MAX);
		break;
	case 'e':
		o->given = columns_given(text);
		o->is_evaluation = true;
		break;
	case 'o':
		o->is_json = is_json(text);
		break;
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	default:
		fputs(usage, stderr);
		exit(WRONG_OPTIONS);
	}
}

static struct options options_read(int argc, char **argv)
{
	static const struct option names[] = {{"checks-a-bit", required_argument, NULL, 'r'},
		{"edges-budget", required_argument, NULL, 'b'},
		{"generations", required_argument, NULL, 'g'},
		{"degree-max", required_argument, NULL, 'd'},
		{"seed", required_argument, NULL, 's'}, {"evaluate", required_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'}, {0}};
	struct options o = {.edges_budget = EDGES_BUDGET,
		.generations = GENERATIONS,
		.degree_max = EVOLUTION_DEGREE_MAX,
		.seed = 1};
	bool is_search = false;

	for (int option; (option = getopt_long(argc, argv, "o:", names, NULL)) != -1;) {
		option_take(&o, option, optarg);
		is_search |= option == 'g' || option == 'd' || option == 's';
	}
	if (optind < argc)
		refuse("what is '%s'?", argv[optind]);
	if (!(o.checks_a_bit > 0))
		refuse("--checks-a-bit is missing");
	if (o.is_evaluation && is_search)
		refuse("--evaluate searches nothing: no --generations, --degree-max, --seed");
	return o;
}

int main(int argc, char **argv)
{
	const struct options o = options_read(argc, argv);
	struct evolution *evolution = evolution_open(&evolution_decoder, o.checks_a_bit);
	struct evolution_columns columns = o.given;
	struct verdict v;

	if (evolution == NULL)
		refuse("no memory");
	const bool is_found = (o.is_evaluation || searched(&o, evolution, &columns)) &&
			      judged(&o, evolution, &columns, &v);
	evolution_close(evolution);
	if (!is_found) {
		fputs("ldpc-design: nothing converges with f below 3 within the budget\n", stderr);
		return NONE_FOUND;
	}
	if (o.is_json)
		print_json(&o, &columns, &v);
	else
		print_text(&o, &columns, &v);
	return EXIT_SUCCESS;
}
