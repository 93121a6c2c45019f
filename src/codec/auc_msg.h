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
 *   store  -> vault   AUC_KEY_MAKE       key id                  -> a new key-encryption key, wrapped
 *   store  -> vault   AUC_KEYS_LOAD      wrapped keys            -> those that had to be wrapped anew
 *   store  -> vault   AUC_RESEAL         sealed rows             -> sealed under the newest key
 *   import -> store   AUC_KEYS           nothing                 -> wrapped keys, for its own vault
 *   import -> vault   AUC_KEYS_LOAD      wrapped keys            -> as above, and dropped
 *   import -> vault   AUC_SEAL           keys, many rows         -> sealed keys, in that order
 *   import -> store   AUC_IMPORT_ROWS    sealed rows, many       -> kept aside, durable
 *   import -> store   AUC_IMPORT_COMMIT  import id               -> all at once, or none: how many
 *
 * An error is the answer's error kind: ERR_ABSENT an IMSI that is not known; ERR_STATE a subscriber
 * who is disabled; ERR_AUTH an AUTS whose MAC-S is wrong; ERR_LIMIT no sequence number left below
 * the ceiling, a subscriber's own limit, or too much in flight; others are faults. K and OP or OPc
 * in clear travel in AUC_SEAL alone, from import to vault, and never to a store or a front.
 *
 * Key-encryption keys have a root, which the vault gets at its start (a file, a passphrase, a
 * token). Under it they are wrapped, and so the store keeps them, beside the rows. The one with the
 * highest id seals; all open. A new key is made (AUC_KEY_MAKE), then durable, then loaded, and only
 * then used. A vault that holds no key yet answers ERR_STATE.
 *
 *   AUC_KEY_MAKE   auc_u64 (the id)     -> auc_wrapped_keys, one
 *   AUC_KEYS_LOAD  auc_wrapped_keys     -> auc_wrapped_keys: those that opened under the former root
 *                                          alone, wrapped under the present one; mostly none
 *   AUC_RESEAL     auc_sealed_rows      -> auc_sealed, in that order, or an error for all of them
 */
#include "codec/auc_keys.h"
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
	AUC_KEY_MAKE,
	AUC_KEYS_LOAD,
	AUC_KEYS,
	AUC_RESEAL,
};

enum { AUC_ROWS_MAX = 256, AUC_SEALED_MAX = 128, AUC_MSISDN_TEXT = 16, AUC_BATCH_TEXT = 32 };
enum { AUC_WRAPPED_MAX = 160, AUC_WRAPPED_KEYS_MAX = 16 };
/* Largest bodies, for buffers. */
enum { AUC_REQUEST_OCTETS = 128, AUC_VECTORS_OCTETS = 1 + AUTH_VECTORS_MAX * 94 };
enum { AUC_ASK_OCTETS = 256, AUC_ROWS_OCTETS = 64 + AUC_ROWS_MAX * 192 };

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

/* -- key-encryption keys -- */
struct auc_wrapped_key {
	uint32_t id;         /* from 1, rising */
	struct span wrapped; /* the vault's own form; the span lies in the body */
};
struct auc_wrapped_keys {
	size_t count;
	struct auc_wrapped_key keys[AUC_WRAPPED_KEYS_MAX]; /* ids rise */
};
void auc_wrapped_keys_encode(struct writer *w, const struct auc_wrapped_keys *keys);
MUST_USE struct err auc_wrapped_keys_decode(
	struct span body, struct auc_wrapped_keys *keys, struct wire_fault *fault);

struct auc_sealed_row {
	char imsi[IMSI_TEXT];
	struct span sealed;
};
struct auc_sealed_rows {
	size_t count;
	struct auc_sealed_row rows[AUC_ROWS_MAX];
};
void auc_sealed_rows_encode(struct writer *w, const struct auc_sealed_rows *rows);
MUST_USE struct err auc_sealed_rows_decode(
	struct span body, struct auc_sealed_rows *rows, struct wire_fault *fault);

/* -- import -- */
struct auc_clear_row {
	char imsi[IMSI_TEXT];
	bool is_op; /* keys.opc is OP or TOP: the vault seals OPc or TOPc */
	struct auc_keys keys;
};
/* `transport` names the key under which the vendor encrypted these rows' keys; "": they are clear. */
struct auc_clear_rows {
	char transport[AUC_BATCH_TEXT];
	size_t count;
	struct auc_clear_row rows[AUC_ROWS_MAX];
};
void auc_clear_rows_encode(struct writer *w, const struct auc_clear_rows *rows);
MUST_USE struct err auc_clear_rows_decode(
	struct span body, struct auc_clear_rows *rows, struct wire_fault *fault);

/* Sealed keys in the order of the rows asked for; the spans lie in `body`. */
void auc_sealed_encode(struct writer *w, const struct span *sealed, size_t count);
MUST_USE struct err auc_sealed_decode(struct span body, struct span sealed[static AUC_ROWS_MAX],
	size_t *count, struct wire_fault *fault);

struct auc_import_row {
	char imsi[IMSI_TEXT];
	char msisdn[AUC_MSISDN_TEXT];
	bool has_sqn;
	uint64_t sqn;      /* the last that was used elsewhere */
	uint8_t algorithm; /* enum auc_algorithm: for lists alone; the vault goes by what is sealed */
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

struct auc_import_result {
	uint64_t added, replaced;
};
void auc_import_result_encode(struct writer *w, const struct auc_import_result *result);
MUST_USE struct err auc_import_result_decode(
	struct span body, struct auc_import_result *result, struct wire_fault *fault);
