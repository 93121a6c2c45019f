// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the key stores of two sites say to each other (block PEER), inside mutual TLS between their
 * kms-peer processes. An answer without error means: durable at the site that answers.
 *
 *   PEER_EXCHANGE   public keys of the initiator      -> those of the responder, and its proof
 *   PEER_CONFIRM    the initiator's proof             -> (the block is ready at the responder)
 *   PEER_OFFER      keys that the asker will issue    -> (all of them are reserved at the answerer)
 *   PEER_VOID       keys that the asker will not issue-> (they will never be given out; unknown ones too)
 *   PEER_RECONCILE  blocks that the asker holds ready -> what the answerer knows of each
 *   PEER_LINK       notice of kms-peer to its own store alone: the other site is there, or is not.
 *                   Never passed on from the other site.
 *
 * A key is named by its block and slot: its id follows from them (kms/shelf.h) at both ends.
 */
#include "codec/kms_msg.h"

enum peer_msg_type {
	PEER_EXCHANGE = IPC_BLOCK_PEER | 1,
	PEER_CONFIRM = IPC_BLOCK_PEER | 2,
	PEER_OFFER = IPC_BLOCK_PEER | 3,
	PEER_VOID = IPC_BLOCK_PEER | 4,
	PEER_RECONCILE = IPC_BLOCK_PEER | 5,
	PEER_LINK = IPC_BLOCK_PEER | 6,
};

enum {
	PEER_ID = 16,
	PEER_DIGEST = 32,
	PEER_MLKEM_PUBLIC = 1184,
	PEER_MLKEM_CIPHERTEXT = 1088,
	PEER_X25519 = 32,
	PEER_BLOCKS_MAX = 64, /* of one PEER_RECONCILE */
	PEER_MESSAGE_MAX = 8 << 10,
};

/* Public: what both ends hash into the transcript. */
struct peer_exchange {
	uint8_t block_id[PEER_ID], exchange_id[PEER_ID];
	struct kms_name initiator, responder; /* sites */
	uint8_t mlkem[PEER_MLKEM_PUBLIC], x25519[PEER_X25519];
};

struct peer_exchange_answer {
	uint8_t mlkem[PEER_MLKEM_CIPHERTEXT], x25519[PEER_X25519];
	uint8_t proof[PEER_DIGEST];
};

struct peer_confirm {
	uint8_t block_id[PEER_ID], exchange_id[PEER_ID], proof[PEER_DIGEST];
};

struct peer_slot {
	uint8_t block_id[PEER_ID];
	uint32_t slot;
};

struct peer_offer {
	struct kms_name master;
	size_t slave_count;
	struct kms_name slaves[KMS_SLAVES_MAX];
	uint32_t size_bits;
	size_t count;
	struct peer_slot keys[KMS_KEYS_MAX];
};

struct peer_void {
	size_t count;
	struct peer_slot keys[KMS_KEYS_MAX];
};

struct peer_reconcile {
	size_t count;
	struct {
		uint8_t block_id[PEER_ID], transcript[PEER_DIGEST];
	} blocks[PEER_BLOCKS_MAX];
};

enum peer_verdict { PEER_SAME = 1, PEER_UNKNOWN = 2, PEER_DIFFERENT = 3 };

struct peer_reconciled {
	size_t count; /* as asked, in the same order */
	struct {
		enum peer_verdict verdict;
		uint32_t
			mark; /* no slot of the asker's half from here on is known to the answerer */
	} blocks[PEER_BLOCKS_MAX];
};

void peer_exchange_write(struct writer *w, const struct peer_exchange *m);
void peer_exchange_read(struct reader *r, struct peer_exchange *m);
void peer_exchange_answer_write(struct writer *w, const struct peer_exchange_answer *m);
void peer_exchange_answer_read(struct reader *r, struct peer_exchange_answer *m);

MUST_USE struct err peer_exchange_decode(
	struct peer_exchange *m, struct span body, struct wire_fault *fault);
MUST_USE struct err peer_exchange_answer_decode(
	struct peer_exchange_answer *m, struct span body, struct wire_fault *fault);

void peer_confirm_encode(struct writer *w, const struct peer_confirm *m);
MUST_USE struct err peer_confirm_decode(
	struct peer_confirm *m, struct span body, struct wire_fault *fault);
void peer_offer_encode(struct writer *w, const struct peer_offer *m);
MUST_USE struct err peer_offer_decode(
	struct peer_offer *m, struct span body, struct wire_fault *fault);
void peer_void_encode(struct writer *w, const struct peer_void *m);
MUST_USE struct err peer_void_decode(
	struct peer_void *m, struct span body, struct wire_fault *fault);
void peer_reconcile_encode(struct writer *w, const struct peer_reconcile *m);
MUST_USE struct err peer_reconcile_decode(
	struct peer_reconcile *m, struct span body, struct wire_fault *fault);
void peer_reconciled_encode(struct writer *w, const struct peer_reconciled *m);
MUST_USE struct err peer_reconciled_decode(
	struct peer_reconciled *m, struct span body, struct wire_fault *fault);

/* PEER_LINK: one octet. */
void peer_link_encode(struct writer *w, bool is_up);
MUST_USE struct err peer_link_decode(bool *is_up, struct span body, struct wire_fault *fault);
