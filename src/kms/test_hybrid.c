// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kms/combine.h"
#include "kms/exchange.h"
#include "kms/shelf.h"
#include "kms/vault.h"
#include "crypt/digest.h"
#include "support/prop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static struct kms_name name(const char *text)
{
	struct kms_name n;

	assert_true(kms_name_set(&n, text));
	return n;
}

/* --- states --- */

/* Every pair that leads somewhere; all others must be refused. */
static const struct {
	enum key_state from;
	enum key_event event;
	enum key_state to;
} key_steps[] = {
	{KEY_AVAILABLE, KEY_RESERVE, KEY_RESERVED},
	{KEY_AVAILABLE, KEY_ACCEPT, KEY_CONFIRMED},
	{KEY_AVAILABLE, KEY_CANCEL, KEY_VOID},
	{KEY_RESERVED, KEY_OFFER, KEY_OFFERED},
	{KEY_RESERVED, KEY_CANCEL, KEY_VOID},
	{KEY_OFFERED, KEY_OFFER, KEY_OFFERED},
	{KEY_OFFERED, KEY_CONFIRM, KEY_CONFIRMED},
	{KEY_OFFERED, KEY_CANCEL, KEY_VOID},
	{KEY_CONFIRMED, KEY_ACCEPT, KEY_CONFIRMED},
	{KEY_CONFIRMED, KEY_DELIVER, KEY_DELIVERED},
	{KEY_CONFIRMED, KEY_CANCEL, KEY_VOID},
	{KEY_DELIVERED, KEY_ERASE, KEY_ERASED},
	{KEY_VOID, KEY_CANCEL, KEY_VOID},
};

static void test_every_pair_of_key_state_and_event(void **state)
{
	size_t allowed = 0;

	(void)state;
	for (int s = 0; s < KEY_STATES; s++)
		for (int e = 0; e < KEY_EVENTS; e++) {
			enum key_state now = (enum key_state)s;
			enum key_state expected = now;
			bool is_allowed = false;
			for (size_t i = 0; i < ARRAY_LEN(key_steps); i++)
				if ((int)key_steps[i].from == s && (int)key_steps[i].event == e) {
					expected = key_steps[i].to;
					is_allowed = true;
				}
			const struct err err = key_step(&now, (enum key_event)e);
			assert_int_equal(err.kind, is_allowed ? ERR_NONE : ERR_STATE);
			assert_int_equal(now, expected);
			allowed += is_allowed;
		}
	assert_int_equal(allowed, ARRAY_LEN(key_steps));
}

static void test_nothing_leads_from_a_delivered_key_back_to_one_that_can_be_given(void **state)
{
	(void)state;
	for (int s = KEY_DELIVERED; s < KEY_STATES; s++)
		for (int e = 0; e < KEY_EVENTS; e++) {
			enum key_state now = (enum key_state)s;
			(void)key_step(&now, (enum key_event)e).kind;
			assert_true(now >= KEY_DELIVERED);
		}
}

static void test_a_block_is_ready_only_after_final_and_agreed(void **state)
{
	enum block_state s = BLOCK_PENDING;

	(void)state;
	assert_int_equal(block_step(&s, BLOCK_AGREE).kind, ERR_STATE);
	assert_int_equal(block_step(&s, BLOCK_CONFIRM).kind, ERR_STATE);
	assert_false(failed(block_step(&s, BLOCK_FINISH)));
	assert_int_equal(block_step(&s, BLOCK_CONFIRM).kind, ERR_STATE);
	assert_false(failed(block_step(&s, BLOCK_AGREE)));
	assert_false(failed(block_step(&s, BLOCK_CONFIRM)));
	assert_int_equal(s, BLOCK_READY);
	assert_int_equal(block_step(&s, BLOCK_AGREE).kind, ERR_STATE);
	assert_false(failed(block_step(&s, BLOCK_CANCEL)));
	assert_int_equal(block_step(&s, BLOCK_CONFIRM).kind, ERR_STATE);
}

/* --- slots and ids --- */

static void test_the_two_halves_never_meet(void **state)
{
	(void)state;
	for (uint32_t slots = 0; slots < 200; slots++) {
		const struct slot_range low = slots_of_direction(slots, DIRECTION_LOW);
		const struct slot_range high = slots_of_direction(slots, DIRECTION_HIGH);
		assert_true(low.first >= 1 && low.end == high.first);
		assert_true(slots == 0 || high.end <= slots);
		assert_int_equal(low.end - low.first, high.end - high.first);
		for (uint32_t slot = 0; slot < slots + 2; slot++) {
			enum direction d;
			const bool is_key = direction_of_slot(slots, slot, &d);
			assert_int_equal(is_key, slot >= low.first && slot < high.end);
			if (is_key)
				assert_int_equal(d == DIRECTION_LOW, slot < low.end);
		}
	}
}

/* [RFC 9562 §5.8, version 8], [RFC 9562 §4.1], [RFC 9562 §4.2] */
static void test_key_ids_differ_and_are_uuids(void **state)
{
	const uint8_t block_id[16] = {1, 2, 3}, other_id[16] = {1, 2, 4};
	struct kms_key_id a, b;

	(void)state;
	assert_false(failed(key_id_derive(&a, SPAN_ARRAY(block_id), DIRECTION_LOW, 5)));
	assert_int_equal(a.octets[6] >> 4, 8);
	assert_int_equal(a.octets[8] >> 6, 2);
	assert_false(failed(key_id_derive(&b, SPAN_ARRAY(block_id), DIRECTION_LOW, 5)));
	assert_memory_equal(&a, &b, sizeof a);
	assert_false(failed(key_id_derive(&b, SPAN_ARRAY(block_id), DIRECTION_HIGH, 5)));
	assert_memory_not_equal(&a, &b, sizeof a);
	assert_false(failed(key_id_derive(&b, SPAN_ARRAY(block_id), DIRECTION_LOW, 6)));
	assert_memory_not_equal(&a, &b, sizeof a);
	assert_false(failed(key_id_derive(&b, SPAN_ARRAY(other_id), DIRECTION_LOW, 5)));
	assert_memory_not_equal(&a, &b, sizeof a);
}

/* --- combination --- */

struct inputs {
	struct kms_name site, other;
	struct combine_context context;
	uint8_t qkd[32], mlkem[32], x25519[32];
	size_t octets;
};

static struct inputs sample(void)
{
	struct inputs in = {.site = name("radio"), .other = name("core"), .octets = 32};

	memset(&in.context.id, 0x11, sizeof in.context.id);
	memset(in.context.transcript, 0x22, sizeof in.context.transcript);
	memset(in.qkd, 0x33, sizeof in.qkd);
	memset(in.mlkem, 0x44, sizeof in.mlkem);
	memset(in.x25519, 0x55, sizeof in.x25519);
	return in;
}

static void combine(struct inputs *in, uint8_t key[static 128])
{
	const struct combine_secrets secrets = {
		SPAN_ARRAY(in->qkd), SPAN_ARRAY(in->mlkem), SPAN_ARRAY(in->x25519)};

	in->context.site = &in->site;
	in->context.other = &in->other;
	memset(key, 0, 128);
	assert_false(failed(key_combine(&in->context, &secrets, span_mut_of(key, in->octets))));
}

/* By the command line tool, so that this test shares no code with what it tests. */
static void hkdf_elsewhere(const char *secret_hex, const char *info_hex, uint8_t key[static 32])
{
	char command[2048], hex[256];

	snprintf(command, sizeof command,
		"openssl kdf -binary -keylen 32 -kdfopt digest:SHA2-512 -kdfopt hexkey:%s "
		"-kdfopt hexinfo:%s HKDF | od -An -tx1 -v | tr -d ' \\n'",
		secret_hex, info_hex);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	assert_non_null(fgets(hex, sizeof hex, p));
	assert_int_equal(pclose(p), 0);
	assert_true(hex_to_span(span_mut_of(key, 32), hex));
}

/* [RFC 5869] */
static void test_the_hybrid_key_is_hkdf_of_the_documented_octets(void **state)
{
	struct inputs in = sample();
	uint8_t key[128], expected[32];

	(void)state;
	combine(&in, key);
	/* Written out from the header's text, not from the code: core sorts before radio. */
	hkdf_elsewhere("010020"
		       "3333333333333333333333333333333333333333333333333333333333333333"
		       "020020"
		       "4444444444444444444444444444444444444444444444444444444444444444"
		       "030020"
		       "5555555555555555555555555555555555555555555555555555555555555555",
		"6d65726c6f6e20687962726964206b65792031" /* "merlon hybrid key 1" */
		"04636f7265"
		"05726164696f"
		"11111111111111111111111111111111"
		"2222222222222222222222222222222222222222222222222222222222222222"
		"03010203"
		"00000100",
		expected);
	assert_memory_equal(key, expected, sizeof expected);
}

static void test_each_single_input_changes_the_hybrid_key(void **state)
{
	uint8_t key[128], other[128];
	struct inputs in = sample();

	(void)state;
	combine(&in, key);
	in = sample(), in.qkd[31] ^= 1, combine(&in, other);
	assert_memory_not_equal(key, other, 32);
	in = sample(), in.mlkem[0] ^= 1, combine(&in, other);
	assert_memory_not_equal(key, other, 32);
	in = sample(), in.x25519[7] ^= 0x80, combine(&in, other);
	assert_memory_not_equal(key, other, 32);
	in = sample(), in.context.id.octets[3] ^= 1, combine(&in, other);
	assert_memory_not_equal(key, other, 32);
	in = sample(), in.context.transcript[3] ^= 1, combine(&in, other);
	assert_memory_not_equal(key, other, 32);
	in = sample(), in.other = name("corf"), combine(&in, other);
	assert_memory_not_equal(key, other, 32);
	in = sample(), in.octets = 31, combine(&in, other);
	assert_memory_not_equal(key, other, 31);
	in = sample(), in.site = name("core"), in.other = name("radio"), combine(&in, other);
	assert_memory_equal(key, other, 32); /* both ends say the same */
}

/* --- exchange --- */

struct pair {
	struct peer_exchange message;
	struct peer_exchange_answer answer;
	struct exchange_private private;
	struct exchange_secrets at_responder, at_initiator;
	uint8_t expected[32], proof[32], slot0[32];
};

static struct err exchange_run(struct pair *p, void (*meddle)(struct pair *))
{
	struct prop prop = prop_seeded(7);
	const struct entropy entropy = prop_entropy(&prop);

	*p = (struct pair){.message = {.initiator = name("core"), .responder = name("radio")}};
	memset(p->slot0, 0x77, sizeof p->slot0);
	assert_false(failed(exchange_open(&entropy, &p->message, &p->private)));
	assert_false(failed(exchange_answer(&entropy, &p->message, SPAN_ARRAY(p->slot0), &p->answer,
		&p->at_responder, p->expected)));
	if (meddle != NULL)
		meddle(p);
	return exchange_finish(&p->message, &p->answer, &p->private, SPAN_ARRAY(p->slot0),
		&p->at_initiator, p->proof);
}

static void test_both_ends_of_an_exchange_agree(void **state)
{
	struct pair p;

	(void)state;
	assert_false(failed(exchange_run(&p, NULL)));
	assert_memory_equal(&p.at_initiator, &p.at_responder, sizeof p.at_initiator);
	assert_memory_equal(p.proof, p.expected, 32);
	assert_memory_not_equal(p.proof, p.answer.proof, 32);
}

static void meddle_ciphertext(struct pair *p)
{
	p->answer.mlkem[500] ^= 1;
}

static void meddle_point(struct pair *p)
{
	p->answer.x25519[5] ^= 1;
}

static void meddle_slot0(struct pair *p)
{
	p->slot0[0] ^= 1;
}

static void meddle_site(struct pair *p)
{
	p->message.responder = name("rogue");
}

static void meddle_block(struct pair *p)
{
	p->message.block_id[15] ^= 1;
}

static void meddle_proof(struct pair *p)
{
	p->answer.proof[31] ^= 1;
}

static void test_an_exchange_with_anything_changed_is_refused(void **state)
{
	void (*const meddles[])(struct pair *) = {meddle_ciphertext, meddle_point, meddle_slot0,
		meddle_site, meddle_block, meddle_proof};
	struct pair p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(meddles); i++)
		assert_int_equal(exchange_run(&p, meddles[i]).kind, ERR_AUTH);
}

/* --- vault --- */

static struct prop vault_prop;
static const uint8_t kek[32] = {9};

static struct kms_vault vault(const char *site, const char *peer)
{
	return (struct kms_vault){.kek = {.id = 1, .key = SPAN_ARRAY(kek)},
		.entropy = prop_entropy(&vault_prop),
		.site = name(site),
		.peer_site = name(peer)};
}

static struct span ask(struct kms_vault *v, uint16_t type, const struct writer *question,
	struct span_mut buffer, enum err_kind expected)
{
	struct writer w = writer_of(buffer);

	assert_false(question->is_full);
	assert_int_equal(kms_vault_serve(v, type, writer_span_done(question), &w).kind, expected);
	return writer_span_done(&w);
}

static uint8_t question_buffer[KVAULT_MESSAGE_MAX], answer_buffer[KVAULT_MESSAGE_MAX];
static struct kvault_segments segments;

static void block_seal(struct kms_vault *v, size_t octets, uint8_t fill)
{
	static uint8_t key[KVAULT_BLOCK_OCTETS_MAX];
	struct writer q = writer_of(SPAN_MUT_ARRAY(question_buffer));
	const struct kvault_block block = {.block_id = {5}, .key = span_of(key, octets)};
	struct wire_fault fault = {0};

	for (size_t i = 0; i < octets; i++)
		key[i] = (uint8_t)(fill + i / SLOT_OCTETS);
	kvault_block_encode(&q, &block);
	const struct span answer =
		ask(v, KVAULT_BLOCK_SEAL, &q, SPAN_MUT_ARRAY(answer_buffer), ERR_NONE);
	assert_false(failed(kvault_segments_decode(&segments, answer, &fault)));
}

static void test_a_vault_seals_the_greatest_block_in_segments_of_their_own(void **state)
{
	struct kms_vault v = vault("core", "radio");

	(void)state;
	vault_prop = prop_seeded(1);
	block_seal(&v, KVAULT_BLOCK_OCTETS_MAX, 0);
	assert_int_equal(segments.count, KVAULT_SEGMENTS_MAX);
	assert_memory_not_equal(
		segments.items[0].wrapped, segments.items[1].wrapped, KVAULT_WRAPPED);
}

static void test_a_vault_never_combines_slot_0_nor_another_blocks_secrets(void **state)
{
	struct kms_vault v = vault("core", "radio");
	struct writer q;
	struct kvault_run run = {.count = 1, .keys = {{.slot = 1, .size_bits = 256}}};
	struct exchange_secrets secrets = {.mlkem = {1}, .x25519 = {2}, .transcript = {3}};
	uint8_t sealed[KVAULT_SECRETS], label[64];
	struct writer l = writer_of(SPAN_MUT_ARRAY(label));

	(void)state;
	vault_prop = prop_seeded(2);
	block_seal(&v, 320, 0x40);
	run.segment = (struct kvault_segment){.block_id = {5},
		.slots = 10,
		.wrapped = SPAN_ARRAY(segments.items[0].wrapped),
		.sealed = segments.items[0].sealed};
	writer_span(&l, span_of("merlon kms exchange secrets 1", 29));
	writer_span(&l, span_of(run.segment.block_id, 16));
	writer_span(&l, span_of(run.exchange_id, 16));
	assert_false(failed(envelope_seal(&v.kek, &v.entropy, writer_span_done(&l),
		span_of(&secrets, sizeof secrets), SPAN_MUT_ARRAY(sealed))));
	run.secrets = SPAN_ARRAY(sealed);
	static uint8_t out[4096];
	const struct {
		uint32_t slot;
		uint8_t exchange;
		enum err_kind expected;
	} rows[] = {{1, 0, ERR_NONE}, {8, 0, ERR_NONE}, {0, 0, ERR_INPUT}, {9, 0, ERR_INPUT},
		{64, 0, ERR_INPUT}, {1, 1, ERR_AUTH}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run.keys[0].slot = rows[i].slot;
		run.exchange_id[0] = rows[i].exchange;
		q = writer_of(SPAN_MUT_ARRAY(question_buffer));
		kvault_run_write(&q, &run);
		ask(&v, KVAULT_COMBINE, &q, SPAN_MUT_ARRAY(out), rows[i].expected);
	}
	/* A segment passed off as one of a longer block does not open. */
	run.exchange_id[0] = 0, run.keys[0].slot = 1, run.segment.slots = 64;
	q = writer_of(SPAN_MUT_ARRAY(question_buffer));
	kvault_run_write(&q, &run);
	ask(&v, KVAULT_COMBINE, &q, SPAN_MUT_ARRAY(out), ERR_AUTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair_of_key_state_and_event),
		cmocka_unit_test(
			test_nothing_leads_from_a_delivered_key_back_to_one_that_can_be_given),
		cmocka_unit_test(test_a_block_is_ready_only_after_final_and_agreed),
		cmocka_unit_test(test_the_two_halves_never_meet),
		cmocka_unit_test(test_key_ids_differ_and_are_uuids),
		cmocka_unit_test(test_the_hybrid_key_is_hkdf_of_the_documented_octets),
		cmocka_unit_test(test_each_single_input_changes_the_hybrid_key),
		cmocka_unit_test(test_both_ends_of_an_exchange_agree),
		cmocka_unit_test(test_an_exchange_with_anything_changed_is_refused),
		cmocka_unit_test(test_a_vault_seals_the_greatest_block_in_segments_of_their_own),
		cmocka_unit_test(test_a_vault_never_combines_slot_0_nor_another_blocks_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
