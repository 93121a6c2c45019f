// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the processes of the authentication centre say to each other (frames of codec/ipc.h, block
 * AUC).
 *
 *   front  -> store   AUC_AUTHENTICATE   auth_request            -> vectors
 *   front  -> store   AUC_SUBSCRIBER     imsi                    -> msisdn ("" where there is none)
 *   store  -> vault   AUC_VECTORS        sealed keys, SQNs       -> vectors
 *   store  -> vault   AUC_RESYNC         sealed keys, RAND, AUTS -> SEQ_MS || IND as SQN_MS
 *   import -> vault   AUC_SEAL           clear keys, many rows   -> sealed keys, in that order
 *   import -> store   AUC_IMPORT_ROWS    sealed rows, many       -> kept aside, durable
 *   import -> store   AUC_IMPORT_COMMIT  import id               -> all at once, or none
 *
 * An error is the answer's error kind: ERR_ABSENT an IMSI that is not known; ERR_AUTH an AUTS whose
 * MAC-S is wrong; ERR_LIMIT no sequence number left below the ceiling, or too much in flight;
 * others are faults. K and OP or OPc in clear travel in AUC_SEAL alone, from import to vault, and
 * never to a store or a front.
 */
#include "codec/auth.h"
#include "codec/ipc.h"

enum auc_message {
	AUC_AUTHENTICATE = IPC_BLOCK_AUC + 1,
	AUC_SUBSCRIBER,
	AUC_VECTORS,
	AUC_RESYNC,
	AUC_SEAL,
	AUC_IMPORT_ROWS,
	AUC_IMPORT_COMMIT,
};

enum { AUC_ROWS_MAX = 256, AUC_SEALED_MAX = 128, AUC_MSISDN_TEXT = 16 };
/* Largest bodies, for buffers. */
enum { AUC_REQUEST_OCTETS = 128, AUC_VECTORS_OCTETS = 1 + AUTH_VECTORS_MAX * 93 };
enum { AUC_ASK_OCTETS = 256, AUC_ROWS_OCTETS = AUC_ROWS_MAX * 192 };

enum auc_algorithm { AUC_MILENAGE = 1 };

/* -- front <-> store -- */
void auc_request_encode(struct writer *w, const struct auth_request *q);
MUST_USE struct err auc_request_decode(
	struct span body, struct auth_request *q, struct wire_fault *fault);

void auc_vectors_encode(struct writer *w, const struct auth_vector *v, size_t count);
MUST_USE struct err auc_vectors_decode(struct span body,
	struct auth_vector v[static AUTH_VECTORS_MAX], size_t *count, struct wire_fault *fault);

void auc_text_encode(struct writer *w, const char *text); /* an IMSI, an MSISDN */
MUST_USE struct err auc_text_decode(
	struct span body, char *text, size_t size, struct wire_fault *fault);

/* -- store <-> vault -- */
struct auc_vectors_ask {
	char imsi[IMSI_TEXT];
	struct span sealed;
	uint64_t sqn_first; /* 48 bits; the following vectors take sqn_first + i * sqn_step */
	uint32_t sqn_step;
	uint8_t count;
	enum auth_radio radio;
};
void auc_vectors_ask_encode(struct writer *w, const struct auc_vectors_ask *ask);
MUST_USE struct err auc_vectors_ask_decode(
	struct span body, struct auc_vectors_ask *ask, struct wire_fault *fault);

struct auc_resync_ask {
	char imsi[IMSI_TEXT];
	struct span sealed;
	uint8_t rand[AUTH_RAND], auts[AUTH_AUTS];
};
void auc_resync_ask_encode(struct writer *w, const struct auc_resync_ask *ask);
MUST_USE struct err auc_resync_ask_decode(
	struct span body, struct auc_resync_ask *ask, struct wire_fault *fault);

void auc_u64_encode(struct writer *w, uint64_t v); /* SQN_MS; import id; number of rows */
MUST_USE struct err auc_u64_decode(struct span body, uint64_t *v, struct wire_fault *fault);

/* -- import -- */
struct auc_clear_row {
	char imsi[IMSI_TEXT];
	enum auc_algorithm algorithm;
	bool is_op; /* `op_or_opc` is OP: the vault seals OPc */
	uint8_t amf[2], k[AUTH_KEY], op_or_opc[AUTH_KEY];
};
void auc_clear_rows_encode(struct writer *w, const struct auc_clear_row *rows, size_t count);
MUST_USE struct err auc_clear_rows_decode(struct span body,
	struct auc_clear_row rows[static AUC_ROWS_MAX], size_t *count, struct wire_fault *fault);

/* Sealed keys in the order of the rows asked for; the spans lie in `body`. */
void auc_sealed_encode(struct writer *w, const struct span *sealed, size_t count);
MUST_USE struct err auc_sealed_decode(struct span body, struct span sealed[static AUC_ROWS_MAX],
	size_t *count, struct wire_fault *fault);

struct auc_import_row {
	char imsi[IMSI_TEXT];
	char msisdn[AUC_MSISDN_TEXT];
	bool has_sqn;
	uint64_t sqn; /* the last that was used elsewhere */
	struct span sealed;
};
struct auc_import {
	uint64_t id;
	size_t count;
	struct auc_import_row rows[AUC_ROWS_MAX];
};
void auc_import_encode(struct writer *w, const struct auc_import *import);
MUST_USE struct err auc_import_decode(
	struct span body, struct auc_import *import, struct wire_fault *fault);
