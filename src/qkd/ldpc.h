// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Syndrome coding with rate-adaptive quasi-cyclic LDPC codes: the mode `reconciler_ldpc` of reconciler.h.
 *
 * A key is cut in frames of up to 2^20 bits, all alike, under one code (ldpc_code.h), which both ends make from the key's length and the
 * expected error rate. Bob asks for the first syndrome of a frame and decodes (ldpc_decode.h). Where that does not come right he asks
 * for first halves of rows, in their fixed order, a few more each time, and decodes again: blind reconciliation [Martinez-Mateo, Elkouss,
 * Martin, arXiv:1205.5729], with no error rate known beforehand but as a hint. Not the symmetric kind [Kiktenko et al., arXiv:1612.03673],
 * where Bob names the bits that he is least sure of: it needs fewer bits of Alice's, but what he names depends on the key's errors and
 * is leak here (reconciler.h), more than it saves.
 *
 * A frame takes one round trip or a few, and what is told of it is Alice's syndrome, once, and a bit a question. Cascade
 * computes far less, but its parities are told by both ends, and it takes some hundred rounds.
 *
 * The account: each bit of a syndrome that Alice says, of checks without a bit of the key as well; and a bit for each question answered: whether
 * another one follows. Bounds: a frame's units are answered once, in order: at most 2 * rows * lifts * 64 bits; LDPC_SLOTS frames are
 * worked on at once.
 */
#include "ldpc_rows.h"
#include "reconciler.h"

enum {
	LDPC_SLOTS = 4,
	LDPC_KEY_BITS_MIN =
		32768, /* of a shorter key nothing would be saved: begin answers ERR_INPUT */
};

/* How a key is cut: frames of so many words, their code's columns and lifts. */
struct ldpc_cut {
	uint32_t frames, frame_words, columns, lifts;
};

struct ldpc_cut ldpc_cut_of(uint32_t key_bits);

/* Whether begin takes such a key; whether this processor has a path for it besides the portable one. */
bool ldpc_can_do(uint32_t key_bits, double qber);
bool ldpc_is_fast(void);

/* Secret memory that the mode takes at open. */
size_t ldpc_octets(const struct reconcile_settings *settings);
/* The mode's open, by a chosen path that this processor has: for tests and measurements. */
MUST_USE struct err ldpc_open_by(
	enum ldpc_path path, struct reconcile **out, const struct reconcile_settings *settings);
