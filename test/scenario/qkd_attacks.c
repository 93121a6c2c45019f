// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Attacks on a quantum link of real processes (simulated light): each ends the key, at both ends, with the alarm that names the reason, and
 * where the watch saw it, in the metrics too; and key comes again when it is over.
 *
 *     qkd_attacks BUILD_ROOT
 */
#include "support/qkd_ends.h"

struct attack {
	const char *kind, *reason;
	bool is_watched; /* the watch's verdict; else that of the estimate */
};

/* Blocks that the watch at Bob's end gave this verdict. */
static double watched(const char *verdict)
{
	char label[64];

	snprintf(label, sizeof label, "verdict=\"%s\"", verdict);
	return metric(&ends[BOB], "merlon_qkd_watch_blocks_total", label);
}

static void optics_start(
	const char *distance, const char *rate, const char *kinds, const char *strength)
{
	static char alice[64], bob[64];
	const char *argv[] = {"merlon-optics", "--alice", alice, "--bob", bob, "--rate", rate,
		"--distance", distance, "--attack-kind", kinds, "--attack", strength, NULL};

	snprintf(alice, sizeof alice, "%s/alice.sock", folder);
	snprintf(bob, sizeof bob, "%s/bob.sock", folder);
	optics = spawn("merlon-optics", argv, (const int[3]){-1, -1, -1}, "optics");
}

static bool is_named(const char *reason)
{
	for (size_t i = 0; i < 2; i++)
		if (!ends[i].eavesdropping || strstr(ends[i].reason, reason) == NULL)
			return false;
	return true;
}

static void attack_story(const struct attack *a)
{
	const double begin = seconds(), before = a->is_watched ? watched(a->reason) : 0;

	kill(optics, SIGUSR1);
	/* Blocks whose light was sent before the attack may still end, and the one that saw both be judged. */
	for (; !is_named(a->reason); turn())
		MUST(seconds() < begin + 30, "%s: no alarm that says %s", a->kind, a->reason);
	const size_t at_alarm = blocks();
	const double alarmed = seconds();
	run_for(2);
	MUST(blocks() == at_alarm, "%s: key under attack", a->kind);
	MUST(is_named(a->reason), "%s: the alarm does not stay", a->kind);
	MUST(!a->is_watched || watched(a->reason) > before, "%s: not in the metrics", a->kind);
	kill(optics, SIGUSR2);
	wait_blocks(at_alarm + 1, 40);
	run_for(0.5);
	MUST(!ends[ALICE].eavesdropping && !ends[BOB].eavesdropping,
		"%s: the alarm stands after the attack", a->kind);
	printf("%s: %s after %.1f s, no bit; key again %.1f s after its end\n", a->kind, a->reason,
		alarmed - begin, seconds() - alarmed - 2.5);
}

int main(int argc, char **argv)
{
	static const struct attack near[] = {{"intercept-resend", "qber_too_high", false},
		{"blinding", "detectors_blinded", true}, {"time shift", "detectors_unequal", true}};
	static const struct attack far = {"photon-number splitting", "decoy_inconsistent", false};

	MUST(argc == 2, "usage: qkd_attacks BUILD_ROOT");
	ends_prepare(argv[1]);
	optics_start("10", "3e6", "intercept,blind,shift", "1");
	ends_start();
	wait_blocks(1, 40);
	for (size_t i = 0; i < ARRAY_LEN(near); i++)
		attack_story(&near[i]);
	ends_stop();
	optics_end();

	/* At 10 km splitting gains nothing that the estimate does not take off. */
	distance_km = "50";
	optics_start(distance_km, "max", "split", "0.7");
	ends_start();
	wait_blocks(1, 60);
	attack_story(&far);
	ends_stop();
	return 0;
}
