// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Second stage: what an eavesdropper may know, from counts alone, and the key length. Two decoys by [Lim (1)-(5)]; one decoy by
 * [Rusca (2)-(4), appendix A], whose vacuum events are bounded from above by errors, of the key basis too: so the bound waits for
 * them.
 *
 * Of [Rusca] as printed, (A18) lacks the factor e^k / p_k, without which it is no bound; it is here. Its gamma has 21^2 where
 * its own count of terms says 19^2: the larger is taken, which only lengthens what is subtracted.
 */
#include "qkd.h"

struct estimate {
	double key_vacuum,
		key_single; /* s_{X,0}, s_{X,1}: at least so many X bits from 0 and 1 photons */
	double test_single; /* s_{Z,1} */
	double test_single_errors; /* v_{Z,1}: at most */
	double phase_error;        /* phi_X: at most */
	double test_qber,
		key_qber; /* observed; the key's by verified correction, without a sample of it */
};

/*
 * Before reconciliation: QKD_GOES_ON, or too few counts, QBER too high, decoy inconsistent, no secret. Nothing has been published
 * yet but the test basis, and a block that cannot make key costs nothing more.
 */
enum qkd_abort estimate_early(
	const struct qkd_counts *counts, const struct qkd_parameters *p, struct estimate *out);

/* After it, with counts->key_errors: what the length is computed from. The same reasons. */
enum qkd_abort estimate_block(
	const struct qkd_counts *counts, const struct qkd_parameters *p, struct estimate *out);

/* Counts that need not be whole (a channel model's expectation). */
struct estimate_counts {
	double key[QKD_INTENSITIES], test[QKD_INTENSITIES];
	double test_errors[QKD_INTENSITIES],
		key_errors[QKD_INTENSITIES]; /* the latter: one decoy */
};

/* The bounds alone. */
void estimate_bounds(
	const struct estimate_counts *n, const struct qkd_parameters *p, struct estimate *out);

/*
 * Whether so many bits can show single photons at all: those of a sound source over a long line, with deviations half as large again as
 * the bounds take. Where not, that none are shown says nothing of an eavesdropper: QKD_NO_SECRET, not QKD_DECOY_INCONSISTENT.
 */
bool estimate_tells(double key, double test, const struct qkd_parameters *p);

/*
 * [Lim (1)], before rounding down: `parities` is lambda_EC, the bits published by reconciliation; `verify_bits` what verification
 * published, for which Lim has log2(2/eps_cor). May be negative: no key.
 */
double estimate_final_bits(const struct estimate *e, const struct qkd_parameters *p,
	double parities, double verify_bits);

double estimate_entropy(double x); /* binary, in bits */
