// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the vault of the authentication centre does for those who may only ask: it seals keys, and
 * computes with sealed ones. K, OP and OPc are in clear here alone, in locked memory, for the time
 * of one request. No answer carries a key, and none says more about one than the standard's outputs
 * do.
 *
 * It draws the RAND of every vector itself: an asker who could choose RAND could have a card's
 * answers computed beforehand. It answers at most AUTH_VECTORS_MAX vectors at once, and gives
 * numbers no thought: that they do not repeat is the store's business.
 */
#include "auc/vector.h"
#include "base/env.h"
#include "base/secret.h"
#include "codec/auc_msg.h"

struct auc_vault {
	struct secret kek;
	uint32_t kek_id;
	struct secret scratch; /* struct auc_vault_scratch: whatever is in clear */
	struct entropy entropy;
	struct auc_algorithms algorithms;
};

/* Opens all but the key: set `kek` and `kek_id` before. */
MUST_USE struct err auc_vault_open(struct auc_vault *v, struct entropy entropy);
void auc_vault_close(struct auc_vault *v);
/* Answers AUC_VECTORS, AUC_RESYNC, AUC_SEAL; a channel_serve_fn. */
struct err auc_vault_serve(void *ctx, uint16_t type, struct span body, struct writer *answer);
