// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * merlon bench NAME: how fast a part is, here and now, as one JSON object; beside a peer in the same
 * run where one is installed. A figure is no promise: it says on which machine it was had, and how
 * loaded that was. Nothing is left behind.
 *
 * The authentication centre ("auc"):
 *   vault     vectors a second of one core, in this process: from keys in clear, and unsealed each
 *             time; by the vault's own code (daemon/auc-vault)
 *   serve     a whole site on this machine's disk, in a network namespace of its own: import, time
 *             to be ready; a closed loop with the window asked for ("window"), and with at least 4
 *             connections of 256 ("peak"); latency at half of the peak; five times the peak
 *   peer      osmo-hlr under the same load, its database on the same disk, and in memory
 *
 * The quantum link ("qkd"), each a list of rows, by the rules of cmd/bench/rate.h:
 *   reconcile  error correction, both sides' work
 *   amplify    privacy amplification
 *   chain      from detections to final key, each end's own cost
 *   chain-long the same of one block of 10^8 bits; only by name
 *   transforms what amplify is made of, each part alone, by each path; only by name
 *   reconcile-paths  error correction by each path of this processor, as a lesser one would have it; only by name
 *
 * The load's own work shares the machine with what it measures; so besides answers a second there
 * are answers to each second of processor time that the servers took.
 */
#include "base/err.h"
#include "cmd/bench/load.h"
#include "host/metrics.h"
#include <sys/types.h>

enum { BENCH_PATH_MAX = 256, BENCH_PIDS_MAX = 16, BENCH_PORT = 4222 };

#define BENCH_IMSI_FIRST UINT64_C(1010000000000)

struct bench_options {
	unsigned seconds; /* of each measurement */
	uint32_t subscribers;
	unsigned window, connections;
	uint8_t vectors;
	unsigned cores;     /* rows of bench_rate() run in so many processes */
	const char *folder; /* on the disk to be measured */
	const volatile sig_atomic_t *is_over;
};

/* Each appends members to an open object. */
MUST_USE struct err bench_vault(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);
MUST_USE struct err bench_serve(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);
/* ERR_ABSENT where osmo-hlr is not installed. */
MUST_USE struct err bench_peer(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);

MUST_USE struct err bench_qkd_reconcile(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);

MUST_USE struct err bench_qkd_reconcile_paths(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);

MUST_USE struct err bench_qkd_amplify(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);
MUST_USE struct err bench_qkd_chain(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);
MUST_USE struct err bench_qkd_chain_long(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);
MUST_USE struct err bench_qkd_transforms(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);

/* Shows a result to a person. */
void bench_print(struct span json);

/* ---- for both kinds of servers ---- */

struct bench_server {
	const char *address;
	pid_t pids[BENCH_PIDS_MAX];
	char names[BENCH_PIDS_MAX][32];
	size_t count;
};

uint64_t bench_rss_kib(pid_t pid);
/* One measurement under load, as object `name`; answers a second go to *ok_per_s (NULL: not wanted). */
MUST_USE struct err bench_load(const struct bench_options *o, const struct bench_server *server,
	const char *name, double rate_per_s, struct json_writer *j, double *ok_per_s,
	struct complaint *c);
/* K and OPc of a bench's subscriber, which follow from his IMSI: test keys. */
void bench_keys(uint64_t imsi, uint8_t k_opc[static 32]);
