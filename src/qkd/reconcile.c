// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "reconcile.h"
#include <stdlib.h>

/* Block sizes: the first about 0.8/QBER, then 4 and 64 times as long, then halves of the key. */
enum { SECOND_FACTOR = 4, THIRD_FACTOR = 64, BLOCK_BITS_MIN = 4 };

static struct err pass_open(
	struct reconcile_pass *p, uint32_t key_limit, bool is_first, bool is_bob)
{
	if (!is_first)
		p->from = calloc(key_limit, sizeof *p->from);
	if (!is_first && is_bob)
		p->to = calloc(key_limit, sizeof *p->to);
	if (is_bob)
		p->is_odd = calloc(key_limit / BLOCK_BITS_MIN + 2, 1);
	const bool is_there = (is_first || p->from != NULL) &&
			      (is_first || !is_bob || p->to != NULL) &&
			      (!is_bob || p->is_odd != NULL);
	return is_there ? OK : ERR(LIMIT);
}

struct err reconcile_open(struct reconcile *r, uint32_t key_limit, bool is_bob)
{
	struct err e = OK;

	*r = (struct reconcile){.key_limit = key_limit, .is_bob = is_bob};
	if (is_bob) {
		r->searches = calloc(RECONCILE_SEARCHES_MAX, sizeof *r->searches);
		e = r->searches == NULL ? ERR(LIMIT) : OK;
	}
	for (size_t i = 0; i < RECONCILE_PASSES && !failed(e); i++)
		e = pass_open(&r->passes[i], key_limit, i == 0, is_bob);
	if (failed(e))
		reconcile_close(r);
	return e;
}

void reconcile_close(struct reconcile *r)
{
	for (size_t i = 0; i < RECONCILE_PASSES; i++) {
		free(r->passes[i].from);
		free(r->passes[i].to);
		free(r->passes[i].is_odd);
	}
	free(r->searches);
	*r = (struct reconcile){0};
}

void reconcile_begin(struct reconcile *r, struct key_bits *key, double qber)
{
	r->key = key;
	r->qber = qber < 0.005 ? 0.005 : qber;
	r->pass_count = 0;
	r->parities = 0;
	r->corrected = 0;
	r->is_top_asked = false;
	r->search_count = 0;
}

/* The permutation's generator: splitmix64 (public domain). Public and seeded by the peer: spread is all it is for. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Fisher-Yates. The modulo's bias, below 2^-40, matters to nobody here. */
static void permute(uint32_t *from, uint32_t n, uint64_t seed)
{
	for (uint32_t i = 0; i < n; i++)
		from[i] = i;
	for (uint32_t i = n - 1; i > 0; i--) {
		const uint32_t j = (uint32_t)(next(&seed) % (i + 1)), t = from[i];
		from[i] = from[j];
		from[j] = t;
	}
}

static void pass_begin(struct reconcile *r, uint32_t block_bits, uint64_t seed)
{
	const uint32_t n = r->key->count;
	struct reconcile_pass *p = &r->passes[r->pass_count++];

	p->block_bits = block_bits;
	p->block_count = (n + block_bits - 1) / block_bits;
	p->odd_count = 0;
	if (p->from != NULL)
		permute(p->from, n, seed);
	for (uint32_t i = 0; p->to != NULL && i < n; i++)
		p->to[p->from[i]] = i;
}

/* Which bits a range holds is public; only their values are not. */
static uint8_t range_parity(const struct reconcile *r, uint32_t pass, uint32_t start, uint32_t len)
{
	const uint32_t *from = r->passes[pass].from;
	uint8_t parity = 0;

	for (uint32_t i = start; i < start + len; i++)
		parity ^= r->key->bits[from == NULL ? i : from[i]];
	return parity;
}

static struct reconcile_search block_range(const struct reconcile *r, uint32_t pass, uint32_t block)
{
	const struct reconcile_pass *p = &r->passes[pass];
	const uint32_t start = block * p->block_bits, left = r->key->count - start;

	return (struct reconcile_search){
		.start = start, .len = left < p->block_bits ? left : p->block_bits};
}

static enum qkd_abort answer_pass(struct reconcile *r, const struct link_message *asked,
	struct span_mut bits, uint32_t *count)
{
	const uint32_t n = r->key->count;

	if (asked->pass != r->pass_count || r->pass_count == RECONCILE_PASSES || n == 0 ||
		asked->pass_block_bits < BLOCK_BITS_MIN || asked->pass_block_bits > n)
		return QKD_PROTOCOL;
	pass_begin(r, asked->pass_block_bits, asked->permutation);
	*count = r->passes[asked->pass].block_count;
	if ((*count + 7) / 8 > bits.len)
		return QKD_PROTOCOL;
	memset(bits.at, 0, (*count + 7) / 8);
	for (uint32_t i = 0; i < *count; i++) {
		const struct reconcile_search range = block_range(r, asked->pass, i);
		bits.at[i / 8] |=
			(uint8_t)(range_parity(r, asked->pass, range.start, range.len) << i % 8);
	}
	return QKD_GOES_ON;
}

static enum qkd_abort answer_ranges(
	struct reconcile *r, const struct link_message *asked, struct span_mut bits)
{
	const uint32_t n = r->key->count;

	if ((asked->count + 7) / 8 > bits.len)
		return QKD_PROTOCOL;
	memset(bits.at, 0, (asked->count + 7) / 8);
	for (uint32_t i = 0; i < asked->count; i++) {
		const struct link_range range = link_range_at(asked, i);
		if (range.pass >= r->pass_count || range.len == 0 || range.start >= n ||
			range.len > n - range.start)
			return QKD_PROTOCOL;
		bits.at[i / 8] |=
			(uint8_t)(range_parity(r, range.pass, range.start, range.len) << i % 8);
	}
	return QKD_GOES_ON;
}

enum qkd_abort reconcile_answer(struct reconcile *r, uint16_t type,
	const struct link_message *asked, struct span_mut bits, uint32_t *count)
{
	*count = asked->count;
	const enum qkd_abort reason = type == LINK_PASS ? answer_pass(r, asked, bits, count)
							: answer_ranges(r, asked, bits);
	if (reason != QKD_GOES_ON)
		return reason;
	r->parities += *count;
	/* More than the key has: nothing can be left of it, and a peer may not keep us busy for ever. */
	return r->parities > r->key->count ? QKD_NOT_CORRECTED : QKD_GOES_ON;
}

/* Bob. */

static uint32_t block_bits_of(const struct reconcile *r, uint32_t pass)
{
	const uint32_t n = r->key->count, half = (n + 1) / 2;
	uint32_t bits = BLOCK_BITS_MIN;

	while (bits * r->qber < 0.6)
		bits *= 2;
	if (pass == 1)
		bits *= SECOND_FACTOR;
	if (pass == 2)
		bits *= THIRD_FACTOR;
	if (pass > 2 || bits > half)
		bits = half;
	return bits < BLOCK_BITS_MIN ? BLOCK_BITS_MIN : bits;
}

static void odd_toggle(struct reconcile_pass *p, uint32_t block)
{
	p->is_odd[block] ^= 1;
	p->odd_count += p->is_odd[block] ? 1 : UINT32_MAX;
}

/* Turns over the bit at a position of a pass; its block in each pass changes parity. */
static void correct(struct reconcile *r, uint32_t pass, uint32_t position)
{
	const uint32_t *from = r->passes[pass].from;
	const uint32_t bit = from == NULL ? position : from[position];

	r->key->bits[bit] ^= 1;
	r->corrected++;
	for (uint32_t i = 0; i < r->pass_count; i++) {
		struct reconcile_pass *p = &r->passes[i];
		odd_toggle(p, (p->to == NULL ? bit : p->to[bit]) / p->block_bits);
	}
}

static void searches_begin(struct reconcile *r, uint32_t pass)
{
	struct reconcile_pass *p = &r->passes[pass];

	r->search_pass = pass;
	for (uint32_t i = 0; i < p->block_count && r->search_count < RECONCILE_SEARCHES_MAX; i++) {
		const struct reconcile_search range = block_range(r, pass, i);
		if (p->is_odd[i] && range.len == 1)
			correct(r, pass, range.start); /* a pass may end in a block of one bit */
		else if (p->is_odd[i])
			r->searches[r->search_count++] = range;
	}
}

/* The earliest pass with odd blocks; a correction on the way may have made an earlier one odd. */
static void searches_choose(struct reconcile *r)
{
	for (uint32_t pass = 0; pass < r->pass_count && r->search_count == 0;) {
		if (r->passes[pass].odd_count == 0) {
			pass++;
			continue;
		}
		searches_begin(r, pass);
		pass = 0;
	}
}

static void ask_top(struct reconcile *r, uint64_t permutation, struct link_message *m)
{
	m->pass = (uint8_t)r->pass_count;
	m->pass_block_bits = block_bits_of(r, r->pass_count);
	m->permutation = permutation;
	pass_begin(r, m->pass_block_bits, permutation);
	r->is_top_asked = true;
}

static uint32_t left_half(struct reconcile_search s)
{
	return s.len / 2;
}

static void ask_ranges(struct reconcile *r, struct link_message *m, struct writer *items)
{
	for (uint32_t i = 0; i < r->search_count; i++) {
		const struct reconcile_search s = r->searches[i];
		link_range_put(
			items, (struct link_range){(uint8_t)r->search_pass, s.start, left_half(s)});
	}
	m->count = r->search_count;
	m->items = writer_span_done(items);
}

void reconcile_ask(struct reconcile *r, uint64_t permutation, uint16_t *type,
	struct link_message *m, struct writer *items)
{
	if (r->search_count == 0)
		searches_choose(r);
	if (r->search_count > 0) {
		*type = LINK_RANGES;
		ask_ranges(r, m, items);
	} else if (r->pass_count < RECONCILE_PASSES) {
		*type = LINK_PASS;
		ask_top(r, permutation, m);
	} else {
		*type = LINK_CORRECTED;
		m->errors = r->corrected;
	}
}

static void learn_top(struct reconcile *r, const struct link_message *m)
{
	const uint32_t pass = r->pass_count - 1;
	struct reconcile_pass *p = &r->passes[pass];

	for (uint32_t i = 0; i < p->block_count; i++) {
		const struct reconcile_search range = block_range(r, pass, i);
		p->is_odd[i] = range_parity(r, pass, range.start, range.len) ^ link_bit_at(m, i);
		p->odd_count += p->is_odd[i];
	}
	r->is_top_asked = false;
}

/* Halves every range under search; those that are down to one bit are corrected. */
static void learn_ranges(struct reconcile *r, const struct link_message *m)
{
	uint32_t kept = 0;
	const uint32_t count = r->search_count;

	for (uint32_t i = 0; i < count; i++) {
		struct reconcile_search s = r->searches[i];
		const uint32_t half = left_half(s);
		if (range_parity(r, r->search_pass, s.start, half) != link_bit_at(m, i)) {
			s.len = half;
		} else {
			s.start += half;
			s.len -= half;
		}
		if (s.len > 1)
			r->searches[kept++] = s;
		else
			correct(r, r->search_pass, s.start);
	}
	r->search_count = kept;
}

enum qkd_abort reconcile_learn(struct reconcile *r, const struct link_message *m)
{
	const uint32_t expected =
		r->is_top_asked ? r->passes[r->pass_count - 1].block_count : r->search_count;

	if (expected == 0 || m->count != expected)
		return QKD_PROTOCOL;
	r->parities += m->count;
	if (r->parities > r->key->count)
		return QKD_NOT_CORRECTED;
	if (r->is_top_asked)
		learn_top(r, m);
	else
		learn_ranges(r, m);
	return QKD_GOES_ON;
}
