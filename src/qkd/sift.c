// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "sift.h"

void sift_announce(const struct sift_detections *detections, struct writer *items)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < detections->count; i++) {
		const struct sift_detection *d = &detections->items[i];
		link_detection_put(items, (struct link_detection){.gap = d->slot - before,
						  .is_test_basis = d->basis == 1,
						  .test_bit = d->basis == 1 ? d->bit : 0});
		before = d->slot;
	}
}

static bool key_append(struct key_bits *key, uint8_t bit)
{
	if (key->count == key->limit)
		return false;
	key->bits[key->count++] = bit;
	return true;
}

static void count_test(struct qkd_counts *counts, uint8_t intensity, uint8_t a, uint8_t b)
{
	counts->test[intensity]++;
	counts->test_errors[intensity] += a ^ b;
}

static uint8_t nibble_at(const struct sift_log *log, uint32_t slot)
{
	return log->nibbles[slot / 2] >> slot % 2 * 4 & 15;
}

/* One detection, against what Alice sent in that slot. False: her key is full. */
static bool answer_one(const struct sift_log *log, uint32_t slot, struct link_detection d,
	struct link_sifted *answer, struct key_bits *key, struct qkd_counts *counts)
{
	const uint8_t sent = nibble_at(log, slot), bit = sent & 1;
	const bool is_test = sent >> 1 & 1;
	const uint8_t intensity = sent >> 2;

	*answer = (struct link_sifted){0};
	if (intensity >= QKD_INTENSITIES || is_test != d.is_test_basis)
		return true;
	*answer = (struct link_sifted){
		.is_kept = true, .intensity = intensity, .test_bit = is_test ? bit : 0};
	if (is_test) {
		count_test(counts, intensity, bit, d.test_bit);
		return true;
	}
	counts->key[intensity]++;
	return key_append(key, bit);
}

enum qkd_abort sift_answer(const struct sift_log *log, const struct link_message *announced,
	struct writer *items, struct key_bits *key, struct qkd_counts *counts)
{
	uint64_t slot = 0;

	key->count = 0;
	*counts = (struct qkd_counts){0};
	for (uint32_t i = 0; i < announced->count; i++) {
		const struct link_detection d = link_detection_at(announced, i);
		struct link_sifted answer;
		slot += d.gap;
		/* A slot named twice would put one bit of hers into the key twice. */
		if ((i > 0 && d.gap == 0) || slot >= log->slot_count)
			return QKD_PROTOCOL;
		if (!answer_one(log, (uint32_t)slot, d, &answer, key, counts))
			return QKD_PROTOCOL;
		link_sifted_put(items, answer);
	}
	return QKD_GOES_ON;
}

enum qkd_abort sift_finish(const struct sift_detections *detections,
	const struct link_message *answer, struct key_bits *key, struct qkd_counts *counts)
{
	key->count = 0;
	*counts = (struct qkd_counts){0};
	if (answer->count != detections->count)
		return QKD_PROTOCOL;
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct link_sifted s = link_sifted_at(answer, i);
		const struct sift_detection *d = &detections->items[i];
		if (!s.is_kept)
			continue;
		if (d->basis == 1) {
			count_test(counts, s.intensity, s.test_bit, d->bit);
			continue;
		}
		counts->key[s.intensity]++;
		if (!key_append(key, d->bit))
			return QKD_PROTOCOL;
	}
	return QKD_GOES_ON;
}
