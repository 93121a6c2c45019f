// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kms-front and the gateway ask of kms-store (block KMS).
 *
 *   KMS_STATUS    who, about whom                -> the numbers of [ETSI GS QKD 014 §6.1]
 *   KMS_ENC_KEYS  master, slaves, number, size   -> keys, new ones
 *   KMS_DEC_KEYS  master, caller, key ids        -> keys that the master got before
 *
 * Who calls is filled in by whoever checked it: the front from the certificate, kms-store itself for
 * the gateway's channel (whatever the gateway wrote there). The error kind of an answer says:
 *
 *   ERR_INPUT    the request breaks a rule of the key store (unknown SAE, size, number)   -> 400
 *   ERR_ABSENT   at least one key is not there, or not any more; none was given           -> 400
 *   ERR_AUTH     the caller is no SAE of this site, or not one that the key was issued to -> 401
 *   ERR_LIMIT    not enough keys, or too many requests                                    -> 503
 *   others       not now: the other site is away, a deadline passed                       -> 503
 *
 * Names and keys that are decoded lie in the message: they live as long as it, and whoever holds the
 * message wipes it.
 */
#include "codec/ipc.h"

enum kms_msg_type {
	KMS_STATUS = IPC_BLOCK_KMS | 1,
	KMS_ENC_KEYS = IPC_BLOCK_KMS | 2,
	KMS_DEC_KEYS = IPC_BLOCK_KMS | 3,
};

enum {
	KMS_SAE_MAX = 127,        /* octets of an SAE or KME name */
	KMS_SLAVES_MAX = 8,       /* slave SAEs of one key, the first included */
	KMS_KEYS_MAX = 128,       /* keys of one request */
	KMS_KEY_ID_OCTETS = 16,   /* a UUID */
	KMS_KEY_OCTETS_MAX = 128, /* 1024 bits */
	KMS_ANSWER_MAX = 32 << 10 /* holds every answer of the block */
};

struct kms_name {
	size_t len;
	char text[KMS_SAE_MAX + 1]; /* NUL-terminated; holds no NUL */
};

struct kms_key_id {
	uint8_t octets[KMS_KEY_ID_OCTETS];
};

struct kms_key {
	struct kms_key_id id;
	struct span key; /* secret */
};

struct kms_keys {
	size_t count;
	struct kms_key items[KMS_KEYS_MAX];
};

struct kms_status_request {
	struct kms_name caller, slave;
};

struct kms_status_answer {
	struct kms_name source_kme, target_kme, master, slave;
	uint32_t key_size_bits, stored_key_count, max_key_count, max_key_per_request,
		max_key_size_bits, min_key_size_bits, max_sae_id_count;
};

struct kms_enc_request {
	struct kms_name master;
	size_t slave_count; /* at least 1 */
	struct kms_name slaves[KMS_SLAVES_MAX];
	uint32_t number;    /* 1 to KMS_KEYS_MAX */
	uint32_t size_bits; /* 0: the default size */
};

struct kms_dec_request {
	struct kms_name master, caller;
	size_t count; /* at least 1 */
	struct kms_key_id ids[KMS_KEYS_MAX];
};

/* False, and an empty name, where the text is too long for a name. */
bool kms_name_set(struct kms_name *name, const char *text);
static inline bool kms_name_equal(const struct kms_name *a, const struct kms_name *b)
{
	return span_equal(span_of(a->text, a->len), span_of(b->text, b->len));
}

/* Pieces that the other blocks of the kms share. */
void kms_name_write(struct writer *w, const struct kms_name *name);
void kms_name_read(struct reader *r, struct kms_name *name, const char *field);
void kms_key_id_read(struct reader *r, struct kms_key_id *id);

void kms_status_request_encode(struct writer *w, const struct kms_status_request *m);
MUST_USE struct err kms_status_request_decode(
	struct kms_status_request *m, struct span body, struct wire_fault *fault);
void kms_status_answer_encode(struct writer *w, const struct kms_status_answer *m);
MUST_USE struct err kms_status_answer_decode(
	struct kms_status_answer *m, struct span body, struct wire_fault *fault);

void kms_enc_request_encode(struct writer *w, const struct kms_enc_request *m);
MUST_USE struct err kms_enc_request_decode(
	struct kms_enc_request *m, struct span body, struct wire_fault *fault);

void kms_dec_request_encode(struct writer *w, const struct kms_dec_request *m);
MUST_USE struct err kms_dec_request_decode(
	struct kms_dec_request *m, struct span body, struct wire_fault *fault);

/* The answer to KMS_ENC_KEYS and KMS_DEC_KEYS. */
void kms_keys_encode(struct writer *w, const struct kms_keys *m);
MUST_USE struct err kms_keys_decode(struct kms_keys *m, struct span body, struct wire_fault *fault);
