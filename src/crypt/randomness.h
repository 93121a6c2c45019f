// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Statistical tests of bits, after NIST SP 800-22 rev. 1a: whether they look like tosses of a fair coin.
 *
 * A SANITY CHECK, NOT A PROOF. Bits that an eavesdropper knows pass; so does any cipher under a known key. What fails
 * here is broken; what passes may be. That a key is secret follows from the counts and the proof (doc/qkd.md), never from this.
 *
 * Each test gives a P-value: how often a fair coin looks as odd as this. Bits are taken from the highest of the first
 * octet on. The tests that need the shortest sequences, without templates, ranks and spectra.
 */
#include "base/span.h"
#include <stdint.h>

enum randomness_test {
	RANDOMNESS_MONOBIT,         /* [SP 800-22 §2.1] */
	RANDOMNESS_BLOCK_FREQUENCY, /* [SP 800-22 §2.2] */
	RANDOMNESS_RUNS,            /* [SP 800-22 §2.3] */
	RANDOMNESS_LONGEST_RUN,     /* [SP 800-22 §2.4] */
	RANDOMNESS_SUMS_FORWARD,    /* [SP 800-22 §2.13] */
	RANDOMNESS_SUMS_BACKWARD,
	RANDOMNESS_SERIAL_1, /* [SP 800-22 §2.11] */
	RANDOMNESS_SERIAL_2,
	RANDOMNESS_APPROXIMATE_ENTROPY, /* [SP 800-22 §2.12] */
	RANDOMNESS_TESTS
};

enum { RANDOMNESS_PATTERN_MAX = 16, RANDOMNESS_BITS_MIN = 1024 };

/* Counts of patterns: scratch memory of the caller's. */
struct randomness_scratch {
	uint32_t count[1 << RANDOMNESS_PATTERN_MAX];
};

const char *randomness_test_word(enum randomness_test test);

/* All of them on one sequence of at least RANDOMNESS_BITS_MIN bits, with parameters as its length allows. */
void randomness_all(struct span octets, size_t bits, struct randomness_scratch *scratch,
	double p[static RANDOMNESS_TESTS]);

/* One each, with parameters, for the examples of the standard. */
double randomness_monobit(struct span octets, size_t bits);
double randomness_block_frequency(struct span octets, size_t bits, size_t block);
double randomness_runs(struct span octets, size_t bits);
double randomness_longest_run(struct span octets, size_t bits); /* bits >= 128 */
double randomness_sums(struct span octets, size_t bits, bool is_backward);
/* `pattern` >= 2; p[0] and p[1] as in [SP 800-22 §2.11.4 (5)]. */
void randomness_serial(struct span octets, size_t bits, unsigned pattern,
	struct randomness_scratch *scratch, double p[static 2]);
/* `pattern` < RANDOMNESS_PATTERN_MAX. */
double randomness_approximate_entropy(
	struct span octets, size_t bits, unsigned pattern, struct randomness_scratch *scratch);

/*
 * Many sequences, judged together so that good bits fail about once in ten thousand times: for each test the number of P-values below
 * 0.01 [SP 800-22 §4.2.1] and, from 55 sequences on, their uniformity [§4.2.2].
 */
enum { RANDOMNESS_BINS = 10 };
struct randomness_tally {
	uint64_t sequences;
	struct {
		uint64_t below; /* P < 0.01 */
		uint64_t bins[RANDOMNESS_BINS];
		double least;
	} tests[RANDOMNESS_TESTS];
};
void randomness_add(struct randomness_tally *t, const double p[static RANDOMNESS_TESTS]);
/* How often good bits give so many P-values below 0.01, or more; the P-value of uniformity, or 1 where there are too few. */
double randomness_proportion(const struct randomness_tally *t, enum randomness_test test);
double randomness_uniformity(const struct randomness_tally *t, enum randomness_test test);
bool randomness_is_plausible(const struct randomness_tally *t, enum randomness_test test);
