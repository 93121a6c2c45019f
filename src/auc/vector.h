// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * From keys, RAND and SQN to a vector [TS 33.102 §6.3.2], and to the triplet that follows from it
 * (§6.8.1.2).
 *
 *   MILENAGE, TUAK   a quintuplet, and by c2 and c3 its triplet
 *   XOR              the same, with the test algorithm of [TS 34.108 §8.1.2]: it hides no key (whoever
 *                    hears RAND, CK and IK has K), so it is refused unless allowed for a test network
 *   GSM-MILENAGE     a triplet alone: SRES#1 and Kc of [TS 55.205]
 *   COMP128v2, v3    a triplet alone, until the card is replaced
 */
#include "auc/auc.h"
#include "codec/auc_keys.h"
#include "crypt/milenage.h"

enum { SQN_OCTETS = 6, AMF_OCTETS = 2 };
/* Sets of MILENAGE constants that one centre knows, with the standard's. */
enum { AUC_PROFILES_MAX = 16 };

/* What an authentication centre computes with, the same for all subscribers. Borrows the constants. */
struct auc_algorithms {
	const struct aes128_engine *engine;
	/* By auc_keys.profile; [0] NULL: the standard's; others NULL: there is no such profile. */
	const struct milenage_constants *profiles[AUC_PROFILES_MAX];
	bool is_xor_allowed;
};

void sqn_to_octets(uint8_t out[static SQN_OCTETS], uint64_t sqn);
uint64_t sqn_from_octets(const uint8_t in[static SQN_OCTETS]);

/* Sets or clears the separation bit: AMF bit 0 [TS 33.102 Annex H]. */
void amf_for_radio(uint8_t out[static AMF_OCTETS], const uint8_t amf[static AMF_OCTETS],
	enum auth_radio radio);

/* Whether SRES and Kc are all that there is of it. */
bool auc_is_triplet_only(uint8_t algorithm);

/*
 * Why these keys are not computed with here, in words for a person, or NULL where they are: an
 * algorithm that is not known, a profile that is not there, XOR where it is not allowed, lengths
 * that the algorithm does not have. An import asks this before it seals. Names nothing of a key.
 */
const char *auc_keys_refusal(const struct auc_algorithms *algorithms, const struct auc_keys *keys);

/* What a person should know who chose this algorithm, or NULL. */
const char *auc_algorithm_warning(uint8_t algorithm);

/* keys->opc is OP or TOP, and becomes OPc or TOPc; nothing happens where the algorithm has none.
 * ERR_VERSION as below. */
MUST_USE struct err auc_keys_derive_opc(
	const struct auc_algorithms *algorithms, struct auc_keys *keys);

/* v->rand is given; the rest is filled. ERR_VERSION for keys that auc_keys_refusal() refuses. */
MUST_USE struct err vector_compute(const struct auc_algorithms *algorithms,
	const struct auc_keys *keys, uint64_t sqn, enum auth_radio radio, struct auth_vector *v);
