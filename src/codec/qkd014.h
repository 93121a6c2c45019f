// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * ETSI GS QKD 014 V1.1.1: the paths, requests and answers of the key delivery API, as JSON [RFC 8259].
 *
 *   GET       /api/v1/keys/{slave_SAE_ID}/status                              [§6.1]
 *   GET, POST /api/v1/keys/{slave_SAE_ID}/enc_keys    {number, size, …}       [§6.2] -> [§6.3]
 *   GET, POST /api/v1/keys/{master_SAE_ID}/dec_keys   {key_IDs: [{key_ID}]}   [§6.4] -> [§6.3]
 *
 * GET enc_keys has `number` and `size` alone, in the query; GET dec_keys one `key_ID`. Members that the
 * standard does not know are ignored: clients send whole key containers back. Errors are {"message": …}
 * [§6.5] with the texts of the standard where it has one.
 */
#include "codec/kms_msg.h"

enum qkd014_call { QKD014_STATUS, QKD014_ENC_KEYS, QKD014_DEC_KEYS };

enum {
	QKD014_BODY_MAX = 64 << 10,  /* of a request */
	QKD014_ANSWER_MAX = 64 << 10 /* holds every answer */
};

#define QKD014_SIZE_NOT_OCTETS "size shall be a multiple of 8"
#define QKD014_MANDATORY_UNKNOWN "not all extension_mandatory parameters are supported"
#define QKD014_KEYS_NOT_FOUND "one or more keys specified are not found on KME"

struct qkd014_path {
	enum qkd014_call call;
	struct kms_name sae; /* decoded from its percent-encoding */
};

/* ERR_ABSENT for a path that is none of the three; ERR_INPUT for an SAE id that cannot be one. */
MUST_USE struct err qkd014_path_decode(struct qkd014_path *path, const char *text);

/* Why a request is refused: a constant text, and for an unknown mandatory extension its name. */
struct qkd014_fault {
	const char *message;
	char extension[64];
};

struct qkd014_enc_request {
	uint32_t number;    /* 1 where absent */
	uint32_t size_bits; /* 0 where absent: the KME's default */
	size_t additional_count;
	struct kms_name additional[KMS_SLAVES_MAX - 1];
};

struct qkd014_dec_request {
	size_t count;
	struct kms_key_id ids[KMS_KEYS_MAX];
};

MUST_USE struct err qkd014_enc_query_decode(
	struct qkd014_enc_request *m, const char *query, struct qkd014_fault *fault);
/* An empty body is a request: all members are optional [§6.2]. */
MUST_USE struct err qkd014_enc_body_decode(
	struct qkd014_enc_request *m, struct span body, struct qkd014_fault *fault);
MUST_USE struct err qkd014_dec_query_decode(
	struct qkd014_dec_request *m, const char *query, struct qkd014_fault *fault);
MUST_USE struct err qkd014_dec_body_decode(
	struct qkd014_dec_request *m, struct span body, struct qkd014_fault *fault);

/* Answers. Keys are written octet by octet into the caller's buffer, which the caller wipes. */
void qkd014_status_encode(struct writer *w, const struct kms_status_answer *m);
void qkd014_keys_encode(struct writer *w, const struct kms_keys *m);
void qkd014_fault_encode(struct writer *w, const struct qkd014_fault *fault);

/* "8-4-4-4-12" hex digits [RFC 9562 §4]; `text` holds 37. */
void qkd014_uuid_write(char text[static 37], const struct kms_key_id *id);
bool qkd014_uuid_read(struct kms_key_id *id, const char *text);
