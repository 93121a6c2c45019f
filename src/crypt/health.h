// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Health tests of a noise source [SP 800-90B §4]: whether raw samples still look as their maker claims.
 *
 * Claim: so many bits a sample, and a min-entropy of each, given all before it. alpha: how often a source that keeps its claim
 * fails a test, by repetition a sample, by proportion a window. Cutoffs follow from both [§4.4].
 *
 * Tests, on every sample as long as the source is used:
 *   repetition  one value too often in a row [§4.4.1]
 *   proportion  one value too often in a window [§4.4.2]
 *   period      the value of 1 to HEALTH_LAGS samples ago too often in a window: a test of our own [§4.5], for sources that
 *               oscillate, whose values are as frequent as they should be. Whatever came before, a sample is equal
 *               to it with at most 2^-H, so the proportion's cutoff holds for it too
 *
 * States: STARTING until HEALTH_START_SAMPLES have passed; they are not to be used [§4.3]. Then GOOD. FAULT is for good: whoever
 * wants to go on opens anew and begins with the start-up test.
 *
 * Pure: no input or output. Samples are secret; the last few stay in here, so wipe it when done. Running time
 * depends on samples no more than on whether a test fails.
 */
#include "base/err.h"
#include "base/span.h"

enum { HEALTH_LAGS = 16, HEALTH_START_SAMPLES = 1024 };    /* at least 1024 [SP 800-90B §4.3] */
enum { HEALTH_WINDOW_BINARY = 1024, HEALTH_WINDOW = 512 }; /* [SP 800-90B §4.4.2] */
enum { HEALTH_ALPHA_MIN = 20, HEALTH_ALPHA_MAX = 40 };     /* [SP 800-90B §4.4] */

struct health_claim {
	unsigned sample_bits;    /* 1: eight samples an octet, highest bit first; 8: one */
	double min_entropy;      /* bits a sample */
	unsigned alpha_exponent; /* alpha = 2^-this */
};

enum health_state { HEALTH_STARTING, HEALTH_GOOD, HEALTH_FAULT };

struct health {
	struct health_claim claim;
	uint32_t repetition_cutoff, window, proportion_cutoff;
	enum health_state state;
	const char *fault; /* the test that failed, or NULL */
	uint64_t samples;
	uint32_t repeated;                 /* of the last value, in a row */
	uint32_t in_window, alike;         /* samples of this window; those like its first */
	uint32_t like_before[HEALTH_LAGS]; /* in this window: equal to the one so many before */
	uint8_t first, past[HEALTH_LAGS];  /* past[samples % HEALTH_LAGS] is the oldest */
};

/* ERR_INPUT: a claim that cannot be, or so low that a test could never fail. */
MUST_USE struct err health_open(
	struct health *h, const struct health_claim *claim, struct complaint *c);
/* Raw octets of the source, in their order. */
void health_feed(struct health *h, struct span raw);
/* Octets of raw samples that hold so many bits by the claim. */
size_t health_octets_for(const struct health_claim *claim, double bits);

/* 1 + CRITBINOM(window, 2^-H, 1 - alpha): so many or more of one value in a window come with at most alpha. */
uint32_t health_proportion_cutoff(uint32_t window, double min_entropy, unsigned alpha_exponent);
uint32_t health_repetition_cutoff(double min_entropy, unsigned alpha_exponent);
