// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * owners BUILD_ROOT: the real auc-store, killed at random moments of its work, while its clocks are set
 * back and forward by up to a year; then on a database that was copied at a random moment and put
 * back; then twice on one database. What src/daemon/test_auc_owners.c shows of the ledger, of the
 * whole process, on a real file with real locks.
 *
 * MERLON_CRASHES: how many kills (60). MERLON_SEED repeats the random part.
 */
#include "stage.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { CARDS = 8, KILLS_DEFAULT = 60, LIVES_A_DATABASE = 20, HOUR_S = 3600, YEAR_S = 31536000 };

#define MUST(holds, ...)                                                                           \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			printf("line %d: ", __LINE__);                                             \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static struct prop prop;

static void begin(struct stage *s)
{
	const enum stage_word word = stage_begin(s, true, TRACED_ALL, 0);

	MUST(word == STAGE_OK, "it does not begin: %s", s->complaint);
}

static void ask_some(struct stage *s, uint64_t times)
{
	for (uint64_t i = 0; i < times; i++) {
		stage_wait_s(s, (int64_t)prop_below(&prop, 3));
		stage_vectors(s, (uint32_t)prop_below(&prop, CARDS), (uint32_t)prop_below(&prop, 6),
			(uint8_t)(1 + prop_below(&prop, 2)));
	}
}

/* Everybody, so that no card sleeps through jumps that add up to more than delta. */
static void ask_all(struct stage *s)
{
	for (uint32_t card = 0; card < CARDS; card++)
		stage_vectors(s, card, 0, 1);
}

static void set_calendar(struct stage *s)
{
	static const uint64_t spans[] = {60, HOUR_S, YEAR_S};
	const uint64_t span = spans[prop_below(&prop, ARRAY_LEN(spans))];

	s->clock->calendar_ms += 1000 * ((int64_t)prop_below(&prop, 2 * span) - (int64_t)span);
}

static void kills_and_calendars(struct stage *s, uint64_t kills)
{
	uint64_t numbers = 0, sets = 0;

	for (uint64_t n = 0; n < kills; n++) {
		if (n % LIVES_A_DATABASE == 0) {
			stage_count_repeats(s);
			numbers += s->numbers.count;
			stage_forget(s);
		}
		begin(s);
		if (n % LIVES_A_DATABASE == 0)
			MUST(stage_import(s, 0, CARDS, 0) == STAGE_OK, "no import");
		ask_all(s);
		ask_some(s, prop_below(&prop, 20));
		set_calendar(s); /* while it runs: only the monotonic clock counts */
		ask_some(s, prop_below(&prop, 20));
		if (prop_below(&prop, 4) == 0)
			stage_stop(s);
		else
			stage_kill(s);
		set_calendar(s);
		sets += 2;
	}
	stage_count_repeats(s);
	numbers += s->numbers.count;
	printf("%llu lives ended, the calendar set %llu times: %llu numbers\n",
		(unsigned long long)kills, (unsigned long long)sets, (unsigned long long)numbers);
}

static void copy(const struct stage *s, const char *from, const char *to)
{
	static const char *const suffixes[] = {"", "-wal"};
	char command[512];

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(command, sizeof command,
			"cp -p '%s%s%s' '%s%s%s' 2>/dev/null || rm -f '%s%s%s'", s->database, from,
			suffixes[i], s->database, to, suffixes[i], s->database, to, suffixes[i]);
		MUST(system(command) == 0, "cp");
	}
}

/* A copy of the database and its log as they are at one moment, while nobody writes. */
static void restores(struct stage *s, uint64_t count)
{
	for (uint64_t n = 0; n < count; n++) {
		stage_forget(s);
		begin(s);
		MUST(stage_import(s, 0, CARDS, 0) == STAGE_OK, "no import");
		ask_some(s, prop_below(&prop, 30));
		copy(s, "", ".backup");
		ask_some(s, prop_below(&prop, 30));
		stage_kill(s);
		copy(s, ".backup", "");
		begin(s);
		ask_all(s);
		ask_some(s, prop_below(&prop, 30));
		stage_kill(s);
		stage_count_repeats(s);
	}
	printf("%llu databases put back from a copy, the clock right\n", (unsigned long long)count);
}

static void two_at_once(struct stage *s, const char *build)
{
	static struct stage second;

	stage_forget(s);
	begin(s);
	MUST(stage_import(s, 0, CARDS, 0) == STAGE_OK, "no import");
	stage_open(&second, build);
	memcpy(second.database, s->database, sizeof second.database);
	MUST(stage_begin(&second, true, TRACED_ALL, 0) == STAGE_REFUSED &&
			strstr(second.complaint, "in use by another process") != NULL,
		"a second instance on the same file was not refused: %s", second.complaint);
	stage_stop(&second);
	for (uint32_t card = 0; card < CARDS; card++)
		MUST(stage_vectors(s, card, 0, 1) == STAGE_OK,
			"the first instance was disturbed by the second");
	stage_stop(s);
	stage_count_repeats(s);
	stage_close(&second);
	printf("a second instance on the same file is refused, and the first works on\n");
}

/* The recorder must be able to see repeats: an old copy and a wrong clock give numbers again, as
 * doc/auc.md says. */
static void an_old_copy_and_a_wrong_clock_repeat(struct stage *s)
{
	stage_forget(s);
	begin(s);
	MUST(stage_import(s, 0, CARDS, 0) == STAGE_OK, "no import");
	copy(s, "", ".backup");
	for (uint32_t i = 0; i < 60; i++) {
		stage_wait_s(s, 1);
		stage_vectors(s, 0, 0, 1);
	}
	stage_kill(s);
	copy(s, ".backup", "");
	s->clock->calendar_ms -= 60000;
	begin(s);
	s->cards[0].may_refuse = true;
	for (uint32_t i = 0; i < 60; i++) {
		stage_wait_s(s, 1);
		stage_vectors(s, 0, 0, 1);
	}
	stage_kill(s);
	MUST(numbers_repeated(&s->numbers) > 0,
		"the recorder sees no repeats where there must be some");
	s->numbers.count = 0;
	printf("an old copy with a clock set back gives numbers again, as documented, and the "
	       "recorder sees it\n");
}

int main(int argc, char **argv)
{
	static struct stage s;
	const char *wanted = getenv("MERLON_CRASHES");
	uint64_t kills = wanted == NULL ? KILLS_DEFAULT : strtoull(wanted, NULL, 10);

	if (argc != 2)
		return 64;
	if (geteuid() != 0) {
		printf("SKIPPED: to start a process as the supervisor does needs root\n");
		return 77;
	}
	kills = kills == 0 ? KILLS_DEFAULT : kills;
	prop = prop_from_environment(1);
	printf("seed %llu\n", (unsigned long long)prop.seed);
	stage_open(&s, argv[1]);
	kills_and_calendars(&s, kills);
	restores(&s, 1 + kills / 6);
	two_at_once(&s, argv[1]);
	stage_print_faults(&s);
	const bool is_good = stage_is_faultless(&s);
	an_old_copy_and_a_wrong_clock_repeat(&s);
	stage_close(&s);
	return is_good ? 0 : 1;
}
