// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The way of one block to equal keys, in the order of the table in link.h. */
#include "ldpc.h"
#include "link_inner.h"
#include <math.h>
#include <stdio.h>
#include <inttypes.h>

static const double qber_cautious_most =
	0.12;                          /* LDPC has codes for it, of any length that it takes */
static const double qber_least = 5e-4; /* expected: fewer errors cost Cascade little more */

bool link_block_runs(const struct qkd_link *l)
{
	return l->stage > STAGE_IDLE;
}

/* Reports. */

double link_block_qber(const struct qkd_link *l)
{
	const struct qkd_ledger *g = &l->block.ledger;

	return g->sifted == 0 ? 0 : (double)g->corrected / (double)g->sifted;
}

static double efficiency(const struct qkd_link *l)
{
	const double shannon =
		(double)l->block.ledger.sifted * estimate_entropy(link_block_qber(l));

	return shannon > 0 ? (double)l->block.ledger.parities / shannon : 0;
}

void link_report(const struct qkd_link *l, enum qkd_abort reason, char out[static LINK_REPORT_MAX])
{
	const struct link_block *b = &l->block;
	const struct qkd_ledger *g = &b->ledger;
	const struct reconciler *mode = reconciler_of((enum reconcile_mode)g->mode);
	char id[2 * QKD_BLOCK_ID + 1];

	hex_from_span(id, SPAN_ARRAY(b->id));
	snprintf(out, LINK_REPORT_MAX,
		"{\"link\":\"%s\",\"block_id\":\"%s\",\"role\":\"%s\",\"optics\":\"%s\",\"abort\":"
		"\"%s\",\"time_ms\":%" PRId64 ",\"mode\":\"%s\","
		"\"qber\":%.6f,\"test_qber\":%.6f,\"phase_error\":%.6f,\"detections\":%" PRIu64
		",\"sifted\":%" PRIu64 ",\"revealed\":%" PRIu64 ",\"corrected\":%" PRIu64
		",\"parities\":%" PRIu64 ",\"answers\":%" PRIu64 ",\"tag_bits\":%" PRIu64
		",\"seed_bits\":%" PRIu64 ",\"final_bits\":%" PRIu64 ",\"refill_bits\":%" PRIu64
		",\"rounds\":%" PRIu64 ",\"frames\":%u,\"frames_failed\":%u,\"f\":%.4f}",
		l->settings.link, id, link_is_bob(l) ? "bob" : "alice",
		l->status.is_simulated ? "simulated" : "device", qkd_abort_word(reason),
		l->now.unix_ms, mode == NULL ? "none" : mode->word, link_block_qber(l),
		b->estimate.test_qber, b->estimate.phase_error, g->detections, g->sifted,
		g->revealed, g->corrected, g->parities, g->answers, g->tag_bits, g->seed_bits,
		g->final_bits, g->refill_bits, g->rounds, g->frames, g->frames_failed,
		efficiency(l));
}

void link_block_forget(struct qkd_link *l)
{
	struct collect_block *collecting = collect_current(&l->collect);

	if (collecting->is_open && memcmp(collecting->id, l->block.id, QKD_BLOCK_ID) == 0)
		collect_drop(&l->collect, collecting); /* Alice had not taken it yet */
	if (l->block.slots != NULL)
		collect_drop(&l->collect, l->block.slots);
	if (l->reconcile[l->block.ledger.mode] != NULL)
		l->mode->forget(l->reconcile[l->block.ledger.mode]);
	secret_wipe(l->memory_key.bytes, l->memory_key.len);
	secret_wipe(l->memory_final.bytes, l->memory_final.len);
	l->key.key.bits = 0;
	l->block = (struct link_block){0};
	link_stage_enter(l, STAGE_IDLE);
}

void link_block_abort(struct qkd_link *l, enum qkd_abort reason, bool tell_peer)
{
	const struct alarm_kind *alarm = qkd_abort_alarm(reason);
	const bool is_pending = l->stage == STAGE_B_FINAL || l->stage == STAGE_STORING;
	char report[LINK_REPORT_MAX];

	if (alarm != NULL && !l->block.is_estimated && reason != QKD_QBER_TOO_HIGH)
		alarm_raise(
			l->alarms, alarm, l->settings.link, l->now, "%s", qkd_abort_word(reason));
	else if (alarm != NULL)
		alarm_raise(l->alarms, alarm, l->settings.link, l->now,
			"%s; error rate of the test basis %.3f", qkd_abort_word(reason),
			l->block.estimate.test_qber);
	if (l->block.is_estimated || reason == QKD_QBER_TOO_HIGH)
		l->status.test_qber = l->block.estimate.test_qber;
	l->status.blocks_aborted++;
	l->status.last_abort = reason;
	l->uncorrected += reason == QKD_NOT_CORRECTED || reason == QKD_VERIFICATION_FAILED;
	l->after = NULL; /* what the store answers now belongs to no block */
	if (tell_peer && l->is_peer_up) {
		struct link_message m = {.reason = (uint8_t)reason};
		memcpy(m.block_id, l->block.id, QKD_BLOCK_ID);
		link_send(l, LINK_ABORT, &m);
	}
	link_report(l, reason, report);
	link_block_forget(l);
	l->port.block_done(l->port.ctx, reason, report);
	/* The store may hold the block: only a new greeting says at both ends what becomes of it. */
	if (is_pending)
		link_disconnect(l);
}

void link_fail(struct qkd_link *l, enum qkd_abort reason)
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
static void transcript_begin(struct qkd_link *l, struct link_transcript *t)
{
	const struct pads *pads = &l->secrets->pads;
	const uint8_t *key_a = link_is_bob(l) ? pads->accept.hash_key : pads->send.hash_key;
	const uint8_t *key_b = link_is_bob(l) ? pads->send.hash_key : pads->accept.hash_key;
	uint8_t text[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));
	/* One view of both ends: Alice's HELLO without what differs from end to end. */
	struct link_hello both = {.role = LINK_ALICE, .parameters = l->settings.shared};

	memcpy(both.link, l->settings.link, sizeof both.link);
	link_hello_encode(&w, &both);
	for (size_t from_bob = 0; from_bob < 2; from_bob++) {
		polyhash_begin(&t->under_a[from_bob], key_a);
		polyhash_begin(&t->under_b[from_bob], key_b);
	}
	link_transcript_add(t, LINK_HELLO, writer_span_done(&w), false);
}

void link_transcript_add(struct link_transcript *t, uint16_t type, struct span body, bool from_bob)
{
	/* Alice's tag cannot be part of what it covers. */
	if (type != LINK_TAG)
		hash_message(&t->under_a[from_bob], type, body);
	hash_message(&t->under_b[from_bob], type, body);
}

void link_say(struct qkd_link *l, uint16_t type, struct link_message *m)
{
	struct writer w = writer_of(span_mut_of(l->out, LINK_BODY_MAX));

	memcpy(m->block_id, l->block.id, QKD_BLOCK_ID);
	link_encode(&w, type, m);
	const struct span body = writer_span_done(&w);
	if (type < LINK_TAG || (type == LINK_TAG && !link_is_bob(l)))
		link_transcript_add(l->block.transcript, type, body, link_is_bob(l));
	l->port.send(l->port.ctx, type, body);
}

bool link_draw(struct qkd_link *l, void *at, size_t octets)
{
	if (!failed(entropy_fill(&l->entropy, span_mut_of(at, octets))))
		return true;
	link_fail(l, QKD_RANDOM_FAULT);
	return false;
}

/* Collecting: the block that is not worked on yet. */

static struct link_transcript *collecting_transcript(struct qkd_link *l)
{
	return &l->secrets->transcripts[l->collect.at];
}

static void collecting_forget(struct qkd_link *l, enum qkd_abort reason)
{
	collect_drop(&l->collect, collect_current(&l->collect));
	l->status.blocks_aborted++;
	l->status.last_abort = reason;
	if (qkd_abort_alarm(reason) != NULL)
		alarm_raise(l->alarms, qkd_abort_alarm(reason), l->settings.link, l->now,
			"%s while collecting", qkd_abort_word(reason));
}

static void collecting_abort(
	struct qkd_link *l, const uint8_t id[static QKD_BLOCK_ID], enum qkd_abort reason)
{
	struct link_message m = {.reason = (uint8_t)reason};

	memcpy(m.block_id, id, QKD_BLOCK_ID);
	collecting_forget(l, reason);
	if (l->is_peer_up)
		link_send(l, LINK_ABORT, &m);
}

/* Bob: a new block, once Alice has all of the one before. */
static void bob_open(struct qkd_link *l)
{
	uint8_t id[QKD_BLOCK_ID];

	if (!l->collect.is_on || !l->collect.has_position ||
		collect_current(&l->collect)->is_open || l->stage == STAGE_B_SIFTED)
		return;
	if (failed(entropy_fill(&l->entropy, SPAN_MUT_ARRAY(id))))
		return;
	collect_begin(&l->collect, id, l->collect.next_slot);
	transcript_begin(l, collecting_transcript(l));
}

static void bob_announce(struct qkd_link *l, bool all)
{
	struct link_message m = {0};
	struct writer w = writer_of(span_mut_of(l->out, LINK_BODY_MAX));

	if (!collect_announce(&l->collect, all, &m))
		return;
	memcpy(m.session, l->collect.session, sizeof m.session);
	memcpy(m.block_id, collect_current(&l->collect)->id, QKD_BLOCK_ID);
	link_encode(&w, LINK_DETECTED, &m);
	collect_announced(&l->collect);
	link_transcript_add(collecting_transcript(l), LINK_DETECTED, writer_span_done(&w), true);
	l->port.send(l->port.ctx, LINK_DETECTED, writer_span_done(&w));
}

void link_block_collect(struct qkd_link *l, bool all)
{
	if (!link_is_bob(l) || !l->is_peer_up || !l->collect.is_on)
		return;
	bob_announce(l, all || collect_is_complete(&l->collect));
	if (collect_is_overdue(&l->collect))
		collecting_abort(l, collect_current(&l->collect)->id, QKD_TOO_FEW_COUNTS);
	bob_open(l);
}

/* A new id is a new block: what Bob gave up, because his device began anew, he does not always say. */
static void alice_detected(struct qkd_link *l, const struct link_message *m, struct span body)
{
	struct collect_block *b = collect_current(&l->collect);
	const bool is_same = memcmp(m->block_id, b->id, QKD_BLOCK_ID) == 0;
	enum qkd_abort reason = QKD_DATA_ABSENT;

	/* What he measured of the block is known, and it is not given up: no other one now. */
	if ((l->stage == STAGE_A_MEASURED || l->stage == STAGE_A_SLOTS) && !is_same) {
		link_fail(l, QKD_PROTOCOL);
		link_disconnect(l);
		return;
	}
	if (memcmp(m->session, l->collect.session, sizeof m->session) == 0) {
		if (!b->is_open || !is_same) {
			collect_begin(&l->collect, m->block_id, m->first_slot);
			transcript_begin(l, collecting_transcript(l));
		}
		link_transcript_add(collecting_transcript(l), LINK_DETECTED, body, true);
		reason = collect_positions(&l->collect, m);
	}
	if (reason == QKD_GOES_ON)
		return;
	collecting_abort(l, m->block_id, reason);
	if (reason == QKD_PROTOCOL)
		link_disconnect(l);
}

/* Sifting and estimation. */

static bool pads_suffice(struct qkd_link *l)
{
	const struct pads *pads = &l->secrets->pads;

	link_pads_watch(l);
	return pad_pool_left(&pads->send, l->marks.send) >= PADS_NEEDED &&
	       pad_pool_left(&pads->accept, l->marks.accept) >= PADS_NEEDED;
}

/* The collected block becomes the one that is worked on. */
static bool block_take(struct qkd_link *l)
{
	struct link_transcript *transcript = collecting_transcript(l);
	struct collect_block *slots = collect_take(&l->collect);

	if (slots == NULL)
		return false;
	l->block.slots = slots;
	l->block.transcript = transcript;
	memcpy(l->block.id, slots->id, QKD_BLOCK_ID);
	l->block.ledger.detections = slots->count;
	return true;
}

/* Detections in the part that begins at `from`. */
static uint32_t part_count(const struct qkd_link *l, uint32_t from)
{
	const uint32_t left = l->settings.shared.detections_per_block - from;

	return left < LINK_PART_MAX ? left : LINK_PART_MAX;
}

/* Before a word is said of bases: whether the device was what the proof takes it for. False: aborted. */
static bool device_is_sound(struct qkd_link *l)
{
	const struct collect_block *slots = l->block.slots;
	struct watch_block seen = {.first_slot = slots->first_slot,
		.end_slot = slots->end_slot,
		.slots_lost = slots->slots_lost,
		.double_clicks = slots->double_clicks};

	if (link_is_bob(l))
		qkd_watch_count(&seen, slots->codes, slots->count);
	const enum qkd_abort reason = qkd_watch_judge(&l->watch, &seen);
	if (reason != QKD_GOES_ON)
		link_fail(l, reason);
	return reason == QKD_GOES_ON;
}

static void bob_begin(struct qkd_link *l)
{
	if (!collect_is_complete(&l->collect) || !pads_suffice(l))
		return;
	bob_announce(l, true);
	l->block = (struct link_block){.started_ms = l->now.mono_ms};
	if (!block_take(l))
		return;
	link_stage_enter(l, STAGE_B_SIFTED);
	if (!device_is_sound(l))
		return;
	sift_begin(&l->key, &l->block.counts);
	for (uint32_t from = 0; from < l->settings.shared.detections_per_block;) {
		struct link_message m = {.count = part_count(l, from)};
		sift_measured(l->block.slots->codes, from, m.count, l->items);
		m.items = span_of(l->items, (m.count + 3) / 4);
		link_say(l, LINK_MEASURED, &m);
		from += m.count;
	}
}

/* At both ends, from the same counts. */
static bool estimate_before(struct qkd_link *l)
{
	struct link_block *b = &l->block;

	collect_drop(&l->collect, b->slots); /* no detection makes key twice */
	b->slots = NULL;
	sift_end(&l->key);
	b->ledger.sifted = l->key.key.bits;
	b->ledger.revealed = qkd_sum(b->counts.test);
	const enum qkd_abort reason = estimate_early(&b->counts, &l->parameters, &b->estimate);
	b->is_estimated = reason == QKD_GOES_ON;
	if (reason != QKD_GOES_ON)
		link_fail(l, reason);
	return b->is_estimated;
}

/* All slots of the block are here: her answer in parts. */
static void alice_sift(struct qkd_link *l)
{
	if (!block_take(l))
		return; /* not yet */
	if (!device_is_sound(l))
		return;
	sift_begin(&l->key, &l->block.counts);
	for (uint32_t from = 0; from < l->settings.shared.detections_per_block;) {
		struct link_message m = {.count = part_count(l, from)};
		sift_answer(sift_best(), l->block.slots->codes, l->measured, from, m.count,
			l->items, &l->key, &l->block.counts);
		m.items = span_of(l->items, (m.count + 1) / 2);
		link_say(l, LINK_SIFTED, &m);
		from += m.count;
	}
	link_stage_enter(l, STAGE_A_RECONCILE);
	estimate_before(l);
}

/* Bob says what he measured of the block that is collected: it is worked on from now. */
static void alice_measured(struct qkd_link *l, const struct link_message *m, struct span body)
{
	struct link_block *b = &l->block;

	if (l->stage == STAGE_IDLE) {
		*b = (struct link_block){.started_ms = l->now.mono_ms};
		memcpy(b->id, m->block_id, QKD_BLOCK_ID);
		b->transcript = collecting_transcript(l);
		link_stage_enter(l, STAGE_A_MEASURED);
		if (!pads_suffice(l)) {
			link_fail(l, QKD_PADS_LOW);
			return;
		}
	}
	link_transcript_add(b->transcript, LINK_MEASURED, body, true);
	if (m->count != part_count(l, b->measured)) {
		link_fail(l, QKD_PROTOCOL);
		return;
	}
	memcpy(l->measured + b->measured / 4, m->items.at, m->items.len);
	b->measured += m->count;
	if (b->measured < l->settings.shared.detections_per_block)
		return;
	link_stage_enter(l, STAGE_A_SLOTS);
	alice_sift(l);
}

void link_block_tick(struct qkd_link *l)
{
	if (l->stage == STAGE_A_SLOTS)
		alice_sift(l);
	else if (l->stage == STAGE_IDLE && link_is_bob(l) && l->is_peer_up)
		bob_begin(l);
	if (l->stage >= STAGE_IDLE && link_is_bob(l) && l->is_peer_up)
		bob_open(l);
}

/* Reconciliation. */

static void bob_ask(struct qkd_link *l)
{
	struct reconcile *r = l->reconcile[l->block.ledger.mode];

	for (;;) {
		struct writer w = writer_of(span_mut_of(l->items, RECONCILE_BODY_MAX));
		if (!l->mode->ask(r, &w))
			break;
		struct link_message m = {.items = writer_span_done(&w)};
		link_say(l, LINK_QUESTION, &m);
	}
	link_stage_enter(l, STAGE_B_ANSWER);
	if (!l->mode->is_done(r))
		return;
	struct link_message m = {0};
	sift_errors(&l->key, l->before, m.errors);
	memcpy(l->block.counts.key_errors, m.errors, sizeof m.errors);
	link_say(l, LINK_CORRECTED, &m);
	link_stage_enter(l, STAGE_B_VERIFY);
}

/*
 * What this block's errors will be like; and twice that for each block since that was not corrected, but no more than LDPC has codes for.
 * So with that mode alone the link does not stay where no code reaches, whatever is wrong with what was expected.
 */
static uint32_t qber_expected_ppm(const struct qkd_link *l)
{
	const double qber =
		fmax(qber_least, reconcile_expect(l->errors_before, l->block.estimate.test_qber,
					 (double)l->block.ledger.revealed));
	const double cautious = fmin(qber * exp2(l->uncorrected), qber_cautious_most);

	return (uint32_t)((l->uncorrected > 0 ? cautious : qber) * 1e6);
}

static bool mode_begin(struct qkd_link *l, const struct link_message *m)
{
	l->mode = reconciler_of((enum reconcile_mode)m->mode);
	if (l->mode == NULL || (l->mode_fixed != 0 && m->mode != l->mode_fixed)) {
		link_fail(l, QKD_PROTOCOL);
		return false;
	}
	l->block.ledger.mode = m->mode;
	if (!failed(l->mode->begin(l->reconcile[m->mode], l->key.key, m->qber_ppm * 1e-6, m->seed)))
		return true;
	link_fail(l, QKD_NOT_CORRECTED);
	return false;
}

static void bob_reconcile(struct qkd_link *l)
{
	struct link_message m = {.qber_ppm = qber_expected_ppm(l)};
	const struct reconcile_circumstances now = {.key_bits = l->key.key.bits,
		.qber = m.qber_ppm * 1e-6,
		.bits_a_second = l->bits_a_second,
		.round_trip_ms = l->round_trip_ms,
		.is_ldpc_fast = ldpc_is_fast()};
	m.mode = (uint8_t)(l->mode_fixed != 0   ? l->mode_fixed
			   : l->uncorrected > 0 ? RECONCILE_CASCADE
						: reconcile_choose(&now));

	memcpy(l->before, l->key.key.words, (size_t)(l->key.key.bits + 63) / 64 * 8);
	if (!link_draw(l, m.seed, sizeof m.seed) || !mode_begin(l, &m))
		return;
	link_say(l, LINK_RECONCILE, &m);
	l->block.asked_ms = l->now.mono_ms;
	bob_ask(l);
}

static void bob_sifted(struct qkd_link *l, const struct link_message *m)
{
	struct link_block *b = &l->block;
	const enum qkd_abort reason = m->count != part_count(l, b->sifted)
					      ? QKD_PROTOCOL
					      : sift_finish(sift_best(), b->slots->codes, b->sifted,
							m, &l->key, &b->counts);

	if (reason != QKD_GOES_ON) {
		link_fail(l, reason);
		return;
	}
	b->sifted += m->count;
	if (b->sifted < l->settings.shared.detections_per_block)
		return;
	if (estimate_before(l))
		bob_reconcile(l);
	bob_open(l);
}

/* The least of late: what the ends compute in between counts too, and most where a code is made. A clock of milliseconds. */
static void round_trip_take(struct qkd_link *l, double ms)
{
	const double sample = fmax(ms - 1, 0), slowly = 1.0 / 64;

	if (!l->has_round_trip || sample < l->round_trip_ms)
		l->round_trip_ms = sample;
	else
		l->round_trip_ms += (sample - l->round_trip_ms) * slowly;
	l->has_round_trip = true;
}

static void bob_answer(struct qkd_link *l, const struct link_message *m)
{
	if (l->block.asked_ms != 0)
		round_trip_take(l, (double)(l->now.mono_ms - l->block.asked_ms));
	l->block.asked_ms = 0;
	const enum qkd_abort reason = l->mode->learn(l->reconcile[l->block.ledger.mode], m->items);

	if (reason != QKD_GOES_ON)
		link_fail(l, reason);
	else
		bob_ask(l);
}

static void alice_reconcile(struct qkd_link *l, const struct link_message *m)
{
	if (mode_begin(l, m))
		link_stage_enter(l, STAGE_A_QUESTION);
}

static void alice_question(struct qkd_link *l, const struct link_message *asked)
{
	struct writer w = writer_of(span_mut_of(l->items, RECONCILE_BODY_MAX));
	const enum qkd_abort reason =
		l->mode->answer(l->reconcile[l->block.ledger.mode], asked->items, &w);

	if (reason != QKD_GOES_ON) {
		link_fail(l, reason);
		return;
	}
	struct link_message m = {.items = writer_span_done(&w)};
	link_say(l, LINK_ANSWER, &m);
	link_stage_enter(l, STAGE_A_QUESTION);
}

/* Messages: which one may come in which stage. */

static void take_abort(struct qkd_link *l, const struct link_message *m)
{
	const bool is_reason = m->reason > QKD_GOES_ON && m->reason < QKD_ABORTS;
	const enum qkd_abort reason = is_reason ? (enum qkd_abort)m->reason : QKD_PROTOCOL;
	struct collect_block *collecting = collect_current(&l->collect);

	if (link_block_runs(l) && memcmp(m->block_id, l->block.id, QKD_BLOCK_ID) == 0)
		link_block_abort(l, reason, false);
	if (collecting->is_open && memcmp(m->block_id, collecting->id, QKD_BLOCK_ID) == 0)
		collecting_forget(
			l, reason); /* Bob's device gave him a reason before he said anything */
}

static const struct {
	enum link_stage stage;
	uint16_t type;
} expected[] = {
	{STAGE_A_RECONCILE, LINK_RECONCILE},
	{STAGE_A_QUESTION, LINK_QUESTION},
	{STAGE_A_QUESTION, LINK_CORRECTED},
	{STAGE_A_VERIFIED, LINK_VERIFIED},
	{STAGE_A_TAG, LINK_TAG},
	{STAGE_B_SIFTED, LINK_SIFTED},
	{STAGE_B_ANSWER, LINK_ANSWER},
	{STAGE_B_VERIFY, LINK_VERIFY},
	{STAGE_B_AMPLIFY, LINK_AMPLIFY},
	{STAGE_B_SEED, LINK_SEED},
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
	case LINK_RECONCILE:
		alice_reconcile(l, m);
		break;
	case LINK_QUESTION:
		alice_question(l, m);
		break;
	case LINK_ANSWER:
		bob_answer(l, m);
		break;
	case LINK_CORRECTED:
		link_corrected(l, m);
		break;
	case LINK_VERIFY:
		link_verify(l, m);
		break;
	case LINK_VERIFIED:
		link_verified(l);
		break;
	case LINK_AMPLIFY:
		link_amplify(l, m);
		break;
	case LINK_SEED:
		link_seed(l, m);
		break;
	case LINK_TAG:
		link_tag(l, m);
		break;
	case LINK_FINAL:
		link_final(l);
		break;
	case LINK_HELLO:
	case LINK_READY:
	case LINK_DETECTED:
	case LINK_MEASURED:
	case LINK_ABORT:
		break;
	}
}

/* Of the block that is collected, or becomes the one that is worked on. True: it was. */
static bool take_early(
	struct qkd_link *l, uint16_t type, const struct link_message *m, struct span body)
{
	const struct collect_block *collecting = collect_current(&l->collect);

	if (link_is_bob(l))
		return false;
	if (type == LINK_DETECTED) {
		alice_detected(l, m, body);
		return true;
	}
	if (type != LINK_MEASURED)
		return false;
	/* Of a block that was given up here while Bob was still speaking: nothing. */
	if (collecting->is_open && memcmp(m->block_id, collecting->id, QKD_BLOCK_ID) == 0 &&
		(l->stage == STAGE_IDLE || l->stage == STAGE_A_MEASURED))
		alice_measured(l, m, body);
	return true;
}

void link_block_message(struct qkd_link *l, uint16_t type, struct span body)
{
	struct wire_fault fault = {0};
	struct link_message m;

	if (failed(link_decode(type, body, &m, &fault))) {
		if (link_block_runs(l))
			link_fail(l, QKD_PROTOCOL);
		link_disconnect(l);
		return;
	}
	if (take_early(l, type, &m, body))
		return;
	if (type == LINK_ABORT) {
		take_abort(l, &m);
		return;
	}
	/* The rest of a block that one end has given up while the other was still speaking. */
	if (!link_block_runs(l) || memcmp(m.block_id, l->block.id, QKD_BLOCK_ID) != 0)
		return;
	if (!is_expected(l, type)) {
		link_fail(l, QKD_PROTOCOL);
		return;
	}
	if (type < LINK_TAG)
		link_transcript_add(l->block.transcript, type, body, !link_is_bob(l));
	take(l, type, &m);
}
