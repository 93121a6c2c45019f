// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The state blob of one end of a quantum link, as the key store keeps it: hash keys and pads of both directions, and
 * the pads that a pending block will add once it is final. It is all secret; whoever holds it
 * decoded keeps it in a `struct secret`. What pads are for and how they are used up: qkd/pads.h.
 */
#include "codec/qkd_msg.h"

enum {
	PAD_OCTETS = 16,
	PADS_MAX = 256,
	PADS_REFILL_MAX = 64,
	PADS_BLOB_MAX = 12 << 10,
	PADS_VERSION = 1
};
enum {
	BOOTSTRAP_OCTETS_MIN = 2 * PAD_OCTETS + 2 * 16 * PAD_OCTETS,
	BOOTSTRAP_OCTETS_MAX = 2 * PAD_OCTETS + 2 * 96 * PAD_OCTETS,
};

/* Pads number first … first + count - 1 of one direction. Used ones below the mark may still be there. */
struct pad_pool {
	uint8_t hash_key[PAD_OCTETS];
	uint64_t first;
	uint16_t count;
	uint8_t pads[PADS_MAX][PAD_OCTETS];
};

struct pads {
	struct pad_pool send, accept;
	uint16_t refill; /* pads that `refill_block` adds to each pool; 0: none waits */
	uint8_t refill_block[QKD_BLOCK_ID];
	uint8_t refill_send[PADS_REFILL_MAX][PAD_OCTETS],
		refill_accept[PADS_REFILL_MAX][PAD_OCTETS];
};

MUST_USE struct err pads_decode(struct span blob, struct pads *pads, struct wire_fault *fault);
void pads_encode(struct writer *w, const struct pads *pads);

/*
 * Bootstrap secret, the pools' first content: hash key A->B, hash key B->A, then pads A->B and pads B->A, half of the rest
 * each. Both ends have the same octets, used once in the life of the link. ERR_INPUT for other lengths.
 */
MUST_USE struct err pads_from_bootstrap(struct pads *pads, bool is_alice, struct span secret);
