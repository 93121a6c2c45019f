// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Third stage: Cascade [Brassard, Salvail 1993; Martinez-Mateo et al. arXiv:1407.3257]. Bob makes his bits equal to Alice's by asking
 * for parities of ranges of permuted keys.
 *
 * Pass 1 cuts the key, in its own order, into blocks of about 1/QBER bits; each later pass permutes it anew and uses larger
 * blocks. Where a block's parities differ, it holds an odd number of errors, and halving finds one of them. A corrected bit
 * lies in one block of each pass begun, and turns their parities: blocks that looked right become odd
 * and are searched in turn (the cascade). Always the earliest pass that has odd blocks is searched, all its
 * odd blocks at once: one message asks half a parity for each, so rounds count by depth, not by errors.
 *
 * Alice only answers; she knows nothing of Bob's bits. All that she answers is leak, and both ends count it alike.
 * Permutations come from a seed in the clear: they need not be secret, only fresh.
 */
#include "codec/qkd_link.h"
#include "sift.h"

enum { RECONCILE_PASSES = 10, RECONCILE_SEARCHES_MAX = LINK_RANGES_MAX };

/* One pass: where position i of the permuted key comes from. Pass 0 is the key itself. */
struct reconcile_pass {
	uint32_t block_bits, block_count;
	uint32_t *from;  /* key_limit numbers; NULL in pass 0 */
	uint32_t *to;    /* the inverse: Bob alone */
	uint8_t *is_odd; /* by block, Bob alone: the ends' parities differ */
	uint32_t odd_count;
};

struct reconcile_search {
	uint32_t start, len; /* holds an odd number of errors */
};

struct reconcile {
	struct key_bits *key;
	uint32_t key_limit;
	bool is_bob;
	uint32_t pass_count; /* begun */
	struct reconcile_pass passes[RECONCILE_PASSES];
	uint64_t parities;
	/* Bob */
	double qber; /* expected */
	uint32_t corrected;
	bool is_top_asked; /* the parities of a whole pass are on their way */
	uint32_t search_pass;
	uint32_t search_count; /* ranges under search, all of one pass */
	struct reconcile_search *searches;
};

/* Takes all memory that blocks of up to `key_limit` bits need. */
MUST_USE struct err reconcile_open(struct reconcile *r, uint32_t key_limit, bool is_bob);
void reconcile_close(struct reconcile *r);
void reconcile_begin(struct reconcile *r, struct key_bits *key, double qber);

/* Alice: answers LINK_PASS or LINK_RANGES with the bits of LINK_PARITIES in `bits`. */
enum qkd_abort reconcile_answer(struct reconcile *r, uint16_t type,
	const struct link_message *asked, struct span_mut bits, uint32_t *count);

/*
 * Bob: the next question. *type is LINK_PASS (fill of m: all but the permutation, which the caller drew), LINK_RANGES (items
 * are written to `items`), or LINK_CORRECTED when there is nothing left to ask.
 */
void reconcile_ask(struct reconcile *r, uint64_t permutation, uint16_t *type,
	struct link_message *m, struct writer *items);
/* Bob: takes LINK_PARITIES. QKD_PROTOCOL when it is not the answer to the last question. */
enum qkd_abort reconcile_learn(struct reconcile *r, const struct link_message *parities);
