// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One subscriber as a file gives him, whatever the file's form (subscriber_csv.h, subscriber_json.h):
 * fields with a name and a text, each once, then the rules between them.
 *
 *   imsi        wanted; 6 to 15 digits [TS 23.003 §2.2]
 *   k           wanted; 32 hex digits, for tuak also 64
 *   opc, op     one of them for milenage and gsm-milenage; 32 hex digits
 *   topc, top   one of them for tuak; 64 hex digits
 *   algorithm   a word of codec/auc_keys.h; milenage where it is not given
 *   amf         4 hex digits; 8000 where not given
 *   sqn         the last one used elsewhere, 48 bits, decimal or 0x…; not given: numbers begin at 1
 *   msisdn      at most 15 digits
 *   profile     the operator's own MILENAGE constants, by number; 0: the standard's
 *   res_bits    tuak: 32, 64 or 128; 64 where not given
 *   iterations  tuak: of Keccak, 1 to 255; 1 where not given
 *
 * Where something is wrong, the answer says what is expected, never what stands there: that may be a
 * key. A row holds keys in clear; the caller keeps it in a secret.
 */
#include "codec/auc_msg.h"

enum subscriber_field {
	SUBSCRIBER_IMSI,
	SUBSCRIBER_K,
	SUBSCRIBER_OP,
	SUBSCRIBER_OPC,
	SUBSCRIBER_TOP,
	SUBSCRIBER_TOPC,
	SUBSCRIBER_ALGORITHM,
	SUBSCRIBER_AMF,
	SUBSCRIBER_SQN,
	SUBSCRIBER_MSISDN,
	SUBSCRIBER_PROFILE,
	SUBSCRIBER_RES_BITS,
	SUBSCRIBER_ITERATIONS,
	SUBSCRIBER_FIELDS
};
#define SUBSCRIBER_FIELD_NAMES                                                                     \
	"imsi, k, op, opc, top, topc, algorithm, amf, sqn, msisdn, profile, res_bits, iterations"

/* The longest line of any form, in octets. */
enum { SUBSCRIBER_LINE_MAX = 4096 };

struct subscriber_row {
	struct auc_clear_row clear;
	bool has_sqn;
	uint64_t sqn;
	char msisdn[AUC_MSISDN_TEXT];
	uint32_t given;                      /* bits, by field */
	uint16_t columns[SUBSCRIBER_FIELDS]; /* where each stood on its line, from 1 */
};

/* Where a line is wrong, and what is expected there. */
struct subscriber_fault {
	size_t column; /* of the line, from 1 */
	const char *expected;
};

/* SUBSCRIBER_FIELDS: no such field. */
size_t subscriber_field_named(struct span name);
const char *subscriber_field_name(enum subscriber_field field);

/* Nothing given yet, and what is not given has its default. */
void subscriber_row_begin(struct subscriber_row *row);
/* ERR_INPUT, with the fault: not what the field wants, or the field for the second time. */
MUST_USE struct err subscriber_row_take(struct subscriber_row *row, enum subscriber_field field,
	struct span text, size_t column, struct subscriber_fault *fault);
/* The rules between fields, once all were taken. */
MUST_USE struct err subscriber_row_end(struct subscriber_row *row, struct subscriber_fault *fault);
