// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "auc/ind.h"
#include "auc/limit.h"
#include "auc/register.h"
#include "auc/resync.h"
#include "support/prop.h"
#include "support/usim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define YEAR_S (INT64_C(365) * 86400)

static struct moment at_s(int64_t seconds)
{
	return (struct moment){
		.mono_ms = (uint64_t)seconds * 1000, .unix_ms = (1800000000 + seconds) * 1000};
}

/* An owner that has leased what it wants. */
static struct sqn_lease leased(struct moment now, uint64_t recorded, uint64_t ahead)
{
	struct sqn_lease l;

	sqn_lease_start(&l, now, 1, recorded, ahead);
	sqn_lease_granted(&l, sqn_ceiling_due(&l, now));
	return l;
}

static uint64_t take_one(const struct sqn_lease *l, struct moment now, struct sqn_state *s)
{
	uint64_t seq;

	assert_false(failed(sqn_take(l, now, s, 1, &seq)));
	return seq;
}

/* ---- SQN ---- */

static void nothing_is_taken_before_the_lease_is_durable(void **state)
{
	struct sqn_lease l;
	struct sqn_state s = {0};
	uint64_t seq;

	(void)state;
	sqn_lease_start(&l, at_s(0), 1, 0, 100);
	assert_int_equal(sqn_take(&l, at_s(0), &s, 1, &seq).kind, ERR_LIMIT);
	assert_true(sqn_ceiling_due(&l, at_s(0)) > 0);
	sqn_lease_granted(&l, sqn_ceiling_due(&l, at_s(0)));
	assert_int_equal(sqn_ceiling_due(&l, at_s(0)), 0);
	assert_false(failed(sqn_take(&l, at_s(0), &s, 1, &seq)));
}

/* [TS 33.102 Annex C.1.1.3; C.3.1, partly time-based] */
static void an_unused_subscriber_starts_at_one_and_follows_the_clock(void **state)
{
	const struct sqn_lease l = leased(at_s(0), 0, 4096);
	struct sqn_state s = {0};

	(void)state;
	s.dif = sqn_dif_for(&l, at_s(0), &s, 1);
	assert_int_equal(take_one(&l, at_s(0), &s), 1);
	assert_int_equal(take_one(&l, at_s(0), &s), 2);
	assert_int_equal(take_one(&l, at_s(1000), &s), 1001);
}

static void a_burst_ends_at_the_ceiling_and_begins_again_with_the_clock(void **state)
{
	struct sqn_lease l = leased(at_s(0), 0, 10);
	struct sqn_state s = {0};
	uint64_t seq;

	(void)state;
	for (int i = 0; i < 11; i++)
		take_one(&l, at_s(0), &s);
	assert_int_equal(sqn_take(&l, at_s(0), &s, 1, &seq).kind, ERR_LIMIT);
	sqn_lease_granted(&l, sqn_ceiling_due(&l, at_s(6)));
	for (int i = 0; i < 6; i++)
		take_one(&l, at_s(6), &s);
	assert_int_equal(sqn_take(&l, at_s(6), &s, 1, &seq).kind, ERR_LIMIT);
}

static void five_that_do_not_fit_take_nothing(void **state)
{
	const struct sqn_lease l = leased(at_s(0), 0, 10);
	struct sqn_state s = {0};
	uint64_t seq;

	(void)state;
	for (int i = 0; i < 8; i++)
		take_one(&l, at_s(0), &s);
	assert_int_equal(sqn_take(&l, at_s(0), &s, 5, &seq).kind, ERR_LIMIT);
	assert_false(failed(sqn_take(&l, at_s(0), &s, 3, &seq)));
}

static void the_next_owner_starts_above_all_that_was_leased(void **state)
{
	const struct sqn_lease before = leased(at_s(0), 0, 50);
	struct sqn_state s = {0}, forgotten = {0};
	uint64_t highest = 0;

	(void)state;
	for (int i = 0; i < 51; i++)
		highest = take_one(&before, at_s(0), &s);
	const struct sqn_lease after = leased(at_s(0), before.ceiling, 50);
	assert_true(take_one(&after, at_s(0), &forgotten) > highest);
}

/* A burst runs ahead of the clock; the backup of two hours before knows nothing of it. */
static void a_restored_backup_repeats_no_burst(void **state)
{
	struct sqn_lease before = leased(at_s(0), 0, 5000);
	const uint64_t backup = before.ceiling;
	struct sqn_state s = {0}, forgotten = {0};
	uint64_t highest = 0;

	(void)state;
	sqn_lease_granted(&before, sqn_ceiling_due(&before, at_s(7200)));
	for (int i = 0; i < 4000; i++)
		highest = take_one(&before, at_s(7200), &s);
	const struct sqn_lease restored = leased(at_s(7210), backup, 5000);
	assert_true(take_one(&restored, at_s(7210), &forgotten) > highest);
}

/* A calendar set back by a year: the floor holds. Set forth while it runs: the monotonic clock does
 * not see it. */
static void the_calendar_moves_no_number_back(void **state)
{
	const struct sqn_lease before = leased(at_s(0), 0, 50);
	struct sqn_state s = {0}, forgotten = {0};

	(void)state;
	const uint64_t seq = take_one(&before, at_s(0), &s);
	const struct sqn_lease after = leased(at_s(-YEAR_S), before.ceiling, 50);
	assert_true(take_one(&after, at_s(-YEAR_S), &forgotten) > seq);
	const struct moment set_forth = {
		.mono_ms = at_s(1).mono_ms, .unix_ms = at_s(YEAR_S).unix_ms};
	assert_int_equal(sqn_unit(&before, set_forth), sqn_unit(&before, at_s(1)));
}

/* One start under a calendar of years ahead must not leave each subscriber a single lease for years. */
static void numbers_go_on_under_a_calendar_that_was_far_ahead(void **state)
{
	const struct sqn_lease wrong = leased(at_s(YEAR_S), 0, 50);
	struct sqn_lease l = leased(at_s(0), wrong.ceiling, 50);
	struct sqn_state s = {0};
	uint64_t seq;

	(void)state;
	while (!failed(sqn_take(&l, at_s(0), &s, 1, &seq)))
		;
	for (int i = 1; i <= 10; i++) {
		const uint64_t due = sqn_ceiling_due(&l, at_s(i * 100));
		sqn_lease_granted(&l, due);
		const uint64_t before = seq;
		assert_false(failed(sqn_take(&l, at_s(i * 100), &s, 1, &seq)));
		assert_true(seq > before);
	}
	/* And the calendar catches up: the lead has shrunk. */
	assert_true(sqn_unit(&l, at_s(2 * YEAR_S + 100000)) ==
		    sqn_unit(&wrong, at_s(2 * YEAR_S + 100000)));
}

static void the_end_of_43_bits_is_a_limit(void **state)
{
	const struct sqn_lease l = leased(at_s(0), 0, 50);
	struct sqn_state s = {0};
	uint64_t seq;

	(void)state;
	s.dif = sqn_dif_for(&l, at_s(0), &s, SQN_SEQ_MAX);
	assert_int_equal(sqn_take(&l, at_s(0), &s, 2, &seq).kind, ERR_LIMIT);
	assert_int_equal(take_one(&l, at_s(0), &s), SQN_SEQ_MAX);
	assert_int_equal(sqn_take(&l, at_s(0), &s, 1, &seq).kind, ERR_LIMIT);
}

/* ---- IND ---- */

/* [TS 33.102 Annex C.1.2, C.3.4] */
static void nodes_and_domains_have_their_own_ind_and_none_has_zero(void **state)
{
	struct ind_table t = {0};
	bool seen[SQN_INDS] = {false};
	char name[16];

	(void)state;
	for (int i = 1; i < SQN_INDS; i++) {
		snprintf(name, sizeof name, "sgsn-%d", i / 2);
		const enum auth_domain domain = i % 2 ? AUTH_PS : AUTH_CS;
		assert_int_equal(ind_find(&t, domain, name), 0);
		const uint8_t ind = ind_assign(&t, domain, name);
		assert_true(ind > 0 && ind < SQN_INDS && !seen[ind]);
		seen[ind] = true;
		assert_int_equal(ind_find(&t, domain, name), ind);
	}
	assert_int_equal(t.evicted, 0);
}

static void a_full_table_gives_again_what_was_least_recently_used(void **state)
{
	struct ind_table t = {0};
	char name[16];

	(void)state;
	for (int i = 1; i < SQN_INDS; i++) {
		snprintf(name, sizeof name, "n%d", i);
		ind_assign(&t, AUTH_PS, name);
	}
	const uint8_t second = ind_find(&t, AUTH_PS, "n2");
	for (int i = 1; i < SQN_INDS; i++) {
		snprintf(name, sizeof name, "n%d", i);
		if (i != 2)
			ind_find(&t, AUTH_PS, name);
	}
	assert_int_equal(ind_assign(&t, AUTH_PS, "newcomer"), second);
	assert_int_equal(ind_find(&t, AUTH_PS, "n2"), 0);
	assert_int_equal(t.evicted, 1);
}

/* Forty nodes that ask in turn: without sharing each would take another's IND at every request. */
static void more_busy_nodes_than_inds_share(void **state)
{
	enum { NODES = 40, ROUNDS = 10000 };
	struct ind_table t = {.idle_uses = IND_IDLE_USES};
	uint8_t first[NODES] = {0};
	uint64_t writes = 0;
	char name[16];

	(void)state;
	for (int i = 0; i < NODES * ROUNDS; i++) {
		snprintf(name, sizeof name, "n%d", i % NODES);
		uint8_t ind = ind_find(&t, AUTH_PS, name);
		if (ind == 0) {
			ind = ind_assign(&t, AUTH_PS, name);
			writes++;
		}
		assert_in_range(ind, 1, SQN_INDS - 1);
		if (i < NODES)
			first[i] = ind;
		assert_int_equal(ind, first[i % NODES]);
	}
	assert_int_equal(writes, SQN_INDS - 1);
	assert_int_equal(t.evicted, 0);
	assert_int_equal(t.shared, (NODES - (SQN_INDS - 1)) * ROUNDS);
	/* Who has gone makes room: n0 asks no more, and one that shared gets its IND. */
	for (int i = 0; i < IND_IDLE_USES; i++)
		ind_find(&t, AUTH_PS, "n1");
	assert_int_equal(ind_find(&t, AUTH_PS, "n39"), 0);
	ind_assign(&t, AUTH_PS, "n39");
	assert_int_equal(t.evicted, 1);
}

/* However they come: strangers one after another cost at most a write in a thousand requests. */
static void new_nodes_cost_a_write_in_a_thousand_requests(void **state)
{
	struct ind_table t = {.idle_uses = IND_IDLE_USES};
	uint64_t writes = 0;
	char name[16];

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		snprintf(name, sizeof name, "n%d", i);
		if (ind_find(&t, AUTH_PS, name) == 0) {
			ind_assign(&t, AUTH_PS, name);
			writes++;
		}
	}
	assert_in_range(writes, SQN_INDS, 1000);
}

static void what_cannot_be_is_not_restored(void **state)
{
	struct ind_table t = {0};

	(void)state;
	assert_int_equal(ind_restore(&t, 0, AUTH_PS, "n", 1).kind, ERR_INPUT);
	assert_int_equal(ind_restore(&t, SQN_INDS, AUTH_PS, "n", 1).kind, ERR_INPUT);
	assert_int_equal(ind_restore(&t, 1, AUTH_PS, "", 1).kind, ERR_INPUT);
	assert_false(failed(ind_restore(&t, 7, AUTH_CS, "n", 9)));
	assert_int_equal(ind_find(&t, AUTH_CS, "n"), 7);
	assert_int_equal(t.tick, 10);
}

/* ---- vectors ---- */

/* K, OPc, RAND and SQN of [TS 35.208] set 1; RES, CK, IK, AK, MAC-A are its figures with AMF b9b9,
 * whose separation bit is 1 as EPS has it. */
static const struct auc_algorithms algorithms = {.engine = &aes128_portable};

static struct auc_keys keys_of_set_1(void)
{
	struct auc_keys keys = {.algorithm = AUC_MILENAGE, .k_len = 16, .opc_len = 16};

	assert_true(hex_to_span(span_mut_of(keys.k, 16), "465b5ce8b199b49faa5f0a2ee238a6bc"));
	assert_true(hex_to_span(span_mut_of(keys.opc, 16), "cd63cb71954a9f4e48a5994e37a02baf"));
	assert_true(hex_to_span(SPAN_MUT_ARRAY(keys.amf), "b9b9"));
	return keys;
}

static void is_hex(const uint8_t *at, size_t len, const char *right)
{
	char hex[2 * AUTH_KEY + 1];

	hex_from_span(hex, span_of(at, len));
	assert_string_equal(hex, right);
}

/* [TS 33.102 §6.3.2], [TS 33.102 §6.8.1.2] */
static void a_vector_is_what_the_figures_say(void **state)
{
	const struct auc_keys keys = keys_of_set_1();
	struct auth_vector v = {0};

	(void)state;
	assert_true(hex_to_span(SPAN_MUT_ARRAY(v.rand), "23553cbe9637a89d218ae64dae47bf35"));
	assert_false(
		failed(vector_compute(&algorithms, &keys, UINT64_C(0xff9bb4d0b607), AUTH_EPS, &v)));
	/* ff9bb4d0b607 xor aa689c648370 = 55f328b43577 */
	is_hex(v.autn, AUTH_AUTN, "55f328b43577b9b94a9ffac354dfafb3");
	is_hex(v.res, v.res_len, "a54211d5e3ba50bf");
	is_hex(v.ck, AUTH_KEY, "b40ba9a3c58b2a05bbf0d987b21bf8cb");
	is_hex(v.ik, AUTH_KEY, "f769bcd751044604127672711c6d3441");
	/* c2 and c3 over these, added by hand: a54211d5 xor e3ba50bf. */
	is_hex(v.sres, AUTH_SRES, "46f8416a");
	is_hex(v.kc, AUTH_KC, "eae4be823af9a08b");
}

/* [TS 33.102 Annex H] */
static void the_separation_bit_follows_the_radio(void **state)
{
	const uint8_t amf[2] = {0x80, 0x01}, other[2] = {0x00, 0x02};
	uint8_t out[2];

	(void)state;
	amf_for_radio(out, amf, AUTH_UTRAN);
	is_hex(out, 2, "0001");
	amf_for_radio(out, other, AUTH_EPS);
	is_hex(out, 2, "8002");
}

/* ---- resynchronisation ---- */

static void auts_of(
	const struct auc_keys *keys, const uint8_t *rand, uint64_t sqn_ms, uint8_t auts[AUTH_AUTS])
{
	static const uint8_t amf[2] = {0};
	const struct milenage milenage = {.engine = &aes128_portable,
		.constants = &milenage_standard,
		.k = keys->k,
		.opc = keys->opc};
	struct milenage_output f;
	uint8_t sqn[SQN_OCTETS];

	sqn_to_octets(sqn, sqn_ms);
	milenage_compute(&milenage, rand, sqn, amf, &f);
	for (size_t i = 0; i < SQN_OCTETS; i++)
		auts[i] = sqn[i] ^ f.ak_star[i];
	memcpy(auts + SQN_OCTETS, f.mac_s, sizeof f.mac_s);
}

/* [TS 33.102 §6.3.3], [TS 33.102 §6.3.5] */
static void a_genuine_auts_is_opened_and_each_wrong_bit_refused(void **state)
{
	const struct auc_keys keys = keys_of_set_1();
	const uint8_t rand[AUTH_RAND] = {7};
	uint8_t auts[AUTH_AUTS];
	uint64_t sqn_ms;

	(void)state;
	auts_of(&keys, rand, UINT64_C(0x123456789abc), auts);
	assert_false(failed(resync_open(&algorithms, &keys, rand, auts, &sqn_ms)));
	assert_true(sqn_ms == UINT64_C(0x123456789abc));
	for (size_t bit = 0; bit < 8 * sizeof auts; bit++) {
		auts[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
			resync_open(&algorithms, &keys, rand, auts, &sqn_ms).kind, ERR_AUTH);
		assert_int_equal(sqn_ms, 0);
		auts[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* [TS 33.102 §6.3.5 step 3] */
static void resync_moves_only_where_the_card_would_refuse(void **state)
{
	const struct sqn_lease l = leased(at_s(0), 0, 100);
	static const struct {
		int64_t seq_ms_above; /* SEQ_MS, less the SEQ that comes next */
		enum resync_outcome outcome;
	} rows[] = {{-1, RESYNC_KEPT}, {-1000, RESYNC_KEPT}, {-(int64_t)SQN_DELTA, RESYNC_KEPT},
		{-(int64_t)SQN_DELTA - 1, RESYNC_LOWERED}, {0, RESYNC_RAISED},
		{1000000, RESYNC_RAISED}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sqn_state s = {0}, next;
		enum resync_outcome outcome;
		const uint64_t seq_next = UINT64_C(1) << 30;
		s.dif = sqn_dif_for(&l, at_s(0), &s, seq_next);
		const uint64_t seq_ms = (uint64_t)((int64_t)seq_next + rows[i].seq_ms_above);
		assert_false(
			failed(resync_decide(&l, at_s(0), &s, sqn_of(seq_ms, 3), &outcome, &next)));
		assert_int_equal(outcome, rows[i].outcome);
		assert_int_equal(next.generation, outcome == RESYNC_KEPT ? 0 : 1);
		assert_int_equal(take_one(&l, at_s(0), &next),
			outcome == RESYNC_KEPT ? seq_next : seq_ms + 1);
	}
}

static void a_card_at_its_end_is_a_limit(void **state)
{
	const struct sqn_lease l = leased(at_s(0), 0, 100);
	struct sqn_state s = {0}, next;
	enum resync_outcome outcome;

	(void)state;
	assert_int_equal(
		resync_decide(&l, at_s(0), &s, sqn_of(SQN_SEQ_MAX, 0), &outcome, &next).kind,
		ERR_LIMIT);
}

/*
 * Years of a subscriber's life: bursts, pauses, restarts, other cards in the same place (an SQN far
 * off), at several nodes. The card takes each vector, if not at once then after one
 * resynchronisation.
 */
/* [TS 33.102 Annex C.2.1, example in C.3.2] */
static void a_card_takes_every_vector(void **state)
{
	struct prop prop = prop_from_environment(11);
	struct usim card = {0};
	struct sqn_state s = {0};
	int64_t now = 0;
	struct sqn_lease l = leased(at_s(now), 0, 512);
	unsigned resyncs = 0;

	(void)state;
	s.dif = sqn_dif_for(&l, at_s(now), &s, 1);
	for (int i = 0; i < 20000; i++) {
		now += (int64_t)prop_below(&prop, i % 100 == 0 ? 5000000 : 3);
		if (prop_below(&prop, 50) == 0) {
			l = leased(at_s(now), l.ceiling, 512);
			s.last = 0;
		}
		if (prop_below(&prop, 500) == 0) {
			const uint64_t highest = prop_u64(&prop) >> (22 + prop_below(&prop, 40));
			for (size_t ind = 0; ind < SQN_INDS; ind++)
				card.seq_ms[ind] = highest;
		}
		if (sqn_ceiling_due(&l, at_s(now)) > 0)
			sqn_lease_granted(&l, sqn_ceiling_due(&l, at_s(now)));
		const uint8_t ind = (uint8_t)(1 + prop_below(&prop, 3));
		uint64_t seq;
		if (failed(sqn_take(&l, at_s(now), &s, 1, &seq)))
			continue;
		if (usim_takes(&card, sqn_of(seq, ind)))
			continue;
		struct sqn_state next;
		enum resync_outcome outcome;
		assert_false(failed(
			resync_decide(&l, at_s(now), &s, usim_sqn_ms(&card), &outcome, &next)));
		s = next;
		resyncs++;
		if (!failed(sqn_take(&l, at_s(now), &s, 1, &seq)))
			assert_true(usim_takes(&card, sqn_of(seq, ind)));
	}
	print_message("seed %llu: %u resynchronisations\n", (unsigned long long)prop.seed, resyncs);
	assert_true(resyncs > 10);
}

/* ---- register ---- */

static void subscribers_are_found_and_leading_zeros_count(void **state)
{
	struct subscriber_register r;
	struct subscriber *item, *same;
	char imsi[IMSI_TEXT], again[IMSI_TEXT];
	void *memory = calloc(1, register_octets(1000));
	bool is_new;

	(void)state;
	assert_non_null(memory);
	register_open(&r, 1000, memory);
	for (int i = 0; i < 1000; i++) {
		snprintf(imsi, sizeof imsi, "00101%010d", i);
		assert_null(register_find(&r, imsi));
		assert_false(failed(register_add(&r, imsi, &item, &is_new)));
		assert_true(is_new);
		item->dif = i;
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(imsi, sizeof imsi, "00101%010d", i);
		assert_int_equal(register_find(&r, imsi)->dif, i);
		register_imsi(register_find(&r, imsi), again);
		assert_string_equal(again, imsi);
	}
	assert_null(register_find(&r, "1010000000000"));
	assert_false(failed(register_add(&r, "001010000000000", &same, &is_new)));
	assert_false(is_new);
	assert_ptr_equal(same, register_find(&r, "001010000000000"));
	assert_int_equal(register_add(&r, "001020000000000", &item, &is_new).kind, ERR_LIMIT);
	free(memory);
}

/* Against a plain list: many come, go and come again, with keys of every length. */
static void what_is_sealed_stays_his_whoever_comes_and_goes(void **state)
{
	enum { IMSIS = 500, STEPS = 20000 };
	static struct {
		bool is_there;
		uint8_t len, octet;
	} model[IMSIS];
	struct prop prop = prop_from_environment(31);
	struct subscriber_register r;
	void *memory = calloc(1, register_octets(IMSIS));
	uint8_t sealed[REGISTER_SEALED_MAX];
	uint32_t there = 0;

	(void)state;
	assert_non_null(memory);
	register_open(&r, IMSIS, memory);
	for (int i = 0; i < STEPS; i++) {
		const size_t at = (size_t)prop_below(&prop, IMSIS);
		char imsi[IMSI_TEXT];
		snprintf(imsi, sizeof imsi, "%0*u", at % 2 ? 15 : 9, (unsigned)at);
		struct subscriber *s = register_find(&r, imsi);
		assert_int_equal(s != NULL, model[at].is_there);
		if (s != NULL) {
			const struct span has = register_sealed(&r, s);
			assert_int_equal(has.len, model[at].len);
			for (size_t k = 0; k < has.len; k++)
				assert_int_equal(has.at[k], model[at].octet);
		}
		if (s != NULL && prop_below(&prop, 3) == 0) {
			register_remove(&r, s);
			model[at].is_there = false;
			there--;
			continue;
		}
		bool is_new;
		model[at].len = (uint8_t)(1 + prop_below(&prop, REGISTER_SEALED_MAX));
		model[at].octet = (uint8_t)prop_below(&prop, 256);
		memset(sealed, model[at].octet, model[at].len);
		assert_false(failed(register_add(&r, imsi, &s, &is_new)));
		assert_int_equal(is_new, !model[at].is_there);
		if (failed(register_seal(&r, s, span_of(sealed, model[at].len)))) {
			/* Lengths have changed so often that memory is scattered: he goes. */
			register_remove(&r, s);
			there -= model[at].is_there;
			model[at].is_there = false;
			continue;
		}
		there += is_new;
		model[at].is_there = true;
		assert_int_equal(register_count(&r), there);
	}
	free(memory);
}

static void sealed_keys_of_no_length_and_beyond_the_longest_are_refused(void **state)
{
	struct subscriber_register r;
	struct subscriber *s;
	void *memory = calloc(1, register_octets(1));
	const uint8_t sealed[REGISTER_SEALED_MAX + 1] = {0};
	bool is_new;

	(void)state;
	assert_non_null(memory);
	register_open(&r, 1, memory);
	assert_false(failed(register_add(&r, "001010000000001", &s, &is_new)));
	assert_int_equal(register_seal(&r, s, span_of(sealed, 0)).kind, ERR_INPUT);
	assert_int_equal(register_seal(&r, s, SPAN_ARRAY(sealed)).kind, ERR_INPUT);
	assert_false(failed(register_seal(&r, s, span_of(sealed, REGISTER_SEALED_MAX))));
	free(memory);
}

/* Removed and there again in one life of the process: the numbers go on. */
static void who_comes_again_has_his_numbers(void **state)
{
	struct subscriber_register r;
	struct subscriber *s, *again;
	void *memory = calloc(1, register_octets(1));
	const uint8_t sealed[71] = {1};
	bool is_new;

	(void)state;
	assert_non_null(memory);
	register_open(&r, 1, memory);
	assert_false(failed(register_add(&r, "001010000000001", &s, &is_new)));
	assert_false(failed(register_seal(&r, s, SPAN_ARRAY(sealed))));
	s->last = 4711;
	register_remove(&r, s);
	assert_null(register_find(&r, "001010000000001"));
	assert_int_equal(register_count(&r), 0);
	assert_false(failed(register_add(&r, "001010000000001", &again, &is_new)));
	assert_true(is_new);
	assert_int_equal(again->last, 4711);
	free(memory);
}

/* ---- limits ---- */

static void a_bucket_holds_its_burst_and_leaks_at_its_rate(void **state)
{
	const struct limit limit = {.burst = 10, .per_hour = 3600};
	uint32_t level = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(limit_take(&limit, 5000, &level, 1));
	assert_false(limit_take(&limit, 5000, &level, 1));
	assert_false(limit_take(&limit, 5999, &level, 1));
	assert_true(limit_take(&limit, 6000, &level, 1));
	assert_false(limit_take(&limit, 6000, &level, 1));
	/* A refused one costs nothing; after a pause all is there again, and no more. */
	assert_true(limit_take(&limit, 3600000, &level, 10));
	assert_false(limit_take(&limit, 3600000, &level, 1));
	assert_false(limit_take(&limit, 7200000, &level, 11));
	assert_true(limit_take(&limit, 7200000, &level, 10));
}

static void a_rate_is_kept_to_the_cell_over_years(void **state)
{
	const struct limit limit = {.burst = 5, .per_hour = 7};
	uint32_t level = 0;
	uint64_t taken = 0;

	(void)state;
	for (uint64_t hour = 0; hour < 24 * 365 * 3; hour++)
		for (uint64_t minute = 0; minute < 60; minute += 4)
			taken += limit_take(&limit, (hour * 60 + minute) * 60000, &level, 1);
	assert_in_range(taken, 7 * 24 * 365 * 3 - 5, 7 * 24 * 365 * 3 + 5);
}

/* 2^32 cells: 49 days at the highest rate. */
static void a_level_of_long_ago_is_empty(void **state)
{
	const struct limit limit = {.burst = LIMIT_BURST_MAX, .per_hour = LIMIT_PER_HOUR_MAX};
	const uint64_t round_ms = UINT64_C(1) << 32;
	uint32_t level = 0;

	(void)state;
	assert_true(limit_take(&limit, 1000, &level, LIMIT_BURST_MAX));
	assert_false(limit_take(&limit, 1000, &level, 1));
	for (uint64_t ms = 1000 + round_ms / 8; ms < 3 * round_ms; ms += round_ms / 8) {
		uint32_t copy = level;
		assert_true(limit_take(&limit, ms, &copy, 1) || (ms - 1000) % round_ms == 0);
	}
}

/* ---- the operator's number ---- */

static void a_reset_begins_a_generation_at_the_number_given(void **state)
{
	const struct sqn_lease l = leased(at_s(0), 0, 100);
	static const struct {
		uint64_t seq;
		enum resync_outcome outcome;
	} rows[] = {{1, RESYNC_LOWERED}, {999, RESYNC_LOWERED}, {5000, RESYNC_RAISED}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sqn_state s = {.generation = 7}, next;
		enum resync_outcome outcome;
		s.dif = sqn_dif_for(&l, at_s(0), &s, 1000);
		assert_false(failed(resync_reset(&l, at_s(0), &s, rows[i].seq, &outcome, &next)));
		assert_int_equal(outcome, rows[i].outcome);
		assert_int_equal(next.generation, 8);
		assert_int_equal(take_one(&l, at_s(0), &next), rows[i].seq);
	}
}

static void a_reset_to_no_number_or_after_the_last_generation_is_refused(void **state)
{
	const struct sqn_lease l = leased(at_s(0), 0, 100);
	struct sqn_state s = {0}, next;
	enum resync_outcome outcome;

	(void)state;
	assert_int_equal(resync_reset(&l, at_s(0), &s, 0, &outcome, &next).kind, ERR_INPUT);
	assert_int_equal(
		resync_reset(&l, at_s(0), &s, SQN_SEQ_MAX + 1, &outcome, &next).kind, ERR_INPUT);
	assert_int_equal(
		resync_reset(&l, at_s(0), &s, SQN_SEQ_MAX, &outcome, &next).kind, ERR_LIMIT);
	s.generation = UINT32_MAX;
	assert_int_equal(resync_reset(&l, at_s(0), &s, 1, &outcome, &next).kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_taken_before_the_lease_is_durable),
		cmocka_unit_test(an_unused_subscriber_starts_at_one_and_follows_the_clock),
		cmocka_unit_test(a_burst_ends_at_the_ceiling_and_begins_again_with_the_clock),
		cmocka_unit_test(five_that_do_not_fit_take_nothing),
		cmocka_unit_test(the_next_owner_starts_above_all_that_was_leased),
		cmocka_unit_test(a_restored_backup_repeats_no_burst),
		cmocka_unit_test(the_calendar_moves_no_number_back),
		cmocka_unit_test(numbers_go_on_under_a_calendar_that_was_far_ahead),
		cmocka_unit_test(the_end_of_43_bits_is_a_limit),
		cmocka_unit_test(nodes_and_domains_have_their_own_ind_and_none_has_zero),
		cmocka_unit_test(a_full_table_gives_again_what_was_least_recently_used),
		cmocka_unit_test(more_busy_nodes_than_inds_share),
		cmocka_unit_test(new_nodes_cost_a_write_in_a_thousand_requests),
		cmocka_unit_test(what_cannot_be_is_not_restored),
		cmocka_unit_test(a_vector_is_what_the_figures_say),
		cmocka_unit_test(the_separation_bit_follows_the_radio),
		cmocka_unit_test(a_genuine_auts_is_opened_and_each_wrong_bit_refused),
		cmocka_unit_test(resync_moves_only_where_the_card_would_refuse),
		cmocka_unit_test(a_card_at_its_end_is_a_limit),
		cmocka_unit_test(a_card_takes_every_vector),
		cmocka_unit_test(subscribers_are_found_and_leading_zeros_count),
		cmocka_unit_test(what_is_sealed_stays_his_whoever_comes_and_goes),
		cmocka_unit_test(sealed_keys_of_no_length_and_beyond_the_longest_are_refused),
		cmocka_unit_test(who_comes_again_has_his_numbers),
		cmocka_unit_test(a_bucket_holds_its_burst_and_leaks_at_its_rate),
		cmocka_unit_test(a_rate_is_kept_to_the_cell_over_years),
		cmocka_unit_test(a_level_of_long_ago_is_empty),
		cmocka_unit_test(a_reset_begins_a_generation_at_the_number_given),
		cmocka_unit_test(a_reset_to_no_number_or_after_the_last_generation_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
