// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The key derivation function of 3GPP [TS 33.220 §B.2.0] and the PRF' of EAP-AKA' [RFC 9048 §3.4.1],
 * both HMAC-SHA-256 out of libcrypto.
 */
#include "base/err.h"
#include "base/span.h"

enum { KDF_OCTETS = 32, KDF_PARAMETERS_MAX = 3, KDF_INPUT_MAX = 1024, PRF_PRIME_MAX = 255 * 32 };

/* HMAC-SHA-256(key, FC || P0 || L0 || P1 || L1 …). ERR_LIMIT where all that is over KDF_INPUT_MAX. */
MUST_USE struct err kdf(struct span key, uint8_t fc, const struct span *parameters, size_t count,
	uint8_t out[static KDF_OCTETS]);

/* T1 | T2 | …, Tn = HMAC-SHA-256(key, Tn-1 | seed | n). ERR_LIMIT for a seed or an output too long. */
MUST_USE struct err prf_prime(struct span key, struct span seed, struct span_mut out);
