// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Fifth stage: how long the key may be, after everything that was published, and the Toeplitz hash to that length
 * (crypt/toeplitz.h). The seed is drawn by Alice after reconciliation: an attacker cannot fit his
 * knowledge to it.
 */
#include "crypt/toeplitz.h"
#include "estimate.h"
#include "verify.h"

/*
 * Whole octets, in bits, at most `bits_max`; 0 with QKD_NO_SECRET. Reads parities, answers and tag bits from the ledger. A fixed
 * length (p->final_bits_fixed) is given in full or not at all.
 */
enum qkd_abort amplify_length(const struct estimate *e, const struct qkd_parameters *p,
	const struct qkd_ledger *ledger, uint32_t bits_max, uint32_t *final_bits);
/* Fills out.len octets and wipes the workspace, which is open for keys of that length. QKD_NO_ENTROPY: the seed is too short. */
enum qkd_abort amplify_key(
	struct toeplitz *workspace, struct span_mut out, struct key_words key, struct span seed);
