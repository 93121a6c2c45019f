// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The two key agreements of the hybrid: ML-KEM-768 [FIPS 203] and X25519 [RFC 7748], out of libcrypto.
 *
 * Private keys are octets that the caller keeps in a secret: for ML-KEM the seed d || z of
 * [FIPS 203 §7.1], from which the key pair is made again at each use; for X25519 the scalar. All randomness is
 * an argument, so the same seed gives the same exchange in a simulation, and known answers can be
 * tested. Where a call fails, its secret output is wiped.
 */
#include "base/err.h"
#include "base/span.h"

enum {
	MLKEM768_SEED = 64,     /* private: d || z */
	MLKEM768_PUBLIC = 1184, /* encapsulation key */
	MLKEM768_CIPHERTEXT = 1088,
	MLKEM768_RANDOM = 32, /* m of [FIPS 203 §6.2] */
	MLKEM768_SECRET = 32,
	X25519_OCTETS = 32, /* scalars, points and shared secrets alike */
};

MUST_USE struct err mlkem768_public(struct span seed, struct span_mut public);
/* ERR_INPUT where `public` is no encapsulation key [FIPS 203 §7.2]. */
MUST_USE struct err mlkem768_encaps(
	struct span public, struct span random, struct span_mut ciphertext, struct span_mut secret);
/* A ciphertext that is not for this key gives an unpredictable secret, not an error (implicit rejection). */
MUST_USE struct err mlkem768_decaps(
	struct span seed, struct span ciphertext, struct span_mut secret);

MUST_USE struct err x25519_public(struct span scalar, struct span_mut public);
/* ERR_INPUT for a peer's point of small order: the secret would be zero [RFC 7748 §6.1]. */
MUST_USE struct err x25519_derive(struct span scalar, struct span peer, struct span_mut secret);
