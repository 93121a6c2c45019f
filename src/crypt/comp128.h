// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * COMP128 versions 2 and 3: A3 and A8 of old SIM cards in one. The GSM Association never published
 * them; they have been public since 2013. They are here so that cards in the field can be served
 * until they are replaced, and for nothing else: version 2 leaves 10 bits of Kc zero, both are
 * without mutual authentication. Version 1 is not here at all: its compression collides at the
 * second level, and K can be had from the card, over the air too, by some ten thousand challenges.
 *
 * Its tables are read whole for each look-up, so that no address depends on a secret:
 * test_ct_comp128.c shows it. That costs microseconds.
 */
#include <stdint.h>

enum { COMP128_KEY = 16, COMP128_RAND = 16, COMP128_SRES = 4, COMP128_KC = 8 };

void comp128_v2(const uint8_t k[static COMP128_KEY], const uint8_t rand[static COMP128_RAND],
	uint8_t sres[static COMP128_SRES], uint8_t kc[static COMP128_KC]);
void comp128_v3(const uint8_t k[static COMP128_KEY], const uint8_t rand[static COMP128_RAND],
	uint8_t sres[static COMP128_SRES], uint8_t kc[static COMP128_KC]);
