// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Fifth stage: how long the key may be, after everything that was published, and the Toeplitz hash to that length
 * (crypt/toeplitz.h). The seed is drawn by Alice after reconciliation: an attacker cannot fit his
 * knowledge to it.
 */
#include "estimate.h"
#include "sift.h"
#include "verify.h"

/* Whole octets, in bits; 0 with QKD_NO_SECRET. Reads parities, answers and tag bits from the ledger. */
enum qkd_abort amplify_length(const struct estimate *e, const struct qkd_parameters *p,
	const struct qkd_ledger *ledger, uint32_t *final_bits);
/* `packed`: the X bits (verify.h). Fills out.len octets. QKD_NO_ENTROPY stands for exhausted secret memory too. */
enum qkd_abort amplify_key(
	struct span_mut out, struct span packed, uint32_t key_bits, struct span seed);
