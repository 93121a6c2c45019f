// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What error correction is expected to tell of a key. It plans; no key depends on it. test_efficiency.c holds it against both modes.
 *
 * Efficiency f: Alice's parities over n h(QBER), in the mean. Cascade's two ends tell 2 f n h(QBER) together, LDPC's f n h(QBER) and a bit
 * a question (reconciler.h).
 *
 * Cascade: 1.038 and some forty bits a frame, whatever errors were expected. LDPC: the first syndrome (ldpc_rows_for), and later questions,
 * the more of them the fewer errors a frame has, for the more their number and the expectation vary: one part in a twentieth of it.
 */
#include "reconciler.h"

/* 0: the mode does not take such a key. */
double efficiency_of(enum reconcile_mode mode, uint32_t key_bits, double qber);
