// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Hybrid combination: one key out of independent secrets, unpredictable as long as one of them is.
 *
 *   key = HKDF-SHA-512( secret = for each source: number (u8), length (u16), octets
 *                       salt   = (none)
 *                       info   = "merlon hybrid key 1", both sites (u8 length, name; the one that sorts
 *                                first first), key id, transcript hash of the exchange,
 *                                numbers of the sources (u8 count, u8 each), size in bits (u32) )
 *
 * Length prefixes keep the sources apart [NIST SP 800-56C r2 §2 leaves concatenation to the caller]. The
 * context binds the key to who, which, and out of which exchange, so no two keys share one output.
 */
#include "codec/peer_msg.h"

enum combine_source { SOURCE_QKD = 1, SOURCE_MLKEM768 = 2, SOURCE_X25519 = 3 };

struct combine_context {
	const struct kms_name *site, *other; /* in any order */
	struct kms_key_id id;
	uint8_t transcript[PEER_DIGEST];
};

struct combine_secrets {
	struct span qkd, mlkem, x25519; /* SLOT_OCTETS each */
};

MUST_USE struct err key_combine(const struct combine_context *context,
	const struct combine_secrets *secrets, struct span_mut key);
