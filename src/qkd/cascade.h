// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade [Brassard, Salvail, Eurocrypt '93; Martinez-Mateo, Pacher, Peev, Ciurana, Martin, arXiv:1407.3257], made for many frames
 * at once. The mode `reconciler_cascade` of reconciler.h.
 *
 * A key is cut in frames of up to 65536 bits (cascade_shape.h); frames are worked on in batches: one question carries what all frames
 * of a batch want to know next, so a round trip serves all of them, and several batches are on their way at once. Bob's
 * work on a frame is cascade_frame.h; the parities of both ends come from tables made once a pass (cascade_table.h), so Alice's is a
 * bit test a parity.
 *
 * Permutations are drawn anew for each batch, the random subsets of the last comparison for each key, from the key's public seed.
 * A frame whose ends still differ after all passes is seen by the subsets but for 2^-12 of the cases, and verification sees that.
 *
 * The account: each parity that Alice answers is leak, at both ends alike. So is one bit for each that Bob got: his next
 * question, or its absence, tells how it compared with his, and all that he says is determined by these bits
 * [Tupkary, Lütkenhaus, arXiv:2307.00576]. The implied last parity of a pass is not sent and costs nothing.
 *
 * Bounds: of what a peer may ask of a frame, cascade_parities_max(); of rounds, CASCADE_ROUNDS_MAX; of memory, cascade_octets().
 */
#include "reconciler.h"

enum { CASCADE_BATCH_FRAMES = 16 };

/* Secret memory that the mode takes at open. */
size_t cascade_octets(const struct reconcile_settings *settings);
