// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The ledger over a disk that loses power at arbitrary calls, with everything going on at once:
 * vectors, new serving nodes (more than there are INDs), resynchronisations up and down, imports of
 * new and of known subscribers, removals, resets by an operator, key-encryption keys that rotate,
 * leases, checkpoints, calendars that are set. What was not synced is
 * lost, torn or reordered. A recorder keeps every number that was ever answered, and a card takes
 * each of them. With a disk that does not sync, the same test sees repeats.
 *
 * MERLON_CRASHES: how many power losses (2000). MERLON_SEED repeats a run.
 */
#include "daemon/auc-store/keyring.h"
#include "test_auc_life.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { CRASHES_DEFAULT = 2000, LIVES_A_DISK = 100, STEPS_A_LIFE = 40, AT_ONCE_MAX = 6 };
enum { NODES = 40, IMPORT_MAX = 8, CALLS_UNTIL_LOSS = 160 };
enum { YEAR_S = 31536000, JUMP_S_MAX = 20 };

/* What is counted, and how it is told; from REPEATED on it must be none. */
enum count {
	CRASHES,
	LOST_WRITES,
	TORN_WRITES,
	JUMPS,
	NUMBERS,
	RESYNCS,
	IMPORTS,
	EVICTED,
	LEASES,
	REMOVED,
	ROTATIONS,
	RESEALED,
	REPEATED,
	REFUSED,
	ABSENT,
	HALVED,
	UNOPENABLE,
	UNREADABLE,
	COUNTS
};
static const char *const words[COUNTS] = {"power losses", "changes lost", "torn",
	"calendars set by years", "numbers", "resynchronisations", "lives with an import",
	"INDs evicted", "leases", "removals", "key-encryption keys", "rows sealed anew", "repeated",
	"refused", "subscribers lost", "imports in part", "rows that no key opens",
	"databases unreadable"};

struct census {
	uint64_t of[COUNTS];
};

/* The vault: it opens rows under keys that it was given in this life. It answers at the next turn. */
struct vault {
	struct life_kek keks[AUC_WRAPPED_KEYS_MAX];
	size_t kek_count;
	uint16_t asked; /* type; 0: nothing */
	size_t body_len;
	uint8_t body[AUC_ROWS_OCTETS];
	channel_answered_fn *answered;
	void *answered_ctx;
};

struct world {
	struct vault vault;
	struct keyring keyring;
	uint32_t kek_serials;
	bool is_woken;
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

/* ---- key-encryption keys ---- */

static struct err vault_ask(void *ctx, uint16_t type, struct span body, uint32_t timeout_ms,
	channel_answered_fn *answered, void *answered_ctx)
{
	struct vault *v = &((struct world *)ctx)->vault;

	(void)timeout_ms;
	v->asked = type;
	v->body_len = body.len;
	memcpy(v->body, body.at, body.len);
	v->answered = answered;
	v->answered_ctx = answered_ctx;
	return OK;
}

static struct span wrapped_of(struct life_kek kek, uint8_t out[static 8])
{
	memcpy(out, &kek.id, 4);
	memcpy(out + 4, &kek.serial, 4);
	return span_of(out, 8);
}

/* Another one each time, under whatever id it is asked for. */
static void make(struct world *w, struct span body, struct writer *answer)
{
	uint8_t wrapped[8];
	uint64_t id = 0;
	struct wire_fault fault = {0};

	assert_false(failed(auc_u64_decode(body, &id, &fault)));
	const struct life_kek made = {.id = (uint32_t)id, .serial = ++w->kek_serials};
	const struct auc_wrapped_keys keys = {
		.count = 1, .keys = {{.id = made.id, .wrapped = wrapped_of(made, wrapped)}}};
	auc_wrapped_keys_encode(answer, &keys);
	w->census.of[ROTATIONS]++;
}

static void load(struct world *w, struct span body, struct writer *answer)
{
	struct auc_wrapped_keys keys;
	struct wire_fault fault = {0};

	assert_false(failed(auc_wrapped_keys_decode(body, &keys, &fault)));
	w->vault.kek_count = keys.count;
	for (size_t i = 0; i < keys.count; i++) {
		memcpy(&w->vault.keks[i].id, keys.keys[i].wrapped.at, 4);
		memcpy(&w->vault.keks[i].serial, keys.keys[i].wrapped.at + 4, 4);
		assert_int_equal(w->vault.keks[i].id, keys.keys[i].id);
	}
	w->life.kek = w->vault.keks[keys.count - 1]; /* importers ask the store for them */
	keys.count = 0;
	auc_wrapped_keys_encode(answer, &keys);
}

static bool vault_opens(const struct world *w, const struct life_sealed *sealed)
{
	const struct life_kek kek = life_kek_of(sealed);

	for (size_t i = 0; i < w->vault.kek_count; i++)
		if (w->vault.keks[i].id == kek.id && w->vault.keks[i].serial == kek.serial)
			return true;
	return kek.id == 0; /* from before there were keys */
}

static void reseal(struct world *w, struct span body, struct writer *answer)
{
	static struct auc_sealed_rows rows;
	static struct life_sealed forms[AUC_ROWS_MAX];
	struct span anew[AUC_ROWS_MAX];
	struct wire_fault fault = {0};

	assert_false(failed(auc_sealed_rows_decode(body, &rows, &fault)));
	for (size_t i = 0; i < rows.count; i++) {
		uint64_t import;
		memcpy(&forms[i], rows.rows[i].sealed.at, sizeof forms[i]);
		w->census.of[UNOPENABLE] += !vault_opens(w, &forms[i]);
		memcpy(&import, forms[i].import, sizeof import);
		forms[i] = life_seal(w->vault.keks[w->vault.kek_count - 1], import);
		anew[i] = span_of((const uint8_t *)&forms[i], sizeof forms[i]);
	}
	w->census.of[RESEALED] += rows.count;
	auc_sealed_encode(answer, anew, rows.count);
}

static void vault_turn(struct world *w)
{
	static uint8_t buffer[AUC_ROWS_OCTETS];
	struct writer answer = writer_of(SPAN_MUT_ARRAY(buffer));
	const struct span body = span_of(w->vault.body, w->vault.body_len);
	const uint16_t asked = w->vault.asked;

	w->vault.asked = 0;
	if (asked == AUC_KEY_MAKE)
		make(w, body, &answer);
	else if (asked == AUC_KEYS_LOAD)
		load(w, body, &answer);
	else if (asked == AUC_RESEAL)
		reseal(w, body, &answer);
	if (asked != 0)
		w->vault.answered(w->vault.answered_ctx, OK, writer_span_done(&answer));
}

static void keyring_told(void *ctx, bool is_ready, const char *why)
{
	(void)ctx, (void)is_ready, (void)why;
}

static void keyring_woken(void *ctx)
{
	((struct world *)ctx)->is_woken = true;
}

static bool is_import_connected(void *ctx)
{
	(void)ctx;
	return false;
}

/* A new vault, as in each life. */
static void keyring_begin(struct world *w)
{
	const struct keyring_port port = {.ctx = w,
		.ask = vault_ask,
		.changed = keyring_told,
		.wake = keyring_woken,
		.is_import_connected = is_import_connected};

	w->vault.kek_count = 0;
	w->vault.asked = 0;
	keyring_open(&w->keyring, w->life.ledger, &port);
	keyring_vault(&w->keyring, true);
}

static void ignore(void *ctx, struct err err)
{
	(void)ctx, (void)err;
}

/* Some turns of the loop, in which the disk and the vault answer. */
static void turns(struct world *w)
{
	for (uint64_t i = below(w, 6); i > 0 && !w->life.is_lost; i--) {
		vault_turn(w);
		if (w->is_woken) {
			w->is_woken = false;
			keyring_step(&w->keyring);
		}
		if (below(w, 2) == 0)
			life_settle(&w->life);
	}
	keyring_tick(&w->keyring);
	if (below(w, 12) == 0)
		keyring_rotate(&w->keyring, ignore, NULL);
}

/* ---- what happens in a life ---- */

static void remove_one(struct world *w)
{
	const uint32_t card = (uint32_t)below(w, LIFE_SUBSCRIBERS);
	char imsi[IMSI_TEXT];

	life_imsi(card, imsi);
	w->life.cards[card].promised = 0; /* from here on he may have gone */
	for (size_t n = 0; n < w->import.rows.count; n++)
		if (strcmp(w->import.rows.rows[n].imsi, imsi) == 0)
			w->import.rows.count = 0; /* which may be there in part, now */
	w->census.of[REMOVED]++;
	ledger_remove(w->life.ledger, imsi, ignore, NULL);
}

/* An operator says which number comes next: the card has its say about that. */
static void reset_one(struct world *w)
{
	const uint32_t card = (uint32_t)below(w, LIFE_SUBSCRIBERS);
	char imsi[IMSI_TEXT];

	life_imsi(card, imsi);
	w->life.cards[card].may_refuse = true;
	ledger_reset(w->life.ledger, imsi,
		usim_highest_seq(&w->life.cards[card].usim) + 1 + below(w, 1000), ignore, NULL);
}

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
		const bool is_new =
			!w->life.cards[card].has_history && life_keys_of(&w->life, card) == 0;
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
	if (below(w, 30) == 0)
		remove_one(w);
	if (below(w, 40) == 0)
		reset_one(w);
	turns(w);
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
		w->census.of[ABSENT] += life_keys_of(&w->life, card) < w->life.cards[card].promised;
	for (size_t n = 0; n < i->rows.count; n++) {
		const uint32_t card = (uint32_t)strtoul(i->rows.rows[n].imsi + 5, NULL, 10);
		there += life_keys_of(&w->life, card) == i->rows.id;
		if (life_keys_of(&w->life, card) == 0)
			continue;
		w->life.cards[card].promised = life_keys_of(&w->life, card);
		w->life.cards[card].has_history = true;
	}
	w->census.of[HALVED] += there != 0 && there != i->rows.count;
}

/* Each row under a key that is there, just that key. */
static void check_keys(struct world *w)
{
	struct life_sealed sealed;

	keyring_begin(w);
	vault_turn(w);
	for (uint32_t card = 0; card < LIFE_SUBSCRIBERS; card++)
		if (life_sealed_of(&w->life, card, &sealed))
			w->census.of[UNOPENABLE] += !vault_opens(w, &sealed);
}

static void count_life(struct world *w)
{
	const struct ledger_counts c = ledger_counts(w->life.ledger);

	w->census.of[RESYNCS] += c.resyncs_moved;
	w->census.of[EVICTED] += c.inds_evicted;
	w->census.of[LEASES] += c.leases;
	w->census.of[IMPORTS] += c.imported > 0;
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
	w->census.of[JUMPS]++;
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
	check_keys(w);
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

static void print_census(const char *what, uint64_t seed, const struct census *c)
{
	print_message("%s, seed %llu:", what, (unsigned long long)seed);
	for (enum count i = 0; i < COUNTS; i++)
		print_message("%s %llu %s",
			i == 0          ? ""
			: i == REPEATED ? ":"
					: ",",
			(unsigned long long)c->of[i], words[i]);
	print_message("\n");
}

static void crash_many(struct census *sum, uint64_t seed, uint64_t lives, bool is_unsafe)
{
	static struct world w;

	w = (struct world){.prop = prop_seeded(seed)};
	w.life.disk = powerloss_open("auc-power", seed);
	w.life.vfs = "auc-power";
	w.life.ind_idle_uses = seed % 2 == 0 ? 0 : 100; /* taken from each other, or shared */
	w.life.now.unix_ms = INT64_C(1000) * LIFE_BASE_S;
	for (uint64_t i = 0; i < lives; i++) {
		if (!live(&w, is_unsafe)) {
			w.census.of[UNREADABLE]++; /* without syncs this happens */
			break;
		}
		w.census.of[CRASHES]++;
	}
	const struct powerloss_counts counts = powerloss_counts(w.life.disk);
	powerloss_close(w.life.disk);
	w.census.of[LOST_WRITES] = counts.lost;
	w.census.of[TORN_WRITES] = counts.torn;
	w.census.of[NUMBERS] = w.life.numbers.count;
	w.census.of[REPEATED] = numbers_repeated(&w.life.numbers);
	w.census.of[REFUSED] = w.life.refused;
	w.census.of[ABSENT] += w.life.absent;
	numbers_close(&w.life.numbers);
	uint64_t faults = 0;
	for (enum count i = 0; i < COUNTS; i++) {
		sum->of[i] += w.census.of[i];
		faults += i >= REPEATED ? w.census.of[i] : 0;
	}
	if (faults > 0 && !is_unsafe)
		print_census("this disk", seed, &w.census);
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
	for (uint64_t i = 0; sum.of[CRASHES] + sum.of[UNREADABLE] < wanted; i++)
		crash_many(&sum, prop.seed + i,
			wanted - sum.of[CRASHES] < LIVES_A_DISK ? wanted - sum.of[CRASHES]
								: LIVES_A_DISK,
			false);
	print_census("synced", prop.seed, &sum);
	for (enum count i = REPEATED; i < COUNTS; i++)
		assert_int_equal(sum.of[i], 0);
	/* It is a test only if there was something to lose. */
	assert_true(sum.of[NUMBERS] > 20 * wanted && sum.of[LOST_WRITES] > wanted / 4);
	assert_true(sum.of[RESYNCS] > wanted / 8 && sum.of[IMPORTS] > wanted / 8 &&
		    sum.of[EVICTED] > wanted / 8);
	assert_true(sum.of[ROTATIONS] > wanted / 8 && sum.of[RESEALED] > wanted / 2);
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
	assert_true(sum.of[REPEATED] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_number_repeats_however_the_power_goes),
		cmocka_unit_test(without_syncs_the_same_test_sees_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
