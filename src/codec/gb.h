// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The Gb interface, as much of it as one base-station subsystem with one mobile needs to attach at
 * an SGSN.
 *
 * Four layers, each a decoder and an encoder of its own, each handing the next a span:
 *   NS      network service over UDP [TS 48.016]: who is there (RESET, ALIVE, UNBLOCK), UNITDATA
 *   BSSGP   [TS 48.018]: one virtual circuit a cell (BVC-RESET), UL- and DL-UNITDATA
 *   LLC     [TS 44.064]: UI frames of SAPI 1 with a 24-bit frame check sequence
 *   GMM     [TS 24.008 §9.4]: attach, identity, authentication
 * Unacknowledged and unciphered only: enough for attach. What an SGSN may send beyond it decodes as
 * its type and nothing more.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum { GB_PORT = 23000, GB_MESSAGE_MAX = 1500, GB_IMSI_DIGITS = 15, GB_AKA_OCTETS = 16 };

/* NS PDU types [TS 48.016 §10.3.7] */
enum gb_ns_type {
	GB_NS_UNITDATA = 0x00,
	GB_NS_RESET = 0x02,
	GB_NS_RESET_ACK = 0x03,
	GB_NS_BLOCK = 0x04,
	GB_NS_BLOCK_ACK = 0x05,
	GB_NS_UNBLOCK = 0x06,
	GB_NS_UNBLOCK_ACK = 0x07,
	GB_NS_STATUS = 0x08,
	GB_NS_ALIVE = 0x0a,
	GB_NS_ALIVE_ACK = 0x0b,
};

struct gb_ns {
	uint8_t type;      /* enum gb_ns_type, or one that we do not know */
	uint8_t cause;     /* RESET, BLOCK, STATUS */
	uint16_t nsvci;    /* RESET, RESET ACK, BLOCK, BLOCK ACK */
	uint16_t nsei;     /* RESET, RESET ACK */
	uint16_t bvci;     /* UNITDATA */
	struct span bssgp; /* UNITDATA */
};

/* BSSGP PDU types [TS 48.018 §11.3.26] */
enum gb_bssgp_type {
	GB_BSSGP_DL_UNITDATA = 0x00,
	GB_BSSGP_UL_UNITDATA = 0x01,
	GB_BSSGP_BVC_RESET = 0x22,
	GB_BSSGP_BVC_RESET_ACK = 0x23,
};

enum { GB_CELL_OCTETS = 8 };

struct gb_bssgp {
	uint8_t type;
	uint32_t tlli; /* UNITDATA */
	uint16_t bvci; /* BVC-RESET and its answer: the circuit that is meant */
	uint8_t cause; /* BVC-RESET */
	bool has_cell;
	uint8_t cell[GB_CELL_OCTETS]; /* routing area and cell identity */
	struct span llc;              /* UNITDATA */
};

enum { GB_SAPI_GMM = 1, GB_LLC_NU_MAX = 511 };

struct gb_llc {
	bool is_ui; /* else: another format, nothing below is set */
	uint8_t sapi;
	bool is_from_network_command;
	uint16_t nu; /* 9 bits */
	bool is_ciphered;
	struct span information;
};

/* GMM message types [TS 24.008 table 10.4a] */
enum gb_gmm_type {
	GB_GMM_ATTACH_REQUEST = 0x01,
	GB_GMM_ATTACH_ACCEPT = 0x02,
	GB_GMM_ATTACH_COMPLETE = 0x03,
	GB_GMM_ATTACH_REJECT = 0x04,
	GB_GMM_AUTH_REQUEST = 0x12,
	GB_GMM_AUTH_RESPONSE = 0x13,
	GB_GMM_AUTH_REJECT = 0x14,
	GB_GMM_IDENTITY_REQUEST = 0x15,
	GB_GMM_IDENTITY_RESPONSE = 0x16,
	GB_GMM_AUTH_FAILURE = 0x1c,
};

enum gb_identity { GB_IMSI = 1, GB_IMEI = 2, GB_IMEISV = 3 };
enum gb_gmm_cause { GB_CAUSE_MAC_FAILURE = 20, GB_CAUSE_SYNCH_FAILURE = 21 };

/* From the network. */
struct gb_gmm {
	bool is_gmm; /* the protocol discriminator said so */
	uint8_t type;
	uint8_t cause;           /* ATTACH REJECT */
	uint8_t identity_type;   /* IDENTITY REQUEST */
	uint8_t reference;       /* AUTH REQUEST: comes back in the response */
	bool wants_imeisv;       /* AUTH REQUEST */
	bool has_rand, has_autn; /* no AUTN: a challenge of the second generation */
	uint8_t rand[GB_AKA_OCTETS], autn[GB_AKA_OCTETS];
};

MUST_USE struct err gb_ns_decode(struct span message, struct gb_ns *ns, struct wire_fault *fault);
void gb_ns_encode(struct writer *w, const struct gb_ns *ns);

MUST_USE struct err gb_bssgp_decode(
	struct span message, struct gb_bssgp *bssgp, struct wire_fault *fault);
void gb_bssgp_encode(struct writer *w, const struct gb_bssgp *bssgp);

/* A frame whose check sequence does not hold is ERR_INPUT. */
MUST_USE struct err gb_llc_decode(struct span frame, struct gb_llc *llc, struct wire_fault *fault);
void gb_llc_encode(struct writer *w, const struct gb_llc *llc);

MUST_USE struct err gb_gmm_decode(
	struct span message, struct gb_gmm *gmm, struct wire_fault *fault);
/* From the mobile; identities as digits. */
void gb_attach_request_encode(struct writer *w, const char *imsi_digits);
void gb_identity_response_encode(struct writer *w, enum gb_identity type, const char *digits);
void gb_attach_complete_encode(struct writer *w);
/* `imeisv_digits` NULL: not asked for. */
void gb_auth_response_encode(
	struct writer *w, uint8_t reference, struct span res, const char *imeisv_digits);
/* `auts` empty unless the cause is a synchronisation failure. */
void gb_auth_failure_encode(struct writer *w, enum gb_gmm_cause cause, struct span auts);
