// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * f1, f1*, f2, f3, f4, f5, f5* of one subscriber [TS 33.102 §6.3], whichever algorithm he has:
 * MILENAGE, TUAK or XOR, with the lengths that a stored subscriber has. Keys that
 * auc_keys_refusal() refuses, or that are for triplets alone, are the caller's mistake.
 */
#include "auc/vector.h"

enum { AKA_MAC = 8 };

struct aka_output {
	uint8_t mac_a[AKA_MAC];             /* f1 */
	uint8_t res_len, res[AUTH_RES_MAX]; /* f2, zeros behind it */
	uint8_t ck[AUTH_KEY], ik[AUTH_KEY]; /* f3, f4 */
	uint8_t ak[SQN_OCTETS];             /* f5 */
};

/* What a challenge needs. The caller wipes `out`. */
void aka_compute(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], const uint8_t sqn[static SQN_OCTETS],
	const uint8_t amf[static AMF_OCTETS], struct aka_output *out);
/* f5* */
void aka_ak_star(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], uint8_t ak_star[static SQN_OCTETS]);
/* f1* */
void aka_mac_s(const struct auc_algorithms *algorithms, const struct auc_keys *keys,
	const uint8_t rand[static AUTH_RAND], const uint8_t sqn[static SQN_OCTETS],
	const uint8_t amf[static AMF_OCTETS], uint8_t mac_s[static AKA_MAC]);

/* The test algorithm [TS 34.108 §8.1.2]: XDOUT = K xor RAND, of which all else is a part. */
enum { XOR_OCTETS = 16 };
void xor_compute(const uint8_t k[static XOR_OCTETS], const uint8_t rand[static AUTH_RAND],
	const uint8_t sqn[static SQN_OCTETS], const uint8_t amf[static AMF_OCTETS],
	struct aka_output *out);
/* Its SRES and Kc for SIM cards of GSM [TS 51.010-1 Annex 4 §A.4.1.2]. */
void xor_2g_compute(const uint8_t k[static XOR_OCTETS], const uint8_t rand[static AUTH_RAND],
	uint8_t sres[static AUTH_SRES], uint8_t kc[static AUTH_KC]);
