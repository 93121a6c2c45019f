// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade: Alice's side of one frame. She has the parities of the passes that have begun and answers whatever is asked of them; each part is
 * checked: that the pass has begun, that there is such a node, and that the frame has not cost more than a frame may.
 */
#include "cascade_frame.h"

struct cascade_alice {
	uint32_t passes_begun;
	uint64_t parities;
	struct cascade_permutation permutation;
	struct cascade_rows rows[CASCADE_PASSES]; /* the first pass' leaves are the frame's bits */
	struct cascade_group_rows groups[CASCADE_PASSES];
};

/* Where the bits of the frame go, before cascade_alice_begin(). */
static inline uint64_t *cascade_alice_bits(struct cascade_alice *f, const struct cascade_common *c)
{
	return f->rows[0].at + (size_t)CASCADE_NODES * c->shape.words;
}

void cascade_alice_begin(
	struct cascade_alice *f, const struct cascade_common *c, uint64_t permutation_seed);
/* False: nobody fair asks so. CASCADE_DONE is not for this function. */
MUST_USE bool cascade_alice_answer(struct cascade_alice *f, const struct cascade_common *c,
	const struct cascade_part *part, struct writer *w);
