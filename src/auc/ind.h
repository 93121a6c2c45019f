// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which IND a serving node has [TS 33.102 Annex C.1.2, C.3.4]: vectors for one node share one, so
 * that a card which visits two nodes in turn takes the vectors of both, whatever their order.
 *
 * There are 32 INDs and perhaps more nodes: the one least recently used is given again, which is
 * harmless, as SEQ rises over all of them. But each time that costs a durable write, and with forty
 * busy nodes it would be at every request. So an IND that was used lately stays where it is, and who
 * comes then shares one, always the same; all that it costs is a resynchronisation now and then of a
 * card that moves between the two. IND 0 is given to nobody: it is what a node gets elsewhere by
 * default, and would hide a table that does not work.
 */
#include "auc/auc.h"
#include "base/err.h"

/* Uses of others after which an IND is idle: all 31 given again cost a write in a thousand requests. */
enum { IND_IDLE_USES = 32768 };

struct ind_entry {
	char node[AUTH_NODE_MAX]; /* "": free */
	enum auth_domain domain;
	uint64_t used; /* tick of the last use */
	bool is_kept;  /* durably */
};

struct ind_table {
	struct ind_entry entries[SQN_INDS]; /* by IND; 0 stays free */
	uint64_t tick, evicted, shared;
	uint64_t idle_uses; /* IND_IDLE_USES; 0: given again however lately it was used */
};

/* 0: this node has none yet, and there is one for it. A hit counts as a use. */
uint8_t ind_find(struct ind_table *t, enum auth_domain domain, const char *node);
/* A free IND, else the one least recently used. Nothing is promised for a node that has one. */
uint8_t ind_assign(struct ind_table *t, enum auth_domain domain, const char *node);
/* It is durable now; of no effect where another node has that IND meanwhile. */
void ind_kept(struct ind_table *t, uint8_t ind, enum auth_domain domain, const char *node);
/* False: this node's own, and not durable yet. One that is shared needs not be: it follows from the name. */
bool ind_is_kept(const struct ind_table *t, uint8_t ind, enum auth_domain domain, const char *node);
/* As it was kept. ERR_INPUT for an IND or a name that cannot be. */
MUST_USE struct err ind_restore(
	struct ind_table *t, uint8_t ind, enum auth_domain domain, const char *node, uint64_t used);
