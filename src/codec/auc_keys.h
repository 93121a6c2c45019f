// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One subscriber's keys and what belongs to them, as they are sealed at rest and as an import hands
 * them to its vault. The caller keeps both forms in a secret, or wipes them.
 *
 *   octet  0          1        2    4      5    5 + k_len       …
 *          algorithm  profile  AMF  k_len  K    OPc or TOPc     TUAK: RES octets, iterations
 *          u8         u8       2    u8
 *
 * MILENAGE and GSM-MILENAGE: K and OPc of 16 octets. TUAK: K of 16 or 32, TOPc of 32, RES of 4, 8 or
 * 16, Keccak iterations from 1. XOR and COMP128: K of 16 and nothing more. `profile` is the number
 * of the operator's own MILENAGE constants, 0 those of the standard [TS 35.206 §5.3].
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum auc_algorithm {
	AUC_MILENAGE = 1,     /* [TS 35.206] */
	AUC_TUAK = 2,         /* [TS 35.231] */
	AUC_GSM_MILENAGE = 3, /* [TS 55.205], triplets alone */
	AUC_XOR = 4,          /* [TS 34.108 §8.1.2], test cards alone */
	AUC_COMP128_V2 = 5,   /* triplets alone, for migration */
	AUC_COMP128_V3 = 6,
};

enum { AUC_K_MAX = 32, AUC_OPC_MAX = 32, AUC_AMF = 2 };
enum { AUC_KEYS_MIN = 5 + 16, AUC_KEYS_MAX = 5 + AUC_K_MAX + AUC_OPC_MAX + 2 };

struct auc_keys {
	uint8_t algorithm; /* enum auc_algorithm */
	uint8_t profile;
	uint8_t amf[AUC_AMF];
	uint8_t k_len,
		opc_len; /* octets of what follows that count; opc_len as the algorithm wants */
	uint8_t k[AUC_K_MAX], opc[AUC_OPC_MAX];
	uint8_t res_octets, iterations; /* TUAK; else 0 */
};

/* Octets of OPc or TOPc: 16, 32, or 0; by the algorithm alone. */
size_t auc_opc_octets(uint8_t algorithm);
/* "milenage", "tuak", "gsm-milenage", "xor", "comp128v2", "comp128v3"; "?" for others. */
const char *auc_algorithm_word(uint8_t algorithm);
/* 0: no such word. */
uint8_t auc_algorithm_from(struct span word);

void auc_keys_encode(struct writer *w, const struct auc_keys *keys);
/* Takes them where they stand in a longer message. */
void auc_keys_take(struct reader *r, struct auc_keys *keys);
/* The whole of `bytes`. A fault names no octet of a key. */
MUST_USE struct err auc_keys_decode(
	struct span bytes, struct auc_keys *keys, struct wire_fault *fault);

/* The form of the release before: K, OPc, AMF, algorithm; MILENAGE alone. No form of now is as long. */
enum { AUC_KEYS_FORMER = 16 + 16 + AUC_AMF + 1 };
MUST_USE struct err auc_keys_decode_former(
	struct span bytes, struct auc_keys *keys, struct wire_fault *fault);
