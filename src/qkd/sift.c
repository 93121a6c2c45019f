// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "sift.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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
	const uint32_t octets = (count + 3) / 4;

	/* Four at a time: the basis stays, the bit stays where the basis is set. */
	for (uint32_t i = 0; i < octets; i++) {
		const uint8_t four = codes[from / 4 + i], basis = four & 0x55;
		items[i] = (uint8_t)(basis | (four & basis << 1));
	}
	if (count % 4 != 0)
		items[octets - 1] &= (uint8_t)((1u << count % 4 * 2) - 1);
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

static void answer_portable(const uint8_t *codes, const uint8_t *measured, uint32_t from,
	uint32_t count, uint8_t *items, struct sift_key *k, struct qkd_counts *counts)
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

/* Bob: detections from + [0, count), answered by `items`. False: some answer cannot be. */
static bool finish_portable(const uint8_t *codes, uint32_t from, const uint8_t *items,
	uint32_t count, struct sift_key *k, struct qkd_counts *counts)
{
	_Alignas(64) uint8_t table[SIFT_TABLE];
	struct tally tally = {0};
	struct sift_key local = *k; /* in registers */
	uint8_t seen = 0;

	finish_table(table);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t mine = sift_code_at(codes, 2, from + i);
		const uint8_t item = sift_code_at(items, 4, i);
		const uint8_t code = table[item << 2 | mine];
		seen |= code;
		/* His bit in the key basis is no part of the index. */
		tally.of[code & 15][mine & 1 ? mine : 0]++;
		append(&local, code);
	}
	*k = local;
	if (seen & IMPOSSIBLE)
		return false;
	tally_add(&tally, counts);
	return true;
}

/* ---- 64 detections at a time ---- */

#if defined(__x86_64__)
#define BMI2 __attribute__((target("bmi2,popcnt")))

/* Bits of 64 detections, by meaning. */
struct planes {
	uint64_t at[4];
};

BMI2 static inline struct planes planes_of(const uint8_t *codes, unsigned bits)
{
	const uint64_t every = bits == 4 ? 0x1111111111111111u : 0x5555555555555555u;
	struct planes p = {{0}};

	for (unsigned w = 0; w < bits; w++) {
		uint64_t word;
		memcpy(&word, codes + 8 * w, 8);
		for (unsigned b = 0; b < bits; b++)
			p.at[b] |= _pext_u64(word, every << b) << w * (64 / bits);
	}
	return p;
}

BMI2 static inline void nibbles_write(uint8_t *items, const struct planes *p)
{
	for (unsigned w = 0; w < 4; w++) {
		uint64_t word = 0;
		for (unsigned b = 0; b < 3; b++)
			word |= _pdep_u64(p->at[b] >> 16 * w, (uint64_t)0x1111111111111111u << b);
		memcpy(items + 8 * w, &word, 8);
	}
}

/* Appends the lowest `count` bits of each of three streams. */
BMI2 static inline void squeeze(
	struct sift_key *k, uint64_t kept, uint64_t bit, uint64_t low, uint64_t high)
{
	const uint32_t used = k->key.bits % 64, count = (uint32_t)_mm_popcnt_u64(kept);
	const uint64_t b = _pext_u64(bit, kept), p0 = _pext_u64(low, kept),
		       p1 = _pext_u64(high, kept);

	k->word |= b << used;
	k->plane_word[0] |= p0 << used;
	k->plane_word[1] |= p1 << used;
	k->key.bits += count;
	if (used + count < 64)
		return;
	const size_t at = k->key.bits / 64 - 1;
	const uint32_t told = 64 - used;
	k->key.words[at] = k->word;
	if (k->plane[0] != NULL) {
		k->plane[0][at] = k->plane_word[0];
		k->plane[1][at] = k->plane_word[1];
	}
	k->word = told == 64 ? 0 : b >> told;
	k->plane_word[0] = told == 64 ? 0 : p0 >> told;
	k->plane_word[1] = told == 64 ? 0 : p1 >> told;
}

/* By intensity: low and high are its bits. */
BMI2 static inline void count_in(
	uint32_t n[QKD_INTENSITIES], uint64_t of, uint64_t low, uint64_t high)
{
	n[0] += (uint32_t)_mm_popcnt_u64(of & ~low & ~high);
	n[1] += (uint32_t)_mm_popcnt_u64(of & low & ~high);
	n[2] += (uint32_t)_mm_popcnt_u64(of & high);
}

BMI2 static void answer_bmi2(const uint8_t *codes, const uint8_t *measured, uint32_t from,
	uint32_t count, uint8_t *items, struct sift_key *k, struct qkd_counts *counts)
{
	struct sift_key local = *k;

	for (uint32_t i = 0; i < count; i += 64) {
		const struct planes sent = planes_of(codes + (from + i) / 2, 4);
		const struct planes m = planes_of(measured + (from + i) / 4, 2);
		const uint64_t bit = sent.at[0], test = sent.at[1], low = sent.at[2],
			       high = sent.at[3];
		const uint64_t kept = ~(test ^ m.at[0]) & ~(low & high);
		const uint64_t in_key = kept & ~test, in_test = kept & test;
		const struct planes item = {{kept & ~low, kept & (low | high), in_test & bit}};
		nibbles_write(items + i / 2, &item);
		squeeze(&local, in_key, bit, low, high);
		count_in(counts->key, in_key, low, high);
		count_in(counts->test, in_test, low, high);
		count_in(counts->test_errors, in_test & (bit ^ m.at[1]), low, high);
	}
	*k = local;
}

BMI2 static bool finish_bmi2(const uint8_t *codes, uint32_t from, const uint8_t *items,
	uint32_t count, struct sift_key *k, struct qkd_counts *counts)
{
	struct sift_key local = *k;
	uint64_t impossible = 0;

	for (uint32_t i = 0; i < count; i += 64) {
		const struct planes item = planes_of(items + i / 2, 4);
		const struct planes mine = planes_of(codes + (from + i) / 4, 2);
		const uint64_t kept = item.at[0] | item.at[1], test = mine.at[0];
		/* One more than the intensity: 1 is 0, 2 is 1, 3 is 2. */
		const uint64_t low = item.at[1] & ~item.at[0], high = item.at[1] & item.at[0];
		const uint64_t in_key = kept & ~test, in_test = kept & test;
		impossible |= item.at[3] | (item.at[2] & ~in_test);
		squeeze(&local, in_key, mine.at[1], low, high);
		count_in(counts->key, in_key, low, high);
		count_in(counts->test, in_test, low, high);
		count_in(counts->test_errors, in_test & (item.at[2] ^ mine.at[1]), low, high);
	}
	*k = local;
	return impossible == 0;
}
#endif

enum sift_path sift_best(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") ? SIFT_BMI2
										  : SIFT_PORTABLE;
#else
	return SIFT_PORTABLE;
#endif
}

void sift_answer(enum sift_path path, const uint8_t *codes, const uint8_t *measured, uint32_t from,
	uint32_t count, uint8_t *items, struct sift_key *k, struct qkd_counts *counts)
{
	uint32_t whole = 0;

#if defined(__x86_64__)
	if (path == SIFT_BMI2) {
		whole = count / 64 * 64;
		answer_bmi2(codes, measured, from, whole, items, k, counts);
	}
#endif
	(void)path;
	answer_portable(codes, measured, from + whole, count - whole, items + whole / 2, k, counts);
}

enum qkd_abort sift_finish(enum sift_path path, const uint8_t *codes, uint32_t from,
	const struct link_message *answer, struct sift_key *k, struct qkd_counts *counts)
{
	const uint8_t *items = answer->items.at;
	uint32_t whole = 0;
	bool is_good = true;

#if defined(__x86_64__)
	if (path == SIFT_BMI2) {
		whole = answer->count / 64 * 64;
		is_good = finish_bmi2(codes, from, items, whole, k, counts);
	}
#endif
	(void)path;
	is_good = finish_portable(codes, from + whole, items + whole / 2, answer->count - whole, k,
			  counts) &&
		  is_good;
	return is_good ? QKD_GOES_ON : QKD_PROTOCOL;
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
