// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * A whole quantum link of real processes on this machine: merlon-optics, merlon-qkd as Alice and as Bob, TLS between them on
 * loopback. This program is their supervisor and, by the model, their key store.
 *
 *     qkd_link BUILD_ROOT                    key flows and is equal; a killed end comes back and goes on; an eavesdropper ends it,
 *                                            with the alarm and no bit more
 *     qkd_link BUILD_ROOT DISTANCE_KM …      over each distance: equal keys, as many bits a block as theory has (qkd/rate.h)
 */
#include "qkd/rate.h"
#include "support/qkd_ends.h"

static void optics_start(void)
{
	static char alice[64], bob[64];
	const char *argv[] = {"merlon-optics", "--alice", alice, "--bob", bob, "--rate",
		distance_km == NULL ? "3e6" : "max", distance_km == NULL ? NULL : "--distance",
		distance_km, NULL};

	snprintf(alice, sizeof alice, "%s/alice.sock", folder);
	snprintf(bob, sizeof bob, "%s/bob.sock", folder);
	optics = spawn("merlon-optics", argv, (const int[3]){-1, -1, -1}, "optics");
}

/* Bits of a final block over the distance, pads' share included, by theory: lab optics, default parameters. */
static double bits_expected(double km)
{
	const struct rate_channel channel = {.loss_db = 0.2 * km,
		.efficiency = 0.5,
		.dark_count = 1e-6,
		.misalignment = 0.01,
		.clock_hz = 3e6,
		/* The link chooses LDPC, which only Alice tells bits of. */
		.correction_f = 1.14};
	const struct qkd_parameters p = {.protocol = QKD_TWO_DECOY,
		.intensity = {0.6, 0.22, 2e-4},
		.probability = {0.2, 0.55, 0.25},
		.basis_x = 0.75,
		.eps_sec = 1e-10,
		.eps_cor = 1e-15};
	struct rate r;

	rate_expect(&channel, &p, 120000, &r);
	return r.final_bits;
}

static void story_of_a_distance(const char *km)
{
	enum { BLOCKS = 3 };
	const double pads_bits = 2048; /* taken of a block at most */
	double bits = 0;

	distance_km = km;
	for (size_t i = 0; i < 2; i++)
		ends[i].kept = (struct stored){0};
	optics_start();
	end_start(&ends[BOB]);
	end_start(&ends[ALICE]);
	const double begin = seconds();
	wait_blocks(BLOCKS, 100);
	for (size_t i = 0; i < BLOCKS; i++)
		bits += (double)ends[BOB].kept.blocks[i].len * 8;
	bits /= (double)BLOCKS;
	const double expected = bits_expected(strtod(km, NULL));
	printf("%s km, simulated: %d blocks in %.1f s, %.0f bits each; theory has %.0f, pads' "
	       "share "
	       "included\n",
		km, BLOCKS, seconds() - begin, bits, expected);
	/* Three blocks scatter; the pads take their part of each. */
	MUST(bits > 0.85 * expected - pads_bits && bits < 1.15 * expected,
		"not the rate of theory");
	ends_stop();
}

int main(int argc, char **argv)
{
	MUST(argc >= 2, "usage: qkd_link BUILD_ROOT [DISTANCE_KM ...]");
	ends_prepare(argv[1]);
	for (int i = 2; i < argc; i++)
		story_of_a_distance(argv[i]);
	if (argc > 2)
		return 0;
	optics_start();
	end_start(&ends[BOB]);
	end_start(&ends[ALICE]);
	const double begin = seconds();
	wait_blocks(1, 40);
	const double first = seconds();
	wait_blocks(4, 40);
	const size_t bits = ends[BOB].kept.blocks[0].len * 8;
	printf("simulated optics: first block after %.1f s, then one in %.2f s, about %zu bits "
	       "each\n",
		first - begin, (seconds() - first) / 3, bits);

	for (size_t i = 0; i < 2; i++) {
		const size_t before = blocks();
		printf("kill -9 %s\n", ends[i].role);
		end_kill(&ends[i]);
		end_start(&ends[i]);
		wait_blocks(before + 2, 40);
	}

	kill(optics, SIGUSR1);
	run_for(6); /* blocks whose light was sent before the attack may still end */
	const size_t at_attack = blocks();
	run_for(5);
	MUST(blocks() == at_attack, "key from an intercepted channel");
	MUST(ends[ALICE].eavesdropping && ends[BOB].eavesdropping, "no alarm during an attack");
	kill(optics, SIGUSR2);
	wait_blocks(at_attack + 1, 40);
	run_for(1);
	MUST(!ends[ALICE].eavesdropping && !ends[BOB].eavesdropping,
		"the alarm stands after the attack");

	kill(optics, SIGKILL);
	waitpid(optics, NULL, 0);
	optics = 0;
	run_for(2);
	MUST(stored_unequal(&ends[ALICE].kept, &ends[BOB].kept) == 0,
		"the ends hold different blocks");
	printf("%zu blocks, equal at both ends\n", blocks());
	return 0;
}
