// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blocks over time as a picture (SVG): error rate above, rate of secret bits below, one colour a site and link.
 *
 * Error rate, in percent. Discs: the key's basis, as error correction found it, of every block that was not aborted. Rings: the
 * test basis, of every block that revealed bits.
 * Secret bits a second. A block's bits (final without refill) over the time since the block with key before
 * it, of the same site and link, drawn as a step over that time. So the first block of a series has none, an
 * aborted block lowers the step it lies in, and bits of blocks of the same millisecond add up. Pending and void blocks count as no key.
 * Aborted and void blocks are dashed lines through both, numbered; the numbers' reasons stand at the right.
 */
#include "qkd_history.h"
#include <stdio.h>

/* After history_end(), of at least one block. */
void history_draw(FILE *out, const struct history *h);
