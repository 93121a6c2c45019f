// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What error correction is expected to tell of a key. It plans; no key depends on it. test_efficiency.c holds it against both modes.
 *
 * Efficiency f: Alice's parities over n h(QBER), in the mean. Cascade's two ends tell 2 f n h(QBER) together, LDPC's f n h(QBER) and a bit
 * a question (reconciler.h).
 *
 * Cascade: 1.038 and some forty bits a frame, whatever errors were expected. LDPC: a syndrome for the errors that were expected
 * (ldpc_rows_for), and half a per cent for later questions. Expected is the more of what the key before had and what this block's test basis has
 * (link_block.c), in the mean more than there are: the fewer test bits, the larger f.
 */
#include "reconciler.h"

/* The error rate that is expected, in the mean, of keys whose true one is `qber`. */
double efficiency_qber_expected(double key_bits, double test_bits, double qber);

/* 0: the mode does not take such a key. */
double efficiency_of(
	enum reconcile_mode mode, uint32_t key_bits, double qber, double qber_expected);
