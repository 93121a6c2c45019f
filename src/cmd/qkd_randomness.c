// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* merlon qkd randomness-check: the statistics of crypt/randomness.h over a file, in memory of one sequence. */
#include "base/secret.h"
#include "command.h"
#include "crypt/randomness.h"
#include "host/metrics.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCE_BITS = 1000000, SEQUENCE_OCTETS = SEQUENCE_BITS / 8 };
static const char claim[] = "sanity check, not a proof: bits that somebody knows pass too";

struct check {
	struct randomness_tally tally;
	struct randomness_scratch scratch;
	uint64_t bits;
	uint8_t sequence[SEQUENCE_OCTETS];
};

static void sequence_add(struct check *c, size_t octets)
{
	double p[RANDOMNESS_TESTS];

	randomness_all(span_of(c->sequence, octets), octets * 8, &c->scratch, p);
	randomness_add(&c->tally, p);
	c->bits += octets * 8;
}

/* A last part counts only where it is all there is. */
static struct err read_all(struct check *c, FILE *in)
{
	size_t n;

	while ((n = fread(c->sequence, 1, sizeof c->sequence, in)) == sizeof c->sequence)
		sequence_add(c, n);
	if (ferror(in))
		return ERR(IO);
	if (c->tally.sequences == 0 && n * 8 < RANDOMNESS_BITS_MIN)
		return ERR(INPUT);
	if (c->tally.sequences == 0)
		sequence_add(c, n);
	return OK;
}

static bool is_plausible(const struct check *c)
{
	bool all = true;

	for (unsigned i = 0; i < RANDOMNESS_TESTS; i++)
		all &= randomness_is_plausible(&c->tally, (enum randomness_test)i);
	return all;
}

static void print_json(const struct check *c)
{
	static char text[8192];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(text));

	json_open(&j, NULL, '{');
	json_text(&j, "claim", claim);
	json_u64(&j, "bits", c->bits);
	json_u64(&j, "sequences", c->tally.sequences);
	json_open(&j, "tests", '[');
	for (unsigned i = 0; i < RANDOMNESS_TESTS; i++) {
		const enum randomness_test test = (enum randomness_test)i;
		json_open(&j, NULL, '{');
		json_text(&j, "test", randomness_test_word(test));
		json_f64(&j, "least_p", c->tally.tests[i].least);
		json_u64(&j, "below_0.01", c->tally.tests[i].below);
		json_f64(&j, "proportion", randomness_proportion(&c->tally, test));
		json_f64(&j, "uniformity", randomness_uniformity(&c->tally, test));
		json_bool(&j, "plausible", randomness_is_plausible(&c->tally, test));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_bool(&j, "plausible", is_plausible(c));
	json_close(&j, '}');
	printf("%.*s\n", (int)json_done(&j).len, (const char *)json_done(&j).at);
}

static void print_table(const struct check *c)
{
	printf("%s\n%llu bits in %llu sequences\n%-20s %10s %8s %10s %10s\n", claim,
		(unsigned long long)c->bits, (unsigned long long)c->tally.sequences, "test",
		"least P", "P < 0.01", "so many", "uniform");
	for (unsigned i = 0; i < RANDOMNESS_TESTS; i++) {
		const enum randomness_test test = (enum randomness_test)i;
		printf("%-20s %10.6f %8llu %10.6f %10.6f %s\n", randomness_test_word(test),
			c->tally.tests[i].least, (unsigned long long)c->tally.tests[i].below,
			randomness_proportion(&c->tally, test),
			randomness_uniformity(&c->tally, test),
			randomness_is_plausible(&c->tally, test) ? "" : "IMPLAUSIBLE");
	}
}

int qkd_randomness_check_command(const struct invocation *in)
{
	static struct check check;
	const char *path = in->argv[0];
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

	if (file == NULL)
		return fail(EXIT_CONFIG, "%s: %s", path, strerror(errno));
	setvbuf(file, NULL, _IONBF, 0); /* what may be key lies in one place, and is wiped */
	const struct err e = read_all(&check, file);
	secret_wipe(check.sequence, sizeof check.sequence);
	secret_wipe(&check.scratch, sizeof check.scratch);
	if (file != stdin)
		fclose(file);
	if (failed(e))
		return fail(EXIT_CONFIG, "%s: %s", path,
			e.kind == ERR_IO ? strerror(errno) : "at least 128 octets are needed");
	if (wants_json(in))
		print_json(&check);
	else
		print_table(&check);
	if (is_plausible(&check))
		return EXIT_OK;
	return fail(EXIT_FAILED, "%s: these are no random bits", path);
}
