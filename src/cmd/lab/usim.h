// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The subscriber's card of the lab: the other side of AKA [TS 33.102 §6.3.3].
 *
 * MILENAGE [TS 35.206] is written here a second time on purpose, on OpenSSL's AES and not on
 * crypt/milenage: a card that shared the authentication centre's code would agree with its
 * mistakes.
 */
#include "base/err.h"
#include "base/span.h"

enum { USIM_BLOCK = 16, USIM_RES = 8, USIM_AUTS = 14 };

struct usim {
	uint8_t k[USIM_BLOCK], opc[USIM_BLOCK];
	uint64_t sqn_highest; /* accepted so far: a challenge must be above it */
};

enum usim_verdict { USIM_ACCEPTED, USIM_MAC_FAILURE, USIM_SYNCH_FAILURE };

struct usim_answer {
	enum usim_verdict verdict;
	uint64_t sqn;          /* in the challenge, once its MAC held */
	uint8_t res[USIM_RES]; /* ACCEPTED; so are CK and IK */
	uint8_t ck[USIM_BLOCK], ik[USIM_BLOCK];
	uint8_t auts[USIM_AUTS]; /* SYNCH_FAILURE */
};

/* K||OPc = SHA-256 of the IMSI's ASCII digits: the rule of the lab's test subscribers, known to
 * anybody. */
void usim_test_keys(struct usim *usim, const char *imsi_digits);

/* Verifies AUTN, then answers; accepts rising sequence numbers alone. ERR_CRYPTO where libcrypto
 * refuses. */
MUST_USE struct err usim_challenge(struct usim *usim, const uint8_t rand[static USIM_BLOCK],
	const uint8_t autn[static USIM_BLOCK], struct usim_answer *answer);
