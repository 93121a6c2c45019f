// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/optics/choices.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct choices the = {.optics = {.distance_km = 10,
				     .attenuation_db_km = 0.2,
				     .detector_efficiency = 0.5,
				     .dark_count = 1e-6,
				     .misalignment = 0.01,
				     .intensity = {0.6, 0.22, 2e-4},
				     .probability = {0.2, 0.55, 0.25},
				     .basis_x = 0.75,
				     .afterpulse_slots = 100,
				     .drift_slots = 1e9},
	.rate = "1.5e6",
	.mode = 0666,
	.attack_kind = "intercept",
	.attack = 1};

/* Flags: one table gives parsing and help. */

enum flag_type { FLAG_TEXT, FLAG_NUMBER, FLAG_MODE, FLAG_YES };
struct flag {
	const char *name, *help;
	enum flag_type type;
	void *value;
};

static const struct flag flags[] = {
	{"alice", "socket for Alice's log (required)", FLAG_TEXT, &the.alice},
	{"bob", "socket for Bob's events (required)", FLAG_TEXT, &the.bob},
	{"record-alice", "also write Alice's stream to this file", FLAG_TEXT, &the.record_alice},
	{"record-bob", "also write Bob's stream to this file", FLAG_TEXT, &the.record_bob},
	{"socket-mode", "permissions of the sockets, octal", FLAG_MODE, &the.mode},
	{"slots-per-second", "how fast light flows; max: as fast as both ends read", FLAG_TEXT,
		&the.rate},
	{"rate", "the same", FLAG_TEXT, &the.rate},
	{"distance", "kilometres of fibre", FLAG_NUMBER, &the.optics.distance_km},
	{"attenuation", "dB a kilometre", FLAG_NUMBER, &the.optics.attenuation_db_km},
	{"efficiency", "of Bob's detectors, 0 to 1", FLAG_NUMBER, &the.optics.detector_efficiency},
	{"dark", "dark counts, per slot and detector", FLAG_NUMBER, &the.optics.dark_count},
	{"misalignment", "chance that light goes to the wrong detector", FLAG_NUMBER,
		&the.optics.misalignment},
	{"afterpulse", "chance that a click is followed by another", FLAG_NUMBER,
		&the.optics.afterpulse},
	{"afterpulse-slots", "after so many slots, in the mean", FLAG_NUMBER,
		&the.optics.afterpulse_slots},
	{"dead-slots", "slots in which a detector that clicked is blind", FLAG_NUMBER,
		&the.optics.dead_slots},
	{"drift-slots", "period of the drift", FLAG_NUMBER, &the.optics.drift_slots},
	{"drift-misalignment", "added to the misalignment at the middle of a period", FLAG_NUMBER,
		&the.optics.drift_misalignment},
	{"drift-intensity", "fraction by which the intensities swing", FLAG_NUMBER,
		&the.optics.drift_intensity},
	{"mu1", "photons of the signal", FLAG_NUMBER, &the.optics.intensity[0]},
	{"mu2", "photons of the first decoy", FLAG_NUMBER, &the.optics.intensity[1]},
	{"mu3", "photons of the second decoy", FLAG_NUMBER, &the.optics.intensity[2]},
	{"p1", "chance of the signal", FLAG_NUMBER, &the.optics.probability[0]},
	{"p2", "chance of the first decoy", FLAG_NUMBER, &the.optics.probability[1]},
	{"p3", "chance of the second decoy; 0: one decoy", FLAG_NUMBER, &the.optics.probability[2]},
	{"basis-x", "chance of the key basis, at each end", FLAG_NUMBER, &the.optics.basis_x},
	{"no-monitor", "devices without instruments", FLAG_YES, &the.is_unmonitored},
	{"free-running", "Bob's device says times, not slots", FLAG_YES, &the.free_running},
	{"intercept", "attack from the start: fraction of pulses intercepted and resent",
		FLAG_NUMBER, &the.intercepted},
	{"attack-kind",
		"what SIGUSR1 begins, one after the other: of intercept, split, blind, shift, "
		"with commas",
		FLAG_TEXT, &the.attack_kind},
	{"attack", "fraction of pulses that SIGUSR1 begins to attack; SIGUSR2 ends it", FLAG_NUMBER,
		&the.attack},
};

static int help(void)
{
	printf("merlon-optics: SIMULATED decoy-state BB84 channel for tests and the lab\n\n"
	       "Usage: merlon-optics --alice SOCKET --bob SOCKET [OPTIONS]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		printf("  --%-19s %s", flags[i].name, flags[i].help);
		if (flags[i].type == FLAG_NUMBER)
			printf(" (%g)", *(const double *)flags[i].value);
		else if (flags[i].type == FLAG_TEXT && *(const char **)flags[i].value != NULL)
			printf(" (%s)", *(const char **)flags[i].value);
		printf("\n");
	}
	printf("\nWrites JSON lines to stdout; each says \"optics\":\"simulated\".\n");
	return 0;
}

static bool flag_take(const struct flag *flag, const char *text)
{
	char *end = NULL;

	if (flag->type == FLAG_TEXT) {
		*(const char **)flag->value = text;
		return true;
	}
	if (flag->type == FLAG_YES) {
		*(double *)flag->value = 1;
		return true;
	}
	*(double *)flag->value =
		flag->type == FLAG_MODE ? (double)strtoul(text, &end, 8) : strtod(text, &end);
	return end != text && *end == '\0';
}

static bool rate_take(void)
{
	char *end;

	the.is_unpaced = strcmp(the.rate, "max") == 0;
	the.slots_per_second = the.is_unpaced ? 1e9 : strtod(the.rate, &end);
	return the.is_unpaced || (end != the.rate && *end == '\0' && the.slots_per_second >= 1 &&
					 the.slots_per_second <= 1e9);
}

static bool attack_find(const char *word, size_t len, enum optics_attack *out)
{
	static const char *const words[] = {"intercept", "split", "blind", "shift"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0) {
			*out = (enum optics_attack)(OPTICS_INTERCEPT + i);
			return true;
		}
	return false;
}

static bool attacks_take(void)
{
	for (const char *at = the.attack_kind;;) {
		const size_t len = strcspn(at, ",");
		if (the.attack_count == CHOICES_ATTACKS_MAX ||
			!attack_find(at, len, &the.attacks[the.attack_count]))
			return false;
		the.attack_count++;
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
}

static bool is_in(double v, double least, double most)
{
	return v >= least && v <= most;
}

static bool values_take(void)
{
	if (the.intercepted > 0) {
		the.optics.attack = OPTICS_INTERCEPT;
		the.optics.strength = the.intercepted;
	}
	return the.alice != NULL && the.bob != NULL && rate_take() && attacks_take() &&
	       is_in(the.attack, 0, 1) && is_in(the.intercepted, 0, 1);
}

int choices_take(struct choices *out, int argc, char **argv)
{
	struct option options[ARRAY_LEN(flags) + 2] = {{0}};
	int index;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		options[i] = (struct option){flags[i].name,
			flags[i].type == FLAG_YES ? no_argument : required_argument, NULL, 1};
	options[ARRAY_LEN(flags)] = (struct option){"help", no_argument, NULL, 'h'};
	for (int c; (c = getopt_long(argc, argv, "h", options, &index)) != -1;) {
		if (c == 'h')
			return help() + 1;
		if (c != 1)
			return 3;
		if (!flag_take(&flags[index], optarg)) {
			fprintf(stderr, "merlon-optics: --%s: '%s' is not a number\n",
				flags[index].name, optarg);
			return 3;
		}
	}
	if (optind != argc || !values_take()) {
		fprintf(stderr, "merlon-optics: needs --alice and --bob, a rate of 1 to 1e9 or "
				"max, known attacks of 0 to 1; see --help\n");
		return 3;
	}
	*out = the;
	return 0;
}
