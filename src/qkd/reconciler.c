// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "reconciler.h"
#include "ldpc.h"
#include <math.h>
#include <string.h>

const struct reconciler *reconciler_of(enum reconcile_mode mode)
{
	static const struct reconciler *const modes[RECONCILE_MODES] = {
		[RECONCILE_CASCADE] = &reconciler_cascade,
		[RECONCILE_LDPC] = &reconciler_ldpc,
	};

	return (unsigned)mode < RECONCILE_MODES ? modes[mode] : NULL;
}

const char *reconcile_mode_word(enum reconcile_mode mode)
{
	const struct reconciler *r = reconciler_of(mode);

	return mode == 0 ? "auto" : r == NULL ? NULL : r->word;
}

bool reconcile_mode_read(const char *word, enum reconcile_mode *mode)
{
	for (*mode = 0; *mode < RECONCILE_MODES; (*mode)++)
		if (strcmp(word, reconcile_mode_word(*mode)) == 0)
			return true;
	return false;
}

double reconcile_expect(struct reconcile_errors before, double test, double test_bits)
{
	static const double deviations = 3;
	const double change = test - before.test, variance = (test + before.test) / test_bits;

	if (before.key == 0)
		return test;
	return fabs(change) > deviations * sqrt(variance)
		       ? fmax(before.key + change, fmin(before.key, test))
		       : before.key;
}

/*
 * What LDPC may take of a core that has other work: about half of what AVX2 did with long frames, 7 to 16 million a second
 * (doc/measurements.md; AVX-512 twice that); portable, where an iteration of 2^20 bits took 0.09 s, likewise. Rounds of Cascade: of a key
 * of a million bits, there.
 */
static const double ldpc_bits_a_second = 6e6, ldpc_bits_a_second_portable = 0.2e6;
static const double cascade_rounds = 270;

enum reconcile_mode reconcile_choose(const struct reconcile_circumstances *c)
{
	const double ldpc = c->is_ldpc_fast ? ldpc_bits_a_second : ldpc_bits_a_second_portable;
	const double cascade_s = cascade_rounds * c->round_trip_ms * 1e-3;

	if (!ldpc_can_do(c->key_bits, c->qber))
		return RECONCILE_CASCADE;
	if (c->bits_a_second == 0)
		return c->is_ldpc_fast ? RECONCILE_LDPC : RECONCILE_CASCADE;
	if (c->bits_a_second <= ldpc || ldpc * cascade_s > c->key_bits)
		return RECONCILE_LDPC;
	return RECONCILE_CASCADE;
}
