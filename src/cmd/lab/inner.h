// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The lab's one state, and the table of steps. A step is tried again every LAB_TICK_MS until it
 * says that it is done, an error says why it never will be, or its deadline passes; then the last
 * reason for waiting is the error. Programs that the lab started and that end by themselves are an
 * error of whatever step is on.
 */
#include "cmd/lab/ask.h"
#include "cmd/lab/canary.h"
#include "cmd/lab/child.h"
#include "cmd/lab/flow.h"
#include "cmd/lab/tap.h"

#define LAB_FOLDER "/run/merlon-lab"
enum { LAB_TICK_MS = 200, LAB_PPKS_MAX = 32, LAB_TRACES_MIN = 1, LAB_SITES = 2 };
enum {
	LAB_KEK_OCTETS = 32,
	LAB_BOOTSTRAP_OCTETS = 2080,
	LAB_KEY_OCTETS = 32,
	LAB_CANARY_SUBSCRIBERS = 8
};
enum { LAB_ROTATIONS = 3, LAB_VECTORS = 100 };

struct lab_site {
	const char *name, *space, *client; /* client: certificate of a local SAE */
	struct child process;
	uint8_t kek[LAB_KEK_OCTETS];
};
enum { SITE_RADIO, SITE_CORE };

struct lab_verdict {
	bool is_ok, is_established, has_ppk, keys_equal, attach_accepted, autn_mac_ok;
	uint64_t rotations, vectors, secret_bits, attach_sqn, blocks;
	uint64_t leaked_bits; /* of the last block: parities and verification */
	double qber, bits_per_second, seconds;
	char key_id[64];
	size_t traced;
	uint64_t tap_dropped;
	struct tap_count tap;
	bool eavesdropper_noticed, key_refused; /* of the attack's story */
	struct flow_counts flow;
	bool charon_came_back;
	size_t planted;
	struct canary_result canary;
	const char *failed_step; /* NULL: none */
	struct complaint why;
};

struct step;
struct story;

struct lab {
	const struct story *story;
	bool is_once, is_attack;
	bool is_leaking; /* a planted value is leaked on purpose: the lab must fail */
	const char *keep;
	char programs[CHILD_PATH_MAX];  /* folder of merlon and its helpers */
	char templates[CHILD_PATH_MAX]; /* folder of core.yaml, radio.yaml, osmo-sgsn.cfg */
	struct lab_site sites[LAB_SITES];
	struct child optics, sgsn, watch_block, watch_ppk;
	pid_t tap;
	int tap_stop, tap_report;
	uint8_t bootstrap[LAB_BOOTSTRAP_OCTETS];
	struct canary *canary;
	size_t ppk_count;
	char ppks[LAB_PPKS_MAX][64];         /* key ids of PPKs seen in use */
	bool has_block, has_ppk, has_hybrid; /* planted */
	struct lab_verdict verdict;
	struct flow_ends flow;
	pid_t charon; /* the one that was killed; 0: not yet */
	uint64_t flow_began_ms;
	uint64_t began_ms;
};

struct step {
	const char *name, *says;
	unsigned deadline_ms;
	/* OK and *done; OK and not: again later, `c` says what is waited for; an error: `c` says
	 * why. */
	struct err (*work)(struct lab *lab, bool *done, struct complaint *c);
};
struct story {
	const struct step *steps;
	size_t count;
};
extern const struct story lab_main_job, lab_attack;

/* steps.c */
/* What both ends of the quantum link say; true once both have a final block. */
bool lab_qkd_read(struct lab *lab);
/* Both ends say that it is up, with a PPK. */
bool lab_tunnel_is_up(struct lab *lab, struct complaint *c);
void lab_stop(struct lab *lab); /* sites, SGSN, optics: everything but the tap */

/* ask.c: what the sites say, by the same commands as an operator's. Free with yyjson_doc_free(). */
yyjson_doc *lab_status(const struct lab *lab, const struct lab_site *site, struct complaint *c);
/* Standard output of merlon or a helper, as JSON. */
yyjson_doc *lab_json(const struct lab *lab, const char *space, const char *const argv[],
	unsigned deadline_ms, struct complaint *c);
/* "<programs>/<name>" into one of a few turning buffers. */
const char *lab_program(const struct lab *lab, const char *name);

/* prove.c */
struct err step_keys(struct lab *lab, bool *done, struct complaint *c);
struct err step_attach(struct lab *lab, bool *done, struct complaint *c);
struct err step_vectors(struct lab *lab, bool *done, struct complaint *c);
struct err step_rotations(struct lab *lab, bool *done, struct complaint *c);
struct err step_noticed(struct lab *lab, bool *done, struct complaint *c);
struct err step_nothing(struct lab *lab, bool *done, struct complaint *c);
struct err step_kill(struct lab *lab, bool *done, struct complaint *c);
struct err step_trace(struct lab *lab, bool *done, struct complaint *c);

/* secrets.c: the canary test of the whole lab */
struct err step_plant(struct lab *lab, bool *done, struct complaint *c);
struct err step_watch(struct lab *lab, bool *done, struct complaint *c);
struct err step_cores(struct lab *lab, bool *done, struct complaint *c);
struct err step_search(struct lab *lab, bool *done, struct complaint *c);

/* result.c */
size_t lab_result_json(const struct lab *lab, char *text, size_t size);
