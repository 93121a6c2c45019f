// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inside of qkd/link.h: link.c keeps connection and store; link_greet.c what comes before the first block; link_block.c the way of
 * one block to equal keys; link_final.c from there to the store.
 */
#include "amplify.h"
#include "base/secret.h"
#include "codec/qkd_pads.h"
#include "collect.h"
#include "crypt/wegman_carter.h"
#include "link.h"
#include "pads.h"
#include "sift.h"

enum link_stage {
	STAGE_AWAY,     /* no connection, or the store is being asked */
	STAGE_GREETING, /* HELLO sent; the peer's is awaited */
	STAGE_SETTLING, /* pending blocks become final or void; READY on both sides */
	STAGE_IDLE,
	STAGE_STORING, /* a durable answer is awaited; the peer has nothing to say */
	STAGE_A_MEASURED,
	STAGE_A_SLOTS, /* all was measured, but not all slots are here yet */
	STAGE_A_RECONCILE,
	STAGE_A_QUESTION,
	STAGE_A_VERIFIED,
	STAGE_A_TAG,
	STAGE_B_SIFTED,
	STAGE_B_ANSWER,
	STAGE_B_VERIFY,
	STAGE_B_AMPLIFY,
	STAGE_B_SEED,
	STAGE_B_TAG,
	STAGE_B_FINAL,
	STAGES
};

/* What both ends said of one block, each direction under each end's hash key. */
struct link_transcript {
	struct polyhash under_a[2], under_b[2]; /* [0] what Alice said, [1] what Bob said */
};

struct link_secrets {
	struct pads pads;
	struct link_transcript transcripts[2]; /* as collect.blocks */
};

/* The block being worked on. */
struct link_block {
	uint8_t id[QKD_BLOCK_ID];
	struct collect_block *slots;
	struct link_transcript *transcript;
	struct qkd_counts counts;
	struct qkd_ledger ledger;
	struct estimate estimate;
	uint32_t measured, sifted; /* detections told, and answered, so far */
	uint32_t final_bits, seed_bits, seed_octets;
	uint16_t refill;
	uint64_t started_ms, asked_ms; /* Bob's first question, until it is answered; 0 */
	bool is_estimated;
};

typedef void link_after_fn(struct qkd_link *l, struct span body);

struct qkd_link {
	struct qkd_link_settings settings;
	struct qkd_parameters parameters;
	struct qkd_link_port port;
	struct entropy entropy;
	struct alarm_registry *alarms;
	struct moment now;

	enum link_stage stage;
	bool is_store_up, is_peer_up, is_asking, has_hello, is_peer_ready, is_ready_sent;
	link_after_fn *after; /* of the question on its way; NULL: its answer is of no more use */
	uint64_t stage_since_ms, driver_heard_ms, last_final_ms;
	struct link_hello peer;
	struct qkd_marks ready_ends; /* the peer's */
	struct qkd_opened opened;    /* without the state's span */
	struct qkd_marks marks;
	size_t settle_at;

	struct collect collect;
	struct watch watch;
	enum reconcile_mode mode_fixed; /* that an end is set to; 0: Bob chooses for each block */
	const struct reconciler *mode;  /* of the block in work */
	struct reconcile *reconcile[RECONCILE_MODES];
	struct sift_key key;
	uint64_t *before; /* Bob's key before correction */
	struct link_block block;
	struct secret memory_key, memory_final, memory_request, memory_secrets, bootstrap;
	struct toeplitz amplifier; /* wiped between blocks */
	struct link_secrets *secrets;
	uint8_t *out, *items; /* LINK_BODY_MAX each */
	uint8_t *measured,
		*seed; /* of the block in work: Bob's bases and test bits, at Alice; both ends' seed */
	struct link_message held; /* a TAG that waits for the store */
	struct reconcile_errors
		errors_before; /* Bob: of the last block whose key was corrected; 0: none */
	/* Bob, for the choice of a mode: of the last final blocks, and of first questions of late. 0: not known */
	double bits_a_second, round_trip_ms;
	bool has_round_trip;
	uint32_t uncorrected; /* Bob: blocks that were not corrected, since one was */
	struct qkd_link_status status;
};

static inline bool link_is_bob(const struct qkd_link *l)
{
	return l->settings.role == LINK_BOB;
}

/* link.c */
void link_stage_enter(struct qkd_link *l, enum link_stage stage);
void link_send(struct qkd_link *l, uint16_t type, const struct link_message *m);
void link_disconnect(struct qkd_link *l);
/* Asks the store; `after` is called when it is durable. A refusal aborts the block and the connection. */
void link_ask(
	struct qkd_link *l, uint16_t type, const struct qkd_request *request, link_after_fn *after);
/* QKD_STATE or QKD_BLOCK_FINAL with the pads as they are now. */
void link_ask_state(
	struct qkd_link *l, uint16_t type, const uint8_t *block_id, link_after_fn *after);
void link_ask_marks(struct qkd_link *l, struct qkd_marks marks, link_after_fn *after);
void link_pads_watch(struct qkd_link *l);

/* link_greet.c: what comes before the first block, in the order of messages */
void link_opened(struct qkd_link *l, struct span body); /* the store's answer */
void link_hello(struct qkd_link *l, struct span body);
void link_ready(struct qkd_link *l, struct span body);

/* link_block.c */
void link_block_message(struct qkd_link *l, uint16_t type, struct span body);
void link_block_tick(struct qkd_link *l); /* begins a block, or goes on when slots have come */
void link_block_collect(struct qkd_link *l, bool all); /* announces what was detected */
void link_block_abort(struct qkd_link *l, enum qkd_abort reason, bool tell_peer);
void link_fail(struct qkd_link *l, enum qkd_abort reason); /* and tells the peer */
bool link_block_runs(const struct qkd_link *l);
void link_block_forget(struct qkd_link *l);
/* Sends a message of this block; all but Bob's tag, FINAL and ABORT are in the transcript. */
void link_say(struct qkd_link *l, uint16_t type, struct link_message *m);
void link_transcript_add(struct link_transcript *t, uint16_t type, struct span body, bool from_bob);
/* False: the block was aborted. */
bool link_draw(struct qkd_link *l, void *at, size_t octets);
enum { LINK_REPORT_MAX = 1536 };
void link_report(const struct qkd_link *l, enum qkd_abort reason, char out[static LINK_REPORT_MAX]);
double link_block_qber(const struct qkd_link *l);

/* link_final.c: what follows equal keys, in the order of messages */
void link_corrected(struct qkd_link *l, const struct link_message *m); /* Alice */
void link_verify(struct qkd_link *l, const struct link_message *m);    /* Bob */
void link_verified(struct qkd_link *l);                                /* Alice */
void link_amplify(struct qkd_link *l, const struct link_message *m);   /* Bob */
void link_seed(struct qkd_link *l, const struct link_message *m);      /* Bob */
void link_tag(struct qkd_link *l, const struct link_message *m);
void link_final(struct qkd_link *l); /* Bob */
