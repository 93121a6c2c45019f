// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of the key store share; see kms.h for what it does. */
#include "kms.h"

struct segment {
	uint32_t block_slot, number;
	uint64_t taken; /* bit a slot: reserved, or further */
	uint64_t done;  /* bit a slot: delivered or void; all set: the segment is erased */
	uint8_t wrapped[KVAULT_WRAPPED];
	uint16_t sealed_len;
	uint8_t sealed[KVAULT_SEALED_MAX];
};

struct link {
	char name[QKD_LINK_MAX + 1];
	struct qkd_marks marks;
	size_t recent_count; /* newest first */
	struct qkd_block recent[QKD_BLOCKS_MAX];
	size_t state_len;
	uint8_t state[KVAULT_STATE_OCTETS_MAX];
};

struct block {
	struct pool_handle handle;
	uint8_t id[PEER_ID];
	struct link *link;
	enum block_state state;
	uint64_t order; /* oldest keys first */
	uint32_t slots, segment_count, segments_left;
	uint32_t live_keys;                            /* that point here: a block outlives them */
	struct segment *segments[KVAULT_SEGMENTS_MAX]; /* NULL: erased */
	uint32_t next;                                 /* own half: the next slot to issue */
	bool is_agreeing;
	uint64_t retry_at_ms;
	uint8_t exchange_id[PEER_ID], transcript[PEER_DIGEST], proof[PEER_DIGEST];
	bool has_secrets;
	uint8_t secrets[KVAULT_SECRETS];
};

struct key {
	struct pool_handle handle;
	struct kms_key_id id;
	struct block *block;
	uint32_t slot;
	bool is_ours;
	enum key_state state;
	uint16_t size_bits;
	uint8_t master; /* index of an SAE: ours -> local, else peer's */
	uint8_t slave_count, slaves[KMS_SLAVES_MAX];
	uint8_t waiting; /* bit i: slaves[i] */
	uint8_t uses;    /* deliveries under way */
	uint64_t since_ms;
	uint32_t next_of_bucket; /* slot + 1 */
};

enum order_phase {
	ORDER_SAVING,
	ORDER_OFFERING,
	ORDER_WAITING,
	ORDER_DELIVERING,
	ORDER_VOIDING,
	ORDER_VOID_WAITING
};

enum sae_side { SAE_LOCAL, SAE_PEER };

/* A request for keys under way; or, once its offer is void, the duty to tell the other site so. */
struct order {
	struct pool_handle handle;
	struct kms *k;
	enum order_phase phase;
	kms_done_fn *answer; /* NULL: answered */
	void *answer_ctx;
	uint64_t deadline_ms, retry_at_ms;
	bool is_enc;
	uint8_t sae; /* to whom: an index of local SAEs */
	uint8_t durable_waits;
	struct err durable_err;
	size_t count;
	struct key *keys[KMS_KEYS_MAX];
};

/* One exchange under way, or one request of a quantum link, or one of the other site. */
struct agreement {
	struct pool_handle handle;
	struct kms *k;
	struct pool_handle block;
	kms_done_fn *answer;
	void *answer_ctx;
	struct kvault_opened opened;
	struct peer_exchange_answer reply;
};

struct errand {
	struct pool_handle handle;
	struct kms *k;
	kms_done_fn *answer;
	void *answer_ctx;
	struct link *link;
	struct qkd_marks marks;
	uint8_t block_id[PEER_ID];
	uint32_t slots;
	bool is_final;
	size_t report_len;
	char report[QKD_REPORT_MAX];
};

struct kms {
	struct kms_config config;
	struct kms_ports ports;
	struct moment now;
	enum direction direction; /* this site issues from these halves */
	bool is_loading, is_delivery_possible, is_peer_up, is_synchronised;
	bool is_synchronising;
	uint32_t sync_generation, sync_asked; /* the connection's number now, and when we asked */
	uint64_t sync_after;                  /* order of the last block asked about */
	uint64_t sync_retry_ms, expiry_ms;
	size_t sync_count;
	struct pool_handle sync_blocks[PEER_BLOCKS_MAX];
	struct pool blocks, segments, keys, orders, agreements, errands;
	uint32_t *buckets;                     /* key ids; slot + 1 */
	struct kms_name saes[2][KMS_SAES_MAX]; /* by side; empty: free place */
	size_t link_count;
	struct link links[KMS_LINKS_MAX];
	uint64_t next_order;
	struct kms_summary counters;
	struct kms_change changes[2 * KVAULT_SEGMENTS_MAX + KMS_KEYS_MAX + 4];
	size_t change_count;
	uint8_t scratch[KVAULT_MESSAGE_MAX];
};

/* An item of a pool by its slot, or NULL where the slot is free. */
void *pool_item(const struct pool *p, uint32_t slot);

/* shelf in memory: store.c */
struct block *block_find(struct kms *k, const uint8_t id[static PEER_ID]);
struct err block_new(struct kms *k, const uint8_t id[static PEER_ID], struct link *link,
	uint32_t slots, struct block **out);
void block_drop(struct kms *k, struct block *b);
struct segment *segment_of(const struct block *b, uint32_t slot);
bool slot_is_taken(const struct block *b, uint32_t slot);
void slot_take(struct block *b, uint32_t slot);
/* The slot will never be used again; an exhausted segment is erased, an exhausted block spent. Adds changes. */
void slot_finish(struct kms *k, struct block *b, uint32_t slot);
void segments_erase_exhausted(struct kms *k);
/* Drops a spent or void block that no key needs any more. */
void block_settle(struct kms *k, struct block *b);
struct key *key_find(const struct kms *k, const struct kms_key_id *id);
struct err key_new(struct kms *k, struct block *b, uint32_t slot, struct key **out);
void key_drop(struct kms *k, struct key *key);
/* Drops the key and finishes its slot. Adds changes. */
void key_finish(struct kms *k, struct key *key);
/* The SAE's place in its site's table, or -1. With `add` a new name gets a place, if the configuration allows it. */
int sae_find(struct kms *k, enum sae_side side, const struct kms_name *name, bool add);
uint32_t available(const struct kms *k);
struct link *link_find(struct kms *k, const char *name);
void link_note(struct link *link, const uint8_t block_id[static PEER_ID], enum block_state state);

/* Changes are gathered, then saved as one. */
void change_key(struct kms *k, const struct key *key);
void change_block_state(struct kms *k, const struct block *b);
struct kms_change *change_add(struct kms *k, enum kms_change_kind kind);
void changes_save(struct kms *k, kms_done_fn *done, void *ctx);
void ignore(void *ctx, struct err err, struct span body);
/* Voids a block and all that is left of it. Adds the changes; the caller saves them. */
void block_void(struct kms *k, struct block *b);

/* issue.c */
void issue_enc(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
void issue_dec(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
void issue_status(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
void issue_tick(struct kms *k);
/* Keys found RESERVED at start: void, and the other site is told. */
void issue_void_uncertain(struct kms *k);

/* agree.c */
void agree_tick(struct kms *k);
void agree_answer(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
void agree_confirm(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);

/* peer.c */
void peer_accept(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
void peer_void(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
void peer_reconcile(struct kms *k, struct span body, kms_done_fn *answer, void *ctx);
void peer_synchronise(struct kms *k);

/* intake.c */
struct err segment_put(
	struct kms *k, struct block *b, uint32_t number, struct span wrapped, struct span sealed);
void intake_request(struct kms *k, uint16_t type, struct span body, kms_done_fn *answer, void *ctx);
