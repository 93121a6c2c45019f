// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* From keys, RAND and SQN to a vector [TS 33.102 §6.3.2], and to the triplet that follows from it
 * (§6.8.1.2). */
#include "auc/auc.h"
#include "crypt/milenage.h"

enum { SQN_OCTETS = 6, AMF_OCTETS = 2 };

/* A subscriber's keys as they are sealed: struct auc_keys, octet by octet. */
struct auc_keys {
	struct milenage_keys milenage;
	uint8_t amf[AMF_OCTETS];
	uint8_t algorithm; /* enum auc_algorithm */
};

void sqn_to_octets(uint8_t out[static SQN_OCTETS], uint64_t sqn);
uint64_t sqn_from_octets(const uint8_t in[static SQN_OCTETS]);

/* Sets or clears the separation bit: AMF bit 0 [TS 33.102 Annex H]. */
void amf_for_radio(uint8_t out[static AMF_OCTETS], const uint8_t amf[static AMF_OCTETS],
	enum auth_radio radio);

/* v->rand is given; the rest is filled. */
void vector_compute(const struct aes128_engine *engine, const struct auc_keys *keys, uint64_t sqn,
	enum auth_radio radio, struct auth_vector *v);
