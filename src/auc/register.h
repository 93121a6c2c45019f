// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The subscribers, as the store holds them in memory: sealed keys and the state of SQN, found by
 * IMSI. The database is the truth for all but `last`, which needs none (sqn.h). About 130 octets a
 * subscriber and 8 of index; all taken at start, touched as subscribers come.
 */
#include "auc/sqn.h"

enum { REGISTER_SEALED_MAX = 80, REGISTER_MSISDN = 16 };

struct subscriber {
	uint64_t imsi; /* number of digits in the top octet, then the number: leading zeros count */
	struct sqn_state sqn;
	bool is_moving; /* a new DIF is on its way to the disk */
	uint8_t sealed_len, sealed[REGISTER_SEALED_MAX];
	char msisdn[REGISTER_MSISDN];
};

struct subscriber_register {
	struct subscriber *items;
	uint32_t *index; /* item + 1, open addressing; 0: free */
	uint32_t count, limit, index_mask;
};

MUST_USE struct err register_open(struct subscriber_register *r, uint32_t limit);
void register_close(struct subscriber_register *r);
/* NULL: not known. */
struct subscriber *register_find(const struct subscriber_register *r, const char *imsi);
/* The one that is there, or a new one, zero but for its IMSI. ERR_LIMIT at the limit. */
MUST_USE struct err register_add(
	struct subscriber_register *r, const char *imsi, struct subscriber **item);
