// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The permutation Keccak-f[1600] [FIPS 202 §3], for TUAK alone: libcrypto has SHA-3, but not the bare
 * permutation. Words, rotations by constants and no table: constant time by construction.
 */
#include <stdint.h>

enum { KECCAK_LANES = 25, KECCAK_OCTETS = 8 * KECCAK_LANES };

/* Lane x + 5 y; a lane's first octet is its lowest. */
void keccak_f1600(uint64_t lanes[static KECCAK_LANES]);
