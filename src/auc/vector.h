// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* From keys, RAND and SQN to a vector [TS 33.102 §6.3.2], and to the triplet that follows from it
 * (§6.8.1.2). */
#include "auc/auc.h"
#include "codec/auc_keys.h"
#include "crypt/milenage.h"

enum { SQN_OCTETS = 6, AMF_OCTETS = 2 };

/* What an authentication centre computes with, the same for all subscribers. */
struct auc_algorithms {
	const struct aes128_engine *engine;
};

void sqn_to_octets(uint8_t out[static SQN_OCTETS], uint64_t sqn);
uint64_t sqn_from_octets(const uint8_t in[static SQN_OCTETS]);

/* Sets or clears the separation bit: AMF bit 0 [TS 33.102 Annex H]. */
void amf_for_radio(uint8_t out[static AMF_OCTETS], const uint8_t amf[static AMF_OCTETS],
	enum auth_radio radio);

/* keys->opc is OP or TOP, and becomes OPc or TOPc. ERR_VERSION as below. */
MUST_USE struct err auc_keys_derive_opc(
	const struct auc_algorithms *algorithms, struct auc_keys *keys);

/* v->rand is given; the rest is filled. ERR_VERSION for an algorithm that is not known here. */
MUST_USE struct err vector_compute(const struct auc_algorithms *algorithms,
	const struct auc_keys *keys, uint64_t sqn, enum auth_radio radio, struct auth_vector *v);
