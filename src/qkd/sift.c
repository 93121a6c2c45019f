// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "sift.h"

/* What a detection comes to. The low four bits are the item of LINK_SIFTED. */
enum { IN_KEY = 16, KEY_BIT = 32, IMPOSSIBLE = 64 };

void sift_begin(struct sift_key *k, struct qkd_counts *counts)
{
	k->key.bits = 0;
	k->word = k->plane_word[0] = k->plane_word[1] = 0;
	*counts = (struct qkd_counts){0};
}

/* Adds the bit where `code` has IN_KEY; no branch but at the end of a word. */
static inline void append(struct sift_key *k, uint8_t code)
{
	const uint64_t is_in = code / IN_KEY & 1;
	const uint32_t used = k->key.bits % 64;
	const uint64_t intensity = (code & 3) - is_in;

	k->word |= (code / KEY_BIT & is_in) << used;
	k->plane_word[0] |= (intensity & is_in) << used;
	k->plane_word[1] |= (intensity >> 1 & is_in) << used;
	k->key.bits += (uint32_t)is_in;
	if (used + is_in < 64)
		return;
	const size_t at = k->key.bits / 64 - 1;
	k->key.words[at] = k->word;
	if (k->plane[0] != NULL) {
		k->plane[0][at] = k->plane_word[0];
		k->plane[1][at] = k->plane_word[1];
	}
	k->word = k->plane_word[0] = k->plane_word[1] = 0;
}

void sift_end(struct sift_key *k)
{
	const size_t at = k->key.bits / 64;

	if (k->key.bits % 64 == 0)
		return;
	k->key.words[at] = k->word;
	if (k->plane[0] != NULL) {
		k->plane[0][at] = k->plane_word[0];
		k->plane[1][at] = k->plane_word[1];
	}
}

/* By item and by what Bob measured: in the test basis all of it is public, in the key basis no bit is part of it. */
struct tally {
	uint32_t of[16][4];
};

static void tally_add(const struct tally *t, struct qkd_counts *counts)
{
	for (uint8_t item = 0; item < 8; item++)
		for (uint8_t measured = 0; measured < 4; measured++) {
			const uint32_t n = t->of[item][measured];
			const size_t k = (size_t)(item & 3) - 1;
			if ((item & 3) == 0)
				continue;
			if (!(measured & 1)) {
				counts->key[k] += n;
				continue;
			}
			counts->test[k] += n;
			counts->test_errors[k] += (item >> 2 & 1) != measured >> 1 ? n : 0;
		}
}

void sift_measured(const uint8_t *codes, uint32_t from, uint32_t count, uint8_t *items)
{
	memset(items, 0, (count + 3) / 4);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t code = sift_code_at(codes, 2, from + i);
		items[i / 4] |=
			(uint8_t)(link_measured_code((struct link_measured){code & 1, code >> 1})
				  << i % 4 * 2);
	}
}

static void answer_table(uint8_t table[static SIFT_TABLE])
{
	for (uint8_t i = 0; i < SIFT_TABLE; i++) {
		const uint8_t sent = i >> 2, bit = sent & 1, is_test = sent >> 1 & 1;
		const uint8_t intensity = sent >> 2, measured = i & 3;
		const bool is_kept = intensity < QKD_INTENSITIES && is_test == (measured & 1);
		table[i] =
			link_sifted_code((struct link_sifted){is_kept, intensity, bit & is_test});
		if (is_kept && !is_test)
			table[i] |= (uint8_t)(IN_KEY | (bit ? KEY_BIT : 0));
	}
}

void sift_answer(const uint8_t *codes, const uint8_t *measured, uint32_t from, uint32_t count,
	uint8_t *items, struct sift_key *k, struct qkd_counts *counts)
{
	_Alignas(64) uint8_t table[SIFT_TABLE];
	struct tally tally = {0};
	struct sift_key local = *k; /* in registers */

	answer_table(table);
	memset(items, 0, (count + 1) / 2);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t sent = sift_code_at(codes, 4, from + i);
		const uint8_t m = sift_code_at(measured, 2, from + i);
		const uint8_t code = table[sent << 2 | m];
		tally.of[code & 15][m]++;
		items[i / 2] |= (uint8_t)((code & 15) << i % 2 * 4);
		append(&local, code);
	}
	*k = local;
	tally_add(&tally, counts);
}

static void finish_table(uint8_t table[static SIFT_TABLE])
{
	for (uint8_t i = 0; i < SIFT_TABLE; i++) {
		const uint8_t item = i >> 2, basis = i & 1, bit = i >> 1 & 1;
		const bool is_kept = (item & 3) != 0, has_bit = item >> 2 & 1;
		table[i] = item;
		if (item > 7 || (has_bit && (!is_kept || basis == 0)))
			table[i] = IMPOSSIBLE;
		else if (is_kept && basis == 0)
			table[i] |= (uint8_t)(IN_KEY | (bit ? KEY_BIT : 0));
	}
}

enum qkd_abort sift_finish(const uint8_t *codes, uint32_t from, const struct link_message *answer,
	struct sift_key *k, struct qkd_counts *counts)
{
	_Alignas(64) uint8_t table[SIFT_TABLE];
	struct tally tally = {0};
	struct sift_key local = *k; /* in registers */
	uint8_t seen = 0;

	finish_table(table);
	for (uint32_t i = 0; i < answer->count; i++) {
		const uint8_t mine = sift_code_at(codes, 2, from + i);
		const uint8_t item = sift_code_at(answer->items.at, 4, i);
		const uint8_t code = table[item << 2 | mine];
		seen |= code;
		/* His bit in the key basis is no part of the index. */
		tally.of[code & 15][mine & 1 ? mine : 0]++;
		append(&local, code);
	}
	*k = local;
	if (seen & IMPOSSIBLE)
		return QKD_PROTOCOL;
	tally_add(&tally, counts);
	return QKD_GOES_ON;
}

void sift_errors(const struct sift_key *k, const uint64_t *before, uint32_t errors[QKD_INTENSITIES])
{
	memset(errors, 0, QKD_INTENSITIES * sizeof errors[0]);
	for (size_t i = 0; i < (k->key.bits + 63) / 64; i++) {
		const uint64_t turned = k->key.words[i] ^ before[i];
		const uint64_t low = k->plane[0][i], high = k->plane[1][i];
		errors[0] += (uint32_t)__builtin_popcountll(turned & ~low & ~high);
		errors[1] += (uint32_t)__builtin_popcountll(turned & low & ~high);
		errors[2] += (uint32_t)__builtin_popcountll(turned & high);
	}
}
