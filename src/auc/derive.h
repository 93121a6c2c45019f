// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What follows from CK, IK and the keys below them: one table of derivations, each with its clause.
 *
 *     CK || IK ─┬─ KASME ─┬─ KNAS…               [TS 33.401 Annex A]
 *               │         └─ KeNB, NH ── KRRC…, KUP…
 *               ├─ KAUSF ── KSEAF ── KAMF ─┬─ KNAS…     [TS 33.501 Annex A]
 *               │                          └─ KgNB, NH ── KRRC…, KUP…
 *               ├─ RES*, and of it HRES*
 *               └─ CK' || IK' ── MK ── K_encr, K_aut, K_re, MSK, EMSK ── KAUSF   [RFC 9048 §3.3]
 *
 * Each is the KDF of TS 33.220 with its own FC (crypt/kdf.h); the table holds FC, the parameters and
 * their lengths, and what of the output is kept. Key lengths are 32 octets throughout. All is
 * constant time in keys; lengths and parameters' sizes are public.
 */
#include "codec/auth.h"
#include "crypt/kdf.h"

enum derivation {
	DERIVE_KASME,          /* CK||IK: SN id, SQN xor AK */
	DERIVE_KENB,           /* KASME: uplink NAS COUNT */
	DERIVE_NH,             /* KASME: SYNC-input */
	DERIVE_KENB_STAR,      /* KeNB or NH: PCI, EARFCN-DL (2 octets, or 3 above 65535) */
	DERIVE_EPS_ALGORITHM,  /* KASME or KeNB: algorithm type distinguisher, algorithm identity */
	DERIVE_CK_IK_HANDOVER, /* KASME: downlink NAS COUNT; CK' || IK' */
	DERIVE_NAS_TOKEN,      /* KASME: uplink NAS COUNT */
	DERIVE_KASME_HANDOVER, /* CK||IK: NONCE_MME */
	DERIVE_KASME_IDLE,     /* CK||IK: NONCE_UE, NONCE_MME */
	DERIVE_CK_IK_SRVCC,    /* KASME: downlink NAS COUNT; CK' || IK' */
	DERIVE_CK_IK_IDLE,     /* KASME: uplink NAS COUNT; CK' || IK' */
	DERIVE_CK_IK_PRIME, /* CK||IK: access network identity or SN name, SQN xor AK; CK' || IK' */
	DERIVE_5G_ALGORITHM,    /* KAMF or KgNB: algorithm type distinguisher, algorithm identity */
	DERIVE_KAUSF,           /* CK||IK: SN name, SQN xor AK */
	DERIVE_RES_STAR,        /* CK||IK: SN name, RAND, RES */
	DERIVE_KSEAF,           /* KAUSF: SN name */
	DERIVE_KAMF,            /* KSEAF: SUPI, ABBA */
	DERIVE_KGNB,            /* KAMF: uplink NAS COUNT, access type distinguisher */
	DERIVE_5G_NH,           /* KAMF: SYNC-input */
	DERIVE_KNG_RAN_STAR,    /* KgNB or NH: PCI, ARFCN-DL; target gNB */
	DERIVE_KNG_RAN_STAR_NG, /* the same; target ng-eNB */
	DERIVE_KAMF_PRIME,      /* KAMF: DIRECTION, COUNT */
	DERIVE_KASME_FROM_KAMF_IDLE,     /* KAMF: uplink NAS COUNT */
	DERIVE_KASME_FROM_KAMF_HANDOVER, /* KAMF: downlink NAS COUNT */
	DERIVE_KAMF_FROM_KASME_IDLE,     /* KASME: uplink NAS COUNT */
	DERIVE_KAMF_FROM_KASME_HANDOVER, /* KASME: NH */
	DERIVE_KSN,                      /* KgNB: SN Counter */
	DERIVATIONS
};

/* Of an algorithm type distinguisher, the same in EPS and 5GS [TS 33.401 Table A.7-1], [TS 33.501 Table
 * A.8-1]. */
enum derive_type {
	DERIVE_NAS_ENC = 1,
	DERIVE_NAS_INT,
	DERIVE_RRC_ENC,
	DERIVE_RRC_INT,
	DERIVE_UP_ENC,
	DERIVE_UP_INT,
};

enum { DERIVE_KEY = 32 };

struct derivation_row {
	const char *clause;
	uint8_t fc, parameters;
	struct {
		uint8_t min, max; /* octets */
	} sizes[KDF_PARAMETERS_MAX];
	uint8_t kept; /* octets of the output, its last ones */
};

extern const struct derivation_row derivations[DERIVATIONS];

/*
 * All of the KDF's output; what counts are the last `kept` octets of it. ERR_INPUT for a key or a
 * parameter of a size that the clause does not have. The caller wipes `out`.
 */
MUST_USE struct err derive(enum derivation which, struct span key, const struct span *parameters,
	uint8_t out[static KDF_OCTETS]);

enum { DERIVE_RES_STAR_OCTETS = 16 };
/* HRES* or HXRES*: the last half of SHA-256(RAND || RES*) [TS 33.501 §A.5]. */
MUST_USE struct err derive_hres_star(const uint8_t rand[static AUTH_RAND],
	const uint8_t res_star[static DERIVE_RES_STAR_OCTETS],
	uint8_t hres_star[static DERIVE_RES_STAR_OCTETS]);

/* The keys of EAP-AKA' [RFC 9048 §3.3], in the order in which MK has them. */
struct eap_aka_prime {
	uint8_t k_encr[16], k_aut[32], k_re[32], msk[64], emsk[64];
};

/* MK = PRF'(IK' || CK', "EAP-AKA'" || Identity). KAUSF is the first 32 octets of EMSK [TS 33.501 §6.1.3.1].
 * The caller wipes `keys`. */
MUST_USE struct err derive_eap_aka_prime(const uint8_t ck_prime[static AUTH_KEY],
	const uint8_t ik_prime[static AUTH_KEY], struct span identity, struct eap_aka_prime *keys);

/* The conversion functions of [TS 33.102 §6.8]: c2 SRES, c3 Kc, c4 CK, c5 IK. */
void derive_c2(const uint8_t res[static AUTH_RES_MAX], uint8_t sres[static AUTH_SRES]);
void derive_c3(const uint8_t ck[static AUTH_KEY], const uint8_t ik[static AUTH_KEY],
	uint8_t kc[static AUTH_KC]);
void derive_c4(const uint8_t kc[static AUTH_KC], uint8_t ck[static AUTH_KEY]);
void derive_c5(const uint8_t kc[static AUTH_KC], uint8_t ik[static AUTH_KEY]);
