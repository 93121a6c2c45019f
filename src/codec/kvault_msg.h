// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kms-store asks of kms-vault (block KVAULT). The vault keeps nothing: what it will need again it
 * gives out sealed, and the store hands it back.
 *
 *   KVAULT_STATE_SEAL       a link's name and state       -> the state, sealed
 *   KVAULT_STATE_OPEN       name, sealed state            -> the state
 *   KVAULT_BLOCK_SEAL       a block's id and key          -> its segments, each under a key of its own
 *   KVAULT_EXCHANGE_OPEN    block id                      -> public part, sealed private keys
 *   KVAULT_EXCHANGE_ANSWER  first segment, public part    -> answer, sealed secrets, expected proof
 *   KVAULT_EXCHANGE_FINISH  first segment, both parts, sealed private keys -> sealed secrets, proof
 *   KVAULT_PING             (empty)                       -> (empty): the vault is there and serves
 *   KVAULT_COMBINE          runs of slots with their segments and secrets  -> keys (struct kms_keys)
 *
 * A segment is SEGMENT_SLOTS slots of a block (kms/shelf.h). `wrapped` is its own short-lived key, under the
 * key-encryption key; without it, `sealed` is noise: that is how the store erases.
 * Decoded spans lie in the message.
 */
#include "codec/peer_msg.h"

enum kvault_msg_type {
	KVAULT_STATE_SEAL = IPC_BLOCK_KVAULT | 1,
	KVAULT_STATE_OPEN = IPC_BLOCK_KVAULT | 2,
	KVAULT_BLOCK_SEAL = IPC_BLOCK_KVAULT | 3,
	KVAULT_EXCHANGE_OPEN = IPC_BLOCK_KVAULT | 4,
	KVAULT_EXCHANGE_ANSWER = IPC_BLOCK_KVAULT | 5,
	KVAULT_EXCHANGE_FINISH = IPC_BLOCK_KVAULT | 6,
	KVAULT_COMBINE = IPC_BLOCK_KVAULT | 7,
	KVAULT_PING = IPC_BLOCK_KVAULT | 8,
};

enum {
	KVAULT_ENVELOPE = 34, /* what sealing adds */
	KVAULT_STATE_OCTETS_MAX = (64 << 10) + KVAULT_ENVELOPE,
	KVAULT_BLOCK_OCTETS_MAX = 256 << 10,
	KVAULT_SEGMENT_OCTETS = 2048, /* plain, at most */
	KVAULT_SEGMENTS_MAX = KVAULT_BLOCK_OCTETS_MAX / KVAULT_SEGMENT_OCTETS,
	KVAULT_WRAPPED = 32 + KVAULT_ENVELOPE,
	KVAULT_SEALED_MAX = KVAULT_SEGMENT_OCTETS + KVAULT_ENVELOPE,
	KVAULT_SECRETS = 96 + KVAULT_ENVELOPE, /* sealed exchange secrets; private keys alike */
	KVAULT_MESSAGE_MAX = 512 << 10,
};

struct kvault_named { /* KVAULT_STATE_SEAL, KVAULT_STATE_OPEN */
	struct kms_name link;
	struct span bytes;
};

struct kvault_block {
	uint8_t block_id[PEER_ID];
	struct span key; /* secret */
};

struct kvault_segments {
	size_t count;
	struct {
		uint8_t wrapped[KVAULT_WRAPPED];
		struct span sealed;
	} items[KVAULT_SEGMENTS_MAX];
};

struct kvault_segment {
	uint8_t block_id[PEER_ID];
	uint32_t slots;  /* of the whole block */
	uint32_t number; /* of the segment */
	struct span wrapped, sealed;
};

struct kvault_opened {
	struct peer_exchange public;
	uint8_t private[KVAULT_SECRETS];
};

struct kvault_answer {
	struct kvault_segment segment;
	struct peer_exchange public;
};

struct kvault_finish {
	struct kvault_segment segment;
	struct peer_exchange public;
	struct peer_exchange_answer answer;
	uint8_t private[KVAULT_SECRETS];
};

/* The answer to KVAULT_EXCHANGE_ANSWER (with the public part before it) and to KVAULT_EXCHANGE_FINISH. */
struct kvault_agreed {
	uint8_t secrets[KVAULT_SECRETS];
	uint8_t transcript[PEER_DIGEST];
	uint8_t proof[PEER_DIGEST]; /* the initiator's */
};

struct kvault_answered {
	struct peer_exchange_answer answer;
	struct kvault_agreed agreed;
};

/* A run of keys out of one segment. */
struct kvault_run {
	struct kvault_segment segment;
	uint8_t exchange_id[PEER_ID];
	struct span secrets;
	size_t count;
	struct {
		uint32_t slot;
		uint16_t size_bits;
	} keys[KMS_KEYS_MAX];
};

void kvault_named_encode(struct writer *w, const struct kvault_named *m);
MUST_USE struct err kvault_named_decode(
	struct kvault_named *m, struct span body, struct wire_fault *fault);
void kvault_block_encode(struct writer *w, const struct kvault_block *m);
MUST_USE struct err kvault_block_decode(
	struct kvault_block *m, struct span body, struct wire_fault *fault);
void kvault_segments_encode(struct writer *w, const struct kvault_segments *m);
MUST_USE struct err kvault_segments_decode(
	struct kvault_segments *m, struct span body, struct wire_fault *fault);
void kvault_opened_encode(struct writer *w, const struct kvault_opened *m);
MUST_USE struct err kvault_opened_decode(
	struct kvault_opened *m, struct span body, struct wire_fault *fault);
void kvault_answer_encode(struct writer *w, const struct kvault_answer *m);
MUST_USE struct err kvault_answer_decode(
	struct kvault_answer *m, struct span body, struct wire_fault *fault);
void kvault_answered_encode(struct writer *w, const struct kvault_answered *m);
MUST_USE struct err kvault_answered_decode(
	struct kvault_answered *m, struct span body, struct wire_fault *fault);
void kvault_finish_encode(struct writer *w, const struct kvault_finish *m);
MUST_USE struct err kvault_finish_decode(
	struct kvault_finish *m, struct span body, struct wire_fault *fault);
void kvault_agreed_encode(struct writer *w, const struct kvault_agreed *m);
MUST_USE struct err kvault_agreed_decode(
	struct kvault_agreed *m, struct span body, struct wire_fault *fault);

/* KVAULT_COMBINE is runs to the end of the body; together at most KMS_KEYS_MAX keys, which the vault checks. */
void kvault_run_write(struct writer *w, const struct kvault_run *run);
void kvault_run_read(struct reader *r, struct kvault_run *run);
