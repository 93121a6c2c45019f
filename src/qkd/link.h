// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One end of a quantum link: a state machine without sockets. Events come in by the functions below; what it wants done goes
 * out through a port. It runs unchanged in the daemon, in a test of both ends, and in a simulation of crashes.
 *
 * Life of a connection: open at the store (what it says is the truth: pads, marks, blocks) -> HELLO both ways -> reconcile
 * pending blocks -> READY both ways -> blocks, one after another, until it breaks. Nothing of a broken
 * connection is kept but complete blocks of slots.
 *
 * A block at Alice (A) and Bob (B); "mark" and "store" are durable before what follows them:
 *   B DETECTED … (while light comes in) -> B MEASURED … -> A SIFTED … -> B RECONCILE -> (B QUESTION -> A ANSWER) … -> B CORRECTED
 *   -> A VERIFY -> B VERIFIED -> A AMPLIFY, SEED …, mark send, TAG -> B mark accept, check, store PENDING, mark send, TAG
 *   -> A mark accept, check, store PENDING, store FINAL, FINAL -> B store FINAL
 * While one block goes this way, the next one's DETECTED are already spoken: it opens when the first SIFTED has come.
 *
 * Every message from DETECTED to SEED is in the transcript that both tags cover, after the link's name and the
 * parameters as each end itself is set; Bob's covers Alice's tag too. Messages of both directions cross, so
 * a transcript is two streams, one each way, joined for the tag (crypt/gf128.h: polyhash_join). Bob's tag says, authentically,
 * that his end is PENDING, and Alice may go to FINAL. After a break: a block FINAL at one end and
 * PENDING at the other becomes FINAL at both; a block PENDING at both, or at one alone, becomes VOID.
 *
 * HELLO, READY, FINAL and ABORT are protected by TLS alone. Who could forge them could stop the link or void blocks, not
 * learn or plant key: a block leaves PENDING only behind a verified tag at its own end.
 */
#include "base/alarm.h"
#include "base/env.h"
#include "codec/qkd_driver.h"
#include "codec/qkd_link.h"
#include "qkd.h"
#include "reconciler.h"
#include "watch.h"

struct qkd_link_settings {
	enum link_role role;
	char link[QKD_LINK_MAX + 1];
	struct link_parameters shared; /* both ends alike */
	double qber_max;
	uint32_t key_bits_min, test_bits_min, final_bits_min;
	uint32_t final_bits_max;   /* what the key store takes; 0: QKD_KEY_MAX octets */
	uint64_t slots_max;        /* of one block: one that takes longer is given up */
	uint64_t ring_slots;       /* Alice's newest slots that are kept: a power of two */
	enum reconcile_mode mode;  /* the only one; 0: as the peer is set, or by circumstances */
	uint32_t frames_in_flight; /* of error correction */
	uint32_t answer_ms_max;    /* the peer's silence within a block */
	uint32_t driver_ms_max;    /* the device's silence */
	struct watch_settings watch;
};

struct qkd_link_port {
	void *ctx;
	void (*send)(void *ctx, uint16_t type, struct span body);
	/* To the key store; one at a time, answered by qkd_link_store_answered(). The body holds secrets and is wiped when ask() is back. */
	void (*ask)(void *ctx, uint16_t type, struct span body);
	/* The connection to the peer is of no more use: close it. qkd_link_peer_down() follows. */
	void (*disconnect)(void *ctx);
	/* A block ended. `report`: JSON, public; of an aborted block too. */
	void (*block_done)(void *ctx, enum qkd_abort reason, const char *report);
};

struct qkd_link_status {
	const char *stage;
	bool is_simulated, has_driver;
	uint64_t blocks_final, blocks_aborted, blocks_void, secret_bits, pads_burnt;
	uint64_t pads_send, pads_accept;
	double qber, test_qber; /* of the last block that got so far */
	double bits_per_second; /* last block's bits over the time since the block before */
	double block_seconds;   /* post-processing of the last final block */
	enum qkd_abort last_abort;
	double round_trip_seconds; /* at Bob's end, of late; 0: not known */
	struct qkd_ledger ledger;  /* of the last final block */
	struct watch_figures watch;
};

struct qkd_link;

/* `bootstrap` is copied; `alarms` outlives the link. ERR_INPUT with a reason, or ERR_LIMIT. */
MUST_USE struct err qkd_link_open(struct qkd_link **out, const struct qkd_link_settings *settings,
	struct qkd_link_port port, struct entropy entropy, struct alarm_registry *alarms,
	struct span bootstrap, struct complaint *c);
void qkd_link_close(struct qkd_link *l);

void qkd_link_store_up(struct qkd_link *l, struct moment now);
void qkd_link_store_down(struct qkd_link *l, struct moment now);
void qkd_link_store_answered(
	struct qkd_link *l, struct moment now, struct err err, struct span body);

void qkd_link_peer_up(struct qkd_link *l, struct moment now);
void qkd_link_peer_down(struct qkd_link *l, struct moment now);
void qkd_link_peer_message(struct qkd_link *l, struct moment now, uint16_t type, struct span body);

/* ERR_INPUT: the device's stream is of no use; close it. */
MUST_USE struct err qkd_link_driver_record(
	struct qkd_link *l, struct moment now, const struct driver_record *record);
void qkd_link_driver_down(struct qkd_link *l, struct moment now);
bool qkd_link_driver_is_wanted(
	const struct qkd_link *l); /* false: do not read the device for now */

void qkd_link_tick(struct qkd_link *l, struct moment now); /* several times a second */
struct qkd_link_status qkd_link_status(const struct qkd_link *l);
