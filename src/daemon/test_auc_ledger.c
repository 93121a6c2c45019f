// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The ledger over a disk that loses power at arbitrary calls. A recorder keeps every number that
 * was ever answered; a card takes each of them. With a disk that does not sync, the same test sees
 * repeats.
 */
#include "daemon/auc-store/ledger.h"
#include "daemon/auc-store/ledger_schema.h"
#include "support/powerloss.h"
#include "support/prop.h"
#include "support/usim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { CARDS = 8, AHEAD = 64, NODES = 3 };

/* ---- the recorder ---- */

struct issued {
	uint64_t sqn, generation;
	uint32_t card;
};

struct recorder {
	struct issued *items;
	size_t count, limit;
	uint64_t repeats, refused_by_card, lost_subscribers;
	struct usim cards[CARDS];
};

static int by_number(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct issued));
}

static void record(struct recorder *r, uint32_t card, uint64_t sqn, uint64_t generation)
{
	if (r->count == r->limit) {
		r->limit = r->limit == 0 ? 4096 : 2 * r->limit;
		r->items = realloc(r->items, r->limit * sizeof *r->items);
		assert_non_null(r->items);
	}
	struct issued *i = &r->items[r->count++];
	memset(i, 0, sizeof *i);
	*i = (struct issued){.sqn = sqn, .generation = generation, .card = card};
}

/* A SEQ counts as repeated whatever the IND: it is the SEQ that must be new. */
static void count_repeats(struct recorder *r)
{
	for (size_t i = 0; i < r->count; i++)
		r->items[i].sqn = sqn_seq(r->items[i].sqn);
	qsort(r->items, r->count, sizeof *r->items, by_number);
	for (size_t i = 1; i < r->count; i++)
		r->repeats += by_number(&r->items[i - 1], &r->items[i]) == 0;
}

/* ---- one life of a store ---- */

struct life {
	struct prop *prop;
	struct recorder *recorder;
	struct powerloss *disk;
	struct store *store;
	struct ledger *ledger;
	struct moment now;
	bool is_lost;
};

static struct moment now_of(void *ctx)
{
	return ((struct life *)ctx)->now;
}

static void lost(void *ctx, const char *why)
{
	(void)why;
	((struct life *)ctx)->is_lost = true;
}

static const char *imsi_of(uint32_t card)
{
	static char imsi[IMSI_TEXT];

	snprintf(imsi, sizeof imsi, "00101%010u", card);
	return imsi;
}

struct asked {
	struct life *life;
	uint32_t card;
	bool is_refused;
};

static void took(void *ctx, struct err err, const struct ledger_ticket *ticket)
{
	struct asked *a = ctx;
	struct recorder *r = a->life->recorder;

	r->lost_subscribers += err.kind == ERR_ABSENT;
	for (uint8_t i = 0; !failed(err) && i < ticket->count; i++) {
		const uint64_t sqn = ticket->sqn_first + (uint64_t)i * SQN_INDS;
		record(r, a->card, sqn, ticket->generation);
		if (!usim_takes(&r->cards[a->card], sqn))
			a->is_refused = true;
	}
}

static void imported(void *ctx, struct err err, const struct auc_import_result *result)
{
	(void)result;
	*(struct err *)ctx = err;
}

static void done(void *ctx, struct err err)
{
	*(struct err *)ctx = err;
}

static void settle(struct life *life)
{
	while (store_step(life->store))
		;
}

static void ask(struct life *life)
{
	struct asked a = {.life = life, .card = (uint32_t)prop_below(life->prop, CARDS)};
	struct auth_request q = {.domain = AUTH_PS,
		.radio = AUTH_UTRAN,
		.vectors = (uint8_t)(1 + prop_below(life->prop, 5))};

	memcpy(q.imsi, imsi_of(a.card), IMSI_TEXT);
	snprintf(q.node, sizeof q.node, "sgsn-%u", (unsigned)prop_below(life->prop, NODES));
	ledger_take(life->ledger, &q, took, &a);
	settle(life); /* so `a` may be on the stack */
	if (!a.is_refused || life->is_lost)
		return;
	/* The card answers AUTS; after that, when it is durable, it takes what comes. */
	struct err moved = ERR(TIMEOUT);
	ledger_resync(
		life->ledger, q.imsi, usim_sqn_ms(&life->recorder->cards[a.card]), done, &moved);
	settle(life);
	a.is_refused = false;
	if (failed(moved))
		return;
	ledger_take(life->ledger, &q, took, &a);
	settle(life);
	life->recorder->refused_by_card += a.is_refused;
}

/* Another card in the subscriber's place, used elsewhere before: the next answer is an AUTS. */
static void replace_card(struct life *life)
{
	struct usim *card = &life->recorder->cards[prop_below(life->prop, CARDS)];
	const uint64_t seq = prop_u64(life->prop) >> (22 + prop_below(life->prop, 30));

	for (size_t i = 0; i < SQN_INDS; i++)
		card->seq_ms[i] = seq;
}

static struct err import_cards(struct life *life)
{
	static struct auc_import import;
	static const uint8_t sealed[70] = {1};
	struct err e = ERR(TIMEOUT);

	import.id = 1 + (prop_u64(life->prop) >> 2);
	import.count = CARDS;
	for (uint32_t i = 0; i < CARDS; i++) {
		import.rows[i] = (struct auc_import_row){.sealed = SPAN_ARRAY(sealed)};
		memcpy(import.rows[i].imsi, imsi_of(i), IMSI_TEXT);
	}
	ledger_import_rows(life->ledger, &import, done, &e);
	settle(life);
	if (failed(e))
		return e;
	ledger_import_commit(life->ledger, import.id, imported, &e);
	settle(life);
	return e;
}

static bool open_life(struct life *life, bool is_unsafe)
{
	const struct ledger_settings settings = {.ahead = AHEAD, .subscribers_max = 64};
	const struct store_settings on_disk = {.path = "auc.db",
		.schema = &ledger_schema,
		.vfs = "auc-crash",
		.unsafe_no_sync = is_unsafe};
	const struct clock_port clock = {.ctx = life, .now = now_of};
	struct complaint c = {0};

	if (failed(store_open(&life->store, NULL, &on_disk, &c)))
		return false;
	if (failed(ledger_open(&life->ledger, life->store, clock, &settings, &c))) {
		store_close(life->store);
		return false;
	}
	ledger_on_lost(life->ledger, lost, life);
	return true;
}

static void close_life(struct life *life)
{
	store_close(life->store);
	ledger_close(life->ledger);
}

struct census {
	uint64_t crashes, unreadable;
	struct recorder recorder;
};

/* Opens what the last crash left, works, and loses power somewhere, often in the middle of a
 * commit. */
static bool live(struct prop *prop, struct powerloss *disk, struct recorder *r, struct moment *now,
	bool is_unsafe, bool *is_imported)
{
	struct life life = {.prop = prop, .recorder = r, .disk = disk};

	now->mono_ms += 1000 * prop_below(prop, 20);
	now->unix_ms += 1000 * (int64_t)prop_below(prop, 20) - 9000; /* also backwards */
	life.now = *now;
	powerloss_restart(disk);
	if (*is_imported)
		powerloss_fault(disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF, 1 + prop_below(prop, 80));
	/* The first life is safe in any case, so that there are subscribers to lose numbers of. */
	if (!open_life(&life, is_unsafe && *is_imported))
		return powerloss_is_off(disk);
	if (!*is_imported)
		*is_imported = !failed(import_cards(&life));
	for (int i = 0; i < 60 && !powerloss_is_off(disk) && !life.is_lost; i++) {
		life.now.mono_ms += prop_below(prop, 6000);
		if (prop_below(prop, 40) == 0)
			replace_card(&life);
		ask(&life);
	}
	*now = life.now;
	if (!powerloss_is_off(disk))
		powerloss_crash(disk);
	close_life(&life);
	return true;
}

static struct census crash_many(uint64_t seed, int lives, bool is_unsafe)
{
	struct census census = {0};
	struct prop prop = prop_seeded(seed);
	struct powerloss *disk = powerloss_open("auc-crash", seed);
	struct moment now = {.mono_ms = 1000, .unix_ms = INT64_C(1800000000000)};
	bool is_imported = false;

	for (int i = 0; i < lives; i++) {
		if (!live(&prop, disk, &census.recorder, &now, is_unsafe, &is_imported)) {
			census.unreadable++; /* that database is gone; without syncs this happens */
			break;
		}
		census.crashes++;
	}
	powerloss_close(disk);
	count_repeats(&census.recorder);
	free(census.recorder.items);
	return census;
}

static void no_number_repeats_over_a_thousand_power_losses(void **state)
{
	const struct prop prop = prop_from_environment(20);
	struct census sum = {0};

	(void)state;
	for (uint64_t i = 0; i < 12; i++) {
		const struct census c = crash_many(prop.seed + i, 100, false);
		sum.crashes += c.crashes;
		sum.unreadable += c.unreadable;
		sum.recorder.count += c.recorder.count;
		sum.recorder.repeats += c.recorder.repeats;
		sum.recorder.refused_by_card += c.recorder.refused_by_card;
		sum.recorder.lost_subscribers += c.recorder.lost_subscribers;
	}
	print_message("seed %llu: %llu crashes, %zu numbers, %llu repeated\n",
		(unsigned long long)prop.seed, (unsigned long long)sum.crashes, sum.recorder.count,
		(unsigned long long)sum.recorder.repeats);
	assert_true(sum.crashes >= 1000);
	assert_true(sum.recorder.count >= 10000);
	assert_int_equal(sum.unreadable, 0);
	assert_int_equal(sum.recorder.repeats, 0);
	assert_int_equal(sum.recorder.lost_subscribers, 0);
	assert_int_equal(sum.recorder.refused_by_card, 0);
}

/* The same test must be able to fail: a store that does not sync gives numbers twice, or loses its
 * file. */
static void without_syncs_the_same_test_fails(void **state)
{
	uint64_t repeats = 0, damaged = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		const struct census c = crash_many(seed, 60, true);
		repeats += c.recorder.repeats;
		damaged += c.unreadable + c.recorder.lost_subscribers;
	}
	print_message("%llu repeated, %llu damaged\n", (unsigned long long)repeats,
		(unsigned long long)damaged);
	assert_true(repeats > 0);
}

/* ---- one AUTS, sent twice ---- */

static void take_five(struct asked *a)
{
	const struct auth_request q = {
		.imsi = "001010000000000", .domain = AUTH_PS, .vectors = 5, .node = "n"};

	ledger_take(a->life->ledger, &q, took, a);
}

/* As the store does it: what was asked with AUTS is taken once the new offset is durable. */
static void take_when_moved(void *ctx, struct err err)
{
	if (!failed(err))
		take_five(ctx);
}

static void an_auts_that_comes_twice_at_once_repeats_no_number(void **state)
{
	struct prop prop = prop_seeded(7);
	struct recorder recorder = {0};
	struct powerloss *disk = powerloss_open("auc-crash", 7);
	struct life life = {.prop = &prop,
		.recorder = &recorder,
		.disk = disk,
		.now = {.mono_ms = 1000, .unix_ms = INT64_C(1800000000000)}};
	struct asked a = {.life = &life};

	(void)state;
	powerloss_restart(disk);
	assert_true(open_life(&life, false));
	assert_false(failed(import_cards(&life)));
	take_five(&a); /* the node gets its IND */
	settle(&life);
	const size_t before = recorder.count;
	ledger_resync(life.ledger, imsi_of(0), sqn_of(1000000, 1), take_when_moved, &a);
	take_five(&a); /* another request of the same subscriber, on the old offset */
	ledger_resync(life.ledger, imsi_of(0), sqn_of(1000000, 1), take_when_moved, &a);
	settle(&life);
	assert_int_equal(ledger_counts(life.ledger).resyncs_moved, 1);
	assert_int_equal(recorder.count, before + 10);
	/* The next one is heard again. */
	ledger_resync(life.ledger, imsi_of(0), sqn_of(2000000, 1), take_when_moved, &a);
	settle(&life);
	assert_int_equal(recorder.count, before + 15);
	count_repeats(&recorder);
	assert_int_equal(recorder.repeats, 0);
	close_life(&life);
	powerloss_close(disk);
	free(recorder.items);
}

/* ---- two owners ---- */

static void an_owner_who_was_replaced_leases_nothing_more(void **state)
{
	struct prop prop = prop_seeded(5);
	struct recorder recorder = {0};
	struct powerloss *disk = powerloss_open("auc-crash", 5);
	struct life life = {.prop = &prop,
		.recorder = &recorder,
		.disk = disk,
		.now = {.mono_ms = 1000, .unix_ms = INT64_C(1800000000000)}};
	struct ledger *second;
	struct complaint c = {0};
	const struct ledger_settings settings = {.ahead = AHEAD, .subscribers_max = 64};

	(void)state;
	powerloss_restart(disk);
	assert_true(open_life(&life, false));
	assert_false(failed(import_cards(&life)));
	/* By mistake, over the same database. */
	assert_false(failed(ledger_open(&second, life.store,
		(struct clock_port){.ctx = &life, .now = now_of}, &settings, &c)));
	assert_true(ledger_counts(second).epoch > ledger_counts(life.ledger).epoch);
	for (int i = 0; i < 1000 && !life.is_lost; i++) {
		life.now.mono_ms += 100;
		ask(&life);
		struct asked a = {.life = &life, .card = 0};
		struct auth_request q = {
			.imsi = "001010000000000", .domain = AUTH_PS, .vectors = 1, .node = "n"};
		ledger_take(second, &q, took, &a);
		settle(&life);
	}
	assert_true(life.is_lost);
	count_repeats(&recorder);
	assert_int_equal(recorder.repeats, 0);
	ledger_close(second);
	close_life(&life);
	powerloss_close(disk);
	free(recorder.items);
}

/* ---- import ---- */

static void an_import_lowers_no_number_and_starts_above_the_one_it_names(void **state)
{
	struct prop prop = prop_seeded(6);
	struct recorder recorder = {0};
	struct powerloss *disk = powerloss_open("auc-crash", 6);
	struct life life = {.prop = &prop,
		.recorder = &recorder,
		.disk = disk,
		.now = {.mono_ms = 1000, .unix_ms = INT64_C(1800000000000)}};
	static struct auc_import import;
	static const uint8_t sealed[70] = {1};
	struct asked a = {.life = &life};
	struct auth_request q = {
		.imsi = "001010000000000", .domain = AUTH_PS, .vectors = 1, .node = "n"};
	struct err e = ERR(TIMEOUT);

	(void)state;
	powerloss_restart(disk);
	assert_true(open_life(&life, false));
	import.count = 1;
	for (uint64_t id = 1; id <= 3; id++) {
		static const uint64_t named[] = {0, UINT64_C(1000) << SQN_IND_BITS, 0};
		import.id = id;
		import.rows[0] = (struct auc_import_row){.imsi = "001010000000000",
			.has_sqn = named[id - 1] != 0,
			.sqn = named[id - 1],
			.sealed = SPAN_ARRAY(sealed)};
		ledger_import_rows(life.ledger, &import, done, &e);
		settle(&life);
		assert_false(failed(e));
		ledger_import_commit(life.ledger, id, imported, &e);
		settle(&life);
		assert_false(failed(e));
		ledger_take(life.ledger, &q, took, &a);
		settle(&life);
	}
	assert_int_equal(recorder.count, 3);
	assert_int_equal(sqn_seq(recorder.items[0].sqn), 1);
	assert_true(sqn_seq(recorder.items[1].sqn) > 1000);
	assert_true(sqn_seq(recorder.items[2].sqn) > sqn_seq(recorder.items[1].sqn));
	close_life(&life);
	powerloss_close(disk);
	free(recorder.items);
}

static void an_import_that_is_not_committed_leaves_nothing(void **state)
{
	struct prop prop = prop_seeded(7);
	struct recorder recorder = {0};
	struct powerloss *disk = powerloss_open("auc-crash", 7);
	struct life life = {.prop = &prop,
		.recorder = &recorder,
		.disk = disk,
		.now = {.mono_ms = 1000, .unix_ms = INT64_C(1800000000000)}};
	static struct auc_import import;
	static const uint8_t sealed[70] = {1};
	struct err e = ERR(TIMEOUT);

	(void)state;
	powerloss_restart(disk);
	assert_true(open_life(&life, false));
	import.id = 9;
	import.count = 1;
	import.rows[0] =
		(struct auc_import_row){.imsi = "001010000000000", .sealed = SPAN_ARRAY(sealed)};
	ledger_import_rows(life.ledger, &import, done, &e);
	settle(&life);
	assert_false(failed(e));
	assert_null(ledger_find(life.ledger, "001010000000000"));
	close_life(&life);
	assert_true(open_life(&life, false));
	ledger_import_commit(life.ledger, 9, imported, &e);
	assert_int_equal(e.kind, ERR_STATE);
	assert_null(ledger_find(life.ledger, "001010000000000"));
	close_life(&life);
	powerloss_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_auts_that_comes_twice_at_once_repeats_no_number),
		cmocka_unit_test(an_owner_who_was_replaced_leases_nothing_more),
		cmocka_unit_test(an_import_lowers_no_number_and_starts_above_the_one_it_names),
		cmocka_unit_test(an_import_that_is_not_committed_leaves_nothing),
		cmocka_unit_test(no_number_repeats_over_a_thousand_power_losses),
		cmocka_unit_test(without_syncs_the_same_test_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
