// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The key store of one site: takes distilled blocks from the quantum links, makes each hybrid together with
 * the other site, and gives keys to SAEs: new ones to masters here, and to slaves here the ones
 * that masters at the other site got [ETSI GS QKD 014 §4].
 *
 * What it promises, whatever process dies and whatever the network does:
 *   1. A key is handed to one SAE at most once. An uncertain key is burnt, never handed out again.
 *   2. Two ends that both hand out a key id hand out the same octets.
 *   3. A slave gets a key only if it was named when the key was issued.
 *   4. Nothing leaves before its durable marks here, at the other site, and in the audit log.
 *
 * A new key's way:     RESERVED durable -> PEER_OFFER -> (durable at the other site) -> CONFIRMED
 *                      -> audit record durable and DELIVERED durable -> combined -> answer -> slot erased
 * A slave's key:       CONFIRMED (by the offer) -> audit and DELIVERED durable -> combined -> answer
 * Uncertain:           the same offer again, to the same peer, until the deadline; then void at both ends.
 * After a crash:       what is RESERVED was never handed out: void at both ends. Then reconcile.
 *
 * No sockets, files, clock or randomness here: struct kms_ports. The store's rows go out as changes and come
 * back at start through kms_load(); blocks and live keys are kept in memory (KMS_*_MAX), finished keys are not.
 */
#include "base/env.h"
#include "base/pool.h"
#include "codec/kvault_msg.h"
#include "codec/qkd_msg.h"
#include "shelf.h"

enum {
	KMS_SAES_MAX = 250,        /* at each site, that live keys name */
	KMS_BLOCKS_MAX = 1024,     /* in memory: not spent, not void */
	KMS_SEGMENTS_MAX = 8192,   /* 16 MiB of key */
	KMS_LIVE_KEYS_MAX = 65536, /* reserved, offered or confirmed */
	KMS_ORDERS_MAX = 4096,     /* requests under way */
	KMS_AGREEMENTS_MAX = 8,    /* exchanges under way */
	KMS_LINKS_MAX = 8,
	KMS_KEY_BITS_LEAST = 64,
};

/* --- rows: what is durable --- */

struct kms_link_row {
	const char *link;
	struct qkd_marks marks;
	struct span state; /* sealed; empty: none yet */
};

struct kms_block_row {
	uint8_t id[PEER_ID];
	const char *link;
	enum block_state state;
	uint32_t slots;
	uint8_t exchange_id[PEER_ID], transcript[PEER_DIGEST], proof[PEER_DIGEST];
	struct span secrets; /* sealed; empty: none yet */
	struct span report;  /* JSON of the quantum link; only when the row is new */
};

struct kms_segment_row {
	uint8_t block_id[PEER_ID];
	uint32_t number;
	struct span wrapped, sealed;
};

struct kms_key_row {
	struct kms_key_id id;
	uint8_t block_id[PEER_ID];
	uint32_t slot;
	bool is_ours; /* issued by this site */
	enum key_state state;
	uint32_t size_bits;
	struct kms_name master;
	size_t slave_count;
	struct kms_name slaves[KMS_SLAVES_MAX];
	uint32_t waiting; /* bit i: slaves[i] has not collected it */
};

enum kms_change_kind {
	KMS_CHANGE_LINK,
	KMS_CHANGE_BLOCK,         /* a new row; ERR_STATE where the id is known */
	KMS_CHANGE_BLOCK_STATE,   /* all but link, slots and report */
	KMS_CHANGE_SEGMENT,       /* a new row */
	KMS_CHANGE_SEGMENT_ERASE, /* number alone */
	KMS_CHANGE_KEY,           /* a new row, or a new state */
};

struct kms_change {
	enum kms_change_kind kind;
	union {
		struct kms_link_row link;
		struct kms_block_row block;
		struct kms_segment_row segment;
		struct kms_key_row key;
	};
};

/* --- ports --- */

typedef void kms_done_fn(void *ctx, struct err err, struct span body);

struct kms_ports {
	void *ctx;
	/* All changes or none; `done` after durability (body empty), in the order of the calls. ERR_STATE: a
	 * constraint refused. Any other error: durability is gone, the port stops the process itself. */
	void (*save)(void *ctx, const struct kms_change *changes, size_t count, kms_done_fn *done,
		void *done_ctx);
	void (*vault)(
		void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx);
	void (*peer)(void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx);
	/* One JSON object; done when the record is durable. */
	void (*audit)(void *ctx, struct span json, kms_done_fn *done, void *done_ctx);
};

struct kms_config {
	struct kms_name site, peer_site;
	struct kms_name kme_id,
		peer_kme_id; /* for [ETSI GS QKD 014 §6.1] alone; the KME id of a site */
	/* Who may ask here, and for whom. None: whoever the front authenticated, for any name. */
	size_t local_sae_count, peer_sae_count;
	struct kms_name local_saes[KMS_SAES_MAX], peer_saes[KMS_SAES_MAX];
	uint32_t key_bits;       /* default size, a multiple of 8 up to SLOT_BITS */
	uint32_t offer_ms_max;   /* after this an unanswered offer is void */
	uint32_t retry_ms;       /* between attempts with the other site */
	uint64_t collect_ms_max; /* a key that no slave collects in this time is void; 0: never */
};

struct kms;
MUST_USE struct err kms_open(struct kms **out, const struct kms_config *config,
	const struct kms_ports *ports, struct complaint *c);
void kms_close(struct kms *k);

/* Rows as they were saved; all links first, then blocks in the order they were made, segments, keys. Then start. */
MUST_USE struct err kms_load(struct kms *k, const struct kms_change *row);
void kms_start(struct kms *k, struct moment now);

/* A request of block KMS, QKD or PEER; `answer` comes exactly once, now or later. */
void kms_request(struct kms *k, uint16_t type, struct span body, struct moment now,
	kms_done_fn *answer, void *answer_ctx);
void kms_peer_link(struct kms *k, bool is_up, struct moment now);
/* Whether vault and audit log are there: where they are not, keys are refused rather than burnt. At first: not. */
void kms_delivery(struct kms *k, bool is_possible);
/* Retries and deadlines; every 100 ms or so. */
void kms_tick(struct kms *k, struct moment now);

struct kms_summary {
	uint32_t available; /* keys of this site's halves that can be issued now */
	uint32_t capacity;  /* most that the blocks in memory could ever give */
	uint32_t blocks_pending, blocks_final, blocks_agreed, blocks_ready, live_keys, voiding;
	bool is_peer_up, is_synchronised;
	uint64_t issued, collected, voided, refused, exchanges;
};
void kms_summarise(const struct kms *k, struct kms_summary *summary);
