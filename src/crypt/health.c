// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "health.h"
#include <math.h>

enum { OCTET_BITS = 8 };

/* C = 1 + ceil(-log2(alpha) / H) [SP 800-90B §4.4.1]. */
uint32_t health_repetition_cutoff(double min_entropy, unsigned alpha_exponent)
{
	return 1 + (uint32_t)ceil((double)alpha_exponent / min_entropy);
}

static double log_choose(uint32_t n, uint32_t k)
{
	return lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma((double)(n - k) + 1.0);
}

/*
 * [SP 800-90B §4.4.2]: from the rare end of the binomial down, until what lies there and above it would be
 * more than alpha. Terms too small for a double are zero, which alpha >= 2^-40 does not feel.
 */
uint32_t health_proportion_cutoff(uint32_t window, double min_entropy, unsigned alpha_exponent)
{
	const double p = exp2(-min_entropy), alpha = exp2(-(double)alpha_exponent);
	const double log_p = log(p), log_q = log1p(-p);
	double tail = 0;
	uint32_t k = window;

	for (; k > 0; k--) {
		tail += exp(log_choose(window, k) + k * log_p + (window - k) * log_q);
		if (tail > alpha)
			break;
	}
	return k + 1;
}

struct err health_open(struct health *h, const struct health_claim *claim, struct complaint *c)
{
	const unsigned bits = claim->sample_bits;

	if (bits != 1 && bits != OCTET_BITS)
		return complain(c, ERR(INPUT), "samples of 1 or 8 bits are expected: '%u'", bits);
	if (!(claim->min_entropy > 0 && claim->min_entropy <= bits))
		return complain(c, ERR(INPUT),
			"the min-entropy of a sample of %u bits lies above 0 and is at most %u: "
			"'%g'",
			bits, bits, claim->min_entropy);
	if (claim->alpha_exponent < HEALTH_ALPHA_MIN || claim->alpha_exponent > HEALTH_ALPHA_MAX)
		return complain(c, ERR(INPUT), "alpha is 2^-%d to 2^-%d [SP 800-90B]",
			HEALTH_ALPHA_MIN, HEALTH_ALPHA_MAX);
	const uint32_t window = bits == 1 ? HEALTH_WINDOW_BINARY : HEALTH_WINDOW;
	*h = (struct health){.claim = *claim,
		.window = window,
		.proportion_cutoff = health_proportion_cutoff(
			window, claim->min_entropy, claim->alpha_exponent)};
	/* All of a window alike would be no fault. */
	if (h->proportion_cutoff > window)
		return complain(c, ERR(INPUT),
			"a min-entropy of %g is too little for its health to be tested",
			claim->min_entropy);
	h->repetition_cutoff = health_repetition_cutoff(claim->min_entropy, claim->alpha_exponent);
	return OK;
}

size_t health_octets_for(const struct health_claim *claim, double bits)
{
	const double each = claim->min_entropy * (double)OCTET_BITS / claim->sample_bits;

	return (size_t)ceil(bits / each);
}

/* ---- each sample ---- */

static void fault(struct health *h, const char *test)
{
	if (h->state != HEALTH_FAULT)
		h->fault = test;
	h->state = HEALTH_FAULT;
}

/* [SP 800-90B §4.4.1] */
static void repetition(struct health *h, uint8_t sample)
{
	const uint8_t last = h->past[(h->samples + HEALTH_LAGS - 1) % HEALTH_LAGS];

	h->repeated = h->samples > 0 && sample == last ? h->repeated + 1 : 1;
	if (h->repeated >= h->repetition_cutoff)
		fault(h, "repetition");
}

/* [SP 800-90B §4.4.2]: windows follow one another without overlap; the first sample of one counts. */
static void proportion(struct health *h, uint8_t sample)
{
	if (h->in_window == 0) {
		h->first = sample;
		h->alike = 0;
		memset(h->like_before, 0, sizeof h->like_before);
	}
	h->alike += sample == h->first;
	if (h->alike >= h->proportion_cutoff)
		fault(h, "proportion");
	h->in_window = h->in_window + 1 == h->window ? 0 : h->in_window + 1;
}

static void period(struct health *h, uint8_t sample)
{
	if (h->samples < HEALTH_LAGS)
		return;
	for (size_t lag = 1; lag <= HEALTH_LAGS; lag++) {
		const uint8_t before = h->past[(h->samples + HEALTH_LAGS - lag) % HEALTH_LAGS];
		h->like_before[lag - 1] += sample == before;
		if (h->like_before[lag - 1] >= h->proportion_cutoff)
			fault(h, "period");
	}
}

static void sample_take(struct health *h, uint8_t sample)
{
	repetition(h, sample);
	proportion(h, sample);
	period(h, sample);
	h->past[h->samples % HEALTH_LAGS] = sample;
	h->samples++;
	if (h->state == HEALTH_STARTING && h->samples >= HEALTH_START_SAMPLES)
		h->state = HEALTH_GOOD;
}

void health_feed(struct health *h, struct span raw)
{
	for (size_t i = 0; i < raw.len; i++) {
		if (h->claim.sample_bits == OCTET_BITS) {
			sample_take(h, raw.at[i]);
			continue;
		}
		for (unsigned bit = OCTET_BITS; bit-- > 0;)
			sample_take(h, (uint8_t)(raw.at[i] >> bit & 1));
	}
}
