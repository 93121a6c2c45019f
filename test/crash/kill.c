// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * kill BUILD_ROOT: the real auc-store, killed with SIGKILL at entry and at exit of every system call
 * of a life in which everything happens that writes: the first start, imports, new serving nodes, a
 * resynchronisation that raises and one that lowers, several at once, the next lease, a stop in order.
 * Then it starts again on what is left. No SEQ may come twice, a card takes whatever it should, an
 * import is there whole or not at all, and who was promised is there. Every few times the recovery is
 * killed as well, at a random call of it, and the life after that is looked at.
 *
 * MERLON_CRASHES says at which calls: without it 300, spread over those by which something leaves the
 * process (to a file, to a neighbour); "path": at each of these; "all": at each of whatever kind; a
 * number: at so many, spread over all. MERLON_SEED repeats the random part.
 */
#include "stage.h"
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEQ_USED_ELSEWHERE = 1 << 20, PAIRS_EVERY = 4, FAULTS_TOLD_MAX = 10, KILLS_DEFAULT = 300 };
enum { MISSED_MAX = 40 };
#define SEQ_FAR_AHEAD (UINT64_C(1) << 40)

/* ---- the life that is killed ---- */

static bool is_known(const struct stage *s, uint32_t card)
{
	return s->cards[card].keys != 0;
}

static enum stage_word first_subscribers(struct stage *s)
{
	return stage_import(s, 0, 6, 0);
}

static enum stage_word subscribers_from_elsewhere(struct stage *s)
{
	return stage_import(s, 6, 3, SEQ_USED_ELSEWHERE);
}

static enum stage_word subscribers_far_ahead(struct stage *s)
{
	return stage_import(s, 9, 2, SEQ_FAR_AHEAD);
}

static enum stage_word new_nodes(struct stage *s)
{
	enum stage_word word = STAGE_OK;

	for (uint32_t card = 0; card < 11 && word == STAGE_OK; card++)
		if (is_known(s, card))
			word = stage_vectors(s, card, card % 4, (uint8_t)(1 + card % 5));
	return word;
}

/* The card has seen more than we have given: DIF goes up [TS 33.102 §6.3.5]. */
static enum stage_word a_resync_that_raises(struct stage *s)
{
	stage_replace_card(s, 0, 50000000);
	return stage_vectors(s, 0, 0, 3);
}

/* We are further ahead of the card than it tolerates: DIF goes down. */
static enum stage_word a_resync_that_lowers(struct stage *s)
{
	stage_replace_card(s, 9, 1000);
	return stage_vectors(s, 9, 1, 3);
}

static enum stage_word several_at_once(struct stage *s)
{
	static const uint32_t cards[] = {0, 1, 2, 6, 7, 9}, nodes[] = {10, 11, 12, 13, 10, 11};

	return stage_vectors_at_once(s, cards, nodes, ARRAY_LEN(cards));
}

/* New keys for those who are there; their numbers go on. */
static enum stage_word keys_anew(struct stage *s)
{
	return stage_import(s, 1, 4, 0);
}

static enum stage_word the_next_lease(struct stage *s)
{
	enum stage_word word = STAGE_OK;

	for (uint32_t i = 0; i < 3 && word == STAGE_OK; i++) {
		stage_wait_s(s, STAGE_LEASE);
		word = stage_vectors(s, i, 0, 5);
	}
	return word;
}

/* Removed and there again: his numbers go on. */
static enum stage_word one_who_comes_again(struct stage *s)
{
	enum stage_word word = stage_import(s, 12, 1, 0);

	if (word == STAGE_OK)
		word = stage_vectors(s, 12, 0, 5);
	if (word == STAGE_OK)
		word = stage_remove(s, 12);
	if (word == STAGE_OK)
		word = stage_import(s, 12, 1, 0);
	return word == STAGE_OK ? stage_vectors(s, 12, 0, 2) : word;
}

/* Another key-encryption key: every row is sealed anew. */
static enum stage_word another_kek(struct stage *s)
{
	return stage_rotate(s);
}

typedef enum stage_word scene(struct stage *s);
static scene *const scenes[] = {first_subscribers, new_nodes, subscribers_from_elsewhere,
	subscribers_far_ahead, new_nodes, a_resync_that_raises, a_resync_that_lowers,
	several_at_once, keys_anew, new_nodes, another_kek, one_who_comes_again, the_next_lease};

static enum stage_word live(struct stage *s)
{
	enum stage_word word = STAGE_OK;

	for (size_t i = 0; i < ARRAY_LEN(scenes) && word == STAGE_OK; i++) {
		word = scenes[i](s);
		if (word == STAGE_REFUSED)
			printf("scene %zu is refused\n", i + 1);
	}
	return word;
}

/* ---- the life after it ---- */

static enum stage_word look(struct stage *s)
{
	enum stage_word word = stage_check_subscribers(s);

	for (int round = 0; round < 2; round++) {
		for (uint32_t card = 0; card < STAGE_CARDS && word != STAGE_DEAD; card++)
			if (is_known(s, card))
				word = stage_vectors(s, card, card % 4 + 20u * (uint32_t)round, 2);
		stage_wait_s(s, STAGE_LEASE);
	}
	return word;
}

/* A life that must begin: its database is whole after whatever kill. */
/* With the vault's root changed since: its keys come back wrapped anew, and have to be kept. */
static enum stage_word begin_again(struct stage *s, bool is_plain, uint64_t kill_at)
{
	s->root = 2;
	const enum stage_word word = stage_begin(s, is_plain, TRACED_ALL, kill_at);

	s->faults.no_start += word == STAGE_REFUSED || (word == STAGE_DEAD && is_plain);
	if (word == STAGE_REFUSED)
		printf("  %s\n", s->complaint);
	return word;
}

static void recover(struct stage *s)
{
	if (begin_again(s, true, 0) == STAGE_OK && look(s) != STAGE_OK)
		s->faults.no_start++;
	stage_kill(s);
}

/* ---- all of it ---- */

struct tally {
	uint64_t kills, entries, pairs, numbers;
	struct stage_faults seen;
	unsigned told;
};

/* False where that life has no such call any more. */
static bool kill_once(
	struct stage *s, enum traced_which which, uint64_t n, struct prop *prop, struct tally *t)
{
	stage_forget(s);
	if (stage_begin(s, false, which, n) == STAGE_OK)
		live(s);
	stage_stop(s);
	const struct traced victim = s->process;
	if (!victim.was_killed)
		return false;
	t->kills++;
	t->entries += victim.is_entry;
	if (prop_below(prop, PAIRS_EVERY) == 0) {
		if (begin_again(s, false, 1 + prop_below(prop, 2000)) == STAGE_OK)
			look(s);
		stage_stop(s);
		t->pairs += s->process.was_killed;
	}
	recover(s);
	stage_count_repeats(s);
	t->numbers += s->numbers.count;
	if (memcmp(&s->faults, &t->seen, sizeof t->seen) != 0 && t->told++ < FAULTS_TOLD_MAX) {
		printf("killed at stop %llu (call %d, %s): ", (unsigned long long)n, victim.call,
			victim.is_entry ? "entry" : "exit");
		stage_print_faults(s);
	}
	t->seen = s->faults;
	return true;
}

static uint64_t survey(struct stage *s, enum traced_which which)
{
	stage_forget(s);
	const enum stage_word begun = stage_begin(s, false, which, 0);
	const enum stage_word lived = begun == STAGE_OK ? live(s) : begun;
	stage_stop(s);
	if (lived != STAGE_OK) {
		printf("the life does not go through even unharmed: %s (scene %zu, status %d)\n",
			s->complaint, s->import_count, s->process.exit_status);
		exit(1);
	}
	if (!WIFEXITED(s->process.exit_status) || WEXITSTATUS(s->process.exit_status) != 0) {
		printf("unharmed, it did not stop in order: status %d\n", s->process.exit_status);
		exit(1);
	}
	return s->process.stops;
}

int main(int argc, char **argv)
{
	static struct stage s;
	static struct tally t;
	const char *wanted = getenv("MERLON_CRASHES");
	struct prop prop = prop_from_environment(1);

	if (argc != 2)
		return 64;
	if (geteuid() != 0) {
		printf("SKIPPED: to trace a process that nobody may trace needs root\n");
		return 77;
	}
	stage_open(&s, argv[1]);
	const uint64_t all = survey(&s, TRACED_ALL), path = survey(&s, TRACED_PATH);
	const bool is_path = wanted == NULL || strcmp(wanted, "path") == 0;
	const enum traced_which which = is_path ? TRACED_PATH : TRACED_ALL;
	const uint64_t count = wanted == NULL ? KILLS_DEFAULT : strtoull(wanted, NULL, 10);
	const uint64_t stops = which == TRACED_ALL ? all : path;
	printf("seed %llu: a life has %llu stops, %llu of them where something leaves the "
	       "process\n",
		(unsigned long long)prop.seed, (unsigned long long)all, (unsigned long long)path);
	/* Threads interleave as they like: no two lives have just as many stops. On, until many in a row
	 * have come to their end before the n-th. */
	for (uint64_t i = 1, missed = 0; missed < MISSED_MAX && (count == 0 || i <= count); i++) {
		const uint64_t n = count == 0 ? i
					      : 1 + (i - 1) * stops / count +
							prop_below(&prop, 1 + stops / count);
		missed = kill_once(&s, which, n, &prop, &t) ? 0 : missed + 1;
	}
	printf("%llu kills at %llu entries and %llu exits, %llu of the recovery as well; %llu "
	       "lives, %llu numbers, %llu resynchronisations, %llu rows sealed anew\n",
		(unsigned long long)t.kills, (unsigned long long)t.entries,
		(unsigned long long)(t.kills - t.entries), (unsigned long long)t.pairs,
		(unsigned long long)s.lives, (unsigned long long)t.numbers,
		(unsigned long long)s.resyncs, (unsigned long long)s.resealed);
	stage_print_faults(&s);
	const bool is_good = stage_is_faultless(&s) && t.kills > 0;
	stage_close(&s);
	return is_good ? 0 : 1;
}
