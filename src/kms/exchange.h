// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The exchange that makes a block hybrid: ML-KEM-768 and X25519 between the two vaults, once a block, through
 * their stores and the TLS between the sites. It is three messages and no I/O:
 *
 *   initiator (the site whose name sorts first)        responder
 *   exchange_open    -- block, exchange id, sites, public keys -->
 *                                                      exchange_answer
 *                    <-- ciphertext, public key, proof of the responder --
 *   exchange_finish  -- proof of the initiator -->     compares with the proof it expects
 *
 * The transcript is SHA-256 over both messages without proofs. A proof is HMAC over the transcript under a key that needs
 * the block's slot 0 and both agreed secrets: only who holds the quantum key can take part,
 * whatever became of TLS and its certificates; and equal proofs mean equal secrets at both ends.
 * Each message is a public value; what must stay secret is in struct exchange_private and
 * struct exchange_secrets, which are octets alone, so that a vault can seal them as they stand.
 */
#include "base/env.h"
#include "codec/peer_msg.h"

struct exchange_private {
	uint8_t seed[64], scalar[32];
};

struct exchange_secrets {
	uint8_t mlkem[32], x25519[32];
	uint8_t transcript[PEER_DIGEST]; /* not secret; kept with what it belongs to */
};

/* `message` comes with block_id, initiator and responder filled in. */
MUST_USE struct err exchange_open(const struct entropy *entropy, struct peer_exchange *message,
	struct exchange_private *private);

/* `slot0`: the block's first slot. `initiator_proof`: what the third message must carry. */
MUST_USE struct err exchange_answer(const struct entropy *entropy,
	const struct peer_exchange *message, struct span slot0, struct peer_exchange_answer *answer,
	struct exchange_secrets *secrets, uint8_t initiator_proof[static PEER_DIGEST]);

/* ERR_AUTH where the responder's proof is wrong; then nothing of `secrets` may be used. */
MUST_USE struct err exchange_finish(const struct peer_exchange *message,
	const struct peer_exchange_answer *answer, const struct exchange_private *private,
	struct span slot0, struct exchange_secrets *secrets,
	uint8_t initiator_proof[static PEER_DIGEST]);
