// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The way of one block from keys that should be equal to the store, in the order of the table in link.h. */
#include "base/ct.h"
#include "link_inner.h"

/* Verification and amplification. */

static uint64_t bits_of_number(uint32_t most)
{
	uint64_t bits = 0;

	for (; most > 0; most >>= 1)
		bits++;
	return bits;
}

/* The account of reconciliation, at both ends alike; and what is known of the eavesdropper now. False: aborted. */
static bool account_close(struct qkd_link *l)
{
	struct link_block *b = &l->block;
	const struct reconcile_account a = l->mode->account(l->reconcile[b->ledger.mode]);

	b->ledger.parities = a.parities;
	b->ledger.answers = a.answers;
	b->ledger.corrected = 0;
	b->ledger.rounds = a.rounds;
	b->ledger.frames = a.frames;
	b->ledger.frames_failed = a.frames_failed;
	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		/* How many were wrong tells of Bob's bits: as leak, a whole number of that size. */
		b->ledger.answers += bits_of_number(b->counts.key[k]);
		b->ledger.corrected += b->counts.key_errors[k];
	}
	const enum qkd_abort reason = estimate_block(&b->counts, &l->parameters, &b->estimate);
	if (reason == QKD_GOES_ON)
		return true;
	link_fail(l, reason);
	return false;
}

void link_corrected(struct qkd_link *l, const struct link_message *corrected)
{
	struct link_block *b = &l->block;
	struct link_message m = {0};

	for (size_t k = 0; k < QKD_INTENSITIES; k++)
		if (corrected->errors[k] > b->counts.key[k]) {
			link_fail(l, QKD_PROTOCOL);
			return;
		}
	memcpy(b->counts.key_errors, corrected->errors, sizeof b->counts.key_errors);
	if (!account_close(l) || !link_draw(l, m.hash_key, sizeof m.hash_key))
		return;
	verify_tag(m.verify_tag, l->key.key, m.hash_key);
	b->ledger.tag_bits = VERIFY_TAG_BITS;
	link_say(l, LINK_VERIFY, &m);
	link_stage_enter(l, STAGE_A_VERIFIED);
}

void link_verify(struct qkd_link *l, const struct link_message *m)
{
	uint8_t tag[VERIFY_TAG];
	struct link_message verified = {0};

	if (!account_close(l))
		return;
	verify_tag(tag, l->key.key, m->hash_key);
	l->block.ledger.tag_bits = VERIFY_TAG_BITS;
	const bool is_equal = ct_equal(tag, m->verify_tag, sizeof tag);
	secret_wipe(tag, sizeof tag);
	if (!is_equal) {
		link_fail(l, QKD_VERIFICATION_FAILED);
		return;
	}
	/* The keys are equal, so these were all errors. That is known whatever becomes of the block. */
	l->errors_before =
		(struct reconcile_errors){link_block_qber(l), l->block.estimate.test_qber};
	l->uncorrected = 0;
	link_say(l, LINK_VERIFIED, &verified);
	link_stage_enter(l, STAGE_B_AMPLIFY);
}

/* Both ends: the final key, when the whole seed is known. False: aborted. */
static bool amplify(struct qkd_link *l)
{
	struct link_block *b = &l->block;
	const enum qkd_abort reason =
		amplify_key(&l->amplifier, span_mut_of(l->memory_final.bytes, b->final_bits / 8),
			l->key.key, span_of(l->seed, (b->seed_bits + 7) / 8));

	if (reason != QKD_GOES_ON) {
		link_fail(l, reason);
		return false;
	}
	b->ledger.final_bits = b->final_bits;
	b->ledger.seed_bits = b->seed_bits;
	b->ledger.refill_bits = (uint64_t)b->refill * 2 * PAD_OCTETS * 8;
	return true;
}

static void alice_tag(struct qkd_link *l, struct span unused);

static void seed_send(struct qkd_link *l, size_t octets)
{
	for (size_t at = 0; at < octets;) {
		const size_t left = octets - at;
		const size_t part = left < LINK_SEED_PART_MAX ? left : LINK_SEED_PART_MAX;
		struct link_message m = {.items = span_of(l->seed + at, part)};
		link_say(l, LINK_SEED, &m);
		at += part;
	}
}

void link_verified(struct qkd_link *l)
{
	struct link_block *b = &l->block;
	const uint32_t seed_bits = l->key.key.bits - 1;
	const size_t octets = (seed_bits + 7) / 8;
	const enum qkd_abort reason = amplify_length(&b->estimate, &l->parameters, &b->ledger,
		l->settings.final_bits_max, &b->final_bits);

	if (reason != QKD_GOES_ON) {
		link_fail(l, reason);
		return;
	}
	if (!link_draw(l, l->seed, octets))
		return;
	if (seed_bits % 8 != 0)
		l->seed[octets - 1] &= (uint8_t)((1 << seed_bits % 8) - 1);
	b->seed_bits = seed_bits;
	b->refill = pads_refill_wanted(&l->secrets->pads, l->marks);
	struct link_message m = {
		.final_bits = b->final_bits, .refill = b->refill, .seed_bits = seed_bits};
	link_say(l, LINK_AMPLIFY, &m);
	seed_send(l, octets);
	if (!amplify(l))
		return;
	link_stage_enter(l, STAGE_STORING);
	link_ask_marks(l, (struct qkd_marks){l->marks.send + 1, l->marks.accept}, alice_tag);
}

void link_amplify(struct qkd_link *l, const struct link_message *m)
{
	struct link_block *b = &l->block;
	uint32_t most;
	const enum qkd_abort reason = amplify_length(
		&b->estimate, &l->parameters, &b->ledger, l->settings.final_bits_max, &most);

	if (reason != QKD_GOES_ON) {
		link_fail(l, reason);
		return;
	}
	/* The same account, so the same length: another one is not negotiated. */
	if (m->final_bits != most || m->refill > PADS_REFILL_STEP ||
		m->seed_bits != l->key.key.bits - 1) {
		link_fail(l, QKD_PROTOCOL);
		return;
	}
	b->final_bits = m->final_bits;
	b->refill = m->refill;
	b->seed_bits = m->seed_bits;
	link_stage_enter(l, STAGE_B_SEED);
}

void link_seed(struct qkd_link *l, const struct link_message *m)
{
	struct link_block *b = &l->block;
	const uint32_t all = (b->seed_bits + 7) / 8;

	if (m->items.len == 0 || m->items.len > all - b->seed_octets) {
		link_fail(l, QKD_PROTOCOL);
		return;
	}
	memcpy(l->seed + b->seed_octets, m->items.at, m->items.len);
	b->seed_octets += (uint32_t)m->items.len;
	link_stage_enter(l, STAGE_B_SEED);
	if (b->seed_octets == all && amplify(l))
		link_stage_enter(l, STAGE_B_TAG);
}

/* Tags. */

/* The hash of the whole transcript under the key of the end that makes the tag. */
static void transcript_hash(struct qkd_link *l, bool is_bobs, uint8_t hash[static WC_TAG])
{
	const struct link_transcript *t = l->block.transcript;
	const struct polyhash *streams = is_bobs ? t->under_b : t->under_a;

	polyhash_join(&streams[0], &streams[1], hash);
}

static void tag_send(struct qkd_link *l)
{
	const uint64_t index = l->marks.send - 1; /* the mark is durable beyond it */
	const uint8_t *pad = pad_pool_at(&l->secrets->pads.send, index);
	struct link_message m = {.pad_index = index};
	uint8_t hash[WC_TAG];

	if (pad == NULL) {
		link_fail(l, QKD_PADS_LOW);
		return;
	}
	transcript_hash(l, link_is_bob(l), hash);
	wc_tag(m.tag, hash, pad);
	secret_wipe(hash, sizeof hash);
	link_say(l, LINK_TAG, &m);
}

static void alice_tag(struct qkd_link *l, struct span unused)
{
	(void)unused;
	link_stage_enter(l, STAGE_A_TAG);
	tag_send(l);
}

static void tag_check(struct qkd_link *l, struct span unused);

/* The mark first: a pad that was shown to be used is burnt whatever the tag is worth. */
void link_tag(struct qkd_link *l, const struct link_message *m)
{
	if (m->pad_index < l->marks.accept || m->pad_index - l->marks.accept > PADS_SKIP_MAX ||
		pad_pool_at(&l->secrets->pads.accept, m->pad_index) == NULL) {
		link_fail(l, QKD_TAG_WRONG);
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
	const uint8_t *pad = pad_pool_at(&l->secrets->pads.accept, l->held.pad_index);
	struct link_block *b = &l->block;

	uint8_t hash[WC_TAG];

	(void)unused;
	transcript_hash(l, !link_is_bob(l), hash);
	const bool is_right = pad != NULL && wc_verify(l->held.tag, hash, pad);
	secret_wipe(hash, sizeof hash);
	if (!is_right) {
		link_stage_enter(
			l, link_is_bob(l) ? STAGE_B_TAG : STAGE_A_TAG); /* nothing is stored yet */
		link_fail(l, QKD_TAG_WRONG);
		return;
	}
	if (link_is_bob(l)) {
		struct writer w = writer_of(span_mut_of(l->out, LINK_BODY_MAX));
		link_encode(&w, LINK_TAG, &l->held);
		link_transcript_add(b->transcript, LINK_TAG, writer_span_done(&w), false);
	}
	/* The refill waits in the durable state until the block is final, here or after a crash. */
	pads_refill_note(
		&l->secrets->pads, l->settings.role, b->id, b->refill, l->memory_final.bytes);
	link_ask_state(l, QKD_STATE, NULL, store_pending);
}

static void store_pending(struct qkd_link *l, struct span unused)
{
	const size_t used = (size_t)l->block.refill * 2 * PAD_OCTETS;
	char report[LINK_REPORT_MAX];
	struct qkd_request request = {
		.key = span_of(l->memory_final.bytes + used, l->block.final_bits / 8 - used)};

	(void)unused;
	link_report(l, QKD_GOES_ON, report);
	request.report = span_str(report);
	memcpy(request.block_id, l->block.id, QKD_BLOCK_ID);
	link_ask(l, QKD_BLOCK_PENDING, &request, pending_done);
}

void link_final(struct qkd_link *l)
{
	if (failed(pads_refill_apply(&l->secrets->pads, l->marks))) {
		link_fail(l, QKD_PADS_LOW);
		return;
	}
	link_stage_enter(l, STAGE_STORING);
	link_ask_state(l, QKD_BLOCK_FINAL, l->block.id, block_final);
}

static void bob_tag(struct qkd_link *l, struct span unused)
{
	(void)unused;
	link_stage_enter(l, STAGE_B_FINAL);
	tag_send(l);
}

static void pending_done(struct qkd_link *l, struct span unused)
{
	(void)unused;
	if (link_is_bob(l))
		link_ask_marks(l, (struct qkd_marks){l->marks.send + 1, l->marks.accept}, bob_tag);
	else
		link_final(l);
}

/* Final: the alarms of earlier blocks no longer describe the link. */
static void block_final(struct qkd_link *l, struct span unused)
{
	static const struct alarm_kind *const over[] = {&qkd_alarm_eavesdropping,
		&qkd_alarm_block_aborted, &qkd_alarm_authentication, &qkd_alarm_store,
		&qkd_alarm_random, &qkd_alarm_device};
	const struct link_block *b = &l->block;
	const uint64_t secret_bits = b->ledger.final_bits - b->ledger.refill_bits;
	struct link_message m = {0};
	char report[LINK_REPORT_MAX];

	(void)unused;
	if (!link_is_bob(l) && l->is_peer_up)
		link_say(l, LINK_FINAL, &m);
	for (size_t i = 0; i < ARRAY_LEN(over); i++)
		alarm_clear(l->alarms, over[i], l->settings.link);
	l->status.blocks_final++;
	l->status.secret_bits += secret_bits;
	l->status.ledger = b->ledger;
	l->status.qber = link_block_qber(l);
	l->status.test_qber = b->estimate.test_qber;
	l->status.block_seconds = (double)(l->now.mono_ms - b->started_ms) * 1e-3;
	if (l->last_final_ms != 0 && l->now.mono_ms > l->last_final_ms) {
		const double seconds = (double)(l->now.mono_ms - l->last_final_ms) * 1e-3;
		l->bits_a_second = (double)b->ledger.sifted / seconds;
		l->status.bits_per_second = (double)secret_bits / seconds;
	}
	l->last_final_ms = l->now.mono_ms;
	link_pads_watch(l);
	link_report(l, QKD_GOES_ON, report);
	link_block_forget(l);
	l->port.block_done(l->port.ctx, QKD_GOES_ON, report);
	link_block_tick(l);
}
