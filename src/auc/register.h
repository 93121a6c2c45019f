// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The subscribers, as the store holds them in memory: sealed keys and the state of SQN, found by
 * IMSI. The database is the truth for all but `last`, which needs none (sqn.h), and the two levels
 * of limit.h.
 *
 * What one takes: 48 octets, 4 of index, and the sealed keys with an octet for their length, in steps
 * of 8: 72 for MILENAGE. So 124 in all. Memory is given at the start for the most subscribers that there
 * may be, and touched as they come.
 *
 * The index is hashed linearly: as many chains as subscribers; with each that comes, one chain is
 * split in two. So no addition takes long, and none needs more memory than was reserved.
 *
 * One who is removed keeps his place, with his numbers: should he come again in the same life of the
 * process, they go on.
 */
#include "auc/resync.h"
#include "auc/sqn.h"
#include "codec/auc_msg.h"

enum { REGISTER_SEALED_MAX = AUC_SEALED_MAX, REGISTER_CELL = 8 };
enum { REGISTER_LIMIT_MAX = 1 << 26 };
enum { REGISTER_CELLS_MAX = (REGISTER_SEALED_MAX + 1 + REGISTER_CELL - 1) / REGISTER_CELL };

struct subscriber {
	uint32_t imsi_low; /* 1, then the digits: leading zeros count */
	unsigned imsi_high : 19;
	unsigned resync : 3;    /* enum resync_outcome, of the last one */
	unsigned is_moving : 1; /* a new DIF is on its way to the disk */
	unsigned is_disabled : 1, is_removed : 1;
	int64_t dif;
	uint64_t last;
	uint32_t generation;
	uint32_t next;                         /* of its chain: item + 1; 0: none */
	uint32_t sealed;                       /* cell; 0: none */
	uint32_t vectors_level, resyncs_level; /* limit.h */
	uint32_t resynced_s;                   /* calendar; 0: never */
};

struct subscriber_register {
	struct subscriber *items;
	uint32_t *chains; /* item + 1; 0: empty */
	uint8_t *cells;
	uint32_t count, limit, removed; /* items; of these removed */
	uint32_t cells_used, cells_limit;
	uint32_t cells_free[REGISTER_CELLS_MAX +
			    1]; /* by length in cells: a list through themselves */
};

/* `memory` is zero, aligned as any type wants, and borrowed: what is not touched need not be there. */
size_t register_octets(uint32_t limit);
void register_open(struct subscriber_register *r, uint32_t limit, void *memory);
/* NULL: not known, or removed. */
struct subscriber *register_find(const struct subscriber_register *r, const char *imsi);
/*
 * The one that is there, or a new one, zero but for its IMSI. *is_new: there was none, or it had
 * been removed. ERR_LIMIT at the limit.
 */
MUST_USE struct err register_add(
	struct subscriber_register *r, const char *imsi, struct subscriber **item, bool *is_new);
void register_remove(struct subscriber_register *r, struct subscriber *item);
/* ERR_LIMIT where no room is left: after many changes of length, memory may be scattered. */
MUST_USE struct err register_seal(
	struct subscriber_register *r, struct subscriber *item, struct span sealed);
/* Lives until it is sealed anew. */
struct span register_sealed(const struct subscriber_register *r, const struct subscriber *item);
void register_imsi(const struct subscriber *item, char imsi[static IMSI_TEXT]);
/* Those that are there. */
uint32_t register_count(const struct subscriber_register *r);

static inline struct sqn_state subscriber_sqn(const struct subscriber *s)
{
	return (struct sqn_state){.dif = s->dif, .last = s->last, .generation = s->generation};
}
