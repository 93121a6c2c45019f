// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ldpc_rows.h"
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,popcnt")))
#endif

#define LANES LDPC_LANES

const _Alignas(32) uint8_t ldpc_fine_phi[32] = {255, 255, 255, 255, 255, 255, 255, 195, 139, 100,
	71, 51, 37, 26, 19, 13, 10, 7, 5, 4, 3, 2, 1, 1, 1};
const _Alignas(32) uint8_t ldpc_coarse_phi[32] = {
	255, 144, 91, 62, 43, 31, 22, 16, 11, 8, 6, 4, 3, 2, 2, 1, 1, 1};

const uint8_t ldpc_coarse_limits[LDPC_COARSE_LIMITS] = {198, 112, 74, 51, 36, 25};
const uint8_t ldpc_fine_limits[LDPC_FINE_LIMITS] = {
	230, 164, 117, 84, 60, 43, 31, 22, 15, 11, 8, 5, 4, 3, 2, 1, 1, 0, 0};

const _Alignas(64) uint8_t ldpc_coarse_messages[LDPC_SUMS_IN_TABLE] = {6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
	6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4,
	4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
	3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
const _Alignas(64) uint8_t ldpc_fine_messages[LDPC_SUMS_IN_TABLE] = {19, 17, 15, 14, 13, 12, 11, 11,
	11, 10, 10, 10, 9, 9, 9, 9, 8, 8, 8, 8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6,
	6, 6, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4,
	4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};

#define COARSE_LIMITS LDPC_COARSE_LIMITS
#define FINE_LIMITS LDPC_FINE_LIMITS
/* The first of them lie above what a table of 16 or 128 sums has. */
#define FINE_LIMITS_FROM_16 8
#define FINE_LIMITS_BEYOND 2
#define COARSE_LIMITS_BEYOND 1
_Static_assert(COARSE_LIMITS + FINE_LIMITS == LDPC_MESSAGE_MAX, "a limit for each message");

bool ldpc_can(enum ldpc_path path)
{
#if defined(__x86_64__)
	if (path == LDPC_AVX512)
		return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
		       __builtin_cpu_supports("avx512vbmi");
	if (path == LDPC_AVX2)
		return __builtin_cpu_supports("avx2");
#endif
	return path == LDPC_PORTABLE;
}

enum ldpc_path ldpc_best(void)
{
	enum ldpc_path best = LDPC_AVX512;

	while (!ldpc_can(best))
		best--;
	return best;
}

/* Without a comparison: as many instructions as the rest of an edge's address, where comparisons are made twice (-fharden-compares). */
static inline uint32_t word_of(struct ldpc_edge edge, uint32_t lifts, uint32_t q)
{
	const int32_t over = (int32_t)(q + edge.lift) - (int32_t)lifts;

	return edge.column * lifts + (uint32_t)(over + ((over >> 31) & (int32_t)lifts));
}

/* Where the messages of the check of edges `from` to `end` in lift q begin; edge after edge. */
static inline int8_t *messages_at(const struct ldpc_code *code, const struct ldpc_state *s,
	uint32_t from, uint32_t end, uint32_t q)
{
	return s->messages + ((size_t)from * code->lifts + (size_t)q * (end - from)) * LANES;
}

/* Portable: the same, a lane at a time. */

struct sums {
	uint8_t fine, coarse, least; /* of all but the least */
	bool is_negative;
};

static int saturated(int v)
{
	return v > INT8_MAX ? INT8_MAX : v < INT8_MIN ? INT8_MIN : v;
}

static uint8_t magnitude(int8_t v)
{
	return (uint8_t)(v < 0 ? -v : v);
}

static uint8_t add(uint8_t a, uint8_t b)
{
	return (uint8_t)(a + b > UINT8_MAX ? UINT8_MAX : a + b);
}

static void sum_up(struct sums *s, uint8_t m)
{
	s->fine = add(s->fine, m < 32 ? ldpc_fine_phi[m] : 0);
	s->coarse = add(s->coarse, m < 32 ? ldpc_coarse_phi[m] : 0);
}

static void take(struct sums *s, uint8_t m)
{
	const uint8_t more = m > s->least ? m : s->least;

	s->least = m < s->least ? m : s->least;
	sum_up(s, more);
}

static int8_t message_of(uint8_t fine, uint8_t coarse)
{
	int m = 0;

	for (size_t k = 0; k < COARSE_LIMITS; k++)
		m += coarse <= ldpc_coarse_limits[k];
	for (size_t k = 0; k < FINE_LIMITS; k++)
		m += fine <= ldpc_fine_limits[k];
	return (int8_t)m;
}

static void lane_give(const struct ldpc_code *code, const struct ldpc_state *s, uint32_t from,
	uint32_t end, uint32_t q, uint32_t lane, struct sums sums)
{
	const int8_t to_least = message_of(sums.fine, sums.coarse);
	sum_up(&sums, sums.least);
	const int8_t to_others = message_of(sums.fine, sums.coarse);

	for (uint32_t e = from; e < end; e++) {
		const int8_t ratio = s->ratios[(e - from) * LANES + lane];
		const int8_t m = magnitude(ratio) == sums.least ? to_least : to_others;
		const int8_t signed_m = sums.is_negative != (ratio < 0) ? (int8_t)-m : m;
		int8_t *p =
			s->posteriors +
			(size_t)word_of(code->edges[e], code->lifts, q) * LDPC_POSTERIOR_OCTETS +
			lane;
		p[0] = p[LANES] = (int8_t)saturated(ratio + signed_m);
		messages_at(code, s, from, end, q)[(e - from) * LANES + lane] = signed_m;
	}
}

static uint32_t check_portable(const struct ldpc_code *code, const struct ldpc_state *s,
	uint32_t from, uint32_t end, uint32_t q, uint64_t syndrome)
{
	const int8_t *messages = messages_at(code, s, from, end, q);
	struct sums sums[LANES];
	bool differs[LANES];
	uint32_t different = 0;

	for (uint32_t i = 0; i < LANES; i++) {
		differs[i] = syndrome >> i & 1;
		sums[i] = (struct sums){.least = UINT8_MAX, .is_negative = differs[i]};
	}
	for (uint32_t e = from; e < end; e++) {
		const struct ldpc_edge edge = code->edges[e];
		const uint32_t word = word_of(edge, code->lifts, q);
		const int8_t *p = s->posteriors + (size_t)word * LDPC_POSTERIOR_OCTETS +
				  ((edge.turn - s->turned[word]) & 63);
		const int8_t *m = messages + (size_t)(e - from) * LANES;
		for (uint32_t i = 0; i < LANES; i++) {
			const int8_t ratio = (int8_t)saturated(p[i] - m[i]);
			s->ratios[(e - from) * LANES + i] = ratio;
			differs[i] ^= p[i] < 0;
			sums[i].is_negative ^= ratio < 0;
			take(&sums[i], magnitude(ratio));
		}
		s->turned[word] = edge.turn;
	}
	for (uint32_t i = 0; i < LANES; i++) {
		lane_give(code, s, from, end, q, i, sums[i]);
		different += differs[i];
	}
	return different;
}

#if defined(__x86_64__)
/* Two registers of 32 lanes. */

struct sums2 {
	__m256i fine, coarse, least, sign, parity;
};

AVX2 static inline __m256i look_up(const uint8_t table[static 32], __m256i low, __m256i high)
{
	const __m256i a = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table));
	const __m256i b =
		_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(table + 16)));

	return _mm256_or_si256(_mm256_shuffle_epi8(a, low), _mm256_shuffle_epi8(b, high));
}

/* An index that is not of a table's half gets its top bit set: then the shuffle gives zero. */
AVX2 static inline void more_add(struct sums2 *s, __m256i more)
{
	const __m256i top = _mm256_set1_epi8(0x70);
	const __m256i low = _mm256_adds_epu8(more, top);
	const __m256i high = _mm256_adds_epu8(_mm256_sub_epi8(more, _mm256_set1_epi8(16)), top);

	s->fine = _mm256_adds_epu8(s->fine, look_up(ldpc_fine_phi, low, high));
	s->coarse = _mm256_adds_epu8(s->coarse, look_up(ldpc_coarse_phi, low, high));
}

AVX2 static inline __m256i reached(__m256i messages, __m256i sum, uint8_t limit)
{
	const __m256i l = _mm256_set1_epi8((char)limit);

	return _mm256_sub_epi8(messages, _mm256_cmpeq_epi8(_mm256_min_epu8(sum, l), sum));
}

/* The fine sum's table serves up to 15; the limits above say the rest. */
AVX2 static inline __m256i messages_of(const struct sums2 *s)
{
	const __m256i table =
		_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)ldpc_fine_messages));
	const __m256i most = _mm256_set1_epi8(FINE_LIMITS_FROM_16);
	const __m256i i = _mm256_adds_epu8(s->fine, _mm256_set1_epi8(0x70));
	__m256i m = _mm256_subs_epu8(_mm256_shuffle_epi8(table, i), most);

#pragma GCC unroll 8
	for (size_t k = 0; k < COARSE_LIMITS; k++)
		m = reached(m, s->coarse, ldpc_coarse_limits[k]);
#pragma GCC unroll 8
	for (size_t k = 0; k < FINE_LIMITS_FROM_16; k++)
		m = reached(m, s->fine, ldpc_fine_limits[k]);
	return m;
}

AVX2 static inline __m256i spread(uint32_t bits)
{
	const __m256i octet = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2,
		2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
	const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201u);
	const __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)bits), octet);

	return _mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit);
}

/* Half the lanes of a check: what it tells all bits but the least reliable ones, how much more these, and the signs. */
struct told2 {
	__m256i least, more_to_least, to_others, sign;
};

AVX2 static inline struct told2 told_of(struct sums2 s)
{
	struct sums2 all = s;

	more_add(&all, all.least);
	const __m256i others = messages_of(&all);
	return (struct told2){s.least, _mm256_sub_epi8(messages_of(&s), others), others, s.sign};
}

AVX2 static inline void bits_give(struct told2 t, const int8_t *ratios, int8_t *p, int8_t *m)
{
	const __m256i ratio = _mm256_load_si256((const __m256i *)ratios);
	const __m256i is_least = _mm256_cmpeq_epi8(_mm256_abs_epi8(ratio), t.least);
	const __m256i size =
		_mm256_add_epi8(t.to_others, _mm256_and_si256(is_least, t.more_to_least));
	const __m256i sign = _mm256_or_si256(_mm256_xor_si256(t.sign, ratio), _mm256_set1_epi8(1));
	const __m256i message = _mm256_sign_epi8(size, sign);
	const __m256i posterior = _mm256_adds_epi8(ratio, message);

	_mm256_store_si256((__m256i *)m, message);
	_mm256_store_si256((__m256i *)p, posterior);
	_mm256_store_si256((__m256i *)(p + LANES), posterior);
}

AVX2 static inline uint32_t odd_count(__m256i parity)
{
	return (uint32_t)__builtin_popcount((uint32_t)_mm256_movemask_epi8(parity));
}

/* Half the lanes of a check; both halves at once would not fit the registers. `at`: where the posteriors of its bits lie. */
AVX2 static inline struct sums2 bits_take(const int8_t *posteriors, const uint32_t *at,
	const int8_t *messages, int8_t *ratios, size_t count, uint32_t syndrome)
{
	const __m256i zero = _mm256_setzero_si256(), signs = spread(syndrome);
	struct sums2 s = {zero, zero, _mm256_set1_epi8(-1), signs, signs};

	for (size_t e = 0; e < count; e++) {
		const __m256i p = _mm256_loadu_si256((const __m256i *)(posteriors + at[e]));
		const __m256i m = _mm256_load_si256((const __m256i *)(messages + e * LANES));
		const __m256i ratio = _mm256_subs_epi8(p, m), size = _mm256_abs_epi8(ratio);
		_mm256_store_si256((__m256i *)(ratios + e * LANES), ratio);
		s.parity = _mm256_xor_si256(s.parity, p);
		s.sign = _mm256_xor_si256(s.sign, ratio);
		more_add(&s, _mm256_max_epu8(size, s.least));
		s.least = _mm256_min_epu8(size, s.least);
	}
	return s;
}

AVX2 static uint32_t check_avx2(const struct ldpc_code *code, const struct ldpc_state *s,
	uint32_t from, uint32_t end, uint32_t q, uint64_t syndrome)
{
	const struct ldpc_edge *const edges = code->edges + from;
	const uint32_t lifts = code->lifts, count = end - from;
	int8_t *const messages = messages_at(code, s, from, end, q), *const ratios = s->ratios,
		      *const posteriors = s->posteriors;
	uint8_t *const turned = s->turned;
	uint32_t *const at = s->at;

	for (size_t e = 0; e < count; e++) {
		const uint32_t word = word_of(edges[e], lifts, q);
		const uint8_t turn = edges[e].turn;
		at[e] = word * LDPC_POSTERIOR_OCTETS + ((turn - turned[word]) & 63);
		turned[word] = turn;
		_mm_prefetch(messages + (e + count) * LANES, _MM_HINT_T0);
	}
	const struct sums2 low = bits_take(
				   posteriors, at, messages, ratios, count, (uint32_t)syndrome),
			   high = bits_take(posteriors + 32, at, messages + 32, ratios + 32, count,
				   (uint32_t)(syndrome >> 32));
	const struct told2 told_low = told_of(low), told_high = told_of(high);
	for (size_t e = 0; e < count; e++) {
		const int8_t *r = ratios + e * LANES;
		int8_t *p = posteriors + at[e] / LDPC_POSTERIOR_OCTETS * LDPC_POSTERIOR_OCTETS;
		int8_t *m = messages + e * LANES;
		bits_give(told_low, r, p, m);
		bits_give(told_high, r + 32, p + 32, m + 32);
	}
	return odd_count(low.parity) + odd_count(high.parity);
}

/* One register of 64 lanes; a table of 64 octets is one permutation. Turning is one as well, so a posterior is kept once. */

#define EIGHT(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define ALL_LANES                                                                                  \
	EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56)
static const uint8_t lanes_twice[2 * LANES] = {ALL_LANES, ALL_LANES};

struct sums5 {
	__m512i fine, coarse, least, sign, parity;
};

struct tables5 {
	__m512i fine, coarse;
};

AVX512 static inline struct tables5 tables_load(void)
{
	const __m512i zero = _mm512_setzero_si512();
	const __m256i fine = _mm256_load_si256((const __m256i *)(const void *)ldpc_fine_phi);
	const __m256i coarse = _mm256_load_si256((const __m256i *)(const void *)ldpc_coarse_phi);

	return (struct tables5){
		_mm512_inserti64x4(zero, fine, 0), _mm512_inserti64x4(zero, coarse, 0)};
}

AVX512 static inline void more_add5(struct sums5 *s, struct tables5 t, __m512i more)
{
	const __m512i i = _mm512_min_epu8(more, _mm512_set1_epi8(63));

	s->fine = _mm512_adds_epu8(s->fine, _mm512_permutexvar_epi8(i, t.fine));
	s->coarse = _mm512_adds_epu8(s->coarse, _mm512_permutexvar_epi8(i, t.coarse));
}

/* One kind of sum: by its table, and by the limits that lie beyond. */
AVX512 static inline __m512i messages_add5(
	__m512i m, __m512i sums, const uint8_t *table, const uint8_t *limits, size_t beyond)
{
	const __mmask64 is_beyond = _mm512_movepi8_mask(sums);

	m = _mm512_add_epi8(m, _mm512_maskz_permutex2var_epi8(~is_beyond, _mm512_load_si512(table),
				       sums, _mm512_load_si512(table + LANES)));
	for (size_t k = 0; k < beyond; k++)
		m = _mm512_mask_add_epi8(m,
			_mm512_mask_cmple_epu8_mask(
				is_beyond, sums, _mm512_set1_epi8((char)limits[k])),
			m, _mm512_set1_epi8(1));
	return m;
}

AVX512 static inline __m512i messages_of5(const struct sums5 *s)
{
	const __m512i m = messages_add5(_mm512_setzero_si512(), s->coarse, ldpc_coarse_messages,
		ldpc_coarse_limits, COARSE_LIMITS_BEYOND);

	return messages_add5(m, s->fine, ldpc_fine_messages, ldpc_fine_limits, FINE_LIMITS_BEYOND);
}

AVX512 static uint32_t check_avx512(const struct ldpc_code *code, const struct ldpc_state *s,
	uint32_t from, uint32_t end, uint32_t q, uint64_t syndrome)
{
	const struct ldpc_edge *const edges = code->edges + from;
	const uint32_t lifts = code->lifts, count = end - from;
	int8_t *const messages = messages_at(code, s, from, end, q), *const ratios = s->ratios,
		      *const posteriors = s->posteriors;
	uint8_t *const turned = s->turned;
	uint32_t *const at = s->at;
	const struct tables5 t = tables_load();
	const __m512i zero = _mm512_setzero_si512();
	struct sums5 sums = {zero, zero, _mm512_set1_epi8(-1), _mm512_movm_epi8(syndrome),
		_mm512_movm_epi8(syndrome)};

	for (size_t e = 0; e < count; e++) {
		const uint32_t word = at[e] = word_of(edges[e], lifts, q);
		const uint8_t turn = edges[e].turn;
		const int8_t *m = messages + e * LANES;
		const __m512i p = _mm512_permutexvar_epi8(
			_mm512_loadu_si512(lanes_twice + ((turn - turned[word]) & 63)),
			_mm512_load_si512(posteriors + (size_t)word * LANES));
		const __m512i ratio = _mm512_subs_epi8(p, _mm512_load_si512(m));
		const __m512i size = _mm512_abs_epi8(ratio);
		sums.parity = _mm512_xor_si512(sums.parity, p);
		sums.sign = _mm512_xor_si512(sums.sign, ratio);
		more_add5(&sums, t, _mm512_max_epu8(size, sums.least));
		sums.least = _mm512_min_epu8(size, sums.least);
		_mm512_store_si512(ratios + e * LANES, ratio);
		_mm_prefetch(m + count * LANES, _MM_HINT_T0);
		turned[word] = turn;
	}
	const __m512i to_least = messages_of5(&sums);
	struct sums5 all = sums;
	more_add5(&all, t, all.least);
	const __m512i to_others = messages_of5(&all);
	for (size_t e = 0; e < count; e++) {
		const __m512i ratio = _mm512_load_si512(ratios + e * LANES);
		const __mmask64 is_least =
			_mm512_cmpeq_epu8_mask(_mm512_abs_epi8(ratio), sums.least);
		const __mmask64 is_negative =
			_mm512_movepi8_mask(_mm512_xor_si512(sums.sign, ratio));
		const __m512i m = _mm512_mask_blend_epi8(is_least, to_others, to_least);
		const __m512i message = _mm512_mask_sub_epi8(m, is_negative, zero, m);
		_mm512_store_si512(
			posteriors + (size_t)at[e] * LANES, _mm512_adds_epi8(ratio, message));
		_mm512_store_si512(messages + e * LANES, message);
	}
	return (uint32_t)__builtin_popcountll(_mm512_movepi8_mask(sums.parity));
}
#endif

uint32_t ldpc_check(const struct ldpc_code *code, const struct ldpc_state *s, uint32_t from,
	uint32_t end, uint32_t q, uint64_t syndrome)
{
#if defined(__x86_64__)
	if (s->path == LDPC_AVX512)
		return check_avx512(code, s, from, end, q, syndrome);
	if (s->path == LDPC_AVX2)
		return check_avx2(code, s, from, end, q, syndrome);
#endif
	return check_portable(code, s, from, end, q, syndrome);
}
