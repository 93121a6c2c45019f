// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inner.h"
#include "base/secret.h"

/* What the quantum links keep here (codec/qkd_msg.h): their state, their marks, and blocks on their way to the shelf. */

static struct err errand_new(struct kms *k, const struct qkd_request *m, struct link *link,
	kms_done_fn *answer, void *ctx, struct errand **out)
{
	struct pool_handle handle;
	void *item;

	const struct err e = pool_take(&k->errands, &handle, &item);
	if (failed(e))
		return e;
	struct errand *a = item;
	*a = (struct errand){
		.handle = handle, .k = k, .answer = answer, .answer_ctx = ctx, .link = link};
	a->marks = m->marks;
	memcpy(a->block_id, m->block_id, PEER_ID);
	*out = a;
	return OK;
}

static void errand_end(void *ctx, struct err e, struct span body)
{
	struct errand *a = ctx;
	struct kms *k = a->k;

	a->answer(a->answer_ctx, e, body);
	pool_give(&k->errands, a->handle);
}

/* Pads are used once: a mark never goes back. */
static struct err marks_raise(struct link *link, const struct qkd_marks *marks)
{
	if (marks->send < link->marks.send || marks->accept < link->marks.accept)
		return ERR(STATE);
	link->marks = *marks;
	return OK;
}

static void change_link(struct kms *k, const struct link *link)
{
	struct kms_link_row *row = &change_add(k, KMS_CHANGE_LINK)->link;

	row->link = link->name;
	row->marks = link->marks;
	row->state = span_of(link->state, link->state_len);
}

/* --- QKD_OPEN --- */

static void state_opened(void *ctx, struct err e, struct span body)
{
	struct errand *a = ctx;
	struct qkd_opened m = {
		.marks = a->link->marks, .state = body, .block_count = a->link->recent_count};
	static uint8_t out[QKD_STATE_MAX + 4096];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	memcpy(m.blocks, a->link->recent, sizeof m.blocks);
	qkd_opened_encode(&w, &m);
	if (!failed(e) && w.is_full)
		e = ERR(LIMIT);
	errand_end(a, e, failed(e) ? span_of(NULL, 0) : writer_span_done(&w));
	secret_wipe(out, w.len);
}

static void named_ask(struct kms *k, uint16_t type, const struct link *link, struct span bytes,
	kms_done_fn *done, struct errand *a)
{
	struct kvault_named m = {.bytes = bytes};
	struct writer w = writer_of(SPAN_MUT_ARRAY(k->scratch));

	(void)kms_name_set(&m.link, link->name); /* shorter than any name */
	kvault_named_encode(&w, &m);
	k->ports.vault(k->ports.ctx, type, writer_span_done(&w), done, a);
	secret_wipe(k->scratch, w.len);
}

static struct err link_open(struct kms *k, const struct qkd_request *m, struct link *link,
	kms_done_fn *answer, void *ctx)
{
	struct errand *a;

	const struct err e = errand_new(k, m, link, answer, ctx, &a);
	if (failed(e))
		return e;
	if (link->state_len == 0)
		state_opened(a, OK, span_of(NULL, 0));
	else
		named_ask(k, KVAULT_STATE_OPEN, link, span_of(link->state, link->state_len),
			state_opened, a);
	return OK;
}

static struct err mark(struct kms *k, const struct qkd_request *m, struct link *link,
	kms_done_fn *answer, void *ctx)
{
	const struct err e = marks_raise(link, &m->marks);

	if (failed(e))
		return e;
	change_link(k, link);
	changes_save(k, answer, ctx);
	return OK;
}

/* --- QKD_BLOCK_PENDING --- */

static struct err segment_new(struct kms *k, struct block *b, uint32_t number)
{
	struct pool_handle handle;
	void *item;

	const struct err e = pool_take(&k->segments, &handle, &item);
	if (failed(e))
		return e;
	struct segment *s = item;
	s->block_slot = b->handle.slot;
	s->number = number;
	/* Slots that are nobody's: past the block's end, and what halving leaves over. */
	for (uint32_t i = 0; i < SEGMENT_SLOTS; i++) {
		const uint32_t slot = number * SEGMENT_SLOTS + i;
		enum direction direction;
		if (slot > 0 && !direction_of_slot(b->slots, slot, &direction)) {
			s->taken |= UINT64_C(1) << i;
			s->done |= UINT64_C(1) << i;
		}
	}
	/* Slot 0 is never a key, but it lives until the exchange is through. */
	if (number == 0)
		s->taken |= 1;
	b->segments[number] = s;
	b->segments_left++;
	return OK;
}

struct err segment_put(
	struct kms *k, struct block *b, uint32_t number, struct span wrapped, struct span sealed)
{
	if (number >= b->segment_count || b->segments[number] != NULL ||
		wrapped.len != KVAULT_WRAPPED || sealed.len > KVAULT_SEALED_MAX)
		return ERR(INPUT);
	const struct err e = segment_new(k, b, number);
	if (failed(e))
		return e;
	struct segment *s = b->segments[number];
	memcpy(s->wrapped, wrapped.at, KVAULT_WRAPPED);
	s->sealed_len = (uint16_t)sealed.len;
	memcpy(s->sealed, sealed.at, sealed.len);
	return OK;
}

static void pending_saved(void *ctx, struct err e, struct span body)
{
	struct errand *a = ctx;
	struct block *b = block_find(a->k, a->block_id);

	(void)body;
	if (failed(e) && b != NULL && b->state == BLOCK_PENDING)
		block_drop(a->k, b); /* the id is in the rows already: a spent block's */
	else if (b != NULL)
		link_note(a->link, a->block_id, BLOCK_PENDING);
	errand_end(a, e, span_of(NULL, 0));
}

static void pending_save(struct errand *a, const struct block *b)
{
	struct kms *k = a->k;
	struct kms_block_row *row = &change_add(k, KMS_CHANGE_BLOCK)->block;

	memcpy(row->id, b->id, PEER_ID);
	row->link = a->link->name;
	row->state = b->state;
	row->slots = b->slots;
	row->report = span_of(a->report, a->report_len);
	for (uint32_t i = 0; i < b->segment_count; i++) {
		struct kms_segment_row *s = &change_add(k, KMS_CHANGE_SEGMENT)->segment;
		memcpy(s->block_id, b->id, PEER_ID);
		s->number = i;
		s->wrapped = SPAN_ARRAY(b->segments[i]->wrapped);
		s->sealed = span_of(b->segments[i]->sealed, b->segments[i]->sealed_len);
	}
	changes_save(k, pending_saved, a);
}

static void block_sealed(void *ctx, struct err e, struct span body)
{
	struct errand *a = ctx;
	struct kms *k = a->k;
	static struct kvault_segments m;
	struct block *b = NULL;
	struct wire_fault fault = {0};

	if (!failed(e))
		e = kvault_segments_decode(&m, body, &fault);
	if (!failed(e) && block_find(k, a->block_id) != NULL)
		e = ERR(STATE); /* came twice at once */
	if (!failed(e))
		e = block_new(k, a->block_id, a->link, a->slots, &b);
	for (uint32_t i = 0; !failed(e) && i < m.count; i++)
		e = segment_put(k, b, i, SPAN_ARRAY(m.items[i].wrapped), m.items[i].sealed);
	if (!failed(e) && m.count != b->segment_count)
		e = ERR(BUG);
	if (!failed(e)) {
		pending_save(a, b);
		return;
	}
	if (b != NULL)
		block_drop(k, b);
	errand_end(a, e, span_of(NULL, 0));
}

static struct err block_pending(struct kms *k, const struct qkd_request *m, struct link *link,
	kms_done_fn *answer, void *ctx)
{
	struct kvault_block q = {.key = m->key};
	struct errand *a;
	struct writer w = writer_of(SPAN_MUT_ARRAY(k->scratch));
	const uint32_t slots = (uint32_t)(m->key.len / SLOT_OCTETS);

	if (slots < BLOCK_SLOTS_LEAST)
		return ERR(INPUT);
	if (block_find(k, m->block_id) != NULL)
		return ERR(STATE);
	if (k->segments.limit - k->segments.in_use < slots / SEGMENT_SLOTS + 1)
		return ERR(LIMIT);
	const struct err e = errand_new(k, m, link, answer, ctx, &a);
	if (failed(e))
		return e;
	a->slots = slots;
	a->report_len = m->report.len;
	memcpy(a->report, m->report.at, m->report.len);
	memcpy(q.block_id, m->block_id, PEER_ID);
	kvault_block_encode(&w, &q);
	k->ports.vault(k->ports.ctx, KVAULT_BLOCK_SEAL, writer_span_done(&w), block_sealed, a);
	secret_wipe(k->scratch, w.len);
	return OK;
}

/* --- QKD_STATE, QKD_BLOCK_FINAL --- */

static void state_saved(void *ctx, struct err e, struct span body)
{
	struct errand *a = ctx;
	struct kms *k = a->k;

	(void)body;
	errand_end(a, e, span_of(NULL, 0));
	agree_tick(k);
}

static void state_sealed(void *ctx, struct err e, struct span body)
{
	struct errand *a = ctx;
	struct kms *k = a->k;
	struct block *b = a->is_final ? block_find(k, a->block_id) : NULL;

	if (!failed(e) && body.len > sizeof a->link->state)
		e = ERR(LIMIT);
	if (!failed(e) && a->is_final && b == NULL)
		e = ERR(ABSENT);
	if (!failed(e))
		e = marks_raise(a->link, &a->marks);
	const bool is_new = b != NULL && b->state == BLOCK_PENDING;
	if (!failed(e) && b != NULL)
		e = block_step(&b->state, BLOCK_FINISH);
	if (failed(e)) {
		errand_end(a, e, span_of(NULL, 0));
		return;
	}
	memcpy(a->link->state, body.at, body.len);
	a->link->state_len = body.len;
	change_link(k, a->link);
	if (is_new) {
		change_block_state(k, b);
		link_note(a->link, b->id, BLOCK_FINAL);
	}
	changes_save(k, state_saved, a);
}

static struct err state_keep(struct kms *k, const struct qkd_request *m, struct link *link,
	bool is_final, kms_done_fn *answer, void *ctx)
{
	struct errand *a;

	if (m->marks.send < link->marks.send || m->marks.accept < link->marks.accept)
		return ERR(STATE);
	const struct block *b = is_final ? block_find(k, m->block_id) : NULL;
	if (is_final && b == NULL)
		return ERR(ABSENT);
	if (is_final && b->link != link)
		return ERR(STATE);
	const struct err e = errand_new(k, m, link, answer, ctx, &a);
	if (failed(e))
		return e;
	a->is_final = is_final;
	named_ask(k, KVAULT_STATE_SEAL, link, m->state, state_sealed, a);
	return OK;
}

/* Only what is its own and not yet final: a final block is the key store's, and keys may be out of it. */
static struct err block_cancel(struct kms *k, const struct qkd_request *m, const struct link *link,
	kms_done_fn *answer, void *ctx)
{
	struct block *b = block_find(k, m->block_id);

	if (b != NULL && (b->link != link || b->state != BLOCK_PENDING))
		return ERR(STATE);
	if (b != NULL) {
		block_void(k, b);
		block_settle(k, b);
	}
	changes_save(k, answer, ctx); /* nothing to do where the block is gone already */
	return OK;
}

void intake_request(struct kms *k, uint16_t type, struct span body, kms_done_fn *answer, void *ctx)
{
	struct qkd_request m;
	struct wire_fault fault = {0};

	struct err e = qkd_request_decode(type, body, &m, &fault);
	struct link *link = failed(e) ? NULL : link_find(k, m.link);
	if (!failed(e) && link == NULL)
		e = ERR(LIMIT);
	else if (!failed(e) && type == QKD_OPEN)
		e = link_open(k, &m, link, answer, ctx);
	else if (!failed(e) && type == QKD_MARK)
		e = mark(k, &m, link, answer, ctx);
	else if (!failed(e) && type == QKD_BLOCK_PENDING)
		e = block_pending(k, &m, link, answer, ctx);
	else if (!failed(e) && type == QKD_BLOCK_VOID)
		e = block_cancel(k, &m, link, answer, ctx);
	else if (!failed(e))
		e = state_keep(k, &m, link, type == QKD_BLOCK_FINAL, answer, ctx);
	if (failed(e))
		answer(ctx, e, span_of(NULL, 0));
}
