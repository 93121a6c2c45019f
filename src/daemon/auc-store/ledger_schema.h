// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the authentication centre's store keeps. Each table has the shard from the first day; each
 * write names the epoch under which it may happen, so that an owner who has been replaced changes
 * nothing [fencing].
 */
#include "host/store.h"

enum { LEDGER_SHARD = 0 };

enum ledger_statement {
	LEDGER_EPOCH_NEXT,  /* ($1 shard) -> epoch, ceiling of the epoch before */
	LEDGER_CEILING_SET, /* ($1 shard, $2 epoch, $3 ceiling) */
	LEDGER_INDS,        /* ($1 shard) -> ind, domain, node, used */
	LEDGER_IND_SET,     /* ($1 shard, $2 epoch, $3 ind, $4 domain, $5 node, $6 used) */
	LEDGER_SUBSCRIBERS, /* ($1 shard, $2 after imsi) -> imsi, sealed, dif, generation, msisdn; a
			       page */
	LEDGER_IMPORTED,    /* ($1 shard, $2 after imsi, $3 import) -> the same, of one import */
	LEDGER_DIF_SET,     /* ($1 shard, $2 epoch, $3 imsi, $4 dif, $5 generation) */
	LEDGER_IMPORT_CLEAR, /* ($1 shard) all rows that are kept aside */
	LEDGER_IMPORT_ROW, /* ($1 shard, $2 epoch, $3 import, $4 imsi, $5 sealed, $6 dif, $7 msisdn)
			    */
	LEDGER_IMPORT_ALL, /* ($1 shard, $2 epoch, $3 import): aside -> subscribers */
	LEDGER_STATEMENTS
};

enum { LEDGER_PAGE = 1000 };

extern const struct store_schema ledger_schema;
