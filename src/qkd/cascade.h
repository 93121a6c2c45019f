// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Cascade [Brassard, Salvail, Eurocrypt '93; Martinez-Mateo, Pacher, Peev, Ciurana, Martin, arXiv:1407.3257], made for many frames
 * at once. The mode `reconciler_cascade` of reconciler.h.
 *
 * A key is cut in frames of up to 65536 bits (cascade_shape.h). Frames sit in lanes of up to sixteen: one question carries what all frames of a
 * lane want to know next, so a round trip serves all of them, and several lanes are on their way at once. A frame that is done gives its seat
 * to the next of the key, so that every message is full until the key ends. Bob's work on a frame is cascade_frame.h,
 * Alice's cascade_alice.h; both work on whole rows of parities where they can (cascade_table.h).
 *
 * Permutations are drawn anew for each frame, the random subsets of the last comparison for each key, from the key's public seed.
 * A frame whose ends still differ after all passes is seen by the subsets but for 2^-20 of the cases, and verification sees that.
 *
 * The account: each parity that Alice answers is leak, at both ends alike. So is one bit for each that Bob got: his next
 * question, or its absence, tells how it compared with his, and all that he says is determined by these bits
 * [Tupkary, Lütkenhaus, arXiv:2307.00576]. The implied last parity of a pass is not sent and costs nothing.
 *
 * Bounds: of what a peer may ask of a frame, cascade_parities_max(); of rounds, CASCADE_ROUNDS_MAX; of memory, cascade_octets().
 */
#include "cascade_table.h"
#include "reconciler.h"

enum { CASCADE_LANE_FRAMES = 16 };

/* Secret memory that the mode takes at open. */
size_t cascade_octets(const struct reconcile_settings *settings);
/* The mode's open, by a chosen path that this processor has: for tests and measurements. */
MUST_USE struct err cascade_open_by(
	enum cascade_path path, struct reconcile **out, const struct reconcile_settings *settings);
