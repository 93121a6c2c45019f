// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * First stage: from detections to X bits.
 *
 * Both ends hold the block's detections in one order. Alice has four bits of each, as in DRIVER_SLOTS: her bit, her basis, the
 * intensity; intensity 3 says that her device lost the slot. Bob has two: his basis (0 X, 1 Z) and his bit. After the last detection
 * Bob tells his bases and, in the test basis, his bits; Alice answers which detections count, their intensity, and in the test basis
 * her bits. What both keep is one X bit a position, in the order of detections, and the same counts.
 *
 * 64 detections at a time become planes of bits, which are compared, counted and squeezed as whole words (BMI2: PEXT, PDEP). Where the
 * processor has not these, one detection is one look into a table of 64 octets, a single line of the cache. Both ways no address
 * depends on a bit of the key.
 */
#include "codec/qkd_link.h"
#include "qkd.h"
#include "reconciler.h"

enum { SIFT_LOST = 0xc, SIFT_TABLE = 64 };

/* Detections of a block, packed: `bits` 4 (Alice) or 2 (Bob) each, lowest first. */
static inline uint8_t sift_code_at(const uint8_t *codes, unsigned bits, size_t i)
{
	const size_t each = 8 / bits;

	return (uint8_t)(codes[i / each] >> i % each * bits & ((1u << bits) - 1));
}

static inline void sift_code_put(uint8_t *codes, unsigned bits, size_t i, uint8_t code)
{
	const size_t each = 8 / bits;
	const unsigned shift = (unsigned)(i % each) * bits;
	const uint8_t mask = (uint8_t)(((1u << bits) - 1) << shift);

	codes[i / each] = (uint8_t)((codes[i / each] & ~mask) | code << shift);
}

/* The word of codes that number `i` belongs to, as far as it lies before `i`: to be filled from there, and put back. Codes have room for whole words. */
static inline uint64_t sift_word_at(const uint8_t *codes, unsigned bits, size_t i)
{
	uint64_t word;

	memcpy(&word, codes + i * bits / 64 * 8, sizeof word);
	return word & (((uint64_t)1 << i * bits % 64) - 1);
}

static inline void sift_word_put(uint8_t *codes, unsigned bits, size_t i, uint64_t word)
{
	memcpy(codes + i * bits / 64 * 8, &word, sizeof word);
}

/* A key that grows. Intensities of its bits are kept as two planes where Bob wants them for key_errors. */
struct sift_key {
	struct key_words key;
	uint64_t *plane[2]; /* NULL: not kept */
	uint64_t word, plane_word[2];
	uint32_t bits_max;
};

void sift_begin(struct sift_key *k, struct qkd_counts *counts);
/* Writes what is left in the last word. */
void sift_end(struct sift_key *k);

enum sift_path { SIFT_PORTABLE, SIFT_BMI2 };
enum sift_path sift_best(void); /* of this processor */

/* Bob: the items of LINK_MEASURED for detections [from, from + count); from is a multiple of 4. */
void sift_measured(const uint8_t *codes, uint32_t from, uint32_t count, uint8_t *items);
/* Alice: what Bob measured of detections [from, from + count) against hers; writes the items of LINK_SIFTED. from is a multiple of 4. */
void sift_answer(enum sift_path path, const uint8_t *codes, const uint8_t *measured, uint32_t from,
	uint32_t count, uint8_t *items, struct sift_key *k, struct qkd_counts *counts);
/*
 * Bob: Alice's answer for detections from `from` on. QKD_PROTOCOL where it says of a detection what cannot be (a bit
 * of hers in the key basis).
 */
enum qkd_abort sift_finish(enum sift_path path, const uint8_t *codes, uint32_t from,
	const struct link_message *answer, struct sift_key *k, struct qkd_counts *counts);

/* Bits that differ between two states of Bob's key, by intensity: m_{X,k}. */
void sift_errors(
	const struct sift_key *k, const uint64_t *before, uint32_t errors[QKD_INTENSITIES]);
