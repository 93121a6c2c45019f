// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_pads.h"

static void take_pool(struct reader *r, struct pad_pool *pool)
{
	reader_copy(r, SPAN_MUT_ARRAY(pool->hash_key), "hash_key");
	pool->first = reader_u64(r, "first");
	pool->count = reader_u16(r, "count");
	if (!reader_require(
		    r, pool->count <= PADS_MAX && pool->first <= UINT64_MAX / 2, "count", NULL))
		return;
	reader_copy(r, span_mut_of(pool->pads, (size_t)pool->count * PAD_OCTETS), "pads");
}

static void put_pool(struct writer *w, const struct pad_pool *pool)
{
	writer_span(w, SPAN_ARRAY(pool->hash_key));
	writer_u64(w, pool->first);
	writer_u16(w, pool->count);
	writer_span(w, span_of(pool->pads, (size_t)pool->count * PAD_OCTETS));
}

struct err pads_decode(struct span blob, struct pads *pads, struct wire_fault *fault)
{
	struct reader r = reader_of(blob, fault);

	memset(pads, 0, sizeof *pads);
	const uint8_t version = reader_u8(&r, "version");
	if (!reader_failed(&r) && version != PADS_VERSION)
		reader_refuse(&r, ERR(VERSION), "version", NULL);
	take_pool(&r, &pads->send);
	take_pool(&r, &pads->accept);
	pads->refill = reader_u16(&r, "refill");
	if (reader_require(&r, pads->refill <= PADS_REFILL_MAX, "refill", NULL) &&
		pads->refill > 0) {
		const size_t octets = (size_t)pads->refill * PAD_OCTETS;
		reader_copy(&r, SPAN_MUT_ARRAY(pads->refill_block), "refill_block");
		reader_copy(&r, span_mut_of(pads->refill_send, octets), "refill_send");
		reader_copy(&r, span_mut_of(pads->refill_accept, octets), "refill_accept");
	}
	reader_end(&r, "state");
	return wire_result(fault);
}

void pads_encode(struct writer *w, const struct pads *pads)
{
	const size_t octets = (size_t)pads->refill * PAD_OCTETS;

	writer_u8(w, PADS_VERSION);
	put_pool(w, &pads->send);
	put_pool(w, &pads->accept);
	writer_u16(w, pads->refill);
	if (pads->refill == 0)
		return;
	writer_span(w, SPAN_ARRAY(pads->refill_block));
	writer_span(w, span_of(pads->refill_send, octets));
	writer_span(w, span_of(pads->refill_accept, octets));
}

struct err pads_from_bootstrap(struct pads *pads, bool is_alice, struct span secret)
{
	struct pad_pool *a_to_b = is_alice ? &pads->send : &pads->accept;
	struct pad_pool *b_to_a = is_alice ? &pads->accept : &pads->send;
	struct wire_fault fault = {0};
	struct reader r = reader_of(secret, &fault);

	memset(pads, 0, sizeof *pads);
	if (secret.len < BOOTSTRAP_OCTETS_MIN || secret.len > BOOTSTRAP_OCTETS_MAX ||
		secret.len % (2 * PAD_OCTETS) != 0)
		return ERR(INPUT);
	const size_t count = (secret.len - 2 * PAD_OCTETS) / (2 * PAD_OCTETS);
	reader_copy(&r, SPAN_MUT_ARRAY(a_to_b->hash_key), "hash key A to B");
	reader_copy(&r, SPAN_MUT_ARRAY(b_to_a->hash_key), "hash key B to A");
	reader_copy(&r, span_mut_of(a_to_b->pads, count * PAD_OCTETS), "pads A to B");
	reader_copy(&r, span_mut_of(b_to_a->pads, count * PAD_OCTETS), "pads B to A");
	a_to_b->count = b_to_a->count = (uint16_t)count;
	reader_end(&r, "bootstrap secret");
	return wire_result(&fault);
}
