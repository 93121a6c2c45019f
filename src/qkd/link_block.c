// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The way of one block, in the order of the table in link.h. */
#include "base/ct.h"
#include "link_inner.h"
#include <stdio.h>
#include <inttypes.h>

enum { REPORT_MAX = 1024 };

bool link_block_runs(const struct qkd_link *l)
{
	return l->stage > STAGE_IDLE;
}

static bool is_bob(const struct qkd_link *l)
{
	return l->settings.role == LINK_BOB;
}

/* Reports. */

static double block_qber(const struct link_block *b)
{
	return b->ledger.sifted == 0 ? 0 : (double)b->ledger.corrected / (double)b->ledger.sifted;
}

static void report_write(
	const struct qkd_link *l, enum qkd_abort reason, char out[static REPORT_MAX])
{
	const struct link_block *b = &l->block;
	const struct qkd_ledger *g = &b->ledger;
	char id[2 * QKD_BLOCK_ID + 1];

	hex_from_span(id, SPAN_ARRAY(b->id));
	snprintf(out, REPORT_MAX,
		"{\"link\":\"%s\",\"block_id\":\"%s\",\"role\":\"%s\",\"optics\":\"%s\",\"abort\":"
		"\"%s\","
		"\"qber\":%.6f,\"test_qber\":%.6f,\"phase_error\":%.6f,\"detections\":%" PRIu64
		",\"sifted\":%" PRIu64 ",\"revealed\":%" PRIu64 ",\"corrected\":%" PRIu64
		",\"parities\":%" PRIu64 ",\"answers\":%" PRIu64 ",\"tag_bits\":%" PRIu64
		",\"seed_bits\":%" PRIu64 ",\"final_bits\":%" PRIu64 ",\"refill_bits\":%" PRIu64
		"}",
		l->settings.link, id, is_bob(l) ? "bob" : "alice",
		l->status.is_simulated ? "simulated" : "device", qkd_abort_word(reason),
		block_qber(b), b->estimate.test_qber, b->estimate.phase_error, g->detections,
		g->sifted, g->revealed, g->corrected, g->parities, g->answers, g->tag_bits,
		g->seed_bits, g->final_bits, g->refill_bits);
}

static void block_forget(struct qkd_link *l)
{
	if (is_bob(l) && l->block.slots != NULL)
		collect_drop(&l->collect, l->block.slots);
	secret_wipe(l->memory_key.bytes, l->memory_key.len);
	secret_wipe(l->memory_packed.bytes, l->memory_packed.len);
	secret_wipe(l->memory_final.bytes, l->memory_final.len);
	l->key.count = 0;
	l->block = (struct link_block){0};
	link_stage_enter(l, STAGE_IDLE);
}

void link_block_abort(struct qkd_link *l, enum qkd_abort reason, bool tell_peer)
{
	const struct alarm_kind *alarm = qkd_abort_alarm(reason);
	const bool is_pending = l->stage == STAGE_B_FINAL || l->stage == STAGE_STORING;
	char report[REPORT_MAX];

	if (alarm != NULL)
		alarm_raise(l->alarms, alarm, l->settings.link, l->now,
			"%s; error rate of the test basis %.3f", qkd_abort_word(reason),
			l->block.estimate.test_qber);
	if (l->block.is_estimated || reason == QKD_QBER_TOO_HIGH)
		l->status.test_qber = l->block.estimate.test_qber;
	l->status.blocks_aborted++;
	l->status.last_abort = reason;
	l->after = NULL; /* what the store answers now belongs to no block */
	if (tell_peer && l->is_peer_up) {
		struct link_message m = {.reason = (uint8_t)reason};
		memcpy(m.block_id, l->block.id, QKD_BLOCK_ID);
		link_send(l, LINK_ABORT, &m);
	}
	report_write(l, reason, report);
	block_forget(l);
	l->port.block_done(l->port.ctx, reason, report);
	/* The store may hold the block: only a new greeting says at both ends what becomes of it. */
	if (is_pending)
		link_disconnect(l);
}

static void fail(struct qkd_link *l, enum qkd_abort reason)
{
	link_block_abort(l, reason, true);
}

/* The transcript: what both ends were set to, then type, length and body of each message, under both hash keys. */

static void hash_message(struct polyhash *h, uint16_t type, struct span body)
{
	uint8_t head[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(head));

	writer_u16(&w, type);
	writer_u16(&w, 0);
	writer_u32(&w, (uint32_t)body.len);
	polyhash_add(h, writer_span_done(&w));
	polyhash_add(h, body);
}

/*
 * HELLO's parameters were compared on the word of TLS alone. Here each end says its own, so that the tags say too
 * that both bounded the eavesdropper by the same light; and a block of one link is none of another.
 */
static void transcript_begin(struct qkd_link *l)
{
	struct link_secrets *s = l->secrets;
	const bool is_alice = !is_bob(l);
	uint8_t text[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));
	/* One view of both ends: Alice's HELLO without what differs from end to end. */
	struct link_hello both = {.role = LINK_ALICE, .parameters = l->settings.shared};

	memcpy(both.link, l->settings.link, sizeof both.link);
	link_hello_encode(&w, &both);
	polyhash_begin(&s->a_to_b, is_alice ? s->pads.send.hash_key : s->pads.accept.hash_key);
	polyhash_begin(&s->b_to_a, is_alice ? s->pads.accept.hash_key : s->pads.send.hash_key);
	hash_message(&s->a_to_b, LINK_HELLO, writer_span_done(&w));
	hash_message(&s->b_to_a, LINK_HELLO, writer_span_done(&w));
}

static void transcript_add(struct qkd_link *l, uint16_t type, struct span body)
{
	if (type != LINK_TAG)
		hash_message(&l->secrets->a_to_b, type, body);
	hash_message(&l->secrets->b_to_a, type, body);
}

/* Sends a message of this block; all but Bob's tag, FINAL and ABORT are in the transcript. */
static void say(struct qkd_link *l, uint16_t type, struct link_message *m)
{
	struct writer w = writer_of(span_mut_of(l->out, LINK_BODY_MAX));

	memcpy(m->block_id, l->block.id, QKD_BLOCK_ID);
	link_encode(&w, type, m);
	const struct span body = writer_span_done(&w);
	if (type < LINK_TAG || (type == LINK_TAG && !is_bob(l)))
		transcript_add(l, type, body);
	l->port.send(l->port.ctx, type, body);
}

static bool draw(struct qkd_link *l, void *at, size_t octets)
{
	if (!failed(entropy_fill(&l->entropy, span_mut_of(at, octets))))
		return true;
	fail(l, QKD_RANDOM_FAULT);
	return false;
}

/* Sifting and estimation. */

static bool pads_suffice(struct qkd_link *l)
{
	const struct pads *pads = &l->secrets->pads;

	link_pads_watch(l);
	return pad_pool_left(&pads->send, l->marks.send) >= PADS_NEEDED &&
	       pad_pool_left(&pads->accept, l->marks.accept) >= PADS_NEEDED;
}

static void bob_begin(struct qkd_link *l)
{
	struct collect_block *slots = collect_oldest(&l->collect);
	struct writer w = writer_of(span_mut_of(l->items, LINK_BODY_MAX));

	if (slots == NULL || !pads_suffice(l))
		return;
	l->block = (struct link_block){.slots = slots, .started_ms = l->now.mono_ms};
	link_stage_enter(l, STAGE_B_SIFTED);
	if (!draw(l, l->block.id, QKD_BLOCK_ID))
		return;
	sift_announce(&slots->detections, &w);
	struct link_message m = {.first_slot = slots->index * l->settings.shared.slots_per_block,
		.slot_count = l->settings.shared.slots_per_block,
		.count = slots->detections.count,
		.items = writer_span_done(&w)};
	memcpy(m.session, l->collect.session, sizeof m.session);
	l->block.ledger.detections = m.count;
	transcript_begin(l);
	say(l, LINK_DETECTIONS, &m);
}

/* At both ends, from the same counts. */
static bool estimate(struct qkd_link *l)
{
	struct link_block *b = &l->block;

	b->ledger.sifted = l->key.count;
	b->ledger.revealed = qkd_sum(b->counts.test);
	const enum qkd_abort reason = estimate_block(&b->counts, &l->parameters, &b->estimate);
	b->is_estimated = reason == QKD_GOES_ON;
	if (reason != QKD_GOES_ON)
		fail(l, reason);
	return b->is_estimated;
}

static void alice_sift(struct qkd_link *l)
{
	const struct collect_block *slots = l->block.slots;
	const struct sift_log log = {slots->nibbles, l->settings.shared.slots_per_block};
	struct writer w = writer_of(span_mut_of(l->items, LINK_BODY_MAX));
	const enum qkd_abort reason = sift_answer(&log, &l->held, &w, &l->key, &l->block.counts);

	collect_drop(&l->collect, l->block.slots); /* no slot makes key twice */
	l->block.slots = NULL;
	if (reason != QKD_GOES_ON) {
		fail(l, reason);
		return;
	}
	struct link_message m = {.count = l->held.count, .items = writer_span_done(&w)};
	say(l, LINK_SIFTED, &m);
	reconcile_begin(&l->reconcile, &l->key, 0);
	link_stage_enter(l, STAGE_A_QUESTION);
	estimate(l);
}

static void alice_find_slots(struct qkd_link *l)
{
	struct collect_block *slots = collect_find(&l->collect, l->held.first_slot);

	if (slots != NULL && collect_is_complete(&l->collect, slots)) {
		l->block.slots = slots;
		alice_sift(l);
		return;
	}
	/* They may still be on their way from the device; else nobody has them. */
	const bool is_to_come = l->collect.next_slot < l->held.first_slot + l->held.slot_count;
	if (!is_to_come || (slots != NULL && slots->is_partial))
		fail(l, QKD_DATA_ABSENT);
}

static void alice_begin(struct qkd_link *l, const struct link_message *m, struct span body)
{
	const uint32_t n = l->settings.shared.slots_per_block;

	l->block = (struct link_block){
		.started_ms = l->now.mono_ms, .ledger = {.detections = m->count}};
	memcpy(l->block.id, m->block_id, QKD_BLOCK_ID);
	transcript_begin(l);
	transcript_add(l, LINK_DETECTIONS, body);
	link_stage_enter(l, STAGE_A_SLOTS);
	if (!pads_suffice(l)) {
		fail(l, QKD_PADS_LOW);
	} else if (m->slot_count != n || m->first_slot % n != 0 || m->first_slot > UINT64_MAX / 2) {
		fail(l, QKD_PROTOCOL);
	} else if (memcmp(m->session, l->collect.session, sizeof m->session) != 0) {
		fail(l, QKD_DATA_ABSENT);
	} else {
		l->held = *m;
		memcpy(l->held_items, m->items.at, m->items.len);
		l->held.items = span_of(l->held_items, m->items.len);
		alice_find_slots(l);
	}
}

void link_block_tick(struct qkd_link *l)
{
	if (l->stage == STAGE_A_SLOTS)
		alice_find_slots(l);
	else if (l->stage == STAGE_IDLE && is_bob(l) && l->is_peer_up)
		bob_begin(l);
}

/* Reconciliation. */

static void bob_ask(struct qkd_link *l)
{
	struct writer w = writer_of(span_mut_of(l->items, LINK_BODY_MAX));
	struct link_message m = {0};
	uint64_t permutation;
	uint16_t type;

	if (!draw(l, &permutation, sizeof permutation))
		return;
	reconcile_ask(&l->reconcile, permutation, &type, &m, &w);
	say(l, type, &m);
	if (type != LINK_CORRECTED) {
		link_stage_enter(l, STAGE_B_PARITIES);
		return;
	}
	l->block.ledger.corrected = l->reconcile.corrected;
	l->block.ledger.parities = l->reconcile.parities;
	l->block.ledger.answers = l->reconcile.parities;
	link_stage_enter(l, STAGE_B_VERIFY);
}

static void bob_sifted(struct qkd_link *l, const struct link_message *m)
{
	const enum qkd_abort reason =
		sift_finish(&l->block.slots->detections, m, &l->key, &l->block.counts);

	if (reason != QKD_GOES_ON) {
		fail(l, reason);
		return;
	}
	collect_drop(&l->collect, l->block.slots);
	l->block.slots = NULL;
	if (!estimate(l))
		return;
	reconcile_begin(&l->reconcile, &l->key, l->block.estimate.test_qber);
	bob_ask(l);
}

static void bob_parities(struct qkd_link *l, const struct link_message *m)
{
	const enum qkd_abort reason = reconcile_learn(&l->reconcile, m);

	if (reason != QKD_GOES_ON)
		fail(l, reason);
	else
		bob_ask(l);
}

static void alice_answer(struct qkd_link *l, uint16_t type, const struct link_message *asked)
{
	struct link_message m = {.items = span_of(l->items, 0)};
	const enum qkd_abort reason = reconcile_answer(
		&l->reconcile, type, asked, span_mut_of(l->items, LINK_BODY_MAX), &m.count);

	if (reason != QKD_GOES_ON) {
		fail(l, reason);
		return;
	}
	m.items = span_of(l->items, (m.count + 7) / 8);
	say(l, LINK_PARITIES, &m);
	link_stage_enter(l, STAGE_A_QUESTION);
}

/* Verification and amplification. */

static struct span packed_key(struct qkd_link *l)
{
	key_bits_pack(&l->key, l->memory_packed.bytes);
	return span_of(l->memory_packed.bytes, (l->key.count + 7) / 8);
}

static void alice_corrected(struct qkd_link *l, const struct link_message *corrected)
{
	struct link_message m = {0};

	l->block.ledger.parities = l->reconcile.parities;
	l->block.ledger.answers = l->reconcile.parities;
	l->block.ledger.corrected = corrected->errors;
	if (!draw(l, m.hash_key, sizeof m.hash_key))
		return;
	verify_tag(m.verify_tag, packed_key(l), m.hash_key);
	l->block.ledger.tag_bits = VERIFY_TAG_BITS;
	say(l, LINK_VERIFY, &m);
	link_stage_enter(l, STAGE_A_VERIFIED);
}

static void bob_verify(struct qkd_link *l, const struct link_message *m)
{
	uint8_t tag[VERIFY_TAG];
	struct link_message verified = {0};

	verify_tag(tag, packed_key(l), m->hash_key);
	l->block.ledger.tag_bits = VERIFY_TAG_BITS;
	const bool is_equal = ct_equal(tag, m->verify_tag, sizeof tag);
	secret_wipe(tag, sizeof tag);
	if (!is_equal) {
		fail(l, QKD_VERIFICATION_FAILED);
		return;
	}
	say(l, LINK_VERIFIED, &verified);
	link_stage_enter(l, STAGE_B_AMPLIFY);
}

/* Both ends: the final key from the packed one. False: aborted. */
static bool amplify(struct qkd_link *l, struct span seed)
{
	struct link_block *b = &l->block;
	const struct span packed = span_of(l->memory_packed.bytes, (l->key.count + 7) / 8);
	const enum qkd_abort reason = amplify_key(
		span_mut_of(l->memory_final.bytes, b->final_bits / 8), packed, l->key.count, seed);

	if (reason != QKD_GOES_ON) {
		fail(l, reason);
		return false;
	}
	b->ledger.final_bits = b->final_bits;
	b->ledger.seed_bits = l->key.count - 1;
	b->ledger.refill_bits = (uint64_t)b->refill * 2 * PAD_OCTETS * 8;
	return true;
}

static void alice_tag(struct qkd_link *l, struct span unused);

static void alice_verified(struct qkd_link *l)
{
	struct link_block *b = &l->block;
	const uint32_t seed_bits = l->key.count - 1;
	const enum qkd_abort reason =
		amplify_length(&b->estimate, &l->parameters, &b->ledger, &b->final_bits);

	if (reason != QKD_GOES_ON) {
		fail(l, reason);
		return;
	}
	const struct span_mut seed = span_mut_of(l->items, (seed_bits + 7) / 8);
	if (!draw(l, seed.at, seed.len))
		return;
	if (seed_bits % 8 != 0)
		seed.at[seed.len - 1] &= (uint8_t)((1 << seed_bits % 8) - 1);
	b->refill = pads_refill_wanted(&l->secrets->pads, l->marks);
	struct link_message m = {.final_bits = b->final_bits,
		.refill = b->refill,
		.count = seed_bits,
		.items = span_read(seed)};
	say(l, LINK_AMPLIFY, &m);
	if (!amplify(l, span_read(seed)))
		return;
	link_stage_enter(l, STAGE_STORING);
	link_ask_marks(l, (struct qkd_marks){l->marks.send + 1, l->marks.accept}, alice_tag);
}

static void bob_amplify(struct qkd_link *l, const struct link_message *m)
{
	struct link_block *b = &l->block;
	uint32_t most;
	const enum qkd_abort reason =
		amplify_length(&b->estimate, &l->parameters, &b->ledger, &most);

	if (reason != QKD_GOES_ON) {
		fail(l, reason);
		return;
	}
	/* The same account, so the same length: another one is not negotiated. */
	if (m->final_bits != most || m->refill > PADS_REFILL_STEP || m->count != l->key.count - 1) {
		fail(l, QKD_PROTOCOL);
		return;
	}
	b->final_bits = m->final_bits;
	b->refill = m->refill;
	if (amplify(l, m->items))
		link_stage_enter(l, STAGE_B_TAG);
}

/* Tags. */

static void tag_send(struct qkd_link *l, const struct polyhash *transcript)
{
	const uint64_t index = l->marks.send - 1; /* the mark is durable beyond it */
	const uint8_t *pad = pad_pool_at(&l->secrets->pads.send, index);
	struct link_message m = {.pad_index = index};

	if (pad == NULL) {
		fail(l, QKD_PADS_LOW);
		return;
	}
	wc_tag(m.tag, transcript, pad);
	say(l, LINK_TAG, &m);
}

static void alice_tag(struct qkd_link *l, struct span unused)
{
	(void)unused;
	link_stage_enter(l, STAGE_A_TAG);
	tag_send(l, &l->secrets->a_to_b);
}

static void tag_check(struct qkd_link *l, struct span unused);

/* The mark first: a pad that was shown to be used is burnt whatever the tag is worth. */
static void tag_take(struct qkd_link *l, const struct link_message *m)
{
	if (m->pad_index < l->marks.accept || m->pad_index - l->marks.accept > PADS_SKIP_MAX ||
		pad_pool_at(&l->secrets->pads.accept, m->pad_index) == NULL) {
		fail(l, QKD_TAG_WRONG);
		return;
	}
	l->status.pads_burnt += m->pad_index - l->marks.accept;
	l->held = *m;
	l->held.items = span_of(NULL, 0);
	link_stage_enter(l, STAGE_STORING);
	link_ask_marks(l, (struct qkd_marks){l->marks.send, m->pad_index + 1}, tag_check);
}

static void store_pending(struct qkd_link *l, struct span unused);
static void pending_done(struct qkd_link *l, struct span unused);
static void block_final(struct qkd_link *l, struct span unused);

static void tag_check(struct qkd_link *l, struct span unused)
{
	const struct polyhash *transcript = is_bob(l) ? &l->secrets->a_to_b : &l->secrets->b_to_a;
	const uint8_t *pad = pad_pool_at(&l->secrets->pads.accept, l->held.pad_index);
	struct link_block *b = &l->block;

	(void)unused;
	if (pad == NULL || !wc_verify(l->held.tag, transcript, pad)) {
		link_stage_enter(
			l, is_bob(l) ? STAGE_B_TAG : STAGE_A_TAG); /* nothing is stored yet */
		fail(l, QKD_TAG_WRONG);
		return;
	}
	if (is_bob(l)) {
		struct writer w = writer_of(span_mut_of(l->out, LINK_BODY_MAX));
		link_encode(&w, LINK_TAG, &l->held);
		transcript_add(l, LINK_TAG, writer_span_done(&w));
	}
	/* The refill waits in the durable state until the block is final, here or after a crash. */
	pads_refill_note(
		&l->secrets->pads, l->settings.role, b->id, b->refill, l->memory_final.bytes);
	link_ask_state(l, QKD_STATE, NULL, store_pending);
}

static void store_pending(struct qkd_link *l, struct span unused)
{
	const size_t used = (size_t)l->block.refill * 2 * PAD_OCTETS;
	char report[REPORT_MAX];
	struct qkd_request request = {
		.key = span_of(l->memory_final.bytes + used, l->block.final_bits / 8 - used)};

	(void)unused;
	report_write(l, QKD_GOES_ON, report);
	request.report = span_str(report);
	memcpy(request.block_id, l->block.id, QKD_BLOCK_ID);
	link_ask(l, QKD_BLOCK_PENDING, &request, pending_done);
}

static void ask_final(struct qkd_link *l)
{
	if (failed(pads_refill_apply(&l->secrets->pads, l->marks))) {
		fail(l, QKD_PADS_LOW);
		return;
	}
	link_stage_enter(l, STAGE_STORING);
	link_ask_state(l, QKD_BLOCK_FINAL, l->block.id, block_final);
}

static void bob_tag(struct qkd_link *l, struct span unused)
{
	(void)unused;
	link_stage_enter(l, STAGE_B_FINAL);
	tag_send(l, &l->secrets->b_to_a);
}

static void pending_done(struct qkd_link *l, struct span unused)
{
	(void)unused;
	if (is_bob(l))
		link_ask_marks(l, (struct qkd_marks){l->marks.send + 1, l->marks.accept}, bob_tag);
	else
		ask_final(l);
}

/* Final: the alarms of earlier blocks no longer describe the link. */
static void block_final(struct qkd_link *l, struct span unused)
{
	static const struct alarm_kind *const over[] = {&qkd_alarm_eavesdropping,
		&qkd_alarm_block_aborted, &qkd_alarm_authentication, &qkd_alarm_store,
		&qkd_alarm_random};
	const struct link_block *b = &l->block;
	const uint64_t secret_bits = b->ledger.final_bits - b->ledger.refill_bits;
	struct link_message m = {0};
	char report[REPORT_MAX];

	(void)unused;
	if (!is_bob(l) && l->is_peer_up)
		say(l, LINK_FINAL, &m);
	for (size_t i = 0; i < ARRAY_LEN(over); i++)
		alarm_clear(l->alarms, over[i], l->settings.link);
	l->status.blocks_final++;
	l->status.secret_bits += secret_bits;
	l->status.ledger = b->ledger;
	l->status.qber = block_qber(b);
	l->status.test_qber = b->estimate.test_qber;
	l->status.block_seconds = (double)(l->now.mono_ms - b->started_ms) * 1e-3;
	if (l->last_final_ms != 0 && l->now.mono_ms > l->last_final_ms)
		l->status.bits_per_second =
			(double)secret_bits * 1e3 / (double)(l->now.mono_ms - l->last_final_ms);
	l->last_final_ms = l->now.mono_ms;
	link_pads_watch(l);
	report_write(l, QKD_GOES_ON, report);
	block_forget(l);
	l->port.block_done(l->port.ctx, QKD_GOES_ON, report);
	link_block_tick(l);
}

/* Messages: which one may come in which stage. */

static void take_abort(struct qkd_link *l, const struct link_message *m)
{
	const bool is_reason = m->reason > QKD_GOES_ON && m->reason < QKD_ABORTS;

	link_block_abort(l, is_reason ? (enum qkd_abort)m->reason : QKD_PROTOCOL, false);
}

static const struct {
	enum link_stage stage;
	uint16_t type;
} expected[] = {
	{STAGE_A_QUESTION, LINK_PASS},
	{STAGE_A_QUESTION, LINK_RANGES},
	{STAGE_A_QUESTION, LINK_CORRECTED},
	{STAGE_A_VERIFIED, LINK_VERIFIED},
	{STAGE_A_TAG, LINK_TAG},
	{STAGE_B_SIFTED, LINK_SIFTED},
	{STAGE_B_PARITIES, LINK_PARITIES},
	{STAGE_B_VERIFY, LINK_VERIFY},
	{STAGE_B_AMPLIFY, LINK_AMPLIFY},
	{STAGE_B_TAG, LINK_TAG},
	{STAGE_B_FINAL, LINK_FINAL},
};

static bool is_expected(const struct qkd_link *l, uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		if (expected[i].stage == l->stage && expected[i].type == type)
			return true;
	return false;
}

static void take(struct qkd_link *l, uint16_t type, const struct link_message *m)
{
	switch ((enum link_type)type) {
	case LINK_SIFTED:
		bob_sifted(l, m);
		break;
	case LINK_PARITIES:
		bob_parities(l, m);
		break;
	case LINK_PASS:
	case LINK_RANGES:
		alice_answer(l, type, m);
		break;
	case LINK_CORRECTED:
		alice_corrected(l, m);
		break;
	case LINK_VERIFY:
		bob_verify(l, m);
		break;
	case LINK_VERIFIED:
		alice_verified(l);
		break;
	case LINK_AMPLIFY:
		bob_amplify(l, m);
		break;
	case LINK_TAG:
		tag_take(l, m);
		break;
	case LINK_FINAL:
		ask_final(l);
		break;
	case LINK_HELLO:
	case LINK_READY:
	case LINK_DETECTIONS:
	case LINK_ABORT:
		break;
	}
}

void link_block_message(struct qkd_link *l, uint16_t type, struct span body)
{
	struct wire_fault fault = {0};
	struct link_message m;

	if (failed(link_decode(type, body, &m, &fault))) {
		if (link_block_runs(l))
			fail(l, QKD_PROTOCOL);
		link_disconnect(l);
		return;
	}
	if (type == LINK_DETECTIONS && l->stage == STAGE_IDLE && !is_bob(l)) {
		alice_begin(l, &m, body);
		return;
	}
	/* The rest of a block that one end has given up while the other was still speaking. */
	if (!link_block_runs(l) || memcmp(m.block_id, l->block.id, QKD_BLOCK_ID) != 0)
		return;
	if (type == LINK_ABORT) {
		take_abort(l, &m);
		return;
	}
	if (!is_expected(l, type)) {
		fail(l, QKD_PROTOCOL);
		return;
	}
	if (type < LINK_TAG)
		transcript_add(l, type, body);
	take(l, type, &m);
}
