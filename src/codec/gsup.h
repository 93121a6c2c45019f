// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * GSUP: what a serving node asks its home register, Osmocom's simple form of MAP [OsmoHLR manual,
 * "GSUP"].
 *
 * A message is a type, then elements of type, length, value, of which the IMSI comes first. A
 * request's type ends in binary 00; its error is one more, its result two more. Unknown elements
 * are skipped, as the protocol wants it; known ones are read strictly, by the table in gsup.c.
 * There is no transaction number: an answer is matched by its IMSI, and by what it carries back
 * unchanged (message class, session, names).
 */
#include "codec/auth.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum gsup_type {
	GSUP_UPDATE_LOCATION_REQUEST = 0x04,
	GSUP_UPDATE_LOCATION_ERROR = 0x05,
	GSUP_UPDATE_LOCATION_RESULT = 0x06,
	GSUP_SEND_AUTH_INFO_REQUEST = 0x08,
	GSUP_SEND_AUTH_INFO_ERROR = 0x09,
	GSUP_SEND_AUTH_INFO_RESULT = 0x0a,
	GSUP_AUTH_FAIL_REPORT = 0x0b, /* wants no answer */
	GSUP_PURGE_MS_REQUEST = 0x0c,
	GSUP_PURGE_MS_ERROR = 0x0d,
	GSUP_PURGE_MS_RESULT = 0x0e,
	GSUP_INSERT_DATA_REQUEST = 0x10,
	GSUP_INSERT_DATA_ERROR = 0x11,
	GSUP_INSERT_DATA_RESULT = 0x12,
	GSUP_LOCATION_CANCEL_REQUEST = 0x1c,
	GSUP_LOCATION_CANCEL_ERROR = 0x1d,
	GSUP_LOCATION_CANCEL_RESULT = 0x1e,
	GSUP_ROUTING_ERROR = 0x4e, /* to any request: whom it is for is not here */
};

/* Causes of GMM [TS 24.008 §10.5.5.14], as far as we give them. */
enum gsup_cause {
	GSUP_CAUSE_IMSI_UNKNOWN = 2,
	GSUP_CAUSE_GPRS_NOT_ALLOWED = 7,
	GSUP_CAUSE_PLMN_NOT_ALLOWED = 11,
	GSUP_CAUSE_NETWORK_FAILURE = 17,
	GSUP_CAUSE_SYNCH_FAILURE = 21,
	GSUP_CAUSE_CONGESTION = 22,
	GSUP_CAUSE_INVALID_MANDATORY = 96,
	GSUP_CAUSE_TYPE_UNKNOWN = 97,
};

enum { GSUP_MESSAGE_MAX = 2048, GSUP_NAME_MAX = 128, GSUP_PDP_MAX = 10, GSUP_APN_MAX = 100 };
enum { GSUP_MSISDN_MAX = 15, GSUP_RAT_MAX = 8 };
enum { GSUP_RAT_EUTRAN_SGS = 3 };
enum gsup_session_state { GSUP_SESSION_CONTINUE = 2, GSUP_SESSION_END = 3 };

struct gsup_pdp {
	uint8_t context_id;
	uint8_t apn_len, apn[GSUP_APN_MAX]; /* length-prefixed labels; "*" stands for any */
};

/* The long members come last and count as far as their counts say: nothing else is written or read
 * of them, since a message is handled in less time than it takes to clear them. */
struct gsup {
	uint8_t type; /* enum gsup_type, or another */
	char imsi[IMSI_TEXT];
	bool has_cause, has_message_class, has_session, has_session_state, has_cancel_type;
	bool has_rand, has_auts, is_pdp_info_complete, is_freeze_ptmsi;
	uint8_t cause, message_class, session_state, cancel_type;
	uint32_t session;
	uint8_t domain;            /* enum auth_domain; 0: absent, which means PS */
	uint8_t vectors_requested; /* 0: absent */
	uint8_t current_rat;       /* 0: absent */
	uint8_t rat_count, rats[GSUP_RAT_MAX];
	uint8_t rand[AUTH_RAND], auts[AUTH_AUTS];
	char msisdn[GSUP_MSISDN_MAX + 1]; /* digits, or "" */
	uint8_t vector_count, pdp_count, source_len, destination_len;
	uint8_t source[GSUP_NAME_MAX], destination[GSUP_NAME_MAX];
	struct auth_vector vectors[AUTH_VECTORS_MAX];
	struct gsup_pdp pdps[GSUP_PDP_MAX];
};

/* Of a request, what its answers carry back. */
struct gsup_origin {
	uint8_t type;
	char imsi[IMSI_TEXT];
	bool has_message_class, has_session, has_session_state;
	uint8_t message_class;
	uint32_t session;
	uint8_t source_len, source[GSUP_NAME_MAX]; /* as far as source_len */
};

/* The message alone, without the IPA head. On a fault `type` and `imsi` hold what was read whole
 * until then. */
MUST_USE struct err gsup_decode(struct span message, struct gsup *g, struct wire_fault *fault);
/*
 * Of a message that gsup_decode() refused: what can be read of whom to answer and how, whatever else
 * is wrong. False: not even that there is a subscriber.
 */
MUST_USE bool gsup_salvage(struct span message, struct gsup *g);
void gsup_encode(struct writer *w, const struct gsup *g);

static inline bool gsup_is_request(uint8_t type)
{
	return (type & 3) == 0;
}

void gsup_origin_of(struct gsup_origin *o, const struct gsup *request);
/* An answer of `type`: same IMSI, class, session; the sender's name becomes the addressee's. Final
 * unless it is a request itself, as InsertSubscriberData within UpdateLocation is. */
void gsup_answer_start(struct gsup *answer, const struct gsup_origin *o, uint8_t type);
const char *gsup_type_name(uint8_t type); /* "SendAuthInfo request"; "unknown type" */
