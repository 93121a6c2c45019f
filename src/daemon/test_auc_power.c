// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The ledger over a disk that loses power at arbitrary calls, with everything going on at once:
 * vectors, new serving nodes (more than there are INDs), resynchronisations up and down, imports of
 * new and of known subscribers, leases, checkpoints, calendars that are set. What was not synced is
 * lost, torn or reordered. A recorder keeps every number that was ever answered, and a card takes
 * each of them. With a disk that does not sync, the same test sees repeats.
 *
 * MERLON_CRASHES: how many power losses (2000). MERLON_SEED repeats a run.
 */
#include "test_auc_life.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { CRASHES_DEFAULT = 2000, LIVES_A_DISK = 100, STEPS_A_LIFE = 40, AT_ONCE_MAX = 6 };
enum { NODES = 40, IMPORT_MAX = 8, CALLS_UNTIL_LOSS = 160 };
enum { YEAR_S = 31536000, JUMP_S_MAX = 20 };

struct census {
	uint64_t crashes, unreadable, numbers, repeated, refused, absent, halved;
	uint64_t resyncs, imports, evicted, leases, lost_writes, torn_writes, jumps;
};

struct world {
	struct prop prop;
	struct life life;
	struct life_import import; /* the last one; its fate is unknown after a power loss */
	uint64_t imports;
	struct census census;
};

static uint64_t below(struct world *w, uint64_t bound)
{
	return prop_below(&w->prop, bound);
}

static bool is_known(const struct world *w, uint32_t card)
{
	return w->life.cards[card].promised != 0;
}

/* ---- what happens in a life ---- */

/* Used elsewhere before: above what we have given, or so far below that we are to come down. */
static void replace_card(struct world *w)
{
	const uint32_t card = (uint32_t)below(w, LIFE_SUBSCRIBERS);
	const uint64_t seq = prop_u64(&w->prop) >> (22 + below(w, 30));

	for (size_t ind = 0; ind < SQN_INDS; ind++)
		w->life.cards[card].usim.seq_ms[ind] = seq;
	w->life.cards[card].may_refuse = true;
}

/* New subscribers and known ones; of new ones some were used elsewhere. */
static void import_some(struct world *w)
{
	struct life_import *i = &w->import;
	const uint32_t first = (uint32_t)below(w, LIFE_SUBSCRIBERS - IMPORT_MAX);
	const uint64_t count = 1 + below(w, IMPORT_MAX);

	i->life = &w->life;
	i->rows.id = ++w->imports;
	i->rows.count = 0;
	for (uint32_t card = first; card < first + count; card++) {
		const bool is_new = !is_known(w, card) && life_keys_of(&w->life, card) == 0;
		const uint64_t seq = is_new && below(w, 2) == 0 ? below(w, 1 << 30) : 0;
		life_import_add(i, card, seq);
		for (size_t ind = 0; ind < SQN_INDS && is_new; ind++)
			w->life.cards[card].usim.seq_ms[ind] = seq;
	}
	life_import(i);
}

static void step(struct world *w)
{
	struct life_ask asks[AT_ONCE_MAX];
	const size_t count = 1 + below(w, AT_ONCE_MAX);
	uint32_t taken = 0; /* cards that have a question on its way: one each */

	life_pass_ms(&w->life, below(w, 6000));
	if (below(w, 25) == 0)
		w->life.now.unix_ms += 1000 * ((int64_t)below(w, 2 * YEAR_S) - YEAR_S);
	if (below(w, 12) == 0)
		replace_card(w);
	if (below(w, 12) == 0)
		import_some(w);
	for (size_t i = 0; i < count; i++) {
		const uint32_t card = (uint32_t)below(w, LIFE_SUBSCRIBERS);
		asks[i] = (struct life_ask){0};
		if ((taken >> card & 1) != 0)
			continue;
		taken |= 1u << card;
		life_ask(&asks[i], &w->life, card, (uint32_t)below(w, NODES),
			(uint8_t)(1 + below(w, AUTH_VECTORS_MAX)), false);
	}
	life_settle(&w->life);
	for (size_t i = 0; i < count && !w->life.is_lost; i++)
		if (asks[i].is_refused)
			life_ask(&asks[i], &w->life, asks[i].card, (uint32_t)below(w, NODES), 2,
				true);
	life_settle(&w->life);
}

/* ---- what must hold after a power loss ---- */

/* The import that was on its way is there whole or not at all; who was promised has his keys. */
static void check_subscribers(struct world *w)
{
	const struct life_import *i = &w->import;
	size_t there = 0;

	for (uint32_t card = 0; card < LIFE_SUBSCRIBERS; card++)
		w->census.absent += life_keys_of(&w->life, card) < w->life.cards[card].promised;
	for (size_t n = 0; n < i->rows.count; n++) {
		const uint32_t card = (uint32_t)strtoul(i->rows.rows[n].imsi + 5, NULL, 10);
		there += life_keys_of(&w->life, card) == i->rows.id;
		if (life_keys_of(&w->life, card) != 0)
			w->life.cards[card].promised = life_keys_of(&w->life, card);
	}
	w->census.halved += there != 0 && there != i->rows.count;
}

static void count_life(struct world *w)
{
	const struct ledger_counts c = ledger_counts(w->life.ledger);

	w->census.resyncs += c.resyncs_moved;
	w->census.evicted += c.inds_evicted;
	w->census.leases += c.leases;
	w->census.imports += c.imported > 0;
}

/* Between two lives the machine was off for a while, and somebody may have set its calendar. */
static void pass_between(struct world *w)
{
	struct moment *now = &w->life.now;

	now->mono_ms = 1000 * below(w, 1000);
	now->unix_ms += 1000 * ((int64_t)below(w, JUMP_S_MAX) - JUMP_S_MAX / 3);
	if (below(w, 20) != 0)
		return;
	now->unix_ms += 1000 * ((int64_t)below(w, 6 * YEAR_S) - 5 * YEAR_S);
	w->census.jumps++;
}

/* Opens what the last power loss left, works, and loses power somewhere. */
static bool live(struct world *w, bool is_unsafe)
{
	struct life *life = &w->life;
	struct complaint c = {0};
	const bool is_first = w->imports == 0;

	pass_between(w);
	powerloss_restart(life->disk);
	life->is_unsafe = is_unsafe && !is_first;
	if (!is_first)
		powerloss_fault(life->disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF,
			1 + below(w, CALLS_UNTIL_LOSS));
	if (!life_open(life, &c))
		return powerloss_is_off(life->disk);
	check_subscribers(w);
	/* The first life is safe in any case, so that there are subscribers to lose numbers of. */
	while (is_first && w->imports < 4) {
		import_some(w);
		life_settle(life);
	}
	for (int i = 0; i < STEPS_A_LIFE && !powerloss_is_off(life->disk) && !life->is_lost; i++)
		step(w);
	if (!powerloss_is_off(life->disk))
		powerloss_crash(life->disk);
	count_life(w);
	life_close(life);
	return true;
}

static void crash_many(struct census *sum, uint64_t seed, uint64_t lives, bool is_unsafe)
{
	static struct world w;

	w = (struct world){.prop = prop_seeded(seed)};
	w.life.disk = powerloss_open("auc-power", seed);
	w.life.vfs = "auc-power";
	w.life.now.unix_ms = INT64_C(1000) * LIFE_BASE_S;
	for (uint64_t i = 0; i < lives; i++) {
		if (!live(&w, is_unsafe)) {
			w.census.unreadable++; /* without syncs this happens */
			break;
		}
		w.census.crashes++;
	}
	const struct powerloss_counts counts = powerloss_counts(w.life.disk);
	powerloss_close(w.life.disk);
	sum->crashes += w.census.crashes;
	sum->unreadable += w.census.unreadable;
	sum->numbers += w.life.numbers.count;
	const uint64_t repeated = numbers_repeated(&w.life.numbers);
	sum->repeated += repeated;
	sum->refused += w.life.refused;
	sum->absent += w.census.absent + w.life.absent;
	sum->halved += w.census.halved;
	sum->resyncs += w.census.resyncs;
	sum->imports += w.census.imports;
	sum->evicted += w.census.evicted;
	sum->leases += w.census.leases;
	sum->jumps += w.census.jumps;
	sum->lost_writes += counts.lost;
	sum->torn_writes += counts.torn;
	numbers_close(&w.life.numbers);
	if (!is_unsafe && (repeated | w.life.refused | w.census.absent | w.life.absent |
				  w.census.halved) != 0)
		print_message("disk of seed %llu: %llu repeated, %llu refused, %llu absent, %llu "
			      "halved\n",
			(unsigned long long)seed, (unsigned long long)repeated,
			(unsigned long long)w.life.refused,
			(unsigned long long)(w.census.absent + w.life.absent),
			(unsigned long long)w.census.halved);
}

static void print_census(const char *what, uint64_t seed, const struct census *c)
{
	print_message("%s, seed %llu: %llu power losses (%llu changes lost, %llu torn; the "
		      "calendar set by "
		      "years %llu times), %llu numbers, "
		      "%llu resynchronisations, %llu lives with an import, %llu INDs evicted, %llu "
		      "leases: "
		      "%llu repeated, %llu refused, %llu subscribers lost, %llu imports in part, "
		      "%llu unreadable\n",
		what, (unsigned long long)seed, (unsigned long long)c->crashes,
		(unsigned long long)c->lost_writes, (unsigned long long)c->torn_writes,
		(unsigned long long)c->jumps, (unsigned long long)c->numbers,
		(unsigned long long)c->resyncs, (unsigned long long)c->imports,
		(unsigned long long)c->evicted, (unsigned long long)c->leases,
		(unsigned long long)c->repeated, (unsigned long long)c->refused,
		(unsigned long long)c->absent, (unsigned long long)c->halved,
		(unsigned long long)c->unreadable);
}

static uint64_t crashes_wanted(void)
{
	const char *text = getenv("MERLON_CRASHES");
	const uint64_t wanted = text == NULL ? 0 : strtoull(text, NULL, 10);

	return wanted == 0 ? CRASHES_DEFAULT : wanted;
}

static void no_number_repeats_however_the_power_goes(void **state)
{
	const struct prop prop = prop_from_environment(20);
	const uint64_t wanted = crashes_wanted();
	struct census sum = {0};

	(void)state;
	for (uint64_t i = 0; sum.crashes + sum.unreadable < wanted; i++)
		crash_many(&sum, prop.seed + i,
			wanted - sum.crashes < LIVES_A_DISK ? wanted - sum.crashes : LIVES_A_DISK,
			false);
	print_census("synced", prop.seed, &sum);
	assert_int_equal(sum.unreadable, 0);
	assert_int_equal(sum.repeated, 0);
	assert_int_equal(sum.refused, 0);
	assert_int_equal(sum.absent, 0);
	assert_int_equal(sum.halved, 0);
	/* It is a test only if there was something to lose. */
	assert_true(sum.numbers > 20 * wanted && sum.lost_writes > wanted / 4);
	assert_true(
		sum.resyncs > wanted / 8 && sum.imports > wanted / 8 && sum.evicted > wanted / 8);
}

/* The same must be able to fail: a store that does not sync gives numbers twice. */
static void without_syncs_the_same_test_sees_repeats(void **state)
{
	const struct prop prop = prop_from_environment(1);
	struct census sum = {0};

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		crash_many(&sum, prop.seed + i, 60, true);
	print_census("synchronous=OFF", prop.seed, &sum);
	assert_true(sum.repeated > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_number_repeats_however_the_power_goes),
		cmocka_unit_test(without_syncs_the_same_test_sees_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
